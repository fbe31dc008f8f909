"""The publisher against a real broker."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pika
import pytest
from pika.exceptions import ChannelClosedByBroker

from jiayuan.contracts import envelope, names
from jiayuan.contracts.publisher import (
    Draft,
    Forbidden,
    Invalid,
    Publisher,
    Receipt,
    Rejected,
    Unreachable,
    Unroutable,
    main,
)
from jiayuan.local.servers import provide

pytestmark = pytest.mark.bus

LIVE, BULK = names.queue("intake", "live"), names.queue("intake", "bulk")
Make = Callable[..., Publisher]


def a_report(n: int = 1) -> dict[str, Any]:
    return {"external_id": f"A-{n}", "text": "路灯不亮，晚上看不清路。"}


def test_accepted_and_as_the_reader_wants_it(rabbit: Any, publisher: Make) -> None:
    receipt = publisher().report_submitted(a_report())
    with rabbit.channel() as channel:
        _, properties, body = channel.basic_get(LIVE, auto_ack=True)
    assert properties.delivery_mode == 2
    event = envelope.decode(
        body, properties.content_type, exchange=names.INBOUND_EXCHANGE, user_id=properties.user_id
    )
    assert (event.id, event.source, event.data) == (receipt.id, "/partners/hotline-12345", a_report())
    assert (receipt.attempts, receipt.name, receipt.lane) == (1, "report.submitted", "live")


def test_bulk_lane_trace_and_own_id(rabbit: Any, publisher: Make) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    publisher().send("report.submitted", a_report(), id="mine-1", lane="bulk", traceparent=trace)
    (event,) = rabbit.bodies(BULK)
    assert (event["id"], event["lane"], event["traceparent"]) == ("mine-1", "bulk", trace)
    assert rabbit.bodies(LIVE) == []


def test_each_partner_sends_what_is_its_to_send(rabbit: Any, publisher: Make) -> None:
    handling = {"external_id": "1", "case": "XP-1", "unit": "U20", "action": "accept"}
    handling["at"] = "2026-08-19T09:00:00+08:00"
    p = publisher("department-systems")
    assert p.handling_reported(handling).attempts == 1
    with pytest.raises(Forbidden) as refused:
        p.report_submitted(a_report())
    assert "report.submitted" in str(refused.value)
    assert p.handling_reported({**handling, "external_id": "2"}).attempts == 1  # still usable
    assert len(rabbit.bodies(names.queue("routing", "live"))) == 2


def test_nothing_takes_it(rabbit: Any, publisher: Make) -> None:
    with rabbit.channel() as channel:
        for lane in names.LANES:
            channel.queue_unbind(
                names.queue("routing", lane), names.INBOUND_EXCHANGE, names.binding_key("alert.raised", lane)
            )
    alert = {"external_id": "1", "event": "台风", "severity": "red", "starts_at": "2026-08-19T12:00:00+08:00"}
    with pytest.raises(Unroutable) as error:
        publisher("weather-bureau").alert_raised(alert)
    assert error.value.event_id
    assert "alert.raised" in str(error.value)


def test_not_set_up(rabbit: Any, publisher: Make) -> None:
    rabbit.api("DELETE", f"exchanges/{rabbit.vhost}/{names.INBOUND_EXCHANGE}")
    with pytest.raises(Unroutable, match="NOT_FOUND"):
        publisher().report_submitted(a_report())


def test_the_broker_refuses_another_partners_name(rabbit: Any) -> None:
    properties = pika.BasicProperties(user_id="city-management", content_type=names.CONTENT_TYPE)
    with (
        rabbit.channel("hotline-12345") as channel,
        pytest.raises(ChannelClosedByBroker, match="user_id property set to 'city-management'"),
    ):
        channel.basic_publish(names.INBOUND_EXCHANGE, "report.submitted", b"{}", properties, mandatory=True)


def test_queue_full_then_empty_again(rabbit: Any, publisher: Make) -> None:
    rabbit.limit(r"^jiayuan\.intake\.live$", 3)
    p = publisher()
    refused: Rejected | None = None
    for n in range(1000):  # the policy reaches a quorum queue a moment later, and its limit is soft by a few
        try:
            p.report_submitted(a_report(n))
        except Rejected as error:
            refused = error
            break
    assert refused is not None
    assert refused.event_id
    assert "full" in str(refused)
    assert rabbit.bodies(LIVE)
    receipt = None
    while receipt is None:
        try:
            receipt = p.send("report.submitted", a_report(), id=refused.event_id)
        except Rejected:
            continue
    assert [e["id"] for e in rabbit.bodies(LIVE)] == [refused.event_id]


def test_many_in_flight_and_in_order(rabbit: Any, publisher: Make) -> None:
    drafts = [("report.submitted", a_report(n)) for n in range(2500)]
    receipts = publisher().send_many(drafts)
    assert all(isinstance(r, Receipt) for r in receipts)
    sent = {e["id"]: e["data"]["external_id"] for e in rabbit.bodies(LIVE)}
    assert [sent[r.id] for r in receipts if isinstance(r, Receipt)] == [f"A-{n}" for n in range(2500)]


def test_many_of_which_some_are_wrong(rabbit: Any, publisher: Make) -> None:
    mixed = [
        Draft("report.submitted", a_report(1)),
        Draft("handling.reported", {**_handling(), "external_id": "2"}),  # not the hotline's to send
        Draft("report.submitted", {"external_id": "3"}),
        Draft("report.submitted", a_report(4), lane="bulk"),
        Draft("report.withdrawn", {}),
    ]
    results = publisher().send_many(mixed)
    assert [type(r) for r in results] == [Receipt, Forbidden, Invalid, Receipt, Invalid]
    assert "data.text" in str(results[2])
    assert {e["data"]["external_id"] for e in rabbit.bodies(LIVE)} == {"A-1"}
    assert len(rabbit.bodies(BULK)) >= 1
    assert rabbit.bodies(names.queue("routing", "live")) == []


def _handling() -> dict[str, Any]:
    return {"case": "XP-1", "unit": "U20", "action": "accept", "at": "2026-08-19T09:00:00+08:00"}


def test_line_cut_before_the_confirm_comes(rabbit: Any, publisher: Make, line: Any) -> None:
    """The broker has it, but we don't know: it is sent again with the same id."""
    cut = threading.Event()

    def lose_the_confirm(data: bytes) -> None:
        # Basic.Ack: type method, channel 1, 13 bytes, class 60, method 80.
        if b"\x01\x00\x01\x00\x00\x00\x0d\x00\x3c\x00\x50" in data and not cut.is_set():
            cut.set()
            line.cut()

    line.on_downstream = lose_the_confirm
    receipt = publisher(port=line.port).report_submitted(a_report())
    assert cut.is_set()
    assert receipt.attempts == 2
    assert [e["id"] for e in rabbit.bodies(LIVE)] == [receipt.id, receipt.id]


