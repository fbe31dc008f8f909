"""`/r/<token>` and `/notices/<id>/read`: a notice was read (已阅)."""

from __future__ import annotations

import uuid
from typing import Any, Final

from werkzeug.wrappers import Response

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.pages import answer, headers, words_for
from jiayuan.chassis.service import http
from jiayuan.chassis.web import Call
from jiayuan.contracts.times import iso

from .. import reading, rules, store
from ..pages import confirm as page
from .preferences import SIGNED_IN, me

TOKEN: Final = "/r/<string(maxlength=22):token>"
_PRIVATE: Final = {"Cache-Control": "no-store"}


class Reading:
    """The entrypoints."""

    delivery: Any

    @http("GET", TOKEN)
    def confirm_page(self, call: Call, token: str) -> Any:
        """The page of a notice's link, with a button. Opening it counts for nothing: machines open links too."""
        words, notice = words_for("notify", call), reading.notice_of(token)
        with self.delivery.work() as work:
            row = store.found_read(work, notice) if notice else None
        if row is None or row["state"] in store.NEVER_SENT:
            return answer(page.unknown(words), status=404)
        return answer(page.form(words, row), leads_on=True)

    @http("POST", TOKEN)
    def confirm(self, call: Call, token: str) -> Any:
        """The person has read it; goes on to the matter. A program that accepts JSON is told when it was read."""
        words, notice = words_for("notify", call), reading.notice_of(token)
        with self.delivery.work() as work:
            row = reading.read(work, notice) if notice else None
        if call.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json":
            return 200, _read(row), _PRIVATE
        if row is None:
            return answer(page.unknown(words), status=404)
        number = row["parameters"].get("number")
        if number and row["role"] != "citizen":
            where = self.delivery.settings.staff_url + number
            return Response(status=303, headers={**headers(), "Location": where})
        return answer(page.done(words))

    @http("POST", "/notices/<string(maxlength=36):notice>/read", roles=SIGNED_IN)
    def acknowledge(self, call: Call, notice: str) -> Any:
        """Whoever is signed in has read a notice to him, his unit or his desk."""
        who = call.need()
        try:
            id_ = str(uuid.UUID(notice))
        except ValueError:
            raise _unknown() from None
        with self.delivery.work() as work:
            row = store.found_read(work, id_)
            mine = {me(who)} | ({("desk", rules.desk_ref(who.street))} if "desk" in who.roles else set())
            if row is None or (row["recipient_type"], row["recipient"]) not in mine:
                raise _unknown()
            return 200, _read(reading.read(work, id_)), _PRIVATE


def _read(row: dict[str, Any] | None) -> dict[str, Any]:
    if row is None:
        raise _unknown()
    return {"id": row["id"], "read_at": iso(row["read_at"])}


def _unknown() -> Problem:
    return Problem(404, "There is no such notice", "or it isn't to you, or it hasn't been sent")
