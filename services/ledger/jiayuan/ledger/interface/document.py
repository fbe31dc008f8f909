"""The OpenAPI 3.1 document of the ledger's HTTP interface, made from the entrypoints, the schemas and `OPERATIONS`.

    python -m jiayuan.ledger.interface.document            # writes data/openapi.json, which /openapi.json serves
    python -m jiayuan.ledger.interface.document --check    # exit code 1 when it differs

Needs apispec, which only the development environment has.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from jiayuan.chassis import operation
from jiayuan.chassis.openapi import Interface, plain
from jiayuan.chassis.operation import Operations

from . import account, closings, lists, meetings, proof, public, reports
from .answers import Problem

FILE: Final = Path(__file__).resolve().parents[1] / "data/openapi.json"
_PARTS: Final[tuple[Operations, ...]] = (
    account.OPERATIONS,
    closings.OPERATIONS,
    lists.OPERATIONS,
    meetings.OPERATIONS,
    proof.OPERATIONS,
    public.OPERATIONS,
    reports.OPERATIONS,
)


def interface() -> Interface:
    """The ledger's interface."""
    from ..service import LedgerService

    return Interface(
        service=LedgerService,
        title="Jiayuan 數智家園: ledger",
        description="The annual livelihood account: entries, what was posted under them, and how the books are closed. "
        "Nothing that was posted is ever changed. Every refusal is a problem document (RFC 9457). Answers may grow: "
        "ignore members that you don't know.",
        parts=(*_PARTS, operation.SERVICE),
        problem=Problem,
        otherwise=plain,
        also=reports.SCHEMAS,
        titles={202: "Ordered; it is done in a moment."},
        path={
            "year": {"description": "The year of an account, by Chinese time."},
            "entry": {"description": "The id of an entry."},
            "list_id": {"description": "The id of a list."},
            "meeting": {"description": "The id of a meeting."},
            "claim": {"description": "The id of a claim."},
            "number": {
                "description": "Of a posting in its entry, a line in its list, a milestone, a decision; from 1 on."
            },
            "name": {
                "description": "A publication: 2026, 2026-STREET; with a number, 2026-STREET.3, that one."
            },
            "form": {"description": "The form of the file."},
            "period": {"description": "A year, 2026, or a quarter, 2026Q3."},
        },
    )


def main(arguments: list[str] | None = None) -> int:
    """The command. Exit code 1 when `--check` finds a difference."""
    return interface().main(FILE, "jiayuan.ledger.interface.document", arguments)


if __name__ == "__main__":
    sys.exit(main())
