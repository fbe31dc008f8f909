"""What a provider refuses because the person has unsubscribed there is kept as a refusal, and can be taken back."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from jiayuan.chassis.testing.client import Client
from jiayuan.notify import replies, wishing
from jiayuan.notify.cli import notify
from jiayuan.notify.preferences import Wishes
from jiayuan.notify.providers.base import Message, Receipt
from jiayuan.notify.receiving import Receiving
from jiayuan.notify.routes import Route
from jiayuan.notify.sending import Sender
from jiayuan.notify.states import Outcome

from .fakes import FakeAliyun, FakeTencent
from .rigs import Rig, Scripted
from .test_aliyun import make as an_aliyun
from .test_aliyun import message as a_message
from .test_tencent import make as a_tencent
from .test_tencent import message as another_message

pytestmark = pytest.mark.store

GONE = Outcome("refused", error="on the list", code="isv.MOBILE_IN_BLACK", unsubscribed=True)
PHONE = "13900001234"


class Town:
    """A citizen with a phone, and a provider of SMS that has unsubscribed numbers on its list."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.gone = rig, {PHONE}
        self.sms = Scripted("sms-1", self._answer)
        self.sender = Sender(rig.runtime, [Route(self.sms)], inline=True)
        self._reports = 0

    def _answer(self, message: Message) -> Outcome:
        return GONE if message.to in self.gone else Outcome("accepted", message.request_id)

    def report(self, phone: str = PHONE, **given: Any) -> str:
        """Another report by the citizen; what became of its notice."""
        self._reports += 1
        sealed = self.rig.seal("c0", phone=phone)
        at = self.rig.events.at.replace(minute=self._reports)
        code = f"JY-AAAA{self._reports:02}"
        id_ = f"r{self._reports}"
        self.rig.handle(self.rig.events.report(id_, reporter="c0", contact=sealed, at=at, code=code, **given))
        while self.sender.turn():
            pass
        rows = self.rig.rows(
            f"SELECT state FROM notice JOIN sending ON notice_id = id WHERE report_id = '{id_}'"
        )
        return "+".join(sorted(row["state"] for row in rows))

    def wishes(self) -> dict[str, Any]:
        """What is kept of the citizen."""
        with self.rig.opened() as work:
            return wishing.show(work, "citizen", "c0")

    def refusals(self) -> list[dict[str, Any]]:
        """What the citizen refuses, and who said so."""
        with self.rig.opened() as work:
            return wishing.refusals(work, "c0")


@pytest.fixture
def town(rig: Rig) -> Town:
    """The town."""
    return Town(rig)


@pytest.fixture
def command(town: Town, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command line on the town's database."""
    monkeypatch.setenv("JIAYUAN_NOTIFY_DATABASE_URL", town.rig.opened.url)

    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(notify, list(words))
        assert done.exit_code == code, done.output
        return done.output

    return run


def test_after_such_a_refusal_the_channel_isnt_tried_any_more(town: Town) -> None:
    assert town.report() == "undelivered"
    assert town.report() == "suppressed"
    assert len(town.sms.calls) == 1
    (refused,) = town.refusals()
    assert refused | {"at": None} == {
        "type": "citizen",
        "what": "sms",
        "source": "vendor",
        "by": "sms-1",
        "code": "isv.MOBILE_IN_BLACK",
        "at": None,
    }


def test_the_status_of_a_person_says_who_refused(town: Town, command: Any) -> None:
    town.report()
    said = command("status", "--person", "c0")
    assert "citizen refuses sms since " in said
    assert "said by vendor sms-1 (isv.MOBILE_IN_BLACK)" in said
    document = json.loads(command("status", "--person", "c0", "--json"))
    assert [one["source"] for one in document["refusals"]] == ["vendor"]
    assert "a provider's word" in command("preferences", "show", "citizen", "c0")
    assert PHONE not in said + json.dumps(document)


def test_danger_is_told_all_the_same_and_an_emergency_overrides_no_more_than_it_may(town: Town) -> None:
    """Safety passes a refusal by policy; an emergency lets assignees' notices pass the night, not a refusal."""
    town.report()
    town.gone.clear()
    assert town.report(signs=(("fire", "119"),)) == "accepted"
    town.rig.person("worker-1", contact=town.rig.seal("worker-1", phone=PHONE))
    with town.rig.opened() as work:
        number = town.rig.rows("SELECT preferences FROM recipient WHERE ref = 'c0'")[0]["preferences"]
        digest = number["vendor"]["sms"]
        wishing.unsubscribed(work, "person", "worker-1", "sms", digest, provider="sms-1", code="x")
    calls = len(town.sms.calls)
    legs = [town.rig.events.leg(id_="worker-1")]
    town.rig.handle(town.rig.events.case("case.assigned", legs=legs, emergency="e1"))
    while town.sender.turn():
        pass
    assert len(town.sms.calls) == calls
    states = {
        r["state"]
        for r in town.rig.rows(
            "SELECT state FROM notice JOIN sending ON notice_id = id WHERE role = 'assignee'"
        )
    }
    assert states == {"suppressed"}


def test_another_number_of_the_person_is_not_refused(town: Town) -> None:
    town.report()
    assert town.report("13900005678") == "accepted"
    assert town.report() == "suppressed"


@pytest.mark.parametrize("way", ["reply", "page", "code", "operator"])
def test_the_person_or_an_operator_takes_it_back(town: Town, command: Any, way: str) -> None:
    town.report()
    client = Client(town.rig.opened)
    match way:
        case "reply":
            replies.take(town.rig.runtime, "sms-1", [replies.Reply("start", PHONE, "k")])
            while replies.turn(town.rig.runtime):
                pass
        case "page":
            client("GET", "/u/JY-AAAA01")
            assert "此号码已退订短信" in client.content.decode()
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            assert client("POST", "/u/JY-AAAA01", b"do=all", headers=form)[0] == 200
        case "code":
            assert client("GET", "/preferences/code/JY-AAAA01")[1]["vendor"] == ["sms"]
            quiet = {"from": "21:00", "until": "07:00"}
            asked = {"unwanted": ["sms"], "quiet": quiet}
            kept = client("PUT", "/preferences/code/JY-AAAA01", orjson.dumps(asked))[1]
            assert (kept["vendor"], kept["quiet"]) == (["sms"], quiet)
            client("PUT", "/preferences/code/JY-AAAA01", orjson.dumps({"unwanted": []}))
        case "operator":
            assert "--reason" in command("preferences", "resubscribe", "citizen", "c0", "sms", code=2)
            words = ("--reason", "asked for it at the counter", "--who", "lin")
            command("preferences", "resubscribe", "citizen", "c0", "sms", *words)
            said = command("preferences", "resubscribe", "citizen", "c0", "sms", *words, code=1)
            assert "used for this person already" in said
            assert "command by lin: asked for it at the counter" in command(
                "preferences", "show", "citizen", "c0"
            )
    assert (town.wishes()["unwanted"], town.refusals()) == ([], [])
    town.gone.clear()
    assert town.report() == "accepted"


def test_the_same_refusal_again_is_kept_once_and_ones_own_word_stays_ones_own(town: Town) -> None:
    town.report()
    town.report(signs=(("fire", "119"),))  # tried, and refused again
    assert len(town.rig.rows("SELECT * FROM preference_change")) == 1
    with town.rig.opened() as work:
        wishing.change(work, "citizen", "c0", Wishes(), "page")
        wishing.change(work, "citizen", "c0", Wishes(unwanted=frozenset({"sms"})), "page")
    town.report(signs=(("fire", "119"),))
    assert [(r["what"], r["source"]) for r in town.refusals()] == [("sms", "page")]


def test_who_is_erased_leaves_no_refusal_behind(town: Town) -> None:
    town.report()
    town.rig.handle(town.rig.events.erased("c0"))
    assert town.refusals() == []
    assert town.rig.rows("SELECT * FROM preference_change") == []


# -- what vendors say --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "gone"),
    [
        ("isv.MOBILE_IN_BLACK", True),
        ("isv.BLACK_LIST", True),
        ("isv.UNSUBSCRIBE", True),
        ("isv.MOBILE_NUMBER_ILLEGAL", False),
        ("isv.BLACK_KEY_CONTROL_LIMIT", False),
    ],
)
def test_which_answers_of_aliyun_are_refusals_by_the_person(
    aliyun: FakeAliyun, code: str, gone: bool
) -> None:
    aliyun.script = [code]
    (outcome,) = an_aliyun(aliyun).send([a_message()])
    assert (outcome.unsubscribed, outcome.code) == (gone, code)


