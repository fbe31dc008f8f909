"""Read receipts: whoever opens a notice's link and confirms, or acknowledges in the mini-program, has read it.

The link is the proof: it holds the notice's id, 74 bits of which are random. Opening alone counts for nothing, for
phones and virus scanners open links as well, and an emergency call that a machine has read would alarm nobody.
"""

from __future__ import annotations

import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso

from . import rules, store

COUNTY = "county"
"""The street of a notice that is about none."""


def token(notice: str) -> str:
    """What stands for a notice in a link: 22 letters, digits, - and _."""
    return urlsafe_b64encode(uuid.UUID(notice).bytes).decode().rstrip("=")


def notice_of(text: str) -> str | None:
    """The notice of a token; None for what is none."""
    if len(text) != 22:
        return None
    try:
        found = uuid.UUID(bytes=urlsafe_b64decode(text + "=="))
    except ValueError:
        return None
    return str(found) if token(str(found)) == text else None


def asked(work: Work, row: Mapping[str, Any], version: int) -> None:
    """Say that a notice was sent that has to be read, if it has to be; `row`: the notice's facts."""
    rule = rules.bundled().get(row["rule"])
    if rule is None or rule.read is None:
        return
    data: dict[str, Any] = {
        "notice": row["id"],
        "recipient": row["recipient"],
        "recipient_type": row["recipient_type"],
        "matter": row["matter"],
        "template": row["template"],
        "street": row["street"] or COUNTY,
        "at": iso(work.now),
    }
    if row["case_id"]:
        data["case"] = row["case_id"]
    if rule.read:
        data["read_by"] = iso(work.now + timedelta(minutes=rule.read))
    work.emit(
        "notice.asked",
        data,
        subject=row["id"],
        sequence=version,
        street=row["street"],
        traceparent=row["traceparent"],
        causationid=row["event_id"],
    )


def read(work: Work, notice: str) -> dict[str, Any] | None:
    """A person has read a notice: the first time counts, and is told where it had to be read.

    `{"id", "read_at", "number", ...}` of the notice; None for one that isn't there or never went out.
    """
    row = store.found_read(work, notice)
    if row is None or row["state"] in store.NEVER_SENT:
        return None
    if row["read_at"] is None and store.mark_read(work, notice):
        row["read_at"] = work.now
        _told(work, row)
    return row


def _told(work: Work, row: Mapping[str, Any]) -> None:
    rule = rules.bundled().get(row["rule"])
    if rule is None or rule.read is None:
        return
    work.emit(
        "notice.read",
        {
            "notice": row["id"],
            "recipient": row["recipient"],
            "recipient_type": row["recipient_type"],
            "matter": row["matter"],
            "street": row["street"] or COUNTY,
            "at": iso(work.now),
        },
        subject=row["id"],
        sequence=row["version"],
        street=row["street"],
        traceparent=row["traceparent"],
        causationid=row["event_id"],
    )
