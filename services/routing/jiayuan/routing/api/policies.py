"""Policy tables over HTTP: seen by staff, handed in and judged by the county's people, of whom two are needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from marshmallow import fields, validate

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import http
from jiayuan.chassis.web import Call
from jiayuan.contracts.schemas.common import Demand, a_text
from jiayuan.contracts.times import iso

from .. import enacting
from ..policy import Finding, PolicyError
from .common import STAFF, caller

COUNTY = ("county",)


class VerdictBody(Demand):
    """What the second person says; a reason is needed where it isn't approved."""

    verdict = fields.String(required=True, validate=validate.OneOf(enacting.VERDICTS))
    reason = a_text(500)


class Policies:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/policies", roles=STAFF)
    def policies(self, call: Call) -> Any:  # noqa: ARG002  every entrypoint takes the call
        """All tables: from when on, in which state, who handed them in and who judged them."""
        with self.delivery.work() as work:
            return {"policies": [_line(p) for p in enacting.listing(work)]}

    @http("GET", "/policies/<string:table>", roles=STAFF)
    def policy(self, call: Call, table: str) -> Any:  # noqa: ARG002
        """The document of a table."""
        with self.delivery.work() as work:
            document = enacting.document_of(work, table)
            if document is None:
                raise Problem(404, "No such policy", f"there is no policy {table[:40]}")
            line = next((p for p in enacting.listing(work) if p["version"] == table), None)
            plain = enacting.plain(document)
            return {"document": plain, **({"state": line["state"]} if line else {})}

    @http("POST", "/policies", roles=COUNTY)
    def hand_in(self, call: Call) -> Any:
        """Hands in a table (the JSON of its document); it waits for somebody else."""
        raw = call.get_data()
        if b"\\u0000" in raw:
            raise Problem(400, "The body is not usable", "it holds U+0000, which cannot be stored")
        try:
            document = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise Problem(400, "The body is not JSON", f"{error}") from None
        with _refused(), self.delivery.work() as work:
            done = enacting.import_policy(work, document, caller(call).subject)
            return 201, _said(done, enacting.WAITING)

    @http("POST", "/policies/<string:table>/verdicts", roles=COUNTY)
    def judge(self, call: Call, table: str) -> Any:
        """Somebody else approves or rejects a table that waits; an approved one can be withdrawn."""
        body = call.json_body(VerdictBody)
        with _refused(), self.delivery.work() as work:
            done = enacting.judge(work, table, body["verdict"], caller(call).subject, body.get("reason"))
            return _said(done, body["verdict"])


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except PolicyError as error:
        raise Problem(422, "The policy can't be taken", problems=error.problems) from None


def _said(done: enacting.Enacted, state: str) -> dict[str, Any]:
    return {
        "version": done.table.version,
        "effective_from": iso(done.table.effective_from),
        "rules": len(done.table.rules),
        "state": state,
        "warnings": [_warning(w) for w in done.warnings],
    }


def _warning(finding: Finding) -> dict[str, str]:
    return {"field": finding.field, "problem": finding.problem, "allowed": finding.allowed}


def _line(found: dict[str, Any]) -> dict[str, Any]:
    times = ("effective_from", "imported_at", "verdict_at")
    return {k: iso(v) if k in times and v is not None else v for k, v in found.items()}
