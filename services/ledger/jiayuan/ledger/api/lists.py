"""The quarter's lists: drafted, changed, published, closed; as sheets, out and in."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

from werkzeug.wrappers import Response

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import http
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.web import Call, download
from jiayuan.chassis.work import Work
from jiayuan.contracts.schemas.common import (
    SHORT,
    Demand,
    Pattern,
    a_code,
    a_date,
    a_list,
    a_number,
    a_text,
    a_word,
    a_yes_no,
    an_id,
    fields,
    said,
)
from jiayuan.contracts.times import parse

from .. import importing, lineage, listing, neighbours, views
from ..lists import rights
from ..lists.demand import SOURCES
from ..lists.problem import MOST_TAKERS
from ..lists.publishing import KINDS
from ..lists.quarter import read
from ..sheeting import XLSX
from ..store import lists as rows
from .common import acts_told, uuid_of

MOST_SHEET: Final = 4 * 1024 * 1024
_QUARTER: Final = Pattern(r"2[0-9]{3}Q[1-4]")


class ListsQuery(Demand):
    """Which lists; all that the caller sees when nothing is said."""

    kind = a_word(KINDS, required=False)
    quarter = fields.String(validate=_QUARTER)
    street = a_code()
    community = a_code()


class DraftBody(Demand):
    """A list to begin, or whose draft is to learn what has come since."""

    kind = a_word(KINDS)
    quarter = fields.String(required=True, validate=_QUARTER)
    street = a_code(required=True)
    community = said(a_code(), "Of a demand list, and only of one.")
    since = said(a_date(), "Of a demand list: from when on; else from the beginning of the quarter before.")


class DemandBody(Demand):
    """A demand that a grid worker or a meeting brings."""

    category = a_code(required=True)
    title = fields.String(required=True, validate=SHORT)
    source = a_word(tuple(s for s in SOURCES if s not in ("report", "hotspot")))
    detail = a_text(2000)
    people = a_number(1)
    reports = said(a_list(an_id(), 1000), "Ids of the reports behind it.")
    origin = said(an_id(required=False), "What it is known by elsewhere, so that it comes in once.")


class DemandChange(Demand):
    """What of a line changes."""

    category = fields.String(validate=a_code().validate)
    title = fields.String(validate=SHORT)
    detail = a_text(2000)
    people = a_number(1)
    reports = said(a_list(an_id(), 1000), "More reports behind it.")
    kept = a_yes_no(required=False)
    reason = said(a_text(500), "Why it is left out; needed where `kept` is false.")


class ProblemDecision(Demand):
    """What people decide about a problem."""

    state = a_word(("accepted", "dropped"))
    title = fields.String(validate=SHORT)
    detail = a_text(2000)
    category = fields.String(validate=a_code().validate)
    takes = said(
        fields.Integer(strict=True, validate=a_number(1, MOST_TAKERS).validate), "How many units it takes."
    )
    reason = said(a_text(500), "Needed where it is dropped.")


class MergeBody(Demand):
    """Problems that are one: all go into the first."""

    problems = fields.List(a_number(1, required=True), required=True)
    title = said(a_text(200), "What it is called now.")


class SplitBody(Demand):
    """Demands that are a problem of their own."""

    demands = fields.List(an_id(), required=True)
    title = a_text(200)


class LineageQuery(Demand):
    """Of what: exactly one."""

    report = an_id(required=False)
    case = an_id(required=False)
    entry = an_id(required=False)
    demand = an_id(required=False)
    problem = an_id(required=False)
    posting = said(
        fields.String(validate=Pattern(r"[0-9a-f-]{36}\.[1-9][0-9]{0,8}")),
        "An entry's id, a dot and the number of its posting: the reports that stood behind it then.",
    )


class Lists:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/lists", roles=rights.READERS)
    def quarter_lists(self, call: Call) -> Any:
        """The lists that the caller sees, without their lines."""
        return lists(self.delivery, call)

    @http("POST", "/lists", roles=rights.KEEPERS)
    def draft_list(self, call: Call) -> Any:
        """Begins a list, or adds to its draft what has come since."""
        return draft(self.delivery, call)

    @http("GET", "/lists/<string:list_id>", roles=rights.READERS)
    def quarter_list(self, call: Call, list_id: str) -> Any:
        """A list with its lines, and what was done to it."""
        return one(self.delivery, call, list_id)

    @http("POST", "/lists/<string:list_id>/publication", roles=rights.KEEPERS)
    def publish_list(self, call: Call, list_id: str) -> Any:
        """Publishes a draft, for good."""
        return step(self.delivery, call, list_id, listing.publish)

    @http("POST", "/lists/<string:list_id>/closing", roles=rights.KEEPERS)
    def close_list(self, call: Call, list_id: str) -> Any:
        """Closes a published list."""
        return step(self.delivery, call, list_id, listing.close)

    @http("GET", "/lists/<string:list_id>/workbook", roles=rights.READERS)
    def list_workbook(self, call: Call, list_id: str) -> Any:
        """A list as a workbook."""
        return workbook(self.delivery, call, list_id)

    @http("POST", "/lists/<string:list_id>/workbook", roles=rights.SENDERS, max_body=MOST_SHEET)
    def take_list_workbook(self, call: Call, list_id: str) -> Any:
        """Takes a workbook's rows; the answer is the workbook with a column of results."""
        return take_workbook(self.delivery, call, list_id)

    @http("POST", "/lists/<string:list_id>/demands", roles=rights.COLLECTORS)
    def add_demand(self, call: Call, list_id: str) -> Any:
        """Adds a demand to a draft."""
        return add_demand(self.delivery, call, list_id)

    @http("POST", "/lists/<string:list_id>/demands/<int:number>", roles=rights.KEEPERS)
    def change_demand(self, call: Call, list_id: str, number: int) -> Any:
        """Changes a line of a draft, or leaves it out with a reason."""
        return change_demand(self.delivery, call, list_id, number)

    @http("POST", "/lists/<string:list_id>/problems/<int:number>/decision", roles=rights.DESKS)
    def decide_problem(self, call: Call, list_id: str, number: int) -> Any:
        """Accepts a problem, or drops it with a reason."""
        return decide(self.delivery, call, list_id, number)

    @http("POST", "/lists/<string:list_id>/merge", roles=rights.DESKS)
    def merge_problems(self, call: Call, list_id: str) -> Any:
        """Several problems are one."""
        return merge(self.delivery, call, list_id)

    @http("POST", "/lists/<string:list_id>/problems/<int:number>/split", roles=rights.DESKS)
    def split_problem(self, call: Call, list_id: str, number: int) -> Any:
        """Some of a problem's demands are a problem of their own."""
        return split(self.delivery, call, list_id, number)

    @http("GET", "/lineage", roles=rights.READERS)
    def lineage(self, call: Call) -> Any:
        """From a report, a case, an entry or a line to all that hangs together with it."""
        return lineage_of(self.delivery, call)


