"""Trees, their leaves and tiles, checkpoints: read by proofs, written by one sequencer at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from jiayuan.chassis.bulk import dumps
from jiayuan.chassis.transaction import Prepared
from jiayuan.chassis.work import Work

from .. import tree as trees
from ..tree import Full, Hashes, Tile
from .leaves import PACKED
from .tables import checkpoint, log_key, tile, tree


class Tree(NamedTuple):
    """A tree: its number, its algorithm, its origin, how many leaves it has."""

    id: int
    hash_id: str
    origin: str
    size: int


class Waiting(NamedTuple):
    """A leaf that waits: the 16 bytes of an id, a number, a hash; `hash_id` is empty where that is to be computed."""

    id: bytes
    number: int
    hash: bytes
    hash_id: str


class Signed(NamedTuple):
    """A checkpoint as it is kept."""

    number: int
    tree: int
    size: int
    root: bytes
    note: str
    signed_at: datetime
    why: str


class State(NamedTuple):
    """What there is to do: whether leaves wait, the tree that grows, its newest checkpoint's size and time."""

    waiting: bool
    tree: Tree | None
    signed: int
    signed_at: datetime | None


_SIZE: Final = "coalesce((SELECT max(index) + 1 FROM leaf WHERE leaf.tree = t.id), 0) AS size"
_STATE: Final = Prepared(
    f"SELECT EXISTS (SELECT FROM waiting_leaf) AS waiting, t.id, t.hash_id, t.origin, {_SIZE}, c.size AS signed, "
    "c.signed_at FROM (SELECT 1) AS one LEFT JOIN (SELECT * FROM tree ORDER BY id DESC LIMIT 1) AS t ON true "
    "LEFT JOIN (SELECT tree, size, signed_at FROM checkpoint ORDER BY number DESC LIMIT 1) AS c ON c.tree = t.id"
)
_TRY: Final = Prepared("SELECT pg_try_advisory_xact_lock(hashtext('jiayuan.ledger.tree'))")
_LOCK: Final = Prepared("SELECT pg_advisory_xact_lock(hashtext('jiayuan.ledger.tree'))")
# In the order of their ids: within an entry, whose row each posting's transaction has locked, that is the order of the
# postings. What is taken is deleted; there is no cursor that a late commit could be behind.
_TAKE: Final = Prepared(
    "DELETE FROM waiting_leaf WHERE id IN (SELECT id FROM ("
    "  SELECT id, sum(octet_length(leaves)) OVER (ORDER BY id) - octet_length(leaves) AS before"
    "  FROM (SELECT id, leaves FROM waiting_leaf ORDER BY id LIMIT 5000) AS first) AS w WHERE before < $1)"
    " RETURNING id, hash_id, leaves",
    "bigint",
)
_ADD: Final = Prepared(
    "INSERT INTO leaf (tree, index, entry_id, number, hash, mac) "
    "SELECT $1, $2 + r.n - 1, r.id, r.number, decode(r.hash, 'hex'), decode(r.mac, 'hex') "
    "FROM unnest(CAST($3 AS uuid[]), CAST($4 AS int[]), CAST($5 AS text[]), CAST($6 AS text[])) "
    "WITH ORDINALITY AS r(id, number, hash, mac, n)",
    *("smallint", "bigint", "text", "text", "text", "text"),
)
# All tiles that are asked for, complete ones as they are kept, others from below: one round trip, a row a tile. Each
# is a subquery: in a join the planner expects thousands of rows and reads all tiles there are, and a proof's time grows
# with the tree.
_TILES: Final = Prepared(
    "SELECT r.level, r.number, "
    "(SELECT t.hashes FROM tile t WHERE t.tree = $1 AND t.level = r.level AND t.number = r.number) "
    "FROM json_to_recordset(CAST($2 AS json)) AS r(level smallint, number bigint) "
    "UNION ALL SELECT 0, r.number, "
    "(SELECT string_agg(l.hash, '' ORDER BY l.index) FROM leaf l "
    "WHERE l.tree = $1 AND l.index BETWEEN r.first AND r.last) "
    "FROM json_to_recordset(CAST($3 AS json)) AS r(number bigint, first bigint, last bigint) "
    "UNION ALL SELECT r.level, r.number, "
    "(SELECT string_agg(t.root, '' ORDER BY t.number) FROM tile t "
    "WHERE t.tree = $1 AND t.level = r.level - 1 AND t.number BETWEEN r.first AND r.last) "
    "FROM json_to_recordset(CAST($4 AS json)) AS r(level smallint, number bigint, first bigint, last bigint)",
    *("smallint", "text", "text", "text"),
)


