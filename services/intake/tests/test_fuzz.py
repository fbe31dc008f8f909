"""schemathesis against a real process of intake: every check, every operation of its OpenAPI document.

The short form runs with the other tests. The long one: `make fuzz-intake` (FUZZ_EXAMPLES, FUZZ_SECONDS, FUZZ_SEED).
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine
from sqlalchemy import text as sql

from jiayuan.chassis import tokens
from jiayuan.chassis.database import driver_url
from jiayuan.chassis.testing import fuzz, processes
from jiayuan.chassis.testing.brokers import Broker
from jiayuan.chassis.testing.databases import TOKEN_SECRET
from jiayuan.intake.interface.document import FILE
from jiayuan.intake.testing import wechat as fake

sys.path.insert(0, str(Path(__file__).parent))
import pictures

pytestmark = pytest.mark.bus


@dataclass
class Running:
    """A process of intake, and what somebody who knows his way about has of it."""

    address: str
    log: Path
    citizen: str
    report: str
    code: str
    digest: str
    booking: str
    walked: str
    reveal: str

    def call(self, path: str, body: Any = None, **headers: str) -> Any:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | headers
        request = urllib.request.Request(self.address + path, data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read())


@pytest.fixture
def running(broker: Broker, database: Callable[[str], str], tmp_path: Path) -> Iterator[Running]:
    url, log = database("intake"), tmp_path / "intake.log"
    engine = create_engine(driver_url(url), poolclass=NullPool)
    with engine.begin() as conn:
        conn.execute(
            sql(
                "INSERT INTO service_point (code, name, kind, lat, long, services, hours, capacity, updated_at) "
                "SELECT 'sp' || n, '例' || n || '驿站', 'station', 26.88, 120.0, '[\"理发\"]', "
                '\'{"mon": ["08:00-12:00"], "tue": ["08:00-12:00"], "thu": ["00:00-24:00"]}\', 3, now() '
                "FROM generate_series(1, 3) AS n"
            )
        )
    engine.dispose()
    (tmp_path / "media").mkdir()
    with fake.running() as wechat:
        settings = processes.settings("intake", broker, url) | {
            "JIAYUAN_INTAKE_LIMITS": "off",
            "JIAYUAN_INTAKE_MEDIA": (tmp_path / "media").as_uri(),
            "JIAYUAN_INTAKE_WECHAT_BASE": wechat.base,
            "JIAYUAN_INTAKE_WECHAT_APPID": fake.APPID,
            "JIAYUAN_INTAKE_WECHAT_SECRET": fake.SECRET,
        }
        with processes.running("intake", settings, log) as address:
            yield _settled(Running(address, log, *[""] * 7))


def _settled(running: Running) -> Running:
    """With a report that has a photo, and a citizen who has an appointment."""
    running.citizen = running.call("/mini-program/sessions", {"code": "openid-o1"})["token"]
    photo = running.call("/media", pictures.picture(), **{"Content-Type": "application/octet-stream"})
    running.digest = photo["media"][0]["digest"]
    made = running.call("/reports", {"text": "龙津社区听雨街的路灯坏了", "attachments": [running.digest]})
    running.report, running.code = made["id"], made["tracking_code"]
    slots = running.call("/mini-program/service-points/sp1/slots?days=14")["slots"]
    appointment = {"service_point": "sp1", "service": "理发", "starts_at": slots[-1]["starts_at"]}
    booked = running.call("/mini-program/bookings", appointment, Authorization=f"Bearer {running.citizen}")
    running.booking = booked["report"]
    now = datetime.now(UTC).isoformat()
    walk = {"sent_at": now, "reports": [{"id": "1", "device_at": now, "text": "消防通道被占用"}]}
    token = tokens.issue(TOKEN_SECRET, "worker", ("grid_worker",), street="350921001")
    walked = running.call("/field/reports", walk, Authorization=f"Bearer {token}")
    running.walked = walked["reports"][0]["report"]
    county = tokens.issue(TOKEN_SECRET, "someone", ("county", "operator"))
    asked = running.call(
        "/reveals", {"report": running.report, "why": "回访需要"}, Authorization=f"Bearer {county}"
    )
    running.reveal = asked["id"]
    return running


_OR_400 = ["2xx", "3xx", "400", "401", "403", "404", "409", "429", "5xx"]
_OR_422 = ["2xx", "3xx", "401", "403", "404", "409", "410", "422", "429", "5xx"]


def _config(running: Running) -> str:
    """Who calls what: citizens their part, a county official the rest; a reporter knows the code of one report."""
    county = tokens.issue(TOKEN_SECRET, "someone", ("county", "operator"))
    officer = tokens.issue(TOKEN_SECRET, "officer", ("county", "privacy_officer", "auditor"))
    worker = tokens.issue(TOKEN_SECRET, "worker", ("grid_worker",), street="350921001")
    return f"""
