"""What is said of one HTTP operation, and the pieces to say it with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from marshmallow import EXCLUDE, Schema, fields, validate

from jiayuan.contracts.schemas.common import Time

JSON: Final = "application/json"
Content = type[Schema] | Mapping[str, Any] | None
"""A schema of a JSON document, or `content` as OpenAPI has it (by media type), or nothing at all."""


@dataclass(frozen=True)
class Operation:
    """One method of one path. What follows from its entrypoint (roles, limits, path values) isn't repeated here.

    `answers` are by status. `refuses`: the statuses of its problem documents beyond those that every operation of its
    kind has (see `openapi`). `keyed`: it takes an `Idempotency-Key`. `proof`: `code` where only the report's tracking
    code lets in, `code or token` where a token does as well, `token` where some token is needed and no role is named.
    `form`: the tag's own form of refusals instead of problem documents. `bodiless`: the body may be left out.
    """

    tag: str
    answers: Mapping[int, Content]
    body: Content = None
    query: type[Schema] | None = None
    refuses: tuple[int, ...] = ()
    keyed: bool = False
    proof: str = ""
    form: Content = None
    headers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    described: str = ""
    bodiless: bool = False


Operations = Mapping[tuple[str, str], Operation]
"""(method, path as the entrypoint has it) → what is said of it."""


def told(name: str, words: str, /, **members: fields.Field) -> type[Schema]:
    """A schema of an answer. It may grow, so further members are no error."""
    meta = type("Meta", (), {"unknown": EXCLUDE})
    return type(name, (Schema,), {"__doc__": words, "Meta": meta, **members})


def text(**more: Any) -> fields.String:
    """A text that is always there."""
    return fields.String(required=True, **more)


def maybe(**more: Any) -> fields.String:
    """A text or null."""
    return fields.String(required=True, allow_none=True, **more)


def at() -> Time:
    """A time that is always there."""
    return Time(required=True)


def maybe_at() -> Time:
    """A time or null."""
    return Time(required=True, allow_none=True)


def whole() -> fields.Integer:
    """A whole number that is always there."""
    return fields.Integer(required=True)


def maybe_whole() -> fields.Integer:
    """A whole number or null."""
    return fields.Integer(required=True, allow_none=True)


def real() -> fields.Float:
    """A number that is always there."""
    return fields.Float(required=True)


def yes_no() -> fields.Boolean:
    """True or false."""
    return fields.Boolean(required=True)


def maybe_yes_no() -> fields.Boolean:
    """True, false, or null where nobody knows."""
    return fields.Boolean(required=True, allow_none=True)


def one_of(*words: str) -> fields.String:
    """One of a closed list of words."""
    return fields.String(required=True, validate=validate.OneOf(words))


def part(schema: type[Schema], **more: Any) -> fields.Nested:
    """A document within the document."""
    return fields.Nested(schema, required=True, **more)


def many(inner: type[Schema] | fields.Field) -> fields.List:
    """A list that is always there."""
    return fields.List(fields.Nested(inner) if isinstance(inner, type) else inner, required=True)


def binary(*types: str) -> dict[str, Any]:
    """Content of files of these media types."""
    return {t: {"schema": {"type": "string", "contentMediaType": t}} for t in types}


# -- what every service answers --------------------------------------------------------------------------------

Wrong = told(
    "WrongField",
    "One thing that is wrong.",
    field=text(metadata={"description": "The field's dotted path, or the header's or the argument's name."}),
    problem=text(metadata={"description": "What is wrong with it."}),
    allowed=text(metadata={"description": "What it may be; empty where that goes without saying."}),
)


def problem(words: str = "", /, **more: fields.Field) -> type[Schema]:
    """The schema of a service's problem documents; `words` and `more`: what a service's own tell beyond the rest."""
    return told(
        "Problem",
        f"A refusal (RFC 9457). Nothing was changed. {words}".rstrip(),
        type=text(metadata={"description": "about:blank, or a URN that tells refusals of one status apart."}),
        title=text(),
        status=whole(),
        detail=fields.String(),
        errors=fields.List(fields.Nested(Wrong)),
        **more,
    )


def again() -> dict[str, fields.Field]:
    """What the problem documents of a service that has limits tell as well."""
    return {
        "retry_at": fields.String(metadata={"description": "With 429: when to try again."}),
        "retry_after": fields.Integer(metadata={"description": "With 429: in how many seconds."}),
    }


Alive = told("Alive", "The process is alive.", status=one_of("alive"), service=text())
Ready = told("Ready", "The process does its work.", status=one_of("ready"), service=text())

SERVICE: Final[Operations] = {
    ("GET", "/healthz"): Operation("service", {200: Alive}),
    ("GET", "/readyz"): Operation("service", {200: Ready}),
    ("GET", "/metrics"): Operation(
        "service", {200: {"text/plain": {"schema": {"type": "string"}}}}, described="For Prometheus."
    ),
    ("GET", "/openapi.json"): Operation(
        "service", {200: {"application/json": {"schema": {"type": "object"}}}}
    ),
}
