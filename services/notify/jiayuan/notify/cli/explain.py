"""`jiayuan notify explain`: who is told what of an event, on which channel, when, and why others are not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from jiayuan.chassis.errors import StartError
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.times import iso, parse

from .. import explaining, preferences, rules, store, templates
from ..api.notices import masked, shown
from ..explaining import Verdict
from ..preferences import NONE, Decision, Wishes
from ..rules import Draft
from . import events
from .common import opened

_URGENCY = {rank: word for word, rank in rules.URGENCIES.items()}


@click.command()
@click.argument("event")
@click.option(
    "--at", "at", default="", metavar="TIME", help="As if it came at this RFC 3339 time; else at its own."
)
@click.option("--people", "people", is_flag=True, help="With what they wish; needs the service's database.")
@click.option("--json", "as_json", is_flag=True)
def explain(event: str, at: str, people: bool, as_json: bool) -> None:
    """Say who gets what of EVENT and why, and of each rule about it that gives nothing, why not.

    EVENT is a file with a CloudEvent (- is standard input), a golden example of the contracts (case.assigned), or the
    id of an event that came: then it says what became of the notices that it gave.
    """
    found = events.find(event)
    if found is None:
        _what_became(event, as_json)
        return
    try:
        now = parse(at) if at else found.time
    except ValueError:
        raise click.UsageError(
            "--at must be an RFC 3339 time with an offset, as 2026-03-05T22:10:00+08:00"
        ) from None
    said = explaining.verdicts(rules.bundled(), found)
    wishes = _wishes(said) if people else {}
    if as_json:
        document = {
            "event": found.name,
            "rules": rules.bundled().version,
            "policy": preferences.bundled().version,
            "verdicts": [_document(v, now, wishes) for v in said],
        }
        click.echo(json.dumps(document, ensure_ascii=False, indent=1))
        return
    for line in _lines(found, said, now, wishes):
        click.echo(line)


_People = Mapping[tuple[str, str], Wishes]


def _wishes(said: Sequence[Verdict]) -> dict[tuple[str, str], Wishes]:
    """What those who are told wish, from the database."""
    with opened() as work:
        people = {(draft.type, draft.ref) for verdict in said for draft in verdict.drafts}
        found = {person: store.wishes(work, *person) for person in people}
    return {person: Wishes.of(row["preferences"]) for person, row in found.items() if row}


def _document(verdict: Verdict, now: datetime, wishes: _People) -> dict[str, Any]:
    rule = verdict.rule
    return {
        "rule": rule.name,
        "gives": [_told(draft, _decision(draft, now, wishes)) for draft in verdict.drafts],
        "why_not": list(verdict.why_not),
    }


def _decision(draft: Draft, now: datetime, wishes: _People) -> Decision:
    mine = wishes.get((draft.type, draft.ref), NONE)
    return explaining.decision(preferences.bundled(), draft, mine, now)


def _told(draft: Draft, decision: Decision) -> dict[str, Any]:
    rule = draft.rule
    return {
        "to": draft.type,
        "recipient": masked(draft.ref) if draft.ref else "anonymous",
        "role": rule.role,
        "matter": draft.matter,
        "step": draft.step,
        "template": rule.template,
        "template_version": rule.template_version,
        "channels": list(rule.channels),
        "urgency": _URGENCY[rule.priority],
        "subject": rule.subject,
        "digest": rule.digest,
        "when": decision.kind if draft.ref else "never",
        "until": iso(decision.until) if decision.until else None,
        "why": decision.why if draft.ref else "anonymous: there is nobody to tell",
    }


def _lines(event: Event, said: Sequence[Verdict], now: datetime, wishes: _People) -> list[str]:
    out = [f"{event.name} {event.subject} (rules {rules.bundled().version})"]
    for verdict in said:
        rule = verdict.rule
        for draft in verdict.drafts:
            told = _told(draft, _decision(draft, now, wishes))
            out.append(
                f"+ {rule.name}: {told['to']} {told['recipient']} as {rule.role} gets {rule.template}"
                f"@{rule.template_version} by {', '.join(rule.channels)}, {told['urgency']}{_when(told)}"
            )
            out.append(f"    once per person, {draft.matter}, {draft.step}, {rule.template}")
        if not verdict.drafts:
            out.append(f"- {rule.name}: no, {'; '.join(verdict.why_not)}")
    if not said:
        known = ", ".join(sorted(rules.bundled().events))
        out.append(f"no rule is about it; there are rules about {known}")
    return out


def _when(told: dict[str, Any]) -> str:
    if told["until"]:
        return f"; {told['why']}: not before {templates.local(told['until'])}"
    many = "; one message instead of many where there are many" if told["digest"] == "many" else ""
    return f"; {told['why']}" if told["why"] else many


def _what_became(event: str, as_json: bool) -> None:
    try:
        with opened() as work:
            found = [shown(row) for row in store.find(work, store.Which(event=event))]
    except StartError as error:
        raise click.ClickException(f"there is no file and no golden example {event}, and {error}") from None
    if not found:
        raise click.ClickException(
            f"there is no file and no golden example {event}, and no notice came of an event with that id; "
            "it may have given none: explain a file that holds it"
        )
    if as_json:
        click.echo(json.dumps({"notices": found}, ensure_ascii=False))
        return
    for one in found:
        rule = rules.bundled().get(one["rule"])
        click.echo(
            f"+ {one['rule']}: {one['recipient_type']} {one['recipient']} as {one['role']} got {one['template']}"
            f"@{one['template_version']}: {one['state']}{', ' + one['reason'] if one['reason'] else ''}"
        )
        if rule is None:
            click.echo("    the rules of this build have no such rule any more")
