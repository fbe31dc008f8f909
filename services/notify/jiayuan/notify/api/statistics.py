"""`/statistics`, `/budget`: how quick sending was and what it cost."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields, validate
from werkzeug.wrappers import Response

from jiayuan.chassis.aside import aside
from jiayuan.chassis.service import http
from jiayuan.chassis.web import Call
from jiayuan.contracts.schemas.common import Time
from jiayuan.contracts.times import parse

from .. import routes, statistics, wall
from .operating import LOOK

FORMATS: Final = ("json", "csv", "xlsx")
TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class StatisticsQuery(Schema):
    """Which notices are summed."""

    since = Time(metadata={"description": "From its full hour on; today unless given."})
    until = Time(metadata={"description": "Not included; now unless given."})
    by = fields.String(
        validate=validate.Length(max=60),
        metadata={"description": "hour, day, provider, channel, template; several with commas."},
    )
    format = fields.String(validate=validate.OneOf(FORMATS))


class Statistics:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/statistics", roles=LOOK)
    def statistics(self, call: Call) -> Any:
        """How quick sending was and what it cost."""
        asked, now = call.query(StatisticsQuery), wall.now()
        since = parse(asked["since"]) if "since" in asked else statistics.today(now)
        until = parse(asked["until"]) if "until" in asked else now + statistics.HOUR
        by = [word for word in asked.get("by", "").split(",") if word]
        with self.delivery.work() as work:
            found = statistics.document(work, since, until, by)
        form = asked.get("format", "json")
        if form == "json":
            return found
        lines = statistics.table(found)
        made = statistics.as_csv(lines) if form == "csv" else aside(statistics.as_xlsx, lines)
        name = f'attachment; filename="notices.{form}"'
        return Response(made, 200, {"Content-Disposition": name}, content_type=TYPES[form])

    @http("GET", "/budget", roles=LOOK)
    def budget(self, call: Call) -> Any:  # noqa: ARG002  every entrypoint has it
        """What was spent today and this month, by provider, and of which budget."""
        with self.delivery.work() as work:
            return statistics.budgets(work, routes.settings_of(self.delivery), wall.now())
