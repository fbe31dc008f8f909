"""A quarter's lists from reports to claims, on PostgreSQL and over the service's routes."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import openpyxl
import pytest
from click.testing import CliRunner, Result

from jiayuan.chassis import tokens
from jiayuan.chassis.testing.client import Client
from jiayuan.chassis.testing.databases import TOKEN_SECRET, Opened
from jiayuan.contracts.check import problems as faults_of
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.schemas.ledger import ListPublished, ServiceClaimed
from jiayuan.ledger import cli, closings, handlers, neighbours
from jiayuan.ledger.closing import period_of
from jiayuan.ledger.lists.sheets import RESULT
from jiayuan.ledger.store import lists as rows

pytestmark = pytest.mark.store

STREET, LONGJIN, XIGUAN = "350921001", "350921001001", "350921001002"
QUARTER = "2026Q4"
NOW = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
UNITS = [
    {"code": "U02", "name": "县城市管理局", "member": "full_time", "kind": "department"},
    {"code": "U33", "name": "国网霞浦县供电公司", "member": "part_time", "kind": "state_firm"},
    {"code": "U40", "name": "霞浦第一中学", "member": "part_time", "kind": "school"},
    {"code": "U28", "name": "县人民法院", "member": "none", "kind": "department"},
]


class Neighbour:
    """Intake and routing as far as the lists ask them."""

    def __init__(self) -> None:
        self.hotspots: list[dict[str, Any]] = []
        self.asked: list[str] = []

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        self.asked.append(path)
        if path == "/directory/units":
            return 200, {"units": UNITS}
        if path == "/hotspots" and query["street"] == [STREET]:
            return 200, {"hotspots": self.hotspots}
        return 404, {}


class Namer(Neighbour):
    """Intake and routing as far as a publication asks them for names; routing is away if it is told so."""

    def __init__(self, *, away: bool = False) -> None:
        super().__init__()
        self.away = away

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        if path == "/places/search":
            kind = {"街道": "松城街道", "镇": "长春镇"}.get(query["q"][0])
            code = {"松城街道": "350921001", "长春镇": "350921100"}
            return 200, {"places": [{"code": code[kind], "name": kind, "kind": "street"}] if kind else []}
        if path == "/directory/grids/350921" and not self.away:
            return 200, {"code": "350921", "name": "霞浦县", "kind": "county", "parent": ""}
        if self.away and path.startswith("/directory"):
            return 503, {}
        return super().answer(path, query)


def test_the_code_of_a_matter_without_a_street_has_the_countys_name(opened: Opened) -> None:
    streets = {"350921001": "松城街道", "350921100": "长春镇"}
    for away, county in ((False, {"350921000": "霞浦县（未定街道）"}), (True, {})):
        with listening(Namer(away=away)) as address:
            for name in ("intake_url", "routing_url"):
                object.__setattr__(opened.settings, name, address)
            found = neighbours.names(neighbours.addresses(opened.settings))
        assert found["street"] == streets | county
        assert found["unit"] == ({} if away else {u["code"]: u["name"] for u in UNITS})


@contextmanager
def listening(neighbour: Neighbour) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            token = self.headers["Authorization"].removeprefix("Bearer ")
            assert tokens.read(TOKEN_SECRET, token).roles == ("service",)
            status, document = neighbour.answer(url.path, parse_qs(url.query))
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def neighbour(opened: Opened) -> Iterator[Neighbour]:
    """Neighbours that answer, and a ledger that knows where they are."""
    made = Neighbour()
    with listening(made) as address:
        for name in ("intake_url", "routing_url"):
            object.__setattr__(opened.settings, name, address)
        opened.clock.time = NOW
        yield made


class Told:
    """A street's quarter, told by HTTP."""

    def __init__(self, client: Client, opened: Opened, stories: Any) -> None:
        self.client, self.opened, self.stories = client, opened, stories

    def reports(
        self, community: str | None, *titles: str, days: float = -20, closed: bool = False, **case: Any
    ) -> list[str]:
        """Cases with a report each, opened that many days from now: the reports' ids."""
        out = []
        for title in titles:
            story = self.stories.Story(street=STREET, opened_at=NOW + timedelta(days=days), title=title)
            story.case |= {"community": community, **case}
            events = [story.step("case.opened")]
            if closed:
                events.append(story.close())
            with self.opened(now=NOW) as work:
                handlers.record(work, events)
            out.append(story.case["reports"][0]["id"])
        return out

    def __call__(
        self, method: str, path: str, body: Any = None, role: str = "county", **claims: str
    ) -> tuple[int, dict[str, Any]]:
        return self.client(method, path, body, role=role, **claims)

    def draft(self, kind: str, community: str | None = None, **more: str) -> dict[str, Any]:
        body = {"kind": kind, "quarter": QUARTER, "street": STREET} | more
        status, found = self("POST", "/lists", body | ({"community": community} if community else {}))
        assert status in (200, 201), found
        return found

    def publish(self, found: dict[str, Any]) -> None:
        status, answer = self("POST", f"/lists/{found['id']}/publication", None)
        assert (status, answer["state"]) == (200, "published"), answer

    def service_list(self, *titles: str) -> dict[str, Any]:
        """A published service list with a problem for each title."""
        for n, title in enumerate(titles):
            self.reports(LONGJIN, title, category={"code": f"09{n:02}", "name": "其他"})
        demands = self.draft("demand", LONGJIN)
        self.publish(demands)
        problems = self.draft("problem")
        for line in problems["lines"]:
            self("POST", f"/lists/{problems['id']}/problems/{line['number']}/decision", {"state": "accepted"})
        self.publish(problems)
        service = self.draft("service")
        self.publish(service)
        return self("GET", f"/lists/{service['id']}")[1]

    def claim(
        self, service: dict[str, Any], number: int, clerk: str, **more: Any
    ) -> tuple[int, dict[str, Any]]:
        body = {"person": "例王明", "due_at": "2026-12-20T10:00:00Z", **more}
        path = f"/lists/{service['id']}/lines/{number}/claims"
        return self("POST", path, body, role="unit_clerk", unit=clerk)

    def events(self, name: str) -> list[dict[str, Any]]:
        bodies = [json.loads(o.body) for o in self.opened.published]
        return [b for b in bodies if b["type"] == f"cn.jiayuan.{name}.v1"]


