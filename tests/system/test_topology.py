"""What runs is what was defined: every service ready, the broker as the contracts say, nobody's letters lying about."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from town import Town

from jiayuan.contracts.names import SERVICES

pytestmark = pytest.mark.system


def test_every_service_is_ready(town: Town) -> None:
    for service in SERVICES:
        answer = town.call(service, "GET", "/readyz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ready", "service": service})
        assert town.call(service, "GET", "/healthz").status_code == 200
        assert "jiayuan_" in town.call(service, "GET", "/metrics").text


def test_the_broker_is_as_defined(town: Town) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jiayuan.chassis.cli", "broker", "check", "--vhost", town.broker.vhost],
        env={**os.environ, "AMQP_MANAGEMENT_URL": town.broker.management_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "the broker is as defined"), done.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_no_letter_is_dead(town: Town, service: str) -> None:
    assert town.command(service, "dead-letters", "list", service).stdout.strip() == "none"
