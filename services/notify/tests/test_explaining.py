"""Who gets what and why, and why not: of events in files, golden examples, and events that came."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from jiayuan.contracts import envelope
from jiayuan.notify import explaining, rules
from jiayuan.notify.cli import notify

pytestmark = pytest.mark.unit


def said(event: Any) -> dict[str, list[str]]:
    """Rule → why not, of those that give nothing."""
    found = explaining.verdicts(rules.bundled(), event)
    return {v.rule.name: list(v.why_not) for v in found if not v.drafts}


def test_every_rule_of_the_event_is_accounted_for_the_firing_ones_first(events: Any) -> None:
    event = events.case("case.assigned", legs=[events.leg()])
    found = explaining.verdicts(rules.bundled(), event)
    assert [v.rule.name for v in found] == ["assignee-assigned", "assignee-assist", "supervisor-raised"]
    assert [len(v.drafts) for v in found] == [1, 0, 0]
    assert said(event) == {
        "assignee-assist": ["leg_kind is handle, the rule wants assist"],
        "supervisor-raised": ["raised is no, the rule wants yes"],
    }


@pytest.mark.parametrize(
    ("name", "given", "rule", "why"),
    [
        ("case.assigned", {"legs": []}, "assignee-assigned", "this change offered no leg to anybody"),
        ("case.answered", {"reporters": (("r1", None),)}, "citizen-answered", "anonymous"),
        ("case.merged", {}, "citizen-joined", "brought in no report"),
        ("case.closed", {"confirmed": "withdrawn"}, "citizen-closed", "confirmed is withdrawn"),
    ],
)
def test_why_a_rule_has_nobody_to_tell(events: Any, name: str, given: Any, rule: str, why: str) -> None:
    assert why in "; ".join(said(events.case(name, **given))[rule])


def test_a_clock_that_runs_for_nobody_in_particular(events: Any) -> None:
    assert said(events.clock("clock.warned", assignee=None))["assignee-warned"] == [
        "the clock runs for nobody in particular"
    ]


def run(*words: str, stdin: str = "") -> Any:
    """jiayuan notify …"""
    return CliRunner().invoke(notify, list(words), input=stdin)


def test_explain_says_who_gets_what_by_which_way_and_when(events: Any) -> None:
    event = events.case("case.answered", reporters=(("r1", "anna-0001"), ("r2", "bao-0002")))
    raw = envelope.encode(event).decode()
    by_day = run("explain", "-", stdin=raw)
    assert by_day.exit_code == 0, by_day.output
    assert by_day.output.count("+ citizen-answered: citizen") == 2
    assert "gets answered@1 by mini_program, sms, soon" in by_day.output
    by_night = run("explain", "-", "--at", "2026-03-02T22:00:00+08:00", stdin=raw)
    assert "quiet: not before 3月3日08:" in by_night.output
    document = json.loads(run("explain", "-", "--json", stdin=raw).output)
    assert [g["recipient"] for g in document["verdicts"][0]["gives"]] == ["ann***01", "b***"]


def test_explain_takes_a_golden_example_of_the_contracts() -> None:
    shown = run("explain", "clock.breached")
    assert "- desk-breached: no, clock is response, the rule wants citizen" in shown.output
    assert run("explain", "case.assigned/001-grid-worker").exit_code == 0


def test_explain_says_when_no_rule_is_about_an_event() -> None:
    assert (
        "no rule is about it; there are rules about case.answered" in run("explain", "case.extended").output
    )


def test_what_is_no_event_is_refused_with_the_field() -> None:
    bad = run("explain", "-", stdin='{"specversion": "1.0"}')
    assert bad.exit_code == 1
    assert "is not an event" in bad.output
    assert run("explain", "case.answered", "--at", "noon").exit_code == 2


def test_preview_renders_a_template_with_an_events_facts_and_its_length() -> None:
    shown = run("preview", "--event", "case.assigned")
    assert "assigned@1" in shown.output
    assert "sms (84 units, 2 parts): 【家园】您有新的工单XP-2026-000871待签收" in shown.output
    assert "number = XP-2026-000871" in shown.output
    assert "phrase2 (3 units) = 待签收" in shown.output
    (one,) = json.loads(run("preview", "--event", "case.assigned", "--json").output)["previews"]
    assert one["sms"]["segments"] == 2


def test_preview_without_an_event_takes_the_longest_facts() -> None:
    shown = run("preview", "received")
    assert "2 parts" in shown.output
    assert run("preview").exit_code == 2
    assert "there is no template" in run("preview", "nothing").output
    assert "gives nobody" in run("preview", "received", "--event", "case.assigned").output


def test_preview_gives_the_text_that_a_provider_is_asked_to_approve() -> None:
    assert run("preview", "answered", "--hand-in", "aliyun").output == (
        "answered@1: 您反映的事项（编号${tracking_code}）已有回应，请查看：${link}\n"
    )
    assert "{1}" in run("preview", "answered", "--hand-in", "tencent").output