@pytest.fixture
def told(client: Client, opened: Opened, neighbour: Neighbour, stories: Any) -> Told:
    """Tells a quarter's story."""
    assert neighbour
    return Told(client, opened, stories)


# -- the demand list -------------------------------------------------------------------------------------------


def test_a_demand_list_is_drafted_from_reports_and_each_line_keeps_them(told: Told) -> None:
    lamps = told.reports(LONGJIN, "龙津社区听雨街路灯不亮", "龙津社区听雨街路灯又不亮了")
    told.reports(LONGJIN, "龙津社区井盖破损", category={"code": "0104", "name": "井盖"})
    told.reports(XIGUAN, "西关社区路灯不亮")
    told.reports(LONGJIN, "龙津社区听雨街积水", days=-300)
    told.reports(LONGJIN, "龙津社区下水道堵塞", closed=True, category={"code": "0103", "name": "排水"})
    found = told.draft("demand", LONGJIN)
    assert (found["state"], found["community"], found["notes"]) == ("draft", LONGJIN, [])
    assert [(line["category"], len(line["reports"])) for line in found["lines"]] == [("0102", 2), ("0104", 1)]
    assert {b["report"] for b in found["lines"][0]["reports"]} == set(lamps)
    assert all(b["case"] and b["entry"] for b in found["lines"][0]["reports"])
    assert found["lines"][0]["sources"] == ["report"]


def test_a_matter_is_in_the_list_of_the_community_that_it_was_put_right_to(told: Told) -> None:
    story = told.stories.Story(street=STREET, opened_at=NOW - timedelta(days=20), title="不知何处的路灯不亮")
    story.case |= {"community": None}

    def relocate(community: str | None) -> None:
        event = story.step("case.changed", action="relocate", community=community)
        with told.opened(now=NOW) as work:
            handlers.record(work, [event])

    def listed(community: str) -> int:
        with told.opened(now=NOW) as work:
            since, until = NOW - timedelta(days=90), NOW
            return len(rows.matters(work, STREET, community, since, until))

    def unplaced() -> int:
        with told.opened(now=NOW) as work:
            return rows.unplaced(work, STREET, NOW - timedelta(days=90), NOW)

    with told.opened(now=NOW) as work:
        handlers.record(work, [story.step("case.opened")])
    assert (unplaced(), listed(LONGJIN)) == (1, 0)
    relocate(LONGJIN)
    assert (unplaced(), listed(LONGJIN)) == (0, 1)
    relocate(XIGUAN)
    assert (unplaced(), listed(LONGJIN), listed(XIGUAN)) == (0, 0, 1)
    relocate(None)
    assert (unplaced(), listed(XIGUAN)) == (1, 0)


def test_drafting_again_adds_what_came_since_and_leaves_what_people_made(told: Told) -> None:
    told.reports(LONGJIN, "龙津社区听雨街路灯不亮")
    found = told.draft("demand", LONGJIN)
    path = f"/lists/{found['id']}/demands/1"
    assert told("POST", path, {"title": "听雨街路灯改造"})[1] == {"number": 1, "changed": True}
    assert told("POST", path, {"title": "听雨街路灯改造"})[1] == {"number": 1, "changed": False}
    more = told.reports(LONGJIN, "听雨街路灯坏了三盏", "龙津社区健身器材损坏")
    again = told.draft("demand", LONGJIN)
    assert again["id"] == found["id"]
    assert again["added"] == {"lines": 1, "reports": 2}
    assert [(line["title"], len(line["reports"])) for line in again["lines"]] == [
        ("听雨街路灯改造", 2),
        ("龙津社区健身器材损坏", 1),
    ]
    assert more[0] in {b["report"] for b in again["lines"][0]["reports"]}
    assert told.draft("demand", LONGJIN)["added"] == {"lines": 0, "reports": 0}


