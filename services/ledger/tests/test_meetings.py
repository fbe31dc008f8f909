"""A joint meeting from its drafted agenda to published minutes, on PostgreSQL and over the service's routes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from jiayuan.chassis import tokens
from jiayuan.chassis.delivery import Message
from jiayuan.chassis.testing.client import Client
from jiayuan.chassis.testing.databases import TOKEN_SECRET, Opened
from jiayuan.contracts import names
from jiayuan.contracts.envelope import Event, decode, encode, make
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso
from jiayuan.ledger import cli, handlers, meetings, store

from .test_lists import UNITS, Neighbour, listening

pytestmark = pytest.mark.store

STREET, OTHER, QUARTER = "350921001", "350921002", "2026Q3"
NOW = datetime(2026, 10, 12, 9, 0, tzinfo=UTC)
DESK = {"role": "desk", "who": "desk-1", "street": STREET}
SEAT = {"role": "convener", "who": "seat-1", "street": STREET}
COUNTY = {"role": "county", "who": "county-1"}
DUE = "2026-12-20T15:59:59.000000Z"
ENTRY = {
    "text": "龙津河步道路灯统一更换",
    "becomes": "entry",
    "unit": "U02",
    "person": "例王明",
    "due_at": DUE,
    "category": "0102",
}
WHISTLE = {
    "text": "沿江路占道经营现场整治",
    "becomes": "whistle",
    "case": "350921001-260902-000017",
    "unit": "U02",
    "assistants": ["U33"],
}
BEGUN = {
    "title": "2026年第三季度联席会议纪要",
    "organ": "例安街道大工委",
    "place": "街道三楼会议室",
    "chair": "例召集",
    "begins_at": iso(NOW - timedelta(hours=2)),
    "minutes": "（一）关于路灯\n各单位汇报了进展，联系电话13900001234。",
}
PEOPLE = [
    {"part": "attended", "unit": "U02", "name": "例王明", "office": "副局长"},
    {"part": "excused", "unit": "U33", "name": "例李强"},
    {"part": "observer", "name": "例赵玲", "office": "居民代表"},
]


class Routing(Neighbour):
    """Routing as far as a meeting asks it."""

    def __init__(self) -> None:
        super().__init__()
        self.cases: list[dict[str, Any]] = []

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        if path == "/whistles/unclaimed":
            assert query["street"] == [STREET]
            return 200, {"cases": self.cases}
        return super().answer(path, query)


class Desk:
    """The street's desk at a meeting."""

    def __init__(self, client: Client, opened: Opened, routing: Routing) -> None:
        self.client, self.opened, self.routing, self.id = client, opened, routing, ""

    def __call__(self, path: str, body: Any = None, method: str = "POST", **who: str) -> dict[str, Any]:
        status, found = self.try_(path, body, method, **who)
        assert status in (200, 201), found
        return found

    def try_(
        self, path: str, body: Any = None, method: str = "POST", **who: str
    ) -> tuple[int, dict[str, Any]]:
        return self.client(method, f"/meetings/{self.id}{path}", body or {}, **(who or DESK))

    def draft(self, **more: Any) -> dict[str, Any]:
        _, found = self.client("POST", "/meetings", {"street": STREET, "quarter": QUARTER, **more}, **DESK)
        self.id = found["id"]
        return found

    def prepare(self, *decisions: dict[str, Any]) -> dict[str, Any]:
        self.draft()
        self("", BEGUN)
        found = self("/attendance", {"people": PEOPLE})
        for d in decisions:
            found = self("/decisions", d)
        return found

    def sign(self, part: str, digest: str = "", **who: str) -> tuple[int, dict[str, Any]]:
        digest = digest or self.client("GET", f"/meetings/{self.id}", **DESK)[1]["digest"]
        return self.try_("/signatures", {"part": part, "digest": digest}, **who)

    def hold(self) -> dict[str, Any]:
        assert self.sign("recorder", **DESK)[0] == 200
        status, found = self.sign("convener", **SEAT)
        assert (status, found["state"]) == (200, "held"), found
        return found

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.opened.engine.connect() as conn:
            return [tuple(r) for r in conn.execute(text(sql))]

    def told(self, name: str) -> list[Event]:
        events = [decode(o.body, names.CONTENT_TYPE) for o in self.opened.published]
        return [e for e in events if e.name == name]


