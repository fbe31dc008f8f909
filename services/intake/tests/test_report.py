"""From a submission to a clean report: pure, and nasty input is harmless."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.chassis import redact
from jiayuan.intake import report
from jiayuan.intake.report import BadSubmission, Submission
from jiayuan.intake.text import normal

pytestmark = pytest.mark.unit

MESSAGES = Path(__file__).resolve().parents[4] / "shared" / "data" / "messages_unlabelled.jsonl"


def _clean(text: str, **given: Any) -> report.CleanReport:
    return report.clean(Submission("hotline", text, **given), report.rules())


def test_a_report_is_cleaned_in_every_respect() -> None:
    clean = _clean(
        "龍津社區聽雨街\u200b路燈壞了三盞，電話１３８　００１３　８０００\x00",
        title="路燈不亮\n急",
        place_text="松城街道",
    )
    assert clean.title == "路灯不亮 急"
    assert clean.text == "龙津社区听雨街路灯坏了三盏，电话138****8000"
    assert clean.masked
    assert (clean.place.street, clean.place.community) == ("350921001", "350921001001")
    assert clean.guess.category.code == "0102"
    assert (clean.importance, clean.urgency, clean.livelihood, clean.kind) == (2, 2, True, "problem")


def test_a_danger_sign_raises_to_three_and_three() -> None:
    assert (lambda c: (c.importance, c.urgency))(_clean("公园的长椅旁边着火了")) == (3, 3)
    assert (lambda c: (c.importance, c.urgency))(_clean("公园的长椅坏了")) != (3, 3)


def test_a_title_made_from_the_text_counts_once() -> None:
    made, said = _clean("龙津社区路灯坏了"), _clean("龙津社区路灯坏了", title="龙津社区路灯坏了")
    assert made.title == said.title
    assert made.guess.confidence < said.guess.confidence
    assert made.place.confidence < said.place.confidence


@pytest.mark.parametrize(
    ("title", "given", "kind"),
    [
        ("咨询医保问题", "", "consultation"),
        ("表扬网格员", "", "praise"),
        ("路灯坏了", "", "problem"),
        ("咨询医保问题", "wish", "wish"),
    ],
)
def test_the_kind_is_given_or_plain_from_the_title(title: str, given: str, kind: str) -> None:
    assert _clean("正文", title=title, kind=given).kind == kind


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"text": "\x00\u200b"}, ["text"]),
        ({"category": "9999"}, ["category"]),
        ({"place_code": "440100"}, ["place.code"]),
        ({"lat": 26.9}, ["place.long"]),
        ({"long": 120.0}, ["place.lat"]),
        ({"text": " ", "category": "x", "long": 120.0}, ["text", "category", "place.lat"]),
    ],
)
def test_what_cannot_be_a_report_says_why(given: dict[str, Any], fields: list[str]) -> None:
    with pytest.raises(BadSubmission) as refused:
        _clean(**{"text": "路灯坏了", **given})
    assert [p.field for p in refused.value.problems] == fields
    assert all(p.problem for p in refused.value.problems)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300), st.text(max_size=60), st.text(max_size=60))
def test_no_text_breaks_it(text: str, title: str, place: str) -> None:
    submission = Submission("hotline", text, title=title, place_text=place)
    if not normal(text):
        with pytest.raises(BadSubmission):
            report.clean(submission, report.rules())
        return
    clean = report.clean(submission, report.rules())
    assert 1 <= len(clean.text) <= 8000
    assert 1 <= len(clean.title) <= 200
    assert not redact.find(clean.text)
    (clean.text + clean.title + clean.place.evidence).encode()


@pytest.mark.parametrize("character", ["字", "😀", "﷽", "㍿", "漢", "1", "\n", "①", "a\u0300"])
def test_eight_thousand_characters_stay_within_the_limits(character: str) -> None:
    text = "头" + character * (7999 // len(character))
    clean = _clean(text, title=text[:200])
    assert len(clean.text) <= 8000
    assert len(clean.title) <= 200


def test_real_messages_or_the_bundled_ones() -> None:
    """On the shared messages where they are there, and, where they are not, says so and takes texts of its own."""
    if MESSAGES.is_file():
        rows = [json.loads(line) for line in MESSAGES.open(encoding="utf-8")][:600]
    else:
        warnings.warn(f"{MESSAGES.name} is not here: checked on the bundled lists' own words", stacklevel=1)
        rules = report.rules()
        rows = [
            {"title": f"{c.name}的问题", "detail": f"{n.name}{c.name}，电话1380013{i:04}"}
            for i, (c, n) in enumerate(
                (c, n)
                for c in list(rules.catalogue.categories.values())[:30]
                for n in rules.gazetteer.nodes.values()
            )
        ]
    cleaned = [_clean(r["detail"] or r["title"], title=r["title"]) for r in rows]
    assert all(not redact.find(c.text) for c in cleaned)
    known = sum(c.guess.method == "keywords" for c in cleaned)
    assert known > 0.9 * len(cleaned)


def test_tracking_codes_are_readable_and_forgive_typing() -> None:
    codes = {report.tracking_code() for _ in range(2000)}
    assert len(codes) == 2000
    for code in codes:
        assert code.startswith("XP")
        assert len(code) == 12
        assert not set(code[2:]) & set("ILOU")
    assert report.read_code(" xp-01ab cdefgh ") == "XP01ABCDEFGH"
    assert report.read_code("ＸＰOIL1000000") == "XP0111000000"
