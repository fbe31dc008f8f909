"""What is wrong with a policy table, found before any report meets it: exact, over all there is to decide about. Pure.

The domain is finite: every category × kind × place × set of signs. Conditions on the first three cut it into boxes, so
places (and categories) that no rule tells apart are one class, and a set of boxes is the bits of one whole number. The
sets of signs need no counting out: a condition on signs holds when one of its signs is there, so what the rules before
leave over is, in every box, "any set made of these signs only". That is one bit a sign and box, whatever the number of
signs. A bundled table of a hundred rules takes some milliseconds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.schemas.common import COLOURS, KINDS

from ..catalogue import Catalogue
from ..directory import Directory
from .table import Policy, Rule

Severity = Literal["error", "warning"]
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
# The least and the most that a limit can sensibly be, in seconds.
RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "grid_response": (_MINUTE, 3 * _DAY),
    "community_response": (_MINUTE, 3 * _DAY),
    "street_response": (_MINUTE, 7 * _DAY),
    "department_response": (_MINUTE, 30 * _DAY),
    "report_in": (_MINUTE, 30 * _DAY),
    "citizen": (_HOUR, 365 * _DAY),
    "confirmation": (_MINUTE, 60 * _DAY),
    "response": (_MINUTE, 30 * _DAY),
    "finish": (10 * _MINUTE, 365 * _DAY),
}
_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class Domain:
    """All that can be decided about: codes (with names, for people) of categories, places and signs, the kinds, and the
    units that there are; `inactive` ones are known, but get no cases. `units` None: not to be checked."""

    categories: Mapping[str, str]
    places: Mapping[str, str]
    signs: Mapping[str, str]
    kinds: Sequence[str] = KINDS
    units: Collection[str] | None = None
    inactive: Collection[str] = ()


def domain_of(directory: Directory, catalogue: Catalogue) -> Domain:
    """What there is in a county. An empty directory has nothing to check against."""
    places = {p.code: p.name for p in directory.places.values() if p.kind != "county"}
    if places:
        places[directory.county_street] = directory.county.name  # where nobody knows the place
    units = {u.code for u in directory.units.values() if u.active}
    return Domain(
        {c.code: c.name for c in catalogue.categories.values()},
        places or {"": ""},
        catalogue.signs,
        units=units or None,
        inactive=directory.units.keys() - units,
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a table. With an error it is not taken over; a warning is for the person who made it.

    `code`: unreachable, overlap, hole, danger, unit, category, place, sign, kind, limit or colours. `rules`: those
    concerned, the later one first.
    """

    severity: Severity
    code: str
    field: str
    problem: str
    allowed: str = ""
    rules: tuple[str, ...] = ()

    @property
    def as_problem(self) -> FieldProblem:
        """For those who list problems."""
        return FieldProblem(self.field, self.problem, self.allowed)


@dataclass(frozen=True, slots=True)
class Box:
    """Matters that no rule tells apart, by one example of them."""

    category: str
    kind: str
    place: str


def analyse(policy: Policy, domain: Domain) -> list[Finding]:
    """Everything that is wrong or odd, errors first."""
    table = _Table(policy, domain)
    found = [
        *_unknown(policy, domain),
        *_limits(policy),
        *_colours(policy),
        *table.unreachable_and_danger(),
        *table.overlaps(),
        *table.holes(),
    ]
    return sorted(found, key=lambda f: f.severity)


def errors(findings: Iterable[Finding]) -> list[FieldProblem]:
    """The findings that keep a table from being taken over."""
    return [f.as_problem for f in findings if f.severity == "error"]


# -- by itself ---------------------------------------------------------------------------------------


