"""Limits of channels: who may do how much."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jiayuan.chassis.errors import Problem, StartError
from jiayuan.chassis.limits import Counts, Rule
from jiayuan.chassis.tokens import Principal
from jiayuan.intake import limits

pytestmark = pytest.mark.unit

CITIZEN = Principal("p1", ("citizen",))
DESK = Principal("d1", ("desk",))


class Limiter:
    """Counts what is written through a channel under the default's rules."""

    def __init__(self, **rules: list[tuple[int, int]]) -> None:
        self.rules = {"default": {"write": {k: tuple(Rule(*r) for r in v) for k, v in rules.items()}}}
        self.counts = Counts(b"s", lambda: 1_800_000_000.0)

    def lets_in(self, who: Principal | None = None, address: str = "192.0.2.1") -> bool:
        """Counts one more."""
        try:
            self.counts.take(limits.wanted(self.rules, "any", "write", who, address))
        except Problem:
            return False
        return True


def test_persons_addresses_and_staff_are_counted_each_for_themselves() -> None:
    by = Limiter(person=[(2, 60)], address=[(5, 60)], staff=[(4, 60)])
    assert [by.lets_in(CITIZEN) for _ in range(3)] == [True, True, False]
    other = Principal("p2", ("citizen",))
    assert [by.lets_in(other) for _ in range(2)] == [True, True]
    assert by.lets_in()
    assert not by.lets_in()  # five from this address, whoever they were
    assert by.lets_in(address="192.0.2.2")
    # No address counts for those who write for many.
    assert [by.lets_in(DESK) for _ in range(5)] == [True] * 4 + [False]


def test_a_channel_has_its_own_rules_and_for_other_deeds_the_default() -> None:
    rules = limits.read(
        {
            "channels": {
                "default": {"read": {"address": [[5, 60]]}},
                "open311": {"write": {"address": [[9, 60]]}},
            }
        }
    )
    assert limits.wanted(rules, "open311", "write", None, "x") == [("open311:write:address:x", Rule(9, 60))]
    assert limits.wanted(rules, "open311", "read", None, "x") == [("open311:read:address:x", Rule(5, 60))]
    assert limits.wanted(rules, "open311", "add", None, "x") == []


def test_what_comes_with_intake_is_well_formed_and_off_is_off() -> None:
    rules = limits.load("")
    assert set(rules["default"]) == set(limits.DEEDS)
    assert limits.load(limits.OFF) == {}
    assert limits.wanted({}, "any", "write", None, "x") == []


BAD = [
    ("[]", "channels must be a mapping that has a default"),
    ("channels: {reports: {}}", "has a default"),
    ("channels: {default: {wriet: {}}}", "default must be a mapping of sign_in, write, add, read"),
    ("channels: {default: {write: {people: []}}}", "default.write must be a mapping of person"),
    ("channels: {default: {write: {person: [[1]]}}}", r"default.write.person: \[1\] is not"),
    ("channels: {default: {write: {person: [[1, 0]]}}}", "is not"),
    ("channels: {default: {write: {person: [[true, 60]]}}}", "is not"),
    ("channels: {default: {write: {person: [[1, 60], [2, 60]]}}}", "two limits for the same seconds"),
    ("channels: {", "expected"),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_malformed_limits_stop_the_start_and_say_where(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(StartError, match=re.compile(said)):
        limits.use(str(file))
