"""Field channels: grid workers, liaisons, riders and check-in cadres send what they saw on one walk.

The phone may have been offline for hours: what it sends is a batch, each item with an id that the phone gave it and the
time by the phone's clock. Each item is answered for itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import http
from jiayuan.chassis.tokens import Principal
from jiayuan.contracts.check import FieldProblem, explain
from jiayuan.contracts.times import iso, parse

from .. import api, attachments, limits, progress, report, schemas, standing, store, text
from ..handlers import ACCEPTED, DUPLICATE, REFUSED, Receipt, receive
from ..store import media
from .adapter import Adapter
from .claims import check_claim

# Whose reports go into which channel; the first that fits is the default.
CLAIMS: Final[Mapping[str, tuple[str, ...]]] = {
    "grid_worker": ("grid_worker", "grid_leader", "grid_chief", "service"),
    "liaison": ("liaison", "service"),
    "rider": ("rider", "service"),
    "cadre": ("cadre", "service"),
}
ROLES: Final = tuple(dict.fromkeys(role for roles in CLAIMS.values() for role in roles))
_SUPERVISORS: Final = ("desk", "county", "operator")
# A phone's clock that is this far from ours is worth a word; what is nearer is the time the message took.
SKEW: Final = timedelta(minutes=2)
# How far back a text of the same person counts as said before.
_REPEATED_WITHIN: Final = timedelta(days=7)
_MINE: Final = 50
_WRITE = limits.Limited("field", "write")
_ADD = limits.Limited("field", "add")
_READ = limits.Limited("field", "read")

ADAPTER: Final = Adapter(
    name="field",
    title="Field channels 網格員、民情聯絡員、外賣騎手、報到幹部",
    channels=tuple(CLAIMS),
    ways=("POST /field/reports", "GET /field/reports", "POST /field/reports/<string:report>/media"),
    roles=ROLES,
    trusts="the sign-in for who walked; the phone's clock only as far as it agrees with ours; the person as far as "
    "the standing goes, which is counted",
    key="the person and the item's `id`, given by the phone, for ever",
    wrong="each item for itself: `refused` with each field, what is wrong and what is allowed; the others go in",
)


def submit(delivery: Any, call: Any) -> dict[str, Any]:
    """`POST /field/reports`: 200 with one result an item, in their order. May be sent again as often as need be."""
    walk = call.json_body(schemas.Walk)
    who = call.need(*ROLES)
    channel = _channel(who, walk.get("channel"))
    sent_at = parse(walk["sent_at"])
    results: list[dict[str, Any]] = []
    submissions: list[tuple[int, report.Submission]] = []
    with delivery.work() as work:
        skew = sent_at - work.now
        before = store.standing_of(work, who.subject)
        for index, item in enumerate(walk["reports"]):
            found = explain(schemas.FieldReport, item)
            results.append({"id": _id_of(item), "outcome": REFUSED, "problems": api.spelled(found)})
            if not found:
                facts = _facts(walk, item, skew, sent_at, before)
                submissions.append((index, _submission(item, channel, who, skew, facts, call)))
        said_before = store.texts_of(work, who.subject, work.now - _REPEATED_WITHIN) if submissions else {}
        receipts = receive(work, [s for _, s in submissions])
        repeated = 0
        for (index, submission), receipt in zip(submissions, receipts, strict=True):
            results[index] |= _result(submission, receipt)
            if receipt.outcome == ACCEPTED:
                assert receipt.clean is not None
                first = said_before.setdefault(receipt.clean.text, receipt.report)
                if first != receipt.report:
                    repeated += 1
                    results[index]["repeats"] = first
        taken = sum(r.outcome == ACCEPTED for r in receipts)
        if taken:
            store.count_standing(work, who.subject, submitted=taken, duplicate=repeated)
        now = store.standing_of(work, who.subject) if taken else before
    return {
        "reports": results,
        "accepted": taken,
        "duplicate": sum(r["outcome"] == DUPLICATE for r in results),
        "refused": sum(r["outcome"] == REFUSED for r in results),
        "clock": _clock(skew),
        "standing": standing.document(now),
    }


def _channel(who: Principal, said: str | None) -> str:
    if said:
        check_claim(who, said, CLAIMS)
        return said
    return next(channel for channel, roles in CLAIMS.items() if set(roles) & set(who.roles))


def _id_of(item: Any) -> str | None:
    id_ = item.get("id") if isinstance(item, dict) else None
    return id_[:128] if isinstance(id_, str) else None


def _facts(
    walk: Mapping[str, Any], item: Mapping[str, Any], skew: timedelta, sent_at: datetime, before: Any
) -> dict[str, Any]:
    """What is known of how it was taken: the walk, how far the phone's clock was off, and the person's standing."""
    out: dict[str, Any] = {"standing": standing.stored(before)}
    if walk.get("walk"):
        out["walk"] = walk["walk"]
    if abs(skew) > SKEW:
        out["clock_skew_seconds"] = round(skew.total_seconds())
    if parse(item["device_at"]) > sent_at:
        # Taken after it was sent: the clock was set in between, and the time says nothing.
        out["clock_jumped"] = True
    return out


def _submission(
    item: Mapping[str, Any],
    channel: str,
    who: Principal,
    skew: timedelta,
    facts: dict[str, Any],
    call: Any,
) -> report.Submission:
    document = dict(item)
    if not document.get("occurred_at") and "clock_jumped" not in facts:
        # The phone's time in ours: what it said, less how far it is off.
        taken = parse(item["device_at"]) - (skew if abs(skew) > SKEW else timedelta())
        document["occurred_at"] = iso(taken)
    return report.from_document(
        {**document, "external_id": item["id"]},
        channel=channel,
        source_system=f"field:{who.subject}",
        submitter=who.subject,
        facts=facts,
        traceparent=call.traceparent,
    )


def _result(submission: report.Submission, receipt: Receipt) -> dict[str, Any]:
    if receipt.outcome == REFUSED:
        return {"outcome": REFUSED, "problems": api.spelled(receipt.problems)}
    if receipt.differs:
        problem = FieldProblem("id", "is another report's already", "an id of its own for each report")
        return {"outcome": REFUSED, "report": receipt.report, "problems": api.spelled([problem])}
    out: dict[str, Any] = {"outcome": receipt.outcome, "report": receipt.report, "problems": []}
    if receipt.outcome == ACCEPTED:
        out |= {k: v for k, v in api.receipt_document(receipt).items() if k not in ("id", "tracking_code")}
    # The code is the reporter's: with a citizen's number it goes to the citizen, or the sender could rate the work.
    if not submission.contact:
        out["tracking_code"] = receipt.tracking_code
    return out


def _clock(skew: timedelta) -> dict[str, Any]:
    seconds = round(skew.total_seconds())
    out: dict[str, Any] = {"skew_seconds": seconds, "words": None}
    if abs(skew) > SKEW:
        minutes = max(1, round(abs(skew) / timedelta(minutes=1)))
        length = f"{minutes // 60}小时{minutes % 60}分钟" if minutes >= 60 else f"{minutes}分钟"
        out["words"] = (
            f"手机时间比服务器{'快' if seconds > 0 else '慢'}{length}，已按服务器时间换算，请校准手机时间"
        )
    return out


def add_photos(delivery: Any, call: Any, report_id: str) -> api.Answer:
    """`POST /field/reports/<id>/media` {attachments}: 201 with all files, which follow when there is a network."""
    document = call.json_body(schemas.Attachments)
    who = call.need(*ROLES)
    with delivery.work() as work:
        row = api.find_report(work, report_id, lock=True)
        if row.submitter != who.subject:
            raise api.not_found()
        if row.state == store.WITHDRAWN:
            raise Problem(409, "The report is withdrawn", "nothing can be added to it any more")
        problems = attachments.attach_later(work, report_id, document["attachments"])
        if problems:
            raise api.refusal(problems)
        return 201, {"report": report_id, "media": [m.digest for m in media.of_report(work, report_id)]}


def mine(delivery: Any, call: Any) -> dict[str, Any]:
    """`GET /field/reports`: what the caller sent last, newest first, each with its state."""
    who = call.need(*ROLES)
    with delivery.work() as work:
        rows = store.submitted_by(work, who.subject, _MINE)
        cases = store.progress_of(work, [str(r.id) for r in rows])
        counts = store.standing_of(work, who.subject)
    return {
        "reports": [
            {
                "id": str(r.id),
                "item": r.external_id,
                "title": r.title,
                "received_at": iso(r.received_at),
                "device_at": iso(r.device_at) if r.device_at else None,
                "progress": progress.document(r.state, cases.get(str(r.id))),
            }
            for r in rows
        ],
        "standing": standing.document(counts),
    }


def show_standing(delivery: Any, call: Any, subject: str) -> dict[str, Any]:
    """`GET /field/standing/<subject>`: for desks, the county and operators; one's own is in `GET /field/reports`."""
    who = call.need(*_SUPERVISORS, *ROLES)
    if who.subject != subject and not set(who.roles) & set(_SUPERVISORS):
        raise Problem(
            403, "Not allowed", "only one's own standing, or with one of the roles " + ", ".join(_SUPERVISORS)
        )
    with delivery.work() as work:
        return {"subject": text.shorten(subject, 128), **standing.document(store.standing_of(work, subject))}


class Field:
    """The entrypoints."""

    delivery: Any

    @http("POST", "/field/reports", roles=ROLES, before=_WRITE)
    def field_reports(self, call: Any) -> Any:
        """The reports of one walk."""
        return submit(self.delivery, call)

    @http("POST", "/field/reports/<string:report>/media", roles=ROLES, before=_ADD)
    def field_photos(self, call: Any, report: str) -> Any:
        """Photos of a report that the caller sent before."""
        return add_photos(self.delivery, call, report)

    @http("GET", "/field/reports", roles=ROLES, before=_READ)
    def my_field_reports(self, call: Any) -> Any:
        """What the caller sent, and how far it is."""
        return mine(self.delivery, call)

    @http("GET", "/field/standing/<string:subject>", before=_READ)
    def standing(self, call: Any, subject: str) -> Any:
        """How far somebody's reports proved true."""
        return show_standing(self.delivery, call, subject)
