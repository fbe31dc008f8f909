"""Whether the ledger's books are still those that were signed, row by row; and which one is the first that isn't.

Four witnesses, each of which whoever changes a row must bring to agree with it: the row against its leaf's hash; the
hash against its tile, where it stands a second time; both against the signed roots; and each leaf's mark, which nobody
can make who has only the database. Signatures tell that something was changed, marks which leaf was the first: without
the key it is one between two checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso

from . import closings
from . import tree as merkle
from .checkpoint import Macs, origin_of
from .closing import digest_of
from .leaf import encode, posting_leaf, text_digest
from .store import all_acts, inspection, leaves, trees
from .store.trees import Signed, Tree
from .tree import WIDTH, Frontier
from .verify import Checkpoint, Invalid, Key, check_checkpoint, leaf_hash

WORDS: Final = {
    "edited": "记账内容与入树时不符",
    "gone": "记账已不存在",
    "hash": "叶的哈希被改写",
    "mark": "叶不是系统写在此处的",
    "gap": "叶的序号缺失",
    "tail": "末尾的叶缺失",
    "tile": "树的节点被改写或缺失",
    "root": "与已签名的根不符",
    "order": "叶的次序与记账次序不符",
    "unlisted": "记账没有入树",
    "waiting": "待入树的记账与内容不符",
    "numbers": "账目的记账序号不连续",
    "orphan": "记账没有账目",
    "old_date": "记账日期早于此前已签名的检查点",
    "text": "文本与签名时不符",
    "text_gone": "文本被删除，且无删除记录",
    "closing": "结账记录与签名时不符",
    "tree": "树与前一棵树的接续不符",
    "checkpoint": "检查点有误",
    "known": "与已知检查点不符",
    "stale": "检查点缺失或陈旧",
}
_NOTHING: Final = b""
_WIDEST: Final = WIDTH * WIDTH
LATE: Final = timedelta(minutes=15)
"""How long after its posting's time a transaction may commit: far longer than any is allowed to take."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that isn't as it was signed. `kind`: a key of WORDS; `id`, `number`: the posting, or a document.
    `last`: where it is one of the leaves `index` to `last`."""

    kind: str
    said: str
    tree: int = 0
    index: int | None = None
    id: str | None = None
    number: int | None = None
    last: int | None = None

    @property
    def place(self) -> tuple[int, int, bool, str, int]:
        """Sorts the first leaf first; one that is told exactly before a span that holds it; what is in no tree last."""
        at = self.last if self.last is not None else self.index if self.index is not None else 1 << 62
        return (self.tree or 1 << 15, at, self.last is not None, self.id or "", self.number or 0)

    def __str__(self) -> str:
        """One line."""
        where = f"树 {self.tree} 第 {self.index} 叶" if self.index is not None else ""
        of = f"账目 {self.id} 第 {self.number} 笔" if self.number else f"文书 {self.id}" if self.id else ""
        return "，".join(part for part in (where, of, WORDS[self.kind], self.said) if part)


@dataclass(slots=True)
class Result:
    """What was looked at, and what was found; `findings` from the first on."""

    leaves: int = 0
    postings: int = 0
    checkpoints: int = 0
    texts: int = 0
    erased: int = 0
    waiting: int = 0
    marked: bool = False
    findings: list[Finding] = field(default_factory=list)

    def lines(self, most: int) -> Iterator[str]:
        """What to tell, the first at fault first."""
        for n, finding in enumerate(self.findings[:most]):
            yield f"{'第一处' if n == 0 else '另'}：{finding}"
        if len(self.findings) > most:
            yield f"另有 {len(self.findings) - most} 处"
        marks = "" if self.marked else "（没有签名密钥，未核对印记）"
        yield (
            f"{self.leaves} 叶、{self.postings} 笔记账、{self.checkpoints} 个检查点、{self.texts} 段文本{marks}，"
            f"已删除文本 {self.erased} 段，待入树 {self.waiting} 笔："
            + (f"有 {len(self.findings)} 处不符" if self.findings else "与签名相符")
        )

    def document(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "good": not self.findings,
            "leaves": self.leaves,
            "postings": self.postings,
            "checkpoints": self.checkpoints,
            "texts": self.texts,
            "erased": self.erased,
            "waiting": self.waiting,
            "marked": self.marked,
            "findings": [
                {
                    "kind": f.kind,
                    "tree": f.tree or None,
                    "index": f.index,
                    "id": f.id,
                    "number": f.number,
                    "said": str(f),
                }
                for f in self.findings
            ],
        }


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom the verifier believes. `macs`: marks are looked at; `known`: notes that somebody kept."""

    keys: Sequence[Key]
    macs: Macs | None = None
    known: Sequence[str] = ()
    speed: float = 1.0
    interval: float = 60.0


