"""The tables of docs/notify/providers.md, made from the data: codes by vendor, and the numbers of the test key mode.

python -m jiayuan.notify.providers.page FILE            # writes them between their marks
python -m jiayuan.notify.providers.page FILE --check    # exit code 1 when they differ
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from . import codes, pretend
from .codes import Entry, Meaning

_MARKS: Final = re.compile(r"(<!-- (?P<name>[a-z-]+) -->\n).*?(<!-- /(?P=name) -->)", re.DOTALL)


def filled(page: str) -> str:
    """The page with its tables as the data has them. KeyError for a mark that names none."""
    made = {vendor: _codes(vendor) for vendor in codes.VENDORS} | {"test-numbers": _numbers()}
    return _MARKS.sub(lambda found: found[1] + made[found["name"]] + found[3], page)


def _codes(vendor: str) -> str:
    """The vendor's codes by what they mean, then those of receipts."""
    found = codes.bundled(vendor)
    rows = ["| kind | codes |", "|---|---|"]
    by_kind: dict[str, list[str]] = {}
    for code, entry in found.send.entries.items():
        by_kind.setdefault(entry.meaning.kind, []).append(_said(code, entry))
    rows += [f"| {kind} | {'; '.join(said)} |" for kind, said in by_kind.items()]
    for kind in sorted({e.meaning.kind for e in found.receipts.entries.values()}):
        said = [_said(c, e) for c, e in found.receipts.entries.items() if e.meaning.kind == kind]
        rows.append(f"| receipt: {kind} | {'; '.join(said)} |")
    return "\n".join(rows) + "\n"


def _said(code: str, entry: Entry) -> str:
    name = "every other code" if code == "default" else f"`{code}`"
    parts = [entry.meaning.note, _wait(entry.meaning), _refusal(entry.meaning)]
    parts += [f"“{words}”: {_wait(meaning) or _refusal(meaning)}" for words, meaning in entry.words]
    return f"{name} ({', '.join(filter(None, parts))})"


def _wait(meaning: Meaning) -> str:
    if meaning.after == "day":
        return "until midnight"
    return f"{meaning.after:g} s" if meaning.after else ""


def _refusal(meaning: Meaning) -> str:
    return "kept as a refusal" if meaning.unsubscribed else ""


def _numbers() -> str:
    rows = ["| last digits | what becomes of it |", "|---|---|"]
    rows += [f"| {digits} | {case.kind}: {case.note} |" for digits, case in pretend.CASES.items()]
    return "\n".join([*rows, f"| any other | {pretend.OTHERWISE.note} |"]) + "\n"


def main(arguments: Sequence[str]) -> int:
    """The command."""
    files: Iterable[Path] = [Path(a) for a in arguments if a != "--check"]
    differ = False
    for file in files:
        old = file.read_text(encoding="utf-8")
        new = filled(old)
        differ |= old != new
        if "--check" not in arguments:
            file.write_text(new, encoding="utf-8")
    return int(differ and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
