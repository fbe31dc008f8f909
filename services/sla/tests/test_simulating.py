"""What another policy would have done to the past."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from jiayuan.chassis.testing.databases import Opened, WorkFor
from jiayuan.sla import handlers, policy, reporting, store
from jiayuan.sla.cli import sla

pytestmark = pytest.mark.store
Moment = Callable[[float], datetime]

LONGER: dict[str, Any] = {
    **policy.document(),
    "version": "trial",
    "rules": [{"id": "r", "when": {"clock": ["response"], "leg": ["handle"]}, "then": {"limit": "20m"}}],
}


@pytest.fixture
def filled(work_for: WorkFor, life: Any, moment: Moment) -> Opened:
    """Four answers, after 600, 1000, 1200 and 1201 s; one leg returned after 1000 s; one that nobody answers."""
    opened = work_for("sla")
    events = []
    for second in (600, 1000, 1200, 1201):
        case = life(f"case-{second}")
        case.assign(0), case.answer(second)
        events += case.events
    returned = life("returned")
    returned.assign(0)
    legs = returned.last_leg(state="returned", ended_at=returned.at(1000))
    returned.tell("case.returned", 1000, legs=legs)
    late = life("late")
    late.assign(0)
    with opened(now=moment(2000)) as work:
        handlers.case_changed(work, [*events, *returned.events, *late.events])
    return opened


def kinds(found: dict[str, Any]) -> dict[str, Any]:
    return {row["kind"]: row for row in found["kinds"]}


def table(opened: Opened) -> Any:
    with opened() as work:
        return [list(work.execute(f"SELECT * FROM {t} ORDER BY 1")) for t in ("clock", "case_seen")]


def test_before_and_after_counted_by_hand(filled: Opened, moment: Moment) -> None:
    before = table(filled)
    with filled(now=moment(3000)) as work:
        found = reporting.simulated(work, policy.read(LONGER), moment(-1))
    response = kinds(found)["response"]
    # Limit 900 s: kept by 600 alone. Limit 1200 s: kept by 600, 1000, 1200; the returned one is called off.
    assert response["before"] == {"breached": 5, "over": 6}
    assert response["after"] == {"breached": 2, "over": 5}
    assert (response["clocks"], response["spared"], response["newly_breached"]) == (6, 3, 0)
    assert {e["case"] for e in found["examples"]} == {"case-1000", "case-1200", "returned"}
    one = next(e for e in found["examples"] if e["case"] == "case-1000")
    assert (one["before"]["outcome"], one["after"]["outcome"]) == ("breached", "met")
    assert datetime.fromisoformat(one["after"]["due_at"]) == moment(1200)
    # Other kinds keep their limits, and nothing is changed.
    assert kinds(found)["finish"]["before"] == kinds(found)["finish"]["after"]
    assert table(filled) == before


def test_a_shorter_limit_breaches_and_none_is_no_clock(filled: Opened, moment: Moment) -> None:
    shorter = {
        **LONGER,
        "rules": [
            {"id": "a", "when": {"clock": ["response"]}, "then": {"limit": "5m"}},
            {"id": "b", "when": {"clock": ["citizen"]}, "then": {"limit": "none"}},
        ],
    }
    with filled(now=moment(3000)) as work:
        found = kinds(reporting.simulated(work, policy.read(shorter), moment(-1)))
    assert found["response"]["after"] == {"breached": 6, "over": 6}
    assert found["response"]["newly_breached"] == 1
    assert found["citizen"]["no_clock"] == 6


def test_the_policy_in_force_changes_nothing(filled: Opened, moment: Moment) -> None:
    with filled(now=moment(90000)) as work:
        found = reporting.simulated(work, policy.current(), moment(-1))
    for row in found["groups"]:
        assert row["before"] == row["after"], row
    assert found["examples"] == []


def test_what_began_before_is_left_out_and_pages_leave_nothing_out(filled: Opened, moment: Moment) -> None:
    with filled(now=moment(3000)) as work:
        assert reporting.simulated(work, policy.current(), moment(1))["groups"] == []
        assert len(list(store.past_clocks(work, moment(-1), page=5))) == 18


def test_the_command(filled: Opened, tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    path.write_text(yaml.safe_dump(LONGER, allow_unicode=True), encoding="utf-8")

    def run(*words: str) -> Result:
        env = {"JIAYUAN_DATABASE_URL": filled.url}
        words = ("simulate", "--policy", str(path), *words)
        return CliRunner().invoke(sla, words, env=env, catch_exceptions=False)

    text = run("--since", "2026-03-01").output
    assert "5/6 → 2/5" in text
    assert "nothing was changed" in text
    assert "response of case-1000" in text
    assert (
        kinds(json.loads(run("--since", "2026-03-01", "--format", "json").output))["response"]["spared"] == 3
    )
    refused = run("--since", "soon")
    assert refused.exit_code == 1
    assert "since: is 'soon'" in refused.stderr
    path.write_text("version: x\n", encoding="utf-8")
    assert run("--since", "2026-03-01").exit_code == 1
