"""Intake's tables (`tables`) and its SQL: a module a word, whose names are those of this package."""

from __future__ import annotations

from .idempotency import claim_key, forget_keys, keep_answer
from .limits import count_together, forget_use
from .progress import keep_progress, progress_of
from .reports import (
    Known,
    add_reports,
    id_of_code,
    known,
    list_of,
    next_version,
    one,
    public_page,
    ratings,
    supplements,
    withdraw,
)
from .standing import count_standing, judge, standing_of, submitted_by, texts_of
from .tables import (
    RECEIVED,
    WITHDRAWN,
    attachment,
    fallback_point,
    gazetteer_version,
    idempotency_key,
    metadata,
    place_question,
    rating,
    report,
    service_point,
    supplement,
)

__all__ = [
    "RECEIVED",
    "WITHDRAWN",
    "Known",
    "add_reports",
    "attachment",
    "claim_key",
    "count_standing",
    "count_together",
    "fallback_point",
    "forget_keys",
    "forget_use",
    "gazetteer_version",
    "id_of_code",
    "idempotency_key",
    "judge",
    "keep_answer",
    "keep_progress",
    "known",
    "list_of",
    "metadata",
    "next_version",
    "one",
    "place_question",
    "progress_of",
    "public_page",
    "rating",
    "ratings",
    "report",
    "service_point",
    "standing_of",
    "submitted_by",
    "supplement",
    "supplements",
    "texts_of",
    "withdraw",
]
