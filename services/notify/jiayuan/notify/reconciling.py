"""Every morning our calls of the day before are held against each provider's own list, page by page.

What a provider knows of a message and we don't, because its receipt was lost, is taken over as a receipt; everything
else is a difference that somebody has to settle.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from jiayuan.chassis.errors import is_transient
from jiayuan.chassis.seal import SealError
from jiayuan.chassis.service import Runtime
from jiayuan.chassis.work import Work

from . import receiving, routes, spending, store, wall
from .operating import RECORDED
from .providers.base import Listed, Lists, Receipt
from .reconciliation import Call, Difference, compare
from .rules import CHANNELS
from .templates import ZONE

log = logging.getLogger("jiayuan.notify")

FROM_HOUR: Final = 6
"""In the county's zone: by then the receipts of the day before have come."""
PAGE: Final = 50
LEASE: Final = timedelta(minutes=10)
AGAIN: Final = timedelta(minutes=15)
TRIES: Final = 48
KIND: Final = "reconciliation"
_DAY: Final = timedelta(days=1)


def turn(runtime: Runtime) -> bool:
    """One page of each provider that gives a list. True when more is due."""
    more = False
    for route in routes.shared(runtime):
        if isinstance(route.provider, Lists):
            try:
                more |= page(runtime, route.name, route.provider)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("reconciliation waits", extra={"provider": route.name, "why": str(error)[:200]})
    return more


def page(runtime: Runtime, name: str, provider: Lists) -> bool:
    """The next page of a provider's oldest open day; no transaction is open while it is asked. True for a full one."""
    now = wall.now()
    yesterday = spending.day_of(now) - _DAY
    with runtime.work() as work:
        if now.astimezone(ZONE).hour >= FROM_HOUR:
            store.reconciliations.begin(work, name, yesterday, _midnight(yesterday), now)
        taken = store.reconciliations.take(work, name, now, now + LEASE)
        if taken is None:
            return False
        day: date = taken.day
        since, until = _midnight(day), _midnight(day + _DAY)
        rows = store.reconciliations.calls(work, name, taken.after, since, until, until + RECORDED, PAGE)
    addresses = _addresses(runtime, rows)
    listed = provider.listed(day, sorted(set(addresses.values()))) if addresses else []
    now = wall.now()
    if listed is None:
        ended = taken.failures + 1 >= TRIES
        with runtime.work() as work:
            why = "the provider gave no list"
            store.reconciliations.failed(work, name, day, why, now, now + AGAIN, ended=ended)
            if ended:
                store.operating.raise_alarm(work, KIND, name, f"{day}: {why}", now)
        log.warning("no list", extra={"provider": name, "day": day.isoformat()})
        return False
    # Without an address nobody can be asked about it: the contact was erased meanwhile.
    calls = [_call(row) for row in rows if row.id in addresses]
    _keep(runtime, name, day, rows, calls, listed, unfinished=provider.lists_unfinished)
    return len(rows) == PAGE


def _keep(
    runtime: Runtime,
    name: str,
    day: date,
    rows: Sequence[Any],
    calls: Sequence[Call],
    listed: Sequence[Listed],
    *,
    unfinished: bool,
) -> None:
    now, ended = wall.now(), len(rows) < PAGE
    found = compare(calls, listed, unfinished=unfinished)
    with runtime.work() as work:
        found = _strangers(work, name, found)
        store.reconciliations.put(work, name, day, found, now)
    receipts = [
        Receipt(d.theirs, d.key, None, None, "reconciliation")
        for d in found
        if d.kind == "state" and d.ours == "accepted" and d.theirs and d.theirs != "accepted"
    ]
    if receipts:
        receiving.of(runtime).take(name, receipts)
    with runtime.work() as work:
        taken = [r.request_id for r in receipts if r.request_id]
        store.reconciliations.settle_state(work, name, day, taken, now)
        after = rows[-1].id if rows else store.first_id(_midnight(day + _DAY))
        store.reconciliations.done(work, name, day, after, len(calls), len(listed), now, ended=ended)
        left = store.reconciliations.open_of(work, name, day) if ended else 0
        if left:
            words = f"{day}: {left} differences with the provider's own list"
            store.operating.raise_alarm(work, KIND, name, words, now)
    if ended:
        log.info("reconciled", extra={"provider": name, "day": day.isoformat(), "differences": left})


def _strangers(work: Work, name: str, found: Sequence[Difference]) -> list[Difference]:
    """Without extra ones that are calls of ours on another page, or of another day."""
    extra = [d.key for d in found if d.kind == "extra"]
    requests = [key for key in extra if len(key) == 36]
    ours = store.receipts.issued(work, name, requests, extra) if extra else []
    known = {one.request_id for one in ours} | {one.provider_ref for one in ours}
    return [d for d in found if d.kind != "extra" or d.key not in known]


def _addresses(runtime: Runtime, rows: Sequence[Any]) -> dict[str, str]:
    """Numbers by call."""
    found = {}
    for row in rows:
        if row.contact:
            try:
                to = runtime.sealer.open(row.contact, row.recipient).get(CHANNELS[row.channel])
            except SealError:
                continue
            if isinstance(to, str) and to:
                found[row.id] = to
    return found


def _call(row: Any) -> Call:
    return Call(row.request_id, row.provider_ref, row.notice_id, row.outcome, row.state)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), ZONE)
