"""The five services as processes on this machine, on given servers: for the demo, system tests, chaos, benchmarks.

Every service gets its own database and role, its own broker user, its own HTTP port, and runs as
`jiayuan run <service>` in a process of its own.
"""

from __future__ import annotations

import base64
import json
import secrets
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from jiayuan.chassis import migrations, tokens
from jiayuan.chassis.host import service_class
from jiayuan.chassis.testing import processes
from jiayuan.chassis.testing.brokers import Broker
from jiayuan.contracts.names import SERVICES

from .servers import Servers

LEDGER_READS = ("intake", "routing")
"""Whom the ledger asks for hotspots, member units and names."""


class ServiceError(RuntimeError):
    """A service did not start or did not stop; says where its log is."""


@dataclass
class Process:
    """One process of a service."""

    service: str
    port: int
    log: Path
    env: dict[str, str] = field(repr=False)
    arguments: tuple[str, ...] = ()
    popen: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Its HTTP address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.popen is not None and self.popen.poll() is None

    def spawn(self) -> None:
        """Starts it; doesn't wait."""
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "jiayuan.chassis.cli", "run", self.service, *self.arguments],
                env=self.env,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def ready(self) -> bool:
        """Whether /readyz says so now."""
        try:
            return requests.get(f"{self.address}/readyz", timeout=2).ok
        except requests.RequestException:
            return False

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Waits until it is ready; ServiceError with the end of its log when it isn't."""
        until = time.monotonic() + timeout
        while not self.ready():
            if not self.alive or time.monotonic() > until:
                raise ServiceError(f"{self.service} is not ready; the end of {self.log}:\n{self.tail()}")
            time.sleep(0.1)

    def tail(self, lines: int = 15) -> str:
        """The end of its log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def ask_to_stop(self) -> None:
        """SIGTERM; doesn't wait."""
        if self.popen is not None and self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)

    def wait_stopped(self, timeout: float = 30.0) -> int:
        """Waits until it has ended; its exit code. Killed when it takes too long."""
        if self.popen is None:
            return 0
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServiceError(f"{self.service} did not stop within {timeout:g} s") from None

    def terminate(self, timeout: float = 30.0) -> int:
        """Asks it to stop and waits; its exit code."""
        self.ask_to_stop()
        return self.wait_stopped(timeout)

    def kill(self) -> None:
        """SIGKILL."""
        if self.popen is not None and self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait(10)


