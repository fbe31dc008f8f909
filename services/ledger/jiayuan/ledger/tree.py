"""Merkle tree 默克爾樹 (RFC 9162, 2.1) in tiles: which nodes a proof needs, where they are, what they come to. Pure.

A node is (height, index): the root over leaves index × 2^height … (index + 1) × 2^height − 1, all of them there. A tile
(level, number) holds 256 nodes of height 8 × level side by side, as in C2SP tlog-tiles; only complete ones are kept, so
nothing that is kept ever changes. What has no complete tile yet is read from below: leaves, or roots of smaller tiles.
A proof of a tree of n leaves needs at most two tiles a level, log₂₅₆ n levels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple

from .verify import DIGEST_BYTES, Invalid, empty_root, node_hash

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT


@dataclass(frozen=True, slots=True)
class Node:
    """The root over the 2^height leaves from index × 2^height on."""

    height: int
    index: int


class Tile(NamedTuple):
    """256 nodes of height 8 × level, from number × 256 on."""

    level: int
    number: int


class Full(NamedTuple):
    """A tile that has become complete: its nodes, one after the other, and the root over them."""

    tile: Tile
    hashes: bytes
    root: bytes


Span = tuple[int, int]
"""Leaves from … up to and without …"""


# -- which nodes -----------------------------------------------------------------------------------------


def nodes_of(span: Span) -> list[Node]:
    """The complete nodes that a subtree of RFC 9162 consists of, from left to right."""
    low, high = span
    found = []
    while low < high:
        height = (high - low).bit_length() - 1
        found.append(Node(height, low >> height))
        low += 1 << height
    return found


def _split(low: int, high: int) -> int:
    """Where a subtree's right half begins: after the largest power of two below its size."""
    return low + (1 << ((high - low - 1).bit_length() - 1))


def inclusion_spans(index: int, size: int) -> list[Span]:
    """The subtrees whose roots are the inclusion proof of a leaf (RFC 9162, 2.1.3.1). `Invalid` when it isn't in."""
    if not 0 <= index < size:
        raise Invalid(f"leaf {index} is not in a tree of {size}")
    low, high, out = 0, size, []
    while high - low > 1:
        middle = _split(low, high)
        if index < middle:
            out.append((middle, high))
            high = middle
        else:
            out.append((low, middle))
            low = middle
    return out[::-1]


def consistency_spans(old: int, new: int) -> list[Span]:
    """The subtrees whose roots are the proof that a tree of `new` begins with that of `old` (RFC 9162, 2.1.4.1)."""
    if not 0 <= old <= new:
        raise Invalid(f"a tree of {new} is no continuation of one of {old}")
    if old in (0, new):
        return []
    low, high, whole, out = 0, new, True, []
    while old != high:
        middle = _split(low, high)
        if old <= middle:
            out.append((middle, high))
            high = middle
        else:
            out.append((low, middle))
            low, whole = middle, False
    if not whole:
        out.append((low, high))
    return out[::-1]


# -- where they are kept ---------------------------------------------------------------------------------


def tile_of(node: Node) -> Tile:
    """The tile, complete or not, in which a node's own parts are."""
    level, rest = divmod(node.height, HEIGHT)
    return Tile(level, node.index >> (HEIGHT - rest))


def tiles_of(spans: Iterable[Span]) -> list[Tile]:
    """All tiles that are needed to compute the roots of subtrees."""
    return sorted({tile_of(node) for span in spans for node in nodes_of(span)})


def is_complete(tile: Tile, size: int) -> bool:
    """Whether a tree of that size has all leaves below a tile."""
    return (tile.number + 1) << (HEIGHT * (tile.level + 1)) <= size


def width_of(tile: Tile, size: int) -> int:
    """How many nodes of a tile a tree of that size has."""
    return max(0, min(WIDTH, (size >> (HEIGHT * tile.level)) - tile.number * WIDTH))


# -- what they come to -----------------------------------------------------------------------------------

Hashes = Mapping[Tile, Sequence[bytes]]
"""The nodes of tiles that were read, as many as there are."""


def fold(nodes: Sequence[bytes], hash_id: str) -> bytes:
    """The root over complete nodes of falling height, from left to right."""
    if not nodes:
        return empty_root(hash_id)
    root = nodes[-1]
    for node in reversed(nodes[:-1]):
        root = node_hash(node, root, hash_id)
    return root


def _above(hashes: Sequence[bytes], hash_id: str) -> list[bytes]:
    """The nodes of the next height: of each two."""
    pairs = zip(hashes[::2], hashes[1::2], strict=False)
    if hash_id == "sha256":
        # What nearly all of the time goes to; without two calls a node in between.
        return [sha256(b"\x01" + left + right).digest() for left, right in pairs]
    return [node_hash(left, right, hash_id) for left, right in pairs]