def test_hotspots_of_intake_make_lines_with_their_reports(told: Told, neighbour: Neighbour) -> None:
    known = told.reports(LONGJIN, "东吾洋臭气熏天", category={"code": "0501", "name": "异味"})[0]
    others = [new_id(), new_id()]
    messages = [
        {
            "id": r,
            "title": "晚上有臭味",
            "category": "0501",
            "community": LONGJIN,
            "at": "2026-10-20T00:00:00Z",
        }
        for r in (known, *others)
    ]
    messages.append({**messages[0], "id": new_id(), "community": XIGUAN})
    neighbour.hotspots = [{"words": ["臭味", "熏天"], "people": 17, "messages": messages}]
    found = told.draft("demand", LONGJIN)
    (line,) = found["lines"]
    assert line["sources"] == ["hotspot", "report"]
    assert (line["people"], line["evidence"]) == (17, {"words": ["臭味", "熏天"]})
    assert {b["report"] for b in line["reports"]} == {known, *others}
    assert [b["case"] is not None for b in line["reports"] if b["report"] == known] == [True]


def test_a_draft_says_what_it_lacks_when_intake_is_away_and_goes_on(told: Told, opened: Opened) -> None:
    told.reports(LONGJIN, "听雨街路灯不亮")
    object.__setattr__(opened.settings, "intake_url", "http://127.0.0.1:9")
    found = told.draft("demand", LONGJIN)
    assert len(found["lines"]) == 1
    assert found["notes"] == ["未取得热点：intake 未应答（ConnectionError）"]
    object.__setattr__(opened.settings, "intake_url", "")
    assert told.draft("demand", LONGJIN)["notes"] == ["未取得热点：没有设置 intake 的地址（intake_url）"]


def test_grid_workers_and_meetings_bring_demands_once(told: Told) -> None:
    report = told.reports(LONGJIN, "听雨街路灯不亮")[0]
    found = told.draft("demand", LONGJIN, since="2026-11-01T00:00:00Z")
    assert found["lines"] == []
    body = {"category": "0601", "title": "放学时段缺少护学岗 13900001234", "source": "meeting", "people": 31}
    body["reports"] = [report, "paper-1"]
    path = f"/lists/{found['id']}/demands"
    assert told("POST", path, body, role="grid_worker", street=STREET)[0] == 201
    assert told("POST", path, body, role="grid_worker", street=STREET)[0] == 200
    assert told("POST", path, body, role="grid_worker", street="350921002")[0] == 404
    (line,) = told("GET", f"/lists/{found['id']}")[1]["lines"]
    assert line["title"] == "放学时段缺少护学岗 139****1234"
    assert (line["sources"], line["people"]) == (["meeting"], 31)
    behind = {b["report"]: b["entry"] for b in line["reports"]}
    assert behind[report]
    assert behind["paper-1"] is None


def test_what_is_left_out_needs_a_reason_and_what_is_published_stays(told: Told) -> None:
    told.reports(LONGJIN, "听雨街路灯不亮")
    found = told.draft("demand", LONGJIN)
    path = f"/lists/{found['id']}/demands/1"
    status, answer = told("POST", path, {"kept": False})
    assert (status, answer["errors"][0]["field"]) == (422, "reason")
    assert told("POST", path, {"kept": False, "reason": "已列入改造计划"})[1]["changed"]
    told.publish(found)
    (event,) = told.events("list.published")
    assert (event["data"]["lines"], event["data"]["kind"], event["data"]["community"]) == (
        0,
        "demand",
        LONGJIN,
    )
    assert faults_of(ListPublished, event["data"]) == []
    for refused in (
        told("POST", path, {"title": "别的"}),
        told("POST", f"/lists/{found['id']}/publication", None),
        told(
            "POST", "/lists", {"kind": "demand", "quarter": QUARTER, "street": STREET, "community": LONGJIN}
        ),
    ):
        assert (refused[0], refused[1]["errors"][0]["field"]) == (409, "state")
    status, closed = told("POST", f"/lists/{found['id']}/closing", None)
    assert (closed["state"], closed["published_by"], closed["closed_by"]) == ("closed", "county", "county")
    acts = told("GET", f"/lists/{found['id']}")[1]["acts"]
    assert [a["action"] for a in acts] == ["draft", "change", "publish", "close"]


# -- the problem list ------------------------------------------------------------------------------------------


