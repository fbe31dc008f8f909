"""Templates: loading, rendering, and how little they say."""

from __future__ import annotations

from typing import Any

import pytest

from jiayuan.notify import templates
from jiayuan.notify.templates import BadData, MissingFact, Templates, local

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
    assert [made.get("t", v).text for v in (1, 2, 3)] == ["一", "三", "三"]


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
    allowed = {"tracking_code", "number", "link", "call", "due"}
    assert all(made.newest(code).placeholders <= allowed for code in made.codes)
    # Whoever is called in goes to a place, not to a page; and of promises outside of cases there is none.
    without = {"called-in", "unclaimed", "unread", "kept"}
    assert all({"link"} <= made.newest(code).placeholders for code in made.codes - without)


def test_times_are_said_as_in_xiapu() -> None:
    assert local("2026-03-02T16:05:00.000000Z") == "3月3日00:05"
