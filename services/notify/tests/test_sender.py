"""Sending from a real database: once, whatever breaks in between."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from rigs import PHONE, Rig

from jiayuan.chassis.errors import StartError
from jiayuan.notify import routes, store
from jiayuan.notify.providers.base import Asked, Message
from jiayuan.notify.providers.http import HttpProvider
from jiayuan.notify.providers.sink import Sink
from jiayuan.notify.states import Outcome
from jiayuan.notify.templates import Templates

pytestmark = pytest.mark.store


# -- the sink ----------------------------------------------------------------------------------------


def test_what_is_queued_is_stored_by_the_sink_and_told(rig: Rig) -> None:
    rig.reports(3)
    assert rig.sender().turn() is False
    assert rig.states() == ["delivered"] * 3
    assert rig.told() == [("notice.sent", "delivered")] * 3
    messages = rig.rows("SELECT * FROM sink_message ORDER BY recipient")
    assert [m["recipient"] for m in messages] == ["c0", "c1", "c2"]
    assert all(m["text"].startswith("【家园】您反映的事项已受理，编号JY-7K3M9Q") for m in messages)
    attempts = rig.rows("SELECT * FROM attempt")
    assert [(a["number"], a["kind"], a["outcome"]) for a in attempts] == [(1, "send", "delivered")] * 3


def test_no_phone_is_anywhere_but_in_the_sealed_contact(rig: Rig, caplog: Any) -> None:
    rig.reports(2)
    rig.sender().turn()
    tables = ("notice", "sending", "attempt", "sink_message", "outbox", "report")
    stored = "".join(str(rig.rows(f"SELECT * FROM {t}")) for t in tables)
    assert PHONE not in stored + caplog.text + str(rig.opened.published)


def test_urgent_notices_go_first(rig: Rig) -> None:
    rig.reports(3)
    rig.handle(rig.events.report("fire", reporter="c0", signs=(("fire", "119"),), contact=rig.seal("c0")))
    rig.settings(send_batch=1)
    assert rig.sender().turn() is True
    (message,) = rig.rows("SELECT text FROM sink_message")
    assert "请立即拨打119" in message["text"]


def test_staff_are_told_number_link_and_local_time(rig: Rig) -> None:
    rig.person()
    rig.handle(rig.events.case("case.assigned", legs=[rig.events.leg()]))
    rig.sender().turn()
    (message,) = rig.rows("SELECT text FROM sink_message")
    assert message["text"] == (
        "【家园】您有新的工单XP-2026-000871待签收，请在3月2日09:15前签收："
        "https://jiayuan.example/c/XP-2026-000871"
    )


def test_a_leg_without_a_limit_is_told_all_the_same(rig: Rig) -> None:
    rig.person()
    leg = rig.events.leg(response_limit=None, finish_limit=None)
    rig.handle(rig.events.case("case.assigned", legs=[leg]))
    rig.sender().turn()
    assert "请在规定时限前签收" in rig.rows("SELECT text FROM sink_message")[0]["text"]


def test_a_clocks_notice_takes_the_cases_number_from_an_earlier_one(rig: Rig, wall: Any) -> None:
    rig.person()
    rig.handle(rig.events.clock("clock.warned"))
    rig.sender().turn()
    assert rig.states() == ["queued"]
    rig.handle(rig.events.case("case.assigned", legs=[rig.events.leg()]))
    wall.pass_(seconds=2)
    rig.sender().turn()
    texts = sorted(m["text"] for m in rig.rows("SELECT text FROM sink_message"))
    assert texts[0].startswith("【家园】工单XP-2026-000871时限将至，请在3月2日09:15前办理")
    assert texts[1].startswith("【家园】您有新的工单XP-2026-000871待签收")


def test_two_senders_at_once_never_send_a_notice_twice(work_for: Any, rig: Rig, events: Any) -> None:
    rig.reports(120)
    rig.settings(send_batch=10)
    other = Rig(work_for("notify", rig.opened.url), events)
    other.settings(send_batch=10)
    failures: list[BaseException] = []

    def run(one: Rig) -> None:
        try:
            while one.sender().turn():
                pass
        except BaseException as error:  # noqa: BLE001  shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=run, args=(one,)) for one in (rig, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rig.sender().turn()
    assert failures == []
    assert rig.states() == ["delivered"] * 120
    assert len(rig.rows("SELECT * FROM attempt")) == 120
    assert len(rig.told()) + len(other.told()) == 120


# -- recipients --------------------------------------------------------------------------------------


def test_a_notice_waits_for_its_recipient_and_goes_as_soon_as_it_is_known(rig: Rig) -> None:
    rig.handle(rig.events.case("case.assigned", legs=[rig.events.leg()]))
    rig.sender().turn()
    (notice,) = rig.rows()
    assert (notice["state"], notice["waits"]) == ("queued", 1)
    assert rig.told() == []
    rig.person()  # wakes it: no time needs to pass
    rig.sender().turn()
    assert rig.states() == ["delivered"]


def test_a_citizens_notice_waits_for_the_tracking_code(rig: Rig) -> None:
    rig.handle(rig.events.report("r0", contact=rig.seal("citizen-1")))
    rig.handle(rig.events.case("case.answered", 4, reporters=(("r9", "citizen-1"),)))
    rig.sender().turn()
    assert rig.states() == ["delivered", "queued"]
    rig.handle(rig.events.report("r9", contact=rig.seal("citizen-1"), code="JY-LATE"))
    rig.sender().turn()
    texts = [m["text"] for m in rig.rows("SELECT text FROM sink_message")]
    assert any("（编号JY-LATE）已有回应" in t for t in texts)


def test_waiting_gets_rarer_and_ends_after_72_hours_of_business_time(rig: Rig, wall: Any) -> None:
    rig.handle(rig.events.case("case.assigned", legs=[rig.events.leg()]))
    sender = rig.sender()
    for n in range(1, 9):
        sender.turn()
        (notice,) = rig.rows()
        assert notice["waits"] == n
        wall.time = notice["due_at"]
    assert notice["due_at"] - wall.time <= timedelta(seconds=60)
    rig.opened.clock.time += timedelta(hours=73)
    sender.turn()
    (notice,) = rig.rows()
    assert (notice["state"], notice["reason"]) == ("suppressed", "no_contact")
    assert rig.told() == [("notice.failed", "suppressed")]


def test_a_notice_that_could_always_go_goes_even_when_we_were_down_for_days(rig: Rig) -> None:
    rig.reports(1)
    rig.opened.clock.time += timedelta(days=9)
    rig.sender().turn()
    assert rig.states() == ["delivered"]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"contact": None}, "no_contact"),
        ({"active": False}, "inactive"),
    ],
)
def test_somebody_who_can_not_be_told_is_accounted_for(rig: Rig, item: dict[str, Any], reason: str) -> None:
    rig.person(**item)
    rig.handle(rig.events.case("case.assigned", legs=[rig.events.leg()]))
    rig.sender().turn()
    (notice,) = rig.rows()
    assert (notice["state"], notice["reason"]) == ("suppressed", reason)
    assert rig.told() == [("notice.failed", "suppressed")]


def test_a_contact_without_a_phone_is_no_contact(rig: Rig) -> None:
    rig.handle(rig.events.report(contact=rig.seal("citizen-1", name="林某")))
    rig.sender().turn()
    assert rig.rows()[0]["reason"] == "no_contact"


def test_a_reporter_who_left_no_contact_is_suppressed_at_once(rig: Rig) -> None:
    rig.handle(rig.events.report())
    rig.sender().turn()
    assert (rig.rows()[0]["state"], rig.rows()[0]["reason"]) == ("suppressed", "no_contact")


def test_a_notice_whose_template_is_gone_costs_only_itself(rig: Rig) -> None:
    rig.reports(2)
    sender = rig.sender()
    held = {"code": "received", "version": 1, "text": "{link}"}
    sender.preparing.templates = Templates({"version": "0", "signature": "【家园】", "templates": [held]})
    rig.handle(rig.events.case("case.answered", 4, reporters=(("r0", "c0"),)))
    sender.turn()
    assert rig.states() == ["delivered", "delivered", "suppressed"]


def test_a_contact_that_can_not_be_opened_is_put_off_until_the_key_is_there(rig: Rig, wall: Any) -> None:
    rig.handle(rig.events.report(contact=rig.seal("somebody-else")))
    rig.reports(1)
    rig.sender().turn()
    assert rig.states() == ["deferred", "delivered"]  # one bad contact costs only itself
    rig.opened.clock.time += timedelta(hours=1)
    later = rig.opened.clock.time + timedelta(hours=1)
    rig.handle(rig.events.report("again", contact=rig.seal("citizen-1"), at=later))
    wall.pass_(hours=1)
    rig.sender().turn()
    assert rig.states() == ["delivered"] * 3


# -- crashes -----------------------------------------------------------------------------------------


class Crash(BaseException):
    """The process dies here."""


class Dying:
    """A provider whose process dies before or after the message has left."""

    def __init__(self, inner: Any, *, after: bool) -> None:
        self.inner, self.after = inner, after
        self.name, self.batch, self.channel = inner.name, inner.batch, inner.channel
        self.concurrency, self.longest = inner.concurrency, inner.longest

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Die."""
        if self.after:
            self.inner.send(messages)
        raise Crash

    def query(self, requests: Sequence[Asked]) -> list[Outcome]:
        """As the inner one."""
        outcomes: list[Outcome] = self.inner.query(requests)
        return outcomes


