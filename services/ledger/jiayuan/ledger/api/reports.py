"""Reports of a quarter or a year, for everybody; the matters behind them, for staff."""

from __future__ import annotations

import tempfile
from typing import Any, Final

from werkzeug.wrappers import Response

from jiayuan.chassis.limits import Limit
from jiayuan.chassis.service import http
from jiayuan.chassis.web import Call
from jiayuan.contracts.schemas.common import Demand, a_code, a_word

from .. import reporting
from ..closing import Period
from ..reports import BY
from ..sheeting import TYPES, CsvFile
from .closings import SEES
from .common import period_of, pieces

# A report reads a year's postings: whoever asks more often than a reader would waits.
REPORTS: Final = Limit("reports", most=30, seconds=60)


class ReportQuery(Demand):
    """Which report."""

    by = a_word(tuple(BY), required=False)
    street = a_code()
    format = a_word(reporting.FORMATS, required=False)


class MattersQuery(Demand):
    """Whose matters."""

    street = a_code()


class Reports:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/public/reports/<string:period>", before=REPORTS)
    def report(self, call: Call, period: str) -> Any:
        """What was promised, done, late and satisfied, with the year before beside it; JSON, CSV or XLSX."""
        query = call.query(ReportQuery)
        form = query.get("format") or "json"
        document = report_of(self.delivery, period_of(period), query)
        if form == "json":
            return document
        name = f"report-{document['period']}-{document['by']}.{form}"
        return Response(
            reporting.file_of(document, form),
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
            content_type=TYPES[form],
        )

    @http("GET", "/reports/<string:period>/matters", roles=SEES)
    def report_matters(self, call: Call, period: str) -> Any:
        """The matters behind a report, each with the figures that it counts in, as CSV."""
        query = call.query(MattersQuery)
        with self.delivery.work() as work:
            file = tempfile.SpooledTemporaryFile(1 << 20)  # noqa: SIM115  read after this, by the answer
            out = CsvFile(file)
            for row in reporting.matter_rows(reporting.matters(work, period_of(period), query.get("street"))):
                out.row(row)
            out.end()
        return Response(
            pieces(file),
            headers={"Content-Disposition": f'attachment; filename="matters-{period}.csv"'},
            content_type=TYPES["csv"],
        )


def report_of(delivery: Any, period: Period, query: dict[str, Any]) -> dict[str, Any]:
    """A report by a query."""
    with delivery.work() as work:
        return reporting.report(work, period, query.get("by") or "street", query.get("street") or None)