@pytest.fixture
def routing(opened: Opened) -> Iterator[Routing]:
    """Routing that answers, and a ledger that knows where it is."""
    made = Routing()
    with listening(made) as address:
        for name in ("intake_url", "routing_url"):
            object.__setattr__(opened.settings, name, address)
        opened.clock.time = NOW
        yield made


@pytest.fixture
def desk(client: Client, opened: Opened, routing: Routing) -> Desk:
    return Desk(client, opened, routing)


def entered(opened: Opened, stories: Any, title: str, days: float, *steps: Any, **case: Any) -> Any:
    """A case with an entry, opened so many days ago; `steps` are told one after the other."""
    story = stories.Story(street=STREET, opened_at=NOW - timedelta(days=days), title=title)
    story.case |= case
    events = [story.step("case.opened")]
    for name, action, changes in steps:
        event = story.step(name, **changes)
        event.data["change"]["action"] = action
        events.append(event)
    with opened(now=NOW) as work:
        handlers.record(work, events)
    return story


# -- the agenda ------------------------------------------------------------------------------------------


def test_the_agenda_is_drafted_from_what_stands_still_was_refused_or_unclaimed(
    desk: Desk, opened: Opened, routing: Routing, stories: Any
) -> None:
    entered(opened, stories, "听雨街路灯不亮", 40)
    entered(opened, stories, "龙首山步道积水", 3)
    refused = entered(
        opened, stories, "沿江路占道经营", 2, ("case.returned", "refuse", {"reason": "不归我管"})
    )
    settled = entered(
        opened, stories, "南门市场噪声", 2, ("case.returned", "refuse", {}), ("case.whistled", "meeting", {})
    )
    routing.cases = [
        {
            "case": new_id(),
            "number": "350921001-260902-000017",
            "title": "井盖破损",
            "why": "undecided",
            "refused_by": ["U33"],
        }
    ]
    found = desk.draft()
    said = {(i["kind"], i["title"], i["detail"]) for i in found["agenda"]}
    assert said == {
        ("stalled", "听雨街路灯不亮", "40天无进展"),
        ("refused", "沿江路占道经营", f"工单{refused.case['number']}：单位拒绝，待召集人裁定"),
        ("refused", "井盖破损", "工单350921001-260902-000017：召集人到时未裁定；拒绝单位 U33"),
    }
    assert settled.case["title"] not in {i["title"] for i in found["agenda"]}
    assert found["notes"] == ["2026年第三季度服务清单尚未公布"]
    assert {u["code"] for u in found["units"]} == {u["code"] for u in UNITS if u["member"] != "none"}
    entered(opened, stories, "文昌里污水外溢", 50)
    again = desk.draft()
    assert (again["new"], len(again["agenda"])) == (1, 4)
    assert again["agenda"][:3] == found["agenda"]
    assert desk.draft()["new"] == 0


def test_people_order_the_agenda_add_to_it_and_leave_things_out(
    desk: Desk, opened: Opened, stories: Any
) -> None:
    for n in range(3):
        entered(opened, stories, f"第{n}件积案", 40 + n)
    items = desk.draft()["agenda"]
    wanted = [
        {"id": items[2]["id"]},
        {"title": "通报，电话13900001234"},
        {"id": items[0]["id"], "detail": "专题研究"},
    ]
    found = desk("/agenda", {"items": wanted})["agenda"]
    assert [i["left_out"] for i in found] == [False, False, False, True]
    assert [i["title"] for i in found[:1]] == [items[2]["title"]]
    assert "13900001234" not in found[1]["title"]
    assert found[2]["detail"] == "专题研究"
    assert desk.draft()["new"] == 0
    status, answer = desk.try_("/agenda", {"items": [{"id": new_id()}]})
    assert (status, answer["errors"][0]["field"]) == (409, "items.0.id")


