"""The policy table in memory: which rule decides, what it decides, and when a person is to look first. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from ..case.terms import DEFAULT as TERMS
from ..case.terms import Terms
from ..gaming import Thresholds
from ..rotation import ANYBODY, Need
from .whistle import DEFAULT, WhistleTerms

LEVELS: Final = ("grid", "community", "street", "department")
# What becomes of two rules of one priority that both match and decide differently.
OVERLAPS: Final = ("refuse", "first", "desk")
# Why a person looks before anybody is sent.
LOW, CONFLICT, NOWHERE = "confidence", "conflict", "place"
_CACHE_MOST: Final = 20_000


@dataclass(frozen=True, slots=True)
class Matter:
    """What the policy looks at: codes of category, street and community, kind, signs of danger, weights 1 to 3."""

    category: str
    kind: str
    importance: int
    urgency: int
    signs: tuple[str, ...] = ()
    street: str | None = None
    community: str | None = None

    @property
    def place(self) -> str:
        """The lowest place that is known, which conditions on places look at."""
        return self.community or self.street or ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, by which rule of which version, and why (a sentence for people). Limits are seconds.

    `threshold`: who is less sure of the category than this lets the desk look first; 0 where the category makes no
    difference. `conflict`: a rule that matches as well and says something else. `placed`: it can't be handed out
    without a known place. `need`: what is asked of a grid worker who gets it.
    """

    policy: str
    rule: str
    reason: str
    level: str
    lead: str | None
    assistants: tuple[str, ...]
    ground: str
    importance: int
    urgency: int
    colour: str
    response_limit: int
    report_in_limit: int
    finish_limit: int
    citizen_limit: int
    confirmation_limit: int
    threshold: float = 0.0
    conflict: str | None = None
    placed: bool = False
    need: Need = ANYBODY

    def doubt(self, confidence: float | None, placed: bool) -> str | None:
        """Why the desk is to look first (LOW, CONFLICT, NOWHERE), or None. `confidence` None: nobody guessed."""
        if self.conflict is not None:
            return CONFLICT
        if confidence is not None and confidence < self.threshold:
            return LOW
        return NOWHERE if self.placed and not placed else None


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table. A condition that is None always holds; the higher priority is tried first."""

    id: str
    category: tuple[str, ...] | None
    kind: frozenset[str] | None
    sign: frozenset[str] | None
    place: tuple[str, ...] | None
    level: str
    lead: str | None
    assistants: tuple[str, ...]
    ground: str
    importance: int | None
    urgency: int | None
    response: int | None
    finish: int | None
    reason: str
    priority: int = 0
    report_in: int | None = None
    citizen: int | None = None
    skills: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()

    def matches(self, matter: Matter) -> bool:
        """Whether every condition holds."""
        return (self.category is None or matter.category.startswith(self.category)) and self.matches_else(
            matter
        )

    def matches_else(self, matter: Matter) -> bool:
        """Whether every condition but the category's holds."""
        return (
            (self.kind is None or matter.kind in self.kind)
            and (self.sign is None or not self.sign.isdisjoint(matter.signs))
            and (self.place is None or matter.place.startswith(self.place))
        )

    @property
    def outcome(self) -> tuple[object, ...]:
        """What it decides, without its reason."""
        return (
            self.level,
            self.lead,
            self.assistants,
            self.ground if self.lead is not None else None,
            self.importance,
            self.urgency,
            self.response,
            self.finish,
            self.report_in,
            self.citizen,
            self.skills,
            self.languages,
        )

    @property
    def is_default(self) -> bool:
        """Whether it has no condition at all."""
        return self.category is None and self.kind is None and self.sign is None and self.place is None

    def narrower(self, other: Rule) -> bool:
        """Whether whatever this rule matches, the other one matches too: by its conditions, whatever there is."""
        return (
            _subset(self.kind, other.kind)
            and _subset(self.sign, other.sign)
            and _within(self.category, other.category)
            and _within(self.place, other.place)
        )


def _subset(inner: frozenset[str] | None, outer: frozenset[str] | None) -> bool:
    return outer is None or (inner is not None and inner <= outer)


def _within(inner: tuple[str, ...] | None, outer: tuple[str, ...] | None) -> bool:
    return outer is None or (inner is not None and all(code.startswith(outer) for code in inner))


@dataclass(frozen=True, slots=True)
class Desk:
    """When the street's desk looks first: below which confidence (by prefix of the category, the longest first), and
    for which categories a place must be known."""

    confidence: float = 0.0
    by_category: tuple[tuple[str, float], ...] = ()
    placed: tuple[str, ...] = ()

    def threshold(self, category: str) -> float:
        """The confidence that a category needs."""
        return next((c for prefix, c in self.by_category if category.startswith(prefix)), self.confidence)


