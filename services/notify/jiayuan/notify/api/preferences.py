"""`/preferences`: what a person wishes to be told, by himself or by staff at his wish. docs/notify/preferences.md"""

from __future__ import annotations

from typing import Any, Final

from marshmallow import fields, validate

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import http
from jiayuan.chassis.tokens import ROLES, Principal
from jiayuan.chassis.web import Call
from jiayuan.contracts.schemas.common import Demand, a_text

from .. import preferences, wishing
from ..preferences import ALL, CHANNELS, SUBJECTS

TYPES: Final = ("citizen", "person", "unit", "desk")
KEEPERS: Final = ("desk", "county")
"""Who keeps the wishes of others, when they ask for it."""
SIGNED_IN: Final = tuple(r for r in ROLES if r not in ("operator", "service"))
_PRIVATE: Final = {"Cache-Control": "no-store"}
_CLOCK: Final = validate.Regexp(r"([01]\d|2[0-3]):[0-5]\d\Z", error="Not a time of day as 21:30.")


class Hours(Demand):
    """Quiet hours of one's own: from one time of day until another, over midnight too."""

    begin = fields.String(required=True, validate=_CLOCK, data_key="from")
    end = fields.String(required=True, validate=_CLOCK, data_key="until")


class WishesBody(Demand):
    """All that somebody wishes; what is left out isn't wished."""

    refused = fields.List(
        fields.String(validate=validate.OneOf((*SUBJECTS, ALL))), validate=validate.Length(max=20)
    )
    unwanted = fields.List(fields.String(validate=validate.OneOf(CHANNELS)), validate=validate.Length(max=4))
    quiet = fields.Nested(Hours, allow_none=True)


class KeptBody(WishesBody):
    """Wishes that staff keep for somebody, and on what ground."""

    reason = a_text(300, required=True, least=2)


class Preferences:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/preferences/me", roles=SIGNED_IN)
    def my_preferences(self, call: Call) -> Any:
        """What I wish to be told."""
        with self.delivery.work() as work:
            return 200, wishing.show(work, *me(call.need())), _PRIVATE

    @http("PUT", "/preferences/me", roles=SIGNED_IN)
    def change_my_preferences(self, call: Call) -> Any:
        """What I wish from now on."""
        type_, ref = me(call.need())
        wishes = wishing.checked(preferences.bundled(), type_, call.json_body(WishesBody))
        with self.delivery.work() as work:
            return 200, wishing.change(work, type_, ref, wishes, "person", by=call.need().subject), _PRIVATE

    @http("GET", "/preferences/<any(citizen, person, unit, desk):type>/<string:id>", roles=KEEPERS)
    def preferences_of(self, call: Call, type: str, id: str) -> Any:
        """What somebody wishes, and how that came to be."""
        with self.delivery.work() as work:
            _mine(work, call.need(), type, id)
            said = wishing.show(work, type, id)
            return 200, {**said, "changes": wishing.history(work, type, id)}, _PRIVATE

    @http("PUT", "/preferences/<any(citizen, person, unit, desk):type>/<string:id>", roles=KEEPERS)
    def keep_preferences_of(self, call: Call, type: str, id: str) -> Any:
        """Keeps what somebody has asked for, by telephone or at the counter."""
        body = call.json_body(KeptBody)
        wishes = wishing.checked(preferences.bundled(), type, body)
        who = call.need()
        with self.delivery.work() as work:
            _mine(work, who, type, id)
            said = wishing.change(work, type, id, wishes, "staff", by=who.subject, reason=body["reason"])
            return 200, said, _PRIVATE


def me(who: Principal) -> tuple[str, str]:
    """Type and ref by which notices reach the one who is signed in."""
    if "citizen" in who.roles:
        return "citizen", who.subject
    if "unit_clerk" in who.roles and who.unit:
        return "unit", who.unit
    return "person", who.subject


def _mine(work: Any, who: Principal, type_: str, ref: str) -> None:
    """Problem 404 unless the county asks, or a desk about a citizen or somebody of its own street."""
    if "county" in who.roles or type_ == "citizen":
        return
    found = wishing.street_of(work, type_, ref)
    if not who.street or found != who.street:
        raise Problem(404, "Nobody is known by that", "or it is another street's")