@pytest.mark.parametrize("after", [False, True])
def test_after_a_crash_the_provider_is_asked_before_anything_is_sent_again(
    rig: Rig, wall: Any, after: bool
) -> None:
    rig.reports(4)
    sink = Sink(rig.runtime.work)
    with pytest.raises(Crash):
        rig.sender(Dying(sink, after=after)).turn()
    (written,) = {(n["state"], n["request_id"] is not None) for n in rig.rows()}
    assert written == ("submitted", True)
    requests = {str(n["request_id"]) for n in rig.rows()}

    survivor = rig.sender(sink)
    survivor.turn()
    survivor.sweep()
    assert rig.states() == ["submitted"] * 4  # not stuck yet: its process may still be at it
    wall.pass_(seconds=121)
    survivor.sweep()
    assert rig.states() == (["delivered"] if after else ["queued"]) * 4
    survivor.turn()
    assert rig.states() == ["delivered"] * 4
    assert {str(m["request_id"]) for m in rig.rows("SELECT * FROM sink_message")} == requests
    assert rig.told() == [("notice.sent", "delivered")] * 4
    kinds = sorted((a["kind"], a["outcome"]) for a in rig.rows("SELECT * FROM attempt"))
    sends = [] if after else [("send", "delivered")] * 4
    query = [("query", "delivered" if after else "not_found")] * 4
    assert kinds == sorted(query + sends + [("send", "unknown")] * 4)