def test_line_cut_again_and_again(rabbit: Any, publisher: Make, line: Any) -> None:
    cuts = iter(range(4))

    def cut_sometimes(data: bytes) -> None:
        if len(data) > 20_000 and next(cuts, None) is not None:
            line.cut()

    line.on_upstream = cut_sometimes
    receipts = publisher(port=line.port).send_many([("report.submitted", a_report(n)) for n in range(2000)])
    assert all(isinstance(r, Receipt) for r in receipts)
    assert line.made > 1
    stored = {e["data"]["external_id"] for e in rabbit.bodies(LIVE)}
    assert stored == {f"A-{n}" for n in range(2000)}


def test_broker_restarted_while_sending(servers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from .conftest import Rabbit

    with _restartable(servers, monkeypatch) as own:
        rabbit = Rabbit(own.amqp_uri, own.management_url)
        enough = threading.Event()
        restarted = threading.Event()

        def drafts() -> Iterator[Draft]:
            for n in range(8000):
                if n == 3000:
                    enough.set()
                if n == 7000:
                    restarted.wait(120)
                yield Draft("report.submitted", a_report(n))

        def restart() -> None:
            enough.wait(120)
            own.kill_broker()
            own.start_broker()
            restarted.set()

        breaker = threading.Thread(target=restart)
        breaker.start()
        with Publisher(rabbit.uri("hotline-12345"), attempts=60, longest_pause=1.0) as p:
            results = list(p.each(drafts()))
        breaker.join()
        assert restarted.is_set()
        assert all(isinstance(r, Receipt) for r in results)
        stored = {e["data"]["external_id"] for e in rabbit.bodies(LIVE)}
        assert stored == {f"A-{n}" for n in range(8000)}
        rabbit.delete()


def _restartable(servers: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Servers that may be killed: those of the session, or others of our own when those were given to us."""
    if servers.chosen != "given":
        return contextlib.nullcontext(servers)
    for variable in ("AMQP_URI", "DATABASE_URL", "AMQP_MANAGEMENT_URL", "JIAYUAN_SERVERS"):
        monkeypatch.delenv(variable, raising=False)
    return provide(prefer="native")


def test_nobody_there(publisher: Make, line: Any) -> None:
    line.close()
    with pytest.raises(Unreachable) as error:
        publisher(port=line.port, attempts=3).report_submitted(a_report())
    assert "3 attempts" in str(error.value)
    assert "refused" in str(error.value)
    assert error.value.event_id


def test_the_rest_is_not_tried_when_nobody_is_there(publisher: Make, line: Any) -> None:
    line.close()
    results = publisher(port=line.port, attempts=2).send_many(
        [("report.submitted", a_report(n)) for n in range(2001)]
    )
    assert {type(r) for r in results} == {Unreachable}
    assert "not tried" in str(results[-1])


def test_a_broker_that_never_answers(publisher: Make, line: Any) -> None:
    line.on_downstream = lambda _: threading.Event().wait(5)  # swallows the handshake for longer than we wait
    with pytest.raises(Unreachable):
        publisher(port=line.port, attempts=1, timeout=0.5).report_submitted(a_report())


def test_wrong_password_is_said_at_once(rabbit: Any) -> None:
    with (
        Publisher(rabbit.uri("hotline-12345", password="wrong-secret")) as p,
        pytest.raises(Forbidden, match="hotline-12345"),
    ):
        p.report_submitted(a_report())


def test_no_right_to_the_virtual_host(rabbit: Any) -> None:
    rabbit.api("DELETE", f"permissions/{rabbit.vhost}/hotline-12345")
    with Publisher(rabbit.uri("hotline-12345")) as p, pytest.raises(Forbidden):
        p.report_submitted(a_report())


def test_the_password_is_told_nobody(
    rabbit: Any, line: Any, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    said = []
    line.close()
    for uri, secret in (
        (rabbit.uri("hotline-12345", password="s3cret-wrong"), "s3cret-wrong"),
        (rabbit.uri("hotline-12345", port=line.port), rabbit.passwords["hotline-12345"]),
        ("amqp://hotline-12345:pa/ss#s3cret@127.0.0.1:1/x", "s3cret"),
        ("amqp://hotline-12345:s3cret@[::1/x", "s3cret"),
        ("http://hotline-12345:s3cret@127.0.0.1/x", "s3cret"),
    ):
        try:
            with Publisher(uri, attempts=2, pause=0.01, timeout=5) as p:
                said.append(repr(p))
                p.report_submitted(a_report())
        except (Invalid, Forbidden, Unreachable) as error:
            said += [str(error), repr(error), "".join(traceback.format_exception(error))]
        else:
            raise AssertionError(f"{uri} was taken")
        assert secret not in "".join(said)
        assert secret not in caplog.text
        assert secret not in "".join(capsys.readouterr())


def test_several_threads_share_one(rabbit: Any, publisher: Make) -> None:
    p = publisher()
    threads = [
        threading.Thread(
            target=lambda n=n: p.send_many([("report.submitted", a_report(n * 100 + m)) for m in range(50)])
        )
        for n in range(4)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(rabbit.bodies(LIVE)) == 200


# --- outcomes


def _answer(rabbit: Any, message: str, partner: str = "hotline-12345") -> None:
    data = {"message": message, "type": "cn.jiayuan.report.submitted.v1", "outcome": "rejected"}
    data["problems"] = [{"field": "data.text", "problem": "Missing data.", "allowed": None}]  # type: ignore[assignment]
    data["at"] = "2026-08-19T09:00:00Z"
    event = envelope.make("inbound.outcome", names.source("intake"), data, at=datetime.now(UTC))
    with rabbit.channel("jiayuan-intake") as channel:
        channel.basic_publish(
            names.OUTCOMES_EXCHANGE,
            partner,
            envelope.encode(event),
            pika.BasicProperties(content_type=names.CONTENT_TYPE, delivery_mode=2),
            mandatory=True,
        )


def test_there_and_back(rabbit: Any, publisher: Make) -> None:
    p = publisher()
    receipt = p.report_submitted(a_report())
    _answer(rabbit, receipt.id)
    (outcome,) = p.outcomes(timeout=1)
    assert (outcome.message, outcome.outcome) == (receipt.id, "rejected")
    assert outcome.problems[0].field == "data.text"
    assert outcome.at == datetime(2026, 8, 19, 9, tzinfo=UTC)
    assert list(p.outcomes(timeout=0.2)) == []


def test_what_was_not_worked_off_comes_again(rabbit: Any, publisher: Make) -> None:
    for n in range(3):
        _answer(rabbit, f"m-{n}")
    p = publisher()
    for outcome in p.outcomes(timeout=1):
        if outcome.message == "m-1":
            break  # as a crash would: m-1 was not finished
    assert [o.message for o in p.outcomes(timeout=1)] == ["m-1", "m-2"]


def test_outcomes_over_a_lost_line(rabbit: Any, publisher: Make, line: Any) -> None:
    _answer(rabbit, "m-0")
    reading = publisher(port=line.port).outcomes(timeout=5)
    assert next(reading).message == "m-0"
    line.cut()
    _answer(rabbit, "m-1")
    assert "m-1" in (next(reading).message, next(reading, None) and "m-1")
    reading.close()


def test_an_outcome_that_cannot_be_read_blocks_nothing(
    rabbit: Any, publisher: Make, caplog: pytest.LogCaptureFixture
) -> None:
    with rabbit.channel() as channel:
        channel.basic_publish(names.OUTCOMES_EXCHANGE, "hotline-12345", b"{", mandatory=True)
    _answer(rabbit, "m-1")
    assert [o.message for o in publisher().outcomes(timeout=1)] == ["m-1"]
    assert "thrown away" in caplog.text


def test_outcomes_while_sending(rabbit: Any, publisher: Make) -> None:
    p = publisher()
    reading = p.outcomes(timeout=10)
    for n in range(5):
        receipt = p.report_submitted(a_report(n))
        _answer(rabbit, receipt.id)
        assert next(reading).message == receipt.id
    reading.close()


def test_a_partner_without_an_outcomes_queue(rabbit: Any, publisher: Make) -> None:
    rabbit.api("DELETE", f"queues/{rabbit.vhost}/jiayuan.outcomes.hotline-12345")
    with pytest.raises(Forbidden, match="NOT_FOUND"):
        list(publisher().outcomes(timeout=1))


def test_closed_is_closed(rabbit: Any) -> None:
    p = Publisher(rabbit.uri("hotline-12345"), attempts=3)
    p.report_submitted(a_report())
    p.close()
    p.close()
    with pytest.raises(Unreachable, match="was closed"):
        p.report_submitted(a_report())


# --- the command line


def test_a_file_of_lines(
    rabbit: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JIAYUAN_PARTNER_URI", rabbit.uri("hotline-12345"))
    lines = [json.dumps(a_report(n), ensure_ascii=False) for n in range(3)]
    lines[1:1] = ["", "{not json", '{"external_id": "x"}', "[1]"]
    file = tmp_path / "reports.jsonl"
    file.write_text("\n".join(lines))
    assert (
        main([str(file), "--type", "report.submitted", "--lane", "bulk", "--partner", "hotline-12345"]) == 1
    )
    out, err = capsys.readouterr()
    assert out == "3 sent, 3 invalid\n"
    assert "line 3: Invalid: not JSON" in err
    assert "line 4: Invalid: report.submitted breaks its schema: data.text" in err
    assert "line 5: Invalid: not a JSON object" in err
    assert len(rabbit.bodies(BULK)) == 3
    file.write_text(lines[0])
    assert main([str(file), "--type", "report.submitted"]) == 0
    assert main([str(file), "--type", "report.submitted", "--partner", "city-management"]) == 1
    assert main([str(tmp_path / "none"), "--type", "report.submitted"]) == 1