def test_demands_of_the_same_kind_are_joined_and_people_decide(told: Told) -> None:
    told.reports(LONGJIN, "龙津社区听雨街路灯不亮", "龙津社区井盖松动")
    told.reports(XIGUAN, "西关社区赤岸路路灯不亮", "西关社区公交站太远")
    for community in (LONGJIN, XIGUAN):
        told.publish(told.draft("demand", community))
    found = told.draft("problem")
    lamp = next(line for line in found["lines"] if len(line["communities"]) == 2)
    assert lamp["communities"] == [LONGJIN, XIGUAN]
    assert (lamp["report_count"], lamp["state"]) == (2, "suggested")
    assert {d["community"] for d in lamp["demands"]} == {LONGJIN, XIGUAN}
    status, answer = told("POST", f"/lists/{found['id']}/publication", None)
    assert (status, answer["errors"][0]["field"]) == (409, "problems")
    # People split what was suggested, and join what wasn't.
    mine = next(d["id"] for d in lamp["demands"] if d["community"] == XIGUAN)
    base = f"/lists/{found['id']}"
    split = told(
        "POST", f"{base}/problems/{lamp['number']}/split", {"demands": [mine], "title": "赤岸路照明"}
    )
    assert split[0] == 201
    numbers = [line["number"] for line in found["lines"] if line["number"] != lamp["number"]]
    joined = told(
        "POST", f"{base}/merge", {"problems": [split[1]["number"], numbers[0]], "title": "赤岸路环境"}
    )
    assert joined == (200, {"number": split[1]["number"]})
    for number in (lamp["number"], numbers[1]):
        told("POST", f"{base}/problems/{number}/decision", {"state": "accepted", "takes": 2})
    told.publish(found)
    after = told("GET", base)[1]
    said = {line["number"]: line for line in after["lines"]}
    assert said[numbers[0]]["state"] == "dropped"
    assert said[numbers[0]]["reason"] == f"并入第{joined[1]['number']}项"
    assert said[joined[1]["number"]]["title"] == "赤岸路环境"
    assert len(said[joined[1]["number"]]["demands"]) == 2
    assert said[lamp["number"]]["takes"] == 2
    assert [e["data"]["lines"] for e in told.events("list.published")] == [2, 2, 3]


def test_a_problem_list_waits_for_demand_lists_and_a_service_list_for_it(told: Told) -> None:
    for kind in ("problem", "service"):
        status, answer = told("POST", "/lists", {"kind": kind, "quarter": QUARTER, "street": STREET})
        assert (status, answer["errors"][0]["field"]) == (409, "quarter")
    assert told("GET", "/lists")[1] == {"lists": []}
    told.reports(LONGJIN, "听雨街路灯不亮")
    told.publish(told.draft("demand", LONGJIN))
    told.reports(XIGUAN, "赤岸路路灯不亮")
    late = told.draft("demand", XIGUAN)
    found = told.draft("problem")
    assert found["notes"] == [f"需求清单尚未公布的社区：{XIGUAN}"]
    told.publish(late)
    told.reports(None, "不知何处的路灯不亮")
    (note,) = told.draft("problem")["notes"]
    assert note.startswith("1件未办结诉求的社区不明")
    with told.opened(now=NOW) as work:
        work.execute("UPDATE entry SET state = 'reversed' WHERE title = '不知何处的路灯不亮'")
    again = told.draft("problem")
    assert again["notes"] == []
    assert again["lines"][0]["communities"] == [LONGJIN, XIGUAN]


# -- the service list ------------------------------------------------------------------------------------------


def test_units_claim_with_person_limit_and_milestones(told: Told) -> None:
    service = told.service_list("听雨街路灯不亮", "放学时段缺少护学岗")
    assert [u["code"] for u in service["units"]] == ["U02", "U33", "U40"]
    assert len(service["unclaimed"]) == 2
    assert service["idle"] == ["U02", "U33", "U40"]
    milestones = [
        {"name": "完工", "due_at": "2026-12-15T10:00:00Z"},
        {"name": "勘查", "due_at": "2026-11-15T10:00:00Z"},
    ]
    status, made = told.claim(service, 1, "U33", milestones=milestones, person="p-U33")
    assert (status, made["state"], made["standing"]) == (201, "claimed", "open")
    assert [m["name"] for m in made["milestones"]] == ["勘查", "完工"]
    assert told.claim(service, 1, "U33", milestones=milestones)[0] == 200
    told.opened.clock.time = NOW + timedelta(days=20)
    clerk = {"role": "unit_clerk", "unit": "U33"}
    assert told("POST", f"/claims/{made['id']}/completion", {}, **clerk)[0] == 409
    status, after = told("POST", f"/claims/{made['id']}/milestones/1", {}, **clerk)
    assert after["milestones"][0]["standing"] == "done_late"
    done_at = {"done_at": "2026-11-20T00:00:00Z"}
    told("POST", f"/claims/{made['id']}/milestones/2", done_at, **clerk)
    status, after = told("POST", f"/claims/{made['id']}/completion", {}, **clerk)
    assert (after["state"], after["standing"]) == ("done", "done")
    assert [h["action"] for h in after["history"]] == ["claim", "milestone", "milestone", "done"]
    events = told.events("service.claimed")
    assert [e["sequence"] for e in events] == [1, 2, 3, 4]
    assert [e["data"]["state"] for e in events] == ["claimed", "claimed", "claimed", "done"]
    assert {e["data"]["person"] for e in events} == {"p-U33"}
    for event in events:
        assert faults_of(ServiceClaimed, event["data"]) == []
    after = told("GET", f"/lists/{service['id']}")[1]
    assert (len(after["unclaimed"]), after["idle"]) == (1, ["U02", "U40"])


