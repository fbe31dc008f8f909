"""Who sees which field of a case, and that every reading is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from jiayuan.chassis.config import load
from jiayuan.chassis.errors import StartError
from jiayuan.contracts.schemas import case as contract
from jiayuan.routing import reads, visibility
from jiayuan.routing.catalogue import RoutingSettings

TOGETHER = {"signs": [{"code": "fire", "call": "119"}]}  # U05 leads, U03 and U06 assist
STREET = "350921001"
DESK = {"role": "desk", "street": STREET, "who": "d1"}
COUNTY = {"role": "county", "who": "k1"}


def clerk(unit: str) -> dict[str, str]:
    return {"role": "unit_clerk", "unit": unit, "who": f"clerk-{unit}"}


def worker(case: dict[str, Any]) -> dict[str, str]:
    return {"role": "grid_worker", "who": case["legs"][0]["assignee"]["id"]}


def test_every_field_of_a_case_is_decided() -> None:
    """A new field: a line in NEEDED or in NOT_NEEDED of `visibility`. Until then no handler sees it."""
    assert set(contract.Case().fields) <= {*visibility.NEEDED, *visibility.NOT_NEEDED}
    assert not set(visibility.NEEDED) & set(visibility.NOT_NEEDED)


# -- who sees what -----------------------------------------------------------------------------------

# For each kind of reader: reporters' pseudonyms, notes on others' legs, legs of others.
EVERYBODY = {
    "county": (COUNTY, True, True, True),
    "the street's desk": (DESK, True, True, True),
    "the street's convener": ({"role": "convener", "street": STREET}, True, True, True),
    "an inspector of the street": ({"role": "inspector", "street": STREET}, False, True, True),
    "an inspector of the county": ({"role": "inspector"}, False, True, True),
    "the lead": (clerk("U05"), False, False, True),
    "an assistant": (clerk("U03"), False, False, True),
    "operator": ({"role": "operator"}, False, False, True),
    "service": ({"role": "service"}, False, False, True),
}
NOBODY = {
    "another unit": clerk("U49"),
    "another street's desk": {"role": "desk", "street": "350921002"},
    "another street's convener": {"role": "convener", "street": "350921002"},
    "another street's inspector": {"role": "inspector", "street": "350921002"},
    "a worker without a leg": {"role": "grid_worker", "who": "p00001"},
    "a leader of nowhere": {"role": "grid_leader", "who": "x"},
    "a mediator without it": {"role": "mediator", "who": "m1"},
    "a volunteer who wasn't asked": {"role": "volunteer", "who": "v1"},
    "a cadre": {"role": "cadre", "who": "c1"},
}
OUTSIDE = ("citizen", "organisation", "auditor", "privacy_officer", "rider", "liaison", "agent")


@pytest.fixture
def whistled(routing: Any, client: Any) -> dict[str, Any]:
    """A case of three units; U06 has written something, and so has the lead."""
    case = routing.open(**TOGETHER)
    legs = {leg["assignee"]["id"]: leg["id"] for leg in case["legs"]}
    for unit in ("U06", "U05"):
        body = {"note": f"{unit}的内部说明", "evidence": ["https://example.invalid/1"]}
        status, _ = client("POST", f"/cases/{case['id']}/legs/{legs[unit]}/accept", body, **clerk(unit))
        assert status == 200
    return case


@pytest.mark.store
@pytest.mark.parametrize("reader", EVERYBODY)
def test_who_sees_which_fields(whistled: dict[str, Any], client: Any, reader: str) -> None:
    who, reporters, notes, others = EVERYBODY[reader]
    status, found = client("GET", f"/cases/{whistled['id']}", **who)
    assert status == 200
    assert any("reporter" in r for r in found["case"]["reports"]) is reporters
    assert ("U06的内部说明" in str(found["steps"])) is notes
    assert (len(found["case"]["legs"]) == 3) is others
    # Nobody's contact is anywhere, sealed or not.
    assert "contact" not in str(found)
    assert "phone" not in str(found)


@pytest.mark.store
@pytest.mark.parametrize("reader", NOBODY)
def test_who_has_no_part_sees_nothing(whistled: dict[str, Any], client: Any, reader: str) -> None:
    status, found = client("GET", f"/cases/{whistled['id']}", **NOBODY[reader])
    assert status == 403
    assert whistled["title"] not in str(found)


@pytest.mark.store
@pytest.mark.parametrize("role", OUTSIDE)
def test_who_has_nothing_to_do_with_cases(whistled: dict[str, Any], client: Any, role: str) -> None:
    for path in (f"/cases/{whistled['id']}", "/cases", "/legs", "/approvals"):
        assert client("GET", path, role=role)[0] == 403


@pytest.mark.store
def test_a_unit_reads_its_own_notes_and_who_else_works_on_it(whistled: dict[str, Any], client: Any) -> None:
    found = client("GET", f"/cases/{whistled['id']}", **clerk("U06"))[1]
    assert "U06的内部说明" in str(found["steps"])
    assert "U05的内部说明" not in str(found)
    lead = next(leg for leg in found["case"]["legs"] if leg["assignee"]["id"] == "U05")
    assert (lead["state"], "reason" in lead) == ("accepted", False)
    accepted = [s for s in found["steps"] if s["action"] == "accept"]
    assert [(s["actor"], s["evidence"] == []) for s in accepted] == [("clerk-U06", False), ("U05", True)]
    assert found["assignees"].keys() == {"U05", "U03", "U06"}


@pytest.mark.store
def test_a_unit_that_has_returned_it_sees_what_it_did_and_no_more(routing: Any, client: Any) -> None:
    case = routing.open(**TOGETHER)
    legs = {leg["assignee"]["id"]: leg["id"] for leg in case["legs"]}
    path = f"/cases/{case['id']}/legs/{legs['U03']}/return"
    assert client("POST", path, {"note": "不归我局"}, **clerk("U03"))[0] == 200
    client("POST", f"/cases/{case['id']}/legs/{legs['U05']}/accept", {"note": "收到"}, **clerk("U05"))
    status, found = client("GET", f"/cases/{case['id']}", **clerk("U03"))
    assert status == 200
    assert [leg["assignee"]["id"] for leg in found["case"]["legs"]] == ["U03"]
    assert [s["action"] for s in found["steps"]] == ["return"]
    assert "whistle" not in found["case"]


@pytest.mark.store
def test_a_worker_sees_no_reporter_and_the_reporters_words_only_as_such(routing: Any, client: Any) -> None:
    case = routing.open()
    report = case["reports"][0]["id"]
    routing.said("report.supplemented", report, 5, text="还在", sequence=2)
    routing.said("report.withdrawn", report, 9, reason="我自己解决了")
    found = client("GET", f"/cases/{case['id']}", **worker(case))[1]
    assert "reporter" not in found["case"]["reports"][0]
    said = [s for s in found["steps"] if s["action"] in ("supplemented", "withdraw")]
    assert {s["actor"] for s in said} == {"reporter"}
    assert "我自己解决了" not in str(found)
    assert "我自己解决了" in str(client("GET", f"/cases/{case['id']}", **DESK)[1])


@pytest.mark.store
def test_a_chief_sees_the_community_without_its_reporters(routing: Any, client: Any) -> None:
    case = routing.open()
    chief = dict(routing.rows("SELECT community, id FROM person WHERE role = 'chief'"))["350921001001"]
    status, found = client("GET", f"/cases/{case['id']}", role="grid_chief", who=chief)
    assert status == 200
    assert "reporter" not in found["case"]["reports"][0]
    assert len(found["steps"]) == 2


# -- the read log ------------------------------------------------------------------------------------


@pytest.mark.store
def test_every_reading_of_a_case_is_kept(routing: Any, client: Any) -> None:
    case = routing.open()
    client("GET", f"/cases/{case['number']}?why=群众来电询问13900001111", **DESK)
    client("GET", f"/cases?report={case['reports'][0]['id']}", **COUNTY)
    client("GET", f"/cases/{case['id']}", **worker(case))
    client("GET", f"/cases/{case['id']}", **NOBODY["another street's desk"])
    rows = routing.rows("SELECT who, what, case_id, subject, fields, why, at, via FROM read_log ORDER BY id")
    me = case["legs"][0]["assignee"]["id"]
    assert [(r.who, r.fields, r.why) for r in rows] == [
        ("d1", "reporters,notes", f"desk of {STREET}: 群众来电询问139****1111"),
        ("k1", "reporters,notes", "county"),
        (me, "own", "assignee"),
    ]
    assert {(r.what, r.case_id, r.subject, r.via) for r in rows} == {
        ("case", case["id"], case["number"], "http")
    }


@pytest.mark.store
def test_the_read_log_is_only_ever_added_to(routing: Any, client: Any) -> None:
    case = routing.open()
    client("GET", f"/cases/{case['id']}", **DESK)
    for table in ("read_log", "acting"):
        for sql in (f"DELETE FROM {table}", f"UPDATE {table} SET who = 'nobody'", f"TRUNCATE {table}"):
            with (
                pytest.raises(DBAPIError, match="permission denied"),
                routing.opened.engine.begin() as conn,
            ):
                conn.execute(text(sql))


@pytest.mark.store
def test_old_lines_of_the_read_log_are_forgotten_in_batches(
    routing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with routing.opened.engine.begin() as conn:
        conn.execute(
            text(
                "INSERT INTO read_log (at, who, roles, via, operator, what, subject, fields, why) "
                "SELECT now() - days * interval '1 day', 'd' || days, '', 'http', '', 'case', '', '', '' "
                "FROM unnest(CAST(ARRAY[1200, 1100, 1097, 1000, 184, 182, 1] AS int[])) AS days"
            )
        )

    def left() -> list[str]:
        return [row.who for row in routing.rows("SELECT who FROM read_log ORDER BY id")]

    runtime = routing.opened.runtime
    monkeypatch.setattr(runtime.clock, "time", datetime.now(UTC), raising=False)
    monkeypatch.setattr(runtime, "settings", replace(runtime.settings, reads_days=1096))
    monkeypatch.setattr(reads, "_BATCH", 2)
    assert reads.forget(runtime) is True
    assert left() == ["d1097", "d1000", "d184", "d182", "d1"]
    assert reads.forget(runtime) is False
    assert left() == ["d1000", "d184", "d182", "d1"]
    # Whatever the service asks for, the database keeps half a year.
    monkeypatch.setattr(reads, "_BATCH", 500)
    monkeypatch.setattr(runtime.clock, "time", datetime.now(UTC) + timedelta(days=3000), raising=False)
    assert reads.forget(runtime) is False
    assert left() == ["d182", "d1"]


def test_the_read_log_is_kept_half_a_year_at_least() -> None:
    environ = {"JIAYUAN_DATABASE_URL": "postgresql://x/y", "JIAYUAN_AMQP_URI": ""}
    assert load(RoutingSettings, "routing", environ).reads_days == 3 * 365 + 1
    with pytest.raises(StartError, match="reads_days is 182, it must be 183 or more"):
        load(RoutingSettings, "routing", {**environ, "JIAYUAN_READS_DAYS": "182"})


@pytest.mark.store
def test_an_answer_is_of_a_version_and_in_no_cache(routing: Any, client: Any) -> None:
    case = routing.open()
    client("GET", f"/cases/{case['id']}", **DESK)
    assert client.headers["ETag"] == '"2"'
    assert client.headers["Cache-Control"] == "no-store"


# -- contacts ----------------------------------------------------------------------------------------


def contact(client: Any, id_: str, body: dict[str, Any] | None = None, **who: str) -> tuple[int, Any]:
    body = {"why": "催办需要电话联系"} if body is None else body
    status, found = client("POST", f"/directory/contacts/{id_}/reading", body, **who)
    return status, found


@pytest.mark.store
def test_a_contact_is_for_who_says_why_and_is_kept(routing: Any, client: Any) -> None:
    case = routing.open()
    me = case["legs"][0]["assignee"]["id"]
    status, found = contact(client, me, **DESK)
    assert status == 200
    assert found["contact"]["phone"]
    [row] = routing.rows("SELECT who, what, subject, fields, why, case_id FROM read_log")
    assert tuple(row) == ("d1", "contact", me, "contact", "催办需要电话联系", None)
    assert found["contact"]["phone"] not in str(row)


@pytest.mark.store
def test_who_needs_a_contact(routing: Any, client: Any) -> None:
    here, there = (
        routing.open(),
        routing.open(at=1, place={"street": "350921002", "community": "350921002001"}),
    )
    mine, theirs = (case["legs"][0]["assignee"]["id"] for case in (here, there))
    about = {"why": "核实地点", "case": here["number"]}
    assert contact(client, theirs, **DESK)[0] == 403
    assert contact(client, theirs, **COUNTY)[0] == 200
    assert contact(client, f"desk-{STREET}", **worker(here))[0] == 403
    assert contact(client, f"desk-{STREET}", about, **worker(here))[0] == 200
    assert contact(client, theirs, about, **worker(here))[0] == 403
    assert contact(client, mine, about, **worker(there))[0] == 403
    assert contact(client, "U05", **clerk("U03"))[0] == 403
    assert contact(client, "U05", **DESK)[0] == 200
    assert contact(client, "nowhere", **COUNTY)[0] == 404
    assert contact(client, mine, {"why": "核实地点", "case": "nowhere"}, **COUNTY)[0] == 404
    assert contact(client, mine, {"why": ""}, **DESK)[0] == 422
    assert contact(client, mine, {}, **DESK)[0] == 422
    for role in ("operator", "service", "citizen", "volunteer", "auditor"):
        assert contact(client, mine, role=role)[0] == 403
    # What was refused was not seen.
    assert len(routing.rows("SELECT 1 FROM read_log")) == 3


# -- reading the log ---------------------------------------------------------------------------------


@pytest.fixture
def command(routing: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`jiayuan routing …`."""
    from click.testing import CliRunner

    from jiayuan.routing.cli import routing as group

    monkeypatch.setenv("JIAYUAN_ROUTING_DATABASE_URL", routing.url)
    monkeypatch.setenv("JIAYUAN_SEAL_KEYS", routing.opened.settings.seal_keys)
    return lambda *arguments: CliRunner().invoke(group, [str(a) for a in arguments], catch_exceptions=False)