def caller(call: Call) -> Principal:
    """Who is asking; the entrypoint names roles."""
    assert call.who is not None
    return call.who


def forbidden(why: str) -> Problem:
    """The refusal of what is somebody else's."""
    return Problem(403, "Not allowed", why)


def seen(work: Work, call: Call, list_id: str) -> Any:
    """A list that the caller may see; Problem 404 for others too, so that nobody learns what others draft."""
    known = uuid_of(list_id)
    found = rows.list_of(work, known) if known else None
    if found is None or not rights.reads(caller(call), found.state, found.street):
        raise Problem(404, "There is no such list")
    return found


def keeping(work: Work, call: Call, list_id: str) -> Any:
    """A list that the caller keeps; Problem 404, 403."""
    found = seen(work, call, list_id)
    if not rights.keeps(caller(call), found.kind, found.street):
        raise forbidden(f"the {found.kind} list of street {found.street} is not yours to change")
    return found


def lists(delivery: Any, call: Call) -> dict[str, Any]:
    """GET /lists?kind=&quarter=&street=&community=."""
    given = {"kind": None, "quarter": None, "street": None, "community": None, **call.query(ListsQuery)}
    with delivery.work() as work:
        found = rows.find_lists(work, **given)
    return {"lists": [views.head(f) for f in found if rights.reads(caller(call), f.state, f.street)]}


def draft(delivery: Any, call: Call) -> tuple[int, dict[str, Any]]:
    """POST /lists: 201 when it was begun, 200 when its draft was there."""
    body = call.json_body(DraftBody)
    kind, street, community = body["kind"], body["street"], body.get("community") or ""
    if (kind == "demand") != bool(community):
        why = "is missing" if kind == "demand" else "is given"
        raise listing.refused(
            422, "The body breaks the schema", "community", why, "of a demand list, and only of one"
        )
    if not rights.keeps(caller(call), kind, street):
        raise forbidden(f"the {kind} list of street {street} is not yours to draft")
    learned = learn(delivery.settings, kind, street, community)
    since = parse(body["since"]) if body.get("since") else None
    with delivery.work() as work:
        found, added = listing.draft(
            work, kind, read(body["quarter"]), street, community, caller(call).subject, learned, since
        )
        begun = added.pop("begun")
        return 201 if begun else 200, {**views.whole(work, found), "added": added}


def learn(settings: Any, kind: str, street: str, community: str) -> listing.Learned:
    """What neighbours know that a draft needs; who is away is told in its notes. Outside of any transaction."""
    at = neighbours.addresses(settings)
    try:
        if kind == "demand":
            return listing.Learned(hotspots=neighbours.hotspots(at, street).get(community, ()))
        if kind == "service":
            return listing.Learned(units=neighbours.units(at))
    except neighbours.Away as why:
        what = "热点" if kind == "demand" else "成员单位"
        return listing.Learned(notes=[f"未取得{what}：{why}"])
    return listing.Learned()


