"""Entries and postings, pure: whatever the order of arrival, the same account."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.contracts import registry
from jiayuan.ledger import entry as entries
from jiayuan.ledger.entry import Entry, Posted
from jiayuan.ledger.posting import DIGEST

pytestmark = pytest.mark.unit

_STEPS = (
    "case.assigned",
    "case.whistled",
    "case.accepted",
    "case.answered",
    "case.returned",
    "case.extended",
    "case.paused",
    "case.resumed",
    "case.resolved",
    "case.inspected",
    "case.merged",
    "case.separated",
    "case.reopened",
    "case.voided",
    "case.changed",
    "satisfied",
    "unsatisfied",
    "lapsed",
    "withdrawn",
)


def post_all(batches: list[list[Any]]) -> tuple[Entry, list[Posted]]:
    """What the handler does, without a database: the first batch opens the entry."""
    entry: Entry | None = None
    posted: list[Posted] = []
    seen: set[tuple[int, str]] = set()
    for batch in batches:
        steps = sorted(batch, key=lambda e: e.sequence)
        if entry is None:
            entry, new = entries.enter(steps)
            seen |= {(p.row["case_sequence"], p.row["kind"]) for p in new}
        else:
            new = entries.post(entry, steps, seen)
        posted += new
        proven(entry, posted)
    assert entry is not None
    return entry, posted


def proven(entry: Entry, posted: list[Posted]) -> None:
    """The sum of the postings is what the entry says, after every batch."""
    rows = [p.row for p in posted]
    assert [r["number"] for r in rows] == list(range(1, entry.postings + 1))
    assert sum(r["opening"] + r["entered"] for r in rows) == (entry.state != "reversed")
    assert sum(r["written_off"] for r in rows) == (entry.state == "written_off")
    assert (entry.written_off_at is not None) == (entry.state == "written_off")
    assert [p.entry["state"] for p in posted][-1] == entry.state


def keys(posted: list[Posted]) -> list[tuple[Any, ...]]:
    """What must be the same in any order: every step once, with when and what."""
    return sorted((p.row["case_sequence"], p.row["kind"], p.row["at"], p.row["note"]) for p in posted)


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[str], list[int], list[int]]:
    """Names of steps, an order of arrival with repetitions, and where batches end."""
    steps = draw(st.lists(st.sampled_from(_STEPS), max_size=9))
    everything = list(range(len(steps) + 1))
    order = draw(st.permutations(everything + draw(st.lists(st.sampled_from(everything), max_size=6))))
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(order) - 1)))))
    return steps, order, cuts


@given(arrivals())
@settings(max_examples=300, deadline=None)
def test_any_order_and_repetition_gives_the_same_account(
    stories: Any, arrival: tuple[list[str], list[int], list[int]]
) -> None:
    steps, order, cuts = arrival
    story = stories.Story()
    story.step("case.opened")
    for name in steps:
        if name.startswith("case."):
            story.step(name)
        else:
            story.close(name)
    straight, in_order = post_all([[e] for e in story.events])

    events = [story.events[i] for i in order]
    batches = [events[a:b] for a, b in zip([0, *cuts], [*cuts, len(events)], strict=True)]
    entry, posted = post_all([b for b in batches if b])

    assert entry == straight
    assert keys(posted) == keys(in_order)


def test_every_case_event_has_a_kind_of_posting() -> None:
    case_events = {name for name in registry.EVENTS if name.startswith("case.")}
    assert set(entries.KINDS) == case_events


@pytest.mark.parametrize(
    ("confirmed", "state", "kind", "written_off"),
    [
        ("satisfied", "written_off", "write_off", 1),
        ("lapsed", "open", "progress", 0),
        ("withdrawn", "written_off", "write_off", 1),
        ("unsatisfied", "open", "progress", 0),
        (None, "open", "progress", 0),
    ],
)
def test_written_off_is_what_was_closed_and_confirmed(
    stories: Any, confirmed: str | None, state: str, kind: str, written_off: int
) -> None:
    story = stories.Story()
    story.step("case.opened")
    story.close(confirmed)
    entry, posted = post_all([story.events])
    assert (entry.state, entry.case_state, entry.confirmed) == (state, "closed", confirmed)
    assert (posted[-1].row["kind"], posted[-1].row["written_off"]) == (kind, written_off)
    assert posted[-1].name == ("entry.written_off" if written_off else "entry.posted")
    assert posted[-1].row["note"].endswith("销账") or not written_off
    assert ("不予销账" in posted[-1].row["note"]) == (not written_off and confirmed != "lapsed")


@pytest.mark.parametrize(
    ("passed", "by", "state"),
    [(True, "inspector-1", "written_off"), (False, "inspector-1", "open"), (True, "worker-7", "open")],
)
def test_silence_writes_off_only_what_somebody_else_has_looked_at(
    stories: Any, passed: bool, by: str, state: str
) -> None:
    story = stories.usual(stories.Story())
    story.events.pop()
    story.step("case.inspected", inspection={"at": story.case["opened_at"], "by": by, "passed": passed})
    story.close("lapsed")
    entry, posted = post_all([story.events])
    assert entry.state == state
    assert posted[-1].row["facts"]["inspection"] == {"passed": passed, "by": by}
    assert ("尚未核查" in posted[-1].row["note"]) == (state == "open")


def test_a_write_off_keeps_the_digest_of_the_cases_file(stories: Any) -> None:
    files = []
    for passed in (True, False):
        story = stories.usual(stories.Story())
        story.events.pop()
        story.close("satisfied" if passed else "withdrawn")
        files.append(post_all([story.events])[1][-1].row["facts"]["file"])
    assert all(DIGEST.fullmatch(f) for f in files)
    assert files[0] != files[1]


def test_reopening_takes_the_write_off_back_by_a_posting_of_its_own(stories: Any) -> None:
    story = stories.usual(stories.Story())
    story.step("case.reopened", reason="又坏了", confirmed=None)
    entry, posted = post_all([story.events])
    assert (entry.state, entry.written_off_at) == ("open", None)
    assert [(p.row["kind"], p.row["written_off"]) for p in posted][-2:] == [
        ("write_off", 1),
        ("reopening", -1),
    ]
    assert entries.note_of(posted[-1].row) == "重新办理：又坏了"


def test_the_steps_of_a_whistle_have_words_of_their_own(stories: Any) -> None:
    story = stories.usual(stories.Story())
    for name, action in (
        ("case.returned", "refuse"),
        ("case.whistled", "uphold"),
        ("case.changed", "agenda"),
    ):
        story.step(name, reason="因为").data["change"]["action"] = action
    _, posted = post_all([story.events])
    notes = [entries.note_of(p.row) for p in posted][-3:]
    assert notes == ["拒绝吹哨：因为", "召集人维持吹哨：因为", "列入大工委例会：因为"]


def test_a_late_write_off_is_posted_and_moves_nothing(stories: Any) -> None:
    story = stories.usual(stories.Story())
    story.step("case.reopened", confirmed=None)
    closed = story.events.pop(-2)
    entry, posted = post_all([story.events, [closed]])
    assert entry.state == "open"
    assert (posted[-1].row["kind"], posted[-1].row["written_off"]) == ("write_off", 0)
    assert posted[-1].name == "entry.posted"


def test_a_case_opened_in_error_or_merged_away_is_reversed(stories: Any) -> None:
    for name, changes in (("case.voided", {}), ("case.merged", {"state": "merged"})):
        story = stories.usual(stories.Story())
        story.step(name, **changes)
        entry, posted = post_all([story.events])
        assert entry.state == "reversed"
        row = posted[-1].row
        assert (row["kind"], row["entered"], row["written_off"]) == ("reversal", -1, -1)


def test_more_reports_in_the_case_are_progress(stories: Any) -> None:
    story = stories.Story()
    story.step("case.opened")
    story.step("case.merged", reason="两位居民反映")
    entry, posted = post_all([story.events])
    assert (entry.state, posted[-1].row["kind"]) == ("open", "progress")
    assert posted[-1].row["facts"]["reports"] == [r["id"] for r in story.case["reports"]]


def test_the_year_is_that_of_chinese_time(stories: Any) -> None:
    for opened_at, year in (
        (datetime(2025, 12, 31, 15, 59, 59, tzinfo=UTC), 2025),
        (datetime(2025, 12, 31, 16, 0, tzinfo=UTC), 2026),
    ):
        story = stories.Story(opened_at=opened_at)
        story.step("case.opened")
        assert post_all([story.events])[0].year == year


def test_the_unit_in_charge_follows_the_legs(stories: Any) -> None:
    story = stories.Story()
    story.step("case.opened")
    entry, posted = post_all([story.events])
    assert entry.unit is None
    seen = {(p.row["case_sequence"], p.row["kind"]) for p in posted}
    for unit, expected in (("unit-lamp", "unit-lamp"), (None, None), ("unit-road", "unit-road")):
        (new,) = entries.post(entry, [story.assign(unit)], seen)
        assert (new.row["kind"], new.row["unit"], entry.unit) == ("hand_over", expected, expected)
        assert new.row["facts"]["assignee"]["type"] == ("unit" if unit else "person")


def test_an_extension_says_how_much_and_who_approved(stories: Any) -> None:
    story = stories.Story()
    story.step("case.opened")
    story.assign("unit-road")
    extension = {"leg": "leg-1", "seconds": 86400, "approver": "chief-1", "at": story.case["opened_at"]}
    story.step("case.extended", leg="leg-1", extensions=[extension], reason="等材料")
    _, posted = post_all([story.events])
    assert posted[-1].row["kind"] == "extension"
    assert (posted[-1].row["facts"]["seconds"], posted[-1].row["facts"]["approver"]) == (86400, "chief-1")


def test_no_number_of_a_person_gets_into_what_cannot_be_erased(stories: Any) -> None:
    story = stories.Story(title="找王师傅13800138000修灯")
    story.step("case.opened")
    story.step("case.returned", reason="电话13800138000打不通")
    entry, posted = post_all([story.events])
    assert "13800138000" not in str([p.row for p in posted]) + str(entry)
    assert entry.title == "找王师傅138****8000修灯"


def test_ids_follow_from_the_case_and_grow_with_time(stories: Any) -> None:
    early = entries.entry_id("case-1", "2026-03-02T01:00:00Z")
    assert early == entries.entry_id("case-1", "2026-03-02T09:00:00+08:00")
    assert early != entries.entry_id("case-2", "2026-03-02T01:00:00Z")
    assert early < entries.entry_id("case-0", "2026-03-02T01:00:00.001Z")
    assert early[14] == "8"
    assert early[19] in "89ab"
    story = stories.usual(stories.Story())
    assert post_all([story.events])[0].id == post_all([story.events[3:]])[0].id
