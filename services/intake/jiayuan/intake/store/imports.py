"""Files that are being taken in: how far each is. The SQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from jiayuan.chassis.work import Work


@dataclass(slots=True)
class Progress:
    """How far a file is: its last line and byte that were dealt with, what became of its lines, and the bytes of
    `FILE.errors.csv` that belong to them.
    """

    line: int = 0
    offset: int = 0
    read: int = 0
    accepted: int = 0
    known: int = 0
    wrong: int = 0
    left_out: int = 0
    errors: int = 0


_COLUMNS = "line, at_byte, lines_read, accepted, known, wrong, left_out, errors_size"


def begin(work: Work, id_: str, name: str) -> Progress:
    """Where a file stands; one that is new, or was finished before, stands at its beginning."""
    row = work.execute(
        "INSERT INTO file_import AS f (id, name, started_at, updated_at) VALUES (:id, :name, :now, :now) "
        "ON CONFLICT (id) DO UPDATE SET "
        + ", ".join(
            f"{c} = CASE WHEN f.finished_at IS NULL THEN f.{c} ELSE 0 END" for c in _COLUMNS.split(", ")
        )
        + f", finished_at = NULL, updated_at = :now RETURNING {_COLUMNS}",
        id=id_,
        name=name,
        now=work.now,
    ).one()
    return Progress(*row)


def advance(work: Work, id_: str, before: int, progress: Progress, *, finished: bool = False) -> bool:
    """Says how far it is now, if it still stands at line `before`; False: another process is at the same file."""
    return (
        work.execute(
            "UPDATE file_import SET line = :line, at_byte = :offset, lines_read = :read, accepted = :accepted, "
            "known = :known, wrong = :wrong, left_out = :left_out, errors_size = :errors, updated_at = :now, "
            "finished_at = CASE WHEN :finished THEN CAST(:now AS timestamptz) END "
            "WHERE id = :id AND line = :before",
            **asdict(progress),
            id=id_,
            before=before,
            now=work.now,
            finished=finished,
        ).rowcount
        == 1
    )


def codes(work: Work, said: Iterable[str]) -> set[str]:
    """Which of these are tracking codes of reports."""
    wanted = sorted(set(said))
    if not wanted:
        return set()
    found = work.execute("SELECT tracking_code FROM report WHERE tracking_code = ANY(:codes)", codes=wanted)
    return {str(r[0]) for r in found}
