"""Who is told what of an event and why, and of every rule about it that gives nothing: why not. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from jiayuan.contracts.envelope import Event

from . import preferences, rules
from .preferences import About, Decision, Policy, Wishes
from .rules import Draft, Rule, Rules
from .templates import MissingFact, Templates, Unfit, segments, units


class Addresses(Protocol):
    """What links begin with."""

    citizen_url: str
    unsubscribe_url: str
    staff_url: str
    read_url: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A rule about the event: what it gives, and why not where it gives nothing."""

    rule: Rule
    drafts: Sequence[Draft]
    why_not: Sequence[str]


def verdicts(book: Rules, event: Event) -> list[Verdict]:
    """Every rule about the event's name, those that fire first, then the nearest: those with the fewest reasons."""
    facts = rules.facts_of(event) if book.of(event.name) else {}
    found = [_verdict(rule, event, facts) for rule in book.of(event.name)]
    return sorted(found, key=lambda v: (not v.drafts, len(v.why_not)))


def _verdict(rule: Rule, event: Event, facts: Mapping[str, str]) -> Verdict:
    why_not = [
        f"{fact} is {facts.get(fact)}, the rule wants {' or '.join(sorted(values))}"
        for fact, values in rule.when
        if facts.get(fact) not in values
    ]
    mine = rule.of_colour(facts.get("colour"))
    drafts = [] if why_not else list(rules.drafts_of(mine, event))
    if not drafts and not why_not:
        why_not.append(_nobody(rule, event.data))
    return Verdict(mine, drafts, why_not)


def _nobody(rule: Rule, data: Mapping[str, Any]) -> str:
    """Why a rule whose facts hold has nobody to tell."""
    if rule.to == "offered":
        change, legs = data["change"], data["case"]["legs"]
        fresh = [
            leg
            for leg in legs
            if leg["state"] == "offered"
            and (leg["offered_at"] == change["at"] or leg["id"] == change.get("leg"))
        ]
        if not fresh:
            return "this change offered no leg to anybody"
        kinds = sorted({leg["kind"] for leg in fresh})
        return f"leg_kind is {', '.join(kinds)}, the rule wants {' or '.join(sorted(rule.by_leg_kind))}"
    if rule.to == "risen":
        return "the step of the ladder names nobody"
    if rule.to == "assignee":
        return "the clock runs for nobody in particular"
    if rule.to == "joined":
        return "this change brought in no report of somebody who can be told"
    if rule.to == "called":
        return "nobody is called in"
    return "nobody who reported it left a name: they are anonymous"


def about(draft: Draft) -> About:
    """What preferences have to know of a draft."""
    rule = draft.rule
    return About(
        draft.ref, rule.role, rule.subject, rule.priority, rule.digest, "emergency" in draft.parameters
    )


def decision(policy: Policy, draft: Draft, wishes: Wishes, now: datetime) -> Decision:
    """Whether what a draft gives may go at once, as far as that doesn't depend on what else is sent today."""
    return preferences.decide(policy, about(draft), wishes, now)


def sample_facts(draft: Draft, addresses: Addresses) -> dict[str, str]:
    """The facts of a draft as sending finds them; codes that the event doesn't carry are made up and clearly so."""
    facts = {**draft.parameters, "receipt": "EXAMPLEEXAMPLEEXAMPLE0"}
    if draft.rule.role == "citizen":
        facts.setdefault("tracking_code", "JY-EXAMPLE")
        facts["link"] = addresses.citizen_url + facts["tracking_code"]
        facts["unsubscribe"] = addresses.unsubscribe_url + facts["tracking_code"]
    else:
        facts.setdefault("number", "XP-0000-000000")
        facts["link"] = addresses.staff_url + facts["number"]
    if draft.rule.read is not None:
        facts["link"] = addresses.read_url + facts["receipt"]
    return facts


def preview(templates: Templates, code: str, version: int, facts: Mapping[str, str]) -> dict[str, Any]:
    """What a template comes to on each channel, with its length in UTF-16 units and its parts.

    `{"template", "version", "sms": {"text", "units", "segments", "parameters", "variant"}, "mini_program": {"fields":
    {name: {"value", "units"}}, "page"} or None, "missing": a fact that is needed and isn't there, or None}`
    """
    template = templates.get(code, version)
    out: dict[str, Any] = {"template": template.code, "version": template.version, "missing": None}
    try:
        sms = templates.wording(template, facts)
        out["sms"] = {
            "text": sms.text,
            "units": units(sms.text),
            "segments": segments(sms.text),
            "parameters": sms.parameters,
            "variant": sms.variant,
        }
        out["mini_program"] = _mini_program(templates, template, facts)
    except MissingFact as missing:
        out |= {"sms": None, "mini_program": None, "missing": missing.name}
    return out


def _mini_program(templates: Templates, template: Any, facts: Mapping[str, str]) -> dict[str, Any] | None:
    try:
        made = templates.wording(template, facts, "mini_program")
    except Unfit as error:
        return {"refused": str(error)}
    if not made.fields:
        return None
    fields = {name: {"value": value, "units": units(value)} for name, value in made.fields.items()}
    return {"fields": fields, "page": made.page}
