"""Several providers at a time on a real database: fail-over, stops, limits, the cascade of channels, and kills."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from rigs import PHONE, Rig, Scripted, until

from jiayuan.notify import failover, store
from jiayuan.notify.limits import Limit
from jiayuan.notify.providers.base import Asked, Message
from jiayuan.notify.routes import Route
from jiayuan.notify.sending import Sender, preparing, recording
from jiayuan.notify.states import Outcome

pytestmark = pytest.mark.store

DOWN = Outcome("throttled", error="no connection")


def two(rig: Rig, a: Scripted, b: Scripted, weights: tuple[int, int] = (50, 50), **more: Any) -> Sender:
    """A sender with two providers of one channel, whose calls are made in the test's own thread."""
    routes = [Route(p, weight=w, **more) for p, w in zip((a, b), weights, strict=True)]
    return Sender(rig.runtime, routes, inline=True)


def drain(sender: Sender, turns: int = 200) -> None:
    """Send until nothing is left."""
    for _ in range(turns):
        if not sender.turn():
            return


def sweep(sender: Sender) -> None:
    """Sweep until nothing is left."""
    for _ in range(50):
        if not sender.sweep():
            return


def settle(rig: Rig, wall: Any, sender: Sender, turns: int = 14) -> None:
    """Send and sweep with time passing in between."""
    for _ in range(turns):
        drain(sender)
        sweep(sender)
        wall.pass_(seconds=130)
        rig.opened.clock.time += timedelta(seconds=130)


# -- the choice of a provider ------------------------------------------------------------------------


