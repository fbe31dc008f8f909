"""Aliyun's Dysmsapi on loopback; verifies ACS3-HMAC-SHA256 by code of its own."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, quote

from .base import Fake, Request, Taken

CHINA = timedelta(hours=8)
LIMIT = ("isv.BUSINESS_LIMIT_CONTROL", "触发分钟级流控Permits:1")


class FakeAliyun(Fake):
    """`key_id` and `secret` are what it accepts."""

    def __init__(self, key_id: str = "key-id", secret: str = "key-secret") -> None:
        self.key_id, self.secret = key_id, secret
        self.nonces: set[str] = set()
        self.statuses: dict[str, int] = {}
        """SendStatus by request id: 1 waiting (otherwise), 2 failed, 3 delivered."""
        super().__init__()

    def ref(self, number: int) -> str:
        """A BizId."""
        return f"1500{number:010}^0"

    def handle(self, http: BaseHTTPRequestHandler, request: Request) -> None:
        """SendSms and QuerySendDetails."""
        wrong = self._signature(request)
        if wrong:
            self.answer(http, 400 if wrong[0] != "SignatureDoesNotMatch" else 403, _said(*wrong))
            return
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        query |= dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        if request.headers["x-acs-action"] == "SendSms":
            self._send(http, query)
        elif request.headers["x-acs-action"] == "QuerySendDetails":
            self._details(http, query)
        else:
            self.answer(http, 404, _said("InvalidAction.NotFound", "Specified api is not found"))

    def _signature(self, request: Request) -> tuple[str, str] | None:
        found = re.fullmatch(
            r"ACS3-HMAC-SHA256 Credential=([^,]+),\s*SignedHeaders=([^,]+),\s*Signature=([0-9a-f]{64})",
            request.headers.get("authorization", ""),
        )
        if not found:
            return self.wrong("IncompleteSignature"), "no Authorization"
        key_id, signed, signature = found.groups()
        names = signed.split(";")
        needed = {n for n in request.headers if n.startswith("x-acs-")} | {"host"}
        if key_id != self.key_id:
            return self.wrong("InvalidAccessKeyId.NotFound"), "Specified access key is not found."
        if not needed <= set(names) or names != sorted(names):
            return self.wrong("IncompleteSignature"), "not every header is signed"
        body_hash = hashlib.sha256(request.body).hexdigest()
        if request.headers.get("x-acs-content-sha256") != body_hash:
            return self.wrong("SignatureDoesNotMatch"), "the body's hash"
        pairs = sorted(parse_qsl(request.query, keep_blank_values=True))
        query = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in pairs)
        lines = "".join(f"{n}:{request.headers[n].strip()}\n" for n in names)
        canonical = "\n".join([request.method, request.path, query, lines, signed, body_hash])
        to_sign = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
        right = hmac.new(self.secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
        if right != signature:
            return self.wrong("SignatureDoesNotMatch"), "Specified signature does not match our calculation."
        at = datetime.strptime(request.headers["x-acs-date"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        if abs(self.now() - at.timestamp()) > 900:
            return self.wrong("InvalidTimeStamp.Expired"), "Specified time stamp or date value is expired."
        nonce = request.headers["x-acs-signature-nonce"]
        with self.lock:
            if nonce in self.nonces:
                self.refused.append("SignatureNonceUsed")
                return "SignatureNonceUsed", "Specified signature nonce was used already."
            self.nonces.add(nonce)
        return None

    def _send(self, http: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
        lacking = {"PhoneNumbers", "SignName", "TemplateCode"} - set(query)
        if lacking:
            self.answer(http, 400, _said("MissingParameter", f"{lacking} is mandatory"))
            return
        json.loads(query.get("TemplateParam", "{}"))

        def take() -> Taken:
            fields = {k: query.get(k, "") for k in ("SignName", "TemplateCode", "TemplateParam")}
            return self.air(query["OutId"], query["PhoneNumbers"], **fields)

        word = self.word()
        if self.misbehave(http, word, take):
            return
        if word in ("ok", "slow", "no_id"):
            if word == "slow":
                self.release.wait(self.delay)
            taken = take()
            done = {"Code": "OK", "Message": "OK", "RequestId": "r"}
            self.answer(http, 200, done if word == "no_id" else done | {"BizId": taken.ref})
            return
        code, message = LIMIT if word == "limit" else (word, "refused as told")
        business = code.startswith(("isv.", "isp."))
        self.answer(http, 200 if business else 400, _said(code, message))

    def _details(self, http: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
        word = self.query_word()
        if self.misbehave(http, word, lambda: None):
            return
        if word != "ok":
            self.answer(http, 200, _said(word, "refused as told"))
            return
        size, page = int(query["PageSize"]), int(query["CurrentPage"])
        rows = [
            self._row(taken)
            for taken in self.taken.values()
            if self.listed
            and taken.to == query["PhoneNumber"]
            and query.get("BizId", taken.ref) == taken.ref
            and _local(taken.at).strftime("%Y%m%d") == query["SendDate"]
        ]
        part = rows[(page - 1) * size : page * size]
        self.answer(
            http,
            200,
            {
                "Code": "OK",
                "Message": "OK",
                "TotalCount": len(rows),
                "SmsSendDetailDTOs": {"SmsSendDetailDTO": part},
            },
        )

    def _row(self, taken: Taken) -> dict[str, Any]:
        status = self.statuses.get(taken.request_id, 1)
        at = _local(taken.at).strftime("%Y-%m-%d %H:%M:%S")
        row = {"PhoneNum": taken.to, "OutId": taken.request_id, "SendStatus": status, "SendDate": at}
        if status == 3:
            return row | {"ErrCode": "DELIVERED", "ReceiveDate": at}
        return row | ({"ErrCode": "MOBILE_NOT_ON_SERVICE"} if status == 2 else {})

    def receipt(self, taken: Taken, code: str | None) -> Any:
        """One item of SmsReport."""
        at = _local(taken.at).strftime("%Y-%m-%d %H:%M:%S")
        return {
            "phone_number": taken.to,
            "send_time": at,
            "report_time": at,
            "success": code is None,
            "err_code": code or "DELIVERED",
            "err_msg": "用户接收成功" if code is None else "失败",
            "sms_size": "1",
            "biz_id": taken.ref,
            "out_id": taken.request_id,
        }


def _local(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None) + CHINA


def _said(code: str, message: str) -> dict[str, str]:
    return {"Code": code, "Message": message, "RequestId": "r"}
