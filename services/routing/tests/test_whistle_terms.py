"""What the policy says of whistles."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from jiayuan.routing import policy

pytestmark = pytest.mark.unit


def test_the_terms_of_this_release() -> None:
    terms = policy.bundled().whistle
    assert list(terms.grounds) == list(policy.GROUNDS)
    assert {g: t.report_in for g, t in terms.grounds.items()} == {
        "public_matter": 86400,
        "joint_enforcement": 43200,
        "emergency": 600,
    }
    assert (terms.convener, terms.ask, terms.chief, terms.most_units) == (86400, 3600, "asks", 12)


def test_nobody_has_longer_to_report_in_than_to_answer() -> None:
    terms = policy.bundled().whistle
    assert terms.report_in("emergency", 900) == 600
    assert terms.report_in("public_matter", 900) == 900
    assert terms.report_in("public_matter") == 86400


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ((), [], "whistle"),
        (("loud",), 1, "whistle.loud"),
        (("grounds", "fun"), {}, "whistle.grounds.fun"),
        (("grounds", "emergency"), None, "whistle.grounds.emergency"),
        (("grounds", "emergency", "report_in"), "soon", "whistle.grounds.emergency.report_in"),
        (("grounds", "emergency", "report_in"), "48h", "whistle.grounds.emergency.report_in"),
        (("grounds", "emergency", "reason_least"), 0, "whistle.grounds.emergency.reason_least"),
        (("grounds", "emergency", "says"), "", "whistle.grounds.emergency.says"),
        (("grounds", "emergency", "units"), 3, "whistle.grounds.emergency.units"),
        (("convener",), 24, "whistle.convener"),
        (("ask",), "0h", "whistle.ask"),
        (("chief",), "yes", "whistle.chief"),
        (("most_units",), 1, "whistle.most_units"),
    ],
)
def test_wrong_terms_name_their_field(path: tuple[str, ...], value: Any, where: str) -> None:
    document = copy.deepcopy(policy.bundled_document())
    if not path:
        document["whistle"] = value
    else:
        part = document["whistle"]
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = value
    with pytest.raises(policy.PolicyError) as refusal:
        policy.read(document)
    assert [p.field for p in refusal.value.problems] == [where]
    assert refusal.value.problems[0].allowed
