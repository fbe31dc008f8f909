"""The policy of emergencies: modes with their terms, and which warning turns on which. Checked when it is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any, Final
from zoneinfo import ZoneInfo

import yaml

from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.schemas.common import COLOURS, KINDS

from ..policy.reading import since_of

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"([1-9]\d{0,5})([smhd])")
_CODE: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:\-]{0,63}")
_ZONE: Final = ZoneInfo("Asia/Shanghai")
WHO: Final = ("county", "desk")
CALLED: Final = ("cadre", "volunteer", "mediator", "worker", "leader", "chief")
SEVERITIES: Final = ("blue", "yellow", "orange", "red")
_NEVER_PAUSED: Final = ("red", "orange")
_LIMITS: Final = ("response", "finish")
_BOUNDS: Final = ("at_most", "at_least")
_MODE: Final = ("code", "name", "rank", "lasts", "who", "word", "pause", "limits", "joins", "roster", "call")
_MOST_CALLED: Final = 1000


class EmergencyPolicyError(ValueError):
    """The table is wrong; `problems` says where and what is allowed."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"{p.field}: {p.problem}" for p in self.problems))


@dataclass(frozen=True, slots=True)
class Pausing:
    """Matters that stand still. A condition that is empty always holds; `colours` never holds red or orange.

    `excepted`: categories that go on all the same: in a typhoon a fallen tree is no matter of gardening.
    """

    colours: frozenset[str]
    kinds: frozenset[str] = frozenset()
    categories: tuple[str, ...] = ()
    excepted: tuple[str, ...] = ()

    def matches(self, colour: str, kind: str, category: str) -> bool:
        """Whether every condition holds."""
        return (
            colour in self.colours
            and (not self.kinds or kind in self.kinds)
            and (not self.categories or category.startswith(self.categories))
            and not (self.excepted and category.startswith(self.excepted))
        )


@dataclass(frozen=True, slots=True)
class Bound:
    """What a limit may be at most, or must be at least, in seconds."""

    at_most: int | None = None
    at_least: int | None = None

    def of(self, peace: int) -> int:
        """The limit in the emergency, of the one in peace."""
        limit = peace if self.at_least is None else max(peace, self.at_least)
        return limit if self.at_most is None else min(limit, self.at_most)


@dataclass(frozen=True, slots=True)
class Call:
    """Who is called in: anybody of the roles with any of the skills (none: all), `most` people; `within` seconds."""

    roles: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    within: int = 3600
    most: int = 0


@dataclass(frozen=True, slots=True)
class Terms:
    """A mode: what holds while it is on. `limits`: (response or finish, colour) → bound."""

    code: str
    name: str
    rank: int
    lasts: timedelta
    who: tuple[str, ...]
    word: str
    pausing: tuple[Pausing, ...]
    limits: Mapping[tuple[str, str], Bound]
    joined: float | None
    asked: float | None
    roster: str
    call: Call

    def pauses(self, colour: str, kind: str, category: str) -> bool:
        """Whether such a matter stands still."""
        return any(p.matches(colour, kind, category) for p in self.pausing)

    def limit(self, which: str, colour: str, peace: int) -> int:
        """The limit in seconds that a leg has, by the one that it has in peace."""
        bound = self.limits.get((which, colour))
        return bound.of(peace) if bound is not None else peace


@dataclass(frozen=True, slots=True)
class Alert:
    """A line of the table of warnings; `events` are words of which one must be in the warning's."""

    events: tuple[str, ...]
    severities: frozenset[str]
    mode: str | None


@dataclass(frozen=True, slots=True)
class EmergencyPolicy:
    """A checked table. `documents` are the modes as they stand in it: an emergency keeps its own."""

    version: str
    effective_from: datetime
    longest: timedelta
    modes: Mapping[str, Terms]
    documents: Mapping[str, Mapping[str, Any]]
    alerts: tuple[Alert, ...]

    def mode_of(self, event: str, severity: str) -> str | None:
        """The mode that a warning turns on; None for none."""
        for line in self.alerts:
            if severity in line.severities and any(word in event for word in line.events):
                return line.mode
        return None


