"""Leaf 葉: what a posting is in the Merkle tree, as bytes. Pure; the schema is in docs/ledger/proof.md.

A leaf is canonical JSON (RFC 8785) of all that the posting's row holds, save what is null: so a column that comes
later, and is null in older rows, leaves their leaves as they are. Free text (titles, reasons) could name a person: row
and leaf have a salted digest of it, so that it can be erased and the proof still holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final

import orjson

from jiayuan.contracts.times import iso, parse

from .verify import canonical, digest

POSTING: Final = "posting/1"
"""The type and version of a posting's leaf; another form of the same row is another version."""
SALT_BYTES: Final = 16

Form = Callable[[Any], Any]

# A number with a fraction, an exponent or more than 15 digits: there orjson and RFC 8785 may differ. What looks like
# one inside of a text only takes the slow way to the same bytes.
_UNUSUAL: Final = re.compile(rb'(?:":|[\[,])-?\d+(?:[.eE]|\d{15})')
_STRICT: Final = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)
_IN_UTC: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def encode(document: Mapping[str, Any]) -> bytes:
    """RFC 8785, by the fast writer where it gives the same. The names of members are ASCII.

    `verify.Invalid` or TypeError for what JSON doesn't hold.
    """
    written = orjson.dumps(document, option=_STRICT)
    return canonical(document) if _UNUSUAL.search(written) else written


def time_form(value: Any) -> str:
    """A time, or RFC 3339 text of any zone, as leaves have it: UTC, microseconds, `Z`."""
    if isinstance(value, datetime):
        return iso(value)
    return value if _IN_UTC.fullmatch(value) else iso(parse(value))


def date_form(value: Any) -> str:
    """A day as YYYY-MM-DD."""
    return value.isoformat() if isinstance(value, date) else date.fromisoformat(value).isoformat()


def bytes_form(value: Any) -> str:
    """Bytes as hexadecimal digits."""
    return bytes(value).hex()


def posting_leaf(row: Mapping[str, Any], forms: Mapping[str, Form | None]) -> bytes:
    """The leaf of a posting. `forms`: its columns, each with how a value is written (None: as it is)."""
    document: dict[str, Any] = {"leaf": POSTING}
    for name, form in forms.items():
        value = row.get(name)
        if value is not None:
            document[name] = form(value) if form else value
    return encode(document)


def text_digest(salt: bytes, words: Mapping[str, str], hash_id: str) -> str:
    """`algorithm:hexadecimal digits`, the digest of a salt and the canonical JSON of texts by name."""
    return f"{hash_id}:{digest(salt + encode(words), hash_id).hex()}"
