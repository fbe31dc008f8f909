"""`/cases/<case>/explain`, `/triage`, colours and `/policies`: what was decided, and by which table."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import fields

from jiayuan.chassis.operation import (
    Operation,
    Operations,
    at,
    many,
    maybe,
    maybe_at,
    part,
    text,
    told,
    whole,
)

from ..api import desk, explain, policies
from . import answers

_ANYTHING = fields.Dict(keys=fields.String(), values=fields.Raw())
Candidate = told(
    "CategoryCandidate",
    "A category that was thought of, the words that spoke for it, and where the case would go with it.",
    code=text(),
    name=fields.String(),
    confidence=fields.Float(allow_none=True),
    why=fields.List(fields.String()),
    rule=fields.String(),
    level=fields.String(),
    lead=fields.String(allow_none=True),
    lead_name=fields.String(allow_none=True),
)
Inputs = told(
    "DecisionInputs",
    "What the policy looked at.",
    category=text(),
    kind=text(),
    importance=whole(),
    urgency=whole(),
    signs=many(fields.String()),
    street=text(),
    community=maybe(),
)
Outcome = told(
    "DecisionOutcome",
    "What came of it; limits are seconds.",
    level=text(),
    lead=maybe(),
    assistants=many(fields.String()),
    colour=text(),
    response_limit=whole(),
    finish_limit=whole(),
)
_DECISION: Final[dict[str, Any]] = {
    "sequence": whole(),
    "at": at(),
    "cause": text(),
    "by": text(),
    "policy": text(),
    "rule": text(),
    "confidence": fields.Float(required=True, allow_none=True),
    "doubt": maybe(),
    "inputs": part(Inputs),
    "outcome": part(Outcome),
    "words": text(),
    "candidates": fields.List(fields.Nested(Candidate)),
    "reason": fields.String(),
    "before": _ANYTHING,
}
Decision = told(
    "StoredDecision", "A decision about a case: by which rule, how sure, in doubt why.", **_DECISION
)
Explanation = told(
    "Explanation",
    "Why a case is where it is.",
    case=text(),
    sentence=text(),
    decisions=many(Decision),
    near=many(
        told(
            "NearRule",
            "A rule that nearly decided; `failed` is the condition that failed, null where it matches but comes later.",
            rule=text(),
            failed=maybe(),
            why=text(),
            level=text(),
            lead=maybe(),
            lead_name=maybe(),
        )
    ),
)
Doubtful = told(
    "TriagePage",
    "Cases that wait for the desk to decide, the oldest first.",
    cases=many(
        told(
            "DoubtfulCase",
            "A case and the decision that is in doubt.",
            case=text(),
            id=text(),
            case_sequence=whole(),
            title=text(),
            **_DECISION,
        )
    ),
    next=maybe(),
)
# A case that is another street's now isn't the desk's to see any more: then it has id, number and street only.
Triaged = told(
    "TriagedCase",
    "The case as the caller may see it; one that is another street's now by id, number and street only.",
    sequence=whole(),
    case=_ANYTHING,
    assignees=fields.Dict(keys=fields.String(), values=fields.String()),
    moves=fields.Dict(keys=fields.String(), values=fields.List(fields.String())),
    case_moves=fields.List(fields.String()),
)
_POLICY: Final[dict[str, Any]] = {
    "version": text(),
    "effective_from": at(),
    "state": text(),
    "imported_by": maybe(),
    "imported_at": maybe_at(),
    "verdict_by": maybe(),
    "verdict_at": maybe_at(),
    "reason": maybe(),
}
Policies = told(
    "PolicyList",
    "All policy tables.",
    policies=many(told("PolicyLine", "A policy table's state.", **_POLICY)),
)
Policy = told(
    "PolicyDocument", "A policy table as it was imported.", document=_ANYTHING, state=fields.String()
)
Enacted = told(
    "PolicyEnacted",
    "A policy table that was handed in or judged, and what is odd about it.",
    version=text(),
    effective_from=at(),
    rules=whole(),
    state=text(),
    warnings=many(_ANYTHING),
)

OPERATIONS: Final[Operations] = {
    ("GET", "/cases/<string:case>/explain"): Operation(
        "deciding", {200: Explanation}, query=explain.ExplainQuery, refuses=(404,)
    ),
    ("POST", "/cases/<string:case>/colour"): Operation(
        "deciding", {200: answers.View}, body=desk.ColourBody, refuses=(404, 409)
    ),
    ("POST", "/cases/<string:case>/triage"): Operation(
        "deciding", {200: Triaged}, body=desk.TriageBody, refuses=(404, 409)
    ),
    ("GET", "/triage"): Operation("deciding", {200: Doubtful}, query=desk.TriageQuery),
    ("GET", "/policies"): Operation("policies", {200: Policies}),
    ("GET", "/policies/<string:table>"): Operation("policies", {200: Policy}, refuses=(404,)),
    ("POST", "/policies"): Operation(
        "policies",
        {201: Enacted},
        body=told(
            "PolicyTable", "The document of a policy table; docs/routing/policy.md says what is in it."
        ),
    ),
    ("POST", "/policies/<string:table>/verdicts"): Operation(
        "policies", {200: Enacted}, body=policies.VerdictBody
    ),
}
