"""From a claimed notice to the message that is sent, or the reason why none is."""

from __future__ import annotations

import logging
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from jiayuan.chassis.seal import SealError
from jiayuan.chassis.service import Runtime
from jiayuan.chassis.work import Work

from .. import cascade, digest, limits, reading, routes, rules, store, templates
from ..providers.base import Message
from .courtesy import Courtesy, Kept, number
from .groups import Group, Groups, with_address
from .lane import Lane, Sent

log = logging.getLogger("jiayuan.notify")

LIMIT: Final = "limit of the provider"
_STOPPED_FOR: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Ready:
    """A message, on which channel it goes, and the channels that would be left after that one."""

    message: Message
    further: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """It is for another channel."""

    channel: str


@dataclass(frozen=True, slots=True)
class Not:
    """Why it isn't sent, in one word."""

    why: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be called, what changes without a call, what has come to its end (row, state, version, why), and what
    a digest is to stand for."""

    sent: list[tuple[Sent, Message]]
    changed: list[dict[str, Any]]
    ended: list[tuple[Mapping[str, Any], str, int, str]]
    gathered: list[tuple[Mapping[str, Any], Kept]]


class Preparing:
    """Decides claimed notices: submitted, as they are already, or waiting, or ended without a call."""

    def __init__(self, runtime: Runtime, groups: Groups) -> None:
        self._runtime, self._groups = runtime, groups
        self._settings = routes.settings_of(runtime)
        self._pace = self._settings.pace
        self.rules, self.templates = rules.bundled(), templates.bundled()
        local = all(lane.route.local for lane in groups.lanes)
        self.courtesy = Courtesy(runtime, self.rules, self._settings.considerate(local=local))

    def batch(
        self, work: Work, lane: Lane, group: Group, rows: Sequence[Mapping[str, Any]], at: datetime
    ) -> Batch:
        """Decide all rows of one claim; nothing is written."""
        unknown_number = {r["case_id"] for r in rows if r["case_id"] and _lacks_number(r)}
        numbers = store.numbers(work, unknown_number) if unknown_number else {}
        digests = self._digests(work, [r["id"] for r in rows if r["rule"] == digest.RULE])
        out = Batch([], [], [], [])
        ready: list[tuple[Mapping[str, Any], Ready]] = []
        for row in rows:
            kept = self.courtesy.decide(work, row, at) if row["active"] else None
            found = kept or self.prepare(work, row, numbers, group, digests.get(row["id"]))
            if isinstance(found, Ready):
                ready.append((row, found))
            else:
                self._without_call(work, row, found, at, out)
        credits: dict[str, tuple[str, str]] = {}
        if group.channel == "mini_program":
            credits = self._take_credits(work, lane, ready)
            ready = self._consenting(work, ready, credits, at, out)
        counted: dict[str, tuple[str, limits.Sent]] = {}
        if lane.route.limits:
            counted = self._within_limits(work, lane, ready, at, out)
            ready = [(row, one) for row, one in ready if row["id"] in counted]
        if self.courtesy.counts:
            ready = self._in_turn(work, lane, ready, credits, counted, at, out)
        if out.gathered:
            self._gather(work, at, out)
        for row, one in ready:
            id_ = row["id"]
            number, mark = counted.get(id_, (None, None))
            out.sent.append(
                (
                    Sent(
                        {**row, "channel": one.message.channel, "further": one.further},
                        row["request_id"],
                        row["version"] + 1,
                        row["attempts"] + 1,
                        credits.get(id_),
                        number,
                        mark,
                    ),
                    one.message,
                )
            )
        return out

    # -- one notice --------------------------------------------------------------------------------

    def prepare(
        self,
        work: Work,
        row: Mapping[str, Any],
        numbers: Mapping[str, str],
        group: Group,
        gathered: Mapping[str, str] | None = None,
    ) -> Ready | Elsewhere | Not:
        """The message that `group` is to send, or why it isn't. `gathered`: the facts of a digest."""
        old = self.too_old(work, row)
        if old and row["state"] == "deferred":
            return Not("expired")
        if not row["known"]:
            return Not("no_contact" if old else "wait")
        if not row["active"]:
            return Not("inactive")
        if self._groups.template_stopped(row["template"]):
            return Not("template_stopped")
        try:
            contact = self._runtime.sealer.open(row["contact"], row["recipient"]) if row["contact"] else {}
        except SealError as error:
            # Our keys are at fault, not the person: put off, so that the right key can still be given.
            log.error("a contact can't be opened", extra={"notice": row["id"], "error": str(error)})
            return Not("sealed")
        channels, unwanted = (
            cascade.remaining(self.channels(row), row["channel"]),
            self.courtesy.unwanted(row, contact),
        )
        wanted = [c for c in channels if c not in unwanted] if unwanted else channels
        if not wanted:
            return Not("unwanted")
        where = self.channel(row, contact, wanted)
        if isinstance(where, Not):
            return where
        channel, address, further = where
        if self._groups.of(channel) is not group:
            return Elsewhere(channel)
        if row["template"] not in self.templates:
            log.error("a notice names a template that this build doesn't hold", extra={"notice": row["id"]})
            return Not("no_template")
        template = self.templates.get(row["template"], row["template_version"])
        try:
            facts = self.facts(row, numbers, gathered)
            message = self._message(row, channel, address, template, facts, group)
        except templates.MissingFact:
            return Not("no_facts" if old else "wait")  # the event that brings it is still on its way
        except templates.Unfit as error:
            log.warning("not for the mini-program", extra={"notice": row["id"], "why": str(error)})
            return Elsewhere(further[0]) if further else Not("unfit")
        return Ready(message, further)

    def _message(
        self,
        row: Mapping[str, Any],
        channel: str,
        address: str,
        template: templates.Template,
        facts: Mapping[str, str],
        group: Group,
    ) -> Message:
        request_id, recipient = row["request_id"], row["recipient"]
        if all(lane.route.local for lane in group.lanes):
            # It keeps what a person would read; what vendors want beside that would be made for nothing.
            text = self.templates.render(template, facts)
            return Message(request_id, recipient, channel, address, text, template.code)
        facts = {**facts, "receipt": reading.token(row["id"])}
        said = self.templates.wording(template, facts, channel)
        if channel == "mini_program" and not said.fields:
            raise templates.Unfit("the template has no fields for the mini-program")
        return Message(
            request_id,
            recipient,
            channel,
            address,
            said.text,
            said.code,
            said.fields if channel == "mini_program" else said.parameters,
            said.sign,
            said.version,
            said.variant,
            said.page,
        )

    def channels(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """The channels of the notice's rule, in order."""
        rule = self.rules.get(row["rule"])
        return rule.channels if rule else ("sms",)

    def channel(
        self, row: Mapping[str, Any], contact: Mapping[str, Any], channels: Sequence[str]
    ) -> tuple[str, str, tuple[str, ...]] | Not:
        """The first of the channels that is open and that the person has an address for, the address, and which of
        those after it would do as well; or why there is none."""
        if not any(self._groups.of(c) for c in channels):
            return Not("no_channel")
        possible = with_address(channels, contact, lambda c: self._groups.of(c) is not None)
        if not possible:
            return Not("no_contact")
        able = [(c, a) for c, a in possible if (g := self._groups.of(c)) and self._groups.open(g)]
        if not able:
            return Not("stopped")
        (channel, address), *_ = able
        after = cascade.following(self.channels(row), channel)
        return channel, address, tuple(c for c, _ in possible if c in after)

    def too_old(self, work: Work, row: Mapping[str, Any]) -> bool:
        """Whether it has waited as long as it may, in business time."""
        return bool(work.now - row["at"] > timedelta(hours=self._settings.give_up_hours))

    def facts(
        self, row: Mapping[str, Any], numbers: Mapping[str, str], gathered: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """What the text may name. Nothing of it is personal."""
        facts: dict[str, str] = dict(row["parameters"])
        if gathered is not None:
            return {**facts, **gathered, "link": self._settings.worklist_url}
        if row["role"] == "citizen":
            code = facts.get("tracking_code") or row["tracking_code"] or ""
            facts["tracking_code"] = code
            facts["link"] = self._settings.citizen_url + code if code else ""
            facts["unsubscribe"] = self._settings.unsubscribe_url + code if code else ""
        else:
            number = facts.get("number") or numbers.get(row["case_id"], "")
            facts["number"] = number
            facts["link"] = self._settings.staff_url + number if number else ""
            rule = self.rules.get(row["rule"])
            if rule is not None and rule.read is not None:
                facts["link"] = self._settings.read_url + reading.token(row["id"])
        return facts

    # -- consent and limits ------------------------------------------------------------------------

    def _take_credits(
        self, work: Work, lane: Lane, ready: Sequence[tuple[Mapping[str, Any], Ready]]
    ) -> dict[str, tuple[str, str]]:
        """Use up one consent credit a message; the credits by notice, for those that had one."""
        keys = {
            row["id"]: (person(self._runtime, one.message.to), credit_template(lane, one.message))
            for row, one in ready
        }
        left = store.credits.take(work, list(keys.values()))
        taken = {}
        for id_, key in keys.items():
            if left[key] > 0:
                left[key] -= 1
                taken[id_] = key
        return taken

    def _consenting(
        self,
        work: Work,
        ready: Sequence[tuple[Mapping[str, Any], Ready]],
        credits: Collection[str],
        at: datetime,
        out: Batch,
    ) -> list[tuple[Mapping[str, Any], Ready]]:
        """Those with a credit; the others go on to their next channel, or end here."""
        left = []
        for row, one in ready:
            if row["id"] in credits:
                left.append((row, one))
            else:
                on = Elsewhere(one.further[0]) if one.further else Not("no_consent")
                self._without_call(work, row, on, at, out)
        return left

    def _within_limits(
        self,
        work: Work,
        lane: Lane,
        ready: Sequence[tuple[Mapping[str, Any], Ready]],
        at: datetime,
        out: Batch,
    ) -> dict[str, tuple[str, limits.Sent]]:
        """Count the messages that may go now, and put off the others until their window opens."""
        bounds, now = lane.route.limits, at.timestamp()
        numbers = {row["id"]: number(self._runtime, one.message.to) for row, one in ready}
        held = store.numbers_sent.hold(work, lane.name, list(numbers.values()), at)
        counted: dict[str, tuple[str, limits.Sent]] = {}
        for row, one in ready:
            mine = numbers[row["id"]]
            mark = limits.Sent(now, row["template"], limits.digest(one.message.text))
            opens = limits.opens(bounds, held[mine], mark)
            if opens > now:
                change = _change(row, work, state="deferred", reason=LIMIT)
                due = at + timedelta(seconds=opens - now)
                out.changed.append(change | {"due_at": due, "ready_at": due, "waits": row["waits"] + 1})
            else:
                held[mine].append(mark)
                counted[row["id"]] = (mine, mark)
        until = at + timedelta(seconds=max(bound.seconds for bound in bounds))
        touched = {key for key, _ in counted.values()}
        store.numbers_sent.keep(
            work,
            lane.name,
            {key: (limits.kept(bounds, held[key], now), until) for key in touched},
        )
        return counted

    # -- courtesy ----------------------------------------------------------------------------------

    def _in_turn(
        self,
        work: Work,
        lane: Lane,
        ready: Sequence[tuple[Mapping[str, Any], Ready]],
        credits: dict[str, tuple[str, str]],
        counted: dict[str, tuple[str, limits.Sent]],
        at: datetime,
        out: Batch,
    ) -> list[tuple[Mapping[str, Any], Ready]]:
        """Those that go now; of the others, what was used up for them is given back."""
        kept = self.courtesy.share_out(work, [row for row, _ in ready], at)
        if not kept:
            return list(ready)
        back: dict[str, list[limits.Sent]] = {}
        for row, _ in ready:
            if row["id"] in kept:
                self._without_call(work, row, kept[row["id"]], at, out)
            if row["id"] in kept and row["id"] in counted:
                number, mark = counted.pop(row["id"])
                back.setdefault(number, []).append(mark)
        store.credits.give(work, [credits.pop(id_) for id_ in kept if id_ in credits])
        if back:
            store.numbers_sent.take_back(work, lane.name, back)
        return [(row, one) for row, one in ready if row["id"] not in kept]

    def _gather(self, work: Work, at: datetime, out: Batch) -> None:
        """Notices that a digest stands for: they have come to their end, and are told by it."""
        for row, kept in self.courtesy.gather(work, out.gathered):
            if kept.digest is None:
                due = self.courtesy.again(at)
                out.changed.append(_change(row, work, state=row["state"], due_at=due, version=row["version"]))
            else:
                change = _change(row, work, state="suppressed", reason=kept.why, gathered_in=kept.digest)
                out.changed.append(change)

    def _digests(self, work: Work, ids: Sequence[str]) -> dict[str, dict[str, str]]:
        """The facts of digests: what each stands for."""
        if not ids:
            return {}
        counts: dict[str, dict[str, int]] = {id_: {} for id_ in ids}
        for id_, code, version, count in store.gathered(work, ids):
            title = self.templates.get(code, version).title if code in self.templates else code
            counts[id_][title] = counts[id_].get(title, 0) + count
        return {id_: digest.facts(found) for id_, found in counts.items()}

    # -- without a call ----------------------------------------------------------------------------

    def _without_call(
        self, work: Work, row: Mapping[str, Any], found: Elsewhere | Not | Kept, at: datetime, out: Batch
    ) -> None:
        """The change of a notice that isn't sent here now: it goes on, waits, is put off, or has come to its end."""
        if isinstance(found, Elsewhere):
            # Nothing has happened that anybody should hear of; who waits longest on the other channel goes first.
            out.changed.append(
                _change(row, work, state="queued", channel=found.channel, version=row["version"])
            )
            return
        if isinstance(found, Kept) and found.why == "digest":
            out.gathered.append((row, found))
            return
        match found.why:
            case "quiet" | "cap" if isinstance(found, Kept):
                change = _change(row, work, state="deferred", reason=found.why, due_at=found.due_at)
                change["ready_at"] = found.due_at
            case "wait":
                seconds = min(self._settings.wait_most, 2.0 ** min(row["waits"], 20))
                change = _change(
                    row,
                    work,
                    reason="waits for its recipient or its code",
                    state_at=row["state_at"],
                    due_at=at + timedelta(seconds=seconds),
                    waits=row["waits"] + 1,
                    awaits_recipient=row["recipient"],
                    awaits_report=row["report_id"],
                    version=row["version"],
                )
            case "sealed":
                due = at + self._pace.back_off(row["waits"] + 1, random.random())
                change = _change(
                    row, work, state="deferred", reason="the contact can't be opened", due_at=due
                )
                change["waits"] += 1
            case "stopped" | "template_stopped":
                reason = (
                    store.operating.STOPPED if found.why == "stopped" else store.operating.TEMPLATE_STOPPED
                )
                change = _change(row, work, state="deferred", reason=reason, due_at=at + _STOPPED_FOR)
                change["ready_at"] = change["due_at"]
            case why:
                state = "expired" if why == "expired" else "suppressed"
                change = _change(row, work, state=state, reason=why)
                out.ended.append((row, state, change["version"], why))
        out.changed.append(change)


def person(runtime: Runtime, openid: str) -> str:
    """What stands for an openid where credits are counted; nothing leads back from it."""
    return runtime.sealer.digest(openid, "notify credit")


def credit_template(lane: Lane, message: Message) -> str:
    """The vendor's id of the template whose credit a message uses; ours where the provider knows no other."""
    credit = getattr(lane.route.provider, "credit", None)
    return str(credit(message)) if credit is not None else message.template


def _lacks_number(row: Mapping[str, Any]) -> bool:
    return row["role"] != "citizen" and "number" not in row["parameters"]


def _change(row: Mapping[str, Any], work: Work, **fields: Any) -> dict[str, Any]:
    """All columns that the change of a claimed notice that isn't sent writes, as they were unless given."""
    return {
        "notice_id": row["id"],
        "state": row["state"],
        "reason": None,
        "state_at": work.now,
        "due_at": row["due_at"],
        "waits": row["waits"],
        "awaits_recipient": None,
        "awaits_report": None,
        "version": row["version"] + 1,
        "attempts": row["attempts"],
        "provider": row["provider"],
        "request_id": row["old_request"],
        "submitted_at": None,
        "channel": row["channel"],
        "hold_at": row["hold_at"],
        "gathered_in": None,
        "ready_at": None,
    } | fields
