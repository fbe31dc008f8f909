"""Prometheus metrics of delivery; services add their own with the same client."""

from __future__ import annotations

import time
from functools import cache
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from jiayuan.contracts.envelope import Event

LAG: Final = Histogram(
    "jiayuan_queue_to_handler_seconds",
    "From the decision of an event in its service to its handler here",
    ["service", "lane"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3600),
)
BATCH_SIZE: Final = Histogram(
    "jiayuan_batch_size",
    "Messages handled together",
    ["service"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
)
BATCH_SECONDS: Final = Histogram(
    "jiayuan_batch_seconds",
    "Time from the first message of a batch to its commit",
    ["service", "lane"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 30),
)
DUPLICATES: Final = Counter("jiayuan_duplicates_total", "Messages met again", ["service"])
DEAD_LETTERS: Final = Counter("jiayuan_dead_letters_total", "Messages dead-lettered", ["service", "reason"])
DEAD_LETTERS_WAITING: Final = Gauge(
    "jiayuan_dead_letters_waiting", "Dead letters nobody has decided about", ["service"]
)
PUBLISHED: Final = Counter("jiayuan_published_total", "Events that the broker confirmed", ["service"])
PUBLISH_FAILED: Final = Counter(
    "jiayuan_publish_failed_total", "Events that it did not take", ["service", "why"]
)
SWEPT: Final = Counter("jiayuan_outbox_swept_total", "Events that the sweeper published", ["service"])
OUTBOX_ROWS: Final = Gauge("jiayuan_outbox_rows", "Events in the outbox, not yet confirmed", ["service"])
OUTBOX_AGE: Final = Gauge("jiayuan_outbox_age_seconds", "Age of the oldest event in the outbox", ["service"])
WAITING: Final = Gauge("jiayuan_waiting", "1 while a lane waits for the database", ["service", "lane"])
HTTP_SECONDS: Final = Histogram(
    "jiayuan_http_seconds", "HTTP requests", ["service", "method", "route", "status"]
)


def observe_lag(service: str, event: Event) -> None:
    """Lag by the wall clock: our event ids (UUIDv7) carry the millisecond of the decision."""
    if len(event.id) == 36 and event.id[14] == "7":
        decided = int(event.id[:8] + event.id[9:13], 16) / 1000
        _lag(service, event.lane).observe(max(0.0, time.time() - decided))


@cache
def _lag(service: str, lane: str) -> Histogram:
    return LAG.labels(service, lane)
