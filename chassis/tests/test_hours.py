"""Hours as people write them."""

from __future__ import annotations

import pytest

from jiayuan.chassis.hours import DAYS, hours_of, text_of

pytestmark = pytest.mark.unit

NOON, SATURDAY = ["08:00-12:00", "14:30-17:30"], ["09:00-12:00"]
WRITTEN = (
    ("周一至周五 08:00-12:00、14:30-17:30；周六 9:00-12:00", [NOON] * 5 + [SATURDAY, []]),
    ("周一至五 8:00-9:00", [["08:00-09:00"]] * 5 + [[], []]),
    ("每天 07:00-22:00", [["07:00-22:00"]] * 7),
    ("工作日 8：00—18：00；周末 09:00-17:00", [["08:00-18:00"]] * 5 + [["09:00-17:00"]] * 2),
    ("周一至周日 24小时；周三 休息", [["00:00-24:00"], ["00:00-24:00"], []] + [["00:00-24:00"]] * 4),
    ("星期五至周一 8:00到9:00", [["08:00-09:00"], [], [], []] + [["08:00-09:00"]] * 3),
)


@pytest.mark.parametrize(("written", "kept"), WRITTEN)
def test_what_people_write_is_kept_in_one_form(written: str, kept: list[list[str]]) -> None:
    found = hours_of(written)
    assert found == dict(zip(DAYS, kept, strict=True))
    assert hours_of(found) == hours_of(text_of(found)) == found


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("上午", "names no time"),
        ("周一 休息", "names no hours at all"),
        ({"monday": []}, "names days that there are not"),
        ({"mon": "08:00-12:00"}, "has no list of spans"),
        ("每天 18:00-8:00", "ends before it begins"),
        ({"mon": ["8-12"]}, "no span of time"),
    ],
)
def test_what_can_not_be_read_is_said(written: str | dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        hours_of(written)
