"""WeChat's code2session: who is behind the code of a `wx.login`.

GET <base>/sns/jscode2session?appid&secret&js_code&grant_type=authorization_code → {"openid", "session_key"} or
{"errcode", "errmsg"}, as text/plain and with status 200 either way.

Each failure is a refusal of its own, so that the mini-program can tell what to do: log in again, wait, or show that
something is broken here. The session key is read by nobody: it is dropped with the answer. The app's secret stands in
the address that is called, so no error of the HTTP library, which would quote it, is passed on or logged.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Final

import orjson
import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.outward import body_of
from jiayuan.contracts.check import FieldProblem

log = logging.getLogger("jiayuan.intake.wechat")

BASE: Final = "https://api.weixin.qq.com"
_PATH: Final = "/sns/jscode2session"
_CONNECT: Final = 3.0
_MOST_BYTES: Final = 64 * 1024
_MOST_OPENID: Final = 128
# https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-login/code2Session.html
_BAD_CODE: Final = (40029, 40163)  # unknown or expired; used already
_TOO_OFTEN: Final = (45011, 45009)  # this user's calls of a minute; the app's of a day
_RISKY: Final = 40226
_BUSY: Final = -1


class Wechat:
    """A client of one WeChat app. `timeout`: seconds that a whole call may take."""

    def __init__(self, appid: str, secret: str, base: str = BASE, timeout: float = 5.0) -> None:
        self._query = {"appid": appid, "secret": secret, "grant_type": "authorization_code"}
        self._url = base.rstrip("/") + _PATH
        self._timeout = timeout
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy or .netrc of the machine decides where the secret goes

    def openid(self, code: str) -> str:
        """The openid behind a code, which can be used once. Problem says what is wrong and what to do."""
        found: list[str | Problem] = []
        caller = threading.Thread(target=lambda: found.append(self._ask(code)), daemon=True)
        caller.start()
        # A server that sends a header a second outlasts every time-out of a read; it isn't waited for.
        caller.join(self._timeout)
        answer = found[0] if found else _slow(self._timeout)
        if isinstance(answer, Problem):
            log.warning(
                "sign-in by WeChat failed", extra={"type": answer.extra["type"], "why": answer.detail}
            )
            raise answer
        return answer

    def _ask(self, code: str) -> str | Problem:
        end = time.monotonic() + self._timeout
        try:
            with self._session.get(
                self._url,
                params={**self._query, "js_code": code},
                timeout=(min(_CONNECT, self._timeout), self._timeout),
                allow_redirects=False,
                stream=True,
            ) as response:
                if response.status_code != 200:
                    return _broken(f"WeChat answered with status {response.status_code}")
                return read(body_of(response, _MOST_BYTES, end))
        except (requests.exceptions.Timeout, ReadTimeoutError):
            return _slow(self._timeout)
        except (requests.exceptions.RequestException, HTTPError) as error:
            return _problem(
                503,
                "wechat-unreachable",
                "WeChat can't be reached",
                f"try again shortly ({type(error).__name__})",
                after=5,
            )
        except Exception as error:  # noqa: BLE001  what it says may quote the secret: its kind is enough
            return _broken(f"the call broke ({type(error).__name__})")


def read(raw: bytes) -> str | Problem:
    """The openid of an answer, or what its absence means."""
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return _broken("WeChat's answer is not JSON")
    if not isinstance(document, dict):
        return _broken("WeChat's answer is not an object")
    code = document.get("errcode", 0)
    if type(code) is not int:
        return _broken("WeChat's answer has an errcode that is no number")
    if code:
        return _refusal(code)
    openid = document.get("openid")
    if not isinstance(openid, str) or not 0 < len(openid) <= _MOST_OPENID or not openid.isprintable():
        return _broken("WeChat's answer has no openid")
    return openid


def _refusal(code: int) -> Problem:
    if code in _BAD_CODE:
        return _problem(
            401,  # a code is what somebody proves himself with
            "wechat-code",
            "The code is not valid",
            "it has expired or was used already: call wx.login for a new one",
            errcode=code,
            field=FieldProblem(
                "code", "is not known to WeChat any more", "a fresh code of wx.login, used once"
            ),
        )
    if code in _TOO_OFTEN:
        return _problem(
            429,
            "wechat-too-often",
            "Signing in too often",
            "WeChat takes no more sign-ins for the moment; try again in a minute",
            errcode=code,
            after=60,
        )
    if code == _RISKY:
        return _problem(
            403,
            "wechat-risky",
            "WeChat refuses this user",
            "WeChat holds the account to be at risk",
            errcode=code,
        )
    if code == _BUSY:
        return _problem(
            503, "wechat-busy", "WeChat is busy", "try again in a few seconds", errcode=code, after=2
        )
    # 40013, 40125, 41002 …: our appid or secret is wrong, which is no fault of the citizen's.
    log.error("WeChat refuses our appid or secret", extra={"errcode": code})
    return _problem(
        502, "wechat-refuses", "Sign-in is not set up right", "WeChat refuses this service", errcode=code
    )


def _slow(timeout: float) -> Problem:
    return _problem(504, "wechat-slow", "WeChat doesn't answer", f"no answer within {timeout:g} s", after=5)


def _broken(why: str) -> Problem:
    return _problem(502, "wechat-broken", "WeChat's answer is not usable", why)


def _problem(
    status: int,
    type_: str,
    title: str,
    detail: str,
    *,
    after: int = 0,
    field: FieldProblem | None = None,
    **extra: Any,
) -> Problem:
    headers = {"Retry-After": str(after)} if after else {}
    return Problem(
        status,
        title,
        detail,
        [field] if field else (),
        headers,
        type=f"urn:jiayuan:problem:{type_}",
        **extra,
    )


def not_set_up() -> Problem:
    """The refusal while there is no appid or secret."""
    return _problem(
        503,
        "wechat-absent",
        "Sign-in by WeChat is not set up",
        "the settings wechat_appid and wechat_secret are missing",
    )
