"""Fewer system calls under py-amqp: reads fill a buffer, a burst of publishes leaves in a few writes.

py-amqp asks the socket nine times for one message (three frames, each header, payload and end) and writes once
a publish; under eventlet each is a system call and a turn through Python. The bytes on the wire are the same.
Plain TCP only: the TLS transport has its own buffer, and is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import amqp.transport

_READ = 65536
_WRITE = 65536


class _Reader:
    """Stands in for `TCPTransport._read`: exactly n bytes, read ahead."""

    def __init__(self, transport: Any) -> None:
        self._transport, self._recv = transport, transport.sock.recv
        self._data, self._at = b"", 0

    def __call__(self, n: int, initial: bool = False) -> bytes:
        if initial and self._transport._read_buffer:
            # py-amqp gives back the part of a frame that it had when the wait for the rest timed out.
            self._data = self._transport._read_buffer + self._data[self._at :]
            self._at, self._transport._read_buffer = 0, b""
        end = self._at + n
        while end > len(self._data):
            more = self._recv(_READ)  # raises on a time-out; what is here stays
            if not more:
                raise OSError("Server unexpectedly closed connection")
            self._data = self._data[self._at :] + more
            end -= self._at
            self._at = 0
        out = self._data[self._at : end]
        self._at = end
        return out


def read_ahead(connection: Any) -> None:
    """Lets an open kombu connection read ahead."""
    transport = connection.connection.transport
    if type(transport) is amqp.transport.TCPTransport:
        transport._read = _Reader(transport)


@contextmanager
def together(connection: Any) -> Iterator[None]:
    """What is published inside leaves in few large writes, all of it by the end of the block."""
    transport = connection.connection.transport
    if type(transport) is not amqp.transport.TCPTransport:
        yield
        return
    send, parts, size = transport._write, [], 0

    def keep(frame: Any) -> None:
        nonlocal size
        parts.append(bytes(frame))  # the frame is a view of a buffer that the next one overwrites
        size += len(frame)
        if size >= _WRITE:
            flush()

    def flush() -> None:
        nonlocal size
        data, size = b"".join(parts), 0
        parts.clear()
        send(data)

    transport._write = keep
    try:
        yield
        if parts:
            flush()
    finally:
        transport._write = send
