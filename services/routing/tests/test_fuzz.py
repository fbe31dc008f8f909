"""schemathesis against a real process of routing: every check, every operation of its OpenAPI document.

The short form runs with the other tests; FUZZ_EXAMPLES, FUZZ_SECONDS and FUZZ_SEED make it longer.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jiayuan.chassis import tokens
from jiayuan.chassis.testing import fuzz, processes
from jiayuan.chassis.testing.brokers import Broker
from jiayuan.chassis.testing.databases import TOKEN_SECRET, Opened
from jiayuan.routing.imports import import_directory
from jiayuan.routing.interface.document import FILE

from .conftest import STREET, Routing, small_directory

pytestmark = pytest.mark.bus

# What depends on the case's state, on what is stored or on who asks, no schema says: there a well-formed request may be
# refused with 403, 404, 409 or 422 as well.
_EITHER = ["2xx", "3xx", "401", "403", "404", "409", "422", "429", "5xx"]


def _config(case: str, leg: str) -> str:
    """The county calls everything, the auditor the log, the desk what desks do with a case that there is."""
    county = tokens.issue(TOKEN_SECRET, "someone", ("county", "desk", "convener"), street=STREET)
    auditor = tokens.issue(TOKEN_SECRET, "auditor", ("auditor", "county"))
    return f"""
[generation]
allow-x00 = false  # U+0000 is refused wherever it stands, which no schema says of every text; see test_web

[[operations]]
include-path-regex = "^/reads"
headers = {{ Authorization = "Bearer {auditor}" }}
checks.positive_data_acceptance.expected-statuses = {_EITHER}

[[operations]]
include-path-regex = "^/(cases|legs|approvals|directory|emergencies|triage|policies|points|offers|mediations|gaming)"
headers = {{ Authorization = "Bearer {county}" }}
checks.positive_data_acceptance.expected-statuses = {_EITHER}

[[operations]]
include-path-regex = "^/cases/.case."
headers = {{ Authorization = "Bearer {county}" }}
checks.positive_data_acceptance.expected-statuses = {_EITHER}
parameters = {{ "path.case" = "{case}" }}

[[operations]]
include-path-regex = "^/cases/.case./legs/.leg."
headers = {{ Authorization = "Bearer {county}" }}
checks.positive_data_acceptance.expected-statuses = {_EITHER}
parameters = {{ "path.case" = "{case}", "path.leg" = "{leg}" }}
"""


def test_schemathesis_finds_nothing(broker: Broker, database: Callable[[str], str], tmp_path: Path) -> None:
    url, log = database("routing"), tmp_path / "routing.log"
    opened = Opened("routing", url)
    with opened() as work:
        import_directory(work, opened.runtime.sealer, small_directory(), "test")
    routing = Routing(opened)
    case = routing.open(signs=[{"code": "fire", "call": "119"}])
    routing.receive(*(routing.report() for _ in range(5)))
    opened.close()
    settings = processes.settings("routing", broker, url)
    with processes.running("routing", settings, log) as address:
        done = fuzz.schemathesis(FILE, address, _config(case["id"], case["legs"][0]["id"]), tmp_path)
        fuzz.nothing_found(done, log)
