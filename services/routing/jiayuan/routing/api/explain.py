"""Why a case is where it is, over HTTP."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from marshmallow import fields, validate

from jiayuan.chassis.service import Runtime, http
from jiayuan.chassis.web import Call
from jiayuan.chassis.work import Work
from jiayuan.contracts.schemas.common import Demand, said

from .. import book as books
from .. import case as cases
from .. import catalogue, enacting, store, visibility
from ..case import Case
from ..explain import LANGUAGES, explanation
from .common import PRIVATE, STAFF, caller, find_seen


class ExplainQuery(Demand):
    """In which language."""

    lang = said(fields.String(validate=validate.OneOf(LANGUAGES)), "zh (when absent) or en.")


class Explaining:
    """The entrypoint."""

    delivery: Any

    @http("GET", "/cases/<string:case>/explain", roles=STAFF)
    def explain(self, call: Call, case: str) -> Any:
        """Why a case is where it is, every decision about it, and the rules that nearly decided."""
        return explain(self.delivery, call, case)


def explain(delivery: Runtime, call: Call, name: str) -> Any:
    """GET /cases/<case>/explain?lang=zh|en, for whoever may see the case; of its legs only those that they see."""
    lang = call.query(ExplainQuery).get("lang") or "zh"
    who = caller(call)
    with delivery.work() as work:
        case, seen = find_seen(work, who, books.of(work), name)
        shown = {leg["id"] for leg in visibility.document(cases.document(case), seen)["legs"]}
        return 200, _said(work, case, lang, shown), PRIVATE


def explained(work: Work, name: str, lang: str) -> dict[str, Any] | None:
    """The explanation of a case by id or number; None when there is none."""
    case = store.read_case(work, name)
    return _said(work, case, lang, None) if case is not None else None


def _said(work: Work, case: Case, lang: str, shown: Collection[str] | None) -> dict[str, Any]:
    book = books.of(work)
    tables: dict[str, Any] = {}

    def table_of(version: str) -> Any:
        if version not in tables:
            tables[version] = enacting.table_of(work, version)
        return tables[version]

    return explanation(
        case,
        store.decisions_of(work, case.id),
        table_of,
        book.directory,
        catalogue.current(),
        book.policy(work.now).zone,
        lang,
        shown,
    )