@pytest.mark.parametrize(
    ("code", "gone"),
    [
        ("FailedOperation.PhoneNumberInBlacklist", True),
        ("InvalidParameterValue.IncorrectPhoneNumber", False),
        ("LimitExceeded.AppCountryOrRegionInBlacklist", False),
    ],
)
def test_which_answers_of_tencent_are_refusals_by_the_person(
    tencent: FakeTencent, code: str, gone: bool
) -> None:
    tencent.script = [code]
    (outcome,) = a_tencent(tencent).send([another_message()])
    assert (outcome.kind, outcome.unsubscribed, outcome.code) == ("refused", gone, code)


def _aliyun(code: str | None) -> dict[str, Any]:
    return {"out_id": "1", "biz_id": "b", "success": code is None, "err_code": code or "DELIVERED"}


def _tencent(words: str, status: str = "FAIL") -> dict[str, Any]:
    return {"sid": "s", "report_status": status, "errmsg": "MK:1", "description": words}


@pytest.mark.parametrize(
    ("vendor", "item", "gone"),
    [
        ("aliyun", _aliyun("MOBILE_IN_BLACK"), True),
        ("aliyun", _aliyun("USER_REJECT"), True),
        ("aliyun", _aliyun("MOBILE_NOT_ON_SERVICE"), False),
        ("aliyun", _aliyun(None), False),
        ("tencent", _tencent("用户命中运营商黑名单"), True),
        ("tencent", _tencent("用户已退订"), True),
        ("tencent", _tencent("用户关机"), False),
        ("tencent", _tencent("用户曾退订后恢复", "SUCCESS"), False),
    ],
)
def test_which_receipts_are_refusals_by_the_person(
    aliyun: FakeAliyun, tencent: FakeTencent, vendor: str, item: dict[str, Any], gone: bool
) -> None:
    provider = an_aliyun(aliyun) if vendor == "aliyun" else a_tencent(tencent)
    (receipt,) = provider.receipts(orjson.dumps([item]), {}).receipts
    assert receipt.unsubscribed is gone


def test_a_receipt_keeps_the_refusal_also_when_it_comes_before_its_answer(town: Town) -> None:
    town.gone.clear()
    receiving = Receiving(town.rig.runtime, [Route(town.sms)])
    early = Receipt("undelivered", None, "ref-of-1", None, "USER_REJECT", True)
    receiving.take("sms-1", [early])
    town.sms.answer = lambda _m: Outcome("accepted", "ref-of-1")
    assert town.report() == "accepted"
    receiving.turn()
    assert [(r["what"], r["source"], r["code"]) for r in town.refusals()] == [
        ("sms", "vendor", "USER_REJECT")
    ]
    assert town.report() == "suppressed"
