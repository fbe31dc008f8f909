"""The short campaign: everything is killed once under load; nothing is lost or done twice. `make chaos` is longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from jiayuan.local import chaos
from jiayuan.local.servers import Servers

pytestmark = [pytest.mark.chaos]


def test_everything_killed_once(own_servers: Servers, tmp_path: Path) -> None:
    result = chaos.campaign(own_servers, tmp_path, kills=7, rate=10, seed=7, pause=(0.5, 2.0))
    print("\n".join(result.lines()))
    assert result.good, "\n".join(result.lines())
    assert result.acknowledged > 0
    # The feeder's phone numbers are in nobody's log.
    for log in tmp_path.glob("*.log"):
        assert "1390000" not in log.read_text(errors="replace"), log.name