def _unknown(policy: Policy, domain: Domain) -> Iterator[Finding]:
    def code(field: str, word: str, given: Iterable[str], known: Mapping[str, str]) -> Iterator[Finding]:
        for one in given:
            if any(known) and not any(k.startswith(one) for k in known):
                yield Finding(
                    "error",
                    word,
                    field,
                    f"there is no {word} {one}",
                    f"a code (or its beginning) of a {word}",
                )

    for rule in policy.rules:
        when = f"rules.{rule.id}.when"
        yield from code(f"{when}.category", "category", rule.category or (), domain.categories)
        yield from code(f"{when}.place", "place", rule.place or (), domain.places)
        for sign in sorted(rule.sign or ()):
            if domain.signs and sign not in domain.signs:
                yield Finding(
                    "error",
                    "sign",
                    f"{when}.sign",
                    f"there is no sign {sign}",
                    "one of " + ", ".join(domain.signs),
                )
        for where, unit in (("lead", rule.lead), *(("assist", u) for u in rule.assistants)):
            if domain.units is None or not unit or unit in domain.units:
                continue
            why = f"unit {unit} is not active" if unit in domain.inactive else f"there is no unit {unit}"
            yield Finding("error", "unit", f"rules.{rule.id}.then.{where}", why, "the code of an active unit")
    known = domain.categories
    yield from code("desk.by_category", "category", [c for c, _ in policy.desk.by_category], known)
    yield from code("desk.placed", "category", policy.desk.placed, known)


def _limits(policy: Policy) -> Iterator[Finding]:
    def ranged(field: str, name: str, value: int | None) -> Iterator[Finding]:
        least, most = RANGES[name]
        if value is not None and not least <= value <= most:
            yield Finding(
                "error", "limit", field, f"is {_short(value)}", f"{_short(least)} to {_short(most)}"
            )

    for name, value in policy.limits.items():
        if name in RANGES:
            yield from ranged(f"limits.{name}", name, value)
    for colour, value in policy.finish.items():
        yield from ranged(f"limits.finish.{colour}", "finish", value)
    for before, after in pairwise(COLOURS):
        if policy.finish[before] > policy.finish[after]:
            yield Finding(
                "error",
                "limit",
                f"limits.finish.{before}",
                f"is longer than {after}'s",
                "the more urgent colour never has more time",
            )
    for rule in policy.rules:
        then = f"rules.{rule.id}.then"
        for name in ("response", "report_in", "finish", "citizen"):
            yield from ranged(f"{then}.{name}", name, getattr(rule, name))
        response, finish = rule.response or policy.response(rule.level), rule.finish
        if finish is not None and response > finish:
            yield Finding(
                "warning",
                "limit",
                f"{then}.finish",
                f"{_short(finish)} is shorter than the {_short(response)} to answer",
            )
        citizen = rule.citizen or policy.limits["citizen"]
        if finish is not None and finish > citizen:
            yield Finding(
                "warning",
                "limit",
                f"{then}.finish",
                f"{_short(finish)} is longer than the reporter was promised",
                f"at most {_short(citizen)}",
            )


def _short(limit: int) -> str:
    for unit, letter in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if limit % unit == 0:
            return f"{limit // unit}{letter}"
    return f"{limit}s"


def _colours(policy: Policy) -> Iterator[Finding]:
    rank = COLOURS.index
    for (i, u), colour in policy.colours.items():
        for other in ((i + 1, u), (i, u + 1)):
            above = policy.colours.get(other)
            if above is not None and rank(above) > rank(colour):
                yield Finding(
                    "error",
                    "colours",
                    f"colours.{other[0]}.{other[1]}",
                    f"is {above}, calmer than the {colour} of what weighs less",
                    "a matter that weighs more is never calmer",
                )


# -- the rules together ------------------------------------------------------------------------------


