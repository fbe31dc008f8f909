"""Whether the ledger's books are still those that were signed, row by row; and which one is the first that isn't.

Four witnesses, each of which whoever changes a row must bring to agree with it: the row against its leaf's hash; the
hash against its tile, where it stands a second time; both against the signed roots; and each leaf's mark, which nobody
can make who has only the database. Signatures tell that something was changed, marks which leaf was the first: without
the key it is one between two checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from multiprocessing import get_context
from typing import Any, Final

from jiayuan.chassis.config import Settings
from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso

from . import closings
from . import tree as merkle
from .checkpoint import Macs, origin_of
from .closing import digest_of
from .finding import Finding
from .leaf import text_digest
from .scanning import LATE, Scan, scan, scan_apart, spans
from .store import all_acts, inspection, leaves, trees
from .store.trees import Signed, Tree
from .tree import WIDTH, Frontier
from .verify import HASHES, Checkpoint, Invalid, Key, check_checkpoint, leaf_hash

_PARTS: Final = 4
"""Spans a process, so that none has to wait long for another."""
_WORTH_IT: Final = 50_000
"""Leaves from which on more than one span is worth its while."""


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


Checkpoints = Sequence[tuple[int, datetime]]
Scanned = Callable[[Tree, Checkpoints, timedelta, Macs | None], Iterable[Scan]]
"""Gives the scans of a tree, from left to right."""


def verify(work: Work, trust: Trust, settings: Settings | None = None, jobs: int = 1) -> Result:
    """Looks at every row of the account and its proof, in one snapshot; nothing is changed.

    `jobs`: processes, each with a connection by `settings`; of several, each takes a part of the leaves.
    """
    inspection.begin(work)
    result = Result(marked=trust.macs is not None)
    found = result.findings
    waiting = inspection.waiting(work)
    result.waiting = len(waiting)
    all_trees = trees.get_trees(work)
    found += _trees(work, all_trees, trust)
    signed = {t.id: trees.get_checkpoints(work, t.id) for t in all_trees}
    found += _numbered(signed)
    with _scanner(work, settings, jobs) as scanned:
        for tree in all_trees:
            found += _Tree(work, tree, signed[tree.id], trust, result).findings(scanned)
    found += _unlisted(work, waiting)
    found += _books(work)
    found += _closings(work)
    found += _texts(work, result)
    found += _known(work, all_trees, trust)
    if all_trees:
        found += _stale(work, all_trees[-1], signed[all_trees[-1].id], trust)
    found.sort(key=lambda f: f.place)
    return result


@contextmanager
def _scanner(work: Work, settings: Settings | None, jobs: int) -> Iterator[Scanned]:
    """Scans here, or in processes of their own that see the same snapshot."""
    if settings is None or jobs < 2:

        def here(tree: Tree, signed: Checkpoints, late: timedelta, macs: Macs | None) -> Iterable[Scan]:
            return (scan(work, span) for span in spans(tree, signed, late, macs, 1))

        yield here
        return
    snapshot = inspection.export_snapshot(work)
    # Spawned: a fork would share this process's connection, and close it when it ends.
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:

        def apart(tree: Tree, signed: Checkpoints, late: timedelta, macs: Macs | None) -> Iterable[Scan]:
            parts = jobs * _PARTS if tree.size >= _WORTH_IT else 1
            return pool.map(partial(scan_apart, settings, snapshot), spans(tree, signed, late, macs, parts))

        yield apart


# -- a tree ----------------------------------------------------------------------------------------------


class _Tree:
    """A tree: its checkpoints, its leaves, its tiles."""

    def __init__(
        self, work: Work, tree: Tree, signed: Sequence[Signed], trust: Trust, result: Result
    ) -> None:
        self.work, self.tree, self.trust, self.result = work, tree, trust, result
        self.kept, self.signed = signed, list[Signed]()

    def findings(self, scanned: Scanned) -> Iterator[Finding]:
        """What isn't as it was signed."""
        yield from self._notes()
        signed = [(s.size, s.signed_at) for s in self.signed]
        late = LATE * self.trust.speed
        roots: list[bytes] = []
        parts: dict[int, list[bytes]] = {}
        size = 0
        for part in scanned(self.tree, signed, late, self.trust.macs):
            yield from part.findings
            self.result.leaves += part.leaves
            self.result.postings += part.postings
            roots += part.roots
            parts.update(part.parts)
            size = part.size
            if part.lost:
                return
        yield from self._roots(roots, parts)
        if self.signed and self.signed[-1].size > size:
            last = self.signed[-1]
            said = f"检查点 {last.number} 有 {last.size} 叶，现有 {size} 叶"
            yield Finding("tail", said, self.tree.id, size)
        yield from self._upper(roots)

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

    def _roots(self, roots: Sequence[bytes], parts: dict[int, list[bytes]]) -> Iterator[Finding]:
        """Compares the checkpoints, up to the first that isn't as it was signed: none after it can be."""
        frontier, good = Frontier(self.tree.hash_id), 0
        for s in self.signed:
            tiles = s.size // WIDTH
            if tiles > len(roots) or not all(roots[frontier.size : tiles]) or s.size not in parts:
                return
            for root in roots[frontier.size : tiles]:
                frontier.add(root)
            if merkle.fold([*frontier.peaks, *parts[s.size]], self.tree.hash_id) != s.root:
                said = f"检查点 {s.number}：第 {good} 至 {s.size - 1} 叶中有改动"
                yield Finding("root", said, self.tree.id, good, last=s.size - 1)
                return
            good = s.size

    def _upper(self, roots: list[bytes]) -> Iterator[Finding]:
        """The tiles above the leaves, and that there are no others."""
        counts = inspection.tile_counts(self.work, self.tree.id)
        level, below = 0, roots
        while below or level in counts:
            if counts.get(level, 0) > len(below):
                yield Finding("tile", f"第 {level} 层多出 {counts[level] - len(below)} 块", self.tree.id)
            level += 1
            count = len(below) // WIDTH
            kept = inspection.tile_rows(self.work, self.tree.id, level, 0, count) if count else {}
            above = []
            for n in range(count):
                part = below[n * WIDTH : (n + 1) * WIDTH]
                root = merkle.perfect(part, self.tree.hash_id) if all(part) else b""
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
    kinds = (closings.UNSALTED, closings.LEAF)
    signed = {d.get("id"): d for kind in kinds for d in inspection.documents(work, kind)}
    for act in all_acts(work):
        row = act._replace(at=act.at if isinstance(act.at, str) else iso(act.at))
        leaf = signed.pop(act.id, {})
        # A tree keeps its algorithm; which one it was when this was signed, the digest says.
        hash_id = str(leaf.get("reason")).partition(":")[0]
        known = hash_id in HASHES and leaf == closings.leaf_of(row, hash_id)
        if not known or digest_of(act.figures) != act.digest:
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
