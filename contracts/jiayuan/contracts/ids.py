"""Identifiers: UUID version 7 (RFC 9562), so that keys grow with time and indexes stay compact."""

from __future__ import annotations

import os
import time

__all__ = ["new_id"]


# Random bits for many ids from one call to the system. A child process draws its own.
_drawn: list[int] = []
os.register_at_fork(after_in_child=_drawn.clear)


def _random80() -> int:
    try:
        return _drawn.pop()
    except IndexError:
        block = os.urandom(10 * 256)
        _drawn.extend(int.from_bytes(block[i : i + 10], "big") for i in range(10, len(block), 10))
        return int.from_bytes(block[:10], "big")


def new_id() -> str:
    """A new UUIDv7 as text: 48 bits of Unix milliseconds, then 74 random bits."""
    millis = time.time_ns() // 1_000_000
    tail = _random80()
    value = (millis & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | (tail >> 68 & 0xFFF) << 64
    value |= 0b10 << 62 | (tail & 0x3FFF_FFFF_FFFF_FFFF)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