def test_an_answer_that_comes_after_the_sweep_gave_up_on_it_is_still_taken_once(rig: Rig, wall: Any) -> None:
    rig.reports(1)
    sink = Sink(rig.runtime.work)
    other = rig.sender(sink)

    class Slow(Dying):
        def send(self, messages: Sequence[Message]) -> list[Outcome]:
            outcomes = sink.send(messages)
            wall.pass_(seconds=200)
            other.sweep()  # another process finds it stuck, asks, and hears that it was delivered
            return outcomes

    rig.sender(Slow(sink, after=True)).turn()
    assert rig.states() == ["delivered"]
    assert rig.told() == [("notice.sent", "delivered")]


# -- a provider over HTTP ----------------------------------------------------------------------------


@pytest.fixture
def http(fake: Any) -> HttpProvider:
    """Our client of the fake."""
    return HttpProvider(fake.url, "secret", timeout=0.4, concurrency=4)


def settle(rig: Rig, wall: Any, provider: HttpProvider, turns: int = 12) -> None:
    """Send and sweep with time passing in between."""
    sender = rig.sender(provider)
    for _ in range(turns):
        sender.turn()
        sender.sweep()
        wall.pass_(seconds=700)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("ok", "accepted"),
        ("refuse", "undelivered"),
        ("throttle", "deferred"),
        ("down", "unknown"),
        ("down_taken", "unknown"),
        ("garbage", "unknown"),
        ("no_id", "unknown"),
        ("cut", "unknown"),
        ("hang", "unknown"),
        ("hang_taken", "unknown"),
    ],
)
def test_each_misbehaviour_leads_to_its_state_and_ends_without_a_double_send(
    rig: Rig, wall: Any, fake: Any, http: HttpProvider, word: str, state: str
) -> None:
    rig.reports(1)
    fake.script = [word]
    rig.sender(http).turn()
    (notice,) = rig.rows()
    assert notice["state"] == state
    assert PHONE not in str(notice)
    settle(rig, wall, http)
    if word == "refuse":
        assert fake.aired == {}
        assert rig.told() == [("notice.failed", "undelivered")]
    else:
        assert list(fake.aired.values()) == [1]
        assert rig.states() == ["accepted"]
        assert rig.told() == [("notice.sent", "accepted")]


