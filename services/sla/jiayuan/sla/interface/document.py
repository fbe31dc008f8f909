"""The OpenAPI 3.1 document of sla's HTTP interface, made from the entrypoints, the schemas and `OPERATIONS`.

    python -m jiayuan.sla.interface.document            # writes data/openapi.json, which /openapi.json serves
    python -m jiayuan.sla.interface.document --check    # exit code 1 when it differs

Needs apispec, which only the development environment has.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from jiayuan.chassis import operation
from jiayuan.chassis.openapi import Interface
from jiayuan.chassis.operation import Operations

from . import clocks, rates
from .answers import Problem

FILE: Final = Path(__file__).resolve().parents[1] / "data/openapi.json"
_PARTS: Final[tuple[Operations, ...]] = (clocks.OPERATIONS, rates.OPERATIONS)


def interface() -> Interface:
    """sla's interface."""
    from ..service import SlaService

    return Interface(
        service=SlaService,
        title="Jiayuan 數智家園: sla",
        description="Deadlines: the clocks of cases and why each is due when it is, what goes red next, and the rates "
        "(三率). It only tells; what moves a clock is an event. Every refusal is a problem document (RFC 9457). "
        "Answers may grow: ignore members that you don't know.",
        parts=(*_PARTS, operation.SERVICE),
        problem=Problem,
        also=rates.SCHEMAS,
    )


def main(arguments: list[str] | None = None) -> int:
    """The command. Exit code 1 when `--check` finds a difference."""
    return interface().main(FILE, "jiayuan.sla.interface.document", arguments)


if __name__ == "__main__":
    sys.exit(main())
