"""Chance that can be repeated: everything drawn follows from a seed and the name of what it is drawn for."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from random import Random
from typing import TypeVar

T = TypeVar("T")


def chance(seed: int, *names: object) -> Random:
    """The dice of one thing: the same names and seed always throw the same."""
    name = "\x1f".join(str(n) for n in names).encode()
    return Random(blake2b(name, digest_size=8, key=str(seed).encode()).digest())


def pick(dice: Random, shares: Mapping[T, float]) -> T:
    """One of the keys, by their shares (which need not sum up to 1)."""
    return dice.choices(list(shares), weights=list(shares.values()))[0]
