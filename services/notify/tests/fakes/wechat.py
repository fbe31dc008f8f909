"""WeChat's server interface on loopback: stable_token, subscribe/send, and the events that it pushes."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from .base import Fake, Request, Taken


class FakeWechat(Fake):
    """`appid` and `secret` are what it accepts; `credits` (by openid and template; None: all) what people agreed to."""

    def __init__(self, appid: str = "wx0000000000000000", secret: str = "app-secret") -> None:
        self.appid, self.secret = appid, secret
        self.credits: dict[tuple[str, str], int] | None = None
        self.tokens = 0
        """How many tokens there have been."""
        self.fetched: list[bool] = []
        """Calls of stable_token, by force_refresh."""
        self.token_script: list[int] = []
        """errcodes of the next calls of stable_token; 0: as usual."""
        self.rotten = False
        """Every token is refused, a fresh one too."""
        self.with_msgid = True
        self.push_token, self.push_key = "push-token", ""
        self.token = ""
        super().__init__()
        self.rotate()

    def ref(self, number: int) -> str:
        """A msgid, which is a number beyond 2⁵³."""
        return str(3248682510344192000 + number)

    def rotate(self) -> None:
        """What was handed out is good no more."""
        with self.lock:
            self.tokens += 1
            self.token = f"token-{self.tokens}-" + "x" * 120

    def handle(self, http: BaseHTTPRequestHandler, request: Request) -> None:
        """The two calls."""
        if request.path == "/cgi-bin/stable_token":
            self._stable_token(http, json.loads(request.body))
        elif request.path == "/cgi-bin/message/subscribe/send":
            self._send(http, request)
        else:
            self.answer(http, 404, b"")

    def _stable_token(self, http: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        with self.lock:
            self.fetched.append(body["force_refresh"])
            code = self.token_script.pop(0) if self.token_script else 0
        if code:
            self.answer(http, 200, {"errcode": code, "errmsg": "as told"})
        elif body["appid"] != self.appid:
            self.answer(http, 200, {"errcode": 40013, "errmsg": self.wrong("invalid appid")})
        elif body["secret"] != self.secret:
            self.answer(http, 200, {"errcode": 40125, "errmsg": self.wrong("invalid appsecret")})
        else:
            if body["force_refresh"]:
                self.rotate()
            self.answer(http, 200, {"access_token": self.token, "expires_in": 7200})

    def _send(self, http: BaseHTTPRequestHandler, request: Request) -> None:
        if dict(parse_qsl(request.query)).get("access_token") != self.token or self.rotten:
            message = "invalid credential, access_token is invalid or not latest"
            self.answer(http, 200, {"errcode": 40001, "errmsg": message})
            return
        body = json.loads(request.body)
        key = (body["touser"], body["template_id"])

        def take() -> Taken:
            with self.lock:
                self._count += 1
                id_ = f"{key[0]}/{key[1]}/{self._count}"
            return self.air(id_, key[0], template=key[1], data=body["data"], page=body.get("page"))

        word = self.word()
        if self.misbehave(http, word, take):
            return
        if word in ("ok", "slow", "no_id"):
            if word == "slow":
                self.release.wait(self.delay)
            with self.lock:
                left = 1 if self.credits is None else self.credits.get(key, 0)
                if left and self.credits is not None:
                    self.credits[key] = left - 1
            if not left:
                self.answer(http, 200, {"errcode": 43101, "errmsg": "user refuse to accept the msg"})
                return
            taken = take()
            done: dict[str, Any] = {"errcode": 0, "errmsg": "ok"}
            if word != "no_id" and self.with_msgid:
                done["msgid"] = int(taken.ref)
            self.answer(http, 200, done)
            return
        code = 45009 if word == "limit" else int(word)
        self.answer(http, 200, {"errcode": code, "errmsg": "refused as told"})

    _count = 0

    # -- events ------------------------------------------------------------------------------------

    def query(self, body: bytes = b"", timestamp: str = "1770000000", nonce: str = "n0") -> dict[str, str]:
        """The query string of a push of this body (that of `sealed` or one in the clear)."""
        made = {"timestamp": timestamp, "nonce": nonce}
        made["signature"] = _sha1(self.push_token, timestamp, nonce)
        if self.push_key:
            sealed = body.decode().partition("<Encrypt><![CDATA[")[2].partition("]]")[0]
            made |= {"encrypt_type": "aes", "msg_signature": _sha1(self.push_token, timestamp, nonce, sealed)}
        return made

    def push(self, body: bytes) -> bytes:
        """A body as it is pushed: encrypted when there is a `push_key`."""
        if not self.push_key:
            return body
        key = base64.b64decode(self.push_key + "=")
        plain = os.urandom(16) + len(body).to_bytes(4, "big") + body + self.appid.encode()
        pad = 32 - len(plain) % 32
        sealing = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
        raw = sealing.update(plain + bytes([pad]) * pad) + sealing.finalize()
        return f"<xml><Encrypt><![CDATA[{base64.b64encode(raw).decode()}]]></Encrypt></xml>".encode()

    def popup(self, openid: str, choices: dict[str, str], at: int = 1770000000) -> bytes:
        """subscribe_msg_popup_event in XML: template → accept or reject."""
        items = "".join(
            f"<List><TemplateId><![CDATA[{t}]]></TemplateId><SubscribeStatusString><![CDATA[{c}]]>"
            "</SubscribeStatusString><PopupScene>0</PopupScene></List>"
            for t, c in choices.items()
        )
        return _xml(openid, at, "subscribe_msg_popup_event", "SubscribeMsgPopupEvent", items)

    def change(self, openid: str, template: str, at: int = 1770000000) -> bytes:
        """subscribe_msg_change_event in XML: the person refuses a template from now on."""
        item = (
            f"<List><TemplateId><![CDATA[{template}]]></TemplateId>"
            "<SubscribeStatusString><![CDATA[reject]]></SubscribeStatusString></List>"
        )
        return _xml(openid, at, "subscribe_msg_change_event", "SubscribeMsgChangeEvent", item)

    def sent(self, taken: Taken, code: int = 0) -> bytes:
        """subscribe_msg_sent_event in XML."""
        item = (
            f"<List><TemplateId><![CDATA[{taken.fields['template']}]]></TemplateId><MsgID>{taken.ref}</MsgID>"
            f"<ErrorCode>{code}</ErrorCode><ErrorStatus><![CDATA[{'failed' if code else 'success'}]]>"
            "</ErrorStatus></List>"
        )
        return _xml(taken.to, int(taken.at), "subscribe_msg_sent_event", "SubscribeMsgSentEvent", item)

    def receipt(self, taken: Taken, code: str | None) -> Any:
        """WeChat pushes one event a message; see `sent`."""
        raise NotImplementedError


def _xml(openid: str, at: int, event: str, outer: str, items: str) -> bytes:
    return (
        "<xml><ToUserName><![CDATA[gh_000000000000]]></ToUserName>"
        f"<FromUserName><![CDATA[{openid}]]></FromUserName><CreateTime>{at}</CreateTime>"
        f"<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[{event}]]></Event>"
        f"<{outer}>{items}</{outer}></xml>"
    ).encode()


def _sha1(*parts: str) -> str:
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()
