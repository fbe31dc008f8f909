"""Trained models and their states, the desk's corrections, and guesses of the model in the shadow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row

from jiayuan.chassis import bulk
from jiayuan.chassis.transaction import Prepared
from jiayuan.chassis.work import Work
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso

from .tables import correction, model_step, shadow_guess

CANDIDATE: Final = "candidate"
SHADOW: Final = "shadow"
CURRENT: Final = "current"
RETIRED: Final = "retired"


def models_in_use(work: Work) -> dict[str, str]:
    """The version of the model in force and of the one in its shadow, by state."""
    found = work.execute("SELECT state, version FROM model WHERE state IN ('current', 'shadow')")
    return {r.state: r.version for r in found}


def model_content(work: Work, version: str) -> bytes:
    """The file of a model."""
    return bytes(work.execute("SELECT content FROM model WHERE version = :v", v=version).scalar_one())


def model_list(work: Work) -> list[Row[Any]]:
    """All models without their content, the newest first."""
    return list(
        work.execute(
            "SELECT version, digest, document, state, added_at, octet_length(content) AS bytes FROM model "
            "ORDER BY added_at DESC, version DESC"
        )
    )


def model_steps(work: Work) -> list[Row[Any]]:
    """Who put which model where, the newest first."""
    return list(
        work.execute("SELECT version, action, before, who, reason, at FROM model_step ORDER BY number DESC")
    )


def hold_models(work: Work) -> None:
    """Lets only one command change models at a time."""
    work.execute("SELECT pg_advisory_xact_lock(hashtext('jiayuan.intake.model'))")


def add_model(work: Work, version: str, digest: str, document: dict[str, Any], content: bytes) -> bool:
    """Keeps a model as a candidate; False when that version is here already."""
    new = work.execute(
        "INSERT INTO model (version, digest, document, content, state, added_at) "
        "VALUES (:version, :digest, CAST(:document AS jsonb), :content, 'candidate', :now) "
        "ON CONFLICT DO NOTHING RETURNING version",
        version=version,
        digest=digest,
        document=bulk.dumps(document),
        content=content,
        now=work.now,
    ).first()
    return new is not None


def model_state(work: Work, version: str, state: str) -> None:
    """Puts a model into a state."""
    work.execute("UPDATE model SET state = :state WHERE version = :v", v=version, state=state)


def note_step(work: Work, version: str, action: str, before: str | None, who: str, reason: str) -> None:
    """Keeps who did what to a model, and why."""
    row = {
        "version": version,
        "action": action,
        "before": before,
        "who": who,
        "reason": reason,
    }
    work.insert(model_step, [{**row, "at": iso(work.now)}])


def add_shadow_guesses(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Keeps what the model in the shadow said."""
    work.insert(shadow_guess, rows, conflict="ON CONFLICT DO NOTHING")


def shadow_guesses(work: Work, version: str) -> list[Row[Any]]:
    """What a model said in the shadow, what was decided, and the desk's last word: `corrected` or NULL."""
    return list(
        work.execute(
            "SELECT g.report, g.label, g.code, g.confidence, g.current_version, g.current_label, g.current_code, "
            "g.current_confidence, c.code AS corrected FROM shadow_guess g LEFT JOIN LATERAL (SELECT code "
            "FROM correction WHERE correction.report = g.report ORDER BY at DESC, id DESC LIMIT 1) c ON true "
            "WHERE g.version = :v",
            v=version,
        )
    )


def correct_category(
    work: Work, report: Row[Any], category: Any, *, importance: int, urgency: int, who: str, reason: str
) -> None:
    """Puts a report's category right and keeps what it was."""
    work.execute(
        "UPDATE report SET category = :code, category_name = :name, category_confidence = 1, "
        "category_method = 'desk', livelihood = :livelihood, importance = :importance, urgency = :urgency "
        "WHERE id = :id",
        id=report.id,
        code=category.code,
        name=category.name,
        livelihood=category.livelihood,
        importance=importance,
        urgency=urgency,
    )
    row = {
        "id": new_id(),
        "report": str(report.id),
        "before_code": report.category,
        "before_method": report.category_method,
        "before_confidence": report.category_confidence,
        "code": category.code,
        "who": who,
        "reason": reason,
        "at": iso(work.now),
    }
    work.insert(correction, [row])


_HEAR: Final = Prepared(
    # The report as it is, if it isn't the desk's word already; then the correction, once; then the report, unless a
    # desk has said something later.
    "WITH was AS (SELECT id, category, category_method, category_confidence, "
    "signs::text NOT IN ('[]', 'null') AS danger FROM report "
    "WHERE id = $1 AND NOT (category = $3 AND category_method = 'desk') FOR UPDATE), "
    "said AS (INSERT INTO correction "
    "(id, report, before_code, before_method, before_confidence, code, who, reason, at) "
    "SELECT $2, id, category, category_method, category_confidence, $3, $8, $9, $10 FROM was "
    "ON CONFLICT (id) DO NOTHING RETURNING report) "
    "UPDATE report r SET category = $3, category_name = $4, category_confidence = 1, category_method = 'desk', "
    "livelihood = $5, importance = CASE WHEN was.danger THEN 3 ELSE $6 END, "
    "urgency = CASE WHEN was.danger THEN 3 ELSE $7 END FROM was JOIN said ON said.report = was.id "
    "WHERE r.id = was.id AND NOT EXISTS (SELECT 1 FROM correction c WHERE c.report = r.id AND c.at > $10)",
    "uuid",
    "uuid",
    "text",
    "text",
    "boolean",
    "smallint",
    "smallint",
    "text",
    "text",
    "timestamptz",
)


def hear_correction(
    work: Work, report: str, category: Any, *, id_: str, who: str, reason: str, at: datetime
) -> None:
    """Keeps what a desk decided elsewhere about a report's category, once a correction's id."""
    work.later(
        _HEAR,
        report,
        id_,
        category.code,
        category.name,
        category.livelihood,
        category.importance,
        category.urgency,
        who,
        reason,
        at,
    )


def corrected_reports(work: Work) -> list[Row[Any]]:
    """Title, text and the desk's last category of every report that was corrected and whose person wasn't erased."""
    return list(
        work.execute(
            "SELECT DISTINCT ON (c.report) c.report, r.title, r.text, c.code FROM correction c "
            "JOIN report r ON r.id = c.report WHERE r.erased_at IS NULL ORDER BY c.report, c.at DESC, c.id DESC"
        )
    )
