"""Leaf 葉: what a posting is in the Merkle tree, as bytes. Pure; the schema is in docs/ledger/proof.md.

A leaf is canonical JSON (RFC 8785) of all that the posting's row holds, save what is null: so a column that comes
later, and is null in older rows, leaves their leaves as they are. Free text (titles, reasons) could name a person: row
and leaf have a salted digest of it, so that it can be erased and the proof still holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

import orjson

from jiayuan.contracts.times import iso, parse

from .verify import canonical, digest

POSTING: Final = "posting/1"
"""The type and version of a posting's leaf; another form of the same row is another version."""
SALT_BYTES: Final = 16

Form = Callable[[Any], Any]

_MOST_INTEGER: Final = 2**53 - 1
_STRICT: Final = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)
_LENGTH: Final = len("2026-03-02T01:00:00.000000Z")


def encode(document: Mapping[str, Any]) -> bytes:
    """RFC 8785, by the fast writer where it gives the same. The names of members are ASCII.

    `verify.Invalid` for what JSON doesn't hold.
    """
    return canonical(document) if _is_unusual(document) else orjson.dumps(document, option=_STRICT)


def _is_unusual(value: Any) -> bool:
    """Whether there is a number that orjson and RFC 8785 may write differently, or something that neither should."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return False
    if kind is int:
        return not -_MOST_INTEGER <= value <= _MOST_INTEGER
    if kind is dict:
        return any(map(_is_unusual, value.values()))
    if kind is list:
        return any(map(_is_unusual, value))
    return True


def time_form(value: Any) -> str:
    """A time, or RFC 3339 text of any zone, as leaves have it: UTC, microseconds, `Z`."""
    if type(value) is str:
        # Our own times are written so already; what isn't a time at all is refused by the row's column.
        return value if len(value) == _LENGTH and value[-1] == "Z" and value[10] == "T" else iso(parse(value))
    return iso(value)


def date_form(value: Any) -> str:
    """A day as YYYY-MM-DD."""
    return value.isoformat() if isinstance(value, date) else date.fromisoformat(value).isoformat()


def as_it_is(value: Any) -> Any:
    """A JSON value, or a whole number that may be past 2^53: what has to be looked at before it is written."""
    return value


def bytes_form(value: Any) -> str:
    """Bytes as hexadecimal digits."""
    return bytes(value).hex()


def posting_leaf(row: Mapping[str, Any], forms: Mapping[str, Form | None]) -> bytes:
    """The leaf of a posting. `forms`: its columns, each with how a value is written (None: text or small number)."""
    document: dict[str, Any] = {"leaf": POSTING}
    unusual = False
    for name, form in forms.items():
        value = row.get(name)
        if value is None:
            continue
        if form is as_it_is:
            unusual = unusual or _is_unusual(value)
        elif form is not None:
            value = form(value)
        document[name] = value
    return canonical(document) if unusual else orjson.dumps(document, option=_STRICT)


def text_digest(salt: bytes, words: Mapping[str, str], hash_id: str) -> str:
    """`algorithm:hexadecimal digits`, the digest of a salt and the canonical JSON of texts by name."""
    return f"{hash_id}:{digest(salt + encode(words), hash_id).hex()}"
