"""Every reading of personal data is kept: who, what, why, when, and by which way. See `visibility` for who may."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from jiayuan.chassis.redact import mask
from jiayuan.chassis.service import Runtime
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso

from . import store
from .case import Case
from .catalogue import RoutingSettings
from .visibility import Sight

AUDITORS: Final = ("auditor", "privacy_officer")
MOST_WHY: Final = 500
_BATCH: Final = 500

log = logging.getLogger("jiayuan.routing")


def note(
    work: Work,
    who: Principal,
    what: str,
    subject: str,
    *,
    why: str,
    fields: Iterable[str],
    case: str | None = None,
    via: str = "http",
    operator: str = "",
) -> None:
    """Notes a reading in the transaction that reads, so that there is no answer without its line.

    `what`: case, contact or export. `subject`: the case's number, whose contact it is, or what was exported.
    `operator`: the login behind a command line that acts for `who`.
    """
    store.log_read(
        work,
        {
            "who": who.subject[:128],
            "roles": ",".join(who.roles)[:200],
            "via": via,
            "operator": operator[:128],
            "what": what,
            "case_id": case,
            "subject": subject[:128],
            "fields": ",".join(fields)[:200],
            "why": mask(" ".join(why.split()))[:MOST_WHY],
        },
    )


def forget(runtime: Runtime) -> bool:
    """Drops a batch of lines that are older than the setting `reads_days`. True when there may be more."""
    settings = runtime.settings
    assert isinstance(settings, RoutingSettings)
    with runtime.work() as work:
        gone = store.forget_reads(work, work.now - timedelta(days=settings.reads_days), _BATCH)
    if gone:
        log.info("readings forgotten", extra={"count": gone})
    return gone == _BATCH


def note_case(
    work: Work,
    who: Principal,
    case: Case,
    seen: Sight,
    *,
    why: str = "",
    via: str = "http",
    operator: str = "",
) -> None:
    """Notes that somebody saw a case; the need is the right they have, and the reason they gave, if they did."""
    note(
        work,
        who,
        "case",
        case.number,
        why=f"{seen.need}: {why}" if why else seen.need,
        fields=seen.fields,
        case=case.id,
        via=via,
        operator=operator,
    )


def line(row: Any) -> dict[str, Any]:
    """A line of the log as it is told."""
    out = {
        "id": row.id,
        "at": iso(row.at),
        "who": row.who,
        "roles": row.roles.split(","),
        "via": row.via,
        "what": row.what,
        "case": str(row.case_id) if row.case_id else None,
        "subject": row.subject,
        "fields": row.fields.split(","),
        "why": row.why,
    }
    if row.operator:
        out["operator"] = row.operator
    return out