def test_providers_share_a_channel_by_their_weights(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jiayuan.notify.sending.engine.random", random.Random(7))
    a, b = Scripted("a", concurrency=2), Scripted("b", concurrency=6)
    rig.reports(100)
    drain(two(rig, a, b, (70, 30)))
    assert len(a.people) + len(b.people) == 100
    assert 0.55 <= len(a.people) / 100 <= 0.85
    assert rig.states() == ["accepted"] * 100


def test_what_one_provider_throttles_goes_to_the_other_at_once(rig: Rig, wall: Any) -> None:
    a, b = Scripted("a", lambda _m: DOWN), Scripted("b")
    rig.reports(5)
    sender = two(rig, a, b, (99, 1))
    for _ in range(4):
        drain(sender)
    assert rig.states() == ["accepted"] * 5
    assert sorted(Counter(b.people).values()) == [1] * 5
    assert (
        len(a.calls) == 1
    )  # it is left alone for a moment, and isn't asked for the same again before its time
    assert len({str(r["request_id"]) for r in rig.rows("SELECT request_id FROM attempt")}) == 6
    del wall


def test_an_unknown_is_asked_about_before_the_other_provider_gets_it(rig: Rig, wall: Any) -> None:
    a, b = Scripted("a", lambda _m: Outcome("unknown", error="no answer")), Scripted("b")
    rig.reports(2)
    sender = two(rig, a, b, (100, 1))
    chosen = {"a": 1}
    sender._groups.ready = lambda _g: chosen  # type: ignore[method-assign]
    sender.turn()
    sender.turn()
    chosen = {"b": 1}
    assert rig.states() == ["unknown"] * 2
    taken, lost = a.calls
    a.air(taken)
    a.found = lambda _q: Outcome("unknown", error="busy")
    wall.pass_(seconds=10)
    sweep(sender)
    drain(sender)
    assert (len(a.questions), b.calls) == (2, [])  # it couldn't say: nobody else gets it
    a.found = a.know
    wall.pass_(seconds=60)
    sweep(sender)
    drain(sender)
    assert (list(a.aired.values()), b.people) == ([1], [lost.recipient])
    assert rig.states() == ["accepted"] * 2
    assert all(q.to == PHONE and q.sent_at is not None for q in a.questions)


def test_a_question_that_can_not_be_asked_says_nothing_of_the_message(rig: Rig, wall: Any) -> None:
    a = Scripted("a", lambda _m: Outcome("unknown"))
    a.found = lambda _q: Outcome("throttled", error="too many questions")
    rig.reports(1)
    sender = Sender(rig.runtime, [Route(a)], inline=True)
    sender.turn()
    wall.pass_(seconds=10)
    sender.sweep()
    assert (len(a.questions), rig.states()) == (1, ["unknown"])


def test_an_outage_moves_the_weights_of_all_replicas_and_ends_at_rest(
    rig: Rig, wall: Any, work_for: Any, events: Any
) -> None:
    a, b = Scripted("a"), Scripted("b")
    one = two(rig, a, b)
    other = two(Rig(work_for("notify", rig.opened.url), events), Scripted("a"), Scripted("b"))
    one.sweep()
    on_b: list[int] = []
    for turn in range(20):  # fourteen minutes down, then quarters of an hour
        wall.pass_(minutes=1 if turn < 14 else 15)
        points = one._groups.all[0].points
        with rig.opened() as work:  # what 50 notices a second would have met
            store.weights.count(work, "a", errors=[wall.time] * (points["a"] * 30 if turn < 14 else 0))
            store.weights.count(work, "b", accepted=[wall.time] * points["b"] * 30)
        (one, other)[turn % 2].sweep()
        for sender in (one, other):
            sender._refresh()
        assert one._groups.all[0].points == other._groups.all[0].points
        on_b.append(one._groups.all[0].points["b"])
    assert on_b[9] >= 90
    assert (on_b[13], on_b[-1]) == (100, 50)
    moves = [m for m in rig.rows("SELECT * FROM weight_change ORDER BY id") if m["provider"] == "a"]
    assert (moves[0]["reason"], moves[0]["after"]) == ("configuration", 50)
    down = [m for m in moves if m["after"] < m["before"]]
    assert [m["before"] - m["after"] for m in down] == [10] * 5
    assert all("errors in 60 s" in m["reason"] for m in down)
    assert all(y["at"] - x["at"] >= failover.PAUSE for x, y in pairwise(down))
    assert [m["reason"] for m in moves[6:]] == ["15 quiet minutes"] * 5


def test_while_a_provider_is_down_everybody_is_told_by_the_other_within_seconds(rig: Rig, wall: Any) -> None:
    a = Scripted("a", lambda _m: DOWN, concurrency=8, batch=8)
    b = Scripted("b", concurrency=8, batch=8)
    sender = two(rig, a, b, (99, 1))
    sender.sweep()
    fed = 0
    for step in range(9):  # every five seconds
        rig.reports(12, first=fed)
        fed += 12
        drain(sender)
        wall.pass_(seconds=5)
        for _ in range(4):
            drain(sender)
        assert len(b.people) == fed, step  # what A threw back is with B before the next come
    sender.sweep()
    assert sender._groups.all[0].points == {"a": 89, "b": 11}
    assert set(Counter(b.people).values()) == {1}
    assert len(a.calls) > failover.ERRORS_MOST


def test_a_provider_whose_receipts_are_late_loses_weight(rig: Rig, wall: Any) -> None:
    sender = two(rig, Scripted("a"), Scripted("b"), receipts=True)
    sender.sweep()
    with rig.opened() as work:
        times = [wall.time + timedelta(seconds=n) for n in range(60)]
        for name, in_time in (("a", 50), ("b", 60)):
            store.weights.count(work, name, accepted=times)
            soon = wall.time + timedelta(minutes=1)
            store.weights.delivered(work, [(name, at) for at in times[:in_time]], soon)
            late = wall.time + timedelta(minutes=9)
            store.weights.delivered(work, [(name, at) for at in times[in_time:]], late)
    wall.pass_(minutes=7)
    sender.sweep()
    assert sender._groups.all[0].points == {"a": 40, "b": 60}
    (move,) = rig.rows("SELECT * FROM weight_change WHERE provider = 'a' AND reason <> 'configuration'")
    assert move["reason"] == "10 of 60 slower than 5 minutes"


def test_other_weights_in_the_configuration_begin_at_rest(rig: Rig) -> None:
    a, b, c = Scripted("a"), Scripted("b"), Scripted("c")
    two(rig, a, b).sweep()
    with rig.opened() as work:
        shares = [failover.Share(p, 50, n, rig.opened.clock.time) for p, n in (("a", 20), ("b", 80))]
        store.weights.save(work, "sms", shares, [], rig.opened.clock.time)
    again = two(rig, a, b)
    again.sweep()
    assert again._groups.all[0].points == {"a": 20, "b": 80}  # a restart doesn't bring it back
    three = Sender(rig.runtime, [Route(a), Route(b), Route(c)], inline=True)
    three.sweep()
    assert three._groups.all[0].points == {"a": 34, "b": 33, "c": 33}


# -- one provider and another ------------------------------------------------------------------------


def test_a_slow_provider_delays_no_other_and_holds_few_notices(rig: Rig) -> None:
    slow, quick = Scripted("slow", concurrency=3), Scripted("quick", concurrency=3)
    slow.gate = threading.Event()
    rig.reports(60)
    sender = Sender(rig.runtime, [Route(slow), Route(quick)])
    assert until(lambda: sender.turn() is False or len(quick.people) >= 54)
    assert until(lambda: rig.states().count("accepted") >= 54)
    assert len(slow.calls) <= 3
    assert rig.states().count("submitted") <= 6
    slow.gate.set()
    assert until(lambda: not sender.turn() and rig.states() == ["accepted"] * 60)
    assert sorted(Counter(slow.people + quick.people).values()) == [1] * 60
    assert max(slow.most_at_once, quick.most_at_once) <= 3
    sender.close(5)


def test_a_turn_returns_while_calls_are_under_way_and_no_transaction_is_open(rig: Rig) -> None:
    provider = Scripted(concurrency=2)
    provider.gate = threading.Event()
    rig.reports(10)
    sender = Sender(rig.runtime, [Route(provider)])
    assert sender.turn() is True
    assert provider.wait_for(2)
    assert rig.opened.engine.pool.checkedout() == 0
    provider.gate.set()
    assert until(lambda: not sender.turn() and rig.states() == ["accepted"] * 10)
    sender.close(5)


def test_a_full_lane_of_one_channel_makes_no_turn_spin_for_another(rig: Rig) -> None:
    wechat, sms = Wechat(), Scripted("sms")
    wechat.gate = threading.Event()
    citizens(rig, 20)
    sender = both(rig, wechat, sms, inline=False)
    assert until(lambda: sender.turn() and len(wechat.calls) == wechat.concurrency)
    waited: list[float | None] = []
    sender._room.wait = waited.append  # type: ignore[assignment,method-assign]
    assert sender.turn() is True
    assert len(waited) == 1  # SMS has room and nothing to do
    wechat.gate.set()
    del sender._room.wait
    assert until(lambda: not sender.turn() and rig.states() == ["accepted"] * 20)
    sender.close(5)


def test_the_end_of_a_process_gives_back_what_was_not_called_for(rig: Rig) -> None:
    provider = Scripted(concurrency=2)
    provider.gate = threading.Event()
    rig.reports(4)
    sender = Sender(rig.runtime, [Route(provider)])
    sender.turn()
    assert provider.wait_for(2)
    closing = threading.Thread(target=sender.close, args=(10,))
    closing.start()
    assert until(lambda: sender._lanes["a"]._closing)
    provider.gate.set()
    closing.join(10)
    assert rig.states() == ["accepted", "accepted", "queued", "queued"]
    assert sorted(n["attempts"] for n in rig.rows()) == [0, 0, 1, 1]
    after = Scripted()
    drain(Sender(rig.runtime, [Route(after)], inline=True))
    assert sorted(Counter(provider.people + after.people).values()) == [1] * 4


# -- stops and alarms --------------------------------------------------------------------------------


def test_out_of_money_fails_over_and_is_tried_again_after_a_while(rig: Rig, wall: Any) -> None:
    poor, b = Scripted("a", lambda _m: Outcome("out_of_money", error="balance is 0")), Scripted("b")
    rig.reports(6)
    sender = two(rig, poor, b, (99, 1))
    drain(sender)
    drain(sender)
    assert rig.states() == ["accepted"] * 6
    assert sorted(Counter(b.people).values()) == [1] * 6
    tried = len(poor.calls)
    assert tried <= poor.batch * poor.concurrency
    (alarm,) = rig.rows("SELECT kind, subject, reason FROM alarm")
    assert alarm == {"kind": "out_of_money", "subject": "a", "reason": "balance is 0"}
    poor.answer = lambda m: Outcome("accepted", m.request_id)
    wall.pass_(seconds=recording.OUT_OF_MONEY_FOR.total_seconds() + 1)
    rig.handle(*[rig.events.report(f"x{n}", reporter=f"x{n}", contact=rig.seal(f"x{n}")) for n in range(20)])
    sender.sweep()
    drain(sender)
    assert len(poor.people) > 0


def test_refused_words_stop_nothing_and_are_told(rig: Rig, wall: Any) -> None:
    refuse = Outcome("content_refused", error="a word is not allowed")
    a = Scripted("a", lambda m: refuse if m.recipient == "c0" else Outcome("accepted", m.request_id))
    rig.reports(3)
    sender = Sender(rig.runtime, [Route(a)], inline=True)
    settle(rig, wall, sender, 2)
    assert rig.states() == ["accepted", "accepted", "undelivered"]
    (alarm,) = rig.rows("SELECT kind, subject FROM alarm")
    assert alarm == {"kind": "content_refused", "subject": "a/received"}
    assert rig.rows("SELECT * FROM stop") == []
    assert ("notice.failed", "undelivered") in rig.told()


@pytest.mark.parametrize(("kind", "name"), [("provider", "a"), ("channel", "sms"), ("template", "received")])
def test_what_somebody_stops_waits_until_it_is_started(rig: Rig, wall: Any, kind: Any, name: str) -> None:
    a = Scripted("a")
    rig.reports(2)
    sender = Sender(rig.runtime, [Route(a)], inline=True)
    with rig.opened() as work:
        assert store.operating.stop(work, kind, name, reason="a wrong text", by="lin", wall=wall.time)
    with rig.opened() as work:
        assert not store.operating.stop(work, kind, name, reason="again", by="lin", wall=wall.time)
    settle(rig, wall, sender, 2)
    assert a.calls == []
    with rig.opened() as work:
        assert store.operating.start(work, kind, name, reason="seen to", by="lin", wall=wall.time)
        assert not store.operating.start(work, kind, name, reason="twice", by="lin", wall=wall.time)
    settle(rig, wall, sender, 2)
    assert rig.states() == ["accepted"] * 2


# -- limits ------------------------------------------------------------------------------------------


def test_a_limit_is_kept_before_the_call_and_the_notice_goes_when_its_window_opens(
    rig: Rig, wall: Any
) -> None:
    a = Scripted("a")
    rig.reports(3)  # three people with one phone
    limits = (Limit("number", 2, 60), Limit("number", 3, 86400))
    sender = Sender(rig.runtime, [Route(a, limits=limits)], inline=True)
    drain(sender)
    assert len(a.calls) == 2
    (late,) = [n for n in rig.rows() if n["state"] == "deferred"]
    assert (late["reason"], late["due_at"] - wall.time) == (preparing.LIMIT, timedelta(seconds=60))
    assert (late["attempts"], late["request_id"]) == (0, None)
    wall.pass_(seconds=60)
    drain(sender)
    assert len(a.calls) == 3
    rig.handle(rig.events.report("r9", reporter="c9", contact=rig.seal("c9")))
    wall.pass_(seconds=600)
    drain(sender)
    (late,) = [n for n in rig.rows() if n["state"] == "deferred"]
    assert late["due_at"] > wall.time + timedelta(hours=23)
    assert PHONE not in str(rig.rows("SELECT * FROM number_sent"))


def test_what_a_provider_never_had_does_not_count(rig: Rig, wall: Any) -> None:
    a = Scripted("a", lambda _m: DOWN)
    rig.reports(1)
    sender = Sender(rig.runtime, [Route(a, limits=(Limit("number", 1, 86400),))], inline=True)
    drain(sender)
    a.answer = lambda m: Outcome("accepted", m.request_id)
    wall.pass_(seconds=10)
    drain(sender)
    assert rig.states() == ["accepted"]


def test_two_replicas_keep_one_limit(work_for: Any, rig: Rig, events: Any) -> None:
    rig.reports(40)
    limits = (Limit("number", 7, 3600),)
    rigs_ = [rig, Rig(work_for("notify", rig.opened.url), events)]
    providers = [Scripted("a", concurrency=2) for _ in rigs_]
    senders = [
        Sender(r.runtime, [Route(p, limits=limits)], inline=True)
        for r, p in zip(rigs_, providers, strict=True)
    ]
    threads = [threading.Thread(target=drain, args=(sender,)) for sender in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(len(p.calls) for p in providers) == 7
    assert Counter(rig.states()) == {"accepted": 7, "deferred": 33}


# -- the cascade -------------------------------------------------------------------------------------

TEMPLATE = "wechat-template"


class Wechat(Scripted):
    """A mini-program on which all templates are one."""

    def __init__(self, answer: Callable[[Message], Outcome] | None = None) -> None:
        super().__init__("wechat", answer, channel="mini_program")

    def credit(self, _message: Message) -> str:
        """WeChat's id of the template."""
        return TEMPLATE


def both(rig: Rig, wechat: Wechat, sms: Scripted, *, askable: bool = True, inline: bool = True) -> Sender:
    """A sender with the mini-program and SMS."""
    return Sender(rig.runtime, [Route(wechat, askable=askable), Route(sms)], inline=inline)


def citizens(rig: Rig, count: int, credits: int = 1, *, danger: bool = False) -> None:
    """Reports of citizens with a phone and an openid, and consent of each to so many messages."""
    signs = (("fire", "119"),) if danger else ()
    rig.handle(
        *[
            rig.events.report(
                f"r{n}",
                reporter=f"c{n}",
                contact=rig.seal(f"c{n}", phone=f"1390000{n:04d}", openid=f"o{n}"),
                signs=signs,
            )
            for n in range(count)
        ]
    )
    agree(rig, [f"o{n}" for n in range(count)] * credits)


def agree(rig: Rig, openids: Sequence[str]) -> None:
    """One credit for each."""
    with rig.opened() as work:
        store.credits.give(work, [(preparing.person(rig.runtime, o), TEMPLATE) for o in openids])


def credits_left(rig: Rig) -> int:
    """All that is left."""
    return int(rig.rows("SELECT coalesce(sum(balance), 0) AS n FROM credit")[0]["n"])


def test_consent_sends_it_to_the_mini_program_and_to_nowhere_else(rig: Rig, wall: Any) -> None:
    wechat, sms = Wechat(), Scripted("sms")
    citizens(rig, 3)
    sender = both(rig, wechat, sms)
    settle(rig, wall, sender, 3)
    assert (sorted(wechat.people), sms.people) == (["c0", "c1", "c2"], [])
    assert credits_left(rig) == 0
    assert {a["channel"] for a in rig.rows("SELECT channel FROM attempt")} == {"mini_program"}


def test_without_consent_it_goes_by_sms_at_once(rig: Rig, wall: Any) -> None:
    wechat, sms = Wechat(), Scripted("sms")
    citizens(rig, 2, credits=0)
    agree(rig, ["o0"])
    sender = both(rig, wechat, sms)
    drain(sender)
    drain(sender)
    assert (wechat.people, sms.people) == (["c0"], ["c1"])
    assert [n["attempts"] for n in rig.rows()] == [1, 1]
    del wall


def test_a_refusal_by_the_mini_program_goes_on_by_sms_and_ends_the_consent(rig: Rig, wall: Any) -> None:
    refusal = Outcome("no_consent", error="43101", code="43101")
    wechat, sms = Wechat(lambda _m: refusal), Scripted("sms")
    citizens(rig, 2, credits=3)
    sender = both(rig, wechat, sms)
    settle(rig, wall, sender, 3)
    assert sorted(sms.people) == ["c0", "c1"]
    assert len(wechat.calls) == 2
    assert credits_left(rig) == 0
    assert rig.states() == ["accepted"] * 2
    kinds = sorted((a["channel"], a["outcome"]) for a in rig.rows("SELECT * FROM attempt"))
    assert kinds == [("mini_program", "no_consent")] * 2 + [("sms", "accepted")] * 2
    assert rig.told() == [("notice.sent", "accepted")] * 2


def test_who_has_refused_and_has_no_phone_is_accounted_for(rig: Rig, wall: Any) -> None:
    wechat, sms = Wechat(), Scripted("sms")
    rig.handle(rig.events.report("r1", reporter="c1", contact=rig.seal("c1", openid="o1")))
    settle(rig, wall, both(rig, wechat, sms), 2)
    (notice,) = rig.rows()
    assert (notice["state"], notice["reason"]) == ("suppressed", "no_consent")


def test_a_credit_is_used_once_however_many_take_it_at_a_time(work_for: Any, rig: Rig, events: Any) -> None:
    contact = {"phone": PHONE, "openid": "o1"}
    rig.handle(
        *[
            rig.events.report(f"r{n}", reporter=f"c{n}", contact=rig.seal(f"c{n}", **contact))
            for n in range(60)
        ]
    )
    agree(rig, ["o1"] * 11)
    rigs_ = [rig, Rig(work_for("notify", rig.opened.url), events)]
    sent = [(Wechat(), Scripted("sms")) for _ in rigs_]
    senders = [both(r, *pair) for r, pair in zip(rigs_, sent, strict=True)]

    def run(sender: Sender) -> None:
        for _ in range(4):
            drain(sender)

    threads = [threading.Thread(target=run, args=(sender,)) for sender in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run(senders[0])
    assert sum(len(wechat.people) for wechat, _ in sent) == 11
    assert sum(len(sms.people) for _, sms in sent) == 49
    assert credits_left(rig) == 0


def test_a_credit_comes_back_when_the_provider_never_had_the_message(rig: Rig, wall: Any) -> None:
    wechat, sms = Wechat(lambda _m: DOWN), Scripted("sms")
    citizens(rig, 1)
    sender = both(rig, wechat, sms)
    drain(sender)
    assert (credits_left(rig), sms.people) == (1, [])
    wechat.answer = lambda m: Outcome("accepted", m.request_id)
    wall.pass_(seconds=10)
    drain(sender)
    assert (credits_left(rig), wechat.people, sms.people) == (0, ["c0"], [])


def test_a_stopped_mini_program_sends_by_sms(rig: Rig, wall: Any) -> None:
    wrong = Outcome("misconfigured", error="40013 invalid appid")
    wechat, sms = Wechat(lambda _m: wrong), Scripted("sms")
    citizens(rig, 5)
    sender = both(rig, wechat, sms)
    settle(rig, wall, sender, 4)
    assert sorted(sms.people) == [f"c{n}" for n in range(5)]
    assert rig.states() == ["accepted"] * 5
    assert ("provider", "wechat") in sender._groups.stopped


def test_what_is_not_read_in_time_goes_by_sms_too_where_policy_says_so(rig: Rig, wall: Any) -> None:
    wechat, sms = Wechat(), Scripted("sms")
    legs = []
    for ref in ("worker-1", "worker-2"):
        contact = rig.seal(ref, phone=PHONE, openid=f"o-{ref}")
        rig.handle(rig.events.directory({"id": ref, "contact": contact}))
        agree(rig, [f"o-{ref}"])
        legs.append(rig.events.leg(id_=ref))
    rig.handle(rig.events.case("case.assigned", legs=legs))
    sender = both(rig, wechat, sms)
    drain(sender)
    drain(sender)
    assert {n["follow_at"] - wall.time for n in rig.rows()} == {timedelta(minutes=10)}
    with rig.opened() as work:
        work.execute(
            "UPDATE sending SET read_at = :at "
            "WHERE notice_id IN (SELECT id FROM notice WHERE recipient = 'worker-2')",
            at=rig.opened.clock.time,
        )
    wall.pass_(minutes=9)
    sender.sweep()
    drain(sender)
    assert sms.people == []
    wall.pass_(minutes=2)
    sender.sweep()
    drain(sender)
    assert sms.people == ["worker-1"]
    assert sorted(wechat.people) == ["worker-1", "worker-2"]
    assert rig.states() == ["accepted", "accepted"]


def test_what_is_not_urgent_never_goes_to_two_channels(rig: Rig, wall: Any) -> None:
    wechat, sms = Wechat(), Scripted("sms")
    citizens(rig, 2)
    sender = both(rig, wechat, sms)
    drain(sender)
    assert [n["follow_at"] for n in rig.rows()] == [None, None]
    wall.pass_(hours=71)
    sender.sweep()
    drain(sender)
    assert (sorted(wechat.people), sms.people) == (["c0", "c1"], [])


def test_an_answer_lost_where_nobody_can_be_asked_goes_by_sms_where_policy_says_so(
    rig: Rig, wall: Any
) -> None:
    wechat, sms = Wechat(lambda _m: Outcome("unknown", error="no answer")), Scripted("sms")
    citizens(rig, 1)
    sender = both(rig, wechat, sms, askable=False)
    drain(sender)
    assert rig.states() == ["unknown"]
    wall.pass_(minutes=29)
    sender.sweep()
    drain(sender)
    assert (rig.states(), sms.people) == (["unknown"], [])
    wall.pass_(minutes=2)
    sender.sweep()
    drain(sender)
    assert (rig.states(), sms.people, wechat.questions) == (["accepted"], ["c0"], [])


def test_an_answer_lost_for_good_expires_where_policy_says_nothing(rig: Rig, wall: Any) -> None:
    wechat, sms = Wechat(lambda _m: Outcome("unknown", error="no answer")), Scripted("sms")
    citizens(rig, 1)
    with rig.opened() as work:
        work.execute("UPDATE sending SET priority = 2")
    sender = both(rig, wechat, sms, askable=False)
    drain(sender)
    rig.opened.clock.time += timedelta(hours=73)
    wall.pass_(hours=73)
    sender.sweep()
    (notice,) = rig.rows()
    assert (notice["state"], notice["reason"], sms.people) == ("expired", "no answer", [])


# -- the end of waiting ------------------------------------------------------------------------------


def test_accepted_without_a_receipt_expires_and_is_told(rig: Rig, wall: Any) -> None:
    rig.reports(2)
    sender = Sender(rig.runtime, [Route(Scripted())], inline=True)
    drain(sender)
    wall.pass_(hours=71)
    sender.sweep()
    assert rig.states() == ["accepted"] * 2
    wall.pass_(hours=2)
    sender.sweep()
    (notice, _) = rig.rows()
    assert rig.states() == ["expired"] * 2
    assert notice["reason"] == "no receipt"
    assert rig.told()[2:] == [("notice.failed", "expired")] * 2


# -- kills -------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here."""


def _after_claim(sender: Sender) -> None:
    def give(_items: Any) -> None:
        raise Killed

    for lane in sender._lanes.values():
        lane.give = give  # type: ignore[method-assign]


def _before_record(sender: Sender) -> None:
    def record(_name: str, _done: Any) -> None:
        raise Killed

    for lane in sender._lanes.values():
        lane._record = record


def _within_record(sender: Sender) -> None:
    def about(*_: Any) -> None:
        raise Killed

    sender._recording._about_provider = about  # type: ignore[method-assign]


def _before_call(sender: Sender) -> None:
    def send(_messages: Sequence[Message]) -> list[Outcome]:
        raise Killed

    for lane in sender._lanes.values():
        lane.route.provider.send = send  # type: ignore[method-assign]


def _within_ask(sender: Sender) -> None:
    def query(_requests: Sequence[Asked]) -> list[Outcome]:
        raise Killed

    for lane in sender._lanes.values():
        lane.route.provider.query = query  # type: ignore[method-assign]


KILLS = [_after_claim, _before_call, _before_record, _within_record, _within_ask]


@pytest.mark.parametrize("kill", KILLS, ids=lambda k: k.__name__)
def test_wherever_a_process_is_killed_everybody_gets_it_once(
    rig: Rig, wall: Any, kill: Callable[[Sender], None]
) -> None:
    aired: dict[str, Counter[str]] = {"a": Counter(), "b": Counter()}
    people: list[str] = []

    def providers() -> tuple[Scripted, Scripted]:
        """A process's clients of the same two providers."""
        made = Scripted("a", concurrency=2), Scripted("b", concurrency=2)
        for one in made:
            one.aired, one.people = aired[one.name], people
        return made

    rig.reports(6)
    for _ in range(3):
        dying = two(rig, *providers())
        kill(dying)
        for act in (dying.turn, dying.sweep):
            with suppress(Killed):
                act()
        wall.pass_(seconds=200)
    settle(rig, wall, two(rig, *providers()), 6)
    assert sorted(Counter(people).values()) == [1] * 6
    assert rig.states() == ["accepted"] * 6
    assert rig.told().count(("notice.sent", "accepted")) == 6
