"""An account for the road: leaves, their proof and a checkpoint in one file that `verify.py` checks without the system.

A zip of plain texts, each with lines that end in a newline:

    manifest.json     format, origin, tree, what was asked for
    checkpoint.txt    the signed note that everything is proven against
    consistency.json  what was published before: each checkpoint with the proof that this tree continues it
    leaves.jsonl      a leaf a line: the bytes that were hashed
    places.txt        index and hash of each leaf
    nodes.txt         height, index and hash of the nodes beside them
    texts.jsonl       only when asked for: free texts with their salts; not for the public
"""

from __future__ import annotations

import tempfile
import zipfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import orjson

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso

from . import tree as merkle
from .store import leaves, trees
from .store.trees import Tree
from .tree import Node, Tile
from .verify import EXPORT

_BUFFERED: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which leaves: of a year (and street), of an entry, or, with neither, all of the tree. What is no posting
    (closings, erasures) is in every export of more than an entry."""

    year: int | None = None
    street: str | None = None
    entry: str | None = None
    texts: bool = False


def export(work: Work, to: Path | IO[bytes], wanted: Wanted, tree: int | None = None) -> dict[str, Any]:
    """Writes an export; its manifest. Problem 409 before the first checkpoint.

    Memory grows by 8 bytes a leaf; only where not all of the tree is wanted, by an index of each node beside it too.
    """
    of = trees.get_tree(work, tree)
    signed = trees.largest_checkpoint(work, of.id) if of else None
    if of is None or signed is None:
        raise Problem(409, "There is no checkpoint yet", "ask again in a minute")

    def pages() -> Iterator[list[leaves.Placed]]:
        return leaves.places(work, of.id, signed.size, wanted.year, wanted.street, wanted.entry)

    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        file.writestr("checkpoint.txt", signed.note)
        file.writestr("consistency.json", orjson.dumps(_steps(work, of, signed.size)) + b"\n")
        indexes = _write_leaves(work, file, pages())
        _write_nodes(work, file, of, signed.size, indexes if len(indexes) < signed.size else ())
        if wanted.texts:
            _write_texts(work, file, pages())
        manifest = {
            "format": EXPORT,
            "origin": of.origin,
            "tree": of.id,
            "leaves": len(indexes),
            "size": signed.size,
            "year": wanted.year,
            "street": wanted.street,
            "entry": wanted.entry,
            "made_at": iso(work.now),
        }
        file.writestr("manifest.json", orjson.dumps(manifest) + b"\n")
    return manifest


def _steps(work: Work, of: Tree, size: int) -> list[dict[str, Any]]:
    found = []
    for signed in trees.get_checkpoints(work, of.id, published=True):
        if signed.size <= size:
            proof = merkle.consistency(
                signed.size, size, lambda tiles: trees.read_tiles(work, of, tiles), of.hash_id
            )
            found.append({"checkpoint": signed.note, "proof": [node.hex() for node in proof]})
    return found


def _write_leaves(work: Work, file: zipfile.ZipFile, pages: Iterable[Sequence[leaves.Placed]]) -> array[int]:
    indexes = array("q")
    with tempfile.SpooledTemporaryFile(_BUFFERED) as places:
        with file.open("leaves.jsonl", "w", force_zip64=True) as lines:
            for page in pages:
                stored = leaves.leaves_of(work, [(k.id, k.number) for k in page])
                for key in page:
                    leaf = stored.get((key.id, key.number))
                    if leaf is None:
                        raise Problem(
                            500,
                            "A posting is gone",
                            f"leaf {key.index}, entry {key.id}, posting {key.number}: run jiayuan ledger verify",
                        )
                    lines.write(leaf + b"\n")
                    indexes.append(key.index)
                    places.write(b"%d %s\n" % (key.index, bytes(key.hash).hex().encode()))
        places.seek(0)
        with file.open("places.txt", "w", force_zip64=True) as lines:
            while block := places.read(1 << 20):
                lines.write(block)
    return indexes


def _write_nodes(work: Work, file: zipfile.ZipFile, of: Tree, size: int, indexes: Sequence[int]) -> None:
    pyramids: dict[Tile, merkle.Pyramid] = {}

    def value(node: Node) -> bytes:
        low = node.index << node.height
        parts = merkle.nodes_of((low, min((node.index + 1) << node.height, size)))
        return merkle.fold([_part(work, of, part, pyramids) for part in parts], of.hash_id)

    with file.open("nodes.txt", "w", force_zip64=True) as lines:
        for node in beside(indexes, size):
            lines.write(b"%d %d %s\n" % (node.height, node.index, value(node).hex().encode()))


def _part(work: Work, of: Tree, node: Node, pyramids: dict[Tile, merkle.Pyramid]) -> bytes:
    tile = merkle.tile_of(node)
    found = pyramids.get(tile)
    if found is None:
        # They are asked for from left to right, level by level: the last few are enough.
        while len(pyramids) >= 8:
            del pyramids[next(iter(pyramids))]
        found = pyramids[tile] = merkle.Pyramid(trees.read_tiles(work, of, [tile])[tile], of.hash_id)
    return found.value(node)


def beside(indexes: Iterable[int], size: int) -> Iterator[Node]:
    """The nodes that are needed beside leaves (by index, without repetition) to compute the root of a tree."""
    level, height, count = list(indexes), 0, size
    while count > 1 and level:
        above: list[int] = []
        at, end = 0, len(level)
        while at < end:
            index = level[at]
            at += 1
            other = index ^ 1
            if other > index and at < end and level[at] == other:
                at += 1
            elif other < count:
                yield Node(height, other)
            above.append(index >> 1)
        level, height, count = above, height + 1, (count + 1) >> 1


def _write_texts(work: Work, file: zipfile.ZipFile, pages: Iterable[Sequence[leaves.Placed]]) -> None:
    with file.open("texts.jsonl", "w", force_zip64=True) as lines:
        for page in pages:
            texts = leaves.texts_of(work, [(k.id, k.number) for k in page if k.number])
            for key in page:
                found = texts.get((key.id, key.number))
                if found is not None:
                    text = {"index": key.index, "salt": found.salt.hex(), "words": found.words}
                    lines.write(orjson.dumps(text) + b"\n")