def test_a_claimed_problem_is_an_entry_of_the_account_once(told: Told) -> None:
    service = told.service_list("听雨街路灯不亮")
    made = told.claim(service, 1, "U33", person="p-U33")[1]
    told("POST", f"/claims/{made['id']}/release", {"reason": "职责不符"})
    assert told.claim(service, 1, "U02")[0] == 201
    (line,) = told("GET", f"/lists/{service['id']}")[1]["lines"]
    entry = told("GET", f"/entries/{line['entry']}")[1]
    assert (entry["source"], entry["unit"], entry["person"]) == ("demand_list", "U33", "p-U33")
    assert (entry["title"], entry["due_at"], entry["state"]) == (
        "听雨街路灯不亮",
        "2026-12-20T10:00:00.000000Z",
        "open",
    )
    (opened,) = [e for e in told.events("entry.opened") if e["data"]["entry"]["id"] == line["entry"]]
    assert opened["data"]["entry"]["case"] is None
    # From the entry to the reports behind the problem, and back.
    (report,) = told("GET", f"/lineage?problem={line['id']}")[1]["reports"]
    back = told("GET", f"/lineage?entry={line['entry']}")[1]
    assert back["reports"] == [report]
    assert line["entry"] in {e["id"] for e in told("GET", f"/lineage?report={report}")[1]["entries"]}


def test_a_name_is_on_the_list_and_in_no_event(told: Told) -> None:
    service = told.service_list("听雨街路灯不亮")
    told.claim(service, 1, "U33", person="例王明 13900001234")
    (line,) = told("GET", f"/lists/{service['id']}")[1]["lines"]
    assert line["claims"][0]["person"] == "例王明 139****1234"
    assert told.events("service.claimed")[0]["data"]["person"] is None


def test_one_to_three_a_quarter_and_a_fourth_is_refused(told: Told) -> None:
    service = told.service_list(*(f"第{n}件事：{'甲乙丙丁'[n] * 4}" for n in range(4)))
    made = [told.claim(service, n, "U02") for n in (1, 2, 3)]
    assert [status for status, _ in made] == [201, 201, 201]
    status, answer = told.claim(service, 4, "U02")
    assert (status, answer["errors"][0]["field"]) == (409, "unit")
    reason = {"reason": "职责不符"}
    clerk = {"role": "unit_clerk", "unit": "U02"}
    status, given = told("POST", f"/claims/{made[0][1]['id']}/release", reason, **clerk)
    assert (given["state"], given["reason"]) == ("released", "职责不符")
    assert told.claim(service, 4, "U02")[0] == 201
    assert told.events("service.claimed")[-2]["data"]["state"] == "released"


def test_what_more_units_want_than_it_takes_is_over_claimed_and_can_be_granted(told: Told) -> None:
    service = told.service_list("听雨街路灯不亮")
    assert told.claim(service, 1, "U02")[1]["state"] == "claimed"
    status, wish = told.claim(service, 1, "U33")
    assert (status, wish["state"]) == (201, "wanted")
    after = told("GET", f"/lists/{service['id']}")[1]
    assert after["over_claimed"] == [after["lines"][0]["id"]]
    assert after["idle"] == ["U33", "U40"]
    assert told("POST", f"/claims/{wish['id']}/grant", {})[0] == 409
    status, granted = told("POST", f"/claims/{wish['id']}/grant", {"takes": 2})
    assert (status, granted["state"]) == (200, "claimed")
    assert told("GET", f"/lists/{service['id']}")[1]["over_claimed"] == []
    assert [e["data"]["unit"] for e in told.events("service.claimed")] == ["U02", "U33"]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"due_at": "2026-11-01T00:00:00Z"}, "due_at"),
        ({"milestones": [{"name": "完工", "due_at": "2026-12-21T00:00:00Z"}]}, "milestones.0.due_at"),
        ({"milestones": [{"name": "完工", "due_at": "2026-12-01T00:00:00Z"}] * 2}, "milestones.1.name"),
    ],
)
def test_a_claim_that_cannot_be_kept_is_refused(told: Told, more: Any, field: str) -> None:
    service = told.service_list("听雨街路灯不亮")
    status, answer = told.claim(service, 1, "U33", **more)
    assert status == 422
    assert field in {e["field"] for e in answer["errors"]}


def test_a_clerk_claims_for_its_own_unit_a_member_and_only_while_the_list_is_open(told: Told) -> None:
    service = told.service_list("听雨街路灯不亮")
    assert told.claim(service, 1, "U33", unit="U02")[0] == 403
    assert told.claim(service, 1, "U28")[0] == 422
    assert told.claim(service, 2, "U33")[0] == 404
    made = told.claim(service, 1, "U33")[1]
    assert told("POST", f"/claims/{made['id']}/completion", {}, role="unit_clerk", unit="U02")[0] == 403
    told("POST", f"/lists/{service['id']}/closing", None)
    assert told.claim(service, 1, "U02")[0] == 409
    # What was promised is kept after the quarter, too.
    assert told("POST", f"/claims/{made['id']}/completion", {})[1]["state"] == "done"


