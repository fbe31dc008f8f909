"""The quarter's lists and their claims: what is sent and what is answered."""

from __future__ import annotations

from typing import Final

from marshmallow import fields, validate

from jiayuan.chassis.operation import (
    Operation,
    Operations,
    at,
    binary,
    many,
    maybe,
    maybe_at,
    one_of,
    text,
    told,
    whole,
    yes_no,
)

from ..api import claims, lists
from ..lists.claim import STANDING_NAMES, STATES
from ..lists.demand import SOURCES
from ..lists.problem import STATES as PROBLEM_STATES
from ..lists.publishing import KINDS
from ..lists.publishing import STATES as LIST_STATES

_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_STANDING: Final = tuple(STANDING_NAMES)

_HEAD: Final[dict[str, fields.Field]] = {
    "id": text(),
    "kind": one_of(*KINDS),
    "quarter": text(),
    "street": text(),
    "community": maybe(),
    "state": one_of(*LIST_STATES),
    "notes": many(fields.String(metadata={"description": "What the draft could not learn, and why."})),
    "drafted_at": at(),
    "drafted_by": text(),
    "published_at": maybe_at(),
    "published_by": maybe(),
    "closed_at": maybe_at(),
    "closed_by": maybe(),
}
Head = told("List", "A list of a quarter, without its lines.", **_HEAD)
Behind = told(
    "ReportBehind", "A report behind a line, and what it became.", report=text(), case=maybe(), entry=maybe()
)
_DEMAND: Final[dict[str, fields.Field]] = {
    "number": whole(),
    "category": text(),
    "title": text(),
    "detail": fields.String(),
    "sources": fields.List(one_of(*SOURCES)),
    "people": fields.Integer(allow_none=True),
    "evidence": fields.Dict(),
    "kept": fields.Boolean(),
    "reason": fields.String(allow_none=True),
    "problem": fields.String(allow_none=True),
    "reports": fields.List(fields.Nested(Behind)),
}
DemandOf = told("ListDemand", "A demand of a problem.", id=text(), community=text(), **_DEMAND)
Milestone = told(
    "Milestone",
    "A step on the way.",
    name=text(),
    due_at=at(),
    done_at=maybe_at(),
    standing=one_of(*_STANDING),
)
Claim = told(
    "Claim",
    "A unit's claim; `wanted`: the problem has all the units it takes.",
    id=text(),
    problem=text(),
    unit=text(),
    person=text(),
    due_at=at(),
    state=one_of(*STATES),
    standing=one_of(*_STANDING),
    claimed_at=at(),
    claimed_by=text(),
    done_at=maybe_at(),
    reason=maybe(),
    milestones=many(Milestone),
    history=many(fields.Dict()),
)
Line = told(
    "ListLine",
    "A line: of a demand list with its reports, of a problem list with its demands, of a service list with its claims.",
    id=text(),
    **_DEMAND,
    takes=fields.Integer(),
    state=fields.String(validate=validate.OneOf(PROBLEM_STATES)),
    entry=fields.String(allow_none=True),
    communities=fields.List(fields.String()),
    report_count=fields.Integer(),
    demands=fields.List(fields.Nested(DemandOf)),
    claims=fields.List(fields.Nested(Claim)),
)
Act = told("ListAct", "Who did what to a list.", action=text(), actor=text(), at=at(), facts=fields.Dict())
_UNIT = told("ListUnit", "A member unit.", code=text(), name=text(), member=text())
_LINES: Final[dict[str, fields.Field]] = {
    "lines": many(Line),
    "units": fields.List(fields.Nested(_UNIT)),
    "unclaimed": fields.List(fields.String(metadata={"description": "Ids of problems that nobody claimed."})),
    "over_claimed": fields.List(
        fields.String(metadata={"description": "Ids of problems wanted by more units than they take."})
    ),
    "idle": fields.List(fields.String(metadata={"description": "Codes of member units without a claim."})),
}
Drafted = told(
    "DraftedList", "A draft, and how much was added.", added=fields.Dict(required=True), **_HEAD, **_LINES
)
Whole = told("WholeList", "A list with its lines, and who did what to it.", acts=many(Act), **_HEAD, **_LINES)
Numbered = told("ListNumber", "The line's number.", number=whole())
Changed = told(
    "ListChange", "The line's number, and whether anything changed.", number=whole(), changed=yes_no()
)
Added = told("ListAdded", "The new line, or the one that was there.", id=text(), number=whole())
_PROBLEM = told(
    "LineageProblem",
    "What a demand went into.",
    id=text(),
    list=text(),
    number=whole(),
    title=text(),
    state=text(),
    entry=maybe(),
)
Lineage = told(
    "Lineage",
    "All that hangs together with something.",
    by=text(),
    of=text(),
    reports=many(fields.String()),
    entries=many(
        told(
            "LineageEntry",
            "An entry of the account.",
            id=text(),
            year=whole(),
            case=maybe(),
            case_number=maybe(),
            street=text(),
            state=text(),
            title=text(),
        )
    ),
    lines=many(
        told(
            "LineageLine",
            "A line of a demand list.",
            demand=text(),
            list=text(),
            quarter=text(),
            street=text(),
            community=text(),
            list_state=text(),
            number=whole(),
            title=text(),
            kept=yes_no(),
            reports=many(fields.String()),
            problem=fields.Nested(_PROBLEM, required=True, allow_none=True),
        )
    ),
)
_L: Final = "/lists/<string:list_id>"
_C: Final = "/claims/<string:claim>"
OPERATIONS: Final[Operations] = {
    ("GET", "/lists"): Operation(
        "lists",
        {200: told("Lists", "The newest quarter first, at most 500.", lists=many(Head))},
        query=lists.ListsQuery,
    ),
    ("POST", "/lists"): Operation(
        "lists",
        {201: Drafted, 200: Drafted},
        body=lists.DraftBody,
        refuses=(409,),
        described="Demands come from the account and from intake's hotspots, problems from published demand lists, "
        "services from the published problem list. 200: its draft was there, and learned what has come since.",
    ),
    ("GET", _L): Operation("lists", {200: Whole}, refuses=(404,)),
    ("POST", f"{_L}/publication"): Operation("lists", {200: Head}, refuses=(404, 409)),
    ("POST", f"{_L}/closing"): Operation("lists", {200: Head}, refuses=(404, 409)),
    ("GET", f"{_L}/workbook"): Operation("lists", {200: binary(_XLSX)}, refuses=(404,)),
    ("POST", f"{_L}/workbook"): Operation(
        "lists",
        {200: binary(_XLSX)},
        body=binary(_XLSX),
        refuses=(404, 409),
        described="The answer is the workbook with a column that says what became of each row; how many of each are "
        "in `Rows-Added`, `Rows-Changed`, `Rows-Unchanged`, `Rows-Refused`.",
    ),
    ("POST", f"{_L}/demands"): Operation(
        "lists", {201: Added, 200: Added}, body=lists.DemandBody, refuses=(404, 409)
    ),
    ("POST", f"{_L}/demands/<int:number>"): Operation(
        "lists", {200: Changed}, body=lists.DemandChange, refuses=(404, 409)
    ),
    ("POST", f"{_L}/problems/<int:number>/decision"): Operation(
        "lists", {200: Changed}, body=lists.ProblemDecision, refuses=(404, 409)
    ),
    ("POST", f"{_L}/merge"): Operation("lists", {200: Numbered}, body=lists.MergeBody, refuses=(404, 409)),
    ("POST", f"{_L}/problems/<int:number>/split"): Operation(
        "lists", {201: Numbered}, body=lists.SplitBody, refuses=(404, 409)
    ),
    ("POST", f"{_L}/lines/<int:number>/claims"): Operation(
        "claims", {201: Claim, 200: Claim}, body=claims.ClaimBody, refuses=(404, 409)
    ),
    ("POST", _C): Operation("claims", {200: Claim}, body=claims.ClaimChange, refuses=(404, 409)),
    ("POST", f"{_C}/release"): Operation("claims", {200: Claim}, body=claims.ReleaseBody, refuses=(404, 409)),
    ("POST", f"{_C}/grant"): Operation("claims", {200: Claim}, body=claims.GrantBody, refuses=(404, 409)),
    ("POST", f"{_C}/milestones/<int:number>"): Operation(
        "claims", {200: Claim}, body=claims.DoneBody, refuses=(404, 409)
    ),
    ("POST", f"{_C}/completion"): Operation("claims", {200: Claim}, body=claims.DoneBody, refuses=(404, 409)),
    ("GET", "/lineage"): Operation("lineage", {200: Lineage}, query=lists.LineageQuery, refuses=(404,)),
}
