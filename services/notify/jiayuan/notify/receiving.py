"""Receipts, by callback, by pulling and by asking: what was heard is kept, and what follows is written and told.

A receipt may be here before the answer to its own request is recorded. So one that is about no request of ours waits
for an hour, and only then counts as not ours; whoever sent it is answered as the vendor wants all the same and learns
nothing.
"""

from __future__ import annotations

import hmac
import logging
import threading
from collections import Counter as Counts
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from prometheus_client import Counter

from jiayuan.chassis import redact
from jiayuan.chassis.errors import is_transient
from jiayuan.chassis.seal import SealError
from jiayuan.chassis.service import Runtime
from jiayuan.chassis.work import Work

from . import cascade, receipts, routes, store, wall, wishing
from .providers.base import Asked, Consent, Provider, Receipt, ReceiptKind
from .receipts import Matched, Standing
from .routes import Route
from .rules import CHANNELS
from .rules import bundled as bundled_rules
from .sending.courtesy import number
from .sending.preparing import person
from .telling import tell

log = logging.getLogger("jiayuan.notify")

WAIT: Final = timedelta(hours=1)
ASK_FIRST: Final = timedelta(minutes=10)
"""So long after a send its provider is asked what became of it, if it has said nothing."""
_PULLED: Final = 100
"""How many receipts a vendor hands out at a time."""
_SIZE: Final = 500
_REMEMBERED: Final = timedelta(days=2)
"""WeChat repeats an event a few times within a minute."""

RECEIPTS: Final = Counter(
    "jiayuan_notify_receipts_total", "Receipts of providers by what they were", ["provider", "what"]
)
"""delivered, undelivered (new ones), repeated, not_ours, malformed."""


@lru_cache(maxsize=8)
def of(runtime: Runtime) -> Receiving:
    """What hears receipts for a process's runtime."""
    return Receiving(runtime, routes.shared(runtime))