class Cluster:
    """Prepares broker, databases and secrets, and runs services.

    `settings`: environment for all services, e.g. {"JIAYUAN_CLOCK_SPEED": "1200"}.
    """

    def __init__(
        self,
        servers: Servers,
        folder: Path,
        *,
        settings: Mapping[str, str] | None = None,
        services: Iterable[str] = SERVICES,
        name: str | None = None,
    ) -> None:
        self.servers, self.folder = servers, folder
        self.services = tuple(services)
        self.run = name or secrets.token_hex(3)
        folder.mkdir(parents=True, exist_ok=True)
        self.settings = dict(settings or {})
        self.token_secret = secrets.token_hex(24)
        self.seal_keys = f"local:{base64.b64encode(secrets.token_bytes(32)).decode()}"
        self.signing_key = f"jiayuan.local/{self.run}:{base64.b64encode(secrets.token_bytes(32)).decode()}"
        self.processes: dict[str, list[Process]] = {s: [] for s in self.services}
        self.database_urls: dict[str, str] = {}
        self.broker: Broker | None = None
        self._count = 0

    # -- preparing -----------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Virtual host, users, databases, migrations, grants."""
        self.broker = Broker(self.servers.amqp_uri, self.servers.management_url, f"jiayuan-{self.run}")
        for service in self.services:
            password = secrets.token_hex(12)
            url = migrations.prepare(
                self.servers.database_url,
                service,
                service_class(service).delivery.metadata,
                password,
                database=f"jiayuan_{service}_{self.run}",
            )
            self.database_urls[service] = url.render_as_string(hide_password=False)

    def environment(self, service: str) -> dict[str, str]:
        """What a service's process, or a command of it, needs."""
        assert self.broker is not None
        return {
            **processes.environment(),
            "PYTHONUNBUFFERED": "1",
            "JIAYUAN_AMQP_URI": self.broker.uri(service),
            "JIAYUAN_DATABASE_URL": self.database_urls[service],
            "JIAYUAN_TOKEN_SECRET": self.token_secret,
            "JIAYUAN_SEAL_KEYS": self.seal_keys,
            "JIAYUAN_INTAKE_REPORTER_SECRET": self.token_secret,
            "JIAYUAN_LEDGER_SIGNING_KEY": self.signing_key,
            # Demonstrations, chaos and benchmarks send everything from one address, as fast as they can.
            "JIAYUAN_INTAKE_LIMITS": "off",
            "JIAYUAN_INTAKE_MEDIA": f"file://{self.folder.absolute()}/media",
            **{
                f"JIAYUAN_LEDGER_{s.upper()}_URL": a for s, a in self.addresses().items() if s in LEDGER_READS
            },
            **self.settings,
        }

    def drop(self) -> None:
        """Deletes the virtual host and the databases. For runs that leave nothing."""
        from sqlalchemy import NullPool, create_engine, text

        from jiayuan.chassis.database import driver_url

        if self.broker is not None:
            self.broker.delete()
        engine = create_engine(
            driver_url(self.servers.database_url), poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as conn:
            for service in self.database_urls:
                name = f"jiayuan_{service}_{self.run}"
                conn.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
                conn.execute(text(f'DROP ROLE IF EXISTS "{name}"'))
        engine.dispose()

    # -- running -------------------------------------------------------------------------------------

    def start(self, service: str, *roles: str, wait: bool = True, **settings: str) -> Process:
        """Starts one more process of a service; `settings` are environment variables for it alone."""
        self._count += 1
        port = processes.free_port()
        env = {**self.environment(service), "JIAYUAN_HTTP_PORT": str(port), **settings}
        arguments = tuple(a for role in roles for a in ("--role", role))
        log = self.folder / f"{service}-{self._count}.log"
        process = Process(service, port, log, env, arguments)
        process.spawn()
        self.processes[service].append(process)
        if wait:
            process.wait_ready()
        return process

    def start_all(self, **settings: str) -> None:
        """One process of every service, started together."""
        started = [self.start(s, wait=False, **settings) for s in self.services]
        for process in started:
            process.wait_ready()

    def address(self, service: str) -> str:
        """The HTTP address of the first process of a service that lives."""
        return next(p for p in self.processes[service] if p.alive).address

    def addresses(self) -> dict[str, str]:
        """Service → address."""
        return {s: self.address(s) for s in self.services if any(p.alive for p in self.processes[s])}

    def pids(self) -> dict[str, list[int]]:
        """Service → process ids."""
        return {s: [p.popen.pid for p in ps if p.alive and p.popen] for s, ps in self.processes.items()}

    def command(
        self, service: str, *arguments: str, timeout: float = 300.0
    ) -> subprocess.CompletedProcess[str]:
        """Runs `jiayuan …` with the settings of a service."""
        return subprocess.run(
            [sys.executable, "-m", "jiayuan.chassis.cli", *arguments],
            env=self.environment(service),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def token(self, subject: str, *roles: str, street: str = "", unit: str = "") -> str:
        """A staff token for these services."""
        return tokens.issue(self.token_secret, subject, roles, street=street, unit=unit)

    def get(self, service: str, path: str, *roles: str, subject: str = "operator") -> Any:
        """GET as somebody with roles; the parsed answer."""
        headers = {"Authorization": f"Bearer {self.token(subject, *(roles or ('county', 'operator')))}"}
        response = requests.get(self.address(service) + path, headers=headers, timeout=20)
        response.raise_for_status()
        return response.json()

    def stop(self) -> dict[str, int]:
        """Stops all gracefully; exit codes by log name."""
        codes = {}
        everything = [p for ps in self.processes.values() for p in ps]
        for p in everything:
            p.ask_to_stop()
        for p in everything:
            # Not asked again: an interpreter that is about to end has no handler any more.
            codes[p.log.stem] = p.wait_stopped()
        return codes

    def kill(self) -> None:
        """SIGKILL to all that lives."""
        for ps in self.processes.values():
            for p in ps:
                p.kill()

    def save(self) -> Path:
        """Writes addresses, pids and settings to `cluster.json`, and what a command of a service needs to
        `SERVICE.env`, for a shell; all readable by the owner alone."""
        path = self.folder / "cluster.json"
        environments = {
            s: {k: v for k, v in self.environment(s).items() if k.startswith("JIAYUAN_")}
            for s in self.services
        }
        state = {
            "run": self.run,
            "addresses": self.addresses(),
            "pids": self.pids(),
            "database_urls": self.database_urls,
            "environment": environments,
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(state, indent=1), encoding="utf-8")
        for service, environment in environments.items():
            file = self.folder / f"{service}.env"
            file.touch(mode=0o600)
            lines = [f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()]
            file.write_text("".join(lines), encoding="utf-8")
        return path