def test_who_is_away_is_told(desk: Desk, opened: Opened) -> None:
    object.__setattr__(opened.settings, "routing_url", "")
    notes = desk.draft()["notes"]
    assert [n.partition("：")[0] for n in notes[:2]] == ["未取得无人应哨的工单", "未取得成员单位"]


def test_a_service_lists_gaps_are_on_the_agenda() -> None:
    from jiayuan.ledger.meeting import agenda

    line = {"id": "p1", "number": 2, "title": "增设充电桩", "entry": None}
    document = {
        "lines": [line],
        "units": [{"code": "U40", "name": "例中学"}],
        "unclaimed": ["p1"],
        "idle": ["U40"],
    }
    found, new = agenda.draft([], agenda.from_service_list(document))
    assert new == 2
    assert [(i["kind"], i["title"], i["detail"]) for i in found] == [
        ("unclaimed", "增设充电桩", "服务清单第2项"),
        ("idle", "例中学本季度未认领服务", ""),
    ]


# -- decisions -------------------------------------------------------------------------------------------


def test_a_decision_says_what_it_lacks(desk: Desk) -> None:
    desk.draft()
    for said, field in (
        ({**ENTRY, "category": None}, "category"),
        ({**ENTRY, "unit": None}, "unit"),
        ({**ENTRY, "due_at": None}, "due_at"),
        ({**ENTRY, "assistants": ["U33"]}, "assistants"),
        ({**WHISTLE, "case": None}, "case"),
        ({**WHISTLE, "assistants": ["U02"]}, "assistants"),
        ({"text": "跟进", "becomes": "posting"}, "entry"),
        ({"text": "跟进", "becomes": "vote"}, "becomes"),
        ({"text": "长" * 301, "becomes": "text"}, "text"),
    ):
        status, answer = desk.try_("/decisions", said)
        assert (status, answer["errors"][0]["field"].removeprefix("data.")) == (422, field)


def test_decisions_are_changed_dropped_and_stay_numbered(desk: Desk) -> None:
    desk.draft()
    for n in range(3):
        desk("/decisions", {"text": f"决定{n}", "becomes": "text"})
    assert desk.try_("/decisions", {"text": "决定1", "becomes": "text"})[0] == 200
    assert desk("/decisions/2", {"text": "改过"})["decisions"][1]["text"] == "改过"
    found = desk("/decisions/1", method="DELETE")["decisions"]
    assert [(d["number"], d["text"]) for d in found] == [(1, "改过"), (2, "决定2")]
    assert desk.try_("/decisions/9", {"text": "x"})[0] == 404


# -- holding ---------------------------------------------------------------------------------------------


def test_two_persons_sign_the_same_version(desk: Desk) -> None:
    before = desk.prepare(WHISTLE)["digest"]
    assert desk.sign("convener", **DESK)[0] == 403
    assert desk.sign("recorder", **SEAT)[0] == 403
    assert desk.sign("convener", role="convener", who="seat-2", street=OTHER)[0] == 404
    assert [s["part"] for s in desk.sign("recorder", **DESK)[1]["signatures"]] == ["recorder"]
    assert desk("", {"place": "四楼会议室"})["signatures"] == []
    status, answer = desk.sign("recorder", before, **DESK)
    assert (status, answer["errors"][0]["field"]) == (409, "digest")
    desk.sign("recorder", role="county", who="seat-1")
    status, answer = desk.sign("convener", **SEAT)
    assert (status, answer["errors"][0]["field"]) == (409, "part")
    assert desk.told("meeting.held") == []
    found = desk.hold()
    assert {s["part"]: s["who"] for s in found["signatures"]} == {"recorder": "desk-1", "convener": "seat-1"}
    assert desk.sign("convener", **SEAT)[1]["state"] == "held"
    assert len(desk.told("meeting.held")) == 1


