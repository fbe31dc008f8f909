"""Rules: which event gives whom which notice. Data, checked when it is loaded; pure.

`plan` turns one event into drafts. It looks at nothing but the event, so the same event always gives the same
drafts, whatever came before or comes later.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from string import Formatter
from typing import Any, Final

from jiayuan.contracts import names
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.schemas.common import CLOCK_KINDS, COLOURS, KINDS, LEG_KINDS, NOTICE_ROLES
from jiayuan.contracts.times import iso, parse

from . import digest as digests
from . import own
from .preferences import SUBJECTS
from .templates import BadData, Template, Templates
from .templates import bundled as bundled_templates

URGENCIES: Final = {"now": 0, "soon": 1, "later": 2}
CHANNELS: Final = {"sms": "phone", "mini_program": "openid"}
"""A channel and the part of a contact that it goes to."""

_STEP_LIMIT: Final = 80
_OUTSIDE: Final = frozenset(("claim", "notice"))
"""Kinds of clocks whose matter is no case."""
_CASE, _CLOCK, _REPORT, _EMERGENCY, _LADDER = "case", "clock", "report", "emergency", "ladder"
# What each selector can work on, and which placeholders its notices can fill: always, or only sometimes (a leg may have
# no limit), so that a text has to say what it says then.
_CITIZEN: Final = {"tracking_code": True, "link": True, "unsubscribe": True}
_SELECTORS: Final[dict[str, dict[str, dict[str, bool]]]] = {
    "reporter": {_REPORT: {**_CITIZEN, "call": False}},
    "reporters": {_CASE: _CITIZEN},
    "joined": {_CASE: _CITIZEN},
    "offered": {_CASE: {"number": True, "link": True, "due": False}},
    "assignee": {_CLOCK: {"number": True, "link": True, "due": True}},
    "desk": {
        _CASE: {"number": True, "link": True},
        _CLOCK: {"number": True, "link": True, "due": True},
    },
    "called": {_EMERGENCY: {"due": False}},
    "risen": {_LADDER: {"number": True, "link": True, "due": True}},
}
# What is there always when a rule asks for it.
_CERTAIN: Final = {("danger", frozenset({"yes"})): "call"}
_STEP_WORDS: Final = {
    _REPORT: frozenset[str](),
    _CASE: frozenset({"sequence"}),
    _CLOCK: frozenset({"clock"}),
    _EMERGENCY: frozenset[str](),
    _LADDER: frozenset({"clock"}),
}
_FACTS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    _REPORT: {"danger": ("yes", "no"), "kind": KINDS},
    _CASE: {
        "kind": KINDS,
        "colour": COLOURS,
        "raised": ("yes", "no"),
        "leg_kind": LEG_KINDS,
        "confirmed": ("satisfied", "unsatisfied", "lapsed", "withdrawn", "none"),
        "emergency": ("yes", "no"),
    },
    _CLOCK: {"clock": CLOCK_KINDS},
    _EMERGENCY: {},
    _LADDER: {"clock": CLOCK_KINDS, "withdrawn": ("yes", "no")},
}
# What a notice is about, by what the event is of; with the person and the step it is told once.
_MATTERS: Final[dict[str, tuple[str, ...]]] = {
    _REPORT: (_REPORT,),
    _CASE: (_CASE, _EMERGENCY),
    _CLOCK: (_CASE,),
    _EMERGENCY: (_EMERGENCY,),
    _LADDER: (_CASE,),
}
_KEYS: Final = {
    "name",
    "event",
    "when",
    "to",
    "role",
    "matter",
    "step",
    "template",
    "urgency",
    "channels",
    "subject",
    "digest",
    "by_colour",
    "read",
    "anonymous",
}
_BY_COLOUR: Final = ("template", "urgency", "channels", "subject", "digest", "read")
DIGESTS: Final = ("never", "many", "daily")
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,60}")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of rules.yaml. `when`: fact → wanted values; `template_version`: the newest at loading.

    `subject`: what it is about, as preferences name it. `digest`: never, many (where the person has many) or daily.
    `read`: within how many minutes it has to be read, 0: as the policy of clocks says; None: it needn't be.
    `by_colour`: the rule for cases of a colour where that differs; its name is the rule's with `@` and the colour.
    """

    name: str
    event: str
    to: str
    role: str
    matter: str
    step: str
    template: str
    template_version: int
    priority: int
    channels: tuple[str, ...]
    record_anonymous: bool
    subject: str
    digest: str
    when: tuple[tuple[str, frozenset[str]], ...]
    by_leg_kind: frozenset[str]
    read: int | None = None
    by_colour: Mapping[str, Rule] = field(default_factory=dict)

    def of_colour(self, colour: str | None) -> Rule:
        """The rule for a case of that colour."""
        return self.by_colour.get(colour, self) if colour else self


