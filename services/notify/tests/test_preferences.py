"""Refusals, quiet hours, the day's cap, digests: decided without a database."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.chassis.testing.models import examples
from jiayuan.contracts.schemas.common import NOTICE_ROLES
from jiayuan.notify import own, preferences, quiet, rules
from jiayuan.notify.preferences import ALL, BARRIERS, SUBJECTS, About, Wishes, decide, share_out
from jiayuan.notify.quiet import Span
from jiayuan.notify.templates import BadData

pytestmark = pytest.mark.unit

POLICY = preferences.bundled()
ZONE = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
NIGHT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)  # 23:00


def about(subject: str = "progress", role: str = "citizen", urgency: int = 1, **given: Any) -> About:
    """A notice."""
    return About("person-1", role, subject, urgency, **given)


def local(at: datetime | None) -> str:
    """A time as a clock in Xiapu shows it."""
    assert at is not None
    return f"{at.astimezone(ZONE):%m-%d %H:%M}"


# -- refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("refused", ["progress", ALL])
def test_what_somebody_refused_who_may_is_dropped(refused: str) -> None:
    decision = decide(POLICY, about(), Wishes(frozenset({refused})), NOON)
    assert (decision.kind, decision.why) == ("drop", "refused")


@pytest.mark.parametrize("subject", ["safety", "emergency"])
def test_safety_and_emergencies_cannot_be_refused(subject: str) -> None:
    assert decide(POLICY, about(subject), Wishes(frozenset({ALL, subject})), NIGHT).kind == "go"


def test_staff_cannot_refuse_what_is_theirs_to_do_but_reminders() -> None:
    wishes = Wishes(frozenset({ALL}))
    assert decide(POLICY, about("task", "assignee", 0), wishes, NOON).kind == "go"
    assert decide(POLICY, about("reminder", "assignee", 0), wishes, NOON).kind == "drop"
    assert POLICY.refusable("assignee") == ("reminder",)


# -- quiet hours -------------------------------------------------------------------------------------


def test_at_night_a_citizen_is_left_in_peace_until_the_morning() -> None:
    decision = decide(POLICY, about(), preferences.NONE, NIGHT)
    assert (decision.kind, decision.why) == ("hold", "quiet")
    assert "03-03 08:00" <= local(decision.until) < "03-03 08:20"


@pytest.mark.parametrize(
    ("notice", "kind"),
    [
        (about("receipt"), "go"),
        (about("safety", urgency=0), "go"),
        (about("task", "assignee", 0), "go"),
        (about("supervision", "supervisor", 1), "hold"),
        (about("supervision", "supervisor", 1, emergency=True), "go"),
        (about("progress", emergency=True), "hold"),
        (about("result", urgency=2), "hold"),
    ],
)
def test_who_is_told_at_night_all_the_same(notice: About, kind: str) -> None:
    assert decide(POLICY, notice, preferences.NONE, NIGHT).kind == kind


def test_the_mornings_queue_is_spread_and_a_person_has_the_same_minute_every_day() -> None:
    spans = POLICY.quiet["citizen", 1]
    opens = {quiet.until(spans, NIGHT, ZONE, f"p{n}") for n in range(50)}
    assert len(opens) > 40
    first, second = (quiet.until(spans, NIGHT + timedelta(days=d), ZONE, "p1") for d in (0, 1))
    assert first is not None
    assert second == first + timedelta(days=1)


def test_ones_own_quiet_hours_come_on_top_but_urgent_ones_pass() -> None:
    wishes = Wishes(quiet=Span(time(12), time(14)))
    decision = decide(POLICY, about(), wishes, NOON)
    assert local(decision.until) == "03-02 14:00"
    assert decide(POLICY, about("task", "assignee", 0), wishes, NOON).kind == "go"


moments = st.integers(0, 3 * 86400).map(lambda s: datetime(2026, 3, 2, tzinfo=UTC) + timedelta(seconds=s))
clocks = st.integers(0, 1439).map(lambda m: time(m // 60, m % 60))
spans_of_a_day = st.lists(st.builds(Span, clocks, clocks, st.integers(0, 60)), max_size=3)


@given(spans_of_a_day, moments, st.text(max_size=5))
@settings(max_examples=examples(200), deadline=None)
def test_quiet_hours_never_lose_a_notice(spans: list[Span], at: datetime, key: str) -> None:
    """It is held to a later moment within a day and a spread for each span, and never twice in the same place."""
    held = 0
    while until := quiet.until(spans, at, ZONE, key):
        assert until > at
        assert until - at <= timedelta(days=2, hours=1)
        at, held = until, held + 1
        assert held <= 2
    quiet_now = any(s.holds(at.astimezone(ZONE).time()) for s in spans)
    assert not quiet_now or _never_open(spans)


def _never_open(spans: list[Span]) -> bool:
    return all(any(s.holds(time(m // 60, m % 60)) for s in spans) for m in range(1440))


# -- cap and digest ----------------------------------------------------------------------------------


def test_what_is_too_much_for_a_day_goes_the_next_morning() -> None:
    cap = POLICY.cap["citizen"]
    kinds = share_out(POLICY, [about(), about()], cap - 1, 0, NOON)
    assert [d.kind for d in kinds] == ["go", "hold"]
    assert kinds[1].why == "cap"
    assert "03-03 08:00" <= local(kinds[1].until) < "03-03 08:20"


def test_the_cap_doesnt_hold_back_what_policy_exempts() -> None:
    ready = [about("safety", urgency=0), about(), about("emergency", urgency=0)]
    kinds = [d.kind for d in share_out(POLICY, ready, 10_000, 0, NOON)]
    assert kinds == ["go", "hold", "go"]


def hand_overs(count: int, **given: Any) -> list[About]:
    """So many legs offered to one grid worker."""
    return [about("task", "assignee", 0, digest="many", **given) for _ in range(count)]


def test_thirty_hand_overs_are_gathered_and_a_few_are_not() -> None:
    assert {d.kind for d in share_out(POLICY, hand_overs(30), 0, 0, NOON)} == {"gather"}
    assert {d.kind for d in share_out(POLICY, hand_overs(4), 0, 0, NOON)} == {"go"}
    assert [d.kind for d in share_out(POLICY, hand_overs(1), 4, 4, NOON)] == ["gather"]
    assert share_out(POLICY, hand_overs(5), 0, 0, NOON)[0].until == NOON + POLICY.digest.wait


def test_in_an_emergency_staff_are_told_of_each_at_once() -> None:
    assert {d.kind for d in share_out(POLICY, hand_overs(30, emergency=True), 500, 0, NIGHT)} == {"go"}


def test_a_daily_digest_is_gathered_for_its_hour() -> None:
    decision = decide(POLICY, about("reminder", "assignee", 2, digest="daily"), preferences.NONE, NOON)
    assert (decision.kind, local(decision.until)) == ("gather", "03-03 08:00")


notices = st.builds(
    About,
    st.just("p"),
    st.sampled_from(NOTICE_ROLES),
    st.sampled_from(SUBJECTS),
    st.integers(0, 2),
    st.sampled_from(["never", "many", "daily"]),
    st.booleans(),
)
wishes_of_people = st.builds(
    Wishes,
    st.frozensets(st.sampled_from([*SUBJECTS, ALL])),
    st.just(frozenset()),
    st.none() | st.builds(Span, clocks, clocks),
)


@given(st.lists(notices, max_size=12), wishes_of_people, st.integers(0, 400), st.integers(0, 40), moments)
@settings(max_examples=examples(200), deadline=None)
def test_nothing_holds_back_what_policy_exempts_and_only_refusals_drop(
    found: list[About], wishes: Wishes, sent: int, burst: int, at: datetime
) -> None:
    for one in found:
        free, decision = preferences.overrides(POLICY, one), decide(POLICY, one, wishes, at)
        barrier = {"drop": "refusal", "hold": "quiet", "gather": "digest"}.get(decision.kind)
        assert barrier not in free
        if decision.kind == "drop":
            assert one.role in POLICY.subjects[one.subject].refusable
            assert wishes.refused & {one.subject, ALL}
        elif decision.kind != "go":
            assert decision.until is not None
            assert decision.until > at
    role = found[0].role if found else "citizen"
    ready = [one for one in found if one.role == role]
    shared = share_out(POLICY, ready, sent, burst, at)
    gone = 0
    for one, decision in zip(ready, shared, strict=True):
        free = preferences.overrides(POLICY, one)
        assert decision.kind != "drop"
        assert {"hold": "cap", "gather": "digest"}.get(decision.kind) not in free
        if decision.kind == "go":
            assert "cap" in free or sent + gone < POLICY.cap[role]
            gone += 1


@given(wishes_of_people)
@settings(max_examples=examples(50), deadline=None)
def test_wishes_come_back_from_the_database_as_they_went_in(wishes: Wishes) -> None:
    assert Wishes.of(wishes.stored()) == wishes


# -- the file ----------------------------------------------------------------------------------------

DOCUMENT = own.document("preferences.yaml")


@pytest.mark.parametrize(
    ("path", "value", "word"),
    [
        (("zone",), "Mars/Base", "zone"),
        (("subjects", "gossip"), {}, "subjects"),
        (("subjects", "task"), {"colour": 1}, "task"),
        (("subjects", "task", "refusable"), ["mayor"], "task.refusable"),
        (("subjects", "task", "overrides"), "quiet", "task.overrides"),
        (("quiet",), {}, "list"),
        (("quiet", 0, "from"), "24:00", "quiet.from"),
        (("quiet", 0, "until"), 480, "quiet.until"),
        (("quiet", 0, "roles"), [], None),
        (("quiet", 0, "urgency"), ["never"], "quiet.urgency"),
        (("quiet", 0, "spread"), -1, "quiet.spread"),
        (("quiet", 0, "note"), "x", "quiet"),
        (("cap", "citizen"), 0, "cap.citizen"),
        (("cap", "mayor"), 1, "cap"),
        (("digest", "many"), 1, "digest.many"),
        (("digest", "daily"), "8", "digest.daily"),
        (("digest", "often"), 1, "digest"),
        (("emergency", "mayor"), [], "emergency"),
        (("emergency", "assignee"), ["taxes"], "emergency.assignee"),
        (("colour",), 1, "nothing else"),
    ],
)
def test_a_wrong_policy_is_refused_when_it_is_loaded(path: tuple[Any, ...], value: Any, word: Any) -> None:
    document = copy.deepcopy(DOCUMENT)
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    if word is None:
        preferences.load(document)
        return
    with pytest.raises(BadData, match=word):
        preferences.load(document)


def test_every_rule_is_about_a_subject_and_every_subject_but_the_digest_has_one() -> None:
    assert {r.subject for r in rules.bundled().all} == set(SUBJECTS) - {"digest"}
    assert all(s.overrides <= set(BARRIERS) for s in POLICY.subjects.values())