def test_what_was_not_held_is_not_signed(desk: Desk) -> None:
    desk.draft()
    status, answer = desk.sign("recorder", **DESK)
    assert (status, answer["errors"][0]["field"]) == (409, "begins_at")
    desk("", {**BEGUN, "begins_at": iso(NOW + timedelta(hours=1))})
    assert desk.sign("recorder", **DESK)[0] == 409
    desk("", BEGUN)
    status, answer = desk.sign("recorder", **DESK)
    assert (status, answer["errors"][0]["field"]) == (409, "attendance")


def test_decisions_become_entries_postings_and_whistles_once(
    desk: Desk, opened: Opened, stories: Any
) -> None:
    story = entered(opened, stories, "听雨街路灯不亮", 40)
    (known,) = desk.rows("SELECT id FROM entry")[0]
    under = {"text": "继续督办", "becomes": "posting", "entry": str(known), "unit": "U33"}
    desk.prepare(ENTRY, WHISTLE, under, {"text": "加强巡查", "becomes": "text"})
    found = desk.hold()
    desk.sign("convener", **SEAT)
    made, called, posted, said = found["decisions"]
    assert [d["outcome"] for d in found["decisions"]] == ["done", "waiting", "done", None]
    assert desk.rows("SELECT source, source_id, unit, title FROM entry WHERE case_id IS NULL") == [
        ("meeting", made["id"], "U02", ENTRY["text"])
    ]
    assert desk.rows(f"SELECT count(*) FROM posting WHERE cause = 'decision {made['id']}'") == [(1,)]
    assert desk.rows(f"SELECT kind, entry_id FROM posting WHERE cause = 'decision {posted['id']}'") == [
        ("progress", known)
    ]
    (event,) = desk.told("meeting.held")
    assert event.subject == found["id"]
    assert event.data["decisions"] == [ENTRY["text"], WHISTLE["text"], "继续督办", "加强巡查"]
    assert event.data["resolutions"][1] == {
        "id": called["id"],
        "number": 2,
        "becomes": "whistle",
        "case": WHISTLE["case"],
        "unit": "U02",
        "assistants": ["U33"],
    }
    # A name is in no event.
    assert "例王明" not in str(event.data)
    assert (event.data["convener"], event.data["recorder"]) == ("seat-1", "desk-1")
    assert len(desk.told("entry.opened")) == 2
    assert story.case["title"] not in str(event.data)
    assert said["entry"] is None


def test_a_decision_on_no_entry_of_the_street_holds_nothing(desk: Desk, opened: Opened, stories: Any) -> None:
    story = stories.Story(street=OTHER, opened_at=NOW - timedelta(days=3))
    with opened(now=NOW) as work:
        handlers.record(work, [story.step("case.opened")])
    ((theirs,),) = desk.rows("SELECT id FROM entry")
    for entry in (new_id(), str(theirs)):
        desk.prepare(ENTRY)
        number = len(
            desk("/decisions", {"text": f"督办{entry}"[:300], "becomes": "posting", "entry": entry})[
                "decisions"
            ]
        )
        desk.sign("recorder", **DESK)
        status, answer = desk.sign("convener", **SEAT)
        assert (status, answer["errors"][0]["field"]) == (409, f"decisions.{number}.entry")
        assert desk.rows("SELECT count(*) FROM entry WHERE source = 'meeting'") == [(0,)]
        desk(f"/decisions/{number}", method="DELETE")
    assert desk.told("meeting.held") == []


def test_what_routing_answers_is_seen_at_the_decision_once(desk: Desk, opened: Opened) -> None:
    desk.prepare(WHISTLE, {**WHISTLE, "text": "另一件", "case": "350921001-260902-000018"})
    first, second = desk.hold()["decisions"]

    def answered(decision: str, outcome: str, minute: int, **more: str) -> None:
        data = {"meeting": desk.id, "decision": decision, "street": STREET, "case": "x", "outcome": outcome}
        data |= {"at": iso(NOW + timedelta(minutes=minute)), **more}
        event = make("decision.answered", names.source("routing"), data, at=NOW, subject=decision, sequence=1)
        message = Message(encode(event), names.CONTENT_TYPE, names.EVENTS_EXCHANGE, event.routing_key)
        opened.deliveries.take([message, message])

    answered(first["id"], "done", 1)
    answered(second["id"], "refused", 1, reason="U33 leads it already")
    answered(second["id"], "done", 2)
    answered(new_id(), "done", 3)
    found = desk.client("GET", f"/meetings/{desk.id}", **DESK)[1]["decisions"]
    assert [(d["outcome"], d["reason"]) for d in found] == [
        ("done", None),
        ("refused", "U33 leads it already"),
    ]


