"""Limits per number, template and words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.chassis.testing.models import examples
from jiayuan.notify.limits import Limit, Sent, digest, kept, opens

pytestmark = pytest.mark.unit
MINUTE, HOUR, DAY = Limit("number", 1, 60), Limit("number", 5, 3600), Limit("number", 10, 86400)


def sent(at: float, template: str = "t", content: str = "c") -> Sent:
    """A message."""
    return Sent(at, template, content)


def test_the_first_goes_and_the_next_when_the_window_opens() -> None:
    assert opens([MINUTE], [], sent(100)) == 100
    assert opens([MINUTE], [sent(90)], sent(100)) == 150
    assert opens([MINUTE], [sent(40)], sent(100)) == 100  # exactly a minute ago has left the window
    five = [sent(n * 60) for n in range(5)]
    assert opens([MINUTE, HOUR], five, sent(310)) == 3600


def test_each_scope_counts_its_own() -> None:
    one_template, one_text = Limit("template", 1, 60), Limit("content", 1, 60)
    assert opens([one_template], [sent(0, "other")], sent(1)) == 1
    assert opens([one_template], [sent(0, "t", "other words")], sent(1)) == 60
    assert opens([one_text], [sent(0, "t", "other words")], sent(1)) == 1
    assert opens([one_text], [sent(0, "other", "c")], sent(1)) == 60


@pytest.mark.parametrize(
    ("given", "word"),
    [(("person", 1, 60), "scope"), (("number", 0, 60), "count"), (("number", 1, 0), "seconds")],
)
def test_a_limit_that_is_none_is_refused_with_words(given: tuple[str, int, int], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Limit(*given)  # type: ignore[arg-type]


def test_a_digest_stands_for_words_without_showing_them() -> None:
    assert digest("您的事项已办结") == digest("您的事项已办结") != digest("您的事项已受理")
    assert len(digest("x")) == 12


_limit = st.builds(
    Limit, st.sampled_from(["number", "template", "content"]), st.integers(1, 4), st.integers(1, 300)
)
_one = st.builds(sent, st.integers(0, 600).map(float), st.sampled_from("xy"), st.sampled_from("pq"))


@settings(max_examples=examples(200), deadline=None)
@given(limits=st.lists(_limit, max_size=4), wanted=st.lists(_one, max_size=25))
def test_what_goes_when_its_window_opens_never_breaks_a_limit(
    limits: list[Limit], wanted: list[Sent]
) -> None:
    gone: list[Sent] = []
    now = 0.0
    for one in sorted(wanted, key=lambda s: s.at):
        now = max(now, one.at)
        at = opens(limits, kept(limits, gone, now), Sent(now, one.template, one.content))
        assert at == opens(
            limits, gone, Sent(now, one.template, one.content)
        )  # what is dropped counts no more
        now = max(now, at)
        gone.append(Sent(now, one.template, one.content))
    for limit in limits:
        for one in gone:
            same = [
                s
                for s in gone
                if one.at - limit.seconds < s.at <= one.at
                and (limit.scope != "template" or s.template == one.template)
                and (limit.scope != "content" or s.content == one.content)
            ]
            assert len(same) <= limit.count
