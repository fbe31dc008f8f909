"""Leaves on their way into the tree: put beside what they are of, in the same transaction, and taken by the sequencer.

A transaction puts one row, whatever the number of its leaves: their keys and hashes, packed. It names no index, since
transactions commit in another order than they began in: indexes are given by one sequencer at a time.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Date,
    DateTime,
    Engine,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from jiayuan.chassis.bulk import dumps
from jiayuan.chassis.transaction import Prepared
from jiayuan.chassis.work import Work
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso

from ..leaf import (
    SALT_BYTES,
    Form,
    as_it_is,
    bytes_form,
    date_form,
    encode,
    posting_leaf,
    text_digest,
    time_form,
)
from ..verify import leaf_hash
from .tables import leaf_document, posting, posting_text

PACKED: Final = struct.Struct(">16si32s")
"""A leaf that waits: the entry's (or document's) id, the posting's number (0 for a document), the leaf's hash."""

_FORMS_OF: Final[Mapping[type, Form | None]] = {
    Uuid: str,
    Integer: None,
    BigInteger: as_it_is,
    SmallInteger: None,
    Text: None,
    DateTime: time_form,
    Date: date_form,
    LargeBinary: bytes_form,
    ARRAY: as_it_is,
    JSONB: as_it_is,
}

COLUMNS: Final[Mapping[str, Form | None]] = {
    # A plain text: SQLAlchemy has a class of its own for names, which orjson does not take.
    "".join(c.name): _FORMS_OF[type(c.type)]
    for c in posting.columns
}
"""What of a posting is in its leaf: every column. One that is added must be nullable and without a default, or the
leaves of older postings would change."""


_PAGE: Final = 2000


class Key(NamedTuple):
    """What a leaf is of: a posting, or with number 0 a document of `leaf_document`."""

    id: str
    number: int


_PUT: Final = Prepared(
    "INSERT INTO waiting_leaf (hash_id, leaves) VALUES ($1, decode($2, 'hex'))", "text", "text"
)
_HASH: Final = Prepared("SELECT hash_id FROM tree ORDER BY id DESC LIMIT 1")
_FIRST_HASH: Final = "sha256"

_hashes: WeakKeyDictionary[Engine, str] = WeakKeyDictionary()


def hash_of(work: Work) -> str:
    """The algorithm of the tree that grows, as this process knows it. One that is out of date costs time, no proof: the
    sequencer computes such leaves again."""
    return _hashes.get(work.engine) or refresh(work)


def refresh(work: Work) -> str:
    """Looks which algorithm it is: at the start, and now and then."""
    found: str = work.run(_HASH).scalar() or _FIRST_HASH
    _hashes[work.engine] = found
    return found


def put(work: Work, documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """Makes leaves of documents that are no postings, in this transaction; their ids.

    `documents`: JSON objects with a member `leaf` that names type and version, as in "closing/1"; no personal data, no
    free text. They are kept in `leaf_document`, which is append-only. ValueError for one without its type.
    """
    hash_id = hash_of(work)
    keys = [Key(new_id(), 0) for _ in documents]
    rows = []
    for key, document in zip(keys, documents, strict=True):
        kind, _, version = str(document.get("leaf")).partition("/")
        if not kind.isidentifier() or not version.isdigit():
            raise ValueError(f"leaf is {document.get('leaf')!r:.60}: a type and its version, as in closing/1")
        rows.append({"id": key.id, "document": document})
    work.insert(leaf_document, rows)
    _wait(work, hash_id, [(k, leaf_hash(encode(d), hash_id)) for k, d in zip(keys, documents, strict=True)])
    return [k.id for k in keys]


def put_postings(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Appends postings and makes leaves of them, in this transaction.

    `rows`: the columns of `posting`, and `words` (free text by name, or None) and `reporters` (pseudonyms of those whom
    it may name) for `posting_text`. All rows have the same keys.
    """
    if not rows:
        return
    hash_id = hash_of(work)
    now = iso(work.now)
    made, kept, waiting = [], [], []
    for given in rows:
        row = {**given, "posted_at": now}
        words, reporters = row.pop("words"), row.pop("reporters")
        row["text_digest"] = None
        if words:
            salt = secrets.token_bytes(SALT_BYTES)
            row["text_digest"] = text_digest(salt, words, hash_id)
            kept.append(
                {
                    "entry_id": row["entry_id"],
                    "number": row["number"],
                    "salt": salt,
                    "words": words,
                    "reporters": list(reporters),
                }
            )
        made.append(row)
        waiting.append((Key(row["entry_id"], row["number"]), leaf_hash(leaf_of(row), hash_id)))
    work.insert(posting, made)
    work.insert(posting_text, kept)
    _wait(work, hash_id, waiting)


