"""One pass over leaves: each against its row, its tile and its mark. Spans of a tree can be scanned apart, by several
processes at once; `verifying` puts them together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from jiayuan.chassis import database
from jiayuan.chassis.clock import Clock
from jiayuan.chassis.config import Settings
from jiayuan.chassis.transaction import Transaction
from jiayuan.chassis.work import Work

from . import tree as merkle
from .checkpoint import Macs
from .finding import Finding
from .leaf import encode, posting_leaf
from .store import inspection, leaves
from .store.trees import Tree
from .tree import WIDTH
from .verify import leaf_hash

LATE: Final = timedelta(minutes=15)
"""How long after its posting's time a transaction may commit: far longer than any is allowed to take."""
_NOTHING: Final = b""
_WIDEST: Final = WIDTH * WIDTH


@dataclass(frozen=True, slots=True)
class Span:
    """Leaves `first` (a tile's first) up to and without `end`. `signed`: sizes and times of the checkpoints, by size;
    `late`: how much older than the checkpoint before it a posting may be."""

    tree: Tree
    first: int
    end: int
    signed: Sequence[tuple[int, datetime]]
    late: timedelta
    macs: Macs | None


@dataclass(slots=True)
class Scan:
    """What a pass has found. `roots`: of the complete tiles, empty where leaves are missing; `parts`: at the size of
    each checkpoint within, the complete nodes of the tile that has begun; `lost`: it could not go on to the end."""

    findings: list[Finding] = field(default_factory=list)
    roots: list[bytes] = field(default_factory=list)
    parts: dict[int, list[bytes]] = field(default_factory=dict)
    size: int = 0
    leaves: int = 0
    postings: int = 0
    lost: bool = False


def scan(work: Work, span: Span) -> Scan:
    """Looks at all leaves of a span."""
    return _Pass(work, span).run()


def scan_apart(settings: Settings, snapshot: str, span: Span) -> Scan:
    """The same in a process of its own, which sees what another transaction sees."""
    engine = database.create(settings)
    try:
        with Transaction(engine) as transaction:
            work = Work(transaction, settings.service, Clock())
            inspection.begin(work, snapshot)
            found = scan(work, span)
            transaction.rollback()
            return found
    finally:
        engine.dispose()


class _Pass:
    def __init__(self, work: Work, span: Span) -> None:
        self.work, self.span, self.tree = work, span, span.tree
        self.out = Scan()
        self.next = 0  # of the checkpoints: the first that isn't reached yet
        self.after: datetime | None = None  # the time of the last checkpoint before here
        self.tile: list[bytes] = []
        self.places: list[tuple[str, int]] = []

    def run(self) -> Scan:
        names = tuple(leaves.COLUMNS)
        tiles: dict[int, tuple[bytes, bytes]] = {}
        for rows in inspection.leaf_rows(self.work, self.tree.id, self.span.first, self.span.end):
            first = rows[0][0] // WIDTH
            tiles = inspection.tile_rows(self.work, self.tree.id, 0, first, rows[-1][0] // WIDTH + 1)
            for row in rows:
                self._leaf(row, names, tiles)
                if self.out.lost:
                    return self.out
        if self._size() < self.span.end:
            self._gap(self.span.end, tiles)
        self._reach()
        self.out.size = self._size()
        return self.out

    def _size(self) -> int:
        return self.span.first + len(self.out.roots) * WIDTH + len(self.tile)

    def _found(self, kind: str, index: int, said: str = "", row: Any = None) -> None:
        of = (row[1], row[2] or None) if row is not None else (None, None)
        self.out.findings.append(Finding(kind, said, self.tree.id, index, *of))

    def _gap(self, index: int, tiles: dict[int, tuple[bytes, bytes]]) -> None:
        """Goes on behind a gap, so that what is wrong there is told too."""
        size = self._size()
        self._found("gap", size, f"其后是第 {index} 叶")
        if not 0 < index - size <= _WIDEST:
            self.out.lost = True
            return
        for _ in range(index - size):
            self._add(_NOTHING, "", 0, tiles)

    def _leaf(self, row: Any, names: tuple[str, ...], tiles: dict[int, tuple[bytes, bytes]]) -> None:
        index, id_, number, hash_, mac, document = row[:6]
        hash_ = bytes(hash_)
        if index != self._size():
            self._gap(index, tiles)
            if self.out.lost:
                return
        self._reach()
        self.out.leaves += 1
        stored: bytes | None = None
        if number and row[6] is not None:
            self.out.postings += 1
            columns = dict(zip(names, row[6:], strict=True))
            stored = posting_leaf(columns, leaves.COLUMNS)
            if self.after is not None and columns["posted_at"] < self.after - self.span.late:
                self._found("old_date", index, "", row)
        elif not number and document is not None:
            stored = encode(document)
        if stored is None:
            self._found("gone", index, "", row)
        elif leaf_hash(stored, self.tree.hash_id) != hash_:
            self._found("edited", index, "", row)
        macs = self.span.macs
        if macs:
            id_bytes = bytes.fromhex(id_.replace("-", ""))
            if macs.mark(self.tree.id, index, id_bytes, number, hash_) != bytes(mac):
                self._found("mark", index, "", row)
        self._add(hash_, id_, number, tiles)

    def _add(self, hash_: bytes, id_: str, number: int, tiles: dict[int, tuple[bytes, bytes]]) -> None:
        self.tile.append(hash_)
        self.places.append((id_, number))
        if len(self.tile) == WIDTH:
            self._complete(tiles.get(self._size() // WIDTH - 1))

    def _complete(self, kept: tuple[bytes, bytes] | None) -> None:
        first = self._size() - WIDTH
        root = merkle.perfect(self.tile, self.tree.hash_id) if all(self.tile) else _NOTHING
        span = (self.tree.id, first, None, None, first + WIDTH - 1)
        if kept is None:
            if any(self.tile):
                self.out.findings.append(Finding("tile", "没有这一块", *span))
        else:
            pieces = merkle.pieces(kept[0])
            pieces += [_NOTHING] * (WIDTH - len(pieces))
            bad = next((n for n, mine in enumerate(self.tile) if mine and pieces[n] != mine), None)
            if bad is not None:
                id_, number = self.places[bad]
                self.out.findings.append(Finding("hash", "", self.tree.id, first + bad, id_, number or None))
            elif root and kept[1] != root:
                self.out.findings.append(Finding("tile", "块的根不符", *span))
        self.out.roots.append(root)
        self.tile, self.places = [], []

    def _reach(self) -> None:
        """Takes note of the checkpoints of the size that is reached."""
        signed, size = self.span.signed, self._size()
        while self.next < len(signed) and signed[self.next][0] <= size:
            at, when = signed[self.next]
            self.next += 1
            self.after = max(self.after, when) if self.after else when
            if at == size and all(self.tile):
                self.out.parts[size] = [
                    merkle.perfect(
                        self.tile[n.index << n.height : (n.index + 1) << n.height], self.tree.hash_id
                    )
                    for n in merkle.nodes_of((0, len(self.tile)))
                ]


def spans(
    tree: Tree, signed: Sequence[tuple[int, datetime]], late: timedelta, macs: Macs | None, parts: int
) -> Iterator[Span]:
    """A tree in about as many spans, each of whole tiles but the last; at least one."""
    step = max(1, -(-tree.size // (parts * WIDTH))) * WIDTH
    for first in range(0, max(1, tree.size), step):
        yield Span(tree, first, min(first + step, tree.size), signed, late, macs)
