"""`/person`, `/consents` and `/reveals`: what citizens may have of their own data, and staff of what is masked.

See docs/privacy.md.
"""

from __future__ import annotations

from typing import Any

from marshmallow import validate

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.pages import answer, words_for
from jiayuan.chassis.service import http
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.schemas.common import Demand, YesNo, a_number, a_text, an_id
from jiayuan.contracts.times import iso

from .. import api, consent, limits, persons, reveals
from .. import keys as process_keys
from ..store import people as stored

CHANNEL = "privacy"
_OWN = limits.Limited(CHANNEL, "sign_in")
_READ = limits.Limited(CHANNEL, "read")
_PRIVATE = {"Cache-Control": "no-store"}


class Who(Demand):
    """Who asks, for somebody who isn't signed in: the tracking code of a report, and the number it was made with."""

    code = a_text(40)
    phone = a_text(40)


class Erasure(Who):
    """An erasure, which can't be taken back."""

    confirm = YesNo(required=True, validate=validate.Equal(True))


class Ask(Demand):
    """Which report is to be shown as it arrived, and why."""

    report = an_id()
    why = a_text(500, required=True, least=4)


class Approval(Demand):
    """For how long, and a remark."""

    minutes = a_number(1, reveals.MOST_MINUTES)
    why = a_text(500)


class Refusal(Demand):
    """Why not."""

    why = a_text(500, required=True, least=2)


class Privacy:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/consents", before=_READ)
    def consents(self, _call: Any) -> Any:
        """What reporters agree to, by version; the newest is the last one."""
        return {
            "newest": consent.newest().version,
            "versions": [c.document() for c in consent.versions().values()],
        }

    @http("POST", "/person/export", before=_OWN)
    def person_export(self, call: Any) -> Any:
        """All that is kept of a person, as JSON or, when asked for text/html, as a page; `?lang=en`."""
        document = call.json_body(Who)
        keys = process_keys.current()
        with self.delivery.work() as work:
            person = _person(work, call, document, keys)
            found = persons.export(work, person, keys, asked_by=persons.CITIZEN, why="")
        if call.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html":
            return answer(persons.page(words_for("intake", call), found))
        return 200, found, _PRIVATE

    @http("POST", "/person/erasure", before=_OWN)
    def person_erase(self, call: Any) -> Any:
        """Erases a person; again and again with the same answer."""
        document = call.json_body(Erasure)
        with self.delivery.work() as work:
            person = _person(work, call, document, process_keys.current())
            return 200, persons.erase(work, person, asked_by=persons.CITIZEN, why=""), _PRIVATE

    @http("GET", "/person/log", roles=("auditor", "privacy_officer"), before=_READ)
    def person_log(self, _call: Any) -> Any:
        """The newest exports and erasures."""
        with self.delivery.work() as work:
            return {"lines": [line_document(r) for r in stored.person_log_lines(work)]}

    @http("POST", "/reveals", before=_READ)
    def reveal_ask(self, call: Any) -> Any:
        """Staff ask to see a report as it arrived."""
        who = call.need()
        document = call.json_body(Ask)
        with self.delivery.work() as work:
            api.staff_may_see(work, who, document["report"])
            return 201, reveals.ask(work, document["report"], who, document["why"])

    @http("GET", "/reveals", before=_READ)
    def reveal_list(self, call: Any) -> Any:
        """Who asked, who allowed it, and each reading: all of it for auditors, one's own for others."""
        who = call.need(*api.STAFF, *reveals.AUDITORS)
        report = api.id_or_none(call.args.get("report"), "report")
        waiting = call.args.get("state") == "waiting"
        with self.delivery.work() as work:
            return {"reveals": reveals.listing(work, who, report=report, waiting=waiting)}

    @http("POST", "/reveals/<string:reveal>/approval", roles=reveals.APPROVERS, before=_READ)
    def reveal_approve(self, call: Any, reveal: str) -> Any:
        """A second person allows it for a while."""
        document = call.json_body(Approval)
        with self.delivery.work() as work:
            return 201, reveals.decide(
                work,
                reveal,
                call.need(),
                allow=True,
                minutes=document.get("minutes") or reveals.MINUTES,
                why=document.get("why") or "",
            )

    @http("POST", "/reveals/<string:reveal>/refusal", roles=reveals.APPROVERS, before=_READ)
    def reveal_refuse(self, call: Any, reveal: str) -> Any:
        """A second person doesn't allow it."""
        document = call.json_body(Refusal)
        with self.delivery.work() as work:
            return 201, reveals.decide(work, reveal, call.need(), allow=False, why=document["why"])

    @http("GET", "/reveals/<string:reveal>/content", before=_READ)
    def reveal_read(self, call: Any, reveal: str) -> Any:
        """What arrived, for who asked, while it is allowed."""
        who = call.need(*api.STAFF)
        with self.delivery.work() as work:
            return 200, reveals.read(work, reveal, who, process_keys.current()), _PRIVATE


def line_document(row: Any) -> dict[str, Any]:
    """A line of the log of exports and erasures."""
    return {
        "at": iso(row.at),
        "action": row.action,
        "person": row.person,
        "reports": row.reports,
        "asked_by": row.asked_by,
        "why": row.why,
    }


def _person(work: Any, call: Any, document: dict[str, Any], keys: Any) -> str:
    """Whom it is about: the citizen who is signed in, or whose code and number are given."""
    person: str | None
    if call.who is not None and "citizen" in call.who.roles:
        person = persons.by_handle(work, call.who.subject)
    elif document.get("code"):
        person = persons.by_code(work, document["code"], document.get("phone") or "", keys)
    else:
        raise Problem(
            422,
            "The body breaks the schema",
            problems=[FieldProblem("code", "is missing", "a tracking code, or sign in as a citizen")],
        )
    if person is None:
        raise Problem(404, "Nobody", "nothing is kept of this person, or there is no report with this code")
    return person