@pytest.mark.store
def test_an_auditor_lists_the_readings(routing: Any, client: Any, command: Any) -> None:
    case, other = routing.open(), routing.open(at=1)
    for _ in range(3):
        client("GET", f"/cases/{case['id']}", **DESK)
    client("GET", f"/cases/{other['id']}", **COUNTY)
    auditor = {"role": "auditor", "who": "a1"}
    status, found = client("GET", f"/reads?case={case['number']}&limit=2", **auditor)
    assert (status, len(found["reads"])) == (200, 2)
    rest = client("GET", f"/reads?case={case['number']}&limit=2&before={found['next']}", **auditor)[1]
    assert (len(rest["reads"]), rest["next"]) == (1, None)
    assert found["reads"][0]["id"] > found["reads"][1]["id"] > rest["reads"][0]["id"]
    assert [r["subject"] for r in client("GET", "/reads?who=k1", **auditor)[1]["reads"]] == [other["number"]]
    assert len(client("GET", f"/reads?subject={other['number']}", **auditor)[1]["reads"]) == 1
    assert client("GET", "/reads?since=2030-01-01T00:00:00Z", **auditor)[1]["reads"] == []
    assert len(client("GET", "/reads?until=2030-01-01T00:00:00Z", **auditor)[1]["reads"]) == 4
    assert client("GET", "/reads?case=nowhere", **auditor)[0] == 422
    assert client("GET", "/reads?since=soon", **auditor)[0] == 422
    for who in (DESK, COUNTY, {"role": "operator"}, clerk("U05")):
        assert client("GET", "/reads", **who)[0] == 403

    done = command("reads", "--case", case["number"])
    assert (done.exit_code, len(done.output.splitlines())) == (0, 3)
    assert f"d1 [desk]  case {case['number']}: reporters,notes — desk of {STREET}" in done.output
    assert len(command("reads", "--who", "k1", "--since", "2026-03-02", "--json").output.splitlines()) == 1
    assert command("reads", "--since", "2026-03-03").output == "none\n"
    wrong = command("reads", "--since", "gestern")
    assert (wrong.exit_code, "--since gestern: a day like" in wrong.output) == (1, True)
    assert command("reads", "--case", "nowhere").exit_code == 1
