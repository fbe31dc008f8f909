"""Hotline and counter: an agent takes down what a citizen says (代報)."""

from __future__ import annotations

from typing import Any, Final

from jiayuan.chassis.service import http

from .. import api, limits, report, schemas
from .adapter import Adapter

ROLES: Final = ("agent", "desk", "county", "service")
_WRITE = limits.Limited("hotline", "write")

ADAPTER: Final = Adapter(
    name="hotline",
    title="Hotline and counter 熱線與窗口代報",
    channels=("hotline",),
    ways=("POST /hotline/reports",),
    roles=ROLES,
    trusts="the agent's sign-in; what the agent says of the citizen is the citizen's word, and only the citizen's "
    "number makes it the citizen's report",
    key="the agent's `unit` (else street, else the county) and `work_order`, for ever",
    wrong="422 naming each field, what is wrong and what is allowed; 409 when the work order is another report's",
)


def submit(delivery: Any, call: Any) -> api.Answer:
    """`POST /hotline/reports`: 201 with the new report; sent again 200 with the same; 409 for another text."""
    document = call.json_body(schemas.HotlineReport)
    who = call.need(*ROLES)
    desk = who.unit or who.street or "county"
    submission = report.from_document(
        {**document, "external_id": document["work_order"]},
        channel="hotline",
        source_system=f"hotline:{desk}",
        submitter=who.subject,
        facts={k: document[k] for k in ("via", "recording") if document.get(k)},
        secrets={"callback": document["callback"]} if document.get("callback") else {},
        dialogue=True,
        traceparent=call.traceparent,
    )
    return api.receive_one(delivery, submission, "work_order")


class Hotline:
    """The entrypoints."""

    delivery: Any

    @http("POST", "/hotline/reports", roles=ROLES, before=_WRITE)
    def hotline_report(self, call: Any) -> Any:
        """A report that an agent takes down for somebody."""
        return submit(self.delivery, call)