def test_closing_the_quarter_closes_its_lists_by_two_persons(told: Told) -> None:
    service = told.service_list("听雨街路灯不亮")
    made = told.claim(service, 1, "U33")[1]
    told.reports(XIGUAN, "赤岸路路灯不亮")
    left = told.draft("demand", XIGUAN)
    told.opened.clock.time = datetime(2027, 1, 4, tzinfo=UTC)
    with told.opened() as work:
        closings.ask(work, period_of(QUARTER), "例林芳", "季末")
    assert told("GET", f"/lists/{service['id']}")[1]["state"] == "published"
    with told.opened() as work:
        closings.answer(work, period_of(QUARTER), "例王明", "", approved=True)
    states = {x["id"]: (x["state"], x["closed_by"]) for x in told("GET", "/lists")[1]["lists"]}
    assert states.pop(left["id"]) == ("draft", None)
    assert set(states.values()) == {("closed", "例王明")}
    for path, body in (
        ("/lists", {"kind": "demand", "quarter": QUARTER, "street": STREET, "community": XIGUAN}),
        (f"/lists/{left['id']}/publication", None),
        (
            f"/lists/{service['id']}/lines/1/claims",
            {"unit": "U02", "person": "x", "due_at": "2027-02-01T00:00:00Z"},
        ),
    ):
        status, answer = told("POST", path, body)
        assert (status, answer["errors"][0]["field"]) == (409, "quarter"), path
    assert told("POST", f"/claims/{made['id']}/completion", {})[1]["standing"] == "done_late"


def test_routing_away_leaves_the_member_units_to_the_next_draft(told: Told, opened: Opened) -> None:
    told.reports(LONGJIN, "听雨街路灯不亮")
    told.publish(told.draft("demand", LONGJIN))
    problems = told.draft("problem")
    told("POST", f"/lists/{problems['id']}/problems/1/decision", {"state": "accepted"})
    told.publish(problems)
    address, away = opened.settings.routing_url, "http://127.0.0.1:9"  # type: ignore[attr-defined]
    object.__setattr__(opened.settings, "routing_url", away)
    found = told.draft("service")
    assert (found["units"], found["notes"]) == ([], ["未取得成员单位：routing 未应答（ConnectionError）"])
    object.__setattr__(opened.settings, "routing_url", address)
    assert [u["code"] for u in told.draft("service")["units"]] == ["U02", "U33", "U40"]
    object.__setattr__(opened.settings, "routing_url", away)
    assert len(told.draft("service")["units"]) == 3


# -- who sees what ---------------------------------------------------------------------------------------------


def test_a_draft_is_its_streets_and_others_do_not_learn_of_it(told: Told) -> None:
    told.reports(LONGJIN, "听雨街路灯不亮")
    found = told.draft("demand", LONGJIN)
    path = f"/lists/{found['id']}"
    for role, street, status in (
        ("grid_chief", STREET, 200),
        ("desk", STREET, 200),
        ("auditor", "", 200),
        ("desk", "350921002", 404),
        ("unit_clerk", "", 404),
        ("convener", "", 404),
    ):
        assert told("GET", path, role=role, street=street)[0] == status, role
    assert told("GET", "/lists", role="desk", street="350921002")[1] == {"lists": []}
    body = {"kind": "problem", "quarter": QUARTER, "street": STREET}
    assert told("POST", "/lists", body, role="grid_chief", street=STREET)[0] == 403
    assert told("POST", "/lists", body, role="desk", street="350921002")[0] == 403
    told.publish(found)
    assert told("GET", path, role="unit_clerk", unit="U02")[0] == 200
    assert told("POST", f"{path}/closing", None, role="grid_chief", street="350921002")[0] == 403


# -- lineage ---------------------------------------------------------------------------------------------------


def test_lineage_goes_both_ways(told: Told) -> None:
    service = told.service_list("听雨街路灯不亮")
    problem = service["lines"][0]["id"]
    status, found = told("GET", f"/lineage?problem={problem}")
    (report,), (line,) = found["reports"], found["lines"]
    assert line["problem"]["id"] == problem
    case = found["entries"][0]["case"]
    for by, value in (("report", report), ("case", case), ("demand", line["demand"])):
        status, back = told("GET", f"/lineage?{by}={value}")
        assert (status, back["lines"], back["reports"]) == (200, [line], [report]), by
        assert back["entries"] == found["entries"]
    back = told("GET", f"/lineage?entry={found['entries'][0]['id']}")[1]
    assert (back["reports"], back["lines"]) == ([report], [line])
    first = told("GET", f"/lineage?posting={found['entries'][0]['id']}.1")[1]
    assert (first["reports"], first["entries"]) == ([report], found["entries"])
    assert told("GET", f"/lineage?posting={found['entries'][0]['id']}.99")[0] == 404
    assert told("GET", f"/lineage?posting={'-' * 36}.1")[0] == 404
    assert told("GET", f"/lineage?report={report}", role="desk", street="350921002")[0] == 404
    assert told("GET", "/lineage?report=nobody")[0] == 404
    assert told("GET", "/lineage")[0] == 422


# -- sheets ----------------------------------------------------------------------------------------------------


def _sheet(content: bytes, name: str) -> list[dict[str, Any]]:
    page = openpyxl.load_workbook(io.BytesIO(content))[name]
    first, *others = page.iter_rows(values_only=True)
    return [dict(zip(first, values, strict=True)) for values in others]


