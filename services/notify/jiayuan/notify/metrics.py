"""What notify measures for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client import Counter, Gauge

CALLS: Final = Counter("jiayuan_notify_calls_total", "Calls to providers", ["provider", "outcome"])
STOPPED: Final = Gauge("jiayuan_notify_stopped", "1 while something is stopped", ["kind", "name"])
ALARMS: Final = Gauge(
    "jiayuan_notify_alarms", "How often an alarm that is raised was met", ["kind", "subject"]
)
WEIGHT: Final = Gauge("jiayuan_notify_weight", "Points of a provider, of 100 in its channel", ["provider"])

SPENT: Final = Gauge("jiayuan_notify_spent_yuan", "What was spent today and this month", ["period"])
BUDGET: Final = Gauge("jiayuan_notify_budget_yuan", "What may be spent before an alarm", ["period"])


def spend(periods: Mapping[str, tuple[float, float | None]]) -> None:
    """Show what was spent of each budget."""
    for period, (spent, budget) in periods.items():
        SPENT.labels(period).set(spent)
        if budget is not None:
            BUDGET.labels(period).set(budget)


def count_calls(provider: str, outcomes: Mapping[str, int]) -> None:
    """Count calls by what came of them."""
    for outcome, count in outcomes.items():
        CALLS.labels(provider, outcome).inc(count)


def stand(
    stopped: Iterable[tuple[str, str]], alarms: Mapping[tuple[str, str], int], weights: Mapping[str, int]
) -> None:
    """Show what stands now; what is over disappears."""
    STOPPED.clear()
    for kind, name in stopped:
        STOPPED.labels(kind, name).set(1)
    ALARMS.clear()
    for (kind, subject), count in alarms.items():
        ALARMS.labels(kind, subject).set(count)
    WEIGHT.clear()
    for provider, points in weights.items():
        WEIGHT.labels(provider).set(points)
