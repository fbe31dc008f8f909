"""The policy of clocks is data, and wrong data says what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from jiayuan.sla import policy

pytestmark = pytest.mark.unit

GOOD = {
    "version": "2",
    "time": "natural",
    "zone": "Asia/Shanghai",
    "warn_percent": [75],
    "pauses": ["finish"],
    "extensions": [],
}


def test_the_policy_of_this_release() -> None:
    rules = policy.current()
    assert (rules.version, rules.warn_percent, rules.zone.key) == ("2026.1", 80, "Asia/Shanghai")
    assert rules.pausing == {"response", "finish", "citizen", "report_in"}


def test_a_policy_is_read() -> None:
    rules = policy.read(GOOD)
    assert (rules.version, rules.warn_percent) == ("2", 75)
    assert (rules.pausing, rules.extending) == ({"finish"}, frozenset())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", None),
        ("version", ""),
        ("version", "x" * 41),
        ("time", "working"),
        ("zone", "Mars/Olympus"),
        ("zone", None),
        ("zone", "../etc"),
        ("warn_percent", []),
        ("warn_percent", [0]),
        ("warn_percent", [101]),
        ("warn_percent", 80),
        ("warn_percent", [True]),
        ("pauses", ["arrival"]),
        ("extensions", None),
    ],
)
def test_wrong_data_names_the_field(field: str, value: Any) -> None:
    with pytest.raises(policy.PolicyError, match=f"{field} is .*allowed"):
        policy.read({**GOOD, field: value})