class Receiving:
    """Hears receipts of some providers. Any number of them may do so at a time, in any process."""

    def __init__(self, runtime: Runtime, found: Iterable[Route]) -> None:
        self._runtime = runtime
        self._routes = {route.name: route for route in found if not route.local}
        self._rules = bundled_rules()
        self._channels = frozenset(route.channel for route in self._routes.values())

    def provider(self, name: str, path: str) -> Provider | None:
        """The provider whose callbacks come by this name and secret path; None for everything else alike."""
        route = self._routes.get(name)
        secret = route.path if route else ""
        # Compared even where there is none, so that an answer's time tells no names.
        same = hmac.compare_digest(path.encode(), (secret or "-" * 24).encode())
        return route.provider if route and secret and same else None

    def turn(self) -> bool:
        """Pull what providers keep for us, ask about what has no receipt, and look again at what waited.

        Each provider has a thread of its own, so that none waits for another. True when there may be more.
        """
        more: set[str] = set()
        threads = [
            threading.Thread(target=self._hear, args=(route, more), daemon=True, name=f"hear {route.name}")
            for route in self._routes.values()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if "mini_program" in self._channels:
            with self._runtime.work() as work:
                store.receipts.forget_consents(work, wall.now() - _REMEMBERED)
        return bool(more)

    def _hear(self, route: Route, more: set[str]) -> None:
        try:
            pulled = route.provider.pull()
            asked = self._ask(route) if route.askable else []
            if pulled or asked:
                self.take(route.name, [*pulled, *asked])
            self._look_again(route.name)
            if len(pulled) >= _PULLED:
                more.add(route.name)
        except Exception as error:
            if not is_transient(error):
                log.exception("receipts can't be heard", extra={"provider": route.name})
                return
            log.warning("receipts wait", extra={"provider": route.name, "why": str(error)[:200]})

    def _ask(self, route: Route) -> list[Receipt]:
        """What a provider says of accepted messages that it has sent no receipt of."""
        with self._runtime.work() as work:
            rows = store.receipts.to_ask(work, route.name, route.provider.batch, wall.now(), ASK_FIRST)
        asked = []
        for row in rows:
            try:
                contact = self._runtime.sealer.open(row.contact, row.recipient)
            except SealError:
                continue
            to = contact.get(CHANNELS[row.channel])
            if isinstance(to, str) and to:
                asked.append(Asked(row.request_id, row.provider_ref, to, row.submitted_at))
        if not asked:
            return []
        found = []
        for one, outcome in zip(asked, route.provider.query(asked), strict=True):
            if outcome.kind in ("delivered", "refused"):
                kind: ReceiptKind = "delivered" if outcome.kind == "delivered" else "undelivered"
                found.append(
                    Receipt(kind, one.request_id, outcome.ref, None, outcome.code, outcome.unsubscribed)
                )
        return found

    def take(self, name: str, heard: Sequence[Receipt]) -> None:
        """Keep receipts of a provider and do what follows from them, in one transaction."""
        usable = [r for item in heard if (r := receipts.usable(item)) is not None]
        with self._runtime.work() as work:
            rest = self._apply(work, name, usable)
            at = wall.now()
            store.receipts.wait(
                work, name, list({row["id"]: row for row in (_row(name, r, at) for r in rest)}.values())
            )

    def take_consents(self, heard: Sequence[Consent]) -> None:
        """Count what people of the mini-program agreed to, each decision once: an accept is one message."""
        decided = {(person(self._runtime, c.openid), c.template, c.at): c.status for c in heard}
        rows = [{"person": who, "template": template, "at": at} for who, template, at in sorted(decided)]
        with self._runtime.work() as work:
            new = store.receipts.hear_consents(work, rows)
            fresh = {key: status for key, status in decided.items() if key in new}
            store.credits.give(work, [(w, t) for (w, t, _), status in fresh.items() if status == "accept"])
            if refused := sorted((w, t) for (w, t, _), status in fresh.items() if status == "reject"):
                store.credits.none(work, refused)

    def _look_again(self, name: str) -> None:
        """Receipts that waited: their request may be recorded now; those that waited too long aren't ours."""
        with self._runtime.work() as work:
            rows = store.receipts.waiting(work, name, _SIZE)
            if not rows:
                return
            made = {
                row.id: Receipt(
                    row.kind, row.request_id, row.provider_ref, row.at, row.code, row.unsubscribed
                )
                for row in rows
            }
            rest = {receipts.key(name, r) for r in self._apply(work, name, list(made.values()))}
            late = {row.id for row in rows if row.heard_at < wall.now() - WAIT}
            store.receipts.done_waiting(work, [id_ for id_ in made if id_ not in rest or id_ in late])
        if strangers := len(rest & late):
            RECEIPTS.labels(name, "not_ours").inc(strangers)

    # -- what follows ------------------------------------------------------------------------------

    def _apply(self, work: Work, name: str, heard: Sequence[Receipt]) -> list[Receipt]:
        """Do what follows; the receipts that are about no request of ours."""
        if not heard:
            return []
        requests = sorted({r.request_id for r in heard if r.request_id})
        refs = sorted({r.provider_ref for r in heard if r.provider_ref})
        issued: dict[tuple[str, str | None], store.receipts.Issued] = {}
        for one in store.receipts.issued(work, name, requests, refs):
            issued["request", one.request_id] = one
            if one.provider_ref:
                issued["ref", one.provider_ref] = one
        found: dict[str, list[Matched]] = {}
        rest = []
        for receipt in heard:
            ours = issued.get(("request", receipt.request_id)) or issued.get(("ref", receipt.provider_ref))
            if ours is None:
                rest.append(receipt)
            else:
                matched = Matched(receipt, ours.request_id, ours.channel)
                found.setdefault(ours.notice_id, []).append(matched)
        if found:
            self._write(work, name, found)
        return rest

    def _write(self, work: Work, name: str, found: Mapping[str, Sequence[Matched]]) -> None:
        at = wall.now()
        rows = {row.id: dict(row._mapping) for row in store.receipts.standing(work, sorted(found))}
        kept = {
            one["id"]: one
            for id_, row in rows.items()
            for one in (_attempt(name, row, matched, at) for matched in found[id_])
        }
        # What was heard before has had its effect; since then somebody may have had the notice sent again.
        new = store.receipts.put(work, list(kept.values()))
        changes, quick = [], []
        for id_, row in rows.items():
            fresh = [m for m in found[id_] if receipts.key(name, m.receipt) in new]
            end = receipts.merge(Standing(row["state"], row["current_request"], row["channel"]), fresh)
            if end is None:
                continue
            if row["state"] in ("accepted", "unknown") and row["submitted_at"] is not None:
                quick.append((name, row["submitted_at"]))
            changes.append(self._change(work, name, row, end, at))
        if changes:
            store.change(work, changes)
        self._keep_refusals(
            work,
            name,
            rows,
            [(id_, m) for id_ in rows for m in found[id_] if receipts.key(name, m.receipt) in new],
        )
        store.weights.delivered(work, quick, at)
        what = Counts(row["outcome"] if id_ in new else "repeated" for id_, row in kept.items())
        for word, count in what.items():
            RECEIPTS.labels(name, word).inc(count)

    def _keep_refusals(
        self,
        work: Work,
        name: str,
        rows: Mapping[str, Mapping[str, Any]],
        fresh: Sequence[tuple[str, Matched]],
    ) -> None:
        """Receipts that say that the person has unsubscribed are kept as his refusal of the channel."""
        gone = [(rows[id_], m) for id_, m in fresh if m.receipt.unsubscribed]
        for row, m in sorted(gone, key=lambda one: (one[0]["recipient_type"], one[0]["recipient"])):
            type_, ref = row["recipient_type"], row["recipient"]
            if address := self._address(work, type_, ref, m.channel):
                wishing.unsubscribed(
                    work, type_, ref, m.channel, address, provider=name, code=m.receipt.code or ""
                )

    def _address(self, work: Work, type_: str, ref: str, channel: str) -> str:
        """The digest of somebody's address, "" where he has none any more."""
        sealed = store.contact_of(work, type_, ref)
        try:
            to = self._runtime.sealer.open(sealed, ref).get(CHANNELS[channel]) if sealed else None
        except SealError:
            return ""
        return number(self._runtime, to) if isinstance(to, str) and to else ""

    def _change(
        self, work: Work, name: str, row: Mapping[str, Any], end: receipts.End, at: datetime
    ) -> dict[str, Any]:
        """The notice's new columns: its end, or, where it wasn't delivered, its next channel. Tells of an end."""
        state, channel, version = str(end.state), row["channel"], row["version"] + 1
        reason = redact.mask(end.code)[:300] if end.code and state == "undelivered" else None
        if state == "undelivered" and (further := self._further(row)):
            state, channel = "queued", further
        else:
            # Whoever heard of its end or of its acceptance has heard notice.sent or notice.failed.
            told = row["state"] not in ("submitted", "unknown", "queued", "deferred")
            tell(work, row, state, version, row["attempts"], reason, name, told=told)
        return {
            "notice_id": row["id"],
            "state": state,
            "reason": reason,
            "state_at": work.now,
            "due_at": at,
            "channel": channel,
            "version": version,
            "hold_at": None,
        }

    def _further(self, row: Mapping[str, Any]) -> str | None:
        rule = self._rules.get(row["rule"])
        following = cascade.following(rule.channels if rule else (), row["channel"])
        return cascade.first(following, self._channels)


def _attempt(name: str, row: Mapping[str, Any], matched: Matched, at: datetime) -> dict[str, Any]:
    """A receipt as an attempt of the notice; the same receipt has the same id."""
    receipt = matched.receipt
    return {
        "id": receipts.key(name, receipt),
        "notice_id": row["id"],
        "number": row["attempts"],
        "kind": "receipt",
        "provider": name,
        "request_id": matched.request_id,
        "outcome": receipt.kind,
        "provider_ref": receipt.provider_ref,
        "error": redact.mask(receipt.code)[:300] if receipt.code and receipt.kind == "undelivered" else None,
        "started_at": receipt.at or at,
        "ended_at": at,
        "channel": matched.channel,
    }


def _row(name: str, receipt: Receipt, at: datetime) -> dict[str, Any]:
    return {
        "id": receipts.key(name, receipt),
        "provider": name,
        "request_id": receipt.request_id,
        "provider_ref": receipt.provider_ref,
        "kind": receipt.kind,
        "code": receipt.code,
        "at": receipt.at,
        "unsubscribed": receipt.unsubscribed,
        "heard_at": at,
    }
