"""`jiayuan notify preview`: what a template says with an event's facts, on each channel, and how long that is."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import Any

import click

from .. import explaining, rules, templates
from ..settings import NotifySettings
from ..templates import approvals
from . import events


def _addresses() -> SimpleNamespace:
    """What links begin with in this installation: their length is paid for."""
    names = ("citizen_url", "unsubscribe_url", "staff_url", "read_url")
    return SimpleNamespace(
        **{n: os.environ.get(f"JIAYUAN_NOTIFY_{n.upper()}", getattr(NotifySettings, n)) for n in names}
    )


@click.command()
@click.argument("template", required=False)
@click.option(
    "--event", "event", default="", help="A file with an event, - or a golden example, whose facts it says."
)
@click.option("--version", "version", type=int, default=0, help="Of the template; the newest unless said.")
@click.option(
    "--hand-in", type=click.Choice(["aliyun", "tencent"]), help="As the provider's form wants the text."
)
@click.option("--json", "as_json", is_flag=True)
def preview(template: str | None, event: str, version: int, hand_in: str | None, as_json: bool) -> None:
    """Render TEMPLATE, or every template that --event gives somebody, with length and parts as carriers count them.

    Without an event the facts are the longest that a text is checked with.
    """
    made = templates.bundled()
    if template and template not in made:
        raise click.UsageError(f"there is no template {template}; there are {', '.join(sorted(made.codes))}")
    if template and version and version not in made.versions(template):
        there = ", ".join(map(str, made.versions(template)))
        raise click.UsageError(f"{template} has no version {version}; there are {there}")
    if hand_in:
        for code in [template] if template else sorted(made.codes):
            for line in _handed_in(made, code, version, hand_in):
                click.echo(line)
        return
    if not template and not event:
        raise click.UsageError("give a template, or --event")
    said = _of_event(made, template, version, event) if event else [_longest(made, str(template), version)]
    if as_json:
        click.echo(json.dumps({"previews": said}, ensure_ascii=False, indent=1))
        return
    for one in said:
        for line in _lines(one):
            click.echo(line)


def _handed_in(made: templates.Templates, code: str, version: int, provider: str) -> list[str]:
    found = made.get(code, version)
    out = []
    for holds in found.text.variants():
        variant = approvals.variant(found.text, dict.fromkeys(holds, "x"))
        key = f"{code}@{found.version}{'+' + variant if variant else ''}"
        out.append(f"{key}: {approvals.handed_in(found.text, holds, provider == 'tencent')}")
    return out


def _of_event(
    made: templates.Templates, template: str | None, version: int, name: str
) -> list[dict[str, Any]]:
    found = events.find(name)
    if found is None:
        raise click.ClickException(f"there is no file and no golden example {name}")
    out, seen = [], set()
    for draft in rules.plan(rules.bundled(), found):
        rule = draft.rule
        if rule.template in seen or template not in (None, rule.template):
            continue
        seen.add(rule.template)
        facts = explaining.sample_facts(draft, _addresses())
        out.append(explaining.preview(made, rule.template, version or rule.template_version, facts))
    if not out:
        raise click.ClickException(
            f"{found.name} gives nobody {template or 'anything'}; jiayuan notify explain says why"
        )
    return out


def _longest(made: templates.Templates, code: str, version: int) -> dict[str, Any]:
    found = made.get(code, version)
    facts = {name: templates.FACTS[name].longest for name in found.placeholders}
    return explaining.preview(made, code, version, facts)


def _lines(one: dict[str, Any]) -> list[str]:
    out = [f"{one['template']}@{one['version']}"]
    if one["missing"]:
        return [*out, f"  waits for {one['missing']}"]
    sms = one["sms"]
    parts = "1 part" if sms["segments"] == 1 else f"{sms['segments']} parts"
    out += [f"  sms ({sms['units']} units, {parts}): {sms['text']}"]
    out += [f"    {name} = {value}" for name, value in sms["parameters"].items()]
    mini = one["mini_program"]
    if mini is None:
        return [*out, "  mini_program: not for it"]
    if "refused" in mini:
        return [*out, f"  mini_program: {mini['refused']}"]
    out.append(f"  mini_program: {mini['page']}")
    return out + [
        f"    {name} ({field['units']} units) = {field['value']}" for name, field in mini["fields"].items()
    ]
