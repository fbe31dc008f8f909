"""Which event gives whom which notice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jiayuan.chassis.testing.models import examples
from jiayuan.contracts import names
from jiayuan.contracts.registry import EVENTS
from jiayuan.contracts.schemas.common import CODE
from jiayuan.contracts.times import iso
from jiayuan.notify import rules, templates
from jiayuan.notify.rules import Rules, plan
from jiayuan.notify.templates import BadData, Templates

pytestmark = pytest.mark.unit
RULES = rules.bundled()


def told(event: Any) -> list[tuple[str, str, str, str]]:
    """Rule, recipient type and ref, step of each draft."""
    return [(d.rule.name, d.type, d.ref, d.step) for d in plan(RULES, event)]


def test_every_event_that_notify_takes_has_a_rule_and_no_rule_is_about_another() -> None:
    taken = set(names.SUBSCRIPTIONS["notify"]) - {"directory.changed", "person.erased"}
    assert {r.event for r in RULES.all} == taken <= set(EVENTS)


def test_every_template_is_used_and_its_code_is_one_that_events_may_carry() -> None:
    assert {r.template for r in RULES.all} | {RULES.digest.template} == templates.bundled().codes
    for code in templates.bundled().codes:
        CODE(code)


def test_a_report_is_acknowledged_to_its_reporter(events: Any) -> None:
    (draft,) = plan(RULES, events.report("report-1"))
    assert (draft.rule.name, draft.type, draft.ref) == ("citizen-received", "citizen", "citizen-1")
    assert (draft.matter, draft.step, draft.case, draft.report) == ("report-1", "received", None, "report-1")
    assert draft.parameters == {"tracking_code": "JY-7K3M9Q"}


def test_a_danger_sign_brings_the_numbers_to_call_and_urgency(events: Any) -> None:
    (draft,) = plan(RULES, events.report(signs=(("gas", "119"), ("fire", "119"), ("violence", "110"))))
    assert draft.rule.name == "citizen-received-danger"
    assert draft.rule.priority == 0
    assert draft.parameters["call"] == "119、110"


def test_a_sign_without_a_number_to_call_is_no_advice(events: Any) -> None:
    assert told(events.report(signs=(("odd", None),)))[0][0] == "citizen-received"


def test_an_anonymous_report_gives_one_draft_that_accounts_for_it_and_no_more(events: Any) -> None:
    (draft,) = plan(RULES, events.report(reporter=None))
    assert draft.ref == ""
    assert plan(RULES, events.case("case.answered", reporters=(("report-1", None),))) == []


def test_the_assignee_of_a_leg_that_was_just_offered_is_told(events: Any) -> None:
    leg = events.leg()
    (draft,) = plan(RULES, events.case("case.assigned", legs=[leg]))
    assert (draft.type, draft.ref, draft.step) == ("person", "worker-1", f"offered:{leg['id']}")
    assert draft.parameters == {
        "number": "XP-2026-000871",
        "due": iso(events.at + timedelta(seconds=900)),
    }


def test_a_leg_offered_earlier_or_not_offered_any_more_is_not_told_again(events: Any) -> None:
    earlier = events.leg(offered_at=iso(events.at - timedelta(hours=1)))
    taken = events.leg(state="accepted")
    assert plan(RULES, events.case("case.assigned", 5, legs=[earlier, taken], action="release")) == []


def test_a_leg_without_a_limit_has_no_due_time(events: Any) -> None:
    event = events.case("case.assigned", legs=[events.leg(response_limit=None, finish_limit=None)])
    assert "due" not in plan(RULES, event)[0].parameters


def test_whoever_a_case_rises_to_is_told_as_a_supervisor(events: Any) -> None:
    old = events.leg(state="reassigned", offered_at=iso(events.at - timedelta(minutes=15)))
    new = events.leg(id_="leader-1", step=1)
    event = events.case("case.assigned", 3, legs=[old, new], action="raise", change={"leg": new["id"]})
    (draft,) = plan(RULES, event)
    assert (draft.rule.name, draft.rule.role, draft.ref) == ("supervisor-raised", "supervisor", "leader-1")


def test_a_whistle_tells_lead_and_assistants_each_their_part(events: Any) -> None:
    legs = [
        events.leg("unit", "U44", kind="lead"),
        events.leg("unit", "U05", kind="assist"),
        events.leg("unit", "U03", kind="assist"),
    ]
    assert [t[:3] for t in told(events.case("case.whistled", legs=legs))] == [
        ("lead-whistled", "unit", "U44"),
        ("assistant-whistled", "unit", "U05"),
        ("assistant-whistled", "unit", "U03"),
    ]


@pytest.mark.parametrize("name", ["case.answered", "case.resolved", "case.closed"])
def test_each_reporter_of_a_merged_case_is_told_once(events: Any, name: str) -> None:
    reporters = (("r1", "anna"), ("r2", "bao"), ("r3", "anna"), ("r4", None))
    drafts = plan(RULES, events.case(name, 7, reporters=reporters))
    assert [(d.ref, d.report) for d in drafts] == [("anna", "r1"), ("bao", "r2")]
    assert {d.matter for d in drafts} == {"case-1"}


def test_who_comes_into_a_case_of_others_is_told_and_nobody_else(events: Any) -> None:
    reporters = (("r1", "anna"), ("r2", "bao"), ("r3", None))
    change = {"action": "merge", "actor": "intake", "reports": ["r2", "r3"]}
    drafts = plan(RULES, events.case("case.merged", 7, reporters=reporters, change=change))
    assert [(d.rule.name, d.ref, d.report, d.step) for d in drafts] == [
        ("citizen-joined", "bao", "r2", "joined")
    ]


def test_answered_is_told_once_a_case_but_every_new_result_is_to_be_confirmed(events: Any) -> None:
    def steps(name: str) -> set[str]:
        return {plan(RULES, events.case(name, sequence))[0].step for sequence in (4, 9)}

    assert steps("case.answered") == {"answered"}
    assert steps("case.resolved") == {"resolved:4", "resolved:9"}
    assert steps("case.closed") == {"closed"}


def test_who_took_the_report_back_is_not_thanked_for_confirming(events: Any) -> None:
    assert told(events.case("case.closed", confirmed="withdrawn"))[0][0] == "citizen-withdrawn"
    for word in ("satisfied", "unsatisfied", "lapsed", None):
        assert told(events.case("case.closed", confirmed=word))[0][0] == "citizen-closed"


@pytest.mark.parametrize(
    ("name", "rule"), [("case.returned", "desk-returned"), ("case.reopened", "desk-reopened")]
)
def test_the_desk_is_told_of_what_comes_back(events: Any, name: str, rule: str) -> None:
    assert told(events.case(name, 4)) == [(rule, "desk", "desk-350921001", f"{name}:4")]


def test_a_warning_goes_to_whom_the_clock_runs_for(events: Any) -> None:
    (draft,) = plan(RULES, events.clock("clock.warned"))
    assert (draft.rule.name, draft.ref, draft.matter) == ("assignee-warned", "worker-1", "case-1")
    assert told(events.clock("clock.warned", "citizen"))[0][:3] == ("desk-warned", "desk", "desk-350921001")
    assert plan(RULES, events.clock("clock.warned", "confirmation")) == []


def test_a_moved_deadline_is_warned_of_again_and_the_same_one_is_not(events: Any) -> None:
    first, same = events.clock("clock.warned"), events.clock("clock.warned")
    moved = events.clock("clock.warned", due_at=iso(events.at + timedelta(hours=1)))
    assert told(first) == told(same)
    assert told(first) != told(moved)


def test_a_breach_in_a_case_is_told_to_the_desk_for_the_citizens_clock_only(events: Any) -> None:
    assert [t[0] for t in told(events.clock("clock.breached", "citizen"))] == ["desk-breached"]
    for kind in ("response", "finish", "confirmation"):
        assert plan(RULES, events.clock("clock.breached", kind)) == []


@pytest.mark.parametrize(("kind", "template"), [("notice", "unread"), ("claim", "unclaimed")])
def test_a_promise_that_is_overdue_is_told_to_the_desk_and_taken_back(
    events: Any, kind: str, template: str
) -> None:
    late = events.clock("clock.breached", kind, case=f"{kind}:1", about="1")
    (draft,) = plan(RULES, late)
    assert (draft.rule.template, draft.ref, draft.case) == (template, "desk-350921001", None)
    # Each milestone of a claim is one of its own.
    assert told(late) != told(events.clock("clock.breached", kind, case=f"{kind}:1", about="1:1"))
    (draft,) = plan(RULES, events.clock("clock.corrected", kind, case=f"{kind}:1", about="1", state="met"))
    assert (draft.rule.template, draft.case) == ("kept", None)


def test_whoever_it_rises_to_is_told_each_step_once(events: Any) -> None:
    chief, desk = ("person", "chief-1"), ("desk", "desk-350921001")
    first = told(events.ladder(chief))
    assert [t[:3] for t in first] == [("supervisor-risen", *chief)]
    assert told(events.ladder(chief)) == first
    # Another step to the same person, the same step again, and a deadline that has moved are news.
    others = ({"step": 3}, {"again": 1}, {"due_at": iso(events.at + timedelta(hours=1))})
    assert all(told(events.ladder(chief, **more)) != first for more in others)
    assert [t[2] for t in told(events.ladder(chief, desk))] == ["chief-1", "desk-350921001"]
    assert plan(RULES, events.ladder()) == []


def test_a_breach_that_never_was_is_taken_back_from_whoever_was_told(events: Any) -> None:
    (draft,) = plan(RULES, events.ladder(("person", "chief-1"), withdrawn=True, step=None))
    assert (draft.rule.template, draft.ref) == ("corrected", "chief-1")
    assert draft.parameters["number"] == "XP-2026-000001"
    assert [t[:3] for t in told(events.clock("clock.corrected", "citizen", state="armed"))] == [
        ("desk-corrected", "desk", "desk-350921001")
    ]
    assert plan(RULES, events.clock("clock.corrected", "finish", state="armed")) == []


@pytest.mark.parametrize(
    ("kind", "withdrawn", "template"),
    [("claim", False, "unclaimed"), ("notice", False, "unread"), ("notice", True, "kept")],
)
def test_a_promise_outside_of_cases_rises_without_a_number(
    events: Any, kind: str, withdrawn: bool, template: str
) -> None:
    said = events.ladder(("desk", "d"), kind=kind, case="notice:n-1", number=None, withdrawn=withdrawn)
    (draft,) = plan(RULES, said)
    assert (draft.rule.template, draft.case, draft.matter) == (template, None, "notice:n-1")
    assert "number" not in draft.parameters


def test_a_step_never_grows_past_its_limit_and_stays_unique(events: Any) -> None:
    steps = {told(events.clock("clock.warned", leg="x" * 120 + end))[0][3] for end in ("a", "b")}
    assert len(steps) == 2
    assert all(len(step) <= 80 for step in steps)


def test_an_event_without_rules_gives_nothing(events: Any) -> None:
    assert plan(RULES, events.case("case.paused")) == []


# -- loading -----------------------------------------------------------------------------------------

GOOD = {
    "name": "a",
    "event": "case.answered",
    "to": "reporters",
    "role": "citizen",
    "matter": "case",
    "step": "answered",
    "template": "answered",
    "urgency": "soon",
    "channels": ["sms"],
    "subject": "progress",
}


def load(**changed: Any) -> Rules:
    """The good rule with something changed."""
    return Rules({"version": "1", "rules": [GOOD | changed]}, templates.bundled())


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"event": "case.voided"}, "event"),
        ({"to": "everybody"}, "to"),
        ({"to": "reporter"}, "to"),
        ({"role": "mayor"}, "role"),
        ({"matter": "report"}, "matter"),
        ({"step": ""}, "step"),
        ({"step": "x:{clock}"}, "clock"),
        ({"step": "x:{leg}"}, "leg"),
        ({"template": "none"}, "template"),
        ({"template": "assigned"}, "number"),
        ({"template": "received-danger"}, "call"),
        ({"urgency": "never"}, "urgency"),
        ({"channels": []}, "channels"),
        ({"channels": ["pigeon"]}, "channels"),
        ({"when": {"weather": ["fair"]}}, "weather"),
        ({"when": {"confirmed": ["perhaps"]}}, "perhaps"),
        ({"when": {"confirmed": "lapsed"}}, "list"),
        ({"anonymous": "guess"}, "anonymous"),
        ({"colour": "red"}, "colour"),
        ({"name": "A b"}, "name"),
        ({"name": "digest"}, "not digest"),
        ({"read": "policy"}, "nobody asks a citizen"),
        ({"role": "supervisor", "read": 0}, "minutes"),
        ({"role": "supervisor", "read": "soon"}, "policy or minutes"),
        ({"role": "supervisor", "digest": "many"}, "no title"),
        ({"subject": "gossip"}, "subject"),
        ({"digest": "many"}, "a citizen is told"),
        ({"digest": "yearly"}, "digest"),
        ({"when": {"colour": ["pink"]}}, "pink"),
        ({"by_colour": {"pink": {"urgency": "now"}}}, "pink"),
        ({"by_colour": {"red": {"step": "x"}}}, "must change"),
        ({"by_colour": {"red": {"urgency": "never"}}}, "answered.*@red|a@red"),
    ],
)
def test_a_wrong_rule_is_refused_when_it_is_loaded(changed: dict[str, Any], word: str) -> None:
    with pytest.raises(BadData, match=word):
        load(**changed)


def test_a_rule_that_is_there_twice_is_refused() -> None:
    with pytest.raises(BadData, match="twice"):
        Rules({"version": "1", "rules": [GOOD, GOOD]}, templates.bundled())


def test_a_rule_takes_the_newest_version_of_its_template() -> None:
    entries = [{"code": "answered", "version": v, "text": f"{v}"} for v in (2, 1)]
    made = Templates({"version": "1", "signature": "【家园】", "templates": entries})
    assert Rules({"version": "1", "rules": [GOOD]}, made).all[0].template_version == 2


def _pause(start: Any, end: Any = None, emergency: str | None = "e1") -> dict[str, Any]:
    span = {
        "start": iso(start),
        "end": iso(end) if end else None,
        "reason": "台风红色预警",
        "approver": "county",
    }
    return {**span, "emergency": emergency}


def test_an_emergencys_pause_and_its_end_are_told_to_each_reporter_once_an_emergency(events: Any) -> None:
    pause = _pause(events.at)
    one = events.case("case.paused", pauses=[pause], action="pause")
    other = events.case("case.paused", pauses=[pause], action="pause", id_="case-2")
    keys = {(d.ref, d.matter, d.step, d.rule.template) for e in (one, other) for d in plan(RULES, e)}
    assert keys == {("citizen-1", "e1", "paused", "paused-by-emergency")}
    ended = _pause(events.at - timedelta(hours=2), events.at)
    (draft,) = plan(RULES, events.case("case.resumed", pauses=[ended], action="resume"))
    assert (draft.matter, draft.step, draft.report) == ("e1", "resumed", "report-1")


def test_a_pause_that_a_person_approved_is_no_emergencys(events: Any) -> None:
    mine = [_pause(events.at - timedelta(hours=1)), _pause(events.at, emergency=None)]
    assert plan(RULES, events.case("case.paused", pauses=mine, action="pause")) == []


def test_whoever_is_called_in_is_told_once_an_emergency_and_by_when(events: Any) -> None:
    event = events.called(["v1", "v2"])
    drafts = plan(RULES, event)
    assert [(d.type, d.ref, d.matter, d.step) for d in drafts] == [
        ("person", "v1", "e1", "called"),
        ("person", "v2", "e1", "called"),
    ]
    assert drafts[0].parameters == {"due": iso(events.at + timedelta(hours=1))}
    assert drafts[0].case is None


def test_what_differs_by_colour_is_a_rule_of_its_own_for_cases_of_that_colour(events: Any) -> None:
    book = load(by_colour={"red": {"urgency": "now", "channels": ["sms", "mini_program"]}})
    (yellow,) = plan(book, events.case("case.answered", colour="yellow"))
    (red,) = plan(book, events.case("case.answered", colour="red"))
    assert (yellow.rule.name, yellow.rule.priority) == ("a", 1)
    assert (red.rule.name, red.rule.priority, red.rule.channels) == ("a@red", 0, ("sms", "mini_program"))
    assert book.get("a@red") is red.rule


def test_a_rule_may_be_about_cases_of_some_colours_or_kinds_only(events: Any) -> None:
    book = load(when={"colour": ["red", "orange"], "kind": ["problem"]})
    assert [len(plan(book, events.case("case.answered", colour=c))) for c in ("red", "green")] == [1, 0]
    assert plan(book, events.case("case.answered", colour="red", kind="praise")) == []


def test_a_text_must_say_what_it_says_where_a_fact_may_be_missing() -> None:
    entries = [{"code": "assigned", "version": 1, "text": "{number}，{due}前：{link}"}]
    made = Templates({"version": "1", "signature": "【家园】", "templates": entries})
    rule = GOOD | {
        "event": "case.assigned",
        "to": "offered",
        "role": "assignee",
        "template": "assigned",
        "step": "offered:{leg}",
        "subject": "task",
    }
    with pytest.raises(BadData, match="due of template assigned always"):
        Rules({"version": "1", "rules": [rule]}, made)


def test_staff_are_told_that_a_case_is_under_an_emergency(events: Any) -> None:
    (draft,) = plan(RULES, events.case("case.assigned", legs=[events.leg()], emergency="e1"))
    assert draft.parameters["emergency"] == "e1"
    (draft,) = plan(RULES, events.case("case.returned", 4, emergency="e1"))
    assert draft.parameters["emergency"] == "e1"


@given(st.permutations(range(4)), st.lists(st.integers(0, 3), max_size=4))
@settings(
    max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_a_life_of_a_case_gives_doesnt_depend_on_order_or_repetition(
    events: Any, order: list[int], again: list[int]
) -> None:
    """The unique key of each notice; the database keeps the first of a key (test_store shows that)."""
    leg = events.leg(id="leg-1")
    reporters = (("r1", "anna"), ("r2", "bao"))
    life = [
        events.case("case.assigned", 2, legs=[leg]),
        events.case("case.answered", 4, legs=[leg], reporters=reporters),
        events.case("case.resolved", 5, legs=[leg], reporters=reporters),
        events.clock("clock.warned"),
    ]

    def keys(indices: list[int]) -> set[tuple[str, str, str, str]]:
        return {(d.ref, d.matter, d.step, d.rule.template) for i in indices for d in plan(RULES, life[i])}

    assert keys([*order, *again]) == keys([0, 1, 2, 3])
    assert len(keys([0, 1, 2, 3])) == 6