@dataclass(frozen=True, slots=True)
class Policy:
    """A table that can be used; `rules` are in the order in which they are tried."""

    version: str
    effective_from: datetime
    zone: ZoneInfo
    colours: Mapping[tuple[int, int], str]
    limits: Mapping[str, int]
    finish: Mapping[str, int]
    rules: tuple[Rule, ...]
    desk: Desk = Desk()
    overlaps: str = "refuse"
    whistle: WhistleTerms = DEFAULT
    gaming: Thresholds | None = None
    terms: Terms = TERMS
    _known: dict[Matter, Decision] = field(default_factory=dict, repr=False, compare=False)
    _of_category: dict[str, tuple[Rule, ...]] = field(default_factory=dict, repr=False, compare=False)

    def decide(self, matter: Matter) -> Decision:
        """The decision of the first rule that matches; the last one always does."""
        known = self._known.get(matter)
        if known is not None:
            return known
        rule = self.firing(matter)
        importance = rule.importance or matter.importance
        urgency = rule.urgency or matter.urgency
        colour = self.colours[importance, urgency]
        response = rule.response or self.response(rule.level)
        danger = bool(matter.signs)  # nobody waits for a desk where somebody is in danger
        decision = Decision(
            self.version,
            rule.id,
            rule.reason,
            rule.level,
            rule.lead,
            rule.assistants,
            rule.ground,
            importance,
            urgency,
            colour,
            response,
            rule.report_in or min(self.limits["report_in"], response),
            rule.finish or self.finish[colour],
            rule.citizen or self.limits["citizen"],
            self.limits["confirmation"],
            0.0 if danger or self._whatever_category(matter) else self.desk.threshold(matter.category),
            self._conflict(rule, matter) if self.overlaps == "desk" and not danger else None,
            not danger and (rule.level != "department" or matter.category.startswith(self.desk.placed)),
            Need(frozenset(rule.skills), frozenset(rule.languages))
            if rule.skills or rule.languages
            else ANYBODY,
        )
        if len(self._known) >= _CACHE_MOST:
            self._known.clear()
        self._known[matter] = decision
        return decision

    def firing(self, matter: Matter) -> Rule:
        """The rule that decides."""
        rules = self._of_category.get(matter.category)
        if rules is None:
            if len(self._of_category) >= _CACHE_MOST:
                self._of_category.clear()
            rules = tuple(
                r for r in self.rules if r.category is None or matter.category.startswith(r.category)
            )
            self._of_category[matter.category] = rules
        return next(r for r in rules if r.matches_else(matter))

    def _whatever_category(self, matter: Matter) -> bool:
        """Whether the same rule would decide for every category: of a praise it doesn't matter what it is about."""
        return next(r for r in self.rules if r.matches_else(matter)).category is None

    def _conflict(self, rule: Rule, matter: Matter) -> str | None:
        for other in self._of_category[matter.category]:
            if (
                other.priority == rule.priority
                and other.outcome != rule.outcome
                and other.matches_else(matter)
                and not rule.narrower(other)
            ):
                return other.id
        return None

    def rule(self, rule_id: str) -> Rule | None:
        """The rule of that id."""
        return next((r for r in self.rules if r.id == rule_id), None)

    def response(self, level: str) -> int:
        """The response limit of a level in seconds, where no rule says otherwise."""
        limits = self.limits
        if level == "grid":
            return limits["grid_response"]
        if level == "community":
            return limits.get("community_response", limits["grid_response"])
        if level == "street":
            return limits.get("street_response", limits["department_response"])
        return limits["department_response"]

    @property
    def responses(self) -> dict[str, int | None]:
        """The response limits by level."""
        return {level: self.response(level) for level in ("grid", "community", "street", "department")}

    def units(self) -> set[str]:
        """Every unit that a rule names."""
        return {u for r in self.rules for u in (r.lead, *r.assistants) if u}

    def recoloured(self, rule_id: str, colour: str, importance: int, urgency: int) -> int:
        """The finish limit (seconds) of a matter whose colour a person changed to `colour`.

        Where the rule says nothing, it is the new colour's. Where it does, a more urgent colour never gets more time
        than the rule gives, and a calmer one never less.
        """
        by_colour = self.finish[colour]
        rule = self.rule(rule_id)
        if rule is None or rule.finish is None:
            return by_colour
        before = self.colours[rule.importance or importance, rule.urgency or urgency]
        order = list(self.finish)
        if order.index(colour) == order.index(before):
            return rule.finish
        return (min if order.index(colour) < order.index(before) else max)(rule.finish, by_colour)
