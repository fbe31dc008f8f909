"""Whether a notice may go to a person now: refusals, quiet hours, the day's cap, digests. Data and decisions; pure.

`decide` looks at one notice and what its person wishes; `share_out` looks at all that are ready for one person, with
how many he was sent today. What is held back goes later, what is gathered goes in another message; the only thing that
is dropped is what somebody refused who may.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from functools import cache
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jiayuan.contracts.schemas.common import NOTICE_ROLES

from . import own, quiet
from .quiet import Span
from .templates import BadData

SUBJECTS: Final = (
    "safety",
    "emergency",
    "receipt",
    "progress",
    "result",
    "task",
    "reminder",
    "supervision",
    "digest",
)
BARRIERS: Final = ("refusal", "quiet", "cap", "digest")
URGENCY: Final = ("now", "soon", "later")
ALL: Final = "all"
"""A refusal of every subject that may be refused."""
CHANNELS: Final = ("sms", "mini_program")


@dataclass(frozen=True, slots=True)
class Subject:
    """What a notice is about: its name for people, whose refusal counts, and what doesn't hold it back."""

    name: str
    refusable: frozenset[str]
    overrides: frozenset[str]


@dataclass(frozen=True, slots=True)
class Digest:
    """From `many` notices within `within` on they are gathered, for `wait`; a daily one goes at `daily`."""

    many: int
    within: timedelta
    wait: timedelta
    daily: time


@dataclass(frozen=True, slots=True)
class Policy:
    """preferences.yaml."""

    version: str
    zone: ZoneInfo
    subjects: Mapping[str, Subject]
    quiet: Mapping[tuple[str, int], tuple[Span, ...]]
    cap: Mapping[str, int]
    digest: Digest
    emergency: Mapping[str, frozenset[str]]

    def refusable(self, *roles: str) -> tuple[str, ...]:
        """The subjects that somebody of one of these roles may refuse."""
        return tuple(s for s, subject in self.subjects.items() if subject.refusable & set(roles))


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person wishes: subjects he refuses (or `all`), channels he doesn't want, quiet hours of his own.

    `vendor`: of the channels he doesn't want, those that a provider said so of (退订 there), each with the keyed digest
    of the address that it said it of: another address of his is not refused.
    """

    refused: frozenset[str] = frozenset()
    unwanted: frozenset[str] = frozenset()
    quiet: Span | None = None
    vendor: Mapping[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> Wishes:
        """From their stored form; None: somebody without wishes."""
        if not stored:
            return NONE
        own = stored.get("quiet")
        return cls(
            frozenset(stored.get("refused") or ()),
            frozenset(stored.get("unwanted") or ()),
            Span(_time(own["from"]), _time(own["until"])) if own else None,
            dict(stored.get("vendor") or {}),
        )

    def stored(self) -> dict[str, Any] | None:
        """Their stored form; None when there are none."""
        out: dict[str, Any] = {}
        if self.refused:
            out["refused"] = sorted(self.refused)
        if self.unwanted:
            out["unwanted"] = sorted(self.unwanted)
        if self.quiet:
            out["quiet"] = {"from": f"{self.quiet.start:%H:%M}", "until": f"{self.quiet.end:%H:%M}"}
        if self.vendor:
            out["vendor"] = dict(sorted(self.vendor.items()))
        return out or None

    @property
    def own(self) -> frozenset[str]:
        """The channels that the person himself doesn't want."""
        return self.unwanted - self.vendor.keys()


NONE: Final = Wishes()


@dataclass(frozen=True, slots=True)
class About:
    """What `decide` has to know of a notice. `urgency`: 0 now, 1 soon, 2 later. `emergency`: its case is under one.

    `digest`: never, many or daily. `person` chooses his minute of the morning's queue.
    """

    person: str
    role: str
    subject: str
    urgency: int
    digest: str = "never"
    emergency: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """go: now. hold: not before `until`, because of `why`. gather: in the digest of `until`. drop: it was refused."""

    kind: Literal["go", "hold", "gather", "drop"]
    why: str = ""
    until: datetime | None = None


GO: Final = Decision("go")
REFUSED: Final = Decision("drop", "refused")


