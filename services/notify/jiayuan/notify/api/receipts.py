"""`/receipts`: what providers say of messages afterwards. The secret path is the proof; nothing else lets in.

A callback about requests that aren't ours is answered like any other, so that it tells nobody which are.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from werkzeug.wrappers import Response

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import Runtime, http
from jiayuan.chassis.web import Call

from .. import receiving
from ..providers.base import Heard
from ..providers.wechat import Wechat

log = logging.getLogger("jiayuan.notify")

PATH: Final = "/receipts/<string(maxlength=32):provider>/<string(maxlength=128):secret>"
MOST_BYTES: Final = 512 * 1024
"""Vendors send at most some hundreds of receipts at a time."""


class Receipts:
    """The entrypoints."""

    delivery: Any

    @http("POST", PATH, max_body=MOST_BYTES)
    def receipts(self, call: Call, provider: str, secret: str) -> Any:
        """A callback of a provider: receipts, or what people of the mini-program agreed to."""
        return receipts(self.delivery, call, provider, secret)

    @http("GET", PATH)
    def echo(self, call: Call, provider: str, secret: str) -> Any:
        """WeChat's question whether this address is ours."""
        return echo(self.delivery, call, provider, secret)


def receipts(delivery: Runtime, call: Call, name: str, secret: str) -> Response:
    """POST: the answer that the provider wants. Problem 404 for another path, 400 for what it can't have sent."""
    hearing = receiving.of(delivery)
    provider = hearing.provider(name, secret)
    if provider is None:
        raise _nowhere()
    try:
        heard = provider.receipts(call.get_data(), call.args.to_dict())
    except ValueError as error:
        raise _malformed(name, error) from None
    if heard.receipts:
        hearing.take(name, heard.receipts)
    if heard.consents:
        hearing.take_consents(heard.consents)
    return _answer(heard)


def echo(delivery: Runtime, call: Call, name: str, secret: str) -> Response:
    """GET: the echo that WeChat asks for. Problem 404 for another path or provider, 400 for a wrong signature."""
    provider = receiving.of(delivery).provider(name, secret)
    if not isinstance(provider, Wechat):
        raise _nowhere()
    try:
        return _answer(provider.verify(call.args.to_dict()))
    except ValueError as error:
        raise _malformed(name, error) from None


def _answer(heard: Heard) -> Response:
    return Response(heard.body, status=heard.status, content_type=heard.content_type)


def _nowhere() -> Problem:
    return Problem(404, "Not found", "there is nothing here")


def _malformed(name: str, error: ValueError) -> Problem:
    receiving.RECEIPTS.labels(name, "malformed").inc()
    # What a parser says of a body may quote it; its kind is enough.
    log.warning("a callback is malformed", extra={"provider": name, "why": type(error).__name__})
    return Problem(400, "The body is none of this provider's", "nothing was changed")
