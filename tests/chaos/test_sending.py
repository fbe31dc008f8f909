"""Notify killed while it sends, and a storm of notices: the short forms of `make bench-notify`."""

from __future__ import annotations

from pathlib import Path

import pytest

from jiayuan.local import sending
from jiayuan.local.servers import Servers

pytestmark = [pytest.mark.chaos]


def test_kills_and_lost_answers_send_nothing_twice_and_lose_nothing(servers: Servers, tmp_path: Path) -> None:
    result = sending.campaign(servers, tmp_path, seconds=6, rate=30, kills=2, seed=3)
    print("\n".join(result.lines()))
    # How much was in time says little on a busy machine; the benchmark holds it to 95 %.
    assert not result.lost, result.lines()
    assert not result.duplicated, result.lines()
    assert not result.unexpected, result.lines()
    assert (result.kills, result.acknowledged) == (2, result.fed)
    assert result.recovered > 0
    for log in tmp_path.glob("notify/*.log"):
        assert "1390000" not in log.read_text(errors="replace"), log.name


def test_urgent_notices_pass_a_queue_of_others_in_a_memory_that_stays(
    servers: Servers, tmp_path: Path
) -> None:
    found = sending.storm(servers, tmp_path, queued=20_000, seconds=4)
    print("\n".join(found.lines()))
    assert (found.missing, found.unanswered) == (0, 0)
    assert found.left > 0  # the urgent ones did pass others
    assert found.mb_most < found.mb_before + 60
