"""Calls to other systems by HTTP: an answer is bounded in size and in time, whatever the other side does."""

from __future__ import annotations

import time

import requests


def body_of(response: requests.Response, most: int, end: float) -> bytes:
    """The body of a streamed answer; empty when it has more than `most` bytes.

    Timeout when it drips in beyond `end` (of `time.monotonic`); urllib3's ReadTimeoutError when it stalls, and its
    HTTPError when it breaks.
    """
    raw = b""
    # `read1` gives what is there; `read` would wait for all that it was asked for, a time-out a byte.
    while piece := response.raw.read1(8192, decode_content=True):
        raw += piece
        if len(raw) > most:
            return b""
        if time.monotonic() > end:
            raise requests.exceptions.ReadTimeout("the answer takes too long")
    return raw
