"""Tencent Cloud SMS, sms 2021-01-11: SendSms, PullSmsSendStatusByPhoneNumber, PullSmsSendStatus, and the callback.

- SendSms: https://cloud.tencent.com/document/api/382/55981
- PullSmsSendStatusByPhoneNumber: https://cloud.tencent.com/document/api/382/55979
- PullSmsSendStatus: https://cloud.tencent.com/document/api/382/55980
- callback: https://cloud.tencent.com/document/api/382/59178

`SessionContext` is our request id. Tencent hands it back only to accounts for which that was opened, and lists a
message only when the carrier has said something of it. So a message that isn't listed is taken for lost only after
`settle` seconds, and not while another of the same time is listed that may be it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from jiayuan.chassis import redact
from jiayuan.notify.states import Outcome

from . import codes, signing
from .aliyun import now
from .base import Asked, Channel, Heard, Listed, Message, Receipt
from .calls import CONNECT, Answer, Calls, text
from .configured import Approved, approved

log = logging.getLogger("jiayuan.notify")

ADDRESS: Final = "https://sms.tencentcloudapi.com"
REGION: Final = "ap-guangzhou"
VERSION: Final = "2021-01-11"
_TYPE: Final = "application/json"
_PAGE: Final = 100
_SLACK: Final = timedelta(seconds=60)
"""How far the vendor's clock may be from ours."""
_ACCEPTED: Final = orjson.dumps({"result": 0, "errmsg": "OK"})


