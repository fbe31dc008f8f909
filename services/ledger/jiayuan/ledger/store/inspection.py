"""What `verify` reads: everything, in one snapshot."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from jiayuan.chassis.transaction import Prepared
from jiayuan.chassis.work import Work

from .leaves import COLUMNS, PACKED

PAGE: Final = 5000
_SOME: Final = 100

_LEAVES: Final = Prepared(
    "SELECT l.index, l.entry_id, l.number, l.hash, l.mac, d.document, "
    + ", ".join(f"p.{name}" for name in COLUMNS)
    + " FROM leaf l LEFT JOIN posting p ON p.entry_id = l.entry_id AND p.number = l.number "
    "LEFT JOIN leaf_document d ON d.id = l.entry_id "
    "WHERE l.tree = $1 AND l.index >= $2 AND l.index < $3 ORDER BY l.index LIMIT $4",
    *("smallint", "bigint", "bigint", "int"),
)
_TILES: Final = Prepared(
    "SELECT number, hashes, root FROM tile WHERE tree = $1 AND level = $2 AND number >= $3 AND number < $4",
    *("smallint", "smallint", "bigint", "bigint"),
)


def begin(work: Work, snapshot: str | None = None) -> None:
    """Everything that is read from here on is of one moment, however long it takes: now, or an exported snapshot's."""
    work.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    if snapshot is not None:
        work.execute("SET TRANSACTION SNAPSHOT :snapshot", snapshot=snapshot)
    work.execute("SET LOCAL statement_timeout = 0")
    # It waits for processes that look at the leaves.
    work.execute("SET LOCAL idle_in_transaction_session_timeout = 0")


def export_snapshot(work: Work) -> str:
    """A name by which other transactions see what this one sees, as long as it lasts."""
    return str(work.execute("SELECT pg_export_snapshot()").scalar())


def leaf_rows(work: Work, tree: int, first: int, end: int) -> Iterator[list[Any]]:
    """Leaves from `first` to before `end` with what they are of, page by page: index, id, number, hash, mac, document,
    then the posting's columns as in `leaves.COLUMNS`, None where there is no such row."""
    while True:
        rows = work.run(_LEAVES, tree, first, end, PAGE)
        if rows:
            yield rows
            first = rows[-1][0] + 1
        if len(rows) < PAGE:
            return


def tile_rows(work: Work, tree: int, level: int, first: int, end: int) -> dict[int, tuple[bytes, bytes]]:
    """Hashes and root of tiles by number."""
    return {row[0]: (bytes(row[1]), bytes(row[2])) for row in work.run(_TILES, tree, level, first, end)}


def tile_counts(work: Work, tree: int) -> dict[int, int]:
    """How many tiles of each level there are."""
    rows = work.execute("SELECT level, count(*) FROM tile WHERE tree = :tree GROUP BY level", tree=tree)
    return {row[0]: row[1] for row in rows}


def waiting(work: Work) -> dict[tuple[str, int], tuple[bytes, str]]:
    """The leaves that wait: hash and algorithm, by id and number."""
    found: dict[tuple[str, int], tuple[bytes, str]] = {}
    for row in work.execute("SELECT hash_id, leaves FROM waiting_leaf"):
        for id_, number, hash_ in PACKED.iter_unpack(bytes(row.leaves)):
            found[str(uuid.UUID(bytes=id_)), number] = hash_, row.hash_id
    return found


class Unlisted(NamedTuple):
    """A posting (number 0: a document) that is in no tree."""

    id: str
    number: int


def unlisted(work: Work) -> list[Unlisted]:
    """Postings and documents without a leaf; some of them may wait."""
    rows = work.execute(
        "SELECT p.entry_id, p.number FROM posting p WHERE NOT EXISTS "
        "(SELECT FROM leaf l WHERE l.entry_id = p.entry_id AND l.number = p.number) ORDER BY posted_at, 1, 2"
    )
    documents = work.execute(
        "SELECT d.id, 0 FROM leaf_document d WHERE NOT EXISTS "
        "(SELECT FROM leaf l WHERE l.entry_id = d.id AND l.number = 0) ORDER BY 1"
    )
    return [Unlisted(row[0], row[1]) for row in [*rows, *documents]]


