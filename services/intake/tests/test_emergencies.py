"""While an emergency is on for a place, reports about one matter are joined harder; before and after as always."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text as sql

from jiayuan.chassis.testing.databases import Opened
from jiayuan.contracts import envelope
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso
from jiayuan.intake import emergencies, handlers, people
from jiayuan.intake.report import Submission

pytestmark = pytest.mark.store

JOINS = {"joined": 0.6, "asked": 0.45}
STREET, COMMUNITY = "350921001", "350921001001"

LAMP = "龙津社区听雨街的路灯坏了三盏，晚上漆黑一片，老人孩子出门很不方便，请尽快派人来修复。"
LAMP_PERHAPS = "龙津社区听雨街路灯坏了，晚上漆黑一片，老人不敢出门。"


def sent(text: str, phone: str) -> Submission:
    return Submission(text=text, channel="hotline", contact=people.Contact(phone=phone))


def take(intake: Opened, submission: Submission, hours: float = 0) -> list[envelope.Event]:
    with intake(intake.clock.time + timedelta(hours=hours)) as work:
        handlers.receive(work, [submission])
        return list(work.emitted)


@pytest.fixture(autouse=True)
def none_known() -> Iterator[None]:
    emergencies.forget()
    yield
    emergencies.forget()


def declared(intake: Opened, id_: str, sequence: int = 1, **fields: Any) -> envelope.Event:
    at = intake.clock.time
    data = {
        "id": id_,
        "area": [STREET],
        "starts_at": iso(at),
        "ends_at": iso(at + timedelta(hours=6)),
        "declared_by": "county-desk",
        "reason": "台风红色预警",
        "mode": "storm-red",
        "rank": 4,
        "joins": JOINS,
    } | fields
    event = envelope.make(
        "emergency.declared", "/jiayuan/routing", data, at=at, subject=id_, sequence=sequence
    )
    envelope.encode(event)
    return event


def lifted(intake: Opened, id_: str, sequence: int) -> envelope.Event:
    at = intake.clock.time
    data = {"id": id_, "at": iso(at), "lifted_by": "county-desk"}
    return envelope.make("emergency.lifted", "/jiayuan/routing", data, at=at, subject=id_, sequence=sequence)


def hear(intake: Opened, *events: envelope.Event) -> None:
    with intake() as work:
        emergencies.heard(work, events)


def _joined(intake: Opened, hours: float) -> bool:
    """Whether a report that the desk is asked about in peace is joined now."""
    (event,) = take(intake, sent(LAMP_PERHAPS, "13800000002"), hours=hours)
    return "joined" in event.data


def test_what_the_desk_is_asked_about_in_peace_is_joined_while_an_emergency_is_on(intake: Opened) -> None:
    take(intake, sent(LAMP, "13800000001"))
    assert not _joined(intake, 1)
    hear(intake, declared(intake, new_id()))
    assert _joined(intake, 2)


def test_it_ends_by_itself(intake: Opened) -> None:
    take(intake, sent(LAMP, "13800000001"))
    hear(intake, declared(intake, new_id()))
    assert not _joined(intake, 7)


@pytest.mark.parametrize(
    ("area", "harder"),
    [(["350921"], True), ([STREET], True), ([COMMUNITY], True), (["350921002"], False)],
)
def test_only_in_the_emergencys_area(intake: Opened, area: list[str], harder: bool) -> None:
    take(intake, sent(LAMP, "13800000001"))
    hear(intake, declared(intake, new_id(), area=area))
    assert _joined(intake, 1) is harder


def test_lifting_it_brings_the_threshold_back_whatever_the_order_on_the_wire(intake: Opened) -> None:
    take(intake, sent(LAMP, "13800000001"))
    first, second = new_id(), new_id()
    hear(intake, declared(intake, first), lifted(intake, first, 2))
    hear(intake, lifted(intake, second, 2))
    hear(intake, declared(intake, second))
    assert not _joined(intake, 1)


def test_an_end_that_was_moved_holds(intake: Opened) -> None:
    take(intake, sent(LAMP, "13800000001"))
    id_ = new_id()
    hear(intake, declared(intake, id_, 2, ends_at=iso(intake.clock.time + timedelta(hours=10))))
    hear(intake, declared(intake, id_, 1))
    assert _joined(intake, 8)


def test_of_two_the_higher_rank_holds(intake: Opened) -> None:
    take(intake, sent(LAMP, "13800000001"))
    hear(intake, declared(intake, new_id(), joins={"joined": 0.75}, rank=5), declared(intake, new_id()))
    assert not _joined(intake, 1)


def test_danger_is_not_joined_by_itself_in_an_emergency_either(intake: Opened) -> None:
    take(intake, sent(LAMP, "13800000001"))
    hear(intake, declared(intake, new_id(), joins={"joined": 0.3}))
    (fire,) = take(intake, sent(LAMP_PERHAPS + "电线着火了！", "13800000002"), hours=1)
    assert fire.data["report"]["signs"]
    assert "joined" not in fire.data
    with intake.engine.connect() as conn:
        assert conn.execute(sql("SELECT state FROM report_join")).scalars().all() == ["asked"]


def test_another_process_takes_it_up_from_the_database(intake: Opened) -> None:
    take(intake, sent(LAMP, "13800000001"))
    hear(intake, declared(intake, new_id()))
    emergencies.forget()
    with intake() as work:
        emergencies.refresh(work)
    assert _joined(intake, 1)


@pytest.mark.parametrize("on", [False, True])
def test_when_everybody_reports_the_same_more_is_looked_at(intake: Opened, on: bool) -> None:
    """The one report about this very street lies behind many newer ones with the same words, and many of the same
    community and category: in peace it is out of reach, in an emergency it is found."""
    (first,) = take(intake, sent(LAMP, "13800000001"))
    elsewhere = (
        "西关社区",
        "彩虹社区",
        "城北社区",
        "松兴社区",
        "俊星社区",
        "中乘社区",
        "俊贤社区",
        "万贤社区",
    )
    for n, name in enumerate(elsewhere):
        take(intake, sent(LAMP.replace("龙津社区", name), f"1390000000{n}"))
        take(
            intake,
            sent(f"龙津社区{n + 1}号楼道路灯闪烁不停，物业说要等配件{n}，住户意见很大。", f"1370000000{n}"),
        )
    if on:
        hear(intake, declared(intake, new_id()))
    (again,) = take(intake, sent(LAMP, "13800000002"), hours=1)
    joined = again.data.get("joined", {}).get("report")
    assert (joined == first.subject) is on
