"""Masks, and handles of reporters."""

from __future__ import annotations

import pytest

from jiayuan.intake import numbers, people
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
        ("单号350921199003071237", "单号3509************37"),
        ("卡号6222021234567890123", "卡号6222***********0123"),
        ("卡号6222 0212 3456 7890 123", "卡号6222***********0123"),
        ("卡号6222 1381 2345 678", "卡号6222*******5678"),
        ("卡号6217-1380-0138-0001-234", "卡号6217***********1234"),
        ("打到6222021234567890128谢谢", "打到6222***********0128谢谢"),
        ("4111 1111 1111 1111", "4111********1111"),
        ("车牌闽J12345，12345热线", "车牌闽J***45，12345热线"),
        ("闽j·8d765挂了", "闽j****65挂了"),
        ("新能源车闽JD12345和闽J12345D", "新能源车闽J****45和闽J****5D"),
        ("教练车闽J1234学", "教练车闽J***4学"),
        ("邮箱zhang.li_3@example.com", "邮箱z***@example.com"),
        ("微信号：li_mingxuan", "微信号：l*********n"),
        ("加微信lmx2026聊", "加微信l*****6聊"),
        ("QQ123456789", "QQ1*******9"),
        ("qq号 12345678", "qq号 1******8"),
        ("护照号E12345678", "护照号E*******8"),
        ("0593-8812345转8023", "059********8023"),
        ("(0593)8812345分机801", "059*******5801"),
        ("350921900307123", "3509*********23"),
    ],
)
def test_numbers_of_people_are_masked(typed: str, masked: str) -> None:
    assert people.mask(normal(typed)) == masked


@pytest.mark.parametrize(
    "typed",
    [
        "订单20190213812345678901",
        "订单编号350921199003071230",
        "快递单号350921900307123",
        "合同编号6222021234567890128",
        "4111 1111 1111 1112",
        "统一社会信用代码91350921MA2XYZ1234",
        "新A级景区，京沪高铁，云A区",
        "微信APP里的QQ音乐",
        "微信扫码支付12元",
        "使用wifi路由器",
        "400-812-3456",
        "身高170体重65",
        "2019-02-28 11:25:05",
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


@pytest.mark.parametrize("first", ["11010519491231002", "35092119900307123", "44052418800101001"])
def test_the_last_character_of_an_identity_number(first: str) -> None:
    # The first and the third are the examples of GB 11643.
    assert numbers.checksum(first) in "0123456789X"
    assert {"11010519491231002": "X", "44052418800101001": "4"}.get(
        first, numbers.checksum(first)
    ) == numbers.checksum(first)


def test_luhn() -> None:
    assert numbers.luhn("4111111111111111")
    assert not numbers.luhn("4111111111111112")
    assert not numbers.luhn("1411111111111111")


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
