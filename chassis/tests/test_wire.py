"""Reading ahead and writing together change nothing of what arrives, whatever the sizes and the time-outs."""

from __future__ import annotations

import random

import amqp
import pika
import pytest

from jiayuan.chassis import wire
from jiayuan.chassis.broker import Publisher, connect
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
