"""Reading ahead and writing together change nothing of what arrives, whatever the sizes and the time-outs."""

from __future__ import annotations

import random
import struct

import amqp
import pika
import pytest

from jiayuan.chassis import wire
from jiayuan.chassis.broker import Publisher, connect
from jiayuan.chassis.subscribe import _delivery
from jiayuan.chassis.testing.brokers import Broker
from jiayuan.chassis.work import Outgoing
from jiayuan.contracts.ids import new_id

pytestmark = pytest.mark.bus


def test_bodies_of_every_size_arrive_whole_and_in_order(broker: Broker) -> None:
    dice = random.Random(1)
    bodies = [dice.randbytes(n) for n in (0, 1, 7, 8, 4096, 65535, 65536, 131072, 300_000)]
    bodies += [dice.randbytes(dice.randrange(3000)) for _ in range(500)]
    connection = connect(broker.uri("admin"))
    channel = connection.channel()
    channel.queue_declare("wire", durable=False, auto_delete=False)
    publisher = Publisher(broker.uri("admin"))
    sent = publisher.send([Outgoing(new_id(), "", "wire", True, b) for b in bodies])
    assert len(sent.confirmed) == len(bodies)
    publisher.close()
    got: list[bytes] = []
    channel.basic_consume(
        "wire",
        no_ack=True,
        callback=lambda m: got.append(m.body if isinstance(m.body, bytes) else m.body.encode()),
    )
    while len(got) < len(bodies):
        connection.drain_events(timeout=20)
    assert got == bodies
    connection.release()


def test_a_time_out_in_the_middle_of_a_frame_loses_nothing() -> None:
    class Sock:
        def __init__(self, *pieces: bytes | None) -> None:
            self.pieces = list(pieces)

        def recv(self, _n: int) -> bytes:
            piece = self.pieces.pop(0)
            if piece is None:
                raise TimeoutError
            return piece

    frame = b"\x08\x00\x00\x00\x00\x00\x05hello\xce"
    transport = object.__new__(amqp.transport.TCPTransport)
    transport.connected, transport._read_buffer = True, b""
    transport.sock = Sock(frame[:3], None, frame[3:9], None, frame[9:] + frame[:10], None, frame[10:])

    class Connection:
        class connection:
            pass

    Connection.connection.transport = transport  # type: ignore[attr-defined]
    wire.read_ahead(Connection)
    frames, waits = [], 0
    while len(frames) < 2:
        try:
            frames.append(transport.read_frame())
        except TimeoutError:
            waits += 1
    assert [bytes(f[2]) for f in frames] == [b"hello", b"hello"]
    assert waits == 3


def test_what_is_published_together_is_there_for_others(broker: Broker) -> None:
    publisher = Publisher(broker.uri("admin"))
    other = pika.BlockingConnection(pika.URLParameters(broker.uri("admin"))).channel()
    other.queue_declare("together")
    for count in (1, 3, 400):
        assert not publisher.send(
            [Outgoing(new_id(), "", "together", True, b"x" * 900) for _ in range(count)]
        ).failed
    assert other.queue_declare("together", passive=True).method.message_count == 404
    publisher.close()


def test_deliveries_are_taken_as_py_amqp_would_take_them(broker: Broker) -> None:
    dice = random.Random(2)
    bodies = [dice.randbytes(n) for n in (0, 1, 8, 4096, 70_000, 131_065, 131_072, 300_000)]
    bodies += [dice.randbytes(dice.randrange(3000)) for _ in range(800)]
    other = pika.BlockingConnection(pika.URLParameters(broker.uri("admin")))
    sender = other.channel()
    sender.queue_declare("plain")
    user = pika.URLParameters(broker.uri("admin")).credentials.username
    for number, body in enumerate(bodies):
        everything = pika.BasicProperties(
            content_type="application/cloudevents+json; charset=utf-8" if number % 2 else None,
            content_encoding="utf-8" if number % 3 else None,
            headers={"x-jiayuan": "1"} if number % 7 == 0 else None,
            delivery_mode=number % 2 + 1,
            priority=4,
            correlation_id="c" * (number % 255),
            reply_to="r",
            expiration="60000",
            message_id=str(number),
            timestamp=number,
            type="类型",
            user_id=user if number % 5 else None,
            app_id="a",
        )
        sender.basic_publish("", "plain", body, everything)
    connection = connect(broker.uri("admin"))
    channel = connection.channel()
    got: list[wire.Delivery] = []
    slow = 0

    def by_py_amqp(m: object) -> None:
        nonlocal slow
        slow += 1
        got.append(_delivery(m))

    channel.basic_consume("plain", no_ack=True, callback=by_py_amqp)
    while len(got) < len(bodies):
        connection.drain_events(timeout=20)
        got += wire.deliveries(connection, channel)
    connection.release()
    other.close()
    assert [d.body for d in got] == bodies
    assert [d.tag for d in got] == list(range(1, len(bodies) + 1))
    assert {(d.exchange, d.routing_key) for d in got} == {("", "plain")}
    types = [d.content_type for d in got]
    assert types == [
        "application/cloudevents+json; charset=utf-8" if n % 2 else None for n in range(len(bodies))
    ]
    assert [d.user_id for d in got] == [user if n % 5 else None for n in range(len(bodies))]
    assert len(bodies) // 7 <= slow < len(bodies) / 2  # those with headers at least, and far from all


@pytest.mark.parametrize("seed", range(20))
def test_bytes_that_are_no_delivery_are_left_where_they_are(seed: int) -> None:
    dice = random.Random(seed)
    whole = _delivered(b"body", 1)
    for _ in range(300):
        broken = bytearray(whole)
        for _ in range(dice.randrange(1, 4)):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        data = bytes(broken[: dice.randrange(len(broken) + 1)])
        reader = _reader(data)
        found = reader.deliveries(1)
        assert len(found) <= 1
        assert reader._at == (len(whole) if found else 0)
    assert [d.body for d in _reader(whole * 3 + whole[:-1]).deliveries(1)] == [b"body"] * 3


def _reader(data: bytes) -> wire._Reader:
    class Transport:
        _read_buffer = b""

        class sock:
            recv = None

    reader = wire._Reader(Transport())
    reader._data = data
    return reader


def _delivered(body: bytes, channel: int) -> bytes:
    def frame(kind: int, payload: bytes) -> bytes:
        return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"

    method = struct.pack(">HH", 60, 60) + b"\x03tag" + struct.pack(">QB", 7, 0) + b"\x01x" + b"\x03key"
    header = struct.pack(">HHQH", 60, 0, len(body), 0x8010) + b"\x01t" + b"\x01u"
    return frame(1, method) + frame(2, header) + frame(3, body)
