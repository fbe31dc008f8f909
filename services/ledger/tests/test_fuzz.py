"""schemathesis against a real process of the ledger: every check, the lists and claims of its OpenAPI document.

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
from jiayuan.ledger import claiming, handlers, listing
from jiayuan.ledger.checkpoint import Signer
from jiayuan.ledger.interface.document import FILE
from jiayuan.ledger.lists.quarter import Quarter
from jiayuan.ledger.store import lists as rows

pytestmark = pytest.mark.bus

STREET, COMMUNITY = "350921001", "350921001001"
# Whether there is such a list and what state it is in, whose it is, and what is a workbook, no schema says.
_EITHER = ["2xx", "400", "401", "403", "404", "409", "422", "503"]


def _config(county: str, list_id: str, claim: str) -> str:
    return f"""
[generation]
allow-x00 = false  # U+0000 is refused wherever it stands, which no schema says of every text; see test_web

[[operations]]
include-path-regex = "^/(lists|claims|meetings|lineage|entries|accounts|closings|proof)"
headers = {{ Authorization = "Bearer {county}" }}
checks.positive_data_acceptance.expected-statuses = {_EITHER}

[[operations]]
include-path-regex = "^/lists/.list_id."
headers = {{ Authorization = "Bearer {county}" }}
checks.positive_data_acceptance.expected-statuses = {_EITHER}
parameters = {{ "path.list_id" = "{list_id}" }}

[[operations]]
include-path-regex = "/workbook$"
include-method = "POST"
enabled = false  # no workbook is made up; see test_lists

[[operations]]
include-path-regex = "^/claims/.claim."
headers = {{ Authorization = "Bearer {county}" }}
checks.positive_data_acceptance.expected-statuses = {_EITHER}
parameters = {{ "path.claim" = "{claim}" }}
"""


def _quarter(opened: Opened, stories: Any, now: datetime) -> tuple[str, str]:
    """A draft of a demand list, and a claim."""
    quarter = Quarter(now.year, (now.month + 2) // 3)
    with opened(now=now) as work:
        for title in ("听雨街路灯不亮", "龙津社区井盖破损"):
            story = stories.Story(street=STREET, opened_at=now - timedelta(days=9), title=title)
            story.case["community"] = COMMUNITY
            handlers.record(work, [story.step("case.opened")])
        demands, _ = listing.draft(work, "demand", quarter, STREET, COMMUNITY, "t")
        listing.publish(work, demands.id, "t")
        problems, _ = listing.draft(work, "problem", quarter, STREET, "", "t")
        for p in rows.problems_of(work, problems.id):
            listing.decide(work, problems.id, p.number, {"state": "accepted"}, "t")
        listing.publish(work, problems.id, "t")
        service, _ = listing.draft(work, "service", quarter, STREET, "", "t")
        listing.publish(work, service.id, "t")
        due_at = now + timedelta(days=60)
        made, _ = claiming.claim(work, service.id, 1, "U02", "例王明", due_at, (), "t")
        draft, _ = listing.draft(work, "demand", quarter, STREET, "350921001002", "t")
    return draft.id, made.id


def test_schemathesis_finds_nothing(
    broker: Broker, database: Callable[[str], str], stories: Any, tmp_path: Path
) -> None:
    url, log = database("ledger"), tmp_path / "ledger.log"
    opened = Opened("ledger", url)
    list_id, claim = _quarter(opened, stories, datetime.now(UTC))
    opened.close()
    key = Signer.new("jiayuan.example/ledger").text()
    settings = processes.settings("ledger", broker, url, JIAYUAN_LEDGER_SIGNING_KEY=key)
    county = tokens.issue(TOKEN_SECRET, "someone", ("county", "desk"), street=STREET)
    with processes.running("ledger", settings, log) as address:
        done = fuzz.schemathesis(FILE, address, _config(county, list_id, claim), tmp_path)
        fuzz.nothing_found(done, log)
