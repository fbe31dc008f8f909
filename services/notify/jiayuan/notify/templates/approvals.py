"""Which of a template's versions a provider has approved, and what is handed in for approval. Pure.

Carriers send approved texts only. A changed text is a new version, and until a provider has approved it, the newest
approved one before it goes on. A text with conditional parts is approved once for each variant: the same code with
`+` and the facts of the parts that are said.

    received: SMS_100000001       any version
    assigned@2+due: SMS_100000002 version 2 with what is said when there is a due time
    assigned@2: SMS_100000003     version 2 otherwise
"""

from __future__ import annotations

from collections.abc import Mapping

from .facts import FACTS
from .text import Say, Slot, Text


def approved(approvals: Mapping[str, str], code: str, version: int, variant: str = "") -> str | None:
    """A provider's id for a text: of this version, else of the newest approved one before it; None: of none."""
    end = f"+{variant}" if variant else ""
    for older in range(version, 0, -1):
        if found := approvals.get(f"{code}@{older}{end}"):
            return found
    return approvals.get(code + end)


def variant(text: Text, facts: Mapping[str, str]) -> str:
    """Which conditional parts are said with these facts: their facts joined by `+`, in the order of the text."""
    return "+".join(c for c in text.conditions if facts.get(c))


def parameters(text: Text, facts: Mapping[str, str], say: Say) -> dict[str, str]:
    """The values of a text's placeholders as they are written, in the order in which it names them, each once.

    A placeholder that is named twice is one parameter; what is missing has its otherwise.
    """
    found: dict[str, str] = {}
    for piece in text.pieces(facts):
        if isinstance(piece, Slot) and piece.name not in found:
            value = facts.get(piece.name)
            found[piece.name] = say(piece.name, value) if value else piece.otherwise or ""
    return found


def handed_in(text: Text, holds: frozenset[str], positional: bool) -> str:
    """The text as a provider's form wants it: `${name}` (Aliyun), or `{1}` by first mention (Tencent)."""
    facts = {name: FACTS[name].longest for name in text.names if name in holds or name not in text.conditions}
    order = list(parameters(text, facts, lambda _, value: value))
    out = []
    for piece in text.pieces(facts):
        if isinstance(piece, str):
            out.append(piece)
        else:
            out.append(f"{{{order.index(piece.name) + 1}}}" if positional else f"${{{piece.name}}}")
    return "".join(out)
