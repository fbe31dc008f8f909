"""What a person sees while it runs: counts per service and state, and the time, moving in a terminal, or as plain
lines where there is none."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Final

import pika
import psycopg2
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from jiayuan.contracts import names

SHANGHAI: Final = timezone(timedelta(hours=8))
EVERY: Final = 1.0
LINE_EVERY: Final = 10.0

# Per service: word → count, in the order in which a matter goes through them.
COUNTS: Final[Mapping[str, str]] = {
    "intake": "SELECT channel, count(*) FROM report GROUP BY 1 ORDER BY 1",
    "routing": 'SELECT state, count(*) FROM "case" GROUP BY 1',
    "sla": "SELECT state, count(*) FROM clock GROUP BY 1",
    "ledger": "SELECT state, count(*) FROM entry GROUP BY 1",
    "notify": "SELECT state, count(*) FROM sending GROUP BY 1",
}
ORDER: Final = (
    *("open", "assigned", "accepted", "answered", "resolved", "closed"),
    *("armed", "warned", "met", "breached", "cancelled", "written_off", "reversed"),
    *("queued", "submitted", "deferred", "unknown", "suppressed", "undelivered", "delivered"),
)
WHAT: Final = {
    "intake": "reports",
    "routing": "cases",
    "sla": "clocks",
    "ledger": "entries",
    "notify": "notices",
}
COLOURS: Final = {
    "warned": "yellow",
    "breached": "red",
    "met": "green",
    "closed": "green",
    "written_off": "green",
    "delivered": "green",
}


@dataclass(frozen=True)
class Snapshot:
    """How things stand: service → state → count, and what is under way between them."""

    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    outbox: int = 0
    queued: int = 0

    def of(self, service: str, *states: str) -> int:
        """How many of a service's things are in one of the states; all of them when none is named."""
        found = self.counts.get(service, {})
        return sum(n for s, n in found.items() if not states or s in states)

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way and nobody owes anything."""
        return (
            not self.outbox
            and not self.queued
            and self.of("routing") == self.of("routing", "closed", "voided", "merged")
            and not self.of("sla", "armed", "warned")
            and not self.of("notify", "queued", "claimed", "submitted", "deferred", "unknown")
        )


class Watcher:
    """Looks into the five databases and the queues; one connection each, kept open."""

    def __init__(self, databases: Mapping[str, str], amqp_uri: str) -> None:
        self._connections = {s: psycopg2.connect(url) for s, url in databases.items()}
        for connection in self._connections.values():
            connection.autocommit = True
        self._broker = pika.BlockingConnection(pika.URLParameters(amqp_uri))
        self._channel = self._broker.channel()

    def look(self) -> Snapshot:
        """A snapshot of now."""
        counts, outbox = {}, 0
        for service, connection in self._connections.items():
            with connection.cursor() as cursor:
                cursor.execute(COUNTS[service])
                counts[service] = {str(k): int(n) for k, n in cursor}
                cursor.execute("SELECT coalesce(sum(size), 0) FROM outbox")
                outbox += int(cursor.fetchone()[0])  # type: ignore[index]
        return Snapshot(counts, outbox, sum(self.depths().values()))

    def depths(self) -> dict[str, int]:
        """Messages that are ready in each queue of the services; what is just being handled isn't counted."""
        queues = [names.queue(s, lane) for s in names.SERVICES for lane in names.LANES]
        queues += [names.dead_queue(s) for s in names.SERVICES]
        return {q: self._channel.queue_declare(q, passive=True).method.message_count for q in queues}

    def count(self, service: str, sql: str) -> int:
        """One number from a service's database."""
        with self._connections[service].cursor() as cursor:
            cursor.execute(sql)
            return int(cursor.fetchone()[0])  # type: ignore[index]

    def close(self) -> None:
        """Closes all connections."""
        for connection in self._connections.values():
            connection.close()
        if self._broker.is_open:
            self._broker.close()


def clock_text(seconds: float, business: datetime) -> str:
    """Elapsed real time and the business time."""
    there = business.astimezone(SHANGHAI)
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} real time · {there:%Y-%m-%d %H:%M} business time"


def ordered(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Counts in the order of a matter's life."""
    return sorted(counts.items(), key=lambda i: (ORDER.index(i[0]) if i[0] in ORDER else -1, i[0]))


def line(snapshot: Snapshot, when: str, doing: str) -> str:
    """The snapshot as one plain line."""
    parts = [f"reports {snapshot.of('intake')}"]
    for service in names.SERVICES[1:]:
        states = ", ".join(f"{s} {n}" for s, n in ordered(snapshot.counts.get(service, {})))
        parts.append(f"{WHAT[service]}: {states or '-'}")
    return f"[{when}] {doing} | " + " | ".join(parts)


def picture(snapshot: Snapshot, when: str, doing: str) -> Group:
    """The snapshot as a table."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for service in names.SERVICES:
        counts = snapshot.counts.get(service, {})
        text = Text()
        for state, n in ordered(counts):
            text.append(f"{state} ", style="dim")
            text.append(f"{n}  ", style=COLOURS.get(state, ""))
        table.add_row(service, f"{sum(counts.values())} {WHAT[service]}", text)
    table.add_row("bus", f"{snapshot.queued}", Text("waiting in queues", style="dim"))
    return Group(Text(when, style="cyan"), Text(doing), table)


class Screen:
    """Shows snapshots: a moving picture in a terminal, else a line every ten seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._next_line = 0.0

    def __enter__(self) -> Screen:
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, snapshot: Snapshot, when: str, doing: str) -> None:
        """Shows how things stand now."""
        if self._live is not None:
            self._live.update(picture(snapshot, when, doing), refresh=True)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_EVERY
            self._console.print(line(snapshot, when, doing), soft_wrap=True, highlight=False, markup=False)


# -- the tables at the end ---------------------------------------------------------------------------


def table(title: str, headings: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """A plain table; every column but the first holds numbers."""
    out = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for i, heading in enumerate(headings):
        out.add_column(heading, justify="right" if i else "left", no_wrap=True)
    for row in rows:
        out.add_row(*(str(cell) for cell in row))
    return out
