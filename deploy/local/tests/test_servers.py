"""The provider of servers, on real servers of every kind that this machine can start."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pika
import psycopg2
import pytest

from jiayuan.local import containers, native
from jiayuan.local.processes import Process, wait_gone
from jiayuan.local.servers import Servers, ServersUnavailable, attach, main, provide

VARIABLES = ("AMQP_URI", "AMQP_MANAGEMENT_URL", "DATABASE_URL", "JIAYUAN_SERVERS")


def available() -> list[str]:
    """The kinds that can be started here; native also when it cannot, so that a bare machine fails."""
    kinds = ["containers"] if containers.engine_trouble() is None and containers.images_here() else []
    try:
        native.find_binaries()
    except ServersUnavailable:
        return kinds or ["native"]
    return [*kinds, "native"]


@pytest.fixture(autouse=True)
def _nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module", params=available())
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    with pytest.MonkeyPatch.context() as patch:
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        own = provide(prefer=request.param)
    processes = [Process.of(pid) for pid in (*own.broker_pids(), *own.database_pids())]
    yield own
    processes += [Process.of(pid) for pid in (*own.broker_pids(), *own.database_pids())]
    own.stop()
    assert wait_gone(processes, 10), "stop() left processes running"
    assert eventually(lambda: not listens(own.amqp_uri) and not listens(own.database_url))


def listens(address: str) -> bool:
    parts = urlsplit(address)
    with socket.socket() as probe:
        return probe.connect_ex((str(parts.hostname), int(parts.port or 0))) == 0


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait up to 20 s for the condition."""
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def publish(servers: Servers, queue: str, body: bytes) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(servers.amqp_uri))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2), mandatory=True)
    connection.close()


def take(servers: Servers, queue: str) -> bytes | None:
    """The next message, waiting up to 20 s: a quorum queue elects its leader after a restart."""
    connection = pika.BlockingConnection(pika.URLParameters(servers.amqp_uri))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=1)
    method, _, body = next(channel.consume(queue, inactivity_timeout=20))
    if method is not None:
        channel.basic_ack(method.delivery_tag)
    connection.close()
    return body


def query(servers: Servers, statement: str) -> str:
    connection = psycopg2.connect(servers.database_url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return str(cursor.fetchone()[0])
    finally:
        connection.close()


@pytest.mark.bus
def test_broker_takes_and_hands_over_a_message(servers: Servers) -> None:
    publish(servers, "plain", b"hello")
    assert take(servers, "plain") == b"hello"


@pytest.mark.bus
def test_database_is_durable_and_takes_300_connections(servers: Servers) -> None:
    assert query(servers, "SELECT 1") == "1"
    shown = {
        name: query(servers, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "max_connections")
    }
    assert shown == {"fsync": "on", "synchronous_commit": "on", "max_connections": "300"}


@pytest.mark.bus
def test_addresses_are_on_loopback_and_processes_known(servers: Servers) -> None:
    addresses = (servers.amqp_uri, servers.management_url, servers.database_url)
    assert {urlsplit(address).hostname for address in addresses} == {"127.0.0.1"}
    assert servers.broker_pids()
    assert len(servers.database_pids()) > 1


@pytest.mark.bus
def test_restarted_and_killed_broker_keeps_its_messages_and_port(servers: Servers) -> None:
    publish(servers, "kept", b"over a restart")
    servers.restart_broker()  # and so the new queue's registration is on the disk for certain
    assert take(servers, "kept") == b"over a restart"
    publish(servers, "kept", b"over a kill")
    servers.kill_broker()
    assert not listens(servers.amqp_uri)
    servers.start_broker()
    assert take(servers, "kept") == b"over a kill"


@pytest.mark.bus
def test_killed_database_keeps_its_rows_and_port(servers: Servers) -> None:
    query(servers, "CREATE TABLE kept AS SELECT 7 AS n; SELECT n FROM kept")
    servers.kill_database()
    assert not listens(servers.database_url)
    servers.start_database()
    assert query(servers, "SELECT n FROM kept") == "7"


@pytest.mark.bus
def test_second_set_is_cleared_away_when_its_process_is_killed(servers: Servers) -> None:
    script = f"""
import json, time
from jiayuan.local.servers import provide
own = provide(prefer={servers.chosen!r})
print(json.dumps([own.amqp_uri, own.database_url, own.broker_pids() + own.database_pids()]), flush=True)
time.sleep(600)
"""
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    amqp_uri, database_url, pids = json.loads(child.stdout.readline())
    processes = [Process.of(pid) for pid in pids]
    assert amqp_uri != servers.amqp_uri
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert wait_gone(processes, 20)
    assert eventually(lambda: not listens(amqp_uri) and not listens(database_url))
    assert query(servers, "SELECT 1") == "1"


@pytest.mark.bus
def test_up_and_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JIAYUAN_SERVERS", available()[-1])
    assert main(["up", "--folder", str(tmp_path)]) == 0
    assert "export AMQP_URI='amqp://" in capsys.readouterr().out
    own = attach(tmp_path)
    assert own is not None
    processes = [Process.of(pid) for pid in (*own.broker_pids(), *own.database_pids())]
    assert query(own, "SELECT 1") == "1"
    assert main(["down", "--folder", str(tmp_path)]) == 0
    assert wait_gone(processes, 10)
    assert attach(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.unit
def test_given_servers_are_used_and_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMQP_URI", "amqp://me:pw@127.0.0.1:5673/")
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@127.0.0.1:5433/postgres")
    own = provide()
    assert (own.chosen, own.amqp_uri) == ("given", "amqp://me:pw@127.0.0.1:5673/")
    assert own.management_url == "http://me:pw@127.0.0.1:15672"
    assert (own.broker_pids(), own.database_pids()) == ([], [])
    for refused in (
        own.kill_broker,
        own.start_broker,
        own.restart_broker,
        own.kill_database,
        own.start_database,
    ):
        with pytest.raises(ServersUnavailable, match="not ours to start or stop"):
            refused()
    own.stop()


@pytest.mark.unit
def test_environment_makes_another_process_use_the_same_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Servers(
        "native", "", "amqp://a:b@127.0.0.1:1/", "http://a:b@127.0.0.1:2", "postgresql://c@127.0.0.1:3/d"
    )
    for name, value in first.environment().items():
        monkeypatch.setenv(name, value)
    second = provide()
    assert (second.amqp_uri, second.management_url, second.database_url) == (
        first.amqp_uri,
        first.management_url,
        first.database_url,
    )


@pytest.mark.unit
def test_half_given_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMQP_URI", "amqp://127.0.0.1/")
    with pytest.raises(ServersUnavailable, match="DATABASE_URL is not set"):
        provide()


@pytest.mark.unit
def test_unknown_kind_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JIAYUAN_SERVERS", "cloud")
    with pytest.raises(ServersUnavailable, match="use one of given, containers, native"):
        provide()


@pytest.mark.unit
def test_nothing_to_be_had_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    monkeypatch.setattr(native, "_find_rabbitmq", lambda: None)
    assert main(["run", "true"]) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith("jiayuan: no Docker engine answers")
    assert said.endswith(
        "RabbitMQ not found: install with `apt-get install rabbitmq-server postgresql` as root."
    )
    assert "\n" not in said


@pytest.mark.unit
def test_containers_asked_for_without_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    monkeypatch.setenv("JIAYUAN_SERVERS", "containers")
    with pytest.raises(ServersUnavailable, match="no Docker engine answers"):
        provide()
