"""Who may see and do what: the wrong ones get 401, 403 or 404, and nothing changes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from town import Town

from jiayuan.chassis import tokens

pytestmark = pytest.mark.system

OTHER_STREET = "350921002"


@dataclass
class Matter:
    """A report with its case, its one leg, and the tokens of people who have nothing to do with it."""

    report: str
    code: str
    case: dict[str, Any]
    leg: str
    wrong: dict[str, tuple[str, int]]
    """Who → token and what it is worth on the case: 401 or 403."""


@pytest.fixture(scope="module")
def matter(town: Town) -> Matter:
    receipt = town.report("松城街道西关社区路面坑洼，晚上看不清", contact=town.somebody().contact)
    case = town.case_of(receipt["id"])
    assert case["street"] != OTHER_STREET
    town.settled()
    issue, secret = town.cluster.token, town.cluster.token_secret
    stranger = next(
        p["id"] for p in town.directory["people"] if p["role"] == "worker" and OTHER_STREET in p["grid"]
    )
    right = {"iss": "jiayuan", "aud": "jiayuan", "sub": "c", "roles": ["county"], "iat": 1}
    claims = {**right, "exp": int(time.time()) + 3600}
    return Matter(
        receipt["id"],
        receipt["tracking_code"],
        case,
        case["legs"][0]["id"],
        {
            "nobody": ("", 401),
            "forged": (tokens.issue("another secret of forty characters and more", "c", ("county",)), 401),
            "unsigned": (jwt.encode(claims, None, algorithm="none"), 401),
            "expired": (tokens.issue(secret, "c", ("county",), hours=-1), 401),
            "of another house": (tokens.issue(secret, "c", ("county",), issuer="elsewhere"), 401),
            "for ever": (jwt.encode(right, secret, algorithm="HS256"), 401),
            "no token at all": ("a.b.c", 401),
            "a citizen": (issue("citizen", "citizen"), 403),
            "another unit's clerk": (issue("clerk-U14", "unit_clerk", unit="U14"), 403),
            "another street's worker": (issue(stranger, "grid_worker"), 403),
            "another street's desk": (issue("desk", "desk", street=OTHER_STREET), 403),
        },
    )


def _state(town: Town) -> list[list[dict[str, Any]]]:
    """Everything that somebody could have changed."""
    return [
        town.rows("intake", "SELECT id, state FROM report ORDER BY id"),
        town.rows("intake", "SELECT count(*) AS n FROM rating UNION ALL SELECT count(*) FROM supplement"),
        town.rows("routing", 'SELECT id, sequence, state FROM "case" ORDER BY id'),
        town.rows("routing", "SELECT count(*) AS n FROM case_step"),
        town.rows("sla", "SELECT id, state FROM clock ORDER BY id"),
        town.rows("ledger", "SELECT count(*) AS n FROM posting"),
        town.rows("notify", "SELECT count(*) AS n FROM notice"),
    ]


def test_a_case_is_for_those_who_have_a_part_in_it(town: Town, matter: Matter) -> None:
    before = _state(town)
    case, leg = f"/cases/{matter.case['id']}", f"/cases/{matter.case['id']}/legs/{matter.leg}"
    assign = {"assignee": {"type": "unit", "id": "U14"}, "reason": "请贵局办理"}
    for who, (token, status) in matter.wrong.items():
        answers = [
            town.call("routing", "GET", case, token=token),
            town.call("routing", "GET", f"/cases?report={matter.report}", token=token),
            *(
                town.call("routing", "POST", f"{leg}/{action}", {"note": "不该成功"}, token=token)
                for action in ("accept", "answer", "return", "resolve")
            ),
            town.call("routing", "POST", f"{leg}/release", {"reason": "不该成功"}, token=token),
            town.call("routing", "POST", f"{case}/assignments", assign, token=token),
        ]
        assert {a.status_code for a in answers} == {status}, who
        for a in answers:
            assert a.headers["Content-Type"] == "application/problem+json"
            assert a.json()["status"] == status
            assert matter.case["title"] not in a.text
    assert _state(town) == before


def test_clocks_entries_and_notices_are_for_staff(town: Town, matter: Matter) -> None:
    case = matter.case["id"]
    desk, worker = matter.wrong["another street's desk"][0], matter.wrong["another street's worker"][0]
    for who, (token, status) in matter.wrong.items():
        if status == 401 or who == "a citizen":
            for service, path in (
                ("sla", f"/clocks?case={case}"),
                ("sla", "/clocks/due?street=350921001"),
                ("ledger", f"/entries?case={case}"),
                ("ledger", "/accounts/2026"),
                ("notify", f"/notices?case={case}"),
            ):
                answer = town.call(service, "GET", path, token=token)
                assert answer.status_code == status, (who, path)
    # What exists in another street is none of a desk's business.
    assert town.call("sla", "GET", f"/clocks?case={case}", token=desk).status_code == 404
    assert town.call("sla", "GET", "/clocks/due?street=350921001", token=desk).status_code == 403
    assert town.call("notify", "GET", f"/notices?case={case}", token=desk).json() == {"notices": []}
    assert town.call("notify", "GET", f"/notices?case={case}", token=worker).status_code == 403
    # The yearly figures are everybody's.
    assert town.call("ledger", "GET", "/accounts/2026/summary").status_code == 200


def test_a_report_is_its_reporters(town: Town, matter: Matter) -> None:
    before = _state(town)
    path = f"/reports/{matter.report}"
    for code in ("", "?code=XP000000", f"?code={matter.code[:-1]}"):
        assert town.call("intake", "GET", path + code).status_code == 404
        for what, body in (
            ("rating", {"solved": True}),
            ("supplements", {"text": "补充"}),
            ("withdrawal", {"reason": "不要了"}),
        ):
            answer = town.call("intake", "POST", f"{path}/{what}{code}", body)
            assert answer.status_code == 404, (what, code)
    # Not with a token either: nobody rates his own work.
    assert (
        town.call("intake", "POST", f"{path}/rating", {"solved": True}, token=town.county()).status_code
        == 404
    )
    assert "tracking_code" not in town.call("intake", "GET", path, token=town.county()).json()
    for who, (token, status) in matter.wrong.items():
        find = town.call("intake", "GET", f"/reports?tracking_code={matter.code}", token=token)
        assert find.status_code == status, who
    desk = matter.wrong["another street's desk"][0]
    assert town.call("intake", "GET", path, token=desk).status_code == 403
    assert town.call("intake", "GET", path, token=matter.wrong["forged"][0]).status_code == 401
    assert _state(town) == before


def test_what_is_not_there(town: Town, matter: Matter) -> None:
    county = town.county()
    nowhere = "01900000-0000-7000-8000-000000000000"
    for service, path in (
        ("intake", f"/reports/{nowhere}"),
        ("intake", "/reports/1%27%20OR%20true"),
        ("routing", f"/cases/{nowhere}"),
        ("routing", f"/cases?report={nowhere}"),
        ("sla", f"/clocks?case={nowhere}"),
        ("ledger", f"/entries/{nowhere}"),
        ("ledger", "/nothing"),
    ):
        answer = town.call(service, "GET", path, token=county)
        assert answer.status_code == 404, path
        assert answer.headers["Content-Type"] == "application/problem+json"
    move = f"/cases/{matter.case['id']}/legs/{nowhere}/accept"
    assert town.call("routing", "POST", move, {}, token=county).status_code == 404
