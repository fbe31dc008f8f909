"""The OpenAPI 3.1 document of notify's HTTP interface, made from the entrypoints, the schemas and `OPERATIONS`.

    python -m jiayuan.notify.interface.document            # writes data/openapi.json, which /openapi.json serves
    python -m jiayuan.notify.interface.document --check    # exit code 1 when it differs

Needs apispec, which only the development environment has.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from jiayuan.chassis import operation
from jiayuan.chassis.openapi import Interface, plain
from jiayuan.chassis.operation import Operations

from . import notices, operating, preferences, receipts, statistics
from .answers import Problem

FILE: Final = Path(__file__).resolve().parents[1] / "data/openapi.json"
_PARTS: Final[tuple[Operations, ...]] = (
    notices.OPERATIONS,
    operating.OPERATIONS,
    preferences.OPERATIONS,
    receipts.OPERATIONS,
    statistics.OPERATIONS,
)


def interface() -> Interface:
    """Notify's interface."""
    from ..service import NotifyService

    return Interface(
        service=NotifyService,
        title="Jiayuan 數智家園: notify",
        description="Notices: what became of each, and what people wish to be told. Recipients are pseudonyms; no "
        "address of a person and no text of a notice is ever shown. Every refusal is a problem document (RFC 9457), "
        "but a page's for an unknown code, which is a page. Answers may grow: ignore members that you don't know.",
        parts=(*_PARTS, operation.SERVICE),
        problem=Problem,
        otherwise=plain,
        also=statistics.SCHEMAS,
        titles={303: "On to the matter."},
        path={
            "provider": {"description": "The provider's name in the configuration of providers."},
            "secret": {"description": "The secret path of the provider's callbacks, which is the proof."},
            "kind": {"description": "provider, channel or template."},
            "name": {"description": "The provider's name, the channel, or the template's code."},
            "code": {"description": "The tracking code of a report, which is the proof."},
            "type": {"description": "What kind of recipient."},
            "id": {
                "description": "The pseudonym of a citizen, the id of a person, the code of a unit, desk-<street>."
            },
        },
    )


def main(arguments: list[str] | None = None) -> int:
    """The command. Exit code 1 when `--check` finds a difference."""
    return interface().main(FILE, "jiayuan.notify.interface.document", arguments)


if __name__ == "__main__":
    sys.exit(main())
