"""The order of channels, and the policy that sends a notice to two."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jiayuan.contracts.schemas.common import NOTICE_ROLES
from jiayuan.notify import rules
from jiayuan.notify.cascade import (
    URGENCIES,
    BadPolicy,
    Policies,
    Policy,
    bundled,
    first,
    following,
    remaining,
)

pytestmark = pytest.mark.unit
BOTH = ("mini_program", "sms")


def test_urgencies_are_those_of_the_rules() -> None:
    assert {word: n for n, word in URGENCIES.items()} == rules.URGENCIES


def test_channels_are_taken_in_their_order() -> None:
    assert first(BOTH, {"sms", "mini_program"}) == "mini_program"
    assert first(BOTH, {"sms"}) == "sms"
    assert first(BOTH, ()) is None
    assert list(remaining(BOTH, "sms")) == ["sms"]
    assert list(remaining(BOTH, "pigeon")) == list(BOTH)
    assert list(following(BOTH, "mini_program")) == ["sms"]
    assert list(following(BOTH, "sms")) == []


def test_two_channels_only_where_policy_says_so() -> None:
    policies = bundled()
    for role in NOTICE_ROLES:
        assert policies.of(0, role).unread is not None
        assert policies.of(1, role).unread is policies.of(2, role).unread is None
        assert policies.of(2, role) == Policy()
    assert policies.of(0, "assignee").unread == timedelta(minutes=10)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "version is missing"),
        ({"version": "1", "policies": ["x"]}, r"policies\[0\]: must be a mapping"),
        ({"version": "1", "policies": [{"colour": ["red"]}]}, "role, unanswered, unread, urgency"),
        ({"version": "1", "policies": [{"urgency": "now"}]}, r"urgency: must be a list of some of now, soon"),
        ({"version": "1", "policies": [{"role": ["mayor"]}]}, r"role: must be a list of some of citizen"),
        ({"version": "1", "policies": [{"unread": "soon"}]}, r"unread: is 'soon', it must be a time like"),
        ({"version": "1", "policies": [{"unanswered": "4d"}]}, "at most 3d"),
    ],
)
def test_a_policy_that_is_none_is_refused_with_words(document: dict[str, Any], words: str) -> None:
    with pytest.raises(BadPolicy, match=words):
        Policies(document)