def overrides(policy: Policy, about: About) -> frozenset[str]:
    """What doesn't hold this notice back: its subject's, and its role's where the case is under an emergency."""
    found = policy.subjects[about.subject].overrides
    if about.emergency:
        return found | policy.emergency.get(about.role, frozenset())
    return found


def refused(policy: Policy, about: About, wishes: Wishes) -> bool:
    """Whether the person has refused it and may."""
    if not wishes.refused & {about.subject, ALL}:
        return False
    return about.role in policy.subjects[about.subject].refusable and (
        "refusal" not in overrides(policy, about)
    )


def decide(policy: Policy, about: About, wishes: Wishes, now: datetime) -> Decision:
    """Whether a notice may go at `now` (business time), before anybody counts: refusals, quiet hours, daily digests."""
    if refused(policy, about, wishes):
        return REFUSED
    free = overrides(policy, about)
    if "digest" not in free and about.digest == "daily":
        return Decision("gather", "digest", daily(policy, now))
    if "quiet" not in free:
        spans = policy.quiet.get((about.role, about.urgency), ())
        if wishes.quiet is not None and about.urgency > 0:
            spans = (*spans, wishes.quiet)
        if spans and (until := quiet.until(spans, now, policy.zone, about.person)):
            return Decision("hold", "quiet", until)
    return GO


def share_out(policy: Policy, ready: Sequence[About], sent: int, burst: int, now: datetime) -> list[Decision]:
    """Which of one person's notices that are ready go now, the most urgent first in `ready`.

    `sent`: how many he was sent today before these; `burst`: how many that may be gathered, within the digest's time
    and before these. What is exempt goes and counts all the same.
    """
    many = burst + sum(gathers(policy, about) for about in ready) >= policy.digest.many
    out = []
    for about in ready:
        if many and gathers(policy, about):
            out.append(Decision("gather", "digest", now + policy.digest.wait))
        elif "cap" not in overrides(policy, about) and sent >= policy.cap[about.role]:
            out.append(Decision("hold", "cap", tomorrow(policy, about, now)))
        else:
            sent += 1
            out.append(GO)
    return out


def gathers(policy: Policy, about: About) -> bool:
    """Whether a notice is gathered where its person has many."""
    return about.digest == "many" and "digest" not in overrides(policy, about)


def tomorrow(policy: Policy, about: About, now: datetime) -> datetime:
    """When what was too much for today may go: the next day, outside of the quiet hours."""
    day = quiet.next_morning(now, policy.zone)
    return (
        quiet.until(policy.quiet.get((about.role, about.urgency), ()), day, policy.zone, about.person) or day
    )


def daily(policy: Policy, now: datetime) -> datetime:
    """When the next daily digest goes."""
    at = now.astimezone(policy.zone)
    day = at.date() if at.time() < policy.digest.daily else at.date() + timedelta(days=1)
    return datetime.combine(day, policy.digest.daily, policy.zone).astimezone(now.tzinfo)


# -- loading -----------------------------------------------------------------------------------------

_TIME: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_FILE: Final = "preferences.yaml"


def _time(text: str) -> time:
    return time.fromisoformat(text)


def clock_of(text: str) -> str:
    """A time of day as 21:30, as it was given; ValueError says what it must be."""
    if _TIME.fullmatch(text) is None:
        raise ValueError(f"{text!r:.20} must be a time of day as 21:30")
    return text


def load(document: Mapping[str, Any]) -> Policy:
    """The policy of a document; BadData names what is wrong and what is allowed."""
    keys = {"version", "zone", "subjects", "quiet", "cap", "digest", "emergency"}
    if not isinstance(document, Mapping) or set(document) != keys:
        raise BadData(f"{_FILE}: has {', '.join(sorted(keys))}, all of them and nothing else")
    try:
        zone = ZoneInfo(document["zone"])
    except (ZoneInfoNotFoundError, ValueError, TypeError):
        raise BadData(f"{_FILE}: zone is {document['zone']!r}, it must be as Asia/Shanghai") from None
    subjects = document["subjects"]
    if not isinstance(subjects, Mapping) or set(subjects) != set(SUBJECTS):
        raise BadData(f"{_FILE}: subjects must be {', '.join(SUBJECTS)}")
    return Policy(
        str(document["version"]),
        zone,
        {name: _subject(name, subjects[name] or {}) for name in SUBJECTS},
        _quiet(document["quiet"]),
        _cap(document["cap"]),
        _digest(document["digest"]),
        _emergency(document["emergency"]),
    )


