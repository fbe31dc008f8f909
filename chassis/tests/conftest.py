"""A probe service on a real broker and database, as a process that can be crashed."""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, NullPool, create_engine, text
from sqlalchemy.engine import make_url

from jiayuan.chassis.broker import Publisher
from jiayuan.chassis.database import driver_url
from jiayuan.chassis.testing import processes
from jiayuan.chassis.testing.brokers import Broker
from jiayuan.chassis.testing.processes import until
from jiayuan.chassis.work import Outgoing
from jiayuan.contracts import envelope, names
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.names import Lane
from jiayuan.local.servers import Servers

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import probe  # noqa: E402


def report(title: str = "路灯不亮", *, lane: Lane = "live") -> Outgoing:
    """A report.received as intake publishes it; notify's queue takes it as well."""
    data = {
        "report": {
            "id": new_id(),
            "tracking_code": "XP1",
            "kind": "problem",
            "channel": "hotline",
            "title": title,
            "text": "文字",
            "category": {"code": "0101"},
            "livelihood": True,
            "importance": 1,
            "urgency": 1,
            "place": {},
            "received_at": "2026-03-02T01:00:00Z",
        }
    }
    event = envelope.make("report.received", names.source("intake"), data, at=datetime.now(UTC), lane=lane)
    return Outgoing(event.id, names.EVENTS_EXCHANGE, event.routing_key, True, envelope.encode(event))


@dataclass
class Rig:
    """A virtual host, a database, and probes on them."""

    servers: Servers
    broker: Broker
    url: str
    admin: Engine
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)

    def start(self, *, wait: bool = True, **environment: str) -> subprocess.Popen[bytes]:
        """Starts a probe; by default waits until it is ready."""
        port = processes.free_port()
        settings = processes.settings("routing", self.broker, self.url) | {
            "JIAYUAN_HTTP_PORT": str(port),
            "JIAYUAN_STARTUP_TIMEOUT": "20",
            **environment,
        }
        log = self.folder / f"probe-{len(self.logs)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, str(HERE / "probe.py")],
                env=processes.environment(settings),
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        self.logs.append(log)
        process.port = port  # type: ignore[attr-defined]
        if wait:
            until(lambda: self.ready(process), f"the probe is ready; {log.read_text()[-2000:]}", 40)
        return process

    def ready(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether /readyz says so."""
        import requests

        assert process.poll() is None, self.log()
        try:
            return requests.get(f"http://127.0.0.1:{process.port}/readyz", timeout=2).ok  # type: ignore[attr-defined]
        except requests.RequestException:
            return False

    def log(self) -> str:
        """What all probes said."""
        return "\n".join(p.read_text(errors="replace")[-4000:] for p in self.logs)

    def query(self, sql: str, **parameters: Any) -> list[Any]:
        """Reads the probe's database as an administrator."""
        with self.admin.connect() as conn:
            return list(conn.execute(text(sql), parameters))

    def one(self, sql: str, **parameters: Any) -> Any:
        """The first column of the first row."""
        return self.query(sql, **parameters)[0][0]

    def effects(self) -> dict[str, int]:
        """Report → how often it was handled."""
        return {r[0]: r[1] for r in self.query("SELECT report, times FROM effect")}

    def letters(self) -> list[Any]:
        """The dead letters."""
        return self.query(
            "SELECT reason, error, problems, event_id, state, history, id::text FROM dead_letter ORDER BY at"
        )

    def send(self, *rows: Outgoing) -> None:
        """Publishes events as intake; all must be confirmed."""
        publisher = Publisher(self.broker.uri("intake"))
        sent = publisher.send(rows)
        publisher.close()
        assert sorted(sent.confirmed) == sorted(r.id for r in rows), sent.failed

    def depth(self, queue: str) -> int:
        """Messages ready in a queue, by a passive declare: exact, unlike the management API."""
        import pika

        connection = pika.BlockingConnection(pika.URLParameters(self.broker.uri("admin")))
        try:
            return int(connection.channel().queue_declare(queue, passive=True).method.message_count)
        finally:
            connection.close()

    def stop(self) -> None:
        """Ends every probe."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait(20)


def _rig(servers: Servers, folder: Path) -> Iterator[Rig]:
    name = f"jy_probe_{secrets.token_hex(3)}"
    admin = create_engine(driver_url(servers.database_url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as conn:
        conn.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD '{name}'"))
        conn.execute(text(f"CREATE DATABASE {name}"))
    inside = make_url(servers.database_url).set(database=name)
    engine = create_engine(driver_url(inside.render_as_string(hide_password=False)), poolclass=NullPool)
    with engine.begin() as conn:
        probe.create(conn, name)
    url = inside.set(username=name, password=name).render_as_string(hide_password=False)
    rig = Rig(servers, Broker(servers.amqp_uri, servers.management_url), url, engine, folder)
    try:
        yield rig
    finally:
        rig.stop()
        rig.broker.delete()
        with admin.connect() as conn:
            conn.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
            conn.execute(text(f"DROP ROLE {name}"))


@pytest.fixture
def rig(servers: Servers, tmp_path: Path) -> Iterator[Rig]:
    """Probes on the session's servers."""
    yield from _rig(servers, tmp_path)


@pytest.fixture
def fragile_rig(own_servers: Servers, tmp_path: Path) -> Iterator[Rig]:
    """Probes on servers that may be killed."""
    yield from _rig(own_servers, tmp_path)
