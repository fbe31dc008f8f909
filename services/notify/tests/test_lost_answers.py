"""WeChat can't be asked what became of a message: after a lost answer policy decides, and it gets nothing twice."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest

from .fakes import FakeAliyun, FakeWechat
from .test_engine import Killed, _after_claim, _before_record
from .test_receiving import ALIYUN, OPENID, PHONE, WECHAT, Rig, _query
from .test_receiving import rig as rig

pytestmark = pytest.mark.store

WAYS = ["hang_taken", "hang", "cut_taken", "garbage_taken", "down_taken", "killed before", "killed after"]


@pytest.fixture
def lost(rig: Rig, wechat: FakeWechat, aliyun: FakeAliyun) -> Rig:
    """A citizen with consent to several messages and a phone."""
    rig.configure(WECHAT | {"address": wechat.url, "read_timeout": 0.3}, ALIYUN | {"address": aliyun.url})
    for _ in range(3):
        rig.wall.pass_(seconds=1)
        rig.opened.clock.time += timedelta(seconds=1)
        rig.post("wechat", wechat.popup(OPENID, {"tmpl-1": "accept"}), query=_query(wechat))
    return rig


def lose(rig: Rig, wechat: FakeWechat, how: str, *, priority: int = 1) -> None:
    """A notice whose answer is lost: on the way, or because the process dies."""
    if how.startswith("killed"):
        (_after_claim if how == "killed before" else _before_record)(rig.sender)
    else:
        wechat.script = [how]
    turn, rig.sender.turn = rig.sender.turn, lambda: False  # type: ignore[method-assign]
    rig.report(openid=OPENID, phone=PHONE)
    rig.sender.turn = turn  # type: ignore[method-assign]
    with rig.opened() as work:
        work.execute("UPDATE sending SET priority = :n", n=priority)
    with suppress(Killed):
        turn()
    if how.startswith("killed"):
        rig.configure(*rig.entries)
        pass_(rig, seconds=200)
    assert rig.states() == ["unknown"]


def pass_(rig: Rig, **span: float) -> None:
    """Time passes, and whatever is due is done."""
    rig.wall.pass_(**span)
    rig.opened.clock.time += timedelta(**span)
    for _ in range(3):
        rig.sender.sweep()
        rig.sender.turn()
        rig.receiving.turn()


def sent(wechat: FakeWechat) -> int:
    """How many messages went to WeChat, taken or not."""
    return sum(request.path.endswith("/subscribe/send") for request in wechat.requests)


@pytest.mark.parametrize("how", WAYS)
def test_after_the_time_of_policy_it_goes_by_sms_and_never_again_to_wechat(
    lost: Rig, wechat: FakeWechat, aliyun: FakeAliyun, how: str
) -> None:
    lose(lost, wechat, how)
    calls = sent(wechat)
    pass_(lost, minutes=20)
    assert (lost.states(), aliyun.taken) == (["unknown"], {})
    pass_(lost, minutes=11)
    assert lost.states() == ["accepted"]
    pass_(lost, hours=2)
    assert [taken.times for taken in aliyun.taken.values()] == [1]
    assert sent(wechat) == calls <= 1


@pytest.mark.parametrize("how", WAYS)
def test_where_policy_says_nothing_it_stays_unknown_and_expires(
    lost: Rig, wechat: FakeWechat, aliyun: FakeAliyun, how: str
) -> None:
    lose(lost, wechat, how, priority=2)
    calls = sent(wechat)
    pass_(lost, hours=71)
    assert lost.states() == ["unknown"]
    pass_(lost, hours=2)
    (notice,) = lost.rows("SELECT state, reason FROM sending")
    assert (notice["state"], notice["reason"]) == ("expired", "no answer")
    assert (sent(wechat), aliyun.taken) == (calls, {})


@pytest.mark.parametrize("why", ["no phone any more", "sms not wanted any more"])
def test_it_goes_on_only_to_where_the_person_can_be_reached(
    lost: Rig, wechat: FakeWechat, aliyun: FakeAliyun, why: str
) -> None:
    """Else what may well have arrived would end as suppressed."""
    lose(lost, wechat, "hang_taken")
    with lost.opened() as work:
        if why == "no phone any more":
            sealed = lost.runtime.sealer.seal({"openid": OPENID}, "c-r1")
            work.execute("UPDATE recipient SET contact = :contact", contact=sealed)
        else:
            work.execute('UPDATE recipient SET preferences = \'{"unwanted": ["sms"]}\'')
    pass_(lost, minutes=40)
    assert (lost.states(), aliyun.taken, sent(wechat)) == (["unknown"], {}, 1)