def test_a_wrong_secret_stops_the_provider_until_somebody_has_seen_to_it(
    rig: Rig, wall: Any, fake: Any, http: HttpProvider, caplog: Any
) -> None:
    rig.reports(3)
    fake.otherwise = "wrong_secret"
    sender = rig.sender(http)
    sender.turn()
    tried = len(fake.bodies)
    assert rig.states().count("deferred") == tried
    settle(rig, wall, http)
    assert len(fake.bodies) == tried  # it isn't knocked at again and again
    assert "misconfigured" in caplog.text
    (alarm,) = rig.rows("SELECT kind, subject, times, cleared_at FROM alarm")
    assert (alarm["kind"], alarm["subject"], alarm["times"], alarm["cleared_at"]) == (
        "misconfigured",
        "http",
        tried,
        None,
    )
    fake.otherwise = "ok"
    with rig.opened() as work:
        assert store.operating.start(
            work, "provider", "http", reason="a new secret", by="lin", wall=wall.time
        )
    settle(rig, wall, http)
    assert rig.states() == ["accepted"] * 3
    assert sorted(fake.aired.values()) == [1] * 3
    (stop,) = rig.rows("SELECT reason, by, ended_by, ended_reason FROM stop")
    assert stop["reason"].startswith("misconfigured: status 401")
    assert (stop["by"], stop["ended_by"], stop["ended_reason"]) == ("notify", "lin", "a new secret")
    assert rig.rows("SELECT 1 FROM alarm WHERE cleared_by IS NULL") == []


def test_a_provider_that_takes_it_long_after_we_gave_up_is_not_sent_it_twice(
    rig: Rig, wall: Any, fake: Any, http: HttpProvider
) -> None:
    rig.reports(1)
    fake.script = ["late"]
    sender = rig.sender(http)
    sender.turn()
    assert rig.states() == ["unknown"]
    sender.sweep()
    assert rig.states() == ["unknown"]  # it gets time to settle before it is asked
    fake.release.set()
    assert fake.late_done.wait(10)
    settle(rig, wall, http)
    assert list(fake.aired.values()) == [1]
    assert rig.states() == ["accepted"]


def test_a_resend_carries_the_same_idempotency_key(
    rig: Rig, wall: Any, fake: Any, http: HttpProvider
) -> None:
    rig.reports(1)
    fake.script = ["throttle", "hang", "down"]
    settle(rig, wall, http)
    assert len(fake.bodies) == 4
    assert len({b["request_id"] for b in fake.bodies}) == 1
    assert {h["Idempotency-Key"] for h in fake.headers} == {fake.bodies[0]["request_id"]}
    assert rig.rows()[0]["attempts"] == 4


