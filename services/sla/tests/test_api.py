"""Reading clocks by HTTP and in the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from click.testing import CliRunner
from werkzeug.test import EnvironBuilder

from jiayuan.chassis.errors import Problem, StartError
from jiayuan.chassis.testing.databases import Opened, WorkFor
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.web import Call
from jiayuan.sla import api, cli, handlers

pytestmark = pytest.mark.store
Moment = Callable[[float], datetime]
COUNTY = Principal("c-1", ("county",))
DESK = Principal("d-1", ("desk",), "350921001")
STRANGER = Principal("d-2", ("desk",), "350921002")


def call(who: Principal, **query: str) -> Call:
    asked = Call(EnvironBuilder(path="/clocks", query_string=query).get_environ())
    asked.who = who
    return asked


@pytest.fixture
def open_work(work_for: WorkFor, life: Any, moment: Moment) -> Opened:
    """Three cases: one answered, one running, one paused."""
    opened = work_for("sla")
    one, two, three = life("case-1"), life("case-2", citizen=None), life("case-3", citizen=None)
    events = [one.assign(0), one.answer(600), two.assign(100), three.assign(0), three.pause(10)]
    with opened(now=moment(600)) as work:
        handlers.case_changed(work, events)
    return opened


def test_the_clocks_of_a_case_with_their_lights(open_work: Opened, moment: Moment) -> None:
    open_work.clock.time = moment(86401)
    found = api.of_case(open_work.runtime, call(DESK, case="case-1"))
    assert found["case"] == "case-1"
    shown = {c["kind"]: c for c in found["clocks"]}
    assert (shown["response"]["state"], shown["response"]["light"]) == ("met", "green")
    assert shown["response"]["percent"] == 66
    assert (shown["finish"]["light"], shown["finish"]["percent"]) == ("red", 100)
    assert shown["finish"]["assignee"] == {"type": "person", "id": "worker-1"}
    assert (shown["citizen"]["light"], shown["citizen"]["assignee"]) == ("green", None)
    assert json.dumps(found)


def test_time_in_a_pause_does_not_count(open_work: Opened, moment: Moment) -> None:
    open_work.clock.time = moment(100000)
    found = api.of_case(open_work.runtime, call(COUNTY, case="case-3"))
    assert {(c["paused"], c["light"], c["percent"]) for c in found["clocks"]} == {
        (True, "green", 1),
        (True, "green", 0),
    }


def test_what_goes_red_next(open_work: Opened, moment: Moment) -> None:
    open_work.clock.time = moment(900)
    found = api.due(open_work.runtime, call(DESK))["clocks"]
    assert [(c["case"], c["kind"], c["light"]) for c in found] == [
        ("case-2", "response", "yellow"),
        ("case-1", "finish", "green"),
        ("case-2", "finish", "green"),
        ("case-1", "citizen", "green"),
    ]
    assert len(api.due(open_work.runtime, call(COUNTY, street="350921001", limit="2"))["clocks"]) == 2
    assert api.due(open_work.runtime, call(COUNTY, street="350921009"))["clocks"] == []


@pytest.mark.parametrize(
    ("who", "query", "status"),
    [
        (COUNTY, {}, 422),
        (COUNTY, {"street": "x" * 200}, 422),
        (DESK, {"limit": "0"}, 422),
        (DESK, {"limit": "201"}, 422),
        (DESK, {"limit": "many"}, 422),
        (STRANGER, {"street": "350921001"}, 403),
    ],
)
def test_a_query_that_is_not_usable(
    open_work: Opened, who: Principal, query: dict[str, str], status: int
) -> None:
    with pytest.raises(Problem) as refusal:
        api.due(open_work.runtime, call(who, **query))
    assert refusal.value.status == status


@pytest.mark.parametrize(
    ("who", "query", "status"),
    [
        (COUNTY, {}, 422),
        (COUNTY, {"case": "none"}, 404),
        (STRANGER, {"case": "case-1"}, 404),
    ],
)
def test_a_case_that_cannot_be_shown(
    open_work: Opened, who: Principal, query: dict[str, str], status: int
) -> None:
    with pytest.raises(Problem) as refusal:
        api.of_case(open_work.runtime, call(who, **query))
    assert refusal.value.status == status


def test_in_the_terminal(open_work: Opened) -> None:
    environment = {"JIAYUAN_DATABASE_URL": open_work.url}
    shown = CliRunner().invoke(cli.sla, ["clocks", "case-1"], env=environment)
    assert shown.exit_code == 0, shown.output
    assert {line.split()[0] for line in shown.output.splitlines()} == {"response", "finish", "citizen"}
    assert "2026-03-02 09:00:00 → 2026-03-02 09:15:00" in shown.output
    lines = CliRunner().invoke(cli.sla, ["clocks", "case-1", "--json"], env=environment).output.splitlines()
    assert {json.loads(line)["kind"] for line in lines} == {"response", "finish", "citizen"}
    missing = CliRunner().invoke(cli.sla, ["clocks", "none"], env=environment)
    assert isinstance(missing.exception, StartError)
