"""Tencent Cloud's SMS on loopback; verifies TC3-HMAC-SHA256 by code of its own."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

from .base import Fake, Request, Taken

LIMIT = (
    "LimitExceeded.PhoneNumberThirtySecondLimit",
    "the number of SMS messages sent exceeds the upper limit",
)
WHOLE = ("AuthFailure", "InternalError", "RequestLimitExceeded", "UnauthorizedOperation", "InvalidAction")
"""Codes that a whole request is refused with; others come as the status of a number."""


class FakeTencent(Fake):
    """`secret_id` and `secret_key` are what it accepts."""

    def __init__(self, secret_id: str = "secret-id", secret_key: str = "secret-key") -> None:
        self.secret_id, self.secret_key = secret_id, secret_key
        self.statuses: dict[str, str] = {}
        """ReportStatus by request id; a message is listed when it has one."""
        self.says_context = True
        """Whether SessionContext is handed back, which Tencent does only on request."""
        self.waiting: list[str] = []
        """Request ids whose status PullSmsSendStatus gives, once."""
        super().__init__()

    def ref(self, number: int) -> str:
        """A SerialNo."""
        return f"2645:{number:016}"

    def handle(self, http: BaseHTTPRequestHandler, request: Request) -> None:
        """The three actions."""
        wrong = self._signature(request)
        if wrong:
            self._error(http, *wrong)
            return
        body = json.loads(request.body)
        match request.headers["x-tc-action"]:
            case "SendSms":
                self._send(http, body)
            case "PullSmsSendStatusByPhoneNumber":
                self._by_phone(http, body)
            case "PullSmsSendStatus":
                self._pull(http, body)
            case _:
                self._error(http, "InvalidAction", "no such action")

    def _signature(self, request: Request) -> tuple[str, str] | None:
        found = re.fullmatch(
            r"TC3-HMAC-SHA256 Credential=([^/]+)/([0-9-]{10})/([a-z]+)/tc3_request, "
            r"SignedHeaders=([^,]+), Signature=([0-9a-f]{64})",
            request.headers.get("authorization", ""),
        )
        if not found:
            return self.wrong("AuthFailure.InvalidAuthorization"), "no Authorization"
        secret_id, date, service, signed, signature = found.groups()
        names = signed.split(";")
        if secret_id != self.secret_id:
            return self.wrong("AuthFailure.SecretIdNotFound"), "no such secret id"
        if not {"content-type", "host"} <= set(names) or service != "sms":
            return self.wrong("AuthFailure.InvalidAuthorization"), "content-type and host must be signed"
        timestamp = request.headers["x-tc-timestamp"]
        if datetime.fromtimestamp(int(timestamp), UTC).strftime("%Y-%m-%d") != date:
            return self.wrong("AuthFailure.SignatureExpire"), "another day"
        lines = "".join(f"{n}:{request.headers[n].strip().lower()}\n" for n in names)
        body_hash = hashlib.sha256(request.body).hexdigest()
        canonical = "\n".join([request.method, request.path, request.query, lines, signed, body_hash])
        scope = f"{date}/{service}/tc3_request"
        to_sign = "\n".join(
            ["TC3-HMAC-SHA256", timestamp, scope, hashlib.sha256(canonical.encode()).hexdigest()]
        )
        key = f"TC3{self.secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        if hmac.digest(key, to_sign.encode(), "sha256").hex() != signature:
            return self.wrong("AuthFailure.SignatureFailure"), "the signature does not match"
        if abs(self.now() - int(timestamp)) > 300:
            return self.wrong("AuthFailure.SignatureExpire"), "more than five minutes apart"
        return None

    def _send(self, http: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        (phone,) = body["PhoneNumberSet"]
        assert all(isinstance(p, str) for p in body["TemplateParamSet"])

        def take() -> Taken:
            fields = {k: body.get(k) for k in ("SignName", "TemplateId", "TemplateParamSet", "SmsSdkAppId")}
            return self.air(body["SessionContext"], phone, **fields)

        word = self.word()
        if self.misbehave(http, word, take):
            return
        if word in ("ok", "slow", "no_id"):
            if word == "slow":
                self.release.wait(self.delay)
            taken = take()
            self._status(http, body, "Ok", "send success", "" if word == "no_id" else taken.ref)
            return
        code, message = LIMIT if word == "limit" else (word, "refused as told")
        if code.startswith(WHOLE):
            self._error(http, code, message)
        else:
            self._status(http, body, code, message, "")

    def _status(
        self, http: BaseHTTPRequestHandler, body: dict[str, Any], code: str, message: str, ref: str
    ) -> None:
        status = {
            "SerialNo": ref,
            "PhoneNumber": body["PhoneNumberSet"][0],
            "Fee": int(code == "Ok"),
            "SessionContext": body["SessionContext"],
            "Code": code,
            "Message": message,
            "IsoCode": "CN",
        }
        self.answer(http, 200, {"Response": {"SendStatusSet": [status], "RequestId": "r"}})

    def _by_phone(self, http: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        word = self.query_word()
        if self.misbehave(http, word, lambda: None):
            return
        if word != "ok":
            self._error(http, word, "refused as told")
            return
        rows = [
            self._row(taken)
            for taken in self.taken.values()
            if self.listed
            and taken.request_id in self.statuses
            and taken.to == body["PhoneNumber"]
            and body["BeginTime"] <= taken.at <= body["EndTime"] + 1
        ]
        self._rows(http, rows[: body["Limit"]])

    def _pull(self, http: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        word = self.query_word()
        if self.misbehave(http, word, lambda: None):
            return
        with self.lock:
            now, self.waiting = self.waiting[: body["Limit"]], self.waiting[body["Limit"] :]
        self._rows(http, [self._row(self.taken[id_]) for id_ in now])

    def _rows(self, http: BaseHTTPRequestHandler, rows: list[dict[str, Any]]) -> None:
        self.answer(http, 200, {"Response": {"PullSmsSendStatusSet": rows, "RequestId": "r"}})

    def _row(self, taken: Taken) -> dict[str, Any]:
        return {
            "UserReceiveTime": int(taken.at) + 3,
            "CountryCode": "86",
            "SubscriberNumber": taken.to.removeprefix("+86"),
            "PhoneNumber": taken.to,
            "SerialNo": taken.ref,
            "ReportStatus": self.statuses.get(taken.request_id, "SUCCESS"),
            "Description": "用户短信送达成功",
            "SessionContext": taken.request_id if self.says_context else "",
        }

    def _error(self, http: BaseHTTPRequestHandler, code: str, message: str) -> None:
        error = {"Error": {"Code": code, "Message": message}, "RequestId": "r"}
        self.answer(http, 200, {"Response": error})

    def receipt(self, taken: Taken, code: str | None) -> Any:
        """One item of the callback."""
        at = datetime.fromtimestamp(taken.at, UTC) + timedelta(hours=8)
        return {
            "user_receive_time": at.strftime("%Y-%m-%d %H:%M:%S"),
            "nationcode": "86",
            "mobile": taken.to.removeprefix("+86"),
            "report_status": "SUCCESS" if code is None else "FAIL",
            "errmsg": code or "DELIVRD",
            "description": "用户短信送达成功" if code is None else "失败",
            "sid": taken.ref,
        }