class Tencent:
    """One application (SdkAppId) with one signature (签名)."""

    channel: Channel = "sms"
    lists_unfinished = False

    def __init__(
        self,
        secret_id: str,
        secret_key: str,
        app_id: str,
        sign: str,
        *,
        name: str = "tencent",
        address: str = ADDRESS,
        region: str = REGION,
        templates: Mapping[str, Approved] | None = None,
        timeout: float = 5.0,
        connect: float = CONNECT,
        concurrency: int = 8,
        settle: float = 60.0,
        pulls: bool = False,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self.name, self.concurrency = name, concurrency
        self._id, self._key, self._app, self._sign = secret_id, secret_key, app_id, sign
        self._region, self._pulls = region, pulls
        self._address = address.rstrip("/")
        parts = urlsplit(self._address)
        self._host, self._path = parts.netloc, parts.path + "/"
        self._templates = templates or {}
        self._settle = timedelta(seconds=settle)
        self._clock = clock
        self._calls = Calls(timeout=timeout, connect=connect, concurrency=concurrency)
        self.batch, self.longest = self._calls.batch, self._calls.longest
        self._codes = codes.bundled("tencent")

    def __repr__(self) -> str:
        return f"Tencent({self.name!r})"

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """One SendSms a message."""
        return self._calls.each(self._send, messages)

    def query(self, requests: Sequence[Asked]) -> list[Outcome]:
        """One PullSmsSendStatusByPhoneNumber a request."""
        return self._calls.each(self._query, requests)

    def pull(self) -> list[Receipt]:
        """Up to 100 receipts that wait at Tencent, which then keeps them no longer. [] when they can't be had."""
        if not self._pulls:
            return []
        found = self._listed(self._call("PullSmsSendStatus", {"SmsSdkAppId": self._app, "Limit": _PAGE}))
        if isinstance(found, Outcome):
            log.warning("receipts can't be pulled", extra={"provider": self.name, "why": found.code})
            return []
        return [receipt for item in found if (receipt := self._pulled(item))]

    def receipts(self, body: bytes, _query: Mapping[str, str], /) -> Heard:
        """`[{user_receive_time, nationcode, mobile, report_status, errmsg, description, sid}]`."""
        document = orjson.loads(body)
        if not isinstance(document, list):
            raise ValueError("must be an array")
        found = [receipt for item in document if (receipt := self._receipt(item))]
        return Heard(receipts=found, body=_ACCEPTED)

    def listed(self, day: date, numbers: Sequence[str]) -> list[Listed] | None:
        """PullSmsSendStatusByPhoneNumber of each number: only what Tencent has a receipt of."""
        return self._calls.lists(lambda number: self._list(day, number), numbers)

    # -- calls -------------------------------------------------------------------------------------

    def _send(self, message: Message) -> Outcome:
        template = approved(self._templates, message)
        if isinstance(template, Outcome):
            return template
        answer = self._call(
            "SendSms",
            {
                "PhoneNumberSet": [_e164(message.to)],
                "SmsSdkAppId": self._app,
                "TemplateId": template.id,
                "SignName": message.sign or self._sign,
                "TemplateParamSet": list(template.named(message.parameters).values()),
                "SessionContext": message.request_id,
            },
        )
        if isinstance(answer, Outcome):
            return answer
        response = _response(answer)
        if isinstance(response, Outcome):
            return response
        if "Error" in response:
            return self._refused(response["Error"], answer.after, answer.status)
        statuses = response.get("SendStatusSet")
        if not isinstance(statuses, list) or len(statuses) != 1:
            return Outcome("unknown", error="the answer has not one status for one number", code="no_status")
        status = statuses[0]
        if text(status, "Code").casefold() != "ok":
            return self._refused(status, answer.after)
        ref = text(status, "SerialNo")[:128]
        if not ref:
            return Outcome("unknown", error="Ok without a SerialNo", code="no_id")
        return Outcome("accepted", ref)

    def _refused(self, said: Any, after: float, status: int = 200) -> Outcome:
        code, words = text(said, "Code"), text(said, "Message")
        if not code:
            return Outcome("unknown", error="an error without a code", code="no_code")
        meaning = self._codes.send.get(code, words)
        kind = meaning.kind
        if status >= 500 and code not in self._codes.send.entries and kind == "throttled":
            kind = "unknown"  # a gateway's own failure may come after the SMS has left
        return Outcome(
            kind,  # type: ignore[arg-type]
            error=redact.mask(f"{code}: {words}")[:280],
            after=max(after, meaning.seconds(self._clock())),
            code=code,
            unsubscribed=meaning.unsubscribed,
        )

    def _query(self, asked: Asked) -> Outcome:
        at = asked.sent_at or self._clock()
        asking = {
            "SmsSdkAppId": self._app,
            "PhoneNumber": _e164(asked.to),
            "BeginTime": int((at - _SLACK).timestamp()),
            "EndTime": int(max(self._clock(), at + _SLACK).timestamp()),
            "Offset": 0,
            "Limit": _PAGE,
        }
        found = self._listed(self._call("PullSmsSendStatusByPhoneNumber", asking))
        if isinstance(found, Outcome):
            return found
        unsaid = 0
        for item in found:
            context, ref = text(item, "SessionContext"), text(item, "SerialNo")
            if context == asked.request_id or (ref and ref == asked.provider_ref):
                words = text(item, "Description")
                meaning = self._codes.receipts.get(text(item, "ReportStatus"), words)
                if meaning.kind == "delivered":
                    return Outcome("delivered", ref or asked.provider_ref)
                return Outcome(
                    "refused",
                    ref or asked.provider_ref,
                    redact.mask(words)[:280] or "not delivered",
                    code="FAIL",
                    unsubscribed=meaning.unsubscribed,
                )
            unsaid += not context
        if unsaid or len(found) >= _PAGE:
            return Outcome("unknown", error="a listed message may be this one", code="ambiguous")
        if self._clock() - at < self._settle:
            return Outcome("unknown", error="not listed yet", after=self._settle.total_seconds())
        return Outcome("not_found")

    def _list(self, day: date, number: str) -> list[Listed] | Outcome:
        since = datetime.combine(day, datetime.min.time(), codes.CHINA)
        asking = {
            "SmsSdkAppId": self._app,
            "PhoneNumber": _e164(number),
            "BeginTime": int(since.timestamp()),
            "EndTime": int((since + timedelta(hours=30)).timestamp()),  # receipts of the night
            "Offset": 0,
            "Limit": _PAGE,
        }
        found = self._listed(self._call("PullSmsSendStatusByPhoneNumber", asking))
        if isinstance(found, Outcome):
            return found
        if len(found) >= _PAGE:
            return Outcome("unknown", error="more messages than can be looked through", code="too_many")
        out = []
        for item in found:
            context, ref = text(item, "SessionContext"), text(item, "SerialNo")
            state: Any = self._codes.receipts.get(text(item, "ReportStatus")).kind
            out.append(Listed(context or None, ref or None, state))
        return out

    def _listed(self, answer: Answer | Outcome) -> list[Any] | Outcome:
        """The listed statuses; unknown when the question failed."""
        if isinstance(answer, Outcome):
            return Outcome("unknown", error=answer.error, code=answer.code)
        response = _response(answer)
        if isinstance(response, Outcome):
            return response
        if "Error" in response:
            refused = self._refused(response["Error"], answer.after)
            return Outcome("unknown", error=refused.error, after=refused.after, code=refused.code)
        found = response.get("PullSmsSendStatusSet")
        if not isinstance(found, list):
            return Outcome("unknown", error="the answer lists nothing", code="no_list")
        return found

    def _pulled(self, item: Any) -> Receipt | None:
        seconds = item.get("UserReceiveTime") if isinstance(item, dict) else None
        at = datetime.fromtimestamp(seconds, UTC) if type(seconds) is int and 0 < seconds < 1 << 33 else None
        return self._made(item, "SessionContext", "SerialNo", "ReportStatus", "Description", at)

    def _receipt(self, item: Any) -> Receipt | None:
        at: datetime | None = None
        try:
            local = datetime.strptime(text(item, "user_receive_time"), "%Y-%m-%d %H:%M:%S")
            at = local.replace(tzinfo=codes.CHINA)
        except ValueError:
            pass  # a receipt without a time is a receipt
        return self._made(item, "", "sid", "report_status", "errmsg", at)

    def _made(
        self, item: Any, context: str, ref: str, status: str, code: str, at: datetime | None
    ) -> Receipt | None:
        request_id, provider_ref, said = text(item, context), text(item, ref)[:128], text(item, status)
        if not said or not (request_id or provider_ref):
            return None
        meaning = self._codes.receipts.get(said, text(item, "description") or text(item, "Description"))
        return Receipt(
            meaning.kind,  # type: ignore[arg-type]
            request_id or None,
            provider_ref or None,
            at,
            text(item, code)[:64] or said,
            meaning.unsubscribed,
        )

    def _call(self, action: str, parameters: Mapping[str, Any]) -> Answer | Outcome:
        body = orjson.dumps(parameters)
        timestamp = int(self._clock().timestamp())
        # Signed as the vendor's own SDK does.
        signed = {"Content-Type": _TYPE, "Host": self._host}
        authorization = signing.tc3(
            self._id, self._key, signed, service="sms", timestamp=timestamp, body=body, path=self._path
        )
        headers = {
            **signed,
            "Authorization": authorization,
            "X-TC-Action": action,
            "X-TC-Region": self._region,
            "X-TC-Timestamp": str(timestamp),
            "X-TC-Version": VERSION,
        }
        return self._calls.call("POST", self._address + "/", body=body, headers=headers)


def _response(answer: Answer) -> dict[str, Any] | Outcome:
    response = answer.document.get("Response") if isinstance(answer.document, dict) else None
    # An error in its own form counts with whatever status; a success only with 200.
    if not isinstance(response, dict) or (answer.status != 200 and "Error" not in response):
        return Outcome(
            "unknown",
            error=f"status {answer.status} without a response",
            after=answer.after,
            code="no_response",
        )
    return response


def _e164(phone: str) -> str:
    """A phone in the form that Tencent asks for; without a country code it is one of the mainland."""
    return phone if phone.startswith("+") else f"+86{phone.removeprefix('0086')}"
