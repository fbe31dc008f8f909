"""WeChat subscribe messages: sending, and the events that tell of consent and of what became of a message.

- send: https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-message-management/subscribe-message/sendMessage.html
- events: https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/subscribe-message.html
- their signature and encryption: https://developers.weixin.qq.com/miniprogram/dev/framework/server-ability/message-push.html

The access token is in the address of a send, which is never logged (`calls`). WeChat has no question that tells what
became of a message, and no key by which it would send one once; its event names the id that came with the answer. So
after a lost answer a notice stays unknown until policy (cascade.yaml, `unanswered`) or its end.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote
from xml.etree import ElementTree

import orjson
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from jiayuan.chassis import redact
from jiayuan.notify.states import Outcome

from . import codes, signing
from .aliyun import now
from .base import Asked, Channel, Consent, Heard, Message, Receipt
from .calls import CONNECT, Answer, Calls, text
from .configured import Approved, approved
from .tokens import Shelf, Tokens

ADDRESS: Final = "https://api.weixin.qq.com"
STALE: Final = ("40001", "42001", "40014")
"""The token is invalid, too old, malformed."""
_TAKEN: Final = b"success"
_MOST_DEEP: Final = 8
"""WeChat's events are three deep."""
_EVENTS: Final = {
    "subscribe_msg_popup_event": "SubscribeMsgPopupEvent",
    "subscribe_msg_change_event": "SubscribeMsgChangeEvent",
    "subscribe_msg_sent_event": "SubscribeMsgSentEvent",
}