@dataclass(frozen=True, slots=True)
class Draft:
    """A notice to be: to whom (type and ref), about what, and what it says beyond what is found when sending.

    `ref` is "" for a report without a reporter. `parameters` hold no personal data.
    """

    rule: Rule
    type: str
    ref: str
    matter: str
    step: str
    case: str | None
    report: str | None
    street: str
    parameters: dict[str, str]


class Rules:
    """All rules by event and by name. `version` names the state of the file."""

    def __init__(self, document: Mapping[str, Any], templates: Templates) -> None:
        self.version = str(document.get("version") or "")
        if not self.version:
            raise BadData("rules.yaml: version is missing")
        self._by_event: dict[str, list[Rule]] = {}
        self.digest = _digest(templates)
        self._by_name: dict[str, Rule] = {}
        for entry in document.get("rules") or ():
            rule = _rule(entry, templates)
            if rule.name in self._by_name:
                raise BadData(f"rule {rule.name}: is there twice")
            self._by_name |= {one.name: one for one in (rule, *rule.by_colour.values())}
            self._by_event.setdefault(rule.event, []).append(rule)

    @property
    def events(self) -> frozenset[str]:
        """The names of the events that there are rules about."""
        return frozenset(self._by_event)

    def of(self, event: str) -> Sequence[Rule]:
        """The rules of an event's name."""
        return self._by_event.get(event, ())

    def get(self, name: str) -> Rule | None:
        """The rule of that name, or None when this build doesn't hold it any more."""
        return self.digest if name == digests.RULE else self._by_name.get(name)

    @property
    def all(self) -> Sequence[Rule]:
        """Every rule, each followed by those of its colours."""
        return list(self._by_name.values())


def _rule(entry: Any, templates: Templates) -> Rule:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
        raise BadData(f"rules.yaml: {entry!r:.60} is not a rule with a name")
    if _NAME.fullmatch(entry["name"]) is None or entry["name"] == digests.RULE:
        raise BadData(
            f"rule {entry['name']:.80}: a name is small letters, digits and hyphens, at most 61, "
            f"and not {digests.RULE}"
        )
    rule = _plain(entry, templates, f"rule {entry['name']}")
    colours = entry.get("by_colour") or {}
    if not isinstance(colours, Mapping) or (colours and not rule.event.startswith("case.")):
        raise BadData(f"rule {rule.name}: by_colour is a mapping, and only a case has a colour")
    if unknown := set(colours) - set(COLOURS):
        raise BadData(f"rule {rule.name}: by_colour has no {', '.join(sorted(map(str, unknown)))}")
    return replace(rule, by_colour={c: _of_colour(entry, c, templates) for c in colours})


def _digest(templates: Templates) -> Rule:
    """The rule of digests, which no event gives: they stand for notices that others gave."""
    version = templates.newest(digests.TEMPLATE).version if digests.TEMPLATE in templates else 1
    return Rule(
        digests.RULE,
        "",
        "",
        "",
        "",
        "",
        digests.TEMPLATE,
        version,
        URGENCIES["now"],
        ("mini_program", "sms"),
        False,
        "digest",
        "never",
        (),
        frozenset(),
    )


def _of_colour(entry: Mapping[str, Any], colour: str, templates: Templates) -> Rule:
    where = f"rule {entry['name']}@{colour}"
    changed = entry["by_colour"][colour]
    if not isinstance(changed, Mapping) or not changed or set(changed) - set(_BY_COLOUR):
        raise BadData(f"{where}: must change some of {', '.join(_BY_COLOUR)}")
    return _plain({**entry, **changed, "name": f"{entry['name']}@{colour}"}, templates, where)


