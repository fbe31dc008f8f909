"""The normal form of what people write."""

from __future__ import annotations

import opencc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jiayuan.intake import text

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("龙津社区路灯坏了", "龙津社区路灯坏了"),
        ("龍津社區路燈壞了", "龙津社区路灯坏了"),
        ("龙津社區路灯壞了，請處理", "龙津社区路灯坏了，请处理"),
        (
            "藉口很多，瞭解一下",
            "借口很多，了解一下",
        ),  # phrases none of whose characters is traditional by itself
        ("著火了，冒著煙", "着火了，冒着烟"),
        ("著名景點成效顯著", "著名景点成效显著"),
        ("乾坤花園", "乾坤花园"),
        ("１３８００１３８０００", "13800138000"),
        ("ＡＢＣ　ｘｙｚ", "ABC xyz"),
        ("３号楼（北）：漏水！", "3号楼（北）：漏水！"),
        ("①3号楼 ②5号楼", "①3号楼 ②5号楼"),
        ("面积20㎡，½", "面积20㎡，½"),
        ("⼀⼆⽉", "一二月"),
        ("ﾊﾝｶｸ", "ハンカク"),
        ("路灯\x00坏\x07了\x1b[31m", "路灯坏了[31m"),
        ("路\u200b灯\u2060坏\ufeff了\u00ad", "路灯坏了"),
        ("\u202e了坏灯路\u202c", "了坏灯路"),
        ("一\r\n二\r三\u2028四", "一\n二\n三\n四"),
        ("一\n\n\n\n\n二", "一\n\n二"),
        ("  头 \t 尾  ", "头 尾"),
        ("行首 \n 行尾", "行首\n行尾"),
        ("\ud800孤\udfff立", "孤立"),
        ("👨‍👩‍👧路灯坏‍了👍🏽", "👨‍👩‍👧路灯坏了👍🏽"),
        ("𝟏𝟑𝟖路", "138路"),
        ("café", "café"),
        ("路灯\U000e0041坏了", "路灯坏了"),
        ("", ""),
        ("\u200b \x00\n", ""),
    ],
)
def test_normal_form(typed: str, normal: str) -> None:
    assert text.normal(typed) == normal


@given(st.text())
def test_normal_form_is_its_own_normal_form(typed: str) -> None:
    once = text.normal(typed)
    assert "\x00" not in once
    once.encode()  # no lone surrogates
    assert text.normal(once) == text.normal(text.normal(once))


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF)))
def test_every_traditional_character_is_simplified(typed: str) -> None:
    typed = typed.replace("著", "")  # its own rule
    assert text.normal(typed) == opencc.OpenCC("t2s").convert(typed)


def test_eight_thousand_characters() -> None:
    assert len(text.normal("龍" * 8000)) == 8000
    assert text.shorten("字" * 8001, 8000) == "字" * 7999 + "…"


@pytest.mark.parametrize(
    ("content", "title"),
    [
        ("路灯坏了。晚上很黑。", "路灯坏了"),
        ("！！！", "！！！"),
        ("。。路灯坏了", "路灯坏了"),
        ("字" * 100, "字" * 39 + "…"),
        ("第一行\n第二行", "第一行"),
    ],
)
def test_a_title_for_a_report_without_one(content: str, title: str) -> None:
    assert text.title_of(content) == title
