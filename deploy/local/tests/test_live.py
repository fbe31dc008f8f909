"""What is shown while the demonstration runs, and when it counts as quiet."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from jiayuan.local.live import Screen, Snapshot, clock_text, line

pytestmark = pytest.mark.unit

END = Snapshot(
    {
        "intake": {"hotline": 2},
        "routing": {"closed": 2},
        "sla": {"met": 5, "breached": 1, "cancelled": 1},
        "ledger": {"written_off": 1},
        "notify": {"delivered": 8, "suppressed": 1},
    }
)


def test_it_is_quiet_when_nobody_owes_anything_and_nothing_is_under_way() -> None:
    assert END.quiet


@pytest.mark.parametrize(
    ("service", "counts"),
    [
        ("routing", {"closed": 1, "resolved": 1}),
        ("sla", {"armed": 1}),
        ("sla", {"warned": 1}),
        ("notify", {"queued": 1}),
        ("notify", {"unknown": 1}),
        ("notify", {"deferred": 1}),
    ],
)
def test_it_is_not_quiet_while_somebody_does(service: str, counts: dict[str, int]) -> None:
    assert not Snapshot({**END.counts, service: counts}).quiet


def test_it_is_not_quiet_while_something_is_under_way() -> None:
    assert not Snapshot(END.counts, outbox=1).quiet
    assert not Snapshot(END.counts, queued=1).quiet


def test_a_line_names_every_service_s_counts() -> None:
    said = line(END, "0:01", "sent 2 of 2 reports")
    for words in ("reports 2", "cases: closed 2", "met 5, breached 1", "written_off 1", "delivered 8"):
        assert words in said


def test_times_are_told_as_people_in_xiapu_read_them() -> None:
    said = clock_text(65, datetime(2026, 11, 24, 16, 30, tzinfo=UTC))
    assert said == "1:05 real time · 2026-11-25 00:30 business time"


def test_without_a_terminal_there_are_plain_lines_not_one_a_look() -> None:
    out = StringIO()
    with Screen(Console(file=out, width=80)) as screen:
        for _ in range(5):
            screen.show(END, "0:01", "working")
    assert out.getvalue().count("working") == 1
    assert "\x1b" not in out.getvalue()


def test_in_a_terminal_the_picture_moves() -> None:
    out = StringIO()
    with Screen(Console(file=out, width=120, force_terminal=True)) as screen:
        screen.show(END, "0:01", "working")
        screen.show(END, "0:02", "working")
    assert "0:02" in out.getvalue()