def verify(work: Work, trust: Trust) -> Result:
    """Looks at every row of the account and its proof, in one snapshot; nothing is changed."""
    inspection.begin(work)
    result = Result(marked=trust.macs is not None)
    found = result.findings
    waiting = inspection.waiting(work)
    result.waiting = len(waiting)
    all_trees = trees.get_trees(work)
    found += _trees(work, all_trees, trust)
    signed = {t.id: trees.get_checkpoints(work, t.id) for t in all_trees}
    found += _numbered(signed)
    for tree in all_trees:
        found += _Tree(work, tree, signed[tree.id], trust, result).findings()
    found += _unlisted(work, waiting)
    found += _books(work)
    found += _closings(work)
    found += _texts(work, result)
    found += _known(work, all_trees, trust)
    if all_trees:
        found += _stale(work, all_trees[-1], signed[all_trees[-1].id], trust)
    found.sort(key=lambda f: f.place)
    return result


# -- a tree ----------------------------------------------------------------------------------------------


class _Tree:
    """One pass over a tree's leaves."""

    def __init__(
        self, work: Work, tree: Tree, signed: Sequence[Signed], trust: Trust, result: Result
    ) -> None:
        self.work, self.tree, self.trust, self.result = work, tree, trust, result
        self.kept, self.signed = signed, list[Signed]()
        self.next = 0  # of signed: the first that isn't compared yet
        self.good = 0  # leaves up to here are as they were signed
        self.after: datetime | None = None  # the time of the last checkpoint before here
        self.frontier = Frontier(tree.hash_id)  # over complete tiles
        self.tile: list[bytes] = []
        self.places: list[tuple[str, int]] = []
        self.roots: list[bytes] = []
        self.whole = True  # no gap yet, and no root that isn't as it was signed
        self.lost = False  # nothing can be said of what comes

    def findings(self) -> Iterator[Finding]:
        """What isn't as it was signed."""
        yield from self._notes()
        names = tuple(leaves.COLUMNS)
        for rows in inspection.leaf_rows(self.work, self.tree.id):
            first = rows[0][0] // WIDTH
            tiles = inspection.tile_rows(self.work, self.tree.id, 0, first, rows[-1][0] // WIDTH + 1)
            for row in rows:
                yield from self._leaf(row, names, tiles)
                if self.lost:
                    return
        yield from self._roots()
        size = self._size()
        if self.next < len(self.signed):
            last = self.signed[-1]
            yield self._at("tail", size, f"检查点 {last.number} 有 {last.size} 叶，现有 {size} 叶")
        yield from self._upper()

    def _at(self, kind: str, index: int, said: str = "", row: Any = None) -> Finding:
        if row is None:
            return Finding(kind, said, self.tree.id, index)
        return Finding(kind, said, self.tree.id, index, row[1], row[2] or None)

    def _size(self) -> int:
        return len(self.roots) * WIDTH + len(self.tile)

    def _notes(self) -> Iterator[Finding]:
        """Each checkpoint for itself: signed, and what its row says is what was signed."""
        by_size: dict[int, Signed] = {}
        for s in self.kept:
            self.result.checkpoints += 1
            try:
                checkpoint = check_checkpoint(s.note, self.trust.keys, self.tree.origin)
            except Invalid as error:
                yield Finding("checkpoint", f"检查点 {s.number}：{error}", self.tree.id)
                continue
            if _row_of(checkpoint) != (s.size, s.root, self.tree.hash_id, s.number):
                yield Finding("checkpoint", f"检查点 {s.number} 的记录与所签不同", self.tree.id)
            # What was signed counts from here on, whatever stands beside it.
            signed = s._replace(size=checkpoint.size, root=checkpoint.root)
            self.signed.append(signed)
            other = by_size.setdefault(signed.size, signed)
            if other.root != signed.root:
                yield Finding(
                    "checkpoint",
                    f"检查点 {other.number} 与 {s.number}：{signed.size} 叶有两个根",
                    self.tree.id,
                )
        self.signed.sort(key=lambda s: (s.size, s.number))

    def _leaf(
        self, row: Any, names: tuple[str, ...], tiles: dict[int, tuple[bytes, bytes]]
    ) -> Iterator[Finding]:
        index, id_, number, hash_, mac, document = row[:6]
        hash_, size = bytes(hash_), self._size()
        if index != size:
            yield self._at("gap", size, f"其后是第 {index} 叶")
            self.whole = False
            if not 0 < index - size <= _WIDEST:
                self.lost = True
                return
            # Go on behind the gap, so that what is wrong there is told too.
            for _ in range(index - size):
                yield from self._add(_NOTHING, "", 0, tiles)
        yield from self._roots()
        self.result.leaves += 1
        stored: bytes | None = None
        if number and row[6] is not None:
            self.result.postings += 1
            columns = dict(zip(names, row[6:], strict=True))
            stored = posting_leaf(columns, leaves.COLUMNS)
            if self.after is not None and columns["posted_at"] < self.after - LATE * self.trust.speed:
                yield self._at("old_date", index, "", row)
        elif not number and document is not None:
            stored = encode(document)
        if stored is None:
            yield self._at("gone", index, "", row)
        elif leaf_hash(stored, self.tree.hash_id) != hash_:
            yield self._at("edited", index, "", row)
        macs = self.trust.macs
        if macs and macs.mark(
            self.tree.id, index, bytes.fromhex(id_.replace("-", "")), number, hash_
        ) != bytes(mac):
            yield self._at("mark", index, "", row)
        yield from self._add(hash_, id_, number, tiles)

    def _add(
        self, hash_: bytes, id_: str, number: int, tiles: dict[int, tuple[bytes, bytes]]
    ) -> Iterator[Finding]:
        self.tile.append(hash_)
        self.places.append((id_, number))
        if len(self.tile) == WIDTH:
            yield from self._complete(tiles.get(len(self.roots)))

    def _complete(self, kept: tuple[bytes, bytes] | None) -> Iterator[Finding]:
        first = len(self.roots) * WIDTH
        root = _NOTHING
        if all(self.tile):
            root = merkle.perfect(self.tile, self.tree.hash_id)
        if kept is None:
            yield Finding("tile", "没有这一块", self.tree.id, first, last=first + WIDTH - 1)
        else:
            pieces = merkle.pieces(kept[0])
            pieces += [_NOTHING] * (WIDTH - len(pieces))
            bad = next((n for n, mine in enumerate(self.tile) if mine and pieces[n] != mine), None)
            if bad is not None:
                id_, number = self.places[bad]
                yield Finding("hash", "", self.tree.id, first + bad, id_, number or None)
            elif root and kept[1] != root:
                yield Finding("tile", "块的根不符", self.tree.id, first, last=first + WIDTH - 1)
        yield from self._roots()
        self.roots.append(root)
        self.frontier.add(root)
        self.tile, self.places = [], []

    def _roots(self) -> Iterator[Finding]:
        """Compares the checkpoints of the size that is reached."""
        while self.next < len(self.signed) and self.signed[self.next].size <= self._size():
            s = self.signed[self.next]
            self.next += 1
            self.after = max(self.after, s.signed_at) if self.after else s.signed_at
            if not self.whole or s.size != self._size():
                continue
            if self._root() == s.root:
                self.good = s.size
            else:
                said = f"检查点 {s.number}：第 {self.good} 至 {s.size - 1} 叶中有改动"
                yield Finding("root", said, self.tree.id, self.good, last=s.size - 1)
                self.whole = False  # what comes after it can't agree either

    def _root(self) -> bytes:
        parts = []
        for node in merkle.nodes_of((0, len(self.tile))):
            part = self.tile[node.index << node.height : (node.index + 1) << node.height]
            parts.append(merkle.perfect(part, self.tree.hash_id))
        return merkle.fold([*self.frontier.peaks, *parts], self.tree.hash_id)

    def _upper(self) -> Iterator[Finding]:
        """The tiles above the leaves, and that there are no others."""
        counts = inspection.tile_counts(self.work, self.tree.id)
        level, below = 0, self.roots
        while below or level in counts:
            if counts.get(level, 0) > len(below):
                yield Finding("tile", f"第 {level} 层多出 {counts[level] - len(below)} 块", self.tree.id)
            level += 1
            count = len(below) // WIDTH
            kept = inspection.tile_rows(self.work, self.tree.id, level, 0, count) if count else {}
            above = []
            for n in range(count):
                part = below[n * WIDTH : (n + 1) * WIDTH]
                root = merkle.perfect(part, self.tree.hash_id) if all(part) else _NOTHING
                if root and kept.get(n) != (b"".join(part), root):
                    first, last = (m << (8 * (level + 1)) for m in (n, n + 1))
                    yield Finding("tile", f"第 {level} 层第 {n} 块", self.tree.id, first, last=last - 1)
                above.append(root)
            below = above


def _row_of(checkpoint: Checkpoint) -> tuple[int, bytes, str, int]:
    number = next(
        (
            int(line[7:])
            for line in checkpoint.extensions
            if line.startswith("number ") and line[7:].isdigit()
        ),
        0,
    )
    return checkpoint.size, checkpoint.root, checkpoint.hash_id, number


# -- trees and checkpoints -------------------------------------------------------------------------------


def _trees(work: Work, all_trees: Sequence[Tree], trust: Trust) -> Iterator[Finding]:
    """Each tree after the first begins with the last checkpoint of the one before it."""
    named = {d.get("tree"): d.get("previous") or {} for d in inspection.documents(work, "tree/1")}
    names = {k.name for k in trust.keys}
    for n, tree in enumerate(all_trees, 1):
        if tree.id != n:
            yield Finding("tree", f"缺少第 {n} 棵树", tree.id)
        if names and tree.origin not in {origin_of(name, tree.id) for name in names}:
            yield Finding("tree", f"名称 {tree.origin} 与公钥不符", tree.id)
        if n == 1:
            continue
        before = all_trees[n - 2]
        last = trees.largest_checkpoint(work, before.id)
        said = named.get(tree.id, {})
        if last is None or said.get("tree") != before.id or said.get("checkpoint") != last.note:
            yield Finding("tree", "第一叶没有写明前一棵树的最后检查点", tree.id)
        elif last.size != before.size:
            yield Finding("tree", f"前一棵树签署到 {last.size} 叶，却有 {before.size} 叶", tree.id)


def _numbered(signed: dict[int, list[Signed]]) -> Iterator[Finding]:
    """Checkpoints are numbered without a gap; size, tree and time never go back."""
    before: Signed | None = None
    for s in sorted((s for of in signed.values() for s in of), key=lambda s: s.number):
        expected = before.number + 1 if before else 1
        if s.number != expected:
            yield Finding("checkpoint", f"缺少检查点 {expected}", s.tree)
        if before and (s.tree, s.size) < (before.tree, before.size):
            yield Finding(
                "checkpoint", f"检查点 {s.number} 比前一个小：{s.size} 叶，前为 {before.size} 叶", s.tree
            )
        if before and s.signed_at < before.signed_at:
            yield Finding("checkpoint", f"检查点 {s.number} 的时间早于前一个", s.tree)
        before = s


def _known(work: Work, all_trees: Sequence[Tree], trust: Trust) -> Iterator[Finding]:
    """The trees continue the checkpoints that somebody kept."""
    for note in trust.known:
        try:
            checkpoint = check_checkpoint(note, trust.keys)
        except Invalid as error:
            yield Finding("known", str(error))
            continue
        tree = next((t for t in all_trees if t.origin == checkpoint.origin), None)
        if tree is None:
            yield Finding("known", f"没有名为 {checkpoint.origin} 的树")
            continue
        last = trees.largest_checkpoint(work, tree.id)
        if checkpoint.size > tree.size or last is None or last.size < checkpoint.size:
            now = last.size if last else 0
            yield Finding(
                "known", f"已知 {checkpoint.size} 叶的检查点，现在最新的只有 {now} 叶", tree.id, tree.size
            )
        elif _root_at(work, tree, checkpoint.size) != checkpoint.root:
            yield Finding("known", f"{checkpoint.size} 叶有两个根", tree.id)


def _root_at(work: Work, tree: Tree, size: int) -> bytes:
    try:
        return merkle.root(size, lambda tiles: trees.read_tiles(work, tree, tiles), tree.hash_id)
    except LookupError:
        return b""


def _stale(work: Work, tree: Tree, signed: Sequence[Signed], trust: Trust) -> Iterator[Finding]:
    """Leaves that no checkpoint covers although there was time for it: it has been taken away."""
    covered = max((s.size for s in signed), default=0)
    since = inspection.first_posted(work, tree.id, covered) if covered < tree.size else None
    patience = (LATE + timedelta(seconds=10 * trust.interval)) * trust.speed
    if since is not None and work.now - since > patience:
        yield Finding("stale", f"最新的只有 {covered} 叶，现有 {tree.size} 叶", tree.id, covered)


# -- the books -------------------------------------------------------------------------------------------


def _unlisted(work: Work, waiting: dict[tuple[str, int], tuple[bytes, str]]) -> Iterator[Finding]:
    """Postings that are in no tree, and don't wait for it as they are."""
    without = inspection.unlisted(work)
    for id_, number in without:
        if (id_, number) not in waiting:
            yield Finding("unlisted", "", 0, None, id_, number or None)
    stored = leaves.leaves_of(work, list(waiting))
    for key, (hash_, hash_id) in waiting.items():
        if key not in stored:
            yield Finding("gone", "尚未入树", 0, None, key[0], key[1] or None)
        elif hash_id and leaf_hash(stored[key], hash_id) != hash_:
            yield Finding("waiting", "", 0, None, key[0], key[1] or None)


def _books(work: Work) -> Iterator[Finding]:
    for entry, says, missing in inspection.misnumbered(work):
        yield Finding("numbers", f"应有 {says} 笔，第 {missing} 笔有误", 0, None, entry, missing)
    for id_, number in inspection.orphans(work):
        yield Finding("orphan", "", 0, None, id_, number)
    for d in inspection.disordered(work):
        yield Finding("order", "", d.tree, d.index, d.entry, d.number)


def _closings(work: Work) -> Iterator[Finding]:
    """Each act of a closing is as its leaf says, and each leaf has its act."""
    signed = {d.get("id"): d for d in inspection.documents(work, closings.LEAF)}
    for act in all_acts(work):
        row = act._replace(at=act.at if isinstance(act.at, str) else iso(act.at))
        if signed.pop(act.id, None) != closings.leaf_of(row) or digest_of(act.figures) != act.digest:
            yield Finding("closing", f"{act.period} 第 {act.number} 项", 0, None, act.id)
    for id_ in signed:
        yield Finding("closing", "记录已不存在", 0, None, str(id_))


def _texts(work: Work, result: Result) -> Iterator[Finding]:
    for text in inspection.texts(work):
        result.texts += 1
        hash_id = (text.digest or "").partition(":")[0]
        if not hash_id or text_digest(text.salt, text.words, hash_id) != text.digest:
            yield Finding("text", "", 0, None, text.entry, text.number)
    erased = _erased(inspection.documents(work, "erasure/1"))
    for id_, number in inspection.textless(work):
        if (id_, number) in erased:
            result.erased += 1
        else:
            yield Finding("text_gone", "", 0, None, id_, number)


def _erased(documents: Iterable[dict[str, Any]]) -> set[tuple[str, int]]:
    return {(id_, number) for d in documents for id_, number in d.get("postings", ())}
