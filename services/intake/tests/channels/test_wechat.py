"""Signing in by WeChat, against a WeChat on the loopback address that fails in every way that the real one does."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator

import pytest

from jiayuan.chassis.errors import Problem
from jiayuan.intake.channels.mini_program.wechat import Wechat, not_set_up, read
from jiayuan.intake.testing import wechat as fake
from jiayuan.intake.testing.wechat import FakeWechat

pytestmark = pytest.mark.unit


@pytest.fixture
def wechat() -> Iterator[FakeWechat]:
    with fake.running() as running:
        yield running


def ask(base: str, code: str, timeout: float = 5.0) -> str | Problem:
    try:
        return Wechat(fake.APPID, fake.SECRET, base, timeout).openid(code)
    except Problem as problem:
        return problem


def test_the_openid_of_a_code(wechat: FakeWechat) -> None:
    assert ask(wechat.base + "/", "openid-oAbc") == "oAbc"
    assert wechat.asked == [
        {
            "path": "/sns/jscode2session",
            "appid": fake.APPID,
            "secret": fake.SECRET,
            "js_code": "openid-oAbc",
            "grant_type": "authorization_code",
        }
    ]


FAILURES = [
    ("errcode-40029", 401, "wechat-code", None),
    ("errcode-40163", 401, "wechat-code", None),
    ("errcode-45011", 429, "wechat-too-often", "60"),
    ("errcode--1", 503, "wechat-busy", "2"),
    ("errcode-40226", 403, "wechat-risky", None),
    ("errcode-40125", 502, "wechat-refuses", None),
    ("errcode-99999", 502, "wechat-refuses", None),
    ("html", 502, "wechat-broken", None),
    ("list", 502, "wechat-broken", None),
    ("empty", 502, "wechat-broken", None),
    ("noopenid", 502, "wechat-broken", None),
    ("wrongtype", 502, "wechat-broken", None),
    ("wrongcode", 502, "wechat-broken", None),
    ("nul", 502, "wechat-broken", None),
    ("huge", 502, "wechat-broken", None),
    ("half", 502, "wechat-broken", None),
    ("status-500", 502, "wechat-broken", None),
    ("status-302", 502, "wechat-broken", None),
]


@pytest.mark.parametrize(("code", "status", "type_", "after"), FAILURES)
def test_each_failure_is_a_refusal_of_its_own(
    wechat: FakeWechat,
    code: str,
    status: int,
    type_: str,
    after: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "jiayuan")
    problem = ask(wechat.base, code)
    assert isinstance(problem, Problem)
    assert (problem.status, problem.extra["type"]) == (status, f"urn:jiayuan:problem:{type_}")
    assert problem.headers.get("Retry-After") == after
    assert problem.detail
    # Followed to another place, the secret would have gone there.
    assert [a["path"] for a in wechat.asked] == ["/sns/jscode2session"]
    said = caplog.text + repr(vars(problem))
    assert fake.SECRET not in said
    assert fake.SESSION_KEY not in said


def test_a_bad_code_names_the_field(wechat: FakeWechat) -> None:
    problem = ask(wechat.base, "errcode-40029")
    assert isinstance(problem, Problem)
    assert [p.field for p in problem.problems] == ["code"]


@pytest.mark.parametrize("code", ["slow", "drip"])
def test_a_wechat_that_does_not_answer_is_not_waited_for(wechat: FakeWechat, code: str) -> None:
    problem = ask(wechat.base, code, timeout=0.3)
    assert isinstance(problem, Problem)
    assert (problem.status, problem.extra["type"]) == (504, "urn:jiayuan:problem:wechat-slow")


@pytest.mark.parametrize("code", ["slow", "drip"])
def test_an_answer_that_stalls_is_slow_whoever_notices_first(wechat: FakeWechat, code: str) -> None:
    client = Wechat(fake.APPID, fake.SECRET, wechat.base, timeout=0.3)
    problem = client._ask(code)  # without the thread that isn't waited for
    assert isinstance(problem, Problem)
    assert problem.extra["type"] == "urn:jiayuan:problem:wechat-slow"


def test_a_wechat_that_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
        problem = ask(nobody, "any")
    assert isinstance(problem, Problem)
    assert (problem.status, problem.extra["type"]) == (503, "urn:jiayuan:problem:wechat-unreachable")
    assert fake.SECRET not in caplog.text + repr(vars(problem))


def test_our_own_wrong_secret_is_our_fault(wechat: FakeWechat) -> None:
    with pytest.raises(Problem) as refused:
        Wechat(fake.APPID, "another", wechat.base).openid("openid-oAbc")
    assert refused.value.status == 502
    assert not_set_up().status == 503


def test_success_says_nothing_of_an_errcode_of_zero() -> None:
    assert read(b'{"errcode": 0, "openid": "o1"}') == "o1"
