"""Channels as they stand: the lanes of each, which may be used now, and with which weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..rules import CHANNELS
from .lane import Lane


@dataclass(eq=False, slots=True)
class Group:
    """The providers of one channel in this process.

    `claims`: the channels whose notices it fetches: its own, and in one group those that no provider serves, so that
    such notices go on to a channel that one does, or come to an end. `takes`: those that it sends. `points`: weights
    by provider, shared by all replicas. `more`: the last look into the queue filled all that was asked for.
    """

    channel: str
    lanes: Sequence[Lane]
    claims: tuple[str, ...]
    takes: frozenset[str]
    points: dict[str, int] = field(default_factory=dict)
    more: bool = True

    @property
    def only(self) -> str | None:
        """The channel that its messages go on, if it is one."""
        return self.channel if len(self.takes) == 1 else None

    @property
    def share(self) -> int:
        """How many notices one choice of a provider is about: the same for all, or the weights would say nothing."""
        return min(lane.concurrency * lane.chunk for lane in self.lanes)


class Groups:
    """All channels. `stopped` holds (kind, name) of what is stopped: providers, channels, templates."""

    def __init__(self, lanes: Iterable[Lane]) -> None:
        by_channel: dict[str, list[Lane]] = {}
        for lane in lanes:
            by_channel.setdefault(lane.channel, []).append(lane)
        if not by_channel:
            raise ValueError("there must be at least one provider")
        first = "sms" if "sms" in by_channel else sorted(by_channel)[0]
        others = tuple(c for c in CHANNELS if c not in by_channel)
        self.all: list[Group] = []
        for channel, members in by_channel.items():
            adopted = others if channel == first else ()
            # What stays in our own database can be on any channel.
            taken = adopted if all(lane.route.local for lane in members) else ()
            self.all.append(Group(channel, members, (channel, *adopted), frozenset({channel, *taken})))
        self.stopped: frozenset[tuple[str, str]] = frozenset()
        self._of = {channel: group for group in self.all for channel in group.takes}

    @property
    def lanes(self) -> list[Lane]:
        """Every lane."""
        return [lane for group in self.all for lane in group.lanes]

    def of(self, channel: str) -> Group | None:
        """The group that sends on this channel, if any."""
        return self._of.get(channel)

    def usable(self, lane: Lane) -> bool:
        """Whether neither the provider nor its channel is stopped."""
        return ("provider", lane.name) not in self.stopped and ("channel", lane.channel) not in self.stopped

    def open(self, group: Group) -> bool:
        """Whether any provider of it can be used."""
        return any(self.usable(lane) for lane in group.lanes)

    def others(self, lane: Lane) -> bool:
        """Whether another provider of the same channel can be used."""
        group = next(g for g in self.all if lane in g.lanes)
        return any(self.usable(other) for other in group.lanes if other is not lane)

    def ready(self, group: Group) -> dict[str, int]:
        """The providers that have room now, with their points.

        One without points gets nothing while another that can be used has any, however busy that is.
        """
        usable = {lane: group.points.get(lane.name, 1) for lane in group.lanes if self.usable(lane)}
        least = min(1, max(usable.values(), default=0))
        return {
            lane.name: points
            for lane, points in usable.items()
            if points >= least and lane.wants and not lane.paused
        }

    def template_stopped(self, code: str) -> bool:
        """Whether a template is stopped."""
        return ("template", code) in self.stopped


def with_address(
    channels: Iterable[str], contact: Mapping[str, object], served: Callable[[str], bool]
) -> list[tuple[str, str]]:
    """The channels that somebody serves and the person has an address for, each with it."""
    found = []
    for channel in channels:
        address = contact.get(CHANNELS[channel])
        if isinstance(address, str) and address and served(channel):
            found.append((channel, address))
    return found