def state(work: Work) -> State:
    """What there is to do."""
    row = work.run(_STATE).one()
    found = Tree(row.id, row.hash_id, row.origin, row.size) if row.id is not None else None
    return State(row.waiting, found, row.signed or 0, row.signed_at)


def try_lock(work: Work) -> bool:
    """Becomes the only one who may change the tree until the transaction ends; False when another is at it."""
    return bool(work.run(_TRY).scalar())


def lock(work: Work) -> None:
    """The same, and waits for another one."""
    work.run(_LOCK)


def take_waiting(work: Work, most: int) -> list[Waiting]:
    """Takes about `most` leaves away that wait, the first ones first."""
    out = []
    for row in sorted(work.run(_TAKE, most * PACKED.size)):
        for id_, number, hash_ in PACKED.iter_unpack(bytes(row.leaves)):
            out.append(Waiting(id_, number, hash_, row.hash_id))
    return out


def without_known(work: Work, waiting: Sequence[Waiting]) -> list[Waiting]:
    """Each of these leaves that is in no tree yet, once."""
    rows = [{"id": w.id.hex(), "number": w.number} for w in waiting]
    known = {
        (bytes.fromhex(id_.replace("-", "")), number)
        for id_, number in work.execute(
            "SELECT l.entry_id, l.number FROM leaf l "
            "JOIN json_to_recordset(CAST(:rows AS json)) AS r(id uuid, number int) "
            "ON r.id = l.entry_id AND r.number = l.number",
            rows=dumps(rows),
        )
    }
    first = {(w.id, w.number): w for w in reversed(waiting)}
    return [w for key, w in reversed(first.items()) if key not in known]


def add_tree(work: Work, id_: int, hash_id: str, origin: str) -> Tree:
    """Begins a tree."""
    work.insert(tree, [{"id": id_, "hash_id": hash_id, "origin": origin, "started_at": work.now}])
    return Tree(id_, hash_id, origin, 0)


def add_leaves(work: Work, to: Tree, leaves: Sequence[Waiting], macs: Sequence[bytes]) -> None:
    """Appends leaves to a tree whose lock this transaction has."""
    work.later(
        _ADD,
        to.id,
        to.size,
        "{" + ",".join(w.id.hex() for w in leaves) + "}",
        "{" + ",".join(str(w.number) for w in leaves) + "}",
        "{" + ",".join(w.hash.hex() for w in leaves) + "}",
        "{" + ",".join(mac.hex() for mac in macs) + "}",
    )


def add_tiles(work: Work, to: int, full: Sequence[Full]) -> None:
    """Keeps tiles that have become complete."""
    rows = [
        {"tree": to, "level": f.tile.level, "number": f.tile.number, "hashes": f.hashes, "root": f.root}
        for f in full
    ]
    work.insert(tile, rows)


