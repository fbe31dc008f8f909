"""Templates: loading, rendering, and how little they say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.chassis.testing.models import examples
from jiayuan.notify import templates
from jiayuan.notify.templates import (
    BadData,
    MissingFact,
    Templates,
    Unfit,
    approved,
    local,
    segments,
    units,
    wechat,
)
from jiayuan.notify.templates.approvals import handed_in
from jiayuan.notify.templates.text import parse

pytestmark = pytest.mark.unit


def load(*entries: Any, signature: str = "【家园】") -> Templates:
    """Templates of these entries."""
    return Templates({"version": "1", "signature": signature, "templates": list(entries)})


def entry(text: str = "编号{tracking_code}", **given: Any) -> dict[str, Any]:
    """One good entry."""
    return {"code": "t", "version": 1, "text": text} | given


def test_a_text_is_rendered_with_its_signature() -> None:
    made = templates.bundled()
    facts = {"tracking_code": "JY-7K3M9Q", "link": "https://jiayuan.example/t/JY-7K3M9Q"}
    assert made.render(made.newest("received"), facts) == (
        "【家园】您反映的事项已受理，编号JY-7K3M9Q，办理进度请查看：https://jiayuan.example/t/JY-7K3M9Q"
    )


@pytest.mark.parametrize("facts", [{}, {"tracking_code": ""}])
def test_a_fact_that_is_missing_or_empty_is_named(facts: dict[str, str]) -> None:
    made = load(entry())
    with pytest.raises(MissingFact) as caught:
        made.render(made.newest("t"), facts)
    assert caught.value.name == "tracking_code"


def test_a_value_with_braces_is_text_and_nothing_else() -> None:
    made = load(entry())
    assert made.render(made.newest("t"), {"tracking_code": "{link}"}) == "【家园】编号{link}"


def test_old_versions_stay_and_a_version_that_is_gone_becomes_the_newest() -> None:
    made = load(entry("一"), entry("三", version=3))
    assert [made.get("t", v).text.source for v in (1, 2, 3)] == ["一", "三", "三"]


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (entry("{name}"), "name"),
        (entry("{link!r}"), "link"),
        (entry("{link:>9}"), "link"),
        (entry("{link"), "t"),
        (entry("{0}"), "unknown"),
        (entry("{link.real}"), "unknown"),
        (entry(version="1"), "version"),
        (entry(version=0), "version"),
        (entry(text=""), "text"),
        (entry("长" * 301), "300"),
        (entry("长" * 200), "parts"),
        (entry(segments=6), "from 1 to 5"),
        (entry("[due?前"), "other half"),
        (entry("[due]"), "conditional"),
        (entry("[due?一|二|三]"), "two sides"),
        (entry("[name?一]"), "name"),
        (entry("{due|}"), "says nothing"),
        (entry("[due?前|{due}]"), "knows that there is none"),
        (entry(mini_program={"fields": {}}), "fields"),
        (entry(mini_program={"fields": {"thing1": "x"}, "colour": 1}), "fields and a page"),
        (entry(mini_program={"fields": {"pigeon1": "x"}}), "pigeon1"),
        (entry(mini_program={"fields": {"thing1": "长" * 21}}), "at most 20"),
        (entry(mini_program={"fields": {"phrase1": "已经受理完毕"}}), "at most 5"),
        (entry(mini_program={"fields": {"phrase1": "OK"}}), "Chinese"),
        (entry(mini_program={"fields": {"number1": "{tracking_code}"}}), "a number"),
        (entry(mini_program={"fields": {"time1": "{link}"}}), "a time"),
        (entry(mini_program={"fields": {"character_string1": "编号"}}), "symbols"),
        (entry(mini_program={"fields": {"thing1": "x"}, "page": "/pages"}), "leading"),
        (entry(code="Bad Code"), "code"),
        (entry(note="x"), "note"),
        ("text", "not a template"),
    ],
)
def test_a_wrong_template_is_refused_when_it_is_loaded(bad: Any, word: str) -> None:
    with pytest.raises(BadData, match=word):
        load(bad)


def test_a_version_that_is_there_twice_is_refused() -> None:
    with pytest.raises(BadData, match="twice"):
        load(entry(), entry("x"))


@pytest.mark.parametrize("signature", ["家园", "【】", "【家园】！"])
def test_a_signature_is_as_carriers_want_it(signature: str) -> None:
    with pytest.raises(BadData, match="signature"):
        load(entry(), signature=signature)


def test_no_bundled_text_can_hold_a_name_a_place_or_the_text_of_a_case() -> None:
    made = templates.bundled()
    assert set(templates.PLACEHOLDERS) == {
        *("tracking_code", "number", "link", "call", "due", "count", "items", "receipt", "unsubscribe")
    }
    # Of promises outside of cases there is no page.
    without = {"unclaimed", "unread", "kept"}
    assert all({"link"} <= made.newest(code).needed for code in made.codes - without)
    # And WeChat's fields for a name or a phone number are in none of them.
    fields = {name for t in made.all() for name, _ in t.fields}
    assert not [f for f in fields if f.startswith(("name", "phone_number", "car_number"))]


def test_times_are_said_as_in_xiapu() -> None:
    assert local("2026-03-02T16:05:00.000000Z") == "3月3日00:05"


# -- conditional parts, and what is said where there is nothing to say ----------------------------------


def test_a_conditional_part_is_said_with_its_fact_and_otherwise_the_other_side() -> None:
    made = load(entry("工单{number}[due?请在{due}前签收|请尽快签收][call?！]"))
    known = {"number": "XP-1", "due": "2026-03-02T01:15:00Z"}
    assert made.render(made.newest("t"), known) == "【家园】工单XP-1请在3月2日09:15前签收"
    assert made.render(made.newest("t"), {"number": "XP-1", "call": "119"}) == "【家园】工单XP-1请尽快签收！"


def test_what_is_missing_has_what_the_text_says_otherwise() -> None:
    made = load(entry("请在{due|规定时限}前签收{number}"))
    assert made.newest("t").needed == {"number"}
    assert made.render(made.newest("t"), {"number": "X"}) == "【家园】请在规定时限前签收X"
    assert made.wording(made.newest("t"), {"number": "X"}).parameters == {"due": "规定时限", "number": "X"}


def test_parameters_come_in_the_order_of_the_text_each_once() -> None:
    made = load(entry("{number}，{due}前，{number}：{link}", segments=2))
    said = made.wording(made.newest("t"), {"link": "l", "number": "n", "due": "2026-03-02T01:15:00Z"})
    assert list(said.parameters.items()) == [("number", "n"), ("due", "3月2日09:15"), ("link", "l")]
    assert (said.sign, said.variant) == ("家园", "")


def test_a_variant_is_named_by_the_conditions_that_hold() -> None:
    made = load(entry("[due?{due}前|快][call?打{call}]"))
    template = made.newest("t")
    facts = {"due": "2026-03-02T01:15:00Z", "call": "119"}
    assert made.wording(template, facts).variant == "due+call"
    assert made.wording(template, {"call": "119"}).variant == "call"
    assert made.wording(template, {}).parameters == {}


# -- approvals ------------------------------------------------------------------------------------------


def test_until_a_new_version_is_approved_the_newest_approved_one_goes_on() -> None:
    ids = {"t@1": "SMS_1", "t@3": "SMS_3", "t@3+due": "SMS_3D", "u": "SMS_U"}
    assert [approved(ids, "t", v) for v in (1, 2, 3, 4)] == ["SMS_1", "SMS_1", "SMS_3", "SMS_3"]
    assert approved(ids, "t", 4, "due") == "SMS_3D"
    assert approved(ids, "t", 2, "due") is None
    assert approved(ids, "u", 9) == "SMS_U"
    assert approved(ids, "none", 1) is None


def test_what_is_handed_in_names_variables_as_each_vendor_wants() -> None:
    text = parse("工单{number}[due?请在{due}前|请尽快]办{number}：{link}", "t")
    with_due = frozenset({"due"})
    assert handed_in(text, with_due, positional=False) == "工单${number}请在${due}前办${number}：${link}"
    assert handed_in(text, with_due, positional=True) == "工单{1}请在{2}前办{1}：{3}"
    assert handed_in(text, frozenset(), positional=True) == "工单{1}请尽快办{1}：{2}"


# -- how long it is -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "parts"), [(0, 1), (1, 1), (70, 1), (71, 2), (134, 2), (135, 3), (201, 3), (202, 4)]
)
def test_a_message_is_one_of_70_or_parts_of_67(length: int, parts: int) -> None:
    assert segments("字" * length) == parts
    assert segments("a" * length) == parts


def test_a_character_outside_the_basic_plane_counts_twice() -> None:
    assert units("𠮷") == 2
    assert segments("𠮷" * 35) == 1
    assert segments("𠮷" * 36) == 2


@given(st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x2FFFF, exclude_categories=["Cs"])))
@settings(max_examples=examples(100), deadline=None)
def test_parts_are_those_of_a_plain_reference(text: str) -> None:
    """As a phone does it: fill 140 bytes, or 134 each, code unit by code unit."""
    left, parts = len(text.encode("utf-16-be")), 1
    room = 140 if left <= 140 else 134
    while left > room:
        left, parts = left - room, parts + 1
    assert segments(text) == parts


@given(st.integers(0, 12), st.sampled_from(["received", "assigned", "warned"]))
@settings(max_examples=examples(20), deadline=None)
def test_the_signature_counts(extra: int, code: str) -> None:
    made = templates.bundled()
    facts = {"tracking_code": "C" * (extra + 1), "number": "N" * (extra + 1), "link": "L" * 20}
    said = made.wording(made.newest(code), facts)
    assert units(said.text) == units(f"【{said.sign}】") + units(said.text.split("】", 1)[1])


# -- WeChat's fields --------------------------------------------------------------------------------------


def test_a_text_that_is_too_long_for_a_field_is_cut_with_an_ellipsis() -> None:
    assert wechat.fit("thing1", "长" * 20) == "长" * 20
    assert wechat.fit("thing1", "长" * 21) == "长" * 19 + "…"
    assert wechat.fit("thing1", "𠮷" * 11) == "𠮷" * 9 + "…"
    assert wechat.fit("character_string1", "X" * 40) == "X" * 29 + "..."


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("phrase1", "已受理", "处理中！"),
        ("phrase1", "处理完成了", "处理完成了吗"),
        ("number1", "12.5", "十二"),
        ("letter1", "abc", "ab1"),
        ("symbol1", "！?", "a!"),
        ("character_string1", "JY-7K3M9Q", "编号1"),
        ("time1", "15:01", "下午三点"),
        ("time1", "2026年3月5日 14:05", "明天"),
        ("time1", "14:05~15:00", "14"),
        ("date1", "2019年10月1日", "10:00"),
        ("date1", "2019-10-01", "1/1"),
        ("amount1", "¥10.5", "十元"),
        ("phone_number1", "+86-0766-66888866", "电话"),
        ("car_number1", "粤A8Z888挂", "粤-1"),
        ("name1", "街道工作台", "街道1号"),
        ("thing1", "请点击查看", "换\n行"),
    ],
)
def test_each_kind_of_field_takes_its_own(field: str, good: str, bad: str) -> None:
    assert wechat.fit(field, good) == good
    with pytest.raises(Unfit) as caught:
        wechat.fit(field, bad)
    assert bad not in str(caught.value)


@pytest.mark.parametrize(("name", "fits"), [("王" * 10, True), ("王" * 11, False), ("w" * 20, True)])
def test_a_name_is_ten_chinese_characters_or_twenty_letters(name: str, fits: bool) -> None:
    if fits:
        assert wechat.fit("name1", name) == name
    else:
        with pytest.raises(Unfit):
            wechat.fit("name1", name)


@given(st.text(alphabet="长短a1𠮷🙂。", min_size=1, max_size=60))
@settings(max_examples=examples(100), deadline=None)
def test_what_fits_stays_as_it_is_and_what_is_cut_is_a_beginning(value: str) -> None:
    fitted = wechat.fit("thing1", value)
    assert units(fitted) <= 20
    assert fitted == value or (fitted.endswith("…") and value.startswith(fitted[:-1]))


def test_a_time_is_said_with_its_year_in_the_mini_program() -> None:
    fields = {"fields": {"time1": "{due}", "thing2": "请按时签收"}, "page": "pages/case?number={number}"}
    made = load(entry("{number}：{due}", mini_program=fields))
    said = made.wording(made.newest("t"), {"number": "XP-1", "due": "2026-03-02T01:15:00Z"}, "mini_program")
    assert said.fields == {"time1": "2026年3月2日 09:15", "thing2": "请按时签收"}
    assert said.page == "pages/case?number=XP-1"


def test_every_bundled_template_fits_every_channel_with_its_longest_facts() -> None:
    made = templates.bundled()
    for template in made.all():
        facts = {name: templates.FACTS[name].longest for name in template.placeholders}
        most = 3 if template.code == "closed" else 2  # it has two links, and says so
        assert segments(made.wording(template, facts).text) <= most
        made.wording(template, facts, "mini_program")
