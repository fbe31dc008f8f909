"""How often a person or an address may do something, and when they may try again.

Each process counts by itself, in memory: about 3 µs a request and no statement. Every two seconds it adds what it
counted to the table `limit_use` and reads back what all replicas counted together, in one statement. So R replicas
let through at most `most` + (R - 1) × what comes in within two seconds, not R × `most`. While the database is away
each process holds the limit on its own.

The window slides: what was counted in the last window counts for as much of it as the sliding window still covers.
Who is refused isn't counted, so that he gets in at the time that he was told. Time is the wall's: limits are about
machines and people, not about deadlines.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import yaml

from jiayuan.chassis import forwarded
from jiayuan.chassis.errors import Problem, StartError
from jiayuan.chassis.tokens import Principal

log = logging.getLogger("jiayuan.intake.limits")

Deed = Literal["sign_in", "write", "add", "read"]
DEEDS: Final = ("sign_in", "write", "add", "read")
SUBJECTS: Final = ("person", "address", "staff")
OFF: Final = "off"
MOST_KEPT: Final = 200_000
"""Counters a process keeps; with more it forgets those that have counted least."""


class Rule(NamedTuple):
    """At most `most` in any `seconds`."""

    most: int
    seconds: int


Rules = Mapping[str, Mapping[str, Mapping[str, tuple[Rule, ...]]]]
"""channel → deed → subject → rules."""


@dataclass(slots=True)
class _Count:
    """What one subject did under one rule: in the window `window` (its number) and in the one before."""

    window: int
    now: int = 0
    before: int = 0
    unsent: int = 0


class Used(NamedTuple):
    """What a process has counted since it last said so; `until`: Unix seconds after which nobody asks for it."""

    subject: str
    seconds: int
    window: int
    n: int
    until: int


class Limiter:
    """The counters of one process."""

    def __init__(self, rules: Rules, secret: bytes = b"", clock: Callable[[], float] = time.time) -> None:
        self.rules, self.secret, self.clock = rules, secret, clock
        self._counts: dict[tuple[str, int], _Count] = {}
        self._unsent: set[tuple[str, int]] = set()
        self._lock = threading.Lock()

    def check(self, channel: str, deed: Deed, who: Principal | None, address: str) -> None:
        """Counts one more; Problem 429 with the time at which it would be let in."""
        mine = self.rules.get(channel, {}).get(deed) or self.rules.get("default", {}).get(deed) or {}
        wanted: list[tuple[str, Rule]] = []
        if who is not None:
            citizen = set(who.roles) <= {"citizen"}
            kind = "person" if citizen else "staff"
            wanted += [(f"{channel}:{deed}:{kind}:{who.subject}", r) for r in mine.get(kind, ())]
        if (who is None or citizen) and (rules := mine.get("address", ())):
            name = f"{channel}:{deed}:address:{self._hidden(address)}"
            wanted += [(name, r) for r in rules]
        if not wanted:
            return
        at = self.clock()
        with self._lock:
            again = max(self._when(subject, rule, at) for subject, rule in wanted)
            if again <= at:
                for subject, rule in wanted:
                    count = self._counts[subject, rule.seconds]
                    count.now += 1
                    count.unsent += 1
                    self._unsent.add((subject, rule.seconds))
                return
        raise too_many(again, at)

    def _hidden(self, address: str) -> str:
        """An address is personal data: it is counted by a name that means nothing elsewhere."""
        return _name(self.secret, forwarded.household(address))

    def _when(self, subject: str, rule: Rule, at: float) -> float:
        """The first moment from `at` on at which the rule has room for one more."""
        seconds, most = rule.seconds, rule.most
        window = int(at // seconds)
        count = self._counts.get((subject, seconds))
        if most == 0:
            return math.inf
        if count is None:
            self._counts[subject, seconds] = _Count(window)
            return at
        _roll(count, window)
        room = most - 1 - count.now
        if room >= count.before * (1 - (at / seconds - window)):
            return at
        if room >= 0:  # when enough of the last window has slid out
            return (window + 1 - room / count.before) * seconds
        return (window + 2 - (most - 1) / count.now) * seconds  # only in the next window

    # -- with the other replicas ---------------------------------------------------------------------

    def unsent(self) -> list[Used]:
        """What was counted since the last call, in the order of the keys; counts as told from now on."""
        at = self.clock()
        out = []
        with self._lock:
            for key in sorted(self._unsent):
                subject, seconds = key
                count = self._counts.get(key)
                if count is not None and count.unsent:
                    out.append(
                        Used(subject, seconds, count.window, count.unsent, (count.window + 2) * seconds)
                    )
                    count.unsent = 0
            self._unsent.clear()
            self._forget(at)
        return out

    def told(self, totals: Sequence[tuple[str, int, int, int]]) -> None:
        """What all replicas counted together: (subject, seconds, window, n)."""
        with self._lock:
            for subject, seconds, window, n in totals:
                count = self._counts.get((subject, seconds))
                if count is None:
                    continue
                if count.window == window:
                    count.now = n + count.unsent
                elif count.window == window + 1:
                    count.before = n

    @contextmanager
    def telling(self, used: Sequence[Used]) -> Iterator[None]:
        """What `unsent` gave is being told; where that fails it is said again next time."""
        try:
            yield
        except BaseException:
            self._keep(used)
            raise

    def _keep(self, used: Sequence[Used]) -> None:
        with self._lock:
            for u in used:
                count = self._counts.get((u.subject, u.seconds))
                if count is not None and count.window == u.window:
                    count.unsent += u.n
                    self._unsent.add((u.subject, u.seconds))

    def _forget(self, at: float) -> None:
        if len(self._counts) < MOST_KEPT // 2:
            return
        for key, count in list(self._counts.items()):
            if count.window + 2 <= at // key[1]:
                del self._counts[key]
        if len(self._counts) > MOST_KEPT:
            least = sorted(self._counts, key=lambda k: self._counts[k].now + self._counts[k].before)
            for key in least[: len(self._counts) - MOST_KEPT // 2]:
                del self._counts[key]


def _roll(count: _Count, window: int) -> None:
    if window == count.window:
        return
    count.before = count.now if window == count.window + 1 else 0
    count.window, count.now, count.unsent = window, 0, 0


@lru_cache(maxsize=16384)
def _name(secret: bytes, household: str) -> str:
    return hmac.new(secret, household.encode(), hashlib.sha256).hexdigest()[:24]


def too_many(again: float, at: float) -> Problem:
    """The refusal: when to try again, in words, as a time, and as seconds for machines."""
    if again == math.inf:
        return Problem(403, "Not open", "this is not open to you here")
    seconds = max(1, math.ceil(again - at))
    when = datetime.fromtimestamp(math.ceil(at) + seconds, UTC).isoformat().replace("+00:00", "Z")
    return Problem(
        429,
        "Too many requests",
        f"nothing was taken; try again at {when}, in {seconds} s",
        headers={"Retry-After": str(seconds)},
        type="urn:jiayuan:problem:too-many-requests",
        retry_at=when,
        retry_after=seconds,
    )


# -- the rules as data -------------------------------------------------------------------------------


def read(document: Any) -> Rules:
    """The rules of a document like `data/limits.yaml`. ValueError says where it is wrong."""
    channels = document.get("channels") if isinstance(document, dict) else None
    if not isinstance(channels, dict) or "default" not in channels:
        raise ValueError("channels must be a mapping that has a default")
    out: dict[str, dict[str, dict[str, tuple[Rule, ...]]]] = {}
    for channel, deeds in channels.items():
        for deed, subjects in _mapping(deeds, channel, DEEDS).items():
            where = f"{channel}.{deed}"
            for subject, pairs in _mapping(subjects, where, SUBJECTS).items():
                rules = tuple(_rule(pair, f"{where}.{subject}") for pair in pairs or ())
                if len({r.seconds for r in rules}) != len(rules):
                    raise ValueError(f"{where}.{subject} has two limits for the same seconds")
                out.setdefault(str(channel), {}).setdefault(deed, {})[subject] = rules
    return out


def _mapping(value: Any, where: Any, allowed: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or not value.keys() <= set(allowed):
        raise ValueError(f"{where} must be a mapping of {', '.join(allowed)}")
    return value


def _rule(pair: Any, where: str) -> Rule:
    good = isinstance(pair, list) and len(pair) == 2 and all(type(n) is int for n in pair)
    if not good or pair[0] < 0 or not 1 <= pair[1] <= 31 * 86400:
        raise ValueError(f"{where}: {pair!r} is not [most, seconds]")
    return Rule(*pair)


def load(setting: str) -> Rules:
    """The rules that the setting `limits` names: "" those that come with intake, a file, or `off`: none."""
    if setting == OFF:
        return {}
    if not setting:
        return read(yaml.safe_load(files("jiayuan.intake").joinpath("data/limits.yaml").read_text("utf-8")))
    return read(yaml.safe_load(Path(setting).read_text(encoding="utf-8")))


# -- the process's ------------------------------------------------------------------------------------

_current = Limiter({})


def use(setting: str, secret: bytes) -> Limiter:
    """Makes these the limits of the process; StartError (exit code 3) when they are malformed."""
    global _current
    try:
        _current = Limiter(load(setting), secret)
    except (ValueError, OSError, yaml.YAMLError) as error:
        raise StartError(3, f"the limits of intake are wrong: {error}") from None
    return _current


def current() -> Limiter:
    """The limits of the process."""
    return _current


def check(channel: str, deed: Deed, who: Principal | None, address: str) -> None:
    """Counts one more deed of somebody through a channel; Problem 429 when it is one too many."""
    _current.check(channel, deed, who, address)


class Limited:
    """`@http(…, before=limits.Limited("open311", "write"))`: an entrypoint that counts its callers."""

    def __init__(self, channel: str, deed: Deed) -> None:
        self.channel, self.deed = channel, deed

    def __call__(self, call: Any) -> None:
        """Counts one call."""
        _current.check(self.channel, self.deed, call.who, call.address)