def _edited(content: bytes, name: str, *changes: tuple[int, str, Any]) -> bytes:
    """The workbook with cells changed: (row, heading, value)."""
    book = openpyxl.load_workbook(io.BytesIO(content))
    page = book[name]
    headings = {page.cell(1, i).value: i for i in range(1, page.max_column + 1)}
    for row, heading, value in changes:
        page.cell(row, headings[heading], value)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _rows(told: Told) -> dict[str, str]:
    return {k.removeprefix("Rows-"): v for k, v in told.client.headers.items() if k.startswith("Rows-")}


def _sent(told: Told, path: str, content: bytes, **who: str) -> tuple[int, bytes]:
    status, _ = told("POST", path, content, **who)
    return status, told.client.content


def test_a_demand_list_goes_out_as_a_sheet_and_comes_back(told: Told) -> None:
    told.reports(LONGJIN, "=听雨街路灯不亮", "龙津社区健身器材损坏")
    found = told.draft("demand", LONGJIN)
    path = f"/lists/{found['id']}/workbook"
    assert told("GET", path)[0] == 200
    out = told.client.content
    rows = _sheet(out, "需求清单")
    assert {r["需求"] for r in rows} == {"=听雨街路灯不亮", "龙津社区健身器材损坏"}
    assert _sent(told, path, out)[0] == 200
    assert _rows(told) == {"Added": "0", "Changed": "0", "Unchanged": "2", "Refused": "0"}
    edited = _edited(
        out,
        "需求清单",
        (2, "需求", "听雨街路灯改造"),
        (3, "列入", "否"),
        (4, "类别编码", "0601"),
        (4, "需求", "放学时段缺少护学岗"),
        (4, "来源", "会议征集"),
        (4, "反映人数", 31),
        (5, "类别编码", "0601"),
        (5, "需求", "缺少"),
        (5, "反映人数", "许多"),
    )
    status, answer = _sent(told, path, edited)
    assert (status, _rows(told)) == (200, {"Added": "1", "Changed": "1", "Unchanged": "0", "Refused": "2"})
    said = [r[RESULT] for r in _sheet(answer, "需求清单")]
    assert said[0] == "已修改"
    assert said[1].startswith("未导入：需求清单 第3行：填写不完整（「不列入原因」")
    assert said[2] == "已新增，序号3"
    assert said[3] == "未导入：需求清单 第5行 F列「反映人数」：是“许多”，只能是1至2147483647的整数"
    # The same sheet again, and the answer as it came back: nothing is new.
    for content in (edited, answer):
        assert _sent(told, path, content)[0] == 200
        assert _rows(told) == {"Added": "0", "Changed": "0", "Unchanged": "2", "Refused": "2"}
    lines = told("GET", f"/lists/{found['id']}")[1]["lines"]
    assert [(line["title"], line["sources"]) for line in lines][0::2] == [
        ("听雨街路灯改造", ["report"]),
        ("放学时段缺少护学岗", ["meeting"]),
    ]


def test_problems_are_decided_joined_and_split_by_sheet(told: Told) -> None:
    told.reports(LONGJIN, "龙津社区听雨街路灯不亮")
    told.reports(XIGUAN, "西关社区赤岸路路灯不亮", "西关社区公交站太远")
    for community in (LONGJIN, XIGUAN):
        told.publish(told.draft("demand", community))
    found = told.draft("problem")
    path = f"/lists/{found['id']}/workbook"
    told("GET", path)
    out = told.client.content
    first, second = _sheet(out, "问题清单")
    assert "、" in first["需求"]
    mine, moved = first["需求"].split("、")
    edited = _edited(
        out,
        "问题清单",
        (2, "需求", mine),
        (2, "结论", "列入"),
        (3, "需求", f"{second['需求']}、{moved}"),
        (3, "结论", "列入"),
        (3, "认领单位数", 2),
    )
    _sent(told, path, edited)
    assert _rows(told)["Changed"] == "2"
    _sent(told, path, edited)
    assert _rows(told) == {"Added": "0", "Changed": "0", "Unchanged": "2", "Refused": "0"}
    lines = told("GET", f"/lists/{found['id']}")[1]["lines"]
    assert [(len(line["demands"]), line["state"], line["takes"]) for line in lines] == [
        (1, "accepted", 1),
        (2, "accepted", 2),
    ]