[generation]
allow-x00 = false  # U+0000 is refused wherever it stands, which no schema says of every text; see test_web

[[operations]]
include-path-regex = "^/mini-program/(reports|bookings)$"
headers = {{ Authorization = "Bearer {running.citizen}" }}

[[operations]]
include-name = "GET /reports"
headers = {{ Authorization = "Bearer {county}" }}

[[operations]]
include-path-regex = "^/mini-program/bookings/"
headers = {{ Authorization = "Bearer {running.citizen}" }}
parameters = {{ "path.report" = "{running.booking}" }}

[[operations]]
include-path-regex = "^/(hotline|sheets|desk|joins)"
headers = {{ Authorization = "Bearer {county}" }}

[[operations]]
include-path-regex = "^/(person/log|reveals)"
headers = {{ Authorization = "Bearer {officer}" }}

# Open311 has no status but 400 for whatever is wrong, and a time, a place or a code in a text of its own form.
[[operations]]
include-path-regex = "^(/open311)?/(v2|discovery)"
checks.positive_data_acceptance.expected-statuses = {_OR_400}

[[operations]]
include-path-regex = "^/reveals/.reveal./(approval|refusal)"
parameters = {{ "path.reveal" = "{running.reveal}" }}

# What depends on other members, on what is stored or on who asks, and on whether words are left when blanks and
# markup are gone, no schema says; there a well-formed request may be refused with 422 as well.
[[operations]]
include-path-regex = "^/(person/e|desk/places/|joins|reveals|places/|sheets|reports/.report./place)"
checks.positive_data_acceptance.expected-statuses = {_OR_422}

[[operations]]
include-path-regex = "^/field/"
headers = {{ Authorization = "Bearer {worker}" }}

[[operations]]
include-path-regex = "^/field/standing/"
headers = {{ Authorization = "Bearer {worker}" }}
parameters = {{ "path.subject" = "worker" }}

[[operations]]
include-path-regex = "^/field/reports/"
headers = {{ Authorization = "Bearer {worker}" }}
parameters = {{ "path.report" = "{running.walked}" }}

[[operations]]
include-path = "/media/{{digest}}"
headers = {{ X-Tracking-Code = "{running.code}" }}
parameters = {{ "path.digest" = "{running.digest}", "query.report" = "{running.report}" }}

[[operations]]
include-path = "/track/{{code}}"
parameters = {{ "path.code" = "{running.code}" }}

[[operations]]
include-path-regex = "^/mini-program/service-points/"
parameters = {{ "path.code" = "sp1" }}

[[operations]]
include-path-regex = "^/reports/.report./"
headers = {{ X-Tracking-Code = "{running.code}" }}
parameters = {{ "path.report" = "{running.report}" }}
"""


def test_schemathesis_finds_nothing(running: Running, tmp_path: Path) -> None:
    hooks = Path(__file__).with_name("fuzz_hooks.py")
    done = fuzz.schemathesis(FILE, running.address, _config(running), tmp_path, hooks)
    # Nobody's words or numbers are in the log, whatever was sent.
    fuzz.nothing_found(done, running.log)