class _Table:
    """The rules as bits over the boxes of the domain."""

    def __init__(self, policy: Policy, domain: Domain) -> None:
        self.policy, self.domain = policy, domain
        self.rules = policy.rules
        self.categories = _classes(domain.categories, [r.category for r in self.rules])
        self.places = _classes(domain.places, [r.place for r in self.rules])
        self.kinds = list(domain.kinds)
        self.signs = sorted({*domain.signs, *(s for r in self.rules for s in r.sign or ())})
        self.width = len(self.kinds) * len(self.places)
        self.all = (1 << len(self.categories) * self.width) - 1
        self.masks = [self._mask(r) for r in self.rules]

    def _mask(self, rule: Rule) -> int:
        """The boxes where everything holds but the signs."""
        places = sum(1 << i for i, (code, _) in enumerate(self.places) if _holds(rule.place, code))
        kinds = sum(
            places << i * len(self.places)
            for i, kind in enumerate(self.kinds)
            if rule.kind is None or kind in rule.kind
        )
        mask = 0
        for i, (code, _) in enumerate(self.categories):
            if _holds(rule.category, code):
                mask |= kinds << i * self.width
        return mask

    def example(self, boxes: int) -> Box:
        """One of the boxes."""
        index = (boxes & -boxes).bit_length() - 1
        category, rest = divmod(index, self.width)
        kind, place = divmod(rest, len(self.places))
        return Box(self.categories[category][0], self.kinds[kind], self.places[place][0])

    def _free(self) -> _Free:
        return _Free(self.all, dict.fromkeys(self.signs, self.all))

    def unreachable_and_danger(self) -> Iterator[Finding]:
        """Rules that take nothing, and rules that take a report with a sign of danger without looking at it."""
        free = self._free()
        for i, (rule, mask) in enumerate(zip(self.rules, self.masks, strict=True)):
            if mask and not free.taken(rule, mask):  # without a box it names what there is no such thing of
                yield self._unreachable(i)
            if rule.sign is None:
                ignored = [s for s in self.domain.signs if free.signs[s] & free.alive & mask]
                if ignored:
                    box = self.example(free.signs[ignored[0]] & free.alive & mask)
                    yield Finding(
                        "error",
                        "danger",
                        f"rules.{rule.id}",
                        f"takes reports with the sign{'s' * (len(ignored) > 1)} {', '.join(ignored)} without looking"
                        f" at them, such as {self._words(box)}",
                        "a rule before it for each sign of danger, of a higher priority",
                        (rule.id,),
                    )
            free.take(rule, mask)

    def _unreachable(self, index: int) -> Finding:
        rule, blockers = self.rules[index], self._blockers(index)
        verb = "takes" if len(blockers) == 1 else "take"
        why = f"can never match: {_and(blockers)} {verb} everything before it"
        return Finding("error", "unreachable", f"rules.{rule.id}", why, "", (rule.id, *blockers))

    def _blockers(self, index: int) -> list[str]:
        """The fewest rules before it that are found to leave nothing over, by taking away those that aren't needed."""
        rule, mask = self.rules[index], self.masks[index]
        needed = [j for j in range(index) if self.masks[j] & mask]
        for j in list(needed):
            free = self._free()
            for other in needed:
                if other != j:
                    free.take(self.rules[other], self.masks[other])
            if not free.taken(rule, mask):
                needed.remove(j)
        return [self.rules[j].id for j in needed]

    def overlaps(self) -> Iterator[Finding]:
        """Two rules of one priority that match the same and decide differently, neither being the narrower one.

        A narrower rule before a wider one is how a table says "except": no fault. What a higher priority takes away
        doesn't count.
        """
        severity: Severity = "error" if self.policy.overlaps == "refuse" else "warning"
        free, start = self._free(), 0
        while start < len(self.rules):
            priority = self.rules[start].priority
            end = start
            while end < len(self.rules) and self.rules[end].priority == priority:
                end += 1
            for i in range(start, end):
                for j in range(i + 1, end):
                    found = self._overlap(i, j, free)
                    if found is not None:
                        yield self._overlapping(severity, i, j, found)
            for i in range(start, end):
                free.take(self.rules[i], self.masks[i])
            start = end

    def _overlap(self, i: int, j: int, free: _Free) -> tuple[Box, tuple[str, ...]] | None:
        """A matter that both take, with its signs; None when there is none, they say the same or one is narrower."""
        a, b = self.rules[i], self.rules[j]
        both = self.masks[i] & self.masks[j] & free.alive
        if not both or a.outcome == b.outcome or self._narrower(i, j) or self._narrower(j, i):
            return None
        if a.sign is None and b.sign is None:
            return self.example(both), ()
        for x in sorted(a.sign or b.sign or ()):
            for y in sorted(b.sign or a.sign or ()):
                boxes = both & free.signs[x] & free.signs[y]
                if boxes and (a.sign is None or x in a.sign) and (b.sign is None or y in b.sign):
                    return self.example(boxes), tuple(sorted({x, y} if a.sign and b.sign else {x}))
        return None

    def _narrower(self, i: int, j: int) -> bool:
        a, b = self.rules[i], self.rules[j]
        signs = b.sign is None or (a.sign is not None and a.sign <= b.sign)
        return signs and not self.masks[i] & ~self.masks[j]

    def _overlapping(self, severity: Severity, i: int, j: int, found: tuple[Box, tuple[str, ...]]) -> Finding:
        a, b, (box, signs) = self.rules[i], self.rules[j], found
        with_signs = f" with {' and '.join(signs)}" if signs else ""
        return Finding(
            severity,
            "overlap",
            f"rules.{b.id}",
            f"overlaps {a.id} and decides otherwise, such as {self._words(box)}{with_signs}",
            "another priority for one of them, or conditions that don't meet",
            (b.id, a.id),
        )

    def holes(self) -> Iterator[Finding]:
        """What no rule takes but the last, by category: all kinds and places of it, or some of them."""
        free = self._free()
        default = len(self.rules) - 1
        for rule, mask in zip(self.rules[:default], self.masks[:default], strict=True):
            free.take(rule, mask)
        whole: list[str] = []
        part: list[str] = []
        for i, (_, members) in enumerate(self.categories):
            left = free.alive >> i * self.width & (1 << self.width) - 1
            if left:
                (whole if self._every_problem(left) else part).extend(members)
        if whole:
            yield self._hole(whole, "nothing but {rule} takes a problem of {codes}", default)
        if part:
            yield self._hole(part, "nothing but {rule} takes some kinds or places of {codes}", default)

    def _every_problem(self, left: int) -> bool:
        """Whether even a plain problem is left over somewhere."""
        if "problem" not in self.kinds:
            return True
        places = (1 << len(self.places)) - 1
        return bool(left >> self.kinds.index("problem") * len(self.places) & places)

    def _hole(self, codes: Sequence[str], words: str, default: int) -> Finding:
        shown = "、".join(
            f"{c} {self.domain.categories.get(c, '')}".strip() for c in sorted(codes)[:_SHOWN]
        ) + (f" and {len(codes) - _SHOWN} more" if len(codes) > _SHOWN else "")
        rule = self.rules[default].id
        return Finding(
            "warning", "hole", f"rules.{rule}", words.format(rule=rule, codes=shown), rules=(rule,)
        )

    def _words(self, box: Box) -> str:
        names = self.domain.categories.get(box.category, ""), self.domain.places.get(box.place, "")
        category, place = (f"{c} {n}".strip() for c, n in zip((box.category, box.place), names, strict=True))
        return f"category {category}, kind {box.kind}, place {place}"