def read_tiles(work: Work, of: Tree, tiles: Sequence[Tile]) -> Hashes:
    """The nodes of tiles, as many as the tree has (and as many as are there, should some be missing)."""
    complete: list[dict[str, int]] = []
    leaves: list[dict[str, int]] = []
    roots: list[dict[str, int]] = []
    for t in tiles:
        first = t.number * trees.WIDTH
        row = {"level": t.level, "number": t.number, "first": first}
        row["last"] = first + trees.width_of(t, of.size) - 1
        (complete if trees.is_complete(t, of.size) else roots if t.level else leaves).append(row)
    found: dict[Tile, list[bytes]] = {t: [] for t in tiles}
    if tiles:
        for level, number, hashes in work.run(_TILES, of.id, dumps(complete), dumps(leaves), dumps(roots)):
            found[Tile(level, number)] = trees.pieces(bytes(hashes or b""))
    return found


_TREES: Final = f"SELECT t.id, t.hash_id, t.origin, {_SIZE} FROM tree AS t"


def get_trees(work: Work) -> list[Tree]:
    """All trees, the oldest first."""
    return [Tree(*row) for row in work.execute(f"{_TREES} ORDER BY t.id")]


def get_tree(work: Work, id_: int | None = None) -> Tree | None:
    """A tree, by default the one that grows."""
    row = work.execute(
        f"{_TREES} WHERE CAST(:id AS int) IS NULL OR t.id = :id ORDER BY t.id DESC LIMIT 1", id=id_
    ).first()
    return Tree(*row) if row else None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a posting is."""

    tree: int
    index: int
    number: int


def places_of(work: Work, entry: str) -> list[Place]:
    """The leaves of an entry's postings, by their numbers; with number 0 that of a document."""
    rows = work.execute(
        "SELECT tree, index, number FROM leaf WHERE entry_id = CAST(:entry AS uuid) ORDER BY number",
        entry=entry,
    )
    return [Place(*row) for row in rows]


def backlog(work: Work) -> int:
    """How many leaves wait."""
    return int(
        work.execute(
            "SELECT coalesce(sum(octet_length(leaves)), 0) / :size FROM waiting_leaf", size=PACKED.size
        ).scalar_one()
    )


# -- checkpoints -----------------------------------------------------------------------------------------

_CHECKPOINT: Final = "SELECT number, tree, size, root, note, signed_at, why FROM checkpoint"


def _signed(row: Any) -> Signed:
    return Signed(row[0], row[1], row[2], bytes(row[3]), *row[4:])


def add_checkpoint(work: Work, signed: Signed) -> None:
    """Keeps a checkpoint."""
    work.insert(checkpoint, [signed._asdict()])


def last_checkpoint(work: Work) -> Signed | None:
    """The newest checkpoint."""
    row = work.execute(f"{_CHECKPOINT} ORDER BY number DESC LIMIT 1").first()
    return _signed(row) if row else None


def largest_checkpoint(work: Work, tree: int) -> Signed | None:
    """The checkpoint of a tree that has most leaves, of several the newest."""
    row = work.execute(
        f"{_CHECKPOINT} WHERE tree = :tree ORDER BY size DESC, number DESC LIMIT 1", tree=tree
    ).first()
    return _signed(row) if row else None


def get_checkpoint(work: Work, number: int) -> Signed | None:
    """A checkpoint by its number."""
    row = work.execute(f"{_CHECKPOINT} WHERE number = :number", number=number).first()
    return _signed(row) if row else None


def get_checkpoints(work: Work, tree: int, *, published: bool = False) -> list[Signed]:
    """The checkpoints of a tree by number; only those of publications."""
    only = " AND why <> 'interval'" if published else ""
    rows = work.execute(f"{_CHECKPOINT} WHERE tree = :tree{only} ORDER BY number", tree=tree)
    return [_signed(row) for row in rows]


def add_key(work: Work, key: str) -> None:
    """Tells everybody the public key that signs, unless it is told already."""
    work.insert(log_key, [{"key": key, "since": work.now}], conflict="ON CONFLICT DO NOTHING")


def keys(work: Work) -> list[tuple[str, datetime]]:
    """Every public key that has signed, and since when."""
    return [tuple(row) for row in work.execute("SELECT key, since FROM log_key ORDER BY since, key")]