def one(delivery: Any, call: Call, list_id: str) -> dict[str, Any]:
    """GET /lists/<id>."""
    with delivery.work() as work:
        found = seen(work, call, list_id)
        return {**views.whole(work, found), "acts": acts_told(rows.acts_of(work, found.id))}


def step(delivery: Any, call: Call, list_id: str, go: Any) -> dict[str, Any]:
    """POST /lists/<id>/publication and /closing."""
    with delivery.work() as work:
        found = keeping(work, call, list_id)
        return views.head(go(work, found.id, caller(call).subject))


def workbook(delivery: Any, call: Call, list_id: str) -> Response:
    """GET /lists/<id>/workbook."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "list.xlsx")
        with delivery.work() as work:
            found = seen(work, call, list_id)
            importing.export(work, found, file)
        return download(
            file.read_bytes(), f"{found.kind}-{found.quarter}-{found.community or found.street}.xlsx", XLSX
        )


def take_workbook(delivery: Any, call: Call, list_id: str) -> Response:
    """POST /lists/<id>/workbook; the body is the file. Counts are in the headers `Rows-Added` and so on.

    Of a service list a unit's clerk brings the rows of its own unit; others are refused row by row.
    """
    with delivery.work() as work:
        found = seen(work, call, list_id)
        who = caller(call)
        if found.kind != "service" and not rights.keeps(who, found.kind, found.street):
            raise forbidden(f"the {found.kind} list of street {found.street} is not yours to change")
    content = call.file_body()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "list.xlsx")
        file.write_bytes(content)
        counts = importing.take(
            delivery.work,
            str(found.id),
            file,
            who.subject,
            lambda unit: rights.claims_for(who, unit, found.street),
        )
        name = f"{found.kind}-{found.quarter}-result.xlsx"
        return download(file.read_bytes(), name, XLSX, counts._asdict())


def add_demand(delivery: Any, call: Call, list_id: str) -> tuple[int, dict[str, Any]]:
    """POST /lists/<id>/demands: 201, or 200 when the line was there."""
    body = call.json_body(DemandBody)
    with delivery.work() as work:
        found = seen(work, call, list_id)
        if not rights.collects(caller(call), found.street):
            raise forbidden(f"street {found.street} is not yours")
        new = listing.NewDemand(
            body["category"],
            body["title"],
            body["source"],
            body.get("detail") or "",
            body.get("people"),
            body.get("reports", ()),
            body.get("origin") or "",
        )
        line, fresh = listing.add_demand(work, found.id, new, caller(call).subject)
        return 201 if fresh else 200, {"id": str(line["id"]), "number": line["number"]}


def change_demand(delivery: Any, call: Call, list_id: str, number: int) -> dict[str, Any]:
    """POST /lists/<id>/demands/<number>."""
    body = call.json_body(DemandChange)
    with delivery.work() as work:
        found = keeping(work, call, list_id)
        changed = listing.change_demand(work, found.id, number, body, caller(call).subject)
    return {"number": number, "changed": changed}


def decide(delivery: Any, call: Call, list_id: str, number: int) -> dict[str, Any]:
    """POST /lists/<id>/problems/<number>/decision."""
    body = call.json_body(ProblemDecision)
    with delivery.work() as work:
        found = keeping(work, call, list_id)
        changed = listing.decide(work, found.id, number, body, caller(call).subject)
    return {"number": number, "changed": changed}


def merge(delivery: Any, call: Call, list_id: str) -> dict[str, Any]:
    """POST /lists/<id>/merge."""
    body = call.json_body(MergeBody)
    with delivery.work() as work:
        found = keeping(work, call, list_id)
        number = listing.merge(
            work, found.id, body["problems"], caller(call).subject, body.get("title") or ""
        )
    return {"number": number}


def split(delivery: Any, call: Call, list_id: str, number: int) -> tuple[int, dict[str, Any]]:
    """POST /lists/<id>/problems/<number>/split."""
    body = call.json_body(SplitBody)
    with delivery.work() as work:
        found = keeping(work, call, list_id)
        made = listing.split(
            work, found.id, number, body["demands"], body.get("title") or "", caller(call).subject
        )
    return 201, {"number": made}


def lineage_of(delivery: Any, call: Call) -> dict[str, Any]:
    """GET /lineage?report=|case=|entry=|posting=|demand=|problem=: a street sees its own, the county all."""
    given = call.query(LineageQuery)
    if len(given) != 1:
        raise listing.refused(
            422, "The query breaks the schema", "query", f"names {len(given)}", "exactly one of them"
        )
    ((by, value),) = given.items()
    if by in ("entry", "demand", "problem", "posting") and uuid_of(value.partition(".")[0]) is None:
        raise Problem(404, f"There is no such {by}")
    with delivery.work() as work:
        found = lineage.of(work, by, value)
    streets = {e["street"] for e in found["entries"]} | {line["street"] for line in found["lines"]}
    who = caller(call)
    if not streets or not all(rights.reads(who, "draft", street) for street in streets):
        raise Problem(404, f"There is nothing known of this {by}")
    return found
