"""Aliyun SMS, Dysmsapi 2017-05-25: SendSms, QuerySendDetails, and the callback SmsReport.

- SendSms: https://help.aliyun.com/zh/sms/developer-reference/api-dysmsapi-2017-05-25-sendsms
- QuerySendDetails: https://help.aliyun.com/zh/sms/developer-reference/api-dysmsapi-2017-05-25-querysenddetails
- SmsReport: https://help.aliyun.com/zh/sms/developer-reference/smsreport-2

`OutId` is our request id; it is handed back by the question and the receipt, and does not keep Aliyun from sending
twice, so a lost answer is asked for before anything else is sent. Parameters go in the query string, as the vendor's
SDK does: the address holds a phone and is never logged (`calls`).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from jiayuan.chassis import redact
from jiayuan.notify.states import Outcome

from . import codes, signing
from .base import Asked, Channel, Heard, Listed, Message, Receipt
from .calls import CONNECT, Answer, Calls, text
from .configured import Approved, approved

ADDRESS: Final = "https://dysmsapi.aliyuncs.com"
VERSION: Final = "2017-05-25"
_PAGE: Final = 50
_MOST_PAGES: Final = 4
_ACCEPTED: Final = orjson.dumps({"code": 0, "msg": "接收成功"})
_STATUS: Final = {"1": "accepted", "2": "refused", "3": "delivered"}
"""SendStatus: waiting for a receipt, failed, received."""


def now() -> datetime:
    """The wall clock, which signatures are about."""
    return datetime.now(UTC)


class Aliyun:
    """One account with one signature (签名). Errors of people and of keys alike come as outcomes."""

    channel: Channel = "sms"
    lists_unfinished = True

    def __init__(
        self,
        key_id: str,
        secret: str,
        sign: str,
        *,
        name: str = "aliyun",
        address: str = ADDRESS,
        templates: Mapping[str, Approved] | None = None,
        timeout: float = 5.0,
        connect: float = CONNECT,
        concurrency: int = 8,
        settle: float = 15.0,
        clock: Callable[[], datetime] = now,
        nonce: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self.name, self.concurrency = name, concurrency
        self._key_id, self._secret, self._sign = key_id, secret, sign
        self._address = address.rstrip("/")
        parts = urlsplit(self._address)
        self._host, self._path = parts.netloc, parts.path + "/"
        self._templates = templates or {}
        self._settle = timedelta(seconds=settle)
        self._clock, self._nonce = clock, nonce
        self._calls = Calls(timeout=timeout, connect=connect, concurrency=concurrency)
        # A question may take several calls.
        self.batch, self.longest = self._calls.batch, 2 * self._calls.longest
        self._codes = codes.bundled("aliyun")

    def __repr__(self) -> str:
        return f"Aliyun({self.name!r})"

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """One SendSms a message."""
        return self._calls.each(self._send, messages)

    def query(self, requests: Sequence[Asked]) -> list[Outcome]:
        """One QuerySendDetails a request, by phone and day; OutId says which message it is."""
        return self._calls.each(self._query, requests)

    def pull(self) -> list[Receipt]:
        """Aliyun keeps no receipts to be fetched over HTTP."""
        return []

    def receipts(self, body: bytes, _query: Mapping[str, str], /) -> Heard:
        """SmsReport: `[{phone_number, report_time, success, err_code, sms_size, biz_id, out_id, …}]`."""
        document = orjson.loads(body)
        if not isinstance(document, list):
            raise ValueError("must be an array")
        found = [receipt for item in document if (receipt := self._receipt(item))]
        return Heard(receipts=found, body=_ACCEPTED)

    def listed(self, day: date, numbers: Sequence[str]) -> list[Listed] | None:
        """QuerySendDetails of each number; OutId is our request id."""
        return self._calls.lists(lambda number: self._list(day, number), numbers)

    # -- calls -------------------------------------------------------------------------------------

    def _send(self, message: Message) -> Outcome:
        template = approved(self._templates, message)
        if isinstance(template, Outcome):
            return template
        answer = self._call(
            "SendSms",
            {
                "OutId": message.request_id,
                "PhoneNumbers": message.to,
                "SignName": message.sign or self._sign,
                "TemplateCode": template.id,
                "TemplateParam": orjson.dumps(template.named(message.parameters)).decode(),
            },
        )
        return answer if isinstance(answer, Outcome) else self._sent(answer)

    def _sent(self, answer: Answer) -> Outcome:
        code = text(answer.document, "Code")
        if not code:
            return Outcome("unknown", error=f"status {answer.status} without a code", code="no_code")
        if code == "OK":
            ref = text(answer.document, "BizId")[:128]
            if answer.status != 200 or not ref:
                return Outcome("unknown", error=f"status {answer.status}: OK without a BizId", code="no_id")
            return Outcome("accepted", ref)
        meaning = self._codes.send.get(code, text(answer.document, "Message"))
        kind = meaning.kind
        if answer.status >= 500 and code not in self._codes.send.entries and kind == "throttled":
            kind = "unknown"  # a gateway's own failure may come after the SMS has left
        return Outcome(
            kind,  # type: ignore[arg-type]
            error=redact.mask(f"{code}: {text(answer.document, 'Message')}")[:280],
            after=max(answer.after, meaning.seconds(self._clock())),
            code=code,
            unsubscribed=meaning.unsubscribed,
        )

    def _query(self, asked: Asked) -> Outcome:
        at = asked.sent_at or self._clock()
        local = at.astimezone(codes.CHINA)
        days = [local.date()]
        if (local + timedelta(minutes=5)).date() != local.date():
            days.append(
                (local + timedelta(minutes=5)).date()
            )  # sent at midnight, it may count as the next day's
        for day in days:
            for page in range(1, _MOST_PAGES + 1):
                query = {
                    "CurrentPage": str(page),
                    "PageSize": str(_PAGE),
                    "PhoneNumber": asked.to,
                    "SendDate": day.strftime("%Y%m%d"),
                }
                if asked.provider_ref:
                    query["BizId"] = asked.provider_ref
                details = self._details(self._call("QuerySendDetails", query))
                if isinstance(details, Outcome):
                    return details
                for detail in details:
                    if text(detail, "OutId") == asked.request_id:
                        return self._detail(detail, asked)
                if len(details) < _PAGE:
                    break
            else:
                return Outcome("unknown", error="more messages than can be looked through", code="too_many")
        if self._clock() - at < self._settle:
            return Outcome("unknown", error="not listed yet", after=self._settle.total_seconds())
        return Outcome("not_found")

    def _list(self, day: date, number: str) -> list[Listed] | Outcome:
        found: list[Listed] = []
        for page in range(1, _MOST_PAGES + 1):
            query = {
                "CurrentPage": str(page),
                "PageSize": str(_PAGE),
                "PhoneNumber": number,
                "SendDate": day.strftime("%Y%m%d"),
            }
            details = self._details(self._call("QuerySendDetails", query))
            if isinstance(details, Outcome):
                return details
            for detail in details:
                kind = _STATUS.get(text(detail, "SendStatus"), "accepted")
                state: Any = "undelivered" if kind == "refused" else kind
                found.append(Listed(text(detail, "OutId") or None, None, state))
            if len(details) < _PAGE:
                return found
        return Outcome("unknown", error="more messages than can be looked through", code="too_many")

    def _details(self, answer: Answer | Outcome) -> list[Any] | Outcome:
        """The listed messages; unknown when the question failed."""
        if isinstance(answer, Outcome):
            return Outcome("unknown", error=answer.error, code=answer.code)
        code = text(answer.document, "Code")
        if answer.status != 200 or code != "OK":
            said = redact.mask(f"{code}: {text(answer.document, 'Message')}")[:280]
            return Outcome("unknown", error=said, after=answer.after, code=code or None)
        inner = answer.document.get("SmsSendDetailDTOs")
        if not inner and text(answer.document, "TotalCount") == "0":
            return []
        found = inner.get("SmsSendDetailDTO", []) if isinstance(inner, dict) else inner
        if not isinstance(found, list):
            return Outcome("unknown", error="the answer lists nothing", code="no_list")
        return found

    def _detail(self, detail: Any, asked: Asked) -> Outcome:
        kind = _STATUS.get(text(detail, "SendStatus"))
        code = text(detail, "ErrCode") or None
        if kind is None:
            return Outcome("unknown", error="a status that we don't know", code=code)
        if kind != "refused":
            return Outcome(kind, asked.provider_ref, code=code)  # type: ignore[arg-type]
        gone = self._codes.receipts.get(code or "").unsubscribed
        error = redact.mask(code or "not delivered")
        return Outcome("refused", asked.provider_ref, error, code=code, unsubscribed=gone)

    def _receipt(self, item: Any) -> Receipt | None:
        request_id, ref = text(item, "out_id"), text(item, "biz_id")[:128]
        if not request_id and not ref:
            return None
        code = text(item, "err_code")[:64]
        success = item.get("success")
        if success is None and not code:
            return None  # it says nothing of the message
        meaning = self._codes.receipts.get(code)
        kind = meaning.kind
        if success is True or (isinstance(success, str) and success.lower() == "true"):
            kind = "delivered"
        elif success is False or (isinstance(success, str) and success.lower() == "false"):
            kind = "undelivered"
        at = _local(text(item, "report_time"))
        gone = kind == "undelivered" and meaning.unsubscribed
        return Receipt(kind, request_id or None, ref or None, at, code or None, gone)  # type: ignore[arg-type]

    def _call(self, action: str, parameters: Mapping[str, str]) -> Answer | Outcome:
        query = signing.canonical_query(parameters)
        headers = {
            "host": self._host,
            "x-acs-action": action,
            "x-acs-content-sha256": signing.sha256(b""),
            "x-acs-date": self._clock().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": self._nonce(),
            "x-acs-version": VERSION,
        }
        headers["Authorization"] = signing.acs3(
            self._key_id, self._secret, headers, path=self._path, query=query
        )
        return self._calls.call("POST", self._address + "/", query=query, headers=headers)


def _local(value: str) -> datetime | None:
    """A time of China without a zone, as the vendors write them."""
    try:
        return datetime.strptime(value, "%Y-%m-%d %H:%M:%S").replace(tzinfo=codes.CHINA)
    except ValueError:
        return None
