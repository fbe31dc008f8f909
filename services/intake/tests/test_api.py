"""HTTP, through the chassis' dispatch with werkzeug's test objects, on a real database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text as sql
from werkzeug.test import EnvironBuilder

from jiayuan.chassis import tokens
from jiayuan.chassis.testing.databases import TOKEN_SECRET, Opened
from jiayuan.chassis.web import Call, dispatch
from jiayuan.intake import api
from jiayuan.intake.api import show, submit

pytestmark = pytest.mark.store

BODY = {
    "title": "路灯不亮",
    "text": "龙津社区听雨街的路灯坏了，电话13800138000",
    "place": {"text": "松城街道"},
    "contact": {"name": "例张三", "phone": "13800138000"},
}
Send = Callable[..., Any]


@pytest.fixture
def send(intake: Opened) -> Send:
    def send(
        handler: Any,
        *path: str,
        method: str = "POST",
        json: Any = None,
        roles: tuple[str, ...] = (),
        **how: Any,
    ) -> Any:
        headers = dict(how.get("headers") or {})
        if roles:
            token = tokens.issue(TOKEN_SECRET, "someone", roles, street=how.get("street", ""))
            headers["Authorization"] = f"Bearer {token}"
        builder = EnvironBuilder(
            method=method, path="/reports", json=json, headers=headers, query_string=how.get("query")
        )
        call = Call(builder.get_environ())
        return dispatch(
            {},
            call,
            lambda c: handler(intake.runtime, c, *path),
            intake.settings,
            (),
            "/reports",
            "intake",
        )

    return send


def _events(intake: Opened) -> list[Any]:
    with intake.engine.connect() as conn:
        rows = conn.execute(
            sql("SELECT body FROM outbox_event WHERE exchange = 'jiayuan.events' ORDER BY id")
        )
        return [r.body for r in rows]


def test_a_report_is_taken_and_answered(intake: Opened, send: Send) -> None:
    response = send(submit, json=BODY, headers={"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"})
    assert response.status_code == 201
    said = response.get_json()
    assert said["tracking_code"].startswith("XP")
    assert said["place"]["name"] == "松城街道龙津社区"
    assert said["category"]["code"] == "0102"
    assert "advice" not in said
    assert "13800138000" not in response.get_data(as_text=True)
    (event,) = _events(intake)
    assert event["subject"] == said["id"]
    assert event["traceparent"].split("-")[1] == "1" * 32
    assert event["data"]["report"]["channel"] == "mini_program"


def test_danger_is_answered_with_advice(send: Send) -> None:
    said = send(submit, json={"text": "龙津社区三楼着火了"}).get_json()
    assert "请立即拨打119" in said["advice"]
    assert said["signs"] == [{"code": "fire", "call": "119"}]


def test_sent_again_with_its_key_it_is_the_first_answer(intake: Opened, send: Send) -> None:
    key = {"Idempotency-Key": "k-1"}
    first = send(submit, json=BODY, headers=key)
    reordered = dict(reversed(BODY.items()))
    again = send(submit, json=reordered, headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.get_json() == first.get_json()
    other = send(submit, json={**BODY, "text": "别的事情"}, headers=key)
    assert other.status_code == 409
    assert other.content_type == "application/problem+json"
    # Another person's key is another key.
    elsewhere = send(submit, json={**BODY, "contact": {"phone": "13900139000"}}, headers=key)
    assert elsewhere.status_code == 201
    assert len(_events(intake)) == 2


def test_a_refused_report_does_not_use_its_key_up(send: Send) -> None:
    key = {"Idempotency-Key": "k-2"}
    assert send(submit, json={"text": "\u200b"}, headers=key).status_code == 422
    assert send(submit, json={"text": "路灯坏了"}, headers=key).status_code == 201


WRONG: list[tuple[Any, str]] = [
    ({}, "text"),
    ({"text": ""}, "text"),
    ({"text": "字" * 8001}, "text"),
    ({"text": "一", "tilte": "二"}, "tilte"),
    ({"text": "一", "kind": "rumour"}, "kind"),
    ({"text": "一", "channel": "government_system"}, "channel"),
    ({"text": "一", "contact": {"phone": "call me"}}, "contact.phone"),
    ({"text": "一", "occurred_at": "2026-03-01 09:30"}, "occurred_at"),
    ({"text": "一", "category": "9999"}, "category"),
    ({"text": "一", "place": {"lat": 26.9}}, "place.long"),
    ({"text": "一", "place": {"code": "440100"}}, "place.code"),
]


def test_what_is_wrong_is_named(intake: Opened, send: Send) -> None:
    for body, field in WRONG:
        response = send(submit, json=body)
        assert response.status_code == 422, body
        assert [e["field"] for e in response.get_json()["errors"]] == [field]
    assert _events(intake) == []


def test_only_the_tracking_code_or_a_token_shows_a_report(send: Send) -> None:
    made = send(submit, json=BODY).get_json()
    id_, code = made["id"], made["tracking_code"]
    assert send(show, id_, method="GET").status_code == 404
    assert send(show, id_, method="GET", query={"code": "XP0000000000"}).status_code == 404
    assert send(show, "no-uuid", method="GET", query={"code": code}).status_code == 404
    assert (
        send(show, "018f0000-0000-7000-8000-000000000000", method="GET", query={"code": code}).status_code
        == 404
    )
    by_query = send(show, id_, method="GET", query={"code": f"{code[:6]} {code[6:].lower()}"})
    assert by_query.status_code == 200
    assert send(show, id_, method="GET", headers={"X-Tracking-Code": code}).get_json() == by_query.get_json()
    text = by_query.get_data(as_text=True)
    assert "13800138000" not in text
    assert "例张三" not in text
    assert "138****8000" in text


def test_staff_see_their_street_and_never_the_code(send: Send) -> None:
    made = send(submit, json=BODY).get_json()
    own = send(show, made["id"], method="GET", roles=("desk",), street="350921001")
    assert own.status_code == 200
    assert "tracking_code" not in own.get_json()
    assert send(show, made["id"], method="GET", roles=("desk",), street="350921002").status_code == 403
    assert send(show, made["id"], method="GET", roles=("county",)).status_code == 200
    assert send(show, made["id"], method="GET", roles=("citizen",)).status_code == 404


def test_rating_supplement_and_withdrawal(intake: Opened, send: Send) -> None:
    made = send(submit, json=BODY).get_json()
    id_, mine = made["id"], {"X-Tracking-Code": made["tracking_code"]}
    supplement = {"text": "还有一盏也壞了，打13900139000"}
    assert send(api.supplement, id_, json=supplement).status_code == 404
    assert send(api.supplement, id_, json=supplement, headers=mine).status_code == 201
    rating = {"solved": False, "satisfaction": 2, "words": "没修好，13900139000"}
    assert send(api.rate, id_, json=rating, headers=mine).status_code == 201
    for no in ("no", 0, 1, None):
        assert send(api.rate, id_, json={"solved": no}, headers=mine).status_code == 422
    assert send(api.rate, id_, json={"solved": True, "satisfaction": 6}, headers=mine).status_code == 422
    first = send(api.withdraw, id_, json={"reason": "自己修了"}, headers=mine)
    again = send(api.withdraw, id_, json={"reason": "自己修了"}, headers=mine)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.get_json() == again.get_json()
    assert send(api.supplement, id_, json=supplement, headers=mine).status_code == 409
    assert send(api.rate, id_, json=rating, headers=mine).status_code == 409
    events = _events(intake)
    assert [(e["type"].split(".")[3], e["sequence"]) for e in events] == [
        ("received", 1),
        ("supplemented", 2),
        ("rated", 3),
        ("withdrawn", 4),
    ]
    assert all("139001390" not in str(e) for e in events)
    seen = send(show, id_, method="GET", headers=mine).get_json()
    assert seen["state"] == "withdrawn"
    assert [s["text"] for s in seen["supplements"]] == ["还有一盏也坏了，打139****9000"]
    assert seen["ratings"][0]["satisfaction"] == 2


def test_a_reporter_who_does_not_know_whether_it_is_solved_says_how_satisfied_he_is(
    intake: Opened, send: Send
) -> None:
    made = send(submit, json=BODY).get_json()
    id_, mine = made["id"], {"X-Tracking-Code": made["tracking_code"]}
    refused = send(api.rate, id_, json={"solved": None}, headers=mine)
    assert (refused.status_code, refused.get_json()["errors"][0]["field"]) == (422, "satisfaction")
    for stars, guess in ((2, False), (3, True)):
        answer = send(api.rate, id_, json={"solved": None, "satisfaction": stars}, headers=mine)
        assert (answer.status_code, answer.get_json()["solved"]) == (201, None)
        said = [e["data"] for e in _events(intake) if e["type"].endswith("rated.v1")][-1]
        assert (said["solved"], said["unsure"]) == (guess, True)
    seen = send(show, id_, method="GET", headers=mine).get_json()
    assert [r["solved"] for r in seen["ratings"]] == [None, None]


def test_a_rating_sent_again_counts_once(intake: Opened, send: Send) -> None:
    made = send(submit, json=BODY).get_json()
    headers = {"X-Tracking-Code": made["tracking_code"], "Idempotency-Key": "r"}
    first = send(api.rate, made["id"], json={"solved": True}, headers=headers)
    again = send(api.rate, made["id"], json={"solved": True}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.get_json() == again.get_json()
    stranger = send(api.rate, made["id"], json={"solved": True}, headers={"Idempotency-Key": "r"})
    assert stranger.status_code == 404
    assert len(_events(intake)) == 2


def test_a_malformed_key_is_refused(send: Send) -> None:
    assert send(submit, json=BODY, headers={"Idempotency-Key": "k" * 201}).status_code == 400
