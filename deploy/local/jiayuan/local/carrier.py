"""A provider of messages for benchmarks and chaos, in a process of its own: `python -m jiayuan.local.carrier PORT`.

It speaks the form of notify's `http` provider and counts what it would have put on the air, by the text's tracking code
and by request id. It has no idempotency, so whoever sends twice is seen. Of its answers some go wrong as `faults` says,
each fault with its share of calls:

    lost       500, nothing was taken          lost_late  500 after it was taken
    cut        the connection ends, nothing    cut_late   the connection ends after it was taken
    hang       no answer, nothing              hang_late  no answer after it was taken
    throttle   429, nothing was taken          garbage    an answer that is none, after it was taken

    GET /stats          {"posts", "asked", "aired": {code: [Unix time of each]}, "requests": {id: times}}
    POST /mode          {"latency": seconds, "faults": {word: share}, "down": true: 503 to everything}
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import time
from contextlib import suppress
from typing import Any, Final

CODE: Final = re.compile(r"JY-[0-9A-Z]+")
_LATE: Final = ("lost_late", "cut_late", "hang_late", "garbage")
_HANG: Final = 20.0


class Carrier:
    """The counting provider."""

    def __init__(self, seed: int = 1) -> None:
        self.posts = self.asked = 0
        self.aired: dict[str, list[float]] = {}
        self.requests: dict[str, int] = {}
        self.mode: dict[str, Any] = {"latency": 0.0, "faults": {}, "down": False}
        self._random = random.Random(seed)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept for many requests."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                method, path, _ = head.split(b" ", 2)
                found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                body = await reader.readexactly(int(found[1])) if found else b""
                answer = await self._answer(method.decode(), path.decode(), body)
                if answer is None:
                    break
                status, document = answer
                raw = document if isinstance(document, bytes) else json.dumps(document).encode()
                writer.write(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n" % (status, len(raw)) + raw)
                await writer.drain()
        writer.close()

    async def _answer(self, method: str, path: str, body: bytes) -> tuple[int, Any] | None:
        if path == "/stats":
            return 200, {
                "posts": self.posts,
                "asked": self.asked,
                "aired": self.aired,
                "requests": self.requests,
            }
        if path == "/mode":
            self.mode |= json.loads(body)
            return 200, self.mode
        if method == "GET":
            return self._tell(path.rpartition("/")[2])
        return await self._take(json.loads(body))

    def _tell(self, request_id: str) -> tuple[int, Any]:
        self.asked += 1
        if self.mode["down"]:
            return 503, {"error": "down"}
        if request_id in self.requests:
            return 200, {"id": f"p-{request_id}", "state": "accepted"}
        return 404, {"error": "unknown"}

    async def _take(self, message: dict[str, Any]) -> tuple[int, Any] | None:
        self.posts += 1
        if self.mode["latency"]:
            await asyncio.sleep(self.mode["latency"])
        if self.mode["down"]:
            return 503, {"error": "down"}
        fault = self._fault()
        if fault is None or fault in _LATE:
            code = CODE.search(message["text"])
            self.aired.setdefault(code[0] if code else "", []).append(time.time())
            request_id = message["request_id"]
            self.requests[request_id] = self.requests.get(request_id, 0) + 1
        match fault:
            case None:
                return 202, {"id": f"p-{message['request_id']}"}
            case "lost" | "lost_late":
                return 500, {"error": "sorry"}
            case "throttle":
                return 429, {"error": "slow down"}
            case "garbage":
                return 200, b"<html>"
            case "hang" | "hang_late":
                await asyncio.sleep(_HANG)
        return None

    def _fault(self) -> str | None:
        at = self._random.random()
        for word, share in self.mode["faults"].items():
            at -= share
            if at < 0:
                return str(word)
        return None


async def run(port: int, seed: int) -> None:
    """Serve until killed."""
    carrier = Carrier(seed)
    server = await asyncio.start_server(carrier.serve, "127.0.0.1", port, limit=1 << 20)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(run(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1))
