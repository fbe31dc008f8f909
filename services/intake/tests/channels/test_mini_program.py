"""The mini-program's interface, through the chassis' dispatch, on a real database, with a WeChat of our own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text as sql
from werkzeug.test import EnvironBuilder

from jiayuan.chassis import tokens
from jiayuan.chassis.testing.databases import TOKEN_SECRET, Opened
from jiayuan.chassis.web import Call, dispatch
from jiayuan.intake import api as core
from jiayuan.intake import keys
from jiayuan.intake.channels.mini_program import MiniProgram, api
from jiayuan.intake.testing import wechat as fake
from jiayuan.intake.testing.wechat import FakeWechat

pytestmark = pytest.mark.store

NOW = datetime(2026, 3, 2, 0, 30, tzinfo=UTC)  # Monday 8:30 in China
NINE = "2026-03-02T09:00:00+08:00"
TEN = "2026-03-02T10:00:00+08:00"
CITIZEN = ("citizen",)


class App:
    """What a citizen's phone does."""

    def __init__(self, intake: Opened, settings: Any) -> None:
        self.intake, self.settings = intake, settings
        intake.runtime.settings = settings

    def __call__(
        self,
        handler: Callable[..., Any],
        *path: str,
        token: str = "",
        json: Any = None,
        query: Any = None,
        roles: tuple[str, ...] = CITIZEN,
        headers: dict[str, str] | None = None,
    ) -> Any:
        headers = dict(headers or {})
        if token:
            headers["Authorization"] = f"Bearer {token}"
        method = "POST" if json is not None else "GET"
        builder = EnvironBuilder(method=method, json=json, headers=headers, query_string=query)
        return dispatch(
            {},
            Call(builder.get_environ()),
            lambda call: handler(self.intake.runtime, call, *path),
            self.settings,
            roles,
            "/mini-program",
            "intake",
        )

    def sign_in(self, openid: str) -> str:
        answer = self(api.sign_in, json={"code": f"openid-{openid}"}, roles=())
        assert answer.status_code == 201, answer.get_data()
        return str(answer.get_json()["token"])


@pytest.fixture(scope="module")
def wechat() -> Iterator[FakeWechat]:
    with fake.running() as running:
        yield running


@pytest.fixture
def app(intake: Opened, wechat: FakeWechat) -> App:
    intake.clock.time = NOW
    with intake.engine.begin() as conn:
        for code, name, lat, capacity in (("sp1", "龙津近邻中心", 26.88, 1), ("sp2", "西关驿站", 26.90, 2)):
            conn.execute(
                sql(
                    "INSERT INTO service_point (code, name, kind, lat, long, services, hours, capacity, updated_at) "
                    "VALUES (:code, :name, 'station', :lat, 120.0, CAST(:services AS jsonb), "
                    "CAST(:hours AS jsonb), :capacity, now())"
                ),
                {
                    "code": code,
                    "name": name,
                    "lat": lat,
                    "capacity": capacity,
                    "services": '["理发"]' if code == "sp1" else '["理发", "家电维修"]',
                    "hours": '{"mon": ["09:00-11:00"], "tue": ["09:00-10:00"]}',
                },
            )
    return App(
        intake,
        replace(
            intake.settings,
            wechat_appid=fake.APPID,
            wechat_secret=fake.SECRET,
            wechat_base=wechat.base,
            booking_most=2,
        ),
    )


def everything(intake: Opened) -> str:
    """All that is stored."""
    out = []
    with intake.engine.connect() as conn:
        for table in intake.metadata.tables:
            out += [repr(tuple(row)) for row in conn.execute(sql(f"SELECT * FROM {table}"))]
    return "\n".join(out)


def fields_of(answer: Any) -> list[str]:
    assert answer.content_type == "application/problem+json"
    return [e["field"] for e in answer.get_json()["errors"]]


# -- signing in ------------------------------------------------------------------------------------------


