"""Masks, and handles of reporters."""

from __future__ import annotations

import pytest

from jiayuan.intake import people
from jiayuan.intake.people import Contact
from jiayuan.intake.text import normal

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("typed", "masked"),
    [
        ("电话13800138000", "电话138****8000"),
        ("电话１３８００１３８０００谢谢", "电话138****8000谢谢"),
        ("138 0013 8000", "138****8000"),
        ("138-0013-8000", "138****8000"),
        ("138—0013—8000", "138****8000"),
        ("１３８－００１３－８０００", "138****8000"),
        ("+86 13800138000", "861******8000"),
        ("138.0013.8000", "138****8000"),
        ("1 3 8 0 0 1 3 8 0 0 0", "138****8000"),
        ("VX13800138000", "VX138****8000"),
        ("tel13800138000加我", "tel138****8000加我"),
        ("0593-8812345", "059****2345"),
        ("(0593)8812345", "059****2345"),
        ("电话：8812345", "电话：88***45"),
        ("座机是8812345", "座机是88***45"),
        ("13800138000、13900139000", "138****8000、139****9000"),
        ("身份证350921199003071234", "身份证3509************34"),
        ("身份证35092119900307123X", "身份证3509************3X"),
        ("身份证３５０９２１１９９００３０７１２３ｘ", "身份证3509************3x"),
        ("350921 19900307 1234", "3509************34"),
        ("350921900307123", "3509*********23"),
    ],
)
def test_numbers_of_people_are_masked(typed: str, masked: str) -> None:
    assert people.mask(normal(typed)) == masked


@pytest.mark.parametrize(
    "typed",
    [
        "卡号6222021234567890123",
        "卡号6222 0212 3456 7890 123",
        "卡号6222 1381 2345 678",
        "卡号6217-1380-0138-0001-234",
        "订单20190213812345678901",
        "2019-02-28 11:25:05",
        "车牌闽J12345，12345热线",
        "缴费1380.50元，面积13800平方",
        "代码350921001001",
        "8812345元",
        "坐标119.998,26.888",
        "2026年3月2日下午3点至5点",
        "3栋2单元1801",
    ],
)
def test_other_numbers_are_left_alone(typed: str) -> None:
    assert people.mask(normal(typed)) == normal(typed)


def test_one_person_is_one_handle_however_the_phone_is_written() -> None:
    spelt = ["13800138000", "138 0013 8000", "138-0013-8000", "+86 138 0013 8000", "008613800138000"]
    spelt.append("１３８００１３８０００")
    found = {people.handle_of(Contact("例", p, ""), b"secret") for p in spelt}
    assert len(found) == 1
    (handle,) = found
    assert handle is not None
    assert "13800138000" not in handle
    assert people.handle_of(Contact("", "13800138000", "another-openid"), b"secret") == handle
    assert people.handle_of(Contact("", "13800138000"), b"other") != handle
    assert people.handle_of(Contact("", "13800138001"), b"secret") != handle


def test_an_openid_is_a_person_and_a_name_alone_is_nobody() -> None:
    assert people.handle_of(Contact(openid="o1"), b"s") == people.handle_of(Contact("例", "", "o1"), b"s")
    assert people.handle_of(Contact(openid="o1"), b"s") != people.handle_of(Contact(openid="o2"), b"s")
    # The same characters as phone and as openid are two people.
    same = "13800138000"
    assert people.handle_of(Contact(openid=same), b"s") != people.handle_of(Contact(phone=same), b"s")
    assert people.handle_of(Contact("例张三"), b"s") is None
    assert people.handle_of(Contact(), b"s") is None


def test_a_contact_does_not_show_itself() -> None:
    assert "1380" not in repr(Contact("例", "13800138000"))
    assert not Contact()
    assert Contact(name="例")