def _plain(entry: Mapping[str, Any], templates: Templates, where: str) -> Rule:
    if unknown := set(entry) - _KEYS:
        raise BadData(f"{where}: unknown {', '.join(sorted(unknown))}")
    event = _one_of(entry, "event", names.SUBSCRIPTIONS["notify"], where)
    aggregate = event.partition(".")[0]
    to = _one_of(entry, "to", [s for s, works_on in _SELECTORS.items() if aggregate in works_on], where)
    when = _when(entry.get("when") or {}, aggregate, where)
    role = _one_of(entry, "role", NOTICE_ROLES, where)
    template = _one_of(entry, "template", templates.codes, where)
    newest = templates.newest(template)
    read = _read(entry.get("read"), role, where)
    facts = _SELECTORS[to][aggregate] | {"receipt": True} | ({"link": True} if read is not None else {})
    _can_fill(newest, facts, when, f"{where}: {event} can't fill")
    if read is not None and "link" not in newest.text.needed:
        raise BadData(f"{where}: it has to be read, and template {template} has no link to confirm it by")
    channels = tuple(entry.get("channels") or ())
    if not channels or set(channels) - set(CHANNELS):
        raise BadData(f"{where}: channels must be some of {', '.join(CHANNELS)}")
    digest = _one_of({"digest": "never", **entry}, "digest", DIGESTS, where)
    if digest != "never" and role == "citizen":
        raise BadData(f"{where}: a digest is for staff; a citizen is told of each matter")
    if digest != "never" and not (newest.title and digests.TEMPLATE in templates):
        raise BadData(
            f"{where}: template {template} has no title, or there is no template digest to name it in"
        )
    if digest != "never" and read is not None:
        raise BadData(f"{where}: what has to be read is told by itself, not in a digest")
    return Rule(
        entry["name"],
        event,
        to,
        role,
        _one_of(entry, "matter", _MATTERS[aggregate], where),
        _step(entry.get("step"), aggregate, to, where),
        template,
        newest.version,
        URGENCIES[_one_of(entry, "urgency", URGENCIES, where)],
        channels,
        _one_of({"anonymous": "skip", **entry}, "anonymous", ("record", "skip"), where) == "record",
        _one_of(entry, "subject", SUBJECTS, where),
        digest,
        tuple((fact, values) for fact, values in when.items() if fact != "leg_kind"),
        when.get("leg_kind", frozenset()),
        read,
    )


def _read(value: Any, role: str, where: str) -> int | None:
    if value is None:
        return None
    if role == "citizen":
        raise BadData(f"{where}: read is for staff; nobody asks a citizen to confirm")
    if value == "policy":
        return 0
    if type(value) is not int or not 1 <= value <= 10_080:
        raise BadData(f"{where}: read is {value!r}, it must be policy or minutes from 1 to 10080")
    return value


def _can_fill(
    template: Template, facts: Mapping[str, bool], when: Mapping[str, frozenset[str]], where: str
) -> None:
    if missing := template.placeholders - set(facts):
        raise BadData(f"{where} {', '.join(sorted(missing))} of template {template.code}")
    always = {fact for fact, surely in facts.items() if surely}
    always |= {fact for (asked, values), fact in _CERTAIN.items() if when.get(asked) == values}
    if unsure := template.needed - always:
        raise BadData(
            f"{where} {', '.join(sorted(unsure))} of template {template.code} always; "
            f"the text must say what it says then, as {{{min(unsure)}|…}}"
        )


def _one_of(entry: Mapping[str, Any], key: str, words: Any, where: str) -> str:
    value = entry.get(key)
    if value not in words:
        raise BadData(f"{where}: {key} is {value!r}, it must be one of {', '.join(sorted(words))}")
    return str(value)


def _when(entry: Any, aggregate: str, where: str) -> dict[str, frozenset[str]]:
    if not isinstance(entry, Mapping):
        raise BadData(f"{where}: when must be facts with lists of values")
    facts, out = _FACTS[aggregate], {}
    for fact, values in entry.items():
        if fact not in facts:
            raise BadData(f"{where}: there is no fact {fact}; there are {', '.join(facts)}")
        if not isinstance(values, list) or not values or not all(isinstance(v, str) for v in values):
            raise BadData(f"{where}: when.{fact} must be a list of words")
        if unknown := set(values) - set(facts[fact]):
            raise BadData(f"{where}: when.{fact} has no {', '.join(sorted(unknown))}")
        out[fact] = frozenset(values)
    return out


