"""`/replies`: what people answer by SMS, as providers hand it on. The secret path is the proof, as with receipts."""

from __future__ import annotations

from typing import Any, Final

from werkzeug.wrappers import Response

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import http
from jiayuan.chassis.web import Call

from .. import receiving, replies
from .receipts import MOST_BYTES

PATH: Final = "/replies/<string(maxlength=32):provider>/<string(maxlength=128):secret>"


class Replies:
    """The entrypoints."""

    delivery: Any

    @http("POST", PATH, max_body=MOST_BYTES)
    def replies(self, call: Call, provider: str, secret: str) -> Any:
        """Answers by SMS: 退订 and 恢复 are done, other words are not kept."""
        if receiving.of(self.delivery).provider(provider, secret) is None:
            raise Problem(404, "Not found", "there is nothing here")
        try:
            found, answer = replies.parse(call.get_data())
        except ValueError as error:
            raise Problem(400, "The body is not usable", str(error)) from None
        replies.take(self.delivery, provider, found)
        return Response(answer, content_type="application/json; charset=utf-8")
