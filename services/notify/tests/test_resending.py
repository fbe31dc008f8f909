"""A notice that a person has sent again, and how notices are found, at the command line and by HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner
from rigs import Rig, Scripted

from jiayuan.chassis.testing.client import Client
from jiayuan.notify import receiving, routes
from jiayuan.notify.cli import notify
from jiayuan.notify.providers.base import Receipt
from jiayuan.notify.routes import Route
from jiayuan.notify.sending import Sender
from jiayuan.notify.states import Outcome

pytestmark = pytest.mark.store


@pytest.fixture
def command(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command line on the rig's database."""
    monkeypatch.setenv("JIAYUAN_NOTIFY_DATABASE_URL", rig.opened.url)

    def run(*words: Any, code: int = 0) -> str:
        done = CliRunner().invoke(notify, [str(word) for word in words])
        assert done.exit_code == code, done.output
        return done.output

    return run


def _turn(sender: Sender) -> None:
    """All that is due; a lane that pauses after an error would wait for ever, for the wall clock stands."""
    for _ in range(8):
        if not sender.turn():
            break


def test_a_notice_is_sent_again_as_a_new_message(rig: Rig, command: Any) -> None:
    answers = [Outcome("refused", error="no such number"), Outcome("accepted", "p-2")]
    a = Scripted("a", lambda _m: answers.pop(0))
    sender = Sender(rig.runtime, [Route(a)], inline=True)
    rig.reports(1)
    _turn(sender)
    (row,) = rig.rows()
    assert row["state"] == "undelivered"
    said = command("resend", row["id"], "--reason", "the number was corrected", "--who", "lin")
    assert "sent again; it was undelivered" in said
    _turn(sender)
    (row,) = rig.rows()
    assert (row["state"], row["attempts"]) == ("accepted", 2)
    assert len({m.request_id for m in a.calls}) == 2
    said = command("status", "--report", "r0")
    assert "sent again by lin, it was undelivered: the number was corrected" in said


def test_what_is_on_its_way_or_may_be_out_is_not_sent_again(rig: Rig, command: Any, wall: Any) -> None:
    a = Scripted("a", lambda _m: Outcome("unknown", error="no answer"))
    sender = Sender(rig.runtime, [Route(a)], inline=True)
    rig.reports(1)
    (row,) = rig.rows()
    assert "it is queued: it goes by itself" in command("resend", row["id"], "--reason", "xx", code=1)
    _turn(sender)
    assert rig.states() == ["unknown"]
    assert "its provider is asked first" in command("resend", row["id"], "--reason", "xx", code=1)
    # Its time is over and the provider was never asked: nobody knows whether it is out.
    with rig.opened.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE sending SET state = 'expired', reason = 'no answer'")
    assert "has never been asked" in command("resend", row["id"], "--reason", "xx", code=1)
    with rig.opened.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE sending SET state = 'unknown'")
    a.found = lambda _a: Outcome("unknown", error="it doesn't know either")
    wall.pass_(minutes=1)
    sender.sweep()
    with rig.opened.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE sending SET state = 'expired', reason = 'no answer'")
    a.answer = lambda m: Outcome("accepted", m.request_id)
    command("resend", row["id"], "--reason", "asked, and it can't tell")
    _turn(sender)
    assert rig.states() == ["accepted"]
    assert "No such notice" in command("resend", "nothing", "--reason", "xx", code=1)


def test_a_receipt_that_comes_again_does_not_end_a_resend(rig: Rig, command: Any) -> None:
    a = Scripted("a")
    sender = Sender(rig.runtime, [Route(a)], inline=True)
    hearing = receiving.Receiving(rig.runtime, [Route(a)])
    rig.reports(1)
    _turn(sender)
    (first,) = a.calls
    receipt = Receipt("delivered", first.request_id, f"a-{first.request_id}", None, "DELIVERED")
    hearing.take("a", [receipt])
    assert rig.states() == ["delivered"]
    command("resend", rig.rows()[0]["id"], "--reason", "he says that nothing came")
    hearing.take("a", [receipt])
    assert rig.states() == ["queued"]
    _turn(sender)
    hearing.take("a", [receipt])
    assert rig.states() == ["accepted"]
    assert len(a.calls) == 2


def test_notices_are_found_by_person_state_provider_and_time(rig: Rig, command: Any) -> None:
    sender = Sender(rig.runtime, [Route(Scripted("a"))], inline=True)
    rig.reports(3)
    _turn(sender)
    rig.handle(rig.events.report("r9", reporter="c9", contact=None))

    def found(*words: str) -> set[str]:
        return {n["report"] for n in json.loads(command("status", *words, "--json"))["notices"]}

    assert found("--person", "c1") == {"r1"}
    assert found("--since", "1h") == {"r0", "r1", "r2", "r9"}
    assert found("--since", "1h", "--state", "queued") == {"r9"}
    assert found("--provider", "a", "--state", "accepted") == {"r0", "r1", "r2"}
    assert found("--provider", "b") == found("--since", "2100-01-01") == set()
    assert "is no day" in command("status", "--since", "soon", code=2)


def test_by_http_a_desk_resends_in_its_street_and_the_operator_stops(rig: Rig) -> None:
    client = Client(rig.opened)
    rig.handle(rig.events.case("case.assigned", legs=[rig.events.leg()]))
    refused = Scripted("a", lambda _m: Outcome("refused", error="no such number"))
    rig.person()
    _turn(Sender(rig.runtime, [Route(refused)], inline=True))
    row = next(r for r in rig.rows() if r["state"] == "undelivered")
    path, why = f"/notices/{row['id']}/resend", {"reason": "the number was corrected"}
    assert client("POST", path, why, role="desk", street="350921999")[0] == 404
    assert client("POST", path, why, role="desk")[0] == 403
    assert client("POST", path, why, role="desk", street=row["street"]) == (
        200,
        {"id": str(row["id"]), "was": "undelivered"},
    )
    assert client("POST", path, why, role="operator")[0] == 409
    stop = {"kind": "channel", "name": "sms", "reason": "the operator's works"}
    assert client("POST", "/stops", stop, role="operator")[0] == 201
    assert client("POST", "/stops", stop, role="operator")[0] == 409
    assert client("POST", "/stops", {**stop, "name": "pigeon"}, role="operator")[0] == 400
    assert client("POST", "/stops", {**stop, "until": "2020-01-01T00:00:00Z"}, role="operator")[0] == 400
    (stopped,) = client("GET", "/providers", role="county")[1]["stops"]
    assert (stopped["name"], stopped["by"], stopped["ended_at"]) == ("sms", "operator", None)
    start = "/stops/channel/sms/start"
    assert client("POST", start, {"reason": "they are over"}, role="operator")[0] == 200
    assert client("POST", start, {"reason": "they are over"}, role="operator")[0] == 409
    assert client("POST", "/alarms/clear", {"subject": "a"}, role="operator")[0] == 404
    assert routes.shared(rig.runtime)[0].name == "sink"
    again = client("GET", "/notices?person=worker-1", role="county")[1]["notices"]
    assert [o["reason"] for n in again for o in n["resends"]] == ["the number was corrected"]
    assert client("GET", "/notices?state=queued", role="county")[0] == 400