def _step(step: Any, aggregate: str, to: str, where: str) -> str:
    if not isinstance(step, str) or not step:
        raise BadData(f"{where}: step is missing")
    words = _STEP_WORDS[aggregate] | ({"leg"} if to == "offered" else set())
    used = {name for _, name, _, _ in Formatter().parse(step) if name is not None}
    if used - words:
        raise BadData(f"{where}: step can't hold {', '.join(sorted(used - words))}")
    return step


def desk_ref(street: str) -> str:
    """The ref of a street's desk, as routing names it."""
    return f"desk-{street}"


# -- planning ----------------------------------------------------------------------------------------


def plan(rules: Rules, event: Event) -> list[Draft]:
    """The drafts that an event gives; none when no rule is about it."""
    found = rules.of(event.name)
    if not found:
        return []
    facts = facts_of(event)
    drafts: list[Draft] = []
    for rule in found:
        if all(facts.get(fact) in values for fact, values in rule.when):
            drafts += drafts_of(rule.of_colour(facts.get("colour")), event)
    return drafts


def facts_of(event: Event) -> dict[str, str]:
    """What rules can ask of an event, but the kind of a leg, of which there may be several."""
    return _event_facts(event.name.partition(".")[0], event.data)


def _event_facts(aggregate: str, data: Mapping[str, Any]) -> dict[str, str]:
    if aggregate == _REPORT:
        return {"danger": "yes" if _calls(data["report"]) else "no", "kind": data["report"]["kind"]}
    if aggregate == _CLOCK:
        return {"clock": data["clock"]["kind"]}
    if aggregate == _EMERGENCY:
        return {}
    if aggregate == _LADDER:
        return {"clock": data["kind"], "withdrawn": "yes" if data.get("withdrawn") else "no"}
    case = data["case"]
    return {
        "kind": case["kind"],
        "colour": case["colour"],
        "raised": "yes" if data["change"]["action"] == "raise" else "no",
        "confirmed": case.get("confirmed") or "none",
        "emergency": "yes" if _emergency_of(data) else "no",
    }


def _emergency_of(data: Mapping[str, Any]) -> str:
    """The emergency whose pause this change of a case began or ended, or ""."""
    at = data["change"]["at"]
    for pause in data["case"].get("pauses") or ():
        if pause.get("emergency") and at in (pause["start"], pause.get("end")):
            return str(pause["emergency"])
    return ""


def _calls(report: Mapping[str, Any]) -> str:
    """The emergency numbers of the danger signs, each once, as a text: `110、119`."""
    return "、".join(dict.fromkeys(s["call"] for s in report.get("signs") or () if s.get("call")))


def drafts_of(rule: Rule, event: Event) -> Iterator[Draft]:
    """What a rule gives for an event whose facts are as it wants them."""
    data = event.data
    if rule.to == "reporter":
        yield from _to_reporter(rule, data["report"])
    elif rule.to == "reporters":
        yield from _to_reporters(rule, event, event.data["case"]["reports"])
    elif rule.to == "joined":
        came = set(event.data["change"].get("reports") or ())
        yield from _to_reporters(rule, event, [r for r in event.data["case"]["reports"] if r["id"] in came])
    elif rule.to == "offered":
        yield from _to_offered(rule, event)
    elif rule.to == "called":
        yield from _to_called(rule, data)
    elif rule.to == "risen":
        yield from _to_risen(rule, data)
    elif "clock" in data:
        yield from _by_clock(rule, data["clock"])
    else:
        case = data["case"]
        yield Draft(
            rule,
            "desk",
            desk_ref(case["street"]),
            case["id"],
            _fill(rule.step, sequence=event.sequence),
            case["id"],
            None,
            case["street"],
            _of_case(case),
        )


def _to_reporter(rule: Rule, report: Mapping[str, Any]) -> Iterator[Draft]:
    ref = report.get("reporter") or ""
    if ref or rule.record_anonymous:
        parameters = {"tracking_code": report["tracking_code"]}
        if calls := _calls(report):
            parameters["call"] = calls
        street = report["place"].get("street") or ""
        yield Draft(rule, "citizen", ref, report["id"], rule.step, None, report["id"], street, parameters)


