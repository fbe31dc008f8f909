"""schemathesis against a real process of sla: every check, every operation of its OpenAPI document.

The short form runs with the other tests; FUZZ_EXAMPLES, FUZZ_SECONDS and FUZZ_SEED make it longer.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jiayuan.chassis import tokens
from jiayuan.chassis.testing import fuzz, processes
from jiayuan.chassis.testing.brokers import Broker
from jiayuan.chassis.testing.databases import TOKEN_SECRET, Opened
from jiayuan.sla import handlers
from jiayuan.sla.interface.document import FILE

pytestmark = pytest.mark.bus

# Whether there are clocks of a case, and what is a day, no schema says.
_EITHER = ["2xx", "401", "403", "404", "422", "503"]


def _config(county: str) -> str:
    return f"""
[[operations]]
include-path = "/feed"
enabled = false  # it doesn't end; see test_feed

[[operations]]
include-path-regex = "^/(clocks|rates)"
headers = {{ Authorization = "Bearer {county}" }}
checks.positive_data_acceptance.expected-statuses = {_EITHER}

[[operations]]
include-path-regex = "^/clocks(/explained)?$"
headers = {{ Authorization = "Bearer {county}" }}
checks.positive_data_acceptance.expected-statuses = {_EITHER}
parameters = {{ "query.case" = "case-1" }}
"""


def test_schemathesis_finds_nothing(
    broker: Broker, database: Callable[[str], str], life: Any, tmp_path: Path
) -> None:
    url, log = database("sla"), tmp_path / "sla.log"
    opened = Opened("sla", url)
    begins = datetime.now(UTC) - timedelta(days=3)
    with opened(now=datetime.now(UTC)) as work:
        cases = [life(f"case-{n}", begins=begins) for n in range(1, 4)]
        for case in cases:
            case.assign(0), case.pause(60), case.resume(120), case.extend(200, 3600)
        cases[1].resolve(5000), cases[1].close(6000, solved=True)
        handlers.case_changed(work, [case.events[-1] for case in cases])
    opened.close()
    settings = processes.settings("sla", broker, url)
    county = tokens.issue(TOKEN_SECRET, "someone", ("county",))
    with processes.running("sla", settings, log) as address:
        done = fuzz.schemathesis(FILE, address, _config(county), tmp_path)
        fuzz.nothing_found(done, log)
