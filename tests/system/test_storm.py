"""A storm in short: many reports at once, an emergency in the middle of it, and every clock counted again."""

from __future__ import annotations

from pathlib import Path

import pytest

from jiayuan.local import storm
from jiayuan.local.servers import Servers

pytestmark = pytest.mark.system


def test_a_storm_loses_nothing_and_every_clock_is_right(servers: Servers, tmp_path: Path) -> None:
    # Nothing is asserted of how fast it was: a busy machine must not fail it.
    options = storm.Options(minutes=3, alert_at=1, speed=6, grids=120, workers=600, in_time=0)
    result = storm.run(servers, tmp_path, options)
    print("\n".join(result.lines()))
    assert not result.wrong, "\n".join(result.lines())
    assert dict(result.figures)["paused and resumed"] != "0"