def perfect(hashes: Sequence[bytes], hash_id: str) -> bytes:
    """The root over nodes, a power of two of them."""
    while len(hashes) > 1:
        hashes = _above(hashes, hash_id)
    return hashes[0]


def roots_of(spans: Iterable[Span], tiles: Hashes, hash_id: str) -> list[bytes]:
    """The roots of subtrees, from the tiles that `tiles_of` names. KeyError or IndexError when a node is missing."""
    return [fold([_value(node, tiles, hash_id) for node in nodes_of(span)], hash_id) for span in spans]


def _value(node: Node, tiles: Hashes, hash_id: str) -> bytes:
    rest = node.height % HEIGHT
    first = (node.index << rest) % WIDTH
    hashes = tiles[tile_of(node)][first : first + (1 << rest)]
    if len(hashes) != 1 << rest:
        raise IndexError(f"{node} is not in what was read")
    return perfect(hashes, hash_id)


class Pyramid:
    """All nodes within a tile, for whoever needs many of them. `hashes`: what the tile has."""

    def __init__(self, hashes: Sequence[bytes], hash_id: str) -> None:
        self._levels = [list(hashes)]
        while len(self._levels[-1]) > 1:
            self._levels.append(_above(self._levels[-1], hash_id))

    def value(self, node: Node) -> bytes:
        """A node of the tile. IndexError when the tile hasn't that much."""
        rest = node.height % HEIGHT
        return self._levels[rest][node.index % (WIDTH >> rest)]


# -- growing ---------------------------------------------------------------------------------------------


def started(size: int, new_size: int) -> list[tuple[Tile, int]]:
    """The tiles that were begun before and become complete when a tree grows, with how many nodes each had."""
    found: list[tuple[Tile, int]] = []
    level = 0
    while True:
        shift = HEIGHT * (level + 1)
        first, end = size >> shift, new_size >> shift
        if first == end:
            return found
        had = (size >> (HEIGHT * level)) - first * WIDTH
        if had:
            found.append((Tile(level, first), had))
        level += 1


def grow(size: int, leaves: Sequence[bytes], begun: Hashes, hash_id: str) -> Iterator[Full]:
    """The tiles that become complete when leaves are added to a tree of `size`, the lower ones first.

    `begun`: what the tiles of `started` held.
    """
    level, nodes, at = 0, list(leaves), size
    while nodes:
        first, had = Tile(level, at // WIDTH), at % WIDTH
        if had + len(nodes) < WIDTH:
            return
        before = list(begun[first]) if had else []
        if len(before) != had:
            raise IndexError(f"{first} had {had} nodes, {len(before)} were read")
        nodes = before + nodes
        above = []
        for n in range(len(nodes) // WIDTH):
            part = nodes[n * WIDTH : (n + 1) * WIDTH]
            root = perfect(part, hash_id)
            above.append(root)
            yield Full(Tile(level, first.number + n), b"".join(part), root)
        level, nodes, at = level + 1, above, first.number


def pieces(hashes: bytes) -> list[bytes]:
    """The nodes that stand one after the other in `Full.hashes`."""
    return [hashes[i : i + DIGEST_BYTES] for i in range(0, len(hashes), DIGEST_BYTES)]


class Frontier:
    """The roots of all sizes of a tree, as its leaves come in their order; logarithmic memory."""

    def __init__(self, hash_id: str) -> None:
        self.hash_id = hash_id
        self.size = 0
        self.peaks: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """The next leaf's hash."""
        self.size += 1
        n = self.size
        while n % 2 == 0:
            leaf = node_hash(self.peaks.pop(), leaf, self.hash_id)
            n //= 2
        self.peaks.append(leaf)

    def root(self) -> bytes:
        """The root over all leaves so far."""
        return fold(self.peaks, self.hash_id)


Read = Callable[[Sequence[Tile]], Hashes]
"""Reads tiles; of those that aren't complete, what there is."""


def root(size: int, read: Read, hash_id: str) -> bytes:
    """The root of a tree of `size`."""
    return roots_of([(0, size)], read(tiles_of([(0, size)])), hash_id)[0]


def inclusion(index: int, size: int, read: Read, hash_id: str) -> list[bytes]:
    """The proof that a leaf is in the tree of `size`."""
    spans = inclusion_spans(index, size)
    return roots_of(spans, read(tiles_of(spans)), hash_id)


def consistency(old: int, new: int, read: Read, hash_id: str) -> list[bytes]:
    """The proof that the tree of `new` begins with that of `old`."""
    spans = consistency_spans(old, new)
    return roots_of(spans, read(tiles_of(spans)), hash_id)
