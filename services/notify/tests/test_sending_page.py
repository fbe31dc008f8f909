"""docs/notify/sending.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from jiayuan.contracts.schemas.common import NOTICE_ROLES, NOTICE_STATES
from jiayuan.notify import cascade, failover, metrics, states
from jiayuan.notify.cli import notify
from jiayuan.notify.sending import lane, recording
from jiayuan.notify.states import Outcome, Pace

pytestmark = pytest.mark.unit

PAGE = (Path(__file__).parents[3] / "docs/notify/sending.md").read_text(encoding="utf-8")


def table(first: str) -> list[list[str]]:
    """The rows of the table whose first heading is this."""
    lines = PAGE.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {first} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_every_state_is_explained() -> None:
    assert {row[0] for row in table("state")} == set(NOTICE_STATES) - {"claimed"}


def test_every_answer_leads_where_the_page_says() -> None:
    rows = {row[0]: row for row in table("answer")}
    assert rows.keys() == set(states.KINDS)
    for kind in states.KINDS:
        then = states.after_call(Outcome(kind), 1, Pace(), 0.0)
        _, state, again, counts, besides = rows[kind]
        assert then.state == state
        assert then.elsewhere == ("elsewhere" in again)
        assert (then.due_in is not None) == bool(again)
        assert (kind in states.ERRORS) == (counts == "yes")
        assert (kind in cascade.REFUSALS) == ("next channel" in besides)
    minutes = recording.OUT_OF_MONEY_FOR.seconds // 60
    assert f"for {minutes} minutes" in rows["out_of_money"][4]
    assert f"not before {Pace().settle:g} s" in rows["unknown"][2]


def test_the_timetable_is_that_of_the_back_off() -> None:
    for after, earliest, latest in table("after attempt"):
        attempt = int(after.split()[0])
        for word, chance in ((earliest, 0.0), (latest, 1.0)):
            assert word == f"{Pace().back_off(attempt, chance).total_seconds():g} s", after
    assert Pace().back_off(11, 1.0) == Pace().back_off(10, 1.0)


def test_the_figures_of_fail_over_are_those_of_the_code() -> None:
    rows = dict(table("what"))
    within = failover.ERRORS_WITHIN.seconds
    assert rows["trouble by errors"] == f"more than {failover.ERRORS_MOST} in {within} s"
    share, minutes = f"{failover.SLOW_SHARE:.0%}".replace("%", " %"), failover.SLOW_WITHIN.seconds // 60
    slow = failover.SLOW_AFTER.seconds // 60
    assert rows["trouble by slowness"].startswith(
        f"{share} of what was accepted in {minutes} minutes took longer than {slow} minutes"
    )
    assert f"at least {failover.SLOW_LEAST}" in rows["trouble by slowness"]
    pause = failover.PAUSE.seconds // 60
    assert rows["a move away"] == f"{failover.STEP} points, at most once in {pause} minute"
    quiet = failover.QUIET.seconds // 60
    assert rows["recovery"].startswith(f"{failover.STEP} points after {quiet} minutes")
    assert f"at most {lane.pause(99, 64, 1.0):g} s" in PAGE


def test_the_policy_of_channels_is_that_of_the_data() -> None:
    policies = cascade.bundled()
    seen: set[tuple[str, str]] = set()
    for urgency, roles, unread, unanswered in table("urgency"):
        number = next(n for n, word in cascade.URGENCIES.items() if word == urgency)
        for role in NOTICE_ROLES if roles == "all" else roles.split(", "):
            if (urgency, role) in seen:
                continue
            seen.add((urgency, role))
            policy = policies.of(number, role)
            for said, span in ((unread, policy.unread), (unanswered, policy.unanswered)):
                minutes = re.match(r"(\d+) minutes?", said)
                assert (int(minutes[1]) * 60 if minutes else None) == (span.total_seconds() if span else None)
    assert seen == {(u, r) for u in cascade.URGENCIES.values() for r in NOTICE_ROLES}


def test_commands_and_metrics_of_the_page_are_there() -> None:
    commands = set(re.findall(r"jiayuan notify ([a-z]+)", PAGE))
    assert commands <= set(notify.commands)
    metrics.count_calls("nobody", {"accepted": 1})
    names = {m.name for m in REGISTRY.collect()}
    said = set(re.findall(r"`(jiayuan_notify_\w+)\{", PAGE))
    assert {name.removesuffix("_total") for name in said} <= names
    assert len(said) == 4
