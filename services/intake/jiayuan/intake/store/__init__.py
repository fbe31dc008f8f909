"""Intake's tables (`tables`) and its SQL: a module a word, whose names are those of this package."""

from __future__ import annotations

from .idempotency import claim_key, forget_keys, keep_answer
from .reports import (
    Known,
    add_reports,
    id_of_code,
    known,
    next_version,
    one,
    ratings,
    supplements,
    withdraw,
)
from .tables import RECEIVED, WITHDRAWN, idempotency_key, metadata, rating, report, supplement

__all__ = [
    "RECEIVED",
    "WITHDRAWN",
    "Known",
    "add_reports",
    "claim_key",
    "forget_keys",
    "id_of_code",
    "idempotency_key",
    "keep_answer",
    "known",
    "metadata",
    "next_version",
    "one",
    "rating",
    "ratings",
    "report",
    "supplement",
    "supplements",
    "withdraw",
]
