"""Less work under py-amqp: reads fill a buffer, and a burst of publishes is packed here and leaves in a few writes.

py-amqp asks the socket nine times for one message (three frames, each header, payload and end) and at least twice
before and for a publish; under eventlet each is a system call and a turn through Python. The bytes on the wire are the
same. Reading ahead is for plain TCP only: the TLS transport has its own buffer, and is left alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import amqp.transport

_READ = 65536
_WRITE = 65536


_HEAD = struct.Struct(">BHI")
_CONTENT = struct.Struct(">HHQH")
_TAG = struct.Struct(">Q")
_END = 0xCE
_FRAME_END = b"\xce"
_METHOD, _HEADER, _BODY = 1, 2, 3
_BASIC, _PUBLISH = 60, 40
_BASIC_DELIVER = b"\x00\x3c\x00\x3c"
# Flags of properties, in the order in which they follow each other (AMQP 0-9-1, 4.2.6.1).
_CONTENT_TYPE, _DELIVERY_MODE, _MESSAGE_ID, _USER_ID = 1 << 15, 1 << 12, 1 << 7, 1 << 4
_SHORT_STRINGS, _TIMESTAMP = 0b1100_0111_1011_1000, 1 << 6
# A table of headers, flags that go on in a second word: py-amqp reads those.
_NOT_HERE = 0b0010_0000_0000_0111


class Delivery(NamedTuple):
    """A message that the broker has delivered."""

    tag: int
    body: bytes
    content_type: str | None
    user_id: str | None
    exchange: str
    routing_key: str


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

    def deliveries(self, channel: int) -> list[Delivery]:
        """Takes the deliveries that have been read ahead, up to what isn't a whole and plain one."""
        out: list[Delivery] = []
        while not self._transport._read_buffer:
            try:
                found = _delivery(self._data, self._at, channel)
            except (struct.error, IndexError, UnicodeDecodeError):
                break  # not all of it is here, or it is strange
            if found is None:
                break
            delivery, self._at = found
            out.append(delivery)
        return out


def read_ahead(connection: Any) -> None:
    """Lets an open kombu connection read ahead."""
    transport = connection.connection.transport
    if type(transport) is amqp.transport.TCPTransport:
        transport._read = _Reader(transport)


def deliveries(connection: Any, channel: Any) -> list[Delivery]:
    """What has been read ahead for a channel with one consumer, after `drain_events` has returned.

    py-amqp goes through a dozen calls for each of the three frames of a message, and this through one. What isn't a
    whole, plain delivery (headers, several body frames, another method, TLS) is left to `drain_events`.
    """
    amqp_connection = connection.connection
    reader = amqp_connection.transport._read
    if type(reader) is not _Reader:
        return []
    found = reader.deliveries(channel.channel_id)
    if found:
        amqp_connection.bytes_recv += 1  # what its heartbeats go by
    return found


def _delivery(data: bytes, at: int, channel: int) -> tuple[Delivery, int] | None:
    """The delivery that begins there and where it ends; None or an IndexError when there is no whole plain one."""
    kind, number, size = _HEAD.unpack_from(data, at)
    here = at + 7
    end = here + size
    if kind != _METHOD or number != channel or data[end] != _END or data[here : here + 4] != _BASIC_DELIVER:
        return None
    here += 5 + data[here + 4]  # the consumer's tag
    (tag,) = _TAG.unpack_from(data, here)
    here += 9  # and whether it was delivered before
    exchange, here = _read_short(data, here)
    routing_key, _ = _read_short(data, here)
    kind, _, size = _HEAD.unpack_from(data, end + 1)
    here = end + 8
    end = here + size
    _, _, length, flags = _CONTENT.unpack_from(data, here)
    if kind != _HEADER or data[end] != _END or flags & _NOT_HERE:
        return None
    content_type, user_id = _properties(data, here + _CONTENT.size, flags)
    kind, _, size = _HEAD.unpack_from(data, end + 1)
    here = end + 8
    end = here + size
    if kind != _BODY or size != length or data[end] != _END:
        return None
    return Delivery(tag, data[here:end], content_type, user_id, exchange, routing_key), end + 1


def _properties(data: bytes, here: int, flags: int) -> tuple[str | None, str | None]:
    content_type = user_id = None
    for bit in range(15, 2, -1):
        flag = 1 << bit
        if not flags & flag:
            continue
        if flag & _SHORT_STRINGS:
            value, here = _read_short(data, here)
            if flag == _CONTENT_TYPE:
                content_type = value
            elif flag == _USER_ID:
                user_id = value
        else:
            here += 8 if flag == _TIMESTAMP else 1
    return content_type, user_id


def _read_short(data: bytes, here: int) -> tuple[str, int]:
    end = here + 1 + data[here]
    return data[here + 1 : end].decode(), end


class Publishing(NamedTuple):
    """A persistent message on its way to an exchange."""

    exchange: str
    routing_key: str
    mandatory: bool
    body: bytes
    content_type: str
    message_id: str = ""
    user_id: str = ""


def publish(channel: Any, messages: Iterable[Publishing]) -> None:
    """Publishes on an open channel of py-amqp, in few large writes; all of it has been written when it returns.

    py-amqp looks for news from the broker before every message and packs each field of it anew, which costs more than
    everything else that is done with an event. ValueError for a name of more than 255 bytes.
    """
    connection = channel.connection
    if connection is None:
        raise amqp.RecoverableConnectionError("the channel is closed")
    write, most = connection.transport.write, connection.frame_max - 8
    number = channel.channel_id
    parts: list[bytes] = []
    size = 0
    for m in messages:
        header = _header(m)
        body = m.body
        parts.append(_method(number, m.exchange, m.routing_key, m.mandatory))
        parts.append(_HEAD.pack(_HEADER, number, len(header)) + header + _FRAME_END)
        for at in range(0, len(body), most):
            piece = body if len(body) <= most else body[at : at + most]
            parts += (_HEAD.pack(_BODY, number, len(piece)), piece, _FRAME_END)
        size += len(body) + 200
        if size >= _WRITE:
            write(b"".join(parts))
            parts.clear()
            size = 0
    if parts:
        write(b"".join(parts))
    connection.bytes_sent += 1  # what its heartbeats go by: whether anything was sent


@lru_cache(maxsize=1024)
def _method(channel: int, exchange: str, routing_key: str, mandatory: bool) -> bytes:
    arguments = struct.pack(">HHH", _BASIC, _PUBLISH, 0) + _short(exchange) + _short(routing_key)
    arguments += b"\x01" if mandatory else b"\x00"
    return _HEAD.pack(_METHOD, channel, len(arguments)) + arguments + _FRAME_END


def _header(m: Publishing) -> bytes:
    flags = _CONTENT_TYPE | _DELIVERY_MODE
    values = _short(m.content_type) + b"\x02"
    if m.message_id:
        flags |= _MESSAGE_ID
        values += _short(m.message_id)
    if m.user_id:
        flags |= _USER_ID
        values += _short(m.user_id)
    return _CONTENT.pack(_BASIC, 0, len(m.body), flags) + values


def _short(text: str) -> bytes:
    raw = text.encode()
    if len(raw) > 255:
        raise ValueError(f"{text[:40]!r}… has {len(raw)} bytes: AMQP allows 255")
    return bytes((len(raw),)) + raw
