"""A service's own process, and waiting for what it does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import pytest

from .brokers import Broker
from .databases import SEAL_KEYS, TOKEN_SECRET

T = TypeVar("T")
SEALING: Final = ("intake", "routing", "notify")
"""The services that have keys; the others must do without."""


def until(condition: Callable[[], T], what: str | Callable[[], str], timeout: float = 60.0) -> T:
    """Waits for a condition and gives its value; fails with words. `timeout`: seconds."""
    end = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > end:
            pytest.fail(f"not within {timeout:g} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.05)
    return value


def settings(service: str, broker: Broker, database_url: str, **more: str) -> dict[str, str]:
    """What a service's process needs to know (`JIAYUAN_…`): its broker, its database, the secrets of tests."""
    return {
        "JIAYUAN_AMQP_URI": broker.uri(service),
        "JIAYUAN_DATABASE_URL": database_url,
        "JIAYUAN_TOKEN_SECRET": TOKEN_SECRET,
        **({"JIAYUAN_SEAL_KEYS": SEAL_KEYS} if service in SEALING else {}),
        **more,
    }


def environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a process with these settings, and none that the tests themselves were started with."""
    return {**{k: v for k, v in os.environ.items() if not k.startswith("JIAYUAN_")}, **(settings or {})}


def free_port() -> int:
    """A TCP port of the loopback address that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Started(NamedTuple):
    """A process and where it listens."""

    address: str
    process: subprocess.Popen[bytes]


@contextmanager
def started(service: str, settings: Mapping[str, str], log: Path) -> Iterator[Started]:
    """A process of the service with these settings (`settings`) that is ready; it is ended afterwards."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "jiayuan.chassis.cli", "run", service],
            env=environment({**settings, "JIAYUAN_HTTP_PORT": str(port)}),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: process.poll() is not None or ready(address), f"{service} is ready", 120)
        assert process.poll() is None, log.read_text()
        yield Started(address, process)
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def running(service: str, settings: Mapping[str, str], log: Path) -> Iterator[str]:
    """The address of such a process, which must still be alive afterwards."""
    with started(service, settings, log) as it:
        yield it.address
        assert it.process.poll() is None, log.read_text()[-4000:]


def ready(address: str) -> bool:
    """Whether the service there says that it does its work."""
    try:
        urllib.request.urlopen(f"{address}/readyz", timeout=5).close()
    except OSError:
        return False
    return True
