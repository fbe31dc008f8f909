"""Where tests get their servers and their fixtures from."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from _pytest.terminal import TerminalReporter

from jiayuan.local.servers import Servers, provide

pytest_plugins = ["jiayuan.chassis.testing.fixtures"]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """RabbitMQ and PostgreSQL: given, in containers or private native ones; never a skip."""
    with provide() as chosen:
        yield chosen


@pytest.fixture(scope="session")
def own_servers(servers: Servers) -> Iterator[Servers]:
    """Servers that may be killed: the session's, or private ones when those were given."""
    if servers.chosen != "given":
        yield servers
    else:
        with pytest.MonkeyPatch.context() as environment:
            environment.delenv("JIAYUAN_SERVERS", raising=False)
            with provide(prefer="native") as own:
                yield own


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Each failed test with the end of its traceback into the file that `tools/tests.sh` prints last."""
    path = os.environ.get("JIAYUAN_FAILED_TESTS")
    if path and "PYTEST_XDIST_WORKER" not in os.environ:
        with open(path, "a", encoding="utf-8") as file:
            for outcome in ("failed", "error"):
                for report in terminalreporter.getreports(outcome):
                    end = "\n".join(report.longreprtext.splitlines()[-12:])
                    print(f"{outcome.upper()} {report.nodeid}\n{end}\n", file=file)