def test_units_claim_by_sheet_for_themselves(told: Told) -> None:
    service = told.service_list("听雨街路灯不亮", "放学时段缺少护学岗")
    path = f"/lists/{service['id']}/workbook"
    clerk = {"role": "unit_clerk", "unit": "U33"}
    told("GET", path, **clerk)
    out = told.client.content
    assert [r["状态（参考）"] for r in _sheet(out, "服务清单")] == ["未认领", "未认领"]
    assert len(_sheet(out, "未认领（参考）")) == 2
    assert [r["单位"] for r in _sheet(out, "无认领单位（参考）")] == [
        "县城市管理局",
        "国网霞浦县供电公司",
        "霞浦第一中学",
    ]
    edited = _edited(
        out,
        "服务清单",
        (2, "单位编码", "U33"),
        (2, "责任人", "例王明"),
        (2, "完成时限", datetime(2026, 12, 20)),
        (2, "时间节点", "现场勘查 2026-11-15；完工验收 2026-12-15 17:30"),
        (3, "单位编码", "U02"),
        (3, "责任人", "例林芳"),
        (3, "完成时限", "2026-12-20"),
    )
    status, answer = _sent(told, path, edited, **clerk)
    assert status == 200
    assert [r[RESULT] for r in _sheet(answer, "服务清单")] == [
        "已认领",
        "未导入：服务清单 第3行：没有权限",
    ]
    _sent(told, path, edited, **clerk)
    assert _rows(told) == {"Added": "0", "Changed": "0", "Unchanged": "1", "Refused": "1"}
    (claim,) = told("GET", f"/lists/{service['id']}")[1]["lines"][0]["claims"]
    assert claim["due_at"] == "2026-12-20T15:59:59.000000Z"
    assert [m["due_at"] for m in claim["milestones"]] == [
        "2026-11-15T15:59:59.000000Z",
        "2026-12-15T09:30:00.000000Z",
    ]
    told("GET", path)
    (row, _) = _sheet(told.client.content, "服务清单")
    assert (row["完成时限"], row["时间节点"]) == (
        "2026-12-20",
        "现场勘查 2026-11-15；完工验收 2026-12-15 17:30",
    )


def test_what_is_no_sheet_of_this_list_is_refused_whole(told: Told) -> None:
    told.reports(LONGJIN, "听雨街路灯不亮")
    found, other = told.draft("demand", LONGJIN), told.draft("demand", XIGUAN)
    told("GET", f"/lists/{other['id']}/workbook")
    foreign = told.client.content
    book = openpyxl.Workbook()
    plain = io.BytesIO()
    book.save(plain)
    for content in (b"no workbook", foreign, plain.getvalue()):
        assert told("POST", f"/lists/{found['id']}/workbook", content)[0] == 422
    assert told("POST", f"/lists/{found['id']}/workbook", b"")[0] == 400


# -- the command line ------------------------------------------------------------------------------------------


def test_the_same_at_the_command_line(
    told: Told, opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JIAYUAN_DATABASE_URL", opened.url)
    monkeypatch.setenv("JIAYUAN_TOKEN_SECRET", TOKEN_SECRET)
    monkeypatch.setenv("JIAYUAN_ROUTING_URL", opened.settings.routing_url)  # type: ignore[attr-defined]

    def run(*arguments: str, code: int = 0) -> str:
        done: Result = CliRunner().invoke(cli.ledger, ["lists", *arguments])
        assert done.exit_code == code, done.output
        return done.output

    told.reports(LONGJIN, "听雨街路灯不亮")
    who = ("--who", "例林芳")
    of = ("--street", STREET)
    drafted = run("draft", "demand", QUARTER, *of, "--community", LONGJIN, "--since", "2026-07-01", *who)
    assert "没有设置 intake 的地址" in drafted
    demands = drafted.split()[0]
    assert (
        run("add", demands, "--category", "0601", "--title", "护学岗", "--source", "meeting", *who) == "2\n"
    )
    run("drop", demands, "2", "--reason", "另有安排", *who)
    assert "不列入：另有安排" in run("show", demands)
    run("publish", demands, *who)
    assert "已公布" in run("publish", demands, *who, code=1)
    problems = run("draft", "problem", QUARTER, *of, *who).split()[0]
    assert run("accept", problems, "--all", *who) == "1 accepted\n"
    run("publish", problems, *who)
    service = run("draft", "service", QUARTER, *of, *who).split()[0]
    run("publish", service, *who)
    limit = "2099-12-20"  # the command goes by the real time
    claim = run(
        *("claim", service, "1", "--unit", "U33", "--person", "例王明", "--until", limit),
        *("--milestone", "勘查=2099-11-20", *who),
    )
    assert claim.endswith("U33：已认领\n")
    wish = run("claim", service, "1", "--unit", "U02", "--person", "例林芳", "--until", limit, *who).split()[
        0
    ]
    assert "超额认领：1" in run("show", service)
    assert "已认领" in run("grant", wish, "--takes", "2", *who)
    assert "已退出" in run("release", wish, "--reason", "职责不符", *who)
    assert run("milestone", claim.split()[0], "1", *who) == "勘查：按期完成\n"
    assert run("done", claim.split()[0], *who) == "U33：按期完成\n"
    file = tmp_path / "服务清单.xlsx"
    run("export", service, str(file))
    assert "unchanged 1, refused 0" in run("import", service, str(file), *who)
    assert _sheet((tmp_path / "服务清单-结果.xlsx").read_bytes(), "服务清单")[0][RESULT] == "无变化：已完成"
    run("close", service, *who)
    assert run("list", "--quarter", QUARTER).count("350921001") == 3
    problem = json.loads(run("show", problems, "--json"))["lines"][0]["id"]
    assert len(json.loads(run("lineage", "problem", problem))["reports"]) == 1
    assert "is no quarter" in run("draft", "problem", "2026-4", *of, *who, code=2)
