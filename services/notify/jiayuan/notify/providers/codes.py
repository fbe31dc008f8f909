"""What a provider's codes mean, as data (`data/<vendor>.yaml`): a code → an outcome kind and how long to wait.

A code is looked up as it is, then by its longest prefix that ends in `.*`, then as `default`. `after`: seconds, or
`day`: until the next midnight in China, when the vendors' daily limits begin anew. `unsubscribed`: the vendor says that
the person wants nothing from us (退订, its blacklist). `words`: where one code stands for several things, words of the
message that tell them apart; the first that fits counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from importlib import resources
from typing import Any, Final, get_args

import yaml

from jiayuan.notify.states import Kind

from .base import ReceiptKind

CHINA: Final = timezone(timedelta(hours=8))
"""The vendors' days and local times, all year."""
VENDORS: Final = ("aliyun", "tencent", "wechat")
_SEND: Final = frozenset(get_args(Kind)) - {"accepted", "delivered", "not_found"}
_RECEIPT: Final = frozenset(get_args(ReceiptKind))
_NEVER: Final = ("refused", "undelivered")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code means: the kind, how long nothing is to be tried (seconds, or "day"), and whether it is a refusal by
    the person himself."""

    kind: str
    after: float | str = 0.0
    note: str = ""
    unsubscribed: bool = False

    def seconds(self, now: datetime) -> float:
        """How long from `now`."""
        if self.after == "day":
            local = now.astimezone(CHINA)
            midnight = local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            return (midnight - local).total_seconds()
        return float(self.after)


@dataclass(frozen=True, slots=True)
class Entry:
    """A code: what it means, and what it means when its message says certain words."""

    meaning: Meaning
    words: tuple[tuple[str, Meaning], ...] = ()

    def by(self, message: str) -> Meaning:
        """Its meaning with this message."""
        return next((meaning for words, meaning in self.words if words in message), self.meaning)


class Table:
    """The codes of one kind of answer of one vendor."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.entries = dict(entries)

    def get(self, code: str, message: str = "") -> Meaning:
        """What a code means."""
        entry = self.entries.get(code)
        while entry is None and code:
            code = code.rpartition(".")[0]
            entry = self.entries.get(f"{code}.*")
        return (entry or self.entries["default"]).by(message)


@dataclass(frozen=True, slots=True)
class Codes:
    """A vendor's codes: of answers to a send, and of receipts. `source`: the vendor's pages."""

    source: tuple[str, ...]
    send: Table
    receipts: Table


@lru_cache(maxsize=len(VENDORS))
def bundled(vendor: str) -> Codes:
    """The codes of a vendor."""
    text = resources.files(__package__).joinpath(f"data/{vendor}.yaml").read_text(encoding="utf-8")
    return load(yaml.safe_load(text), vendor)


def load(document: Any, where: str) -> Codes:
    """Codes of a YAML document; ValueError says which entry, what is wrong with it and what is allowed."""
    if not isinstance(document, dict) or not {"source", "send", "receipts"} <= set(document):
        raise ValueError(f"{where}: must have source, send and receipts")
    return Codes(
        tuple(document["source"]),
        _table(document["send"], f"{where}: send", _SEND),
        _table(document["receipts"], f"{where}: receipts", _RECEIPT),
    )


def _table(document: Mapping[str, Any], where: str, kinds: frozenset[str]) -> Table:
    if "default" not in document:
        raise ValueError(f"{where}: default is missing")
    return Table({str(code): _entry(value, f"{where}.{code}", kinds) for code, value in document.items()})


def _entry(value: Mapping[str, Any], where: str, kinds: frozenset[str]) -> Entry:
    allowed = ("kind", "after", "note", "unsubscribed", "words")
    if extra := set(value) - set(allowed):
        raise ValueError(f"{where}: {', '.join(sorted(extra))} is not known, allowed: {', '.join(allowed)}")
    words = tuple(
        (one["in"], _meaning({"kind": value.get("kind"), **one}, f"{where}.words", kinds))
        for one in value.get("words", ())
    )
    return Entry(_meaning(value, where, kinds), words)


def _meaning(value: Mapping[str, Any], where: str, kinds: frozenset[str]) -> Meaning:
    kind, after = value.get("kind"), value.get("after", 0.0)
    if kind not in kinds:
        raise ValueError(f"{where}: kind is {kind!r}, allowed: {', '.join(sorted(kinds))}")
    if after != "day" and not (isinstance(after, int | float) and 0 <= after <= 86400):
        raise ValueError(f"{where}: after is {after!r}, allowed: day, or 0 to 86400 seconds")
    unsubscribed = value.get("unsubscribed", False)
    if not isinstance(unsubscribed, bool) or (unsubscribed and kind not in _NEVER):
        raise ValueError(f"{where}: unsubscribed is true or false, and true only of {', '.join(_NEVER)}")
    return Meaning(kind, after, value.get("note", ""), unsubscribed)
