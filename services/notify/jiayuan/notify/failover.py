"""Which of a channel's providers gets the next notices: weights that move away from trouble and come back. Pure.

The points of a channel's providers add up to 100 at every moment. Trouble is one of two (as GOV.UK Notify has it):

- errors: more than 50 in 60 s;
- slowness: at least 15 % of what it accepted in the last 15 minutes took longer than 5 minutes to be delivered, or is
  that old and not delivered yet.

A provider in trouble gives 10 points to those that are well, at most once a minute. After 15 minutes without trouble
and without a move it gets 10 back, again and again, until it stands exactly where it rested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

WHOLE: Final = 100
STEP: Final = 10
ERRORS_MOST: Final = 50
ERRORS_WITHIN: Final = timedelta(seconds=60)
SLOW_AFTER: Final = timedelta(minutes=5)
SLOW_WITHIN: Final = timedelta(minutes=15)
SLOW_SHARE: Final = 0.15
SLOW_LEAST: Final = 10
"""With fewer accepted than this, one late receipt says nothing."""
PAUSE: Final = timedelta(minutes=1)
QUIET: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Share:
    """A provider's points at rest and now, and when they last moved or it was last in trouble."""

    provider: str
    rest: int
    now: int
    moved_at: datetime | None = None
    trouble_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """What was counted of a provider: errors in the last 60 s; accepted in the last 15 minutes, and how many of those
    were slow (0 accepted for a provider that gives no receipts)."""

    errors: int = 0
    accepted: int = 0
    slow: int = 0

    @property
    def trouble(self) -> str:
        """What is wrong in a few words, or ""."""
        if self.errors > ERRORS_MOST:
            return f"{self.errors} errors in {ERRORS_WITHIN.seconds} s"
        if self.accepted >= SLOW_LEAST and self.slow >= SLOW_SHARE * self.accepted:
            minutes = SLOW_AFTER.seconds // 60
            return f"{self.slow} of {self.accepted} slower than {minutes} minutes"
        return ""


@dataclass(frozen=True, slots=True)
class Move:
    """A change of one provider's points. `reason` is for people."""

    provider: str
    before: int
    after: int
    reason: str


def rests(weights: Mapping[str, int]) -> dict[str, int]:
    """The configured weights (any positive numbers) as points that add up to 100."""
    return _split(WHOLE, weights)


def choose(points: Mapping[str, int], chance: float) -> str | None:
    """One of the providers by their points; `chance` in [0, 1). None when there is none.

    When all that can be chosen have no points any more, each is as good as another.
    """
    if not points:
        return None
    total = sum(points.values())
    if total == 0:
        return sorted(points)[int(chance * len(points))]
    at = chance * total
    for provider in sorted(points):
        at -= points[provider]
        if at < 0:
            return provider
    return max(points, key=lambda p: points[p])  # only rounding leads here


def judge(
    shares: Sequence[Share], health: Mapping[str, Health], now: datetime
) -> tuple[list[Share], list[Move]]:
    """The shares as they are to be from now on, and the moves that lead there (often none).

    Nobody in trouble gets points, and when all are in trouble nothing moves: there is nowhere to go.
    """
    trouble = {s.provider: health.get(s.provider, Health()).trouble for s in shares}
    out = {
        s.provider: Share(s.provider, s.rest, s.now, s.moved_at, now if trouble[s.provider] else s.trouble_at)
        for s in shares
    }
    moves: list[Move] = []
    for share in shares:
        well = [s.provider for s in shares if not trouble[s.provider]]
        recently = share.moved_at is not None and now - share.moved_at < PAUSE
        if trouble[share.provider] and well and share.now > 0 and not recently:
            points = min(STEP, share.now)
            gains = _split(points, {p: max(out[p].rest, 1) for p in well})
            _move(out, moves, share.provider, -points, gains, now, trouble[share.provider])
    if not moves:
        for share in sorted(out.values(), key=lambda s: s.now - s.rest):
            if share.now < share.rest and _quiet(share, now):
                points = min(STEP, share.rest - share.now)
                surplus = {s.provider: s.now - s.rest for s in out.values() if s.now > s.rest}
                losses = {p: -n for p, n in _split(points, surplus).items()}
                reason = f"{QUIET.seconds // 60} quiet minutes"
                _move(out, moves, share.provider, points, losses, now, reason)
    return [out[s.provider] for s in shares], moves


def _quiet(share: Share, now: datetime) -> bool:
    return all(at is None or now - at >= QUIET for at in (share.moved_at, share.trouble_at))


def _move(
    out: dict[str, Share],
    moves: list[Move],
    provider: str,
    points: int,
    others: Mapping[str, int],
    now: datetime,
    reason: str,
) -> None:
    """Move points between one provider and others. Only the one whose trouble or recovery it is has moved: for the
    others it is no reason to wait."""
    why = {provider: reason} | dict.fromkeys(others, f"{provider}: {reason}")
    for name, change in ({provider: points} | dict(others)).items():
        if change:
            old = out[name]
            moved_at = now if name == provider else old.moved_at
            out[name] = Share(name, old.rest, old.now + change, moved_at, old.trouble_at)
            moves.append(Move(name, old.now, old.now + change, why[name]))


def _split(points: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Whole points by weights, the largest remainders rounded up: they add up, and none gets more than a fair share
    rounded up."""
    total = sum(weights.values())
    exact = {p: points * w / total for p, w in weights.items()}
    out = {p: int(x) for p, x in exact.items()}
    rest = points - sum(out.values())
    for p in sorted(exact, key=lambda p: (out[p] - exact[p], p))[:rest]:
        out[p] += 1
    return out
