"""How a policy table comes into force: imported by one person, approved by another, and from its time on.

Every table and every verdict stays; a version is never changed, since decisions name it. Replicas hear of a verdict by
the directory's version and take the table up by themselves when its time comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem

from . import book, catalogue, policy, store
from .policy import Finding, Policy, PolicyError

APPROVED: Final = "approved"
REJECTED: Final = "rejected"
WITHDRAWN: Final = "withdrawn"
VERDICTS: Final = (APPROVED, REJECTED, WITHDRAWN)
WAITING: Final = "waiting"
BUNDLED: Final = "bundled"


@dataclass(frozen=True, slots=True)
class Enacted:
    """A table that was imported or judged, and what is odd about it."""

    table: Policy
    warnings: tuple[Finding, ...] = ()


def check(work: Work, document: Any) -> Enacted:
    """The table of a document, held against the directory and the catalogue. PolicyError with everything wrong."""
    return analysed(document, policy.domain_of(store.read_directory(work), catalogue.current()))


def analysed(document: Any, domain: policy.Domain) -> Enacted:
    """The table of a document, held against what there is. PolicyError with everything that is wrong."""
    table = policy.read(document, shadows=False)
    findings = policy.analyse(table, domain)
    wrong = [f.as_problem for f in findings if f.severity == "error"]
    if wrong:
        raise PolicyError(wrong)
    return Enacted(table, tuple(findings))


def import_policy(work: Work, document: Mapping[str, Any], by: str) -> Enacted:
    """Adds a table, which waits for a second person. PolicyError when it is wrong or its version is known."""
    enacted = check(work, document)
    table = enacted.table
    known = store.policy_row(work, table.version) is not None or table.version == policy.bundled().version
    if known or not store.add_policy(work, table.version, table.effective_from, plain(document), by):
        raise _wrong("version", f"{table.version} was imported before", "a new version for a changed table")
    return enacted


def judge(work: Work, version: str, verdict: str, by: str, reason: str | None = None) -> Enacted:
    """A second person approves or rejects a table that waits, or somebody withdraws one that was approved.

    An approved table holds from its `effective_from`, or from now where that is past; open cases keep what was decided.
    PolicyError where it may not be, or where a table that was right no longer is.
    """
    row = store.policy_row(work, version, lock=True)
    if row is None:
        raise _wrong("version", f"there is no imported policy {version}")
    if verdict not in VERDICTS:
        raise _wrong("verdict", f"is {verdict!r:.40}", ", ".join(VERDICTS))
    state = row.verdict or WAITING
    if state == verdict:
        return Enacted(policy.read(row.document))
    allowed = {WAITING: (APPROVED, REJECTED, WITHDRAWN), APPROVED: (WITHDRAWN,)}.get(state, ())
    if verdict not in allowed:
        raise _wrong("verdict", f"{version} is {state}", ", ".join(allowed) or "a new version of the table")
    if verdict in (APPROVED, REJECTED) and by == row.imported_by:
        raise _wrong("by", f"{by} imported it", "another person than who imported the table")
    if verdict != APPROVED and not (reason or "").strip():
        raise _wrong("reason", "is missing", "1 to 500 characters")
    enacted = check(work, row.document) if verdict == APPROVED else Enacted(policy.read(row.document))
    store.add_verdict(work, version, verdict, by, reason)
    store.next_directory_version(work, by)
    book.forget(work)
    return enacted


def _wrong(field: str, problem: str, allowed: str = "") -> PolicyError:
    return PolicyError([FieldProblem(field, problem, allowed)])


def listing(work: Work) -> list[dict[str, Any]]:
    """All tables, the one that holds from the latest time first: who brought it, who judged it, whether it is in force.

    `state`: waiting, approved (its time is to come, or past), in_force, rejected, withdrawn.
    """
    now = in_force(work)
    out = [_line(row, now) for row in store.policy_rows(work)]
    bundled = policy.bundled()
    if bundled.version not in {line["version"] for line in out}:
        out.append(
            {
                "version": bundled.version,
                "effective_from": bundled.effective_from,
                "state": "in_force" if now == bundled.version else BUNDLED,
                "imported_by": None,
                "imported_at": None,
                "verdict_by": None,
                "verdict_at": None,
                "reason": None,
            }
        )
    return out


def _line(row: Any, in_force: str) -> dict[str, Any]:
    return {
        "version": row.version,
        "effective_from": row.effective_from,
        "state": "in_force" if row.version == in_force else row.verdict or WAITING,
        "imported_by": row.imported_by,
        "imported_at": row.imported_at,
        "verdict_by": row.verdict_by,
        "verdict_at": row.verdict_at,
        "reason": row.reason,
    }


def in_force(work: Work) -> str:
    """The version that holds now."""
    return book.of(work).policy(work.now).version


def document_of(work: Work, version: str) -> dict[str, Any] | None:
    """The document of a version; None when there is none of that version."""
    row = store.policy_row(work, version)
    if row is not None:
        found: dict[str, Any] = row.document
        return found
    return policy.bundled_document() if version == policy.bundled().version else None


def table_of(work: Work, version: str) -> Policy | None:
    """The table of a version, also of one that is not in force any more."""
    known = book.of(work).version(version)
    if known is not None:
        return known
    document = document_of(work, version)
    return policy.read(document) if document is not None else None


def plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """The table in words that JSON has: times as text, colours with keys that can be read back."""
    out = dict(document)
    since = out["effective_from"]
    out["effective_from"] = since if isinstance(since, str) else since.isoformat()
    out["colours"] = {str(i): {str(u): c for u, c in row.items()} for i, row in out["colours"].items()}
    return out


def readable(document: Mapping[str, Any]) -> dict[str, Any]:
    """A stored table as it is written by hand: the weights of colours are numbers again."""
    out = dict(document)
    out["colours"] = {int(i): {int(u): c for u, c in row.items()} for i, row in out["colours"].items()}
    return out