class _Free:
    """What the rules before leave over: the boxes that are alive, and by sign those where it may still be."""

    __slots__ = ("alive", "signs")

    def __init__(self, alive: int, signs: dict[str, int]) -> None:
        self.alive, self.signs = alive, signs

    def taken(self, rule: Rule, mask: int) -> bool:
        """Whether anything is left for a rule."""
        here = mask & self.alive
        if rule.sign is None:
            return bool(here)
        return any(here & self.signs[s] for s in rule.sign)

    def take(self, rule: Rule, mask: int) -> None:
        """Takes away what a rule matches."""
        if rule.sign is None:
            self.alive &= ~mask
        else:
            for sign in rule.sign:
                self.signs[sign] &= ~mask


def _holds(prefixes: tuple[str, ...] | None, code: str) -> bool:
    return prefixes is None or code.startswith(prefixes)


def _classes(
    codes: Iterable[str], conditions: Sequence[tuple[str, ...] | None]
) -> list[tuple[str, list[str]]]:
    """Codes that no condition tells apart, each class by its first code with all its members."""
    told = list(dict.fromkeys(c for c in conditions if c is not None))
    classes: dict[tuple[bool, ...], list[str]] = {}
    for code in codes:
        classes.setdefault(tuple(code.startswith(c) for c in told), []).append(code)
    return [(members[0], members) for members in classes.values()]


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
