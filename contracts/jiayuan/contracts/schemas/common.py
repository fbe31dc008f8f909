"""Pieces that several events share, and the closed lists of words."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final, TypeVar

from marshmallow import EXCLUDE, RAISE, Schema, fields, validate

from ..times import EARLIEST, LATEST, parse

KINDS: Final = ("problem", "information", "consultation", "appointment", "dispute", "wish", "praise")
CHANNELS: Final = (
    "mini_program",
    "hotline",
    "grid_worker",
    "liaison",
    "rider",
    "suggestion_box",
    "contact_point",
    "meeting",
    "cadre",
    "open311",
    "government_system",
    "file_import",
)
COLOURS: Final = ("red", "orange", "yellow", "blue", "green")
LEVELS: Final = ("grid", "community", "street", "department")
CASE_STATES: Final = ("open", "assigned", "accepted", "answered", "resolved", "closed", "voided", "merged")
LEG_STATES: Final = (
    "offered",
    "accepted",
    "answered",
    "done",
    "returned",
    "refused",
    "reassigned",
    "released",
)
LEG_KINDS: Final = ("handle", "lead", "assist", "supervise", "convene")
ASSIGNEE_TYPES: Final = ("person", "unit", "desk")
APPROVAL_KINDS: Final = ("return", "extension", "pause", "void", "refusal", "whistle")
GROUNDS: Final = ("public_matter", "joint_enforcement", "emergency")
CLOCK_KINDS: Final = (
    "response",
    "finish",
    "citizen",
    "confirmation",
    "report_in",
    "approval",
    "callback",
    "claim",
    "notice",
)
LADDER_ROLES: Final = (
    "assignee",
    "grid_leader",
    "grid_chief",
    "desk",
    "unit_clerk",
    "convener",
    "county",
)
LADDER_DEEDS: Final = ("notify", "reassign")
CLOCK_STATES: Final = ("armed", "warned", "breached", "met", "cancelled")
ENTRY_STATES: Final = ("open", "written_off", "reversed", "carried_forward")
ENTRY_SOURCES: Final = ("case", "meeting", "demand_list", "carried_forward")
POSTING_KINDS: Final = (
    "opening",
    "progress",
    "hand_over",
    "extension",
    "money",
    "evidence",
    "write_off",
    "reopening",
    "reversal",
    "carry_forward",
)
NOTICE_STATES: Final = (
    "queued",
    "claimed",
    "submitted",
    "accepted",
    "delivered",
    "undelivered",
    "expired",
    "unknown",
    "deferred",
    "suppressed",
)
NOTICE_ROLES: Final = ("citizen", "assignee", "supervisor")

F = TypeVar("F", bound=fields.Field)


class Pattern(validate.Regexp):
    """The whole text has this form. `Regexp` would let a line break through at the end."""

    default_message = "Has not the form that is asked for."

    def __init__(self, form: str) -> None:
        super().__init__(re.compile(rf"^(?:{form})\Z"))
        self.form = form


ID: Final = validate.Length(min=1, max=128)
SHORT: Final = validate.Length(min=1, max=200)
CODE: Final = Pattern(r"[0-9A-Za-z][0-9A-Za-z._:\-]{0,63}")
QUARTER: Final = Pattern(r"[0-9]{4}Q[1-4]")
PHONE: Final = Pattern(r"[+0-9][0-9 \-]{4,24}")

# Numbers fit a PostgreSQL integer: 68 years in seconds.
MOST: Final = 2**31 - 1


class YesNo(fields.Boolean):
    """`true` or `false`; Boolean itself takes 1, "yes" and the like too."""

    def _validated(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        return self._validated(value)


class Real(fields.Float):
    """A JSON number; Float itself takes the text "3.5" too."""

    def _validated(self, value: Any) -> float:
        if isinstance(value, str | bytes):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class Time(fields.AwareDateTime):
    """An RFC 3339 date-time with an offset; AwareDateTime itself takes other ISO 8601 forms too."""

    def __init__(self, **options: Any) -> None:
        super().__init__(error_messages={"invalid": "Not an RFC 3339 date-time with an offset."}, **options)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> datetime:
        if not isinstance(value, str):
            raise self.make_error("invalid", input=value)
        try:
            return parse(value)
        except ValueError:
            raise self.make_error("invalid", input=value) from None


class Fact(Schema):
    """Base of events between our services: unknown fields are left alone, so that v1 can grow."""

    class Meta:
        unknown = EXCLUDE


class Demand(Schema):
    """Base of what outside systems send: an unknown field is an error, since it is most often a typo.

    Demands are checked by marshmallow always: they come from people whom we don't know.
    """

    class Meta:
        unknown = RAISE


def said(field: F, words: str) -> F:
    """The field with what it means, for the documents of integrators."""
    field.metadata = {**field.metadata, "description": words}
    return field


def a_text(limit: int, *, required: bool = False, least: int = 0) -> fields.String:
    """A string of at most `limit` characters; None is allowed when it isn't required."""
    return fields.String(
        required=required, allow_none=not required, validate=validate.Length(min=least or None, max=limit)
    )


def a_word(words: tuple[str, ...], *, required: bool = True) -> fields.String:
    """One of a closed list of words."""
    return fields.String(required=required, allow_none=not required, validate=validate.OneOf(words))


def an_id(*, required: bool = True) -> fields.String:
    """An identifier of ours or of a partner, at most 128 characters."""
    return fields.String(required=required, allow_none=not required, validate=ID)


def a_code(*, required: bool = False) -> fields.String:
    """A code: letters, digits and `._:-`, at most 64."""
    return fields.String(required=required, allow_none=not required, validate=CODE)


def a_time(*, required: bool = False) -> Time:
    """An RFC 3339 date-time with an offset."""
    return Time(required=required, allow_none=not required)


def a_date(*, required: bool = False) -> Time:
    """A time that an outside system names: between 1900 and 2999."""
    return Time(required=required, allow_none=not required, validate=validate.Range(min=EARLIEST, max=LATEST))


def a_number(least: int = 0, most: int = MOST, *, required: bool = False) -> fields.Integer:
    """A whole number; strict, so that "3", 3.0 and true are errors."""
    return fields.Integer(
        required=required, allow_none=not required, strict=True, validate=validate.Range(min=least, max=most)
    )


def a_fraction(*, required: bool = False) -> Real:
    """A number between 0 and 1."""
    return a_real(0, 1, required=required)


def a_real(least: float, most: float, *, required: bool = False) -> Real:
    """A number between two bounds."""
    return Real(required=required, allow_none=not required, validate=validate.Range(min=least, max=most))


def a_yes_no(*, required: bool = True) -> YesNo:
    """`true` or `false`."""
    return YesNo(required=required, allow_none=not required)


def a_list(inner: Any, most: int) -> fields.List:
    """A list of at most `most` items; absent means empty."""
    return fields.List(inner, validate=validate.Length(max=most))


class Category(Fact):
    """A code of the catalogue and how sure the classifier is (0 to 1)."""

    code = a_code(required=True)
    name = a_text(60)
    confidence = a_fraction()
    method = a_text(40)


class Place(Fact):
    """Where: codes of street, community and grid as far as they are known, and on what evidence."""

    street = a_code()
    community = a_code()
    grid = a_code()
    evidence = a_text(200)
    confidence = a_fraction()
