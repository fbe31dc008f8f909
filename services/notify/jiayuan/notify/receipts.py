"""What follows from receipts: a final state that doesn't depend on their order or on how often they come. Pure.

A delivery is proof and stands, whatever else is said and whichever of a notice's requests on its channel it is about. A
failure counts for the request that the notice stands with now; one of an earlier request, which was sent anew
meanwhile, changes nothing. What is expired becomes undelivered no more, for that has been told, but delivered still.
Of a channel that the notice has left, because it was refused there or not read, a receipt ends nothing any more.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from .providers.base import Receipt, ReceiptKind

_OPEN: Final = frozenset({"accepted", "unknown", "submitted"})
"""States that a failure ends."""
_SPACE: Final = uuid.UUID("6f1f3a52-5c0e-5d0a-9c0f-5a1d8a5b8a10")


@dataclass(frozen=True, slots=True)
class Standing:
    """A notice before a receipt: its state, the request that it stands with, and its channel."""

    state: str
    request_id: str | None
    channel: str = "sms"


@dataclass(frozen=True, slots=True)
class Matched:
    """A receipt, the request of ours that it is about, and by which channel that went."""

    receipt: Receipt
    request_id: str
    channel: str = "sms"


@dataclass(frozen=True, slots=True)
class End:
    """The state that follows and the code of the receipt that counted."""

    state: ReceiptKind
    code: str | None


def merge(standing: Standing, matched: Iterable[Matched]) -> End | None:
    """What follows from some receipts of one notice; None: nothing."""
    here = [m for m in matched if m.channel == standing.channel]
    found = sorted(here, key=lambda m: (_when(m.receipt), m.receipt.code or "", m.request_id))
    delivered = next((m for m in found if m.receipt.kind == "delivered"), None)
    if delivered is not None:
        if standing.state in ("delivered", "suppressed"):
            return None
        return End("delivered", delivered.receipt.code)
    failed = next((m for m in found if m.request_id == standing.request_id), None)
    if failed is None or standing.state not in _OPEN:
        return None
    return End("undelivered", failed.receipt.code)


def key(provider: str, receipt: Receipt) -> str:
    """A UUID of what a receipt says, so that the same one is kept once."""
    at = str(receipt.at.timestamp()) if receipt.at else ""
    parts = (
        provider,
        receipt.request_id or "",
        receipt.provider_ref or "",
        receipt.kind,
        receipt.code or "",
        at,
    )
    return str(uuid.uuid5(_SPACE, "\n".join(parts)))


def usable(receipt: Receipt) -> Receipt | None:
    """The receipt with a request id only if it is one that we could have issued; None when nothing is left of it."""
    try:
        request_id = str(uuid.UUID(receipt.request_id)) if receipt.request_id else None
    except ValueError:
        request_id = None
    if request_id is None and not receipt.provider_ref:
        return None
    return replace(receipt, request_id=request_id)


def _when(receipt: Receipt) -> float:
    at: datetime | None = receipt.at
    return at.timestamp() if at else float("inf")
