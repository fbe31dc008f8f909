"""The tree in tiles against the plain definitions of RFC 9162, and its proofs against the stand-alone verifier."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.chassis.testing.models import examples
from jiayuan.ledger import tree
from jiayuan.ledger.tree import Full, Hashes, Tile
from jiayuan.ledger.verify import Invalid, check_consistency, check_inclusion, empty_root, leaf_hash, root_of

pytestmark = pytest.mark.unit

LEAVES = [leaf_hash(str(n).encode()) for n in range(3000)]


class Kept:
    """A tree as a database keeps it: leaves, and complete tiles as they became so."""

    def __init__(self, hash_id: str = "sha256") -> None:
        self.hash_id = hash_id
        self.leaves: list[bytes] = []
        self.tiles: dict[Tile, Full] = {}

    def read(self, tiles: Sequence[Tile]) -> Hashes:
        return {t: self._nodes(t) for t in tiles}

    def _nodes(self, tile: Tile) -> list[bytes]:
        if tree.is_complete(tile, len(self.leaves)):
            return tree.pieces(self.tiles[tile].hashes)
        first = tile.number * tree.WIDTH
        numbers = range(first, first + tree.width_of(tile, len(self.leaves)))
        if tile.level == 0:
            return [self.leaves[n] for n in numbers]
        return [self.tiles[Tile(tile.level - 1, n)].root for n in numbers]

    def add(self, leaves: Sequence[bytes]) -> None:
        size = len(self.leaves)
        begun = {t: self._nodes(t)[:had] for t, had in tree.started(size, size + len(leaves))}
        for full in tree.grow(size, leaves, begun, self.hash_id):
            assert full.tile not in self.tiles
            self.tiles[full.tile] = full
        self.leaves += leaves


def grown(size: int, step: int = 700) -> Kept:
    kept = Kept()
    for at in range(0, size, step):
        kept.add(LEAVES[at : min(at + step, size)])
    return kept


@given(st.lists(st.integers(0, 600), max_size=6))
@settings(max_examples=examples(40), deadline=None)
def test_tiles_are_the_same_however_the_leaves_came(steps: list[int]) -> None:
    kept = Kept()
    for step in steps:
        at = len(kept.leaves)
        kept.add(LEAVES[at : at + step])
    size = len(kept.leaves)
    assert kept.tiles == grown(size, 1 << 20).tiles
    assert set(kept.tiles) == {Tile(0, n) for n in range(size // 256)}
    assert tree.root(size, kept.read, "sha256") == root_of(kept.leaves)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 255, 256, 257, 511, 512, 513, 1000, 2048, 2999])
def test_every_proof_of_inclusion_holds(size: int) -> None:
    kept = grown(2999)
    root = root_of(LEAVES[:size])
    assert tree.root(size, kept.read, "sha256") == root
    for index in {0, 1, size // 2, size // 3, max(0, size - 257), max(0, size - 2), size - 1} & set(
        range(size)
    ):
        proof = tree.inclusion(index, size, kept.read, "sha256")
        check_inclusion(LEAVES[index], index, size, proof, root)


WHOLE = grown(2999)


@given(st.integers(0, 2999), st.integers(0, 2999))
@settings(max_examples=examples(60), deadline=None)
def test_every_proof_of_consistency_holds(one: int, two: int) -> None:
    old, new = sorted((one, two))
    proof = tree.consistency(old, new, WHOLE.read, "sha256")
    check_consistency(old, root_of(LEAVES[:old]), new, root_of(LEAVES[:new]), proof)


def test_a_third_level_is_complete_with_the_leaf_that_completes_it() -> None:
    """65,536 leaves: the first tile of level 1; the same hash for all leaves keeps it quick."""
    kept = Kept()
    same = [LEAVES[0]] * 4096
    for _ in range(15):
        kept.add(same)
    kept.add(same[:-1])
    assert Tile(1, 0) not in kept.tiles
    kept.add(same[:1])
    assert {t for t in kept.tiles if t.level} == {Tile(1, 0)}
    kept.add(same[:300])
    size = len(kept.leaves)
    assert tree.root(size, kept.read, "sha256") == root_of(kept.leaves)
    proof = tree.inclusion(65_000, size, kept.read, "sha256")
    check_inclusion(LEAVES[0], 65_000, size, proof, root_of(kept.leaves))
    assert len(tree.tiles_of(tree.inclusion_spans(65_000, size))) <= 4


def test_a_proof_needs_few_tiles_however_large_the_tree() -> None:
    for size in (10_000, 1_000_000, 10_000_000, 2**62 + 1):
        levels = (size.bit_length() + 7) // 8
        for index in (0, size // 3, size - 1):
            assert len(tree.tiles_of(tree.inclusion_spans(index, size))) <= 2 * levels


def test_sm3_is_another_tree() -> None:
    leaves = [leaf_hash(str(n).encode(), "sm3") for n in range(300)]
    kept = Kept("sm3")
    kept.add(leaves)
    root = root_of(leaves, "sm3")
    assert tree.root(300, kept.read, "sm3") == root
    check_inclusion(leaves[7], 7, 300, tree.inclusion(7, 300, kept.read, "sm3"), root, "sm3")


def test_what_is_not_there_is_refused() -> None:
    assert tree.root(0, grown(0).read, "sha256") == empty_root()
    with pytest.raises(Invalid):
        tree.inclusion_spans(3, 3)
    with pytest.raises(Invalid):
        tree.consistency_spans(4, 3)
    with pytest.raises(IndexError):
        list(tree.grow(10, LEAVES[:250], {Tile(0, 0): LEAVES[:9]}, "sha256"))
    with pytest.raises(IndexError):
        tree.roots_of([(0, 4)], {Tile(0, 0): LEAVES[:3]}, "sha256")


def test_the_frontier_knows_the_root_of_every_size() -> None:
    frontier = tree.Frontier("sha256")
    for size in range(70):
        assert frontier.root() == root_of(LEAVES[:size])
        frontier.add(LEAVES[size])