def test_signing_in_gives_a_token_of_ours_for_a_while(app: App) -> None:
    answer = app(api.sign_in, json={"code": "openid-oSecret"}, roles=()).get_json()
    who = tokens.read(TOKEN_SECRET, answer["token"])
    assert (who.roles, who.subject[0]) == (CITIZEN, "p")
    assert "oSecret" not in str(answer)
    left = datetime.fromisoformat(answer["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=1.9) < left <= timedelta(hours=2)
    again = tokens.read(TOKEN_SECRET, app.sign_in("oSecret"))
    other = tokens.read(TOKEN_SECRET, app.sign_in("oOther"))
    assert again.subject == who.subject != other.subject


@pytest.mark.parametrize(("code", "status"), [("errcode-40029", 401), ("errcode-45011", 429), ("html", 502)])
def test_wechats_refusals_are_problem_documents(app: App, code: str, status: int) -> None:
    answer = app(api.sign_in, json={"code": code}, roles=())
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert answer.get_json()["type"].startswith("urn:jiayuan:problem:wechat-")


def test_a_malformed_code_is_not_sent_to_wechat(app: App, wechat: FakeWechat) -> None:
    before = len(wechat.asked)
    assert fields_of(app(api.sign_in, json={"code": "a&secret=b"}, roles=())) == ["code"]
    assert len(wechat.asked) == before


def test_without_appid_there_is_no_signing_in(intake: Opened) -> None:
    answer = App(intake, intake.settings)(api.sign_in, json={"code": "openid-x"}, roles=())
    assert (answer.status_code, answer.get_json()["type"]) == (503, "urn:jiayuan:problem:wechat-absent")


def test_neither_openid_nor_session_key_nor_number_is_stored_in_clear(app: App, intake: Opened) -> None:
    token = app.sign_in("oVerySecret")
    body = {"text": "路灯坏了", "contact": {"name": "例张三", "phone": "13800138000"}}
    assert app(api.submit, token=token, json=body).status_code == 201
    stored = everything(intake)
    for secret in ("oVerySecret", fake.SESSION_KEY, fake.SECRET, "13800138000", "例张三"):
        assert secret not in stored
    with intake.engine.connect() as conn:
        (event,) = conn.execute(sql("SELECT body FROM outbox_event")).scalars()
    report = event["data"]["report"]
    person = tokens.read(TOKEN_SECRET, token).subject
    opened = keys.current().sealer.open(report["contact"], report["reporter"])
    assert opened == {"name": "例张三", "phone": "13800138000", "openid": "oVerySecret"}
    assert person  # who reports is who has signed in, whatever number he gives: see the next test


# -- reports ---------------------------------------------------------------------------------------------


def test_every_kind_of_report(app: App) -> None:
    token = app.sign_in("o1")
    said = {
        "problem": "龙津社区听雨街的路灯坏了",
        "consultation": "请问医保怎么办",
        "dispute": "楼上漏水，邻居不肯修",
        "wish": "想要一副老花镜",
    }
    for kind, words in said.items():
        answer = app(api.submit, token=token, json={"kind": kind, "text": words})
        assert (answer.status_code, answer.get_json()["kind"]) == (201, kind)
    refused = app(api.submit, token=token, json={"kind": "appointment", "text": "预约理发"})
    assert fields_of(refused) == ["kind"]


def test_my_reports_are_mine_page_by_page(app: App) -> None:
    mine, other = app.sign_in("o1"), app.sign_in("o2")
    made = []
    for n in range(5):
        # Another's number makes it no report of his: who has signed in is who reports.
        body = {"text": f"第{n}盏路灯坏了", "contact": {"phone": "13800138000"}}
        made.append(app(api.submit, token=mine, json=body).get_json())
    app(api.submit, token=other, json={"text": "井盖没了", "contact": {"phone": "13800138000"}})
    first = app(api.mine, token=mine, query={"limit": "2"}).get_json()
    second = app(api.mine, token=mine, query={"limit": "3", "before": first["next"]}).get_json()
    shown = first["reports"] + second["reports"]
    assert [r["id"] for r in shown] == [m["id"] for m in reversed(made)]
    assert [r["tracking_code"] for r in shown] == [m["tracking_code"] for m in reversed(made)]
    assert second["next"] is None
    assert {r["status"] for r in shown} == {"received"}
    assert len(app(api.mine, token=other).get_json()["reports"]) == 1


def test_with_the_code_from_the_list_it_is_followed_added_to_rated_and_withdrawn(app: App) -> None:
    token = app.sign_in("o1")
    app(api.submit, token=token, json={"text": "路灯坏了"})
    (listed,) = app(api.mine, token=token).get_json()["reports"]
    id_, code = listed["id"], {"X-Tracking-Code": listed["tracking_code"]}
    assert app(core.track, listed["tracking_code"], roles=()).get_json()["id"] == id_
    assert app(core.supplement, id_, json={"text": "又坏了一盏"}, headers=code, roles=()).status_code == 201
    rating = {"solved": True, "satisfaction": 5, "words": "很快"}
    assert app(core.rate, id_, json=rating, headers=code, roles=()).status_code == 201
    assert app(core.withdraw, id_, json={}, headers=code, roles=()).status_code == 201
    (listed,) = app(api.mine, token=token).get_json()["reports"]
    assert listed["status"] == "withdrawn"


def test_sent_again_it_is_one_report(app: App) -> None:
    token, key = app.sign_in("o1"), {"Idempotency-Key": "k"}
    first = app(api.submit, token=token, json={"text": "路灯坏了"}, headers=key)
    again = app(api.submit, token=app.sign_in("o1"), json={"text": "路灯坏了"}, headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.get_json() == again.get_json()
    assert app(api.submit, token=app.sign_in("o2"), json={"text": "路灯坏了"}, headers=key).status_code == 201


WRONG: list[tuple[Any, str]] = [
    ({}, "text"),
    ({"text": "一", "photos": ["x"]}, "photos.0"),
    ({"text": "一", "photos": ["0" * 64] * 10}, "photos"),
    ({"text": "一", "voice": "0" * 63}, "voice"),
    ({"text": "一", "contact": {"openid": "o2"}}, "contact.openid"),
    ({"text": "一", "place": {"lat": 26.9}}, "place.long"),
    ({"text": "一", "place": {"lat": 26.9, "long": 120, "crs": "utm"}}, "place.crs"),
]


def test_what_is_wrong_is_named(app: App) -> None:
    token = app.sign_in("o1")
    for body, field in WRONG:
        answer = app(api.submit, token=token, json=body)
        assert answer.status_code == 422, body
        assert fields_of(answer) == [field]
    for query, field in (({"limit": "0"}, "limit"), ({"limit": "two"}, "limit"), ({"before": "x"}, "before")):
        assert fields_of(app(api.mine, token=token, query=query)) == [field]
    assert fields_of(app(api.mine, token=token, query="limit=1&limit=2")) == ["limit"]


def test_staff_and_strangers_are_not_citizens(app: App) -> None:
    desk = tokens.issue(TOKEN_SECRET, "d1", ("desk",))
    assert app(api.mine).status_code == 401
    assert app(api.mine, token=desk).status_code == 403
    assert app(api.mine, token="no.to.ken").status_code == 401


def test_every_entrypoint_counts_its_callers() -> None:
    for name, method in vars(MiniProgram).items():
        for entrypoint in getattr(method, "nameko_entrypoints", ()):
            assert entrypoint.before is not None, name


# -- service points and bookings --------------------------------------------------------------------------


def test_points_near_me(app: App) -> None:
    here = {"near": "26.901,120.0", "crs": "wgs84"}
    near = app(api.points, query=here, roles=()).get_json()["service_points"]
    assert [(p["code"], p["distance"]) for p in near] == [("sp2", 111), ("sp1", 2335)]
    assert (near[0]["lat"], near[0]["long"]) == (26.9, 120.0)
    assert [p["code"] for p in app(api.points, roles=()).get_json()["service_points"]] == ["sp1", "sp2"]
    only = app(api.points, query={**here, "service": "家电维修"}, roles=()).get_json()["service_points"]
    assert [p["code"] for p in only] == ["sp2"]
    shifted = app(api.points, query={"near": "26.901,120.0"}, roles=()).get_json()
    assert shifted["crs"] == "gcj02"
    assert shifted["service_points"][0]["lat"] != 26.9
    for wrong in ("26.9", "91,0", "0,181", "north,1", "1,2,3", "nan,0", "1e3,0"):
        assert fields_of(app(api.points, query={"near": wrong}, roles=())) == ["near"]


def book(app: App, token: str, start: str = NINE, **more: Any) -> Any:
    body = {"service_point": "sp1", "service": "理发", "starts_at": start, **more}
    return app(api.book, token=token, json=body)


def free(app: App) -> dict[str, int]:
    slots = app(api.slots, "sp1", query={"days": "1"}, roles=()).get_json()["slots"]
    return {s["starts_at"]: s["free"] for s in slots}


def test_a_booking_is_a_report_and_takes_a_seat(app: App, intake: Opened) -> None:
    token = app.sign_in("o1")
    answer = book(app, token, text="给老人理发，电话13900139000")
    assert answer.status_code == 201
    made = answer.get_json()
    assert (made["state"], made["name"], made["starts_at"]) == (
        "booked",
        "龙津近邻中心",
        "2026-03-02T01:00:00.000000Z",
    )
    assert free(app)["2026-03-02T01:00:00.000000Z"] == 0
    assert app(api.booked, token=token).get_json()["bookings"] == [made]
    (listed,) = app(api.mine, token=token).get_json()["reports"]
    assert (listed["kind"], listed["tracking_code"]) == ("appointment", made["tracking_code"])
    assert "139001390" not in everything(intake)
    with intake.engine.connect() as conn:
        facts = conn.execute(sql("SELECT facts FROM report")).scalar_one()
        [told] = conn.execute(
            sql("SELECT body FROM outbox_event WHERE routing_key = 'report.received'")
        ).scalars()
    assert facts["service_point"] == "sp1"
    assert told["data"]["report"]["appointment"] == {
        "point": "sp1",
        "service": facts["service"],
        "starts_at": "2026-03-02T01:00:00.000000Z",
    }


def test_a_full_slot_is_refused_and_free_ones_are_named(app: App, intake: Opened) -> None:
    book(app, app.sign_in("o1"))
    answer = book(app, app.sign_in("o2"))
    assert answer.status_code == 409
    assert fields_of(answer) == ["starts_at"]
    assert answer.get_json()["free"][0]["starts_at"] == "2026-03-02T01:30:00.000000Z"
    assert "3月2日（周一）9:30" in answer.get_json()["errors"][0]["allowed"]
    with intake.engine.connect() as conn:
        assert conn.execute(sql("SELECT count(*) FROM report")).scalar_one() == 1


def test_cancelled_the_seat_is_free_again(app: App, intake: Opened) -> None:
    one, two = app.sign_in("o1"), app.sign_in("o2")
    made = book(app, one).get_json()
    assert app(api.cancel, made["report"], token=two, json={}).status_code == 404
    gone = app(api.cancel, made["report"], token=one, json={"reason": "有事"})
    assert (gone.status_code, gone.get_json()["state"]) == (201, "cancelled")
    assert app(api.cancel, made["report"], token=one, json={}).get_json()["state"] == "cancelled"
    assert book(app, two).status_code == 201
    with intake.engine.connect() as conn:
        names = [
            b["type"].split(".")[3]
            for b in conn.execute(sql("SELECT body FROM outbox_event ORDER BY id")).scalars()
        ]
    assert names == ["received", "withdrawn", "received"]


def test_withdrawn_as_a_report_the_seat_is_free_too(app: App) -> None:
    token = app.sign_in("o1")
    made = book(app, token).get_json()
    headers = {"X-Tracking-Code": made["tracking_code"]}
    assert app(core.withdraw, made["report"], json={}, headers=headers, roles=()).status_code == 201
    assert free(app)["2026-03-02T01:00:00.000000Z"] == 1
    assert app(api.booked, token=token).get_json()["bookings"][0]["state"] == "cancelled"


def test_moved_the_old_seat_is_free_and_nothing_is_lost_when_the_new_one_is_taken(app: App) -> None:
    one, two = app.sign_in("o1"), app.sign_in("o2")
    made = book(app, one).get_json()
    assert book(app, two, TEN).status_code == 201
    refused = app(api.move, made["report"], token=one, json={"starts_at": TEN})
    assert refused.status_code == 409
    assert free(app)["2026-03-02T01:00:00.000000Z"] == 0
    moved = app(api.move, made["report"], token=one, json={"starts_at": "2026-03-03T09:00:00+08:00"})
    assert moved.status_code == 201
    assert free(app)["2026-03-02T01:00:00.000000Z"] == 1
    now, before = app(api.booked, token=one).get_json()["bookings"]
    assert (now["state"], before["state"]) == ("booked", "cancelled")
    assert before["moved_to"] == now["report"] == moved.get_json()["report"]
    assert app(api.move, made["report"], token=one, json={"starts_at": NINE}).status_code == 409


def test_what_cannot_be_booked(app: App) -> None:
    token = app.sign_in("o1")
    assert book(app, token, service_point="sp9").status_code == 404
    for more, field in (
        ({"service": "洗车"}, "service"),
        ({"start": "2026-03-02T08:00:00+08:00"}, "starts_at"),  # before opening
        ({"start": "2026-03-02T09:10:00+08:00"}, "starts_at"),  # in the middle
        ({"start": "2026-02-23T09:00:00+08:00"}, "starts_at"),  # past
        ({"start": "2026-04-06T09:00:00+08:00"}, "starts_at"),  # too far away
        ({"start": "0001-01-01T00:00:00+14:00"}, "starts_at"),
        ({"start": "9999-12-31T23:59:59-14:00"}, "starts_at"),
    ):
        answer = book(app, token, **more)
        assert answer.status_code in (409, 422), more
        assert fields_of(answer) == [field]
    assert book(app, token).status_code == 201
    clash = book(app, token, service_point="sp2")
    assert (clash.status_code, fields_of(clash)) == (409, ["starts_at"])
    assert book(app, token, TEN).status_code == 201
    assert book(app, token, "2026-03-03T09:00:00+08:00").get_json()["title"] == "Too many appointments"


def test_a_time_may_have_any_offset(app: App) -> None:
    token = app.sign_in("o1")
    assert book(app, token, "2026-03-01T07:30:00-17:30").status_code == 201
    query = {"before": "2026-03-02T09:00:00-17:30"}
    assert len(app(api.booked, token=token, query=query).get_json()["bookings"]) == 1


def test_what_has_begun_is_not_changed_any_more(app: App, intake: Opened) -> None:
    token = app.sign_in("o1")
    made = book(app, token).get_json()
    intake.clock.time = NOW + timedelta(hours=1)
    assert app(api.cancel, made["report"], token=token, json={}).status_code == 409
    assert app(api.move, made["report"], token=token, json={"starts_at": TEN}).status_code == 409


def test_a_booking_sent_again_takes_one_seat(app: App) -> None:
    token, key = app.sign_in("o1"), {"Idempotency-Key": "k"}
    body = {"service_point": "sp2", "service": "理发", "starts_at": NINE}
    first = app(api.book, token=token, json=body, headers=key)
    again = app(api.book, token=token, json=body, headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.get_json() == again.get_json()


def test_slots_of_a_point(app: App) -> None:
    found = app(api.slots, "sp1", query={"days": "2"}, roles=()).get_json()["slots"]
    assert [s["free"] for s in found] == [1] * 6
    later = app(api.slots, "sp1", query={"day": "2026-03-03", "days": "1"}, roles=()).get_json()["slots"]
    assert later == found[4:]
    assert app(api.slots, "nowhere", roles=()).status_code == 404
    assert fields_of(app(api.slots, "sp1", query={"day": "2026-02-30"}, roles=())) == ["day"]
