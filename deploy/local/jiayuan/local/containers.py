"""RabbitMQ and PostgreSQL in containers, through testcontainers."""

from __future__ import annotations

import base64
import functools
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import docker
import psycopg2
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.models.containers import Container

from jiayuan.local.native import QUIET_SCHEDULERS, START_SECONDS, ServersUnavailable, free_ports

BROKER_IMAGE = "rabbitmq:4.3-management"
DATABASE_IMAGE = "postgres:17"


@functools.cache
def _client() -> docker.DockerClient:
    return docker.from_env()


def engine_trouble() -> str | None:
    """None when a Docker engine answers, else why not, in a few words."""
    try:
        client = docker.from_env(timeout=5)
        client.ping()
        client.close()
    except DockerException as error:
        return f"no Docker engine answers ({type(error).__name__})"
    return None


def trouble() -> str | None:
    """None when containers can be started, images included (pulled if need be); else why not."""
    if reason := engine_trouble():
        return reason
    try:
        _have_images()
    except ServersUnavailable as error:
        return str(error)
    return None


def images_here() -> bool:
    """True when nothing would have to be pulled."""
    return all(_image_here(image) for image in (BROKER_IMAGE, DATABASE_IMAGE))


def _image_here(image: str) -> bool:
    try:
        _client().images.get(image)
    except ImageNotFound:
        return False
    return True


def _have_images() -> None:
    for image in (BROKER_IMAGE, DATABASE_IMAGE):
        if not _image_here(image):
            _pull(image)


def _pull(image: str) -> None:
    print(f"jiayuan: pulling the image {image}", file=sys.stderr, flush=True)
    try:
        _client().images.pull(image)
    except DockerException:
        raise ServersUnavailable(f"the image {image} is not here and cannot be pulled") from None


@dataclass
class ContainerSet:
    """A broker and a database in containers on fixed loopback ports. The fields are the whole state."""

    amqp_port: int
    management_port: int
    database_port: int
    password: str
    containers: dict[str, str]
    """Container ids by "broker" and "database"."""
    changed: Callable[[], None] = lambda: None

    @classmethod
    def new(cls) -> ContainerSet:
        """Choose ports and password; nothing runs yet."""
        amqp, management, database = free_ports(3)
        return cls(amqp, management, database, secrets.token_hex(12), {})

    @classmethod
    def load(cls, state: dict[str, Any]) -> ContainerSet:
        """The set that `dump` described."""
        return cls(**state)

    def on_change(self, callback: Callable[[], None]) -> None:
        """Have `callback` called whenever what `dump` returns has changed."""
        self.changed = callback

    def dump(self) -> dict[str, Any]:
        """The state as JSON types."""
        return {name: value for name, value in vars(self).items() if name != "changed"}

    @property
    def amqp_uri(self) -> str:
        return f"amqp://jiayuan-admin:{self.password}@127.0.0.1:{self.amqp_port}/"

    @property
    def management_url(self) -> str:
        return f"http://jiayuan-admin:{self.password}@127.0.0.1:{self.management_port}"

    @property
    def database_url(self) -> str:
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.database_port}/postgres"

    def start(self) -> None:
        """Make and start both containers and wait until both serve. Raises ServersUnavailable."""
        _have_images()
        broker = {
            "RABBITMQ_DEFAULT_USER": "jiayuan-admin",
            "RABBITMQ_DEFAULT_PASS": self.password,
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": QUIET_SCHEDULERS,
        }
        ports = {5672: self.amqp_port, 15672: self.management_port}
        self._make("broker", BROKER_IMAGE, broker, ports, [])
        database = {"POSTGRES_PASSWORD": self.password, "TZ": "UTC"}
        options = ["postgres", "-c", "max_connections=300", "-c", "timezone=UTC"]
        options += ["-c", "track_commit_timestamp=on"]  # as native.py, and for its reason
        self._make("database", DATABASE_IMAGE, database, {5432: self.database_port}, options)
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(self._await_broker), pool.submit(self._await_database)]:
                done.result()

    def _make(
        self, name: str, image: str, environment: dict[str, str], ports: dict[int, int], command: list[str]
    ) -> None:
        # Our own watch clears away after a crash; Ryuk would need one more image, and a privileged container.
        os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
        from testcontainers.core.container import DockerContainer  # reads the environment when imported

        container = DockerContainer(image, hostname=f"jiayuan-{name}")
        container.env.update(environment)
        published = {f"{inside}/tcp": ("127.0.0.1", outside) for inside, outside in ports.items()}
        cast("dict[str, Any]", container.ports).update(published)
        if command:
            container.with_command(command)
        try:
            container.start()
        except APIError as error:
            container.stop()  # made, but not started
            raise ServersUnavailable(
                f"the container of {image} did not start: {error.explanation}"
            ) from error
        self.containers[name] = str(container.get_wrapped_container().id)
        self.changed()

    def _container(self, name: str) -> Container:
        return _client().containers.get(self.containers[name])

    def _await(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        container = self._container(name)
        while not ready():
            container.reload()
            if container.status == "exited" or time.monotonic() > deadline:
                tail = " | ".join(container.logs(tail=5).decode(errors="replace").splitlines())
                raise ServersUnavailable(f"the {name}'s container is not ready ({container.status}): {tail}")
            time.sleep(0.1)

    def _await_broker(self) -> None:
        self._await("broker", self._broker_serves)

    def _broker_serves(self) -> bool:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.management_port}/api/health/checks/port-listener/5672"
        )
        token = base64.b64encode(f"jiayuan-admin:{self.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def _await_database(self) -> None:
        self._await("database", self._database_serves)

    def _database_serves(self) -> bool:
        try:
            psycopg2.connect(self.database_url, connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """Remove both containers and their volumes."""
        for container_id in self.containers.values():
            try:
                _client().containers.get(container_id).remove(force=True, v=True)
            except NotFound:
                continue
        self.containers.clear()
        self.changed()

    def alive(self) -> bool:
        """True while both containers run."""
        try:
            running = [self._container(name).status == "running" for name in self.containers]
        except DockerException:
            return False
        return len(running) == 2 and all(running)

    def kill_broker(self) -> None:
        """SIGKILL to the container's first process."""
        self._kill("broker")

    def kill_database(self) -> None:
        """SIGKILL to the container's first process, and with it to the rest."""
        self._kill("database")

    def _kill(self, name: str) -> None:
        container = self._container(name)
        container.kill()
        container.wait()

    def start_broker(self) -> None:
        """Start the broker's container (again) and wait until it serves."""
        self._container("broker").start()
        self._await_broker()

    def start_database(self) -> None:
        """Start the database's container (again) and wait until it serves."""
        self._container("database").start()
        self._await_database()

    def restart_broker(self) -> None:
        """An orderly restart."""
        container = self._container("broker")
        container.exec_run(["rabbitmqctl", "shutdown"])  # some images' first process does not pass SIGTERM on
        container.stop(timeout=30)
        self.start_broker()

    def broker_pids(self) -> list[int]:
        """The processes of the broker's container, as the host numbers them."""
        return self._pids("broker")

    def database_pids(self) -> list[int]:
        """The processes of the database's container, as the host numbers them."""
        return self._pids("database")

    def _pids(self, name: str) -> list[int]:
        top = self._container(name).top()
        column = top["Titles"].index("PID")
        return [int(row[column]) for row in top["Processes"] or []]
