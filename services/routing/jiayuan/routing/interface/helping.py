"""Mediations, wishes on offer, appointments at a service point."""

from __future__ import annotations

from typing import Final

from marshmallow import fields

from jiayuan.chassis.operation import (
    Operation,
    Operations,
    at,
    many,
    maybe,
    maybe_at,
    maybe_whole,
    one_of,
    part,
    text,
    told,
    whole,
    yes_no,
)
from jiayuan.contracts.schemas.common import CASE_STATES, LEG_STATES, Category

from .. import mediate
from ..api import helping as api
from . import answers

Session = told(
    "MediationSitting",
    "A session of a mediation: fixed, or held with what came of it. Of the parties there are pseudonyms at most.",
    number=whole(),
    state=one_of("fixed", "held"),
    at=at(),
    place=maybe(),
    point=maybe(),
    parties=maybe_whole(),
    present=fields.List(fields.String(), required=True, allow_none=True),
    minutes=maybe(),
    outcome=maybe(),
    note=maybe(),
    recorded_by=text(),
)
Agreement = told(
    "MediationAgreement",
    "What was agreed, and whether it was done. `digest`: SHA-256 of the signed file, which isn't here.",
    digest=text(),
    perform_by=text(),
    check_on=text(),
    performed=maybe(),
    checked_at=maybe_at(),
    checked_by=maybe(),
)
_MEDIATION: Final[dict[str, fields.Field]] = {
    "team": maybe(),
    "mediator": maybe(),
    "outcome": maybe(),
    "next_step": maybe(),
    "next_unit": maybe(),
    "note": maybe(),
    "concluded_at": maybe_at(),
    "agreement": fields.Nested(Agreement, required=True, allow_none=True),
    "sessions": many(Session),
}
Mediation = told("DisputeMediation", "A dispute's mediation.", case=text(), sequence=whole(), **_MEDIATION)
Fixed = told(
    "SessionFixed", "The mediation, with its new session.", number=whole(), sequence=whole(), **_MEDIATION
)
Concluded = told(
    "SessionHeld",
    "The mediation, after a session.",
    state=one_of(*CASE_STATES),
    sequence=whole(),
    **_MEDIATION,
)
FollowedUp = told(
    "AgreementLookedAfter",
    "The mediation, after somebody looked whether what was agreed was done.",
    reopened=yes_no(),
    state=one_of(*CASE_STATES),
    sequence=whole(),
    **_MEDIATION,
)
Due = told(
    "AgreementsDue",
    "Agreements that are to be looked after, the oldest first.",
    mediations=many(
        told(
            "AgreementDue",
            "An agreement that is to be looked after.",
            case=text(),
            number=text(),
            state=one_of(*CASE_STATES),
            street=text(),
            community=maybe(),
            team=maybe(),
            mediator=maybe(),
            outcome=maybe(),
            perform_by=maybe(),
            check_on=maybe(),
        )
    ),
)
MyOffers = told(
    "MyOffers",
    "What is offered to the caller now, the oldest first.",
    offers=many(
        told(
            "MyOffer",
            "An offer: why to the caller, and until when.",
            leg=text(),
            score=whole(),
            reasons=many(fields.String()),
            offered_at=at(),
            lapses_at=at(),
            case=part(
                told(
                    "OfferedCase",
                    "What is offered.",
                    id=text(),
                    number=text(),
                    title=text(),
                    category=part(Category),
                    street=text(),
                    community=maybe(),
                    grid=maybe(),
                    first_received_at=at(),
                )
            ),
        )
    ),
)
Offers = told(
    "CaseOffers",
    "Whom a case was offered to. A helper sees their own.",
    case=text(),
    wanted=fields.Dict(
        required=True, metadata={"description": "Skills, languages and times that are wanted."}
    ),
    offers=many(
        told(
            "CaseOffer",
            "An offer, why, and what came of it.",
            helper=text(),
            type=one_of("person", "unit"),
            leg=text(),
            round=whole(),
            score=whole(),
            reasons=many(fields.String()),
            state=one_of(*LEG_STATES),
            offered_at=at(),
            lapses_at=at(),
        )
    ),
    names=fields.Dict(keys=fields.String(), values=fields.String(), required=True),
)
Matches = told(
    "CaseMatches",
    "Whose means match, the best first.",
    case=text(),
    matches=many(
        told(
            "CaseMatch",
            "Somebody whose means match, and why.",
            id=text(),
            type=one_of("person", "unit"),
            role=text(),
            score=whole(),
            reasons=many(fields.String()),
        )
    ),
)
Visits = told(
    "PointVisits",
    "Who comes to a service point on a day, and how many still can.",
    point=text(),
    name=text(),
    day=text(),
    room=whole(),
    visits=many(
        told(
            "PointVisit",
            "An appointment.",
            case=text(),
            state=one_of(*CASE_STATES),
            service=text(),
            starts_at=maybe_at(),
            title=text(),
        )
    ),
)

_MEDIATION_AT: Final = "/cases/<string:case>/mediation"
OPERATIONS: Final[Operations] = {
    ("GET", _MEDIATION_AT): Operation("mediation", {200: Mediation}, refuses=(404,)),
    ("POST", f"{_MEDIATION_AT}/sessions"): Operation(
        "mediation", {201: Fixed}, body=mediate.Session, refuses=(404, 409)
    ),
    ("POST", f"{_MEDIATION_AT}/sessions/<int:number>/outcome"): Operation(
        "mediation", {200: Concluded}, body=mediate.Held, refuses=(404, 409)
    ),
    ("POST", f"{_MEDIATION_AT}/follow-up"): Operation(
        "mediation", {200: FollowedUp}, body=mediate.FollowUp, refuses=(404, 409)
    ),
    ("GET", "/mediations/due"): Operation("mediation", {200: Due}, query=api.Due),
    ("GET", "/offers"): Operation("wishes", {200: MyOffers}),
    ("GET", "/cases/<string:case>/offers"): Operation("wishes", {200: Offers}, refuses=(404,)),
    ("GET", "/cases/<string:case>/matches"): Operation(
        "wishes", {200: Matches}, query=api.MatchQuery, refuses=(404,)
    ),
    ("POST", "/cases/<string:case>/offers"): Operation(
        "wishes", {201: answers.View}, body=api.OfferBody, refuses=(404, 409)
    ),
    ("POST", "/cases/<string:case>/point"): Operation(
        "appointments", {200: answers.View}, body=api.PointBody, refuses=(404, 409)
    ),
    ("GET", "/points/<string:code>/visits"): Operation(
        "appointments", {200: Visits}, query=api.VisitsQuery, refuses=(404,)
    ),
}