def _words(value: Any, allowed: Iterable[str], where: str) -> frozenset[str]:
    words = tuple(allowed)
    if not isinstance(value, list) or not all(v in words for v in value):
        raise BadData(f"{_FILE}: {where} is {value!r}, it must be a list of {', '.join(words)}")
    return frozenset(value)


def _subject(name: str, entry: Any) -> Subject:
    if not isinstance(entry, Mapping) or set(entry) - {"name", "refusable", "overrides"}:
        raise BadData(f"{_FILE}: subject {name} has name, refusable and overrides")
    if not isinstance(entry.get("name"), str) or not entry["name"]:
        raise BadData(f"{_FILE}: subject {name}: name is missing or not text")
    return Subject(
        entry["name"],
        _words(entry.get("refusable", []), NOTICE_ROLES, f"{name}.refusable"),
        _words(entry.get("overrides", []), BARRIERS, f"{name}.overrides"),
    )


def _quiet(entries: Any) -> dict[tuple[str, int], tuple[Span, ...]]:
    out: dict[tuple[str, int], tuple[Span, ...]] = {}
    if not isinstance(entries, list):
        raise BadData(f"{_FILE}: quiet must be a list")
    for entry in entries:
        if not isinstance(entry, Mapping) or set(entry) - {"roles", "urgency", "from", "until", "spread"}:
            raise BadData(f"{_FILE}: quiet: {entry!r:.80} has roles, urgency, from, until and spread")
        span = Span(
            _clock(entry.get("from"), "quiet.from"),
            _clock(entry.get("until"), "quiet.until"),
            _whole(entry.get("spread", 0), "quiet.spread", 0, 240),
        )
        for role in sorted(_words(entry.get("roles"), NOTICE_ROLES, "quiet.roles")):
            for word in sorted(_words(entry.get("urgency"), URGENCY, "quiet.urgency")):
                key = (role, URGENCY.index(word))
                out[key] = (*out.get(key, ()), span)
    return out


def _clock(value: Any, where: str) -> time:
    if not isinstance(value, str) or _TIME.fullmatch(value) is None:
        raise BadData(f'{_FILE}: {where} is {value!r}, it must be a time as "21:30"')
    return _time(value)


def _whole(value: Any, where: str, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise BadData(f"{_FILE}: {where} is {value!r}, it must be a whole number from {least} to {most}")
    return value


def _cap(entry: Any) -> dict[str, int]:
    if not isinstance(entry, Mapping) or set(entry) != set(NOTICE_ROLES):
        raise BadData(f"{_FILE}: cap must have {', '.join(NOTICE_ROLES)}")
    return {role: _whole(most, f"cap.{role}", 1, 100_000) for role, most in entry.items()}


def _digest(entry: Any) -> Digest:
    if not isinstance(entry, Mapping) or set(entry) != {"many", "within", "wait", "daily"}:
        raise BadData(f"{_FILE}: digest must have many, within, wait and daily")
    return Digest(
        _whole(entry["many"], "digest.many", 2, 1000),
        timedelta(minutes=_whole(entry["within"], "digest.within", 1, 1440)),
        timedelta(seconds=_whole(entry["wait"], "digest.wait", 1, 3600)),
        _clock(entry["daily"], "digest.daily"),
    )


def _emergency(entry: Any) -> dict[str, frozenset[str]]:
    if not isinstance(entry, Mapping) or set(entry) - set(NOTICE_ROLES):
        raise BadData(f"{_FILE}: emergency has roles: {', '.join(NOTICE_ROLES)}")
    return {role: _words(words, BARRIERS, f"emergency.{role}") for role, words in entry.items()}


@cache
def bundled() -> Policy:
    """The policy in use: the county's, or that of this build."""
    return load(own.document(_FILE))