class _Reader:
    """Reads a table and gathers what is wrong with it."""

    def __init__(self) -> None:
        self.problems: list[FieldProblem] = []

    def wrong(self, where: str, problem: str, allowed: str = "") -> None:
        self.problems.append(FieldProblem(where, problem, allowed))

    def seconds(self, where: str, value: Any) -> int:
        found = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            self.wrong(where, f"{value!r} is not a duration", "a number and s, m, h or d, such as 15m or 5d")
            return 1
        return int(found[1]) * _UNITS[found[2]]

    def text(self, where: str, value: Any, most: int) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= most:
            self.wrong(where, f"is {value!r:.60}", f"text of 1 to {most} characters")
            return ""
        return value

    def words(self, where: str, value: Any, allowed: Sequence[str] | None = None) -> tuple[str, ...]:
        if value is None:
            return ()
        if not isinstance(value, list) or not value or not all(isinstance(v, str) and v for v in value):
            self.wrong(where, f"is {value!r:.60}", "a list of words, not empty")
            return ()
        for word in value:
            if allowed is not None and word not in allowed:
                self.wrong(where, f"has {word!r}", "some of " + ", ".join(allowed))
        return tuple(value)

    def whole(self, where: str, value: Any, least: int, most: int) -> int:
        if type(value) is not int or not least <= value <= most:
            self.wrong(where, f"is {value!r}", f"a whole number from {least} to {most}")
            return least
        return value

    def fraction(self, where: str, value: Any) -> float | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.3 <= value <= 1:
            self.wrong(where, f"is {value!r}", "a number from 0.3 to 1")
            return None
        return float(value)

    def mapping(self, where: str, value: Any, keys: Iterable[str]) -> Mapping[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.wrong(where, f"is {value!r:.60}", "a mapping of " + ", ".join(keys))
            return {}
        for key in value:
            if key not in keys:
                self.wrong(f"{where}.{key}", "is unknown", ", ".join(keys))
        return value

    def mode(self, where: str, document: Mapping[str, Any]) -> Terms:
        self.mapping(where, document, _MODE)
        joins = self.mapping(f"{where}.joins", document.get("joins"), ("joined", "asked"))
        joined = self.fraction(f"{where}.joins.joined", joins.get("joined"))
        asked = self.fraction(f"{where}.joins.asked", joins.get("asked"))
        if joined is not None and asked is not None and asked > joined:
            self.wrong(f"{where}.joins.asked", f"is {asked}", f"at most {joined}, from which on is joined")
        who = self.words(f"{where}.who", document.get("who"), WHO)
        if "county" not in who:
            self.wrong(f"{where}.who", "lacks county", "the county can turn every mode on and off")
        roster = document.get("roster", "normal")
        if roster not in ("normal", "emergency"):
            self.wrong(f"{where}.roster", f"is {roster!r}", "normal or emergency")
        return Terms(
            str(document.get("code")),
            self.text(f"{where}.name", document.get("name"), 40),
            self.whole(f"{where}.rank", document.get("rank"), 1, 9),
            timedelta(seconds=self.seconds(f"{where}.lasts", document.get("lasts"))),
            who,
            self.text(f"{where}.word", document.get("word"), 200),
            self.pausing(f"{where}.pause", document.get("pause")),
            self.limits(f"{where}.limits", document.get("limits")),
            joined,
            asked,
            str(roster),
            self.call(f"{where}.call", document.get("call")),
        )

    def pausing(self, where: str, lines: Any) -> tuple[Pausing, ...]:
        if lines is None:
            return ()
        if not isinstance(lines, list):
            self.wrong(where, "is no list", "a list of {colour, kind, category, not_category}")
            return ()
        out = []
        for i, line in enumerate(lines):
            at = f"{where}[{i}]"
            line = self.mapping(at, line, ("colour", "kind", "category", "not_category"))
            colours = self.words(f"{at}.colour", line.get("colour"), COLOURS)
            if not colours:
                # Without it a line would stop a fire because of its kind.
                self.wrong(f"{at}.colour", "is missing", "yellow, blue, green: which of such matters wait")
            for colour in _NEVER_PAUSED:
                if colour in colours:
                    self.wrong(f"{at}.colour", f"has {colour}", "red and orange matters are never paused")
            out.append(
                Pausing(
                    frozenset(colours),
                    frozenset(self.words(f"{at}.kind", line.get("kind"), KINDS)),
                    self.words(f"{at}.category", line.get("category")),
                    self.words(f"{at}.not_category", line.get("not_category")),
                )
            )
        return tuple(out)

    def limits(self, where: str, document: Any) -> dict[tuple[str, str], Bound]:
        out = {}
        for which, by_colour in self.mapping(where, document, _LIMITS).items():
            for colour, bound in self.mapping(f"{where}.{which}", by_colour, COLOURS).items():
                at = f"{where}.{which}.{colour}"
                bound = self.mapping(at, bound, _BOUNDS)
                found = {k: self.seconds(f"{at}.{k}", v) for k, v in bound.items() if k in _BOUNDS}
                if not found:
                    self.wrong(at, "says nothing", "at_most or at_least")
                if len(found) == 2 and found["at_least"] > found["at_most"]:
                    self.wrong(at, "at_least is more than at_most")
                if colour in _NEVER_PAUSED and "at_least" in found:
                    self.wrong(f"{at}.at_least", "would slow down what is urgent", "at_most")
                out[which, colour] = Bound(**found)
        return out

    def call(self, where: str, document: Any) -> Call:
        document = self.mapping(where, document, ("roles", "skills", "within", "most"))
        if not document:
            return Call()
        return Call(
            self.words(f"{where}.roles", document.get("roles"), CALLED),
            self.words(f"{where}.skills", document.get("skills")),
            self.seconds(f"{where}.within", document.get("within", "1h")),
            self.whole(f"{where}.most", document.get("most", 100), 1, _MOST_CALLED),
        )

    def alert(self, where: str, line: Any, modes: Iterable[str]) -> Alert:
        line = self.mapping(where, line, ("event", "severity", "mode"))
        mode = line.get("mode")
        if mode is not None and mode not in modes:
            self.wrong(f"{where}.mode", f"there is no mode {mode!r}", "null or one of " + ", ".join(modes))
        events = self.words(f"{where}.event", line.get("event"))
        severities = self.words(f"{where}.severity", line.get("severity"), SEVERITIES)
        for name, value in (("event", events), ("severity", severities)):
            if not value:
                self.wrong(f"{where}.{name}", "is missing", "a list of words")
        return Alert(events, frozenset(severities), mode)


def read(document: Any) -> EmergencyPolicy:
    """The policy of a parsed document; EmergencyPolicyError with everything that is wrong in it."""
    reader = _Reader()
    if not isinstance(document, dict):
        raise EmergencyPolicyError([FieldProblem("emergency", "must be a mapping")])
    reader.mapping("emergency", document, ("version", "effective_from", "longest", "modes", "alerts"))
    version = reader.text("version", document.get("version"), 40)
    since = since_of(document.get("effective_from"), _ZONE)
    if since is None:
        reader.wrong(
            "effective_from", f"is {document.get('effective_from')!r}", "a date or a time with an offset"
        )
    longest = timedelta(seconds=reader.seconds("longest", document.get("longest")))
    rows = document.get("modes")
    if not isinstance(rows, list) or not rows:
        reader.wrong("modes", "is missing or empty", "a list of modes")
        rows = []
    modes: dict[str, Terms] = {}
    documents: dict[str, Mapping[str, Any]] = {}
    for i, row in enumerate(rows):
        code = row.get("code") if isinstance(row, dict) else None
        if not isinstance(code, str) or _CODE.fullmatch(code) is None:
            reader.wrong(f"modes[{i}].code", f"is {code!r}", "letters, digits and ._:-, at most 64")
            continue
        if code in modes:
            reader.wrong(f"modes.{code}", "is there twice")
        modes[code], documents[code] = reader.mode(f"modes.{code}", row), row
        if modes[code].lasts > longest:
            reader.wrong(f"modes.{code}.lasts", "is more than longest")
    lines = document.get("alerts") or []
    alerts = tuple(reader.alert(f"alerts[{i}]", line, tuple(modes)) for i, line in enumerate(lines))
    if reader.problems or since is None:
        raise EmergencyPolicyError(reader.problems)
    return EmergencyPolicy(version, since, longest, modes, documents, alerts)


def terms_of(document: Mapping[str, Any]) -> Terms:
    """The terms of a mode's document that was checked when it was declared."""
    return _Reader().mode("mode", document)


def load(text: str) -> EmergencyPolicy:
    """The policy of a YAML text."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise EmergencyPolicyError([FieldProblem("emergency", f"is not YAML: {error}")]) from None
    return read(document)


@cache
def bundled() -> EmergencyPolicy:
    """The table that comes with the service."""
    return load((resources.files("jiayuan.routing") / "data" / "emergency.yaml").read_text(encoding="utf-8"))