# -- what was signed stays ---------------------------------------------------------------------------------


def test_what_was_signed_is_never_changed_and_corrected_by_an_addendum(desk: Desk, opened: Opened) -> None:
    desk.prepare(WHISTLE)
    assert desk.try_("/publication")[0] == 409
    assert desk.try_("/addenda", {"text": "更正"})[0] == 409
    held = desk.hold()
    for path, body in (
        ("", {"place": "别处"}),
        ("/agenda", {"items": []}),
        ("/attendance", {"people": []}),
        ("/decisions", ENTRY),
        ("/decisions/1", {"text": "别的"}),
    ):
        status, answer = desk.try_(path, body)
        assert (status, answer["errors"][0]["field"]) == (409, "state")
    assert desk.try_("/decisions/1", method="DELETE")[0] == 409
    assert desk.client("GET", f"/meetings/{desk.id}", role="auditor", street=OTHER)[0] == 200
    assert desk.client("GET", f"/meetings/{desk.id}", role="desk", street=OTHER)[0] == 404
    assert desk("/publication")["state"] == "published"
    assert desk("/publication")["published_by"] == "desk-1"
    assert desk.try_("/addenda", {"text": "第2项应为沿江北路"}, **SEAT) == (201, {"number": 1})
    assert desk.try_("/addenda", {"text": "第2项应为沿江北路"}, **SEAT) == (200, {"number": 1})
    found = desk.client("GET", f"/meetings/{desk.id}", role="desk", street=OTHER)[1]
    assert [a["text"] for a in found["addenda"]] == ["第2项应为沿江北路"]
    assert found["digest"] == held["digest"]
    with opened() as work:
        assert meetings.digest_of(work, store.meetings.meeting_of(work, desk.id)) == found["digest"]
    assert [a["action"] for a in found["acts"]][-2:] == ["publish", "amend"]
    assert desk.client("POST", "/meetings", {"street": STREET, "quarter": QUARTER}, **DESK)[0] == 409


def test_the_database_refuses_to_change_what_was_signed(desk: Desk, opened: Opened) -> None:
    desk.prepare(WHISTLE)
    desk.hold()
    for statement in (
        "UPDATE meeting SET minutes = 'x'",
        "UPDATE meeting SET state = 'draft', held_at = NULL",
        "UPDATE meeting SET attendance = '[]'",
        "DELETE FROM meeting_decision",
        "UPDATE meeting_decision SET text = 'x'",
        "INSERT INTO meeting_decision (id, meeting_id, number, text, becomes, assistants)"
        " SELECT gen_random_uuid(), id, 9, 'x', 'text', '[]' FROM meeting",
    ):
        with pytest.raises(DBAPIError, match="the meeting was signed"), opened.engine.begin() as conn:
            conn.execute(text(statement))


# -- documents ---------------------------------------------------------------------------------------------


def test_minutes_come_as_a_document_without_numbers_of_people(desk: Desk) -> None:
    desk.prepare(ENTRY, WHISTLE)
    desk.hold()
    desk("/publication")
    status, _ = desk.client("GET", f"/meetings/{desk.id}/minutes", **DESK)
    assert status == 200
    said = zipfile.ZipFile(io.BytesIO(desk.client.content)).read("word/document.xml").decode()
    assert "例安街道大工委会议纪要" in said
    assert "县城市管理局" in said
    assert "13900001234" not in said


