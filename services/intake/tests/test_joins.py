"""Joining reports about one matter on a real database: on receipt, by the desk, and back again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text as sql

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.testing.databases import Opened, round_trips
from jiayuan.contracts import envelope
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso
from jiayuan.intake import handlers, joins, people, report, store
from jiayuan.intake.report import Submission

pytestmark = pytest.mark.store

LAMP = "龙津社区听雨街的路灯坏了三盏，晚上漆黑一片，老人孩子出门很不方便，请尽快派人来修复。"
LAMP_AGAIN = "听雨街的路灯坏了三盏，晚上漆黑一片，老人出门很不方便，龙津社区盼尽快派人修复。"
LAMP_PERHAPS = "龙津社区听雨街路灯坏了，晚上漆黑一片，老人不敢出门。"
WASTE = "龙津社区听雨街的垃圾桶满了三天没有人收，苍蝇很多，臭气熏天。"


def sent(text: str, person: str = "", **fields: Any) -> Submission:
    given = {"channel": "hotline", "contact": people.Contact(phone=person)}
    return Submission(text=text, **{**given, **fields})


def take(intake: Opened, *submissions: Submission, hours: float = 0) -> list[Any]:
    """The events of each report received."""
    with intake(intake.clock.time + timedelta(hours=hours)) as work:
        handlers.receive(work, submissions)
        for event in work.emitted:
            envelope.encode(event)  # what breaks the contract would never arrive
        return list(work.emitted)


def rows(intake: Opened, query: str) -> list[Any]:
    with intake.engine.connect() as conn:
        return [tuple(r) for r in conn.execute(sql(query))]


def test_a_matter_reported_through_another_channel_is_joined_with_a_reason(intake: Opened) -> None:
    (first,) = take(intake, sent(LAMP, "13800000001"))
    again, other = take(
        intake, sent(LAMP_AGAIN, "13800000002", channel="grid_worker"), sent(WASTE, "13800000003"), hours=5
    )
    joined = again.data["joined"]
    assert joined["report"] == first.subject
    assert joined["score"] >= 0.75
    assert "同在龙津社区" in joined["reason"]
    assert "joined" not in other.data
    (kept,) = rows(intake, "SELECT report, matter, state, reason, history->0->>'by' FROM report_join")
    assert (str(kept[0]), str(kept[1]), *kept[2:]) == (
        again.subject,
        first.subject,
        "joined",
        joined["reason"],
        "intake",
    )


def test_whatever_joins_later_is_joined_to_the_first_of_the_matter(intake: Opened) -> None:
    (first,) = take(intake, sent(LAMP, "13800000001"))
    take(intake, sent(LAMP_AGAIN, "13800000002"))
    (third,) = take(intake, sent(LAMP_AGAIN + "谢谢", "13800000003"))
    assert third.data["joined"]["report"] == first.subject


def test_reports_of_one_batch_find_each_other(intake: Opened) -> None:
    first, again, once_more = take(
        intake, sent(LAMP, "13800000001"), sent(LAMP_AGAIN, "13800000002"), sent(LAMP, "13800000003")
    )
    assert "joined" not in first.data
    assert {e.data["joined"]["report"] for e in (again, once_more)} == {first.subject}


def test_one_person_who_repeats_himself_is_joined_wherever_it_is(intake: Opened) -> None:
    text = "我家门口的路灯坏了好几天，晚上漆黑一片，出门很不方便，请派人来修"
    (first,) = take(intake, sent(text, "13800000001"))
    (again,) = take(intake, sent(text + "，再次反映", "13800000001"))
    (stranger,) = take(intake, sent(text + "，谢谢", "13800000002"))
    assert again.data["joined"]["report"] == first.subject
    assert "同一反映人" in again.data["joined"]["reason"]
    assert "joined" not in stranger.data
    assert rows(intake, "SELECT state FROM report_join ORDER BY report") == [("joined",), ("asked",)]


def test_danger_is_never_joined_by_itself_and_the_desk_is_asked(intake: Opened) -> None:
    take(intake, sent(LAMP, "13800000001"))
    (fire,) = take(intake, sent(LAMP_AGAIN + "电线着火了！", "13800000002"))
    assert fire.data["report"]["signs"]
    assert "joined" not in fire.data
    ((state, reason),) = rows(intake, "SELECT state, reason FROM report_join")
    assert state == "asked"
    assert "有危险迹象" in reason


def test_between_the_thresholds_the_desk_is_asked_and_both_go_on_meanwhile(intake: Opened) -> None:
    (first,) = take(intake, sent(LAMP, "13800000001"))
    (perhaps,) = take(intake, sent(LAMP_PERHAPS, "13800000002"), hours=1)
    assert "joined" not in perhaps.data
    with intake() as work:
        (asked,) = store.joins(work, store.ASKED)
        assert joins.decide(work, perhaps.subject, True, "desk-1", "同一处路灯") == "joined"
        (event,) = work.emitted
        envelope.encode(event)
    assert (str(asked.report), str(asked.matter)) == (perhaps.subject, first.subject)
    assert (event.name, event.sequence, event.subject) == ("report.joined", 2, perhaps.subject)
    assert event.data["joined"]["report"] == first.subject
    assert event.data["by"] == "desk-1"
    with intake() as work:
        assert store.joins(work, store.ASKED) == []
        assert joins.decide(work, perhaps.subject, True, "desk-2") == "joined"
        assert work.emitted == []


def test_the_desk_says_no(intake: Opened) -> None:
    take(intake, sent(LAMP, "13800000001"))
    (perhaps,) = take(intake, sent(LAMP_PERHAPS, "13800000002"))
    with intake() as work:
        assert joins.decide(work, perhaps.subject, False, "desk-1") == "declined"
        assert work.emitted == []
    with intake() as work, pytest.raises(Problem) as refused:
        joins.decide(work, perhaps.subject, True, "desk-2")
    assert refused.value.status == 409


def test_a_join_can_be_undone_and_the_report_is_told_whole(intake: Opened) -> None:
    (first,) = take(intake, sent(LAMP, "13800000001"))
    (again,) = take(intake, sent(LAMP_AGAIN, "13800000002"))
    with intake() as work:
        joins.undo(work, again.subject, "desk-1", "是另一盏路灯，电话13800000009")
        (event,) = work.emitted
        envelope.encode(event)
    assert event.name == "report.separated"
    assert event.data["report"] == {k: v for k, v in again.data["report"].items() if k != "contact"}
    assert event.data["separated"] == first.subject
    assert "13800000009" not in event.data["reason"]
    ((state, steps),) = rows(intake, "SELECT state, jsonb_array_length(history) FROM report_join")
    assert (state, steps) == ("separated", 2)
    with intake() as work:
        joins.undo(work, again.subject, "desk-1", "再点一次")
        assert work.emitted == []


def test_what_is_joined_by_hand_takes_along_what_was_joined_to_it(intake: Opened) -> None:
    lamp, _ = take(intake, sent(LAMP, "13800000001"), sent(LAMP_AGAIN, "13800000002"))
    (waste,) = take(intake, sent(WASTE, "13800000003"))
    with intake() as work:
        assert joins.by_hand(work, lamp.subject, waste.subject, "desk-1", "一起处理") == (waste.subject, True)
        assert joins.by_hand(work, lamp.subject, waste.subject, "desk-1", "一起处理") == (
            waste.subject,
            False,
        )
        assert [e.name for e in work.emitted] == ["report.joined"]
    assert {str(r[0]) for r in rows(intake, "SELECT matter FROM report_join")} == {waste.subject}
    with intake() as work, pytest.raises(Problem) as refused:
        joins.by_hand(work, waste.subject, lamp.subject, "desk-1", "反过来")
    assert refused.value.status == 409


def _case(intake: Opened, first: str, state: str, sequence: int = 3) -> None:
    now = iso(intake.clock.time)
    case = {
        "id": new_id(),
        "number": "N-1",
        "state": state,
        "level": "grid",
        "confirmed": None,
        "reports": [{"id": first, "channel": "hotline", "received_at": now}],
        "legs": [],
        "first_received_at": now,
        "opened_at": now,
        "citizen_limit": 1000,
    }
    data = {"case": case, "change": {"action": "close", "actor": "someone", "at": now}}
    event = envelope.make("case.closed", "/jiayuan/routing", data, at=intake.clock.time, sequence=sequence)
    with intake() as work:
        handlers.case_changed(work, [event])


def test_what_was_settled_and_is_there_again_is_a_new_matter(intake: Opened) -> None:
    (first,) = take(intake, sent(LAMP, "13800000001"))
    _case(intake, first.subject, "closed")
    (again,) = take(intake, sent(LAMP_AGAIN, "13800000002"), hours=50)
    assert "joined" not in again.data
    assert rows(intake, "SELECT count(*) FROM report_join") == [(0,)]


def test_after_the_window_it_is_a_new_matter(intake: Opened) -> None:
    take(intake, sent(LAMP, "13800000001"))
    (again,) = take(intake, sent(LAMP_AGAIN, "13800000002"), hours=24 * 61)
    assert "joined" not in again.data


def test_likely_repetitions_of_a_draft_hold_nothing_private(intake: Opened) -> None:
    take(intake, sent(LAMP, "13800000001"), sent(WASTE, "13800000002"))
    take(intake, sent(LAMP_AGAIN + "电线着火了！", "13800000003"))
    draft = report.clean(sent(LAMP_PERHAPS, "13800000001"), report.rules())
    with intake() as work:
        (found,) = joins.likely(work, draft)
    assert set(found) == {"category", "place", "day", "status", "words", "score", "reason"}
    assert found["category"]["name"] == "路灯照明"
    assert found["place"]["community"] == "350921001001"
    assert (found["status"], found["words"]) == ("received", "受理中")
    assert "反映人" not in found["reason"]
    assert rows(intake, "SELECT count(DISTINCT report) FROM matter_key") == [(3,)]


def test_a_batch_costs_as_many_round_trips_as_one_report(intake: Opened) -> None:
    take(intake, sent("预热"))
    with round_trips() as alone:
        take(intake, sent("幸福社区门口积水"))
    with round_trips() as four:
        take(
            intake,
            sent(WASTE),
            sent("电梯停了两天，老人上不去"),
            sent("咨询生育津贴怎么领取"),
            sent("夜间施工吵得睡不着"),
        )
    assert len(four) == len(alone)
    with round_trips() as alike:
        take(intake, *(sent(LAMP, f"138000{n:05}") for n in range(50)))
    # Something is likely: is its case open, is there room; the joins go with the commit.
    assert len(alike) <= len(alone) + 3


def test_keys_are_forgotten_after_the_window(intake: Opened) -> None:
    take(intake, sent(LAMP))
    with intake() as work:
        assert store.forget_matter_keys(work, joins.first_id(timedelta(days=1))) == 0
        assert store.forget_matter_keys(work, joins.first_id(timedelta(days=-1))) > 0
    assert rows(intake, "SELECT count(*) FROM matter_key") == [(0,)]