def _wait(work: Work, hash_id: str, leaves: Iterable[tuple[Key, bytes]]) -> None:
    packed = b"".join(
        PACKED.pack(bytes.fromhex(key.id.replace("-", "")), key.number, hash_) for key, hash_ in leaves
    )
    if packed:
        work.later(_PUT, hash_id, packed.hex())


def leaf_of(row: Mapping[str, Any]) -> bytes:
    """The leaf of a posting as the database has it."""
    return posting_leaf(row, COLUMNS)


_STORED: Final = (
    "SELECT p.* FROM posting p JOIN json_to_recordset(CAST(:keys AS json)) AS r(entry_id uuid, number int) "
    "USING (entry_id, number)"
)
_DOCUMENTS: Final = "SELECT id, document FROM leaf_document WHERE id = ANY(CAST(:ids AS uuid[]))"


def leaves_of(work: Work, keys: Sequence[tuple[str, int]]) -> dict[tuple[str, int], bytes]:
    """The leaves of postings and documents, from what is stored of them; without those of which nothing is."""
    rows = [{"entry_id": id_, "number": number} for id_, number in keys if number]
    found: dict[tuple[str, int], bytes] = {}
    if rows:
        for row in work.execute(_STORED, keys=dumps(rows)).mappings():
            found[row["entry_id"], row["number"]] = leaf_of(row)
    documents = [id_ for id_, number in keys if not number]
    if documents:
        for id_, document in work.execute(_DOCUMENTS, ids=documents):
            found[id_, 0] = encode(document)
    return found


@dataclass(frozen=True, slots=True)
class Placed:
    """A leaf at its place, and what it is of."""

    index: int
    id: str
    number: int
    hash: bytes


class Words(NamedTuple):
    """Free text of a posting, with its salt."""

    salt: bytes
    words: dict[str, str]


def places(
    work: Work, tree: int, size: int, year: int | None, street: str | None, entry: str | None
) -> Iterator[list[Placed]]:
    """Where leaves are in the first `size` of a tree, by index, page by page: those of an entry; of a year's (and
    street's) entries and of all documents; or all."""
    where, joined = "l.tree = :tree AND l.index >= :first AND l.index < :size", ""
    if entry is not None:
        where += " AND l.entry_id = CAST(:entry AS uuid)"
    elif year is not None or street is not None:
        joined = "LEFT JOIN entry e ON e.id = l.entry_id AND l.number > 0"
        where += (
            " AND (l.number = 0 OR (CAST(:year AS int) IS NULL OR e.year = :year) "
            "AND (CAST(:street AS text) IS NULL OR e.street = :street))"
        )
    sql = (
        f"SELECT l.index, l.entry_id, l.number, l.hash FROM leaf l {joined} WHERE {where} "
        "ORDER BY l.index LIMIT :page"
    )
    first = 0
    while True:
        rows = work.execute(
            sql, tree=tree, first=first, size=size, page=_PAGE, year=year, street=street, entry=entry
        )
        if rows:
            yield [Placed(row[0], row[1], row[2], bytes(row[3])) for row in rows]
            first = rows[-1][0] + 1
        if len(rows) < _PAGE:
            return


def texts_of(work: Work, keys: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Words]:
    """The free texts of postings that have one (still)."""
    rows = [{"entry_id": id_, "number": number} for id_, number in keys]
    found = work.execute(
        "SELECT t.entry_id, t.number, t.salt, t.words FROM posting_text t "
        "JOIN json_to_recordset(CAST(:keys AS json)) AS r(entry_id uuid, number int) USING (entry_id, number)",
        keys=dumps(rows),
    )
    return {(row[0], row[1]): Words(bytes(row[2]), row[3]) for row in found}