class Wechat:
    """One mini-program. `push_token` and `push_key` are those of its message push (消息推送)."""

    channel: Channel = "mini_program"

    def __init__(
        self,
        appid: str,
        secret: str,
        shelf: Shelf,
        *,
        name: str = "wechat",
        address: str = ADDRESS,
        templates: Mapping[str, Approved] | None = None,
        push_token: str = "",
        push_key: str = "",
        state: str = "formal",
        timeout: float = 5.0,
        connect: float = CONNECT,
        concurrency: int = 8,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self.name, self.concurrency = name, concurrency
        self._appid, self._secret = appid, secret
        self._address = address.rstrip("/")
        self._templates, self._state = templates or {}, state
        self._push_token, self._push_key = push_token, aes_key(push_key) if push_key else b""
        self._clock = clock
        self._calls = Calls(timeout=timeout, connect=connect, concurrency=concurrency)
        # A send may find its token stale, renew it by two calls, and be made again.
        self.batch, self.longest = self._calls.batch, 4 * self._calls.longest
        self._codes = codes.bundled("wechat")
        self._tokens = Tokens(shelf, self._fetch, clock)

    def __repr__(self) -> str:
        return f"Wechat({self.name!r})"

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """One call a message."""
        return self._calls.each(self._send, messages)

    def credit(self, message: Message) -> str:
        """The vendor's id of the template whose consent a message uses."""
        template = approved(self._templates, message)
        return message.template if isinstance(template, Outcome) else template.id

    def query(self, requests: Sequence[Asked]) -> list[Outcome]:
        """WeChat can't be asked."""
        return [Outcome("unknown", error="WeChat tells only by its events", code="no_question")] * len(
            requests
        )

    def pull(self) -> list[Receipt]:
        """WeChat keeps no receipts."""
        return []

    # -- sending -----------------------------------------------------------------------------------

    def _send(self, message: Message) -> Outcome:
        template = approved(self._templates, message)
        if isinstance(template, Outcome):
            return template
        document: dict[str, Any] = {
            "touser": message.to,
            "template_id": template.id,
            "data": {k: {"value": v} for k, v in template.named(message.parameters).items()},
            "miniprogram_state": self._state,
            "lang": "zh_CN",
        }
        if message.page:
            document["page"] = message.page
        body = orjson.dumps(document)
        token = self._tokens.get()
        if isinstance(token, Outcome):
            return token
        outcome = self._post(token, body)
        if outcome.code in STALE:
            token = self._tokens.renew(token)
            if isinstance(token, Outcome):
                return token
            outcome = self._post(token, body)
        return outcome

    def _post(self, token: str, body: bytes) -> Outcome:
        answer = self._calls.call(
            "POST",
            f"{self._address}/cgi-bin/message/subscribe/send",
            query=f"access_token={quote(token, safe='')}",
            body=body,
            headers={"Content-Type": "application/json"},
        )
        if isinstance(answer, Outcome):
            return answer
        code = _errcode(answer)
        # A refusal in its own form counts with another status, too, but for a gateway's failure.
        if not code or answer.status >= 500 or (code == "0" and answer.status != 200):
            return Outcome("unknown", error=f"status {answer.status} without an errcode", code="no_code")
        if code == "0":
            # The page of `send` promises errcode and errmsg only; the page of the events says of MsgID "消息id
            # (调用接口时也会返回)", and it does come, but not for all. So errcode 0 itself is the success.
            return Outcome("accepted", text(answer.document, "msgid")[:128] or None)
        return self._refused(answer, code)

    def _refused(self, answer: Answer, code: str) -> Outcome:
        words = text(answer.document, "errmsg")
        meaning = self._codes.send.get(code, words)
        return Outcome(
            meaning.kind,  # type: ignore[arg-type]
            error=redact.mask(f"{code}: {words}")[:280],
            after=max(answer.after, meaning.seconds(self._clock())),
            code=code,
        )

    def _fetch(self, force: bool) -> tuple[str, float] | Outcome:
        """A token of stable_token and for how many seconds it is good."""
        document = {
            "grant_type": "client_credential",
            "appid": self._appid,
            "secret": self._secret,
            "force_refresh": force,
        }
        answer = self._calls.call(
            "POST",
            f"{self._address}/cgi-bin/stable_token",
            body=orjson.dumps(document),
            headers={"Content-Type": "application/json"},
        )
        if isinstance(answer, Outcome):
            return Outcome("throttled", error=f"no token: {answer.error}", code=answer.code)
        token, seconds = text(answer.document, "access_token"), text(answer.document, "expires_in")
        if answer.status == 200 and token and seconds.isdigit():
            return token, float(seconds)
        code = _errcode(answer)
        if code and code != "0":
            return self._refused(answer, code)
        return Outcome("throttled", error=f"no token: status {answer.status}", code="no_token")

    # -- events ------------------------------------------------------------------------------------

    def verify(self, query: Mapping[str, str]) -> Heard:
        """WeChat's own question whether this address is ours: its echo. ValueError for a wrong signature."""
        self._check(query.get("signature", ""), query)
        return Heard(body=query.get("echostr", "").encode(), content_type="text/plain; charset=utf-8")

    def receipts(self, body: bytes, query: Mapping[str, str], /) -> Heard:
        """An event in XML or JSON, in the clear or encrypted; those that are not about messages bring nothing."""
        document = _parsed(body)
        if query.get("encrypt_type") == "aes" or "Encrypt" in document:
            sealed = text(document, "Encrypt")
            self._check(query.get("msg_signature", ""), query, sealed)
            document = _parsed(self._opened(sealed))
        else:
            if self._push_key:
                raise ValueError("must be encrypted")
            self._check(query.get("signature", ""), query)
        receipts, consents = self._event(document)
        return Heard(receipts, consents, body=_TAKEN, content_type="text/plain; charset=utf-8")

    def _check(self, said: str, query: Mapping[str, str], *more: str) -> None:
        parts = (self._push_token, query.get("timestamp", ""), query.get("nonce", ""), *more)
        if not self._push_token or not hmac.compare_digest(signing.wechat(parts).encode(), said.encode()):
            raise ValueError("the signature is wrong")

    def _opened(self, sealed: str) -> bytes:
        if not self._push_key:
            raise ValueError("is encrypted, and there is no push_key")
        try:
            raw = base64.b64decode(sealed, validate=True)
            opening = Cipher(algorithms.AES(self._push_key), modes.CBC(self._push_key[:16])).decryptor()
            plain = opening.update(raw) + opening.finalize()
        except (binascii.Error, ValueError):
            raise ValueError("can't be decrypted") from None
        plain = plain[: -plain[-1]] if plain and 1 <= plain[-1] <= 32 else b""
        length = int.from_bytes(plain[16:20], "big")
        message, appid = plain[20 : 20 + length], plain[20 + length :]
        if appid != self._appid.encode():
            raise ValueError("is not for this app")
        return message

    def _event(self, document: Mapping[str, Any]) -> tuple[list[Receipt], list[Consent]]:
        name = text(document, "Event")
        if name not in _EVENTS:
            return [], []
        inner = document.get(_EVENTS[name])
        items = (inner if isinstance(inner, dict) else document).get("List", [])
        items = items if isinstance(items, list) else [items]
        created = text(document, "CreateTime")
        if not created.isdigit() or len(created) > 10:
            raise ValueError("CreateTime must be seconds")
        at = datetime.fromtimestamp(int(created), UTC)
        if name == "subscribe_msg_sent_event":
            return [receipt for item in items if (receipt := self._receipt(item, at))], []
        openid = text(document, "FromUserName")
        return [], [
            Consent(openid, text(item, "TemplateId"), status, at)  # type: ignore[arg-type]
            for item in items
            if (status := text(item, "SubscribeStatusString")) in ("accept", "reject") and openid
        ]

    def _receipt(self, item: Any, at: datetime) -> Receipt | None:
        ref, code = text(item, "MsgID")[:128], text(item, "ErrorCode")
        if not ref or not code:
            return None
        return Receipt(self._codes.receipts.get(code).kind, None, ref, at, code[:64])  # type: ignore[arg-type]


def aes_key(encoded: str) -> bytes:
    """The key of an EncodingAESKey (43 characters); ValueError for what is none."""
    try:
        key = base64.b64decode(encoded + "=", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(encoded) != 43 or len(key) != 32:
        raise ValueError("must be the 43 characters of an EncodingAESKey")
    return key


def _errcode(answer: Answer) -> str:
    return text(answer.document, "errcode")


def _parsed(body: bytes) -> dict[str, Any]:
    """An object of JSON or of WeChat's XML, where a name given several times is a list. ValueError for others."""
    if body.lstrip()[:1] != b"<":
        document = orjson.loads(body)
        if not isinstance(document, dict):
            raise ValueError("must be an object")
        return document
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise ValueError("must have no document type")
    try:
        made = _element(ElementTree.fromstring(body))
    except ElementTree.ParseError:
        raise ValueError("is neither JSON nor XML") from None
    if not isinstance(made, dict):
        raise ValueError("must have elements")
    return made


def _element(element: ElementTree.Element, depth: int = 0) -> Any:
    if len(element) == 0:
        return element.text or ""
    if depth > _MOST_DEEP:
        raise ValueError("is nested too deep")
    made: dict[str, Any] = {}
    for child in element:
        value = _element(child, depth + 1)
        if child.tag not in made:
            made[child.tag] = value
        elif isinstance(made[child.tag], list):
            made[child.tag].append(value)
        else:
            made[child.tag] = [made[child.tag], value]
    return made
