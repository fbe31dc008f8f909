"""How far a report is: from case events in any order to what reporters and the public read."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text as sql
from werkzeug.test import EnvironBuilder

from jiayuan.chassis.testing.client import Client
from jiayuan.chassis.testing.databases import Opened, round_trips
from jiayuan.chassis.web import Call, dispatch
from jiayuan.contracts import envelope
from jiayuan.contracts.envelope import Event, make
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso, parse
from jiayuan.intake import api, handlers, people, progress, public, store
from jiayuan.intake.report import Submission

pytestmark = pytest.mark.store

TEXT = "龙津社区听雨街的路灯坏了三盏，联系电话13800138000"
AT = "2026-03-02T0{}:00:00.000000Z"
CASE, UNIT_LEG, WORKER_LEG = new_id(), new_id(), new_id()


def _case(reports: list[str], **changes: Any) -> dict[str, Any]:
    case: dict[str, Any] = {
        "id": CASE,
        "number": "XP-2026-000874",
        "state": "open",
        "kind": "problem",
        "title": "路灯不亮",
        "category": {"code": "0102", "name": "路灯照明", "confidence": 0.9, "method": "keywords"},
        "livelihood": True,
        "colour": "yellow",
        "level": "grid",
        "street": "350921001",
        "decision": {"policy": "1", "rule": "r", "reason": "由网格员核实"},
        "reports": [{"id": r, "channel": "hotline", "received_at": AT.format(1)} for r in reports],
        "legs": [],
        "citizen_limit": 86400,
        "first_received_at": AT.format(1),
        "opened_at": AT.format(1),
    }
    return {**case, **changes}


def _leg(id_: str, state: str, assignee: tuple[str, str], level: str, **times: str) -> dict[str, Any]:
    return {
        "id": id_,
        "kind": "handle",
        "level": level,
        "step": 0,
        "assignee": {"type": assignee[0], "id": assignee[1]},
        "state": state,
        "response_limit": 900,
        "finish_limit": 3600,
        "offered_at": AT.format(1),
        **times,
    }


def _event(
    name: str, sequence: int, case: dict[str, Any], at: str, action: str = "x", reason: str = ""
) -> Event:
    change = {"action": action, "actor": "somebody", "at": at, "reason": reason or None}
    data = {"case": case, "change": change}
    return envelope.make(name, "/jiayuan/routing", data, at=parse(at), subject=case["id"], sequence=sequence)


WORKER, UNIT = ("person", "person-of-flesh-and-blood"), ("unit", "U01")


def _life(report: str) -> list[Event]:
    returned = _leg(WORKER_LEG, "returned", WORKER, "grid", ended_at=AT.format(2))
    accepted = {"accepted_at": AT.format(3)}
    answered = {**accepted, "answered_at": AT.format(4)}
    return [
        _event("case.opened", 1, _case([report]), AT.format(1)),
        _event(
            "case.assigned",
            2,
            _case([report], state="assigned", legs=[_leg(WORKER_LEG, "offered", WORKER, "grid")]),
            AT.format(1),
        ),
        _event(
            "case.returned",
            3,
            _case(
                [report],
                state="assigned",
                level="department",
                legs=[returned, _leg(UNIT_LEG, "offered", UNIT, "department")],
            ),
            AT.format(2),
            "return",
            "不归我管，找13900139000",
        ),
        _event(
            "case.answered",
            4,
            _case(
                [report],
                state="answered",
                level="department",
                legs=[returned, _leg(UNIT_LEG, "answered", UNIT, "department", **answered)],
            ),
            AT.format(4),
            "answer",
            "已安排检修，有事请拨13900139000",
        ),
        _event(
            "case.resolved",
            5,
            _case(
                [report],
                state="resolved",
                level="department",
                legs=[returned, _leg(UNIT_LEG, "done", UNIT, "department", **answered, done_at=AT.format(5))],
                resolved_at=AT.format(5),
            ),
            AT.format(5),
            "resolve",
            "三盏灯已换新",
        ),
    ]


@pytest.fixture
def reported(intake: Opened) -> handlers.Receipt:
    contact = people.Contact("例张三", "13800138000")
    with intake() as work:
        (receipt,) = handlers.receive(
            work,
            [
                Submission(
                    "hotline", TEXT, title="路灯不亮", contact=contact, secrets={"callback": "13800138000"}
                )
            ],
        )
    return receipt


def _take(intake: Opened, *batches: list[Event]) -> None:
    for batch in batches:
        with intake.runtime.work() as work:
            handlers.case_changed(work, batch)


def _row(intake: Opened) -> tuple[Any, ...]:
    with intake.engine.connect() as conn:
        return tuple(conn.execute(store.tables.progress.select()).one())


def test_every_order_of_arrival_in_every_cut_into_batches_ends_the_same(
    intake: Opened, reported: handlers.Receipt
) -> None:
    life = _life(reported.report)
    _take(intake, life)
    expected = _row(intake)
    assert (expected[2], expected[3]) == (5, "resolved")
    for number, order in enumerate(itertools.permutations(life)):
        with intake.engine.begin() as conn:
            conn.execute(sql("UPDATE progress SET sequence = 0, notes = '{}', state = 'open', legs = '[]'"))
        cut = number % len(order)
        _take(intake, *([list(order[:cut])] if cut else []), list(order[cut:]))
        assert _row(intake) == expected, [e.sequence for e in order]
    _take(intake, life, life[:2], life[3:4])
    assert _row(intake) == expected


def test_by_a_tracking_code_the_case_is_found_as_soon_as_there_is_one(
    intake: Opened, reported: handlers.Receipt
) -> None:
    """The ledger asks it for "is my matter in it?"."""
    client, path = Client(intake), f"/reports?tracking_code={reported.tracking_code}"
    assert client("GET", path, role="service") == (200, {"id": reported.report, "case": None})
    life = _life(reported.report)
    _take(intake, life)
    assert client("GET", path, role="service")[1]["case"] == life[0].data["case"]["id"]
    assert client("GET", "/reports?tracking_code=XP0000000000", role="service")[0] == 404


def test_another_promise_of_sla_is_what_the_reporter_is_told(
    intake: Opened, reported: handlers.Receipt, get: Get
) -> None:
    life = _life(reported.report)
    case = life[0].data["case"]["id"]
    later = datetime(2026, 3, 9, 10, tzinfo=UTC)

    def promised(sequence: int, due_at: datetime | None, *, differs: bool = True) -> Event:
        data = {
            "clock": "clock-1",
            "case": case,
            "street": "350921001",
            "differs": differs,
            "due_at": iso(due_at) if due_at else None,
            "policy": "p",
            "at": iso(later),
        }
        return make("clock.promised", "/jiayuan/sla", data, at=later, subject=case, sequence=sequence)

    def expected() -> str | None:
        found: str | None = get(api.track, reported.tracking_code).get_json()["progress"]["expected_at"]
        return found

    def hear(*events: Event) -> None:
        with intake.runtime.work() as work:
            handlers.promised(work, events)

    hear(promised(1, later))  # before the case itself is known here
    _take(intake, life)
    assert expected() == iso(later)
    hear(promised(3, None), promised(2, later))
    assert expected() is None
    hear(promised(2, later))
    assert expected() is None
    hear(promised(4, later, differs=False))
    assert expected() == iso(parse(AT.format(1)) + timedelta(days=1))


def test_a_batch_is_one_round_trip_however_many_cases(intake: Opened) -> None:
    events = []
    for _ in range(40):
        id_ = new_id()
        events += [_event("case.opened", n, _case([new_id()], id=id_), AT.format(n)) for n in (1, 2)]
    with round_trips() as asked, intake.runtime.work() as work:
        handlers.case_changed(work, events)
    assert len(asked) == 1
    with intake.engine.connect() as conn:
        assert conn.execute(sql("SELECT count(*), min(sequence) FROM progress")).one() == (40, 2)


def test_two_replicas_with_the_same_cases_in_opposite_order(intake: Opened) -> None:
    cases = [new_id() for _ in range(60)]
    old = [_event("case.opened", 1, _case([c], id=c), AT.format(1)) for c in cases]
    new = [_event("case.assigned", 2, _case([c], id=c, state="assigned"), AT.format(2)) for c in cases]
    start = threading.Barrier(2)

    def replica(events: list[Event]) -> None:
        with intake.runtime.work() as work:
            start.wait(10)
            handlers.case_changed(work, events)

    threads = [threading.Thread(target=replica, args=(e,)) for e in (old, list(reversed(new)))]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    with intake.engine.connect() as conn:
        assert conn.execute(sql("SELECT count(*), min(state) FROM progress")).one() == (60, "assigned")


Get = Callable[..., Any]


@pytest.fixture
def get(intake: Opened) -> Get:
    def get(handler: Any, *path: Any, query: Any = None, headers: Any = None) -> Any:
        call = Call(EnvironBuilder(path="/", query_string=query, headers=headers).get_environ())
        return dispatch(
            {}, call, lambda c: handler(intake.runtime, c, *path), intake.settings, (), "/", "intake"
        )

    return get


def test_a_reporter_follows_the_report_by_its_code(
    intake: Opened, reported: handlers.Receipt, get: Get
) -> None:
    code = reported.tracking_code
    assert get(api.track, "XP0000000000").status_code == 404
    before = get(api.track, f"{code[:5]}-{code[5:].lower()}").get_json()
    assert (before["id"], before["tracking_code"]) == (reported.report, code)
    assert before["progress"]["words"] == "已受理，正在派单"
    assert before["progress"]["handled_by"] is None
    _take(intake, _life(reported.report))
    answer = get(api.track, code)
    assert answer.get_json() == get(api.show, reported.report, query={"code": code}).get_json()
    said = answer.get_json()["progress"]
    assert (said["status"], said["words"], said["case"]) == ("resolved", "已办结，请您确认", "XP-2026-000874")
    assert said["handled_by"]["words"] == "县住房和城乡建设局"
    assert said["expected_at"] == iso(parse(AT.format(1)) + timedelta(days=1))
    assert [(s["step"], s.get("note")) for s in said["history"]] == [
        ("opened", None),
        ("assigned", None),
        ("assigned", None),
        ("returned", None),
        ("accepted", None),
        ("answered", "已安排检修，有事请拨139****9000"),
        ("done", "三盏灯已换新"),
        ("resolved", None),
    ]
    for secret in ("flesh-and-blood", "somebody", "13900139000", "不归我管"):
        assert secret not in answer.get_data(as_text=True)


def test_a_report_taken_into_another_case_follows_that_one(
    intake: Opened, reported: handlers.Receipt, get: Get
) -> None:
    first, lead = (
        _case([reported.report]),
        _case([new_id(), reported.report], id=new_id(), number="XP-2026-000871"),
    )
    lead |= {"opened_at": AT.format(0), "state": "accepted"}
    merged = {**first, "state": "merged", "closed_at": AT.format(3)}
    events = [
        _event("case.opened", 1, first, AT.format(1)),
        _event("case.merged", 4, merged, AT.format(3)),
        _event("case.merged", 7, lead, AT.format(3)),
    ]
    for order in itertools.permutations(events):
        with intake.engine.begin() as conn:
            conn.execute(sql("UPDATE progress SET sequence = 0, reports = '{}'"))
        _take(intake, list(order))
        said = get(api.track, reported.tracking_code).get_json()["progress"]
        assert (said["case"], said["status"]) == ("XP-2026-000871", "accepted")
    # Separated again: the lead no longer names it, and a case of its own does.
    apart = _case([reported.report], id=new_id(), number="XP-2026-000900", state="assigned")
    _take(
        intake,
        [
            _event("case.opened", 1, apart, AT.format(5)),
            _event("case.merged", 8, {**lead, "reports": lead["reports"][:1]}, AT.format(5)),
        ],
    )
    assert get(api.track, reported.tracking_code).get_json()["progress"]["case"] == "XP-2026-000900"


def test_case_events_come_over_the_wire_as_routing_sends_them(
    intake: Opened, reported: handlers.Receipt
) -> None:
    from jiayuan.chassis.delivery import Message
    from jiayuan.contracts import names

    life = _life(reported.report)
    messages = [
        Message(envelope.encode(e), names.CONTENT_TYPE, names.EVENTS_EXCHANGE, e.name, "jiayuan-routing")
        for e in life
    ]
    assert intake.deliveries.take(messages) == []
    assert intake.deliveries.take(messages[:2]) == []
    assert _row(intake)[3] == "resolved"
    assert [o.routing_key for o in intake.published] == ["report.received"]


def test_the_public_reads_nothing_that_leads_to_a_person(
    intake: Opened, reported: handlers.Receipt, get: Get
) -> None:
    _take(intake, _life(reported.report))
    answer = get(public.page, public.Pages())
    (entry,) = answer.get_json()["reports"]
    assert sorted(entry) == [
        "category",
        "closed_at",
        "expected_at",
        "kind",
        "place",
        "received_at",
        "resolved_at",
        "status",
        "words",
    ]
    assert entry["place"] == {"street": "350921001", "community": "350921001001", "name": "松城街道龙津社区"}
    assert (entry["status"], entry["words"]) == ("resolved", "已办结")
    with intake.engine.connect() as conn:
        row = conn.execute(store.report.select()).one()._mapping
    shown = json.dumps(answer.get_json(), ensure_ascii=False)
    private = ("id", "tracking_code", "title", "text", "original", "contact", "reporter", "secrets")
    for column in private:
        assert str(row[column]) not in shown, column
    for words in ("听雨街", "路灯坏了", "8000", "例张三", "县住房和城乡建设局", "三盏灯已换新", "XP-2026"):
        assert words not in shown


def test_what_a_category_and_a_day_would_give_away_is_not_listed(intake: Opened, get: Get) -> None:
    sent = [
        Submission("hotline", "龙津社区邻居吵架", kind="dispute"),
        Submission("hotline", "龙津社区有人不想活了要自杀"),
        Submission("hotline", "龙津社区路灯坏了"),
    ]
    with intake() as work:
        handlers.receive(work, sent)
    said = get(public.page, public.Pages()).get_json()
    assert [e["category"]["name"] for e in said["reports"]] == ["路灯照明"]


def test_pages_follow_each_other_without_a_gap_or_a_repetition(intake: Opened, get: Get) -> None:
    now = intake.clock.time
    sent = [
        Submission(
            "file_import",
            f"{'龙津' if n % 3 else '西关'}社区路灯坏了 {n}",
            received_at=now - timedelta(minutes=n // 4),
        )
        for n in range(57)
    ]
    with intake() as work:
        handlers.receive(work, sent)
    for query, expected in (({}, 57), ({"community": "350921001001"}, 38), ({"category": "01"}, 57)):
        times, cursor, turns = [], "", 0
        while True:
            given = {**query, "limit": "10", "cursor": cursor}
            said = get(public.page, public.Pages(), query={k: v for k, v in given.items() if v}).get_json()
            times += [e["received_at"] for e in said["reports"]]
            turns += 1
            if said["next"] is None:
                break
            cursor = said["next"]
        assert len(times) == expected, query
        assert times == sorted(times, reverse=True)
        assert turns <= expected // 10 + 1


def test_a_page_is_answered_from_memory_and_by_its_tag(intake: Opened, get: Get) -> None:
    pages = public.Pages(seconds=3600)
    first = get(public.page, pages)
    with intake() as work:
        handlers.receive(work, [Submission("hotline", TEXT)])
    again = get(public.page, pages)
    assert again.get_json() == first.get_json() == {"reports": [], "next": None}
    assert again.headers["Cache-Control"] == "public, max-age=3600"
    same = get(public.page, pages, headers={"If-None-Match": first.headers["ETag"]})
    assert (same.status_code, same.get_data()) == (304, b"")
    assert len(get(public.page, public.Pages()).get_json()["reports"]) == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "一"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"community": "1"}, "community"),
        ({"category": "zz"}, "category"),
        ({"cursor": "x.y"}, "cursor"),
        ({"cursor": "例"}, "cursor"),
        ({"text": "路灯"}, "text"),
    ],
)
def test_a_query_that_is_wrong_is_named(get: Get, query: dict[str, str], field: str) -> None:
    answer = get(public.page, public.Pages(), query=query)
    assert answer.status_code == (404 if field in ("community", "category", "cursor") else 422)
    assert [e["field"] for e in answer.get_json()["errors"]] == [field]


def test_every_state_of_a_case_has_words() -> None:
    from jiayuan.contracts.schemas.common import CASE_STATES, LEVELS

    assert set(progress.WORDS) == set(progress.PUBLIC_WORDS) == {*CASE_STATES, "received", "withdrawn"}
    assert set(progress.LEVELS) == set(LEVELS)


def _paused(end: str | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "start": AT.format(2),
        "end": end,
        "reason": "应急期间暂缓办理。",
        "approver": "officer",
        **fields,
    }


def test_a_reporter_reads_that_an_emergency_puts_his_matter_off_and_since_when(
    intake: Opened, reported: handlers.Receipt
) -> None:
    case = _case([reported.report], state="assigned", emergency="e1", pauses=[_paused(emergency="e1")])
    _take(intake, [_event("case.paused", 3, case, AT.format(2), "pause")])
    with intake() as work:
        (row,) = store.progress_of(work, [reported.report]).values()
    said = progress.document("received", row)
    assert said["words"] == "应急期间暂缓办理。"
    assert said["expected_at"] is None  # nobody knows yet
    assert [(h["step"], h.get("note")) for h in said["history"]][-1] == ("paused", "应急期间暂缓办理。")
    over = _case([reported.report], state="assigned", pauses=[_paused(AT.format(5), emergency="e1")])
    _take(intake, [_event("case.resumed", 4, over, AT.format(5), "resume")])
    with intake() as work:
        (row,) = store.progress_of(work, [reported.report]).values()
    said = progress.document("received", row)
    assert said["words"] == progress.WORDS["assigned"]
    assert parse(said["expected_at"]) == parse(AT.format(1)) + timedelta(days=1, hours=3)


def test_what_a_convener_decides_among_units_is_no_step_of_the_reporters(
    intake: Opened, reported: handlers.Receipt
) -> None:
    lead = {"id": "L1", "kind": "lead", "level": "department", "step": 0, "state": "offered"}
    lead |= {"assignee": {"type": "unit", "id": "U02"}, "offered_at": AT.format(1)}
    ask = {**lead, "id": "L2", "kind": "convene", "level": "street", "state": "done", "done_at": AT.format(3)}
    ask |= {"assignee": {"type": "person", "id": "seat-1"}}
    case = _case([reported.report], state="assigned", legs=[lead, ask])
    _take(intake, [_event("case.whistled", 3, case, AT.format(3), "uphold")])
    with intake() as work:
        (row,) = store.progress_of(work, [reported.report]).values()
    assert [leg["kind"] for leg in row.legs] == ["lead"]
    assert "resolved" not in [step["step"] for step in progress.history(row)]


def test_what_staff_write_about_a_pause_is_not_the_reporters_to_read(
    intake: Opened, reported: handlers.Receipt
) -> None:
    case = _case([reported.report], state="assigned", pauses=[_paused()])
    _take(intake, [_event("case.paused", 3, case, AT.format(2), "pause")])
    with intake() as work:
        (row,) = store.progress_of(work, [reported.report]).values()
    said = progress.document("received", row)
    assert said["words"] == "暂缓办理"
    assert "note" not in said["history"][-1]


@pytest.mark.parametrize(
    ("pauses", "hours"),
    [
        ([], 0),
        ([(2, 4)], 2),
        ([(2, 4), (3, 5)], 3),
        ([(2, 5), (3, 4)], 3),
        ([(2, 2)], 0),
        ([(2, 3), (2, None)], None),
        ([(40, 50)], 0),
    ],
)
def test_the_promise_moves_by_as_long_as_it_stood_still(
    pauses: list[tuple[int, int | None]], hours: int | None
) -> None:
    start = parse(AT.format(1))

    def at(hour: int) -> str:
        return iso(start + timedelta(hours=hour))

    spans = [{"start": at(a), "end": at(b) if b is not None else None} for a, b in pauses]
    found = progress._expected(_case([], pauses=spans))
    assert found == (start + timedelta(days=1, hours=hours) if hours is not None else None)