def test_decisions_go_out_as_a_sheet_and_come_in_again(desk: Desk) -> None:
    desk.prepare(ENTRY, WHISTLE)
    desk.client("GET", f"/meetings/{desk.id}/workbook", **DESK)
    path = f"/meetings/{desk.id}/workbook"
    first = desk.client.content

    def send(content: bytes) -> dict[str, int]:
        status, found = desk.client("POST", path, content, **DESK)
        assert status == 200, found
        return {
            n: int(desk.client.headers[f"Rows-{n}"]) for n in ("Added", "Changed", "Unchanged", "Refused")
        }

    assert send(first) == {"Added": 0, "Changed": 0, "Unchanged": 2, "Refused": 0}
    book = openpyxl.load_workbook(io.BytesIO(first))
    page = book["议定事项"]
    page.cell(1, 2).value = page.cell(1, 2).value
    page.cell(2, 2).value = "龙津河步道路灯月底前更换"
    page.append([None, "加强夜间巡查", "仅载入纪要"])
    page.append([None, "无单位的入账", "入账"])
    page.append([None, "办法不明", "表决"])
    edited = io.BytesIO()
    book.save(edited)
    assert send(edited.getvalue()) == {"Added": 1, "Changed": 1, "Unchanged": 1, "Refused": 2}
    answer = openpyxl.load_workbook(io.BytesIO(desk.client.content))["议定事项"]
    words = [answer.cell(n, answer.max_column).value for n in range(2, 7)]
    assert words[:3] == ["已修改", "无变化", "已新增，序号3"]
    assert words[3].startswith("未导入：议定事项 第5行：填写不完整（「类别编码」")
    assert words[4].startswith("未导入：议定事项 第6行 C列「办理方式」：")
    assert send(edited.getvalue()) == {"Added": 0, "Changed": 0, "Unchanged": 3, "Refused": 2}


def test_the_command_line_does_it_all(desk: Desk, opened: Opened, tmp_path: Path) -> None:
    def run(who: dict[str, str], *arguments: str) -> Result:
        token = tokens.issue(TOKEN_SECRET, who["who"], (who["role"],), street=STREET)
        env = {
            "JIAYUAN_DATABASE_URL": opened.url,
            "JIAYUAN_TOKEN_SECRET": TOKEN_SECRET,
            "JIAYUAN_TOKEN": token,
        }
        found = CliRunner().invoke(cli.ledger, ["meeting", *arguments], env=env)
        assert found.exit_code == 0, found.output
        return found

    id_ = run(DESK, "draft", QUARTER, "--street", STREET).output.split()[0]
    run(DESK, "change", id_, "--begins-at", "2026-10-12T15:00:00+08:00", "--organ", "例安街道大工委")
    run(DESK, "agenda", id_, "--add", "通报上季度进度")
    run(DESK, "attend", id_, "--person", "attended=U02/例王明/副局长", "--person", "excused=U33")
    run(
        DESK,
        "decide",
        id_,
        ENTRY["text"],
        "--becomes",
        "entry",
        "--unit",
        "U02",
        "--category",
        "0102",
        "--due-at",
        "2026-12-20",
    )
    run(DESK, "decide", id_, "多余的", "--becomes", "text")
    run(DESK, "drop", id_, "2")
    sheet = tmp_path / "decisions.xlsx"
    run(DESK, "export", id_, str(sheet))
    assert run(DESK, "import", id_, str(sheet)).output == "added 0，changed 0，unchanged 1，refused 0\n"
    digest = run(DESK, "show", id_).output.split()[-1]
    run(DESK, "hold", id_, "--as", "recorder", "--digest", digest)
    assert "已召开" in run(SEAT, "hold", id_, "--as", "convener", "--digest", digest).output
    assert "已公布" in run(DESK, "publish", id_).output
    assert run(SEAT, "amend", id_, "更正一处").output == "1\n"
    run(DESK, "minutes", id_, str(tmp_path / "minutes.docx"))
    assert id_ in run(DESK, "list", "--street", STREET).output
    assert desk.rows("SELECT count(*) FROM entry WHERE source = 'meeting'") == [(1,)]
