"""What staff can see of notices: by HTTP and at the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner
from werkzeug.test import EnvironBuilder

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.web import Call
from jiayuan.notify import cli, handlers, routes
from jiayuan.notify.api import notices as api
from jiayuan.notify.sending import Sender

pytestmark = pytest.mark.store


@pytest.fixture
def opened(work_for: Any, events: Any) -> Any:
    """A database with a case that was assigned and whose reporter was told."""
    made = work_for("notify")
    contact = made.runtime.sealer.seal({"phone": "13905931234"}, "citizen-0123456789")
    with made() as work:
        handlers.report_received(
            work, [events.report("report-1", reporter="citizen-0123456789", contact=contact)]
        )
        handlers.record(
            work,
            [
                events.case("case.assigned", legs=[events.leg()]),
                events.case("case.answered", 4, reporters=(("report-1", "citizen-0123456789"),)),
            ],
        )
    Sender(made.runtime, routes.of(made.runtime)).turn()
    return made


def ask(opened: Any, query: str, role: str = "county", street: str = "") -> dict[str, Any]:
    """GET /notices."""
    call = Call(EnvironBuilder(path="/notices", query_string=query).get_environ())
    call.who = Principal("somebody", (role,), street)
    return api.notices(opened.runtime, call)


def test_the_notices_of_a_case_with_what_became_of_each(opened: Any) -> None:
    found = ask(opened, "case=case-1")["notices"]
    assert {(n["template"], n["state"]) for n in found} == {
        ("received", "delivered"),
        ("answered", "delivered"),
        ("assigned", "queued"),
    }
    (received,) = [n for n in found if n["template"] == "received"]
    assert [(a["number"], a["kind"], a["outcome"]) for a in received["attempts"]] == [
        (1, "send", "delivered")
    ]


def test_recipients_are_masked_and_no_phone_is_shown(opened: Any) -> None:
    said = json.dumps(ask(opened, "report=report-1"))
    assert "citizen-0123456789" not in said
    assert "cit***89" in said
    assert "1390593" not in said


def test_a_desk_sees_its_own_streets_notices_only(opened: Any) -> None:
    assert len(ask(opened, "case=case-1", "desk", "350921001")["notices"]) == 3
    assert ask(opened, "case=case-1", "desk", "350921003")["notices"] == []
    with pytest.raises(Problem) as caught:
        ask(opened, "case=case-1", "desk")
    assert caught.value.status == 403


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 400), ("state=queued", 400), ("case=a&report=b", 400), ("case=" + "x" * 129, 422)],
)
def test_a_question_must_be_narrow(opened: Any, query: str, status: int) -> None:
    with pytest.raises(Problem) as caught:
        ask(opened, query)
    assert caught.value.status == status


@pytest.mark.parametrize(("ref", "shown"), [("desk-350921001", "des***01"), ("U44", "U***")])
def test_how_a_ref_is_masked(ref: str, shown: str) -> None:
    assert api.masked(ref) == shown


def run(opened: Any, monkeypatch: pytest.MonkeyPatch, *words: str) -> Any:
    """jiayuan notify …"""
    monkeypatch.setenv("JIAYUAN_NOTIFY_DATABASE_URL", opened.url)
    return CliRunner().invoke(cli.notify, list(words))


def test_status_at_the_command_line(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run(opened, monkeypatch, "status", "--case", "case-1")
    assert shown.exit_code == 0, shown.output
    assert "delivered" in shown.output
    assert "send 1 by sink: delivered" in shown.output
    as_json = run(opened, monkeypatch, "status", "--report", "report-1", "--json")
    assert len(json.loads(as_json.output)["notices"]) == 2
    counts = run(opened, monkeypatch, "status", "--json")
    assert json.loads(counts.output)["counts"] == [
        {"role": "assignee", "state": "queued", "count": 1},
        {"role": "citizen", "state": "delivered", "count": 2},
    ]
    assert run(opened, monkeypatch, "status", "--case", "none").output == "none\n"


def test_status_of_both_is_a_question_too_many(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(opened, monkeypatch, "status", "--case", "a", "--report", "b").exit_code == 2
