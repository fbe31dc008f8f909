"""Draft 草案 → held 已召开 → published 已公布: what a meeting may do next, and who signs. Pure.

A draft is everybody's of the street's desk. Two persons sign the same version of it, the recorder 記錄人 and the
convener 召集人; with the second signature the meeting is held and its decisions take effect. From then on
nothing of it changes: what was wrong is said in an addendum 更正與補充.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

STATES: Final = ("draft", "held", "published")
STATE_NAMES: Final = {"draft": "草案", "held": "已召开", "published": "已公布"}
PARTS: Final = ("recorder", "convener")
PART_NAMES: Final = {"recorder": "记录人", "convener": "召集人"}


class Refused(Exception):
    """What the meeting doesn't allow as it is: the field, what is wrong, what is allowed."""

    def __init__(self, field: str, problem: str, allowed: str = "") -> None:
        self.field, self.problem, self.allowed = field, problem, allowed
        super().__init__(f"{field}: {problem}")


def needs(state: str, *wanted: str) -> None:
    """Refused when the meeting isn't in one of the states."""
    if state not in wanted:
        raise Refused("state", f"is {state}", " or ".join(wanted))


def digest_of(content: Mapping[str, Any]) -> str:
    """What is signed: SHA-256 of the meeting's content as JSON, keys sorted."""
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def sign(
    state: str,
    signatures: Sequence[Mapping[str, str]],
    part: str,
    who: str,
    at: str,
    signed: str,
    current: str,
) -> list[dict[str, str]]:
    """The signatures after `who` signed as `part`. Signing again as the same is no error and changes nothing.

    `signed` is the digest that was looked at, `current` that of the meeting as it is. Refused.
    """
    there = [dict(s) for s in signatures]
    mine = next((s for s in there if s["part"] == part), None)
    if mine is not None and mine["who"] == who and signed == current:
        return there
    needs(state, "draft")
    if signed != current:
        raise Refused("digest", "is of another version: the meeting was changed since", current)
    if any(s["who"] == who and s["part"] != part for s in there):
        raise Refused("part", "two persons sign, and you have signed already", "somebody else's signature")
    kept = [s for s in there if s["part"] != part]
    return [*kept, {"part": part, "who": who, "at": at}]


def complete(signatures: Sequence[Mapping[str, str]]) -> bool:
    """Whether both have signed."""
    return {s["part"] for s in signatures} == set(PARTS)
