"""A virtual host with the real topology for each test, and a line to it that can be cut.

Contracts may not lean on the chassis, so this is their own: the management API by urllib.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pika
import pytest

from jiayuan.contracts import names, topology
from jiayuan.contracts.publisher import Publisher

PATIENCE = 30.0


def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for a condition; its value, or a failure that says what was waited for."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {PATIENCE:g} s for {what}")


class Rabbit:
    """A virtual host of its own on a real broker."""

    def __init__(self, amqp_uri: str, management_url: str) -> None:
        self.admin = urlsplit(amqp_uri)
        self.management = urlsplit(management_url)
        self.vhost = f"contracts-{secrets.token_hex(4)}"
        self.partners = (*topology.PARTNERS, topology.Partner("weather-bureau", ("alert.raised",)))
        users = [topology.service_user(s) for s in names.SERVICES] + [p.name for p in self.partners]
        # Users belong to the whole broker, which several runs may share: the password follows from the admin's.
        self.passwords = {
            u: hashlib.sha256(f"{self.admin.password}:{u}".encode()).hexdigest()[:24] for u in users
        }
        self.import_topology()
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self.api("PUT", f"permissions/{self.vhost}/{self.admin.username}", everything)

    def definitions(self) -> dict[str, Any]:
        return topology.definitions(self.vhost, partners=self.partners, passwords=self.passwords)

    def import_topology(self) -> None:
        self.api("POST", "definitions", self.definitions())

    def exported(self) -> dict[str, Any]:
        """The virtual host's definitions, as the broker gives them."""
        return dict(self.api("GET", f"definitions/{self.vhost}"))

    def api(self, method: str, path: str, body: Any = None) -> Any:
        url = f"http://{self.management.hostname}:{self.management.port or 15672}/api/{path}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, method=method)
        login = base64.b64encode(f"{self.management.username}:{self.management.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {login}")
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                request, timeout=30
            ) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from None
        return json.loads(text) if text else None

    def uri(self, user: str, *, password: str | None = None, port: int | None = None) -> str:
        known = {**self.passwords, str(self.admin.username): str(self.admin.password)}
        login = f"{user}:{password or known[user]}"
        return f"amqp://{login}@{self.admin.hostname}:{port or self.admin.port or 5672}/{quote(self.vhost, safe='')}"

    @contextlib.contextmanager
    def channel(self, user: str | None = None) -> Iterator[Any]:
        """A channel with confirms, of the administrator or of a user."""
        connection = pika.BlockingConnection(pika.URLParameters(self.uri(user or str(self.admin.username))))
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            yield channel
        finally:
            if connection.is_open:
                connection.close()

    @contextlib.contextmanager
    def channel_as(self, user: str, password: str) -> Iterator[Any]:
        """A channel with a login that need not be good."""
        parameters = pika.URLParameters(self.uri(str(self.admin.username)))
        parameters.credentials = pika.PlainCredentials(user, password)
        connection = pika.BlockingConnection(parameters)
        yield connection.channel()
        connection.close()

    def bodies(self, queue: str) -> list[dict[str, Any]]:
        """Takes all messages out of a queue: few one by one, many as a stream that ends when nothing comes."""
        found: list[dict[str, Any]] = []
        with self.channel() as channel:
            while len(found) < 50:
                method, _, body = channel.basic_get(queue, auto_ack=True)
                if method is None:
                    return found
                found.append(json.loads(body))
            for method, _, body in channel.consume(queue, auto_ack=True, inactivity_timeout=1):
                if method is None:
                    return found
                found.append(json.loads(body))
        return found

    def limit(self, pattern: str, length: int) -> None:
        """Let the queues of that pattern hold `length` messages, refuse more, and wait until it holds."""
        definition = {"max-length": length, "overflow": "reject-publish"}
        policy = {"pattern": pattern, "apply-to": "queues", "priority": 99, "definition": definition}
        self.api("PUT", f"policies/{self.vhost}/small", policy)

    def delete(self) -> None:
        self.api("DELETE", f"vhosts/{self.vhost}")


@pytest.fixture
def rabbit(servers: Any) -> Iterator[Rabbit]:
    made = Rabbit(servers.amqp_uri, servers.management_url)
    yield made
    made.delete()


class Line:
    """A loopback line to the broker that can be cut, held and counted."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self.made = 0
        self.refuse = False
        self.on_upstream: Callable[[bytes], None] = lambda _: None
        self.on_downstream: Callable[[bytes], None] = lambda _: None
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refuse:
                client.close()
                continue
            self.made += 1
            server = socket.create_connection(self._target)
            self._pairs.append((client, server))
            for source, sink, hook in ((client, server, "on_upstream"), (server, client, "on_downstream")):
                threading.Thread(target=self._pump, args=(source, sink, hook), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, hook: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                getattr(self, hook)(data)
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """End all connections now."""
        for pair in self._pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        self._pairs.clear()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # close alone leaves the waiting accept one more
        self._listener.close()
        self.cut()


@pytest.fixture
def line(rabbit: Rabbit) -> Iterator[Line]:
    made = Line(str(rabbit.admin.hostname), rabbit.admin.port or 5672)
    yield made
    made.close()


@pytest.fixture
def publisher(rabbit: Rabbit) -> Iterator[Callable[..., Publisher]]:
    """`publisher("hotline-12345", port=…)`: quick pauses, closed at the end."""
    made: list[Publisher] = []

    def make(user: str = "hotline-12345", *, port: int | None = None, **options: Any) -> Publisher:
        options = {"attempts": 6, "pause": 0.05, "longest_pause": 0.5, "timeout": 10.0, **options}
        made.append(Publisher(rabbit.uri(user, port=port), partner=user, **options))
        return made[-1]

    yield make
    for p in made:
        p.close()