def test_a_crash_after_the_provider_took_it_is_resolved_by_asking(
    rig: Rig, wall: Any, fake: Any, http: HttpProvider
) -> None:
    rig.reports(5)
    with pytest.raises(Crash):
        rig.sender(Dying(http, after=True)).turn()
    settle(rig, wall, http)
    assert sorted(fake.aired.values()) == [1] * 5
    assert rig.states() == ["accepted"] * 5


def test_a_provider_that_can_not_be_asked_leaves_it_unknown_until_it_can(
    rig: Rig, wall: Any, fake: Any, http: HttpProvider
) -> None:
    rig.reports(1)
    fake.script, fake.query_script = ["hang_taken"], ["down"] * 3
    sender = rig.sender(http)
    sender.turn()
    for _ in range(3):
        wall.pass_(seconds=700)
        sender.sweep()
        sender.turn()
        assert rig.states() == ["unknown"]
    wall.pass_(seconds=700)
    sender.sweep()
    assert rig.states() == ["accepted"]
    assert list(fake.aired.values()) == [1]


def test_nothing_listens_is_a_delay_and_expires_after_72_hours(rig: Rig, wall: Any, fake: Any) -> None:
    rig.reports(1)
    provider = HttpProvider(fake.url, timeout=0.4)
    fake.close()
    sender = rig.sender(provider)
    sender.turn()
    (notice,) = rig.rows()
    assert notice["state"] == "deferred"
    assert notice["due_at"] > wall.time
    rig.opened.clock.time += timedelta(hours=73)
    wall.pass_(hours=1)
    sender.turn()
    assert rig.states() == ["expired"]
    assert rig.told() == [("notice.failed", "expired")]


def test_an_unknown_to_the_end_expires_and_is_never_sent_again(
    rig: Rig, wall: Any, fake: Any, http: HttpProvider
) -> None:
    rig.reports(1)
    fake.script, fake.query_script = ["hang_taken"], ["down"] * 9
    sender = rig.sender(http)
    sender.turn()
    rig.opened.clock.time += timedelta(hours=73)
    wall.pass_(hours=1)
    sender.sweep()
    assert rig.states() == ["expired"]
    settle(rig, wall, http, 3)
    assert len(fake.bodies) == 1


def test_no_database_connection_is_held_during_a_call(rig: Rig, fake: Any, http: HttpProvider) -> None:
    rig.reports(1)
    held: list[int] = []
    send = http.send

    class Watched(Dying):
        def send(self, messages: Sequence[Message]) -> list[Outcome]:
            held.append(rig.opened.engine.pool.checkedout())
            return send(messages)

    rig.sender(Watched(http, after=True)).turn()
    assert held == [0]
    assert list(fake.aired.values()) == [1]


def test_a_change_of_provider_is_a_new_request(rig: Rig, wall: Any, fake: Any, http: HttpProvider) -> None:
    rig.reports(1)
    fake.script = ["throttle"]
    rig.sender(http).turn()
    first = rig.rows()[0]["request_id"]
    wall.pass_(seconds=60)
    rig.sender().turn()
    (notice,) = rig.rows()
    assert (notice["provider"], notice["state"]) == ("sink", "delivered")
    assert notice["request_id"] != first


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"provider": "pigeon"}, "sink or http"),
        ({"provider": "http", "provider_url": "ftp://x"}, "provider_url"),
        ({"provider": "http", "provider_url": "http://x", "stuck_seconds": 20.0}, "stuck_seconds"),
    ],
)
def test_settings_that_can_not_work_stop_the_service_at_its_start(
    rig: Rig, settings: dict[str, Any], word: str
) -> None:
    with pytest.raises(StartError, match=word):
        rig.settings(**settings)


def test_the_settings_choose_the_provider(rig: Rig, fake: Any) -> None:
    assert isinstance(routes.of(rig.runtime)[0].provider, Sink)
    rig.settings(provider="http", provider_url=fake.url)
    assert isinstance(routes.of(rig.runtime)[0].provider, HttpProvider)