def _to_reporters(rule: Rule, event: Event, reports: Sequence[Mapping[str, Any]]) -> Iterator[Draft]:
    case = event.data["case"]
    matter = case["id"] if rule.matter == _CASE else _emergency_of(event.data)
    step = _fill(rule.step, sequence=event.sequence)
    seen: set[str] = set()
    for report in reports:
        # Somebody who reported the same thing twice is told once, with the code of the first report.
        ref = report.get("reporter") or ""
        if (ref and ref not in seen) or (not ref and rule.record_anonymous):
            seen.add(ref)
            yield Draft(rule, "citizen", ref, matter, step, case["id"], report["id"], case["street"], {})


def _of_case(case: Mapping[str, Any]) -> dict[str, str]:
    """What a notice to staff carries of its case; `emergency` is there while the case is under one."""
    parameters = {"number": case["number"]}
    if case.get("emergency"):
        parameters["emergency"] = case["emergency"]
    return parameters


def _to_called(rule: Rule, data: Mapping[str, Any]) -> Iterator[Draft]:
    by = data.get("report_by")
    for person in data["people"]:
        yield Draft(
            rule,
            "person",
            person,
            data["id"],
            rule.step,
            None,
            None,
            data.get("street") or "",
            {"due": by} if by else {},
        )


def _to_offered(rule: Rule, event: Event) -> Iterator[Draft]:
    case, change = event.data["case"], event.data["change"]
    for leg in case["legs"]:
        # Offered by this change: what an earlier one offered has been told with that one.
        if leg["state"] != "offered" or (
            leg["offered_at"] != change["at"] and leg["id"] != change.get("leg")
        ):
            continue
        if rule.by_leg_kind and leg["kind"] not in rule.by_leg_kind:
            continue
        parameters = _of_case(case)
        limit = leg.get("response_limit") or leg.get("finish_limit")
        if limit:
            parameters["due"] = iso(parse(leg["offered_at"]) + timedelta(seconds=limit))
        assignee = leg["assignee"]
        step = _fill(rule.step, leg=leg["id"], sequence=event.sequence)
        yield Draft(
            rule,
            assignee["type"],
            assignee["id"],
            case["id"],
            step,
            case["id"],
            None,
            case["street"],
            parameters,
        )


def _by_clock(rule: Rule, clock: Mapping[str, Any]) -> Iterator[Draft]:
    due = clock["due_at"]
    on = clock.get("leg") or clock.get("about") or ""
    which = f"{clock['kind']}:{on}:{int(parse(due).timestamp())}"
    assignee = clock.get("assignee") if rule.to == "assignee" else None
    if rule.to == "assignee" and assignee is None:
        return
    type_, ref = (assignee["type"], assignee["id"]) if assignee else ("desk", desk_ref(clock["street"]))
    step = _fill(rule.step, clock=which)
    case = clock["case"] if clock["kind"] not in _OUTSIDE else None
    yield Draft(rule, type_, ref, clock["case"], step, case, None, clock["street"], {"due": due})


def _to_risen(rule: Rule, said: Mapping[str, Any]) -> Iterator[Draft]:
    due, number = said["due_at"], said.get("number")
    # Each time that a step is told is a notice of its own, and so is each deadline of a clock that has moved.
    which = f"{said['clock']}:{said['whom']}:{said.get('step') or 0}.{said.get('again') or 0}:"
    step = _fill(rule.step, clock=which + str(int(parse(due).timestamp())))
    case = said["case"] if number else None
    parameters = {"due": due, "number": number} if number else {"due": due}
    for to in said.get("to") or ():
        yield Draft(rule, to["type"], to["id"], said["case"], step, case, None, said["street"], parameters)


def _fill(step: str, **words: Any) -> str:
    """The step of a notice, at most 80 characters: a longer one keeps its head and a digest of the whole."""
    text = step.format(**words) if "{" in step else step
    if len(text) <= _STEP_LIMIT:
        return text
    return text[:47] + "~" + hashlib.sha256(text.encode()).hexdigest()[:32]


@cache
def bundled() -> Rules:
    """The rules of this build, with its templates."""
    return Rules(own.document("rules.yaml"), bundled_templates())
