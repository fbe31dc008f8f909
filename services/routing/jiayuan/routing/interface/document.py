"""The OpenAPI 3.1 document of routing's HTTP interface, made from the entrypoints, the schemas and `OPERATIONS`.

    python -m jiayuan.routing.interface.document            # writes data/openapi.json, which /openapi.json serves
    python -m jiayuan.routing.interface.document --check    # exit code 1 when it differs

Needs apispec, which only the development environment has.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from jiayuan.chassis import operation
from jiayuan.chassis.openapi import Interface, plain

from . import cases, deciding, directory, emergencies, helping, moves, others, whistles
from .answers import Problem

FILE: Final = Path(__file__).resolve().parents[1] / "data/openapi.json"
_PARTS: Final = (cases, deciding, moves, directory, others, whistles, helping, emergencies)


def interface() -> Interface:
    """Routing's interface."""
    from ..service import RoutingService

    return Interface(
        service=RoutingService,
        title="Jiayuan 數智家園: routing",
        description="Cases: who handles them, what was done, by whom. What somebody sees and may do depends on their "
        "part in a case. Every refusal is a problem document (RFC 9457); that of a move that came too late tells how "
        "the case stands now. Answers may grow: ignore members that you don't know.",
        parts=(*(part.OPERATIONS for part in _PARTS), operation.SERVICE),
        problem=Problem,
        otherwise=plain,
        path={
            "case": {"description": "The case's id or number."},
            "leg": {"description": "The leg's id."},
            "approval": {"description": "The approval's id."},
            "id": {"description": "The id of a person, the code of a unit, or desk-<street>."},
            "code": {"description": "The code of a grid, a community or a service point."},
            "number": {"description": "The number of a session, from 1 on."},
            "street": {"description": "The code of a street."},
            "version": {"description": "The number of a change of the directory."},
            "table": {"description": "The version of a policy table."},
            "finding": {"description": "The id of a finding."},
            "emergency": {"description": "The id of an emergency."},
        },
    )


def main(arguments: list[str] | None = None) -> int:
    """The command. Exit code 1 when `--check` finds a difference."""
    return interface().main(FILE, "jiayuan.routing.interface.document", arguments)


if __name__ == "__main__":
    sys.exit(main())
