"""A policy table as people read it: a rule in a line, and what differs between two tables. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields

from .reading import span
from .table import Policy, Rule


def rule_line(rule: Rule, units: Mapping[str, str] | None = None) -> str:
    """`priority id: conditions → level, units, colour's weights, limits`."""
    names = units or {}

    def unit(code: str) -> str:
        return f"{code} {names[code]}" if code in names else code

    when = [
        f"{name} {'|'.join(sorted(value))}"
        for name in ("category", "kind", "sign", "place")
        if (value := getattr(rule, name)) is not None
    ]
    then = [rule.level]
    if rule.lead:
        then.append(unit(rule.lead) + "".join(f" + {unit(u)}" for u in rule.assistants))
    if rule.importance or rule.urgency:
        then.append(f"importance {rule.importance or '-'} urgency {rule.urgency or '-'}")
    then += [
        f"{name} {span(value)}"
        for name in ("response", "report_in", "finish", "citizen")
        if (value := getattr(rule, name)) is not None
    ]
    return f"{rule.priority:4} {rule.id}: {', '.join(when) or 'everything'} → {', '.join(then)}"


def differences(before: Policy, after: Policy) -> list[str]:
    """What differs, in lines; versions and dates are no difference."""
    return [*_settings(before, after), *_rules(before, after)]


def _settings(before: Policy, after: Policy) -> Iterator[str]:
    if str(before.zone) != str(after.zone):
        yield f"zone: {before.zone} → {after.zone}"
    for cell in sorted(before.colours):
        if before.colours[cell] != after.colours[cell]:
            yield f"colours {cell[0]}×{cell[1]}: {before.colours[cell]} → {after.colours[cell]}"
    for name, old, new in (
        ("limits", before.limits, after.limits),
        ("limits.finish", before.finish, after.finish),
    ):
        for key in sorted(old.keys() | new.keys()):
            if old.get(key) != new.get(key):
                a, b = (span(v[key]) if key in v else "—" for v in (old, new))
                yield f"{name}.{key}: {a} → {b}"
    for name in ("desk", "overlaps", "whistle", "gaming", "terms"):
        if getattr(before, name) != getattr(after, name):
            yield f"{name}: {getattr(before, name)} → {getattr(after, name)}"


def _rules(before: Policy, after: Policy) -> Iterator[str]:
    old, new = {r.id: r for r in before.rules}, {r.id: r for r in after.rules}
    for rule_id in old.keys() - new.keys():
        yield f"- {rule_line(old[rule_id])}"
    for rule in after.rules:
        known = old.get(rule.id)
        if known is None:
            yield f"+ {rule_line(rule)}"
        elif known != rule:
            changed = ", ".join(
                f"{f.name} {_value(getattr(known, f.name))} → {_value(getattr(rule, f.name))}"
                for f in fields(Rule)
                if getattr(known, f.name) != getattr(rule, f.name)
            )
            yield f"~ {rule.id}: {changed}"
    both = [r.id for r in before.rules if r.id in new]
    if both != [r.id for r in after.rules if r.id in old]:
        yield "the order in which the rules are tried has changed"


def _value(value: object) -> str:
    if isinstance(value, frozenset | tuple):
        return "|".join(sorted(map(str, value))) or "none"
    return "none" if value is None else str(value)