class Numbers(NamedTuple):
    """An entry whose postings are not 1, 2, … as many as it says."""

    entry: str
    says: int
    missing: int


def misnumbered(work: Work) -> list[Numbers]:
    """Entries with a gap in their postings' numbers, or other than as many as they say; the first number at fault."""
    rows = work.execute(
        "SELECT e.id, e.postings FROM entry e LEFT JOIN (SELECT entry_id, count(*) AS n, max(number) AS last "
        "FROM posting GROUP BY entry_id) AS p ON p.entry_id = e.id "
        "WHERE coalesce(p.n, 0) <> e.postings OR coalesce(p.last, 0) <> e.postings ORDER BY e.id LIMIT :some",
        some=_SOME,
    )
    out = []
    for entry, says in rows:
        there = set(
            work.execute(
                "SELECT number FROM posting WHERE entry_id = CAST(:entry AS uuid)", entry=entry
            ).scalars()
        )
        missing = next(n for n in range(1, len(there) + 2) if n not in there)
        out.append(Numbers(entry, says, missing))
    return out


def orphans(work: Work) -> list[Unlisted]:
    """Postings of an entry that isn't there."""
    rows = work.execute(
        "SELECT p.entry_id, p.number FROM posting p LEFT JOIN entry e ON e.id = p.entry_id "
        "WHERE e.id IS NULL ORDER BY 1, 2 LIMIT :some",
        some=_SOME,
    )
    return [Unlisted(row[0], row[1]) for row in rows]


@dataclass(frozen=True, slots=True)
class Disordered:
    """A leaf that stands before an earlier posting of its entry."""

    tree: int
    index: int
    entry: str
    number: int


def disordered(work: Work) -> list[Disordered]:
    """Leaves in another order than the postings of their entry."""
    rows = work.execute(
        "SELECT tree, index, entry_id, number FROM (SELECT tree, index, entry_id, number, "
        "lag((tree, index)) OVER (PARTITION BY entry_id ORDER BY number) AS before FROM leaf WHERE number > 0) AS l "
        "WHERE (tree, index) < before ORDER BY tree, index LIMIT :some",
        some=_SOME,
    )
    return [Disordered(*row) for row in rows]


class Text(NamedTuple):
    """A free text and the digest that its posting has; None where there is no such posting."""

    entry: str
    number: int
    salt: bytes
    words: dict[str, str]
    digest: str | None


def texts(work: Work) -> Iterator[Text]:
    """All free texts with what was signed of them."""
    entry, number = "00000000-0000-0000-0000-000000000000", 0
    while True:
        rows = work.execute(
            "SELECT t.entry_id, t.number, t.salt, t.words, p.text_digest FROM posting_text t "
            "LEFT JOIN posting p USING (entry_id, number) "
            "WHERE (t.entry_id, t.number) > (CAST(:entry AS uuid), :number) ORDER BY 1, 2 LIMIT :page",
            entry=entry,
            number=number,
            page=PAGE,
        )
        for row in rows:
            yield Text(row[0], row[1], bytes(row[2]), row[3], row[4])
        if len(rows) < PAGE:
            return
        entry, number = rows[-1][0], rows[-1][1]


def textless(work: Work) -> list[Unlisted]:
    """Postings that had a free text and have none any more."""
    rows = work.execute(
        "SELECT p.entry_id, p.number FROM posting p WHERE p.text_digest IS NOT NULL AND NOT EXISTS "
        "(SELECT FROM posting_text t WHERE t.entry_id = p.entry_id AND t.number = p.number) ORDER BY 1, 2"
    )
    return [Unlisted(row[0], row[1]) for row in rows]


def documents(work: Work, kind: str) -> list[dict[str, Any]]:
    """All documents of a type, as in "erasure/1"."""
    rows = work.execute("SELECT document FROM leaf_document WHERE document->>'leaf' = :kind", kind=kind)
    return [row[0] for row in rows]


def first_posted(work: Work, tree: int, index: int) -> datetime | None:
    """When the first posting at or after an index was posted."""
    found: datetime | None = work.execute(
        "SELECT p.posted_at FROM leaf l JOIN posting p USING (entry_id, number) "
        "WHERE l.tree = :tree AND l.index >= :index ORDER BY l.index LIMIT 1",
        tree=tree,
        index=index,
    ).scalar()
    return found
