"""Fast checking of event data against its marshmallow schema.

The marshmallow schema is the contract. Since nine deliveries a report would each pay 100 to 300 µs for it,
its shape is translated once into a msgspec type, whose check of a parsed document is C code of a few µs.
What msgspec refuses is given to marshmallow, whose words the sender gets. What the translation can't
express (rules over several fields) and what comes from outside systems is given to marshmallow always.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

import msgspec
from marshmallow import RAISE, Schema, fields, validate

from .schemas.common import Demand, Pattern, Time
from .times import AWARE


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing that is wrong: the field's dotted path, what was wrong, and what is allowed (or "")."""

    field: str
    problem: str
    allowed: str = ""


def spelled(found: Iterable[FieldProblem]) -> list[dict[str, str]]:
    """Problems as the `problems` of an inbound.outcome: at most 50, cut to the lengths that it allows."""
    return [
        {"field": p.field[:200], "problem": p.problem[:500], "allowed": p.allowed[:500]}
        for p in list(found)[:50]
    ]


def _limits(field: fields.Field) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for v in field.validators:
        if isinstance(v, validate.Length):
            if v.min is not None:
                out["min_length"] = v.min
            if v.max is not None:
                out["max_length"] = v.max
            if v.equal is not None:
                out["min_length"] = out["max_length"] = v.equal
        elif isinstance(v, Pattern):
            out["pattern"] = v.regex.pattern
        elif isinstance(v, validate.Range):
            if v.min is not None:
                out["ge"] = v.min
            if v.max is not None:
                out["le"] = v.max
        elif not isinstance(v, validate.OneOf):
            raise TypeError(f"{field.name}: no fast form of validator {type(v).__name__}")
    return out


def _type_of(field: fields.Field) -> Any:
    plain: Any
    limits = _limits(field)
    if isinstance(field, Time):
        plain = AWARE
        limits = {}  # a range of times is looked at by marshmallow: only what outside systems send has one
    elif isinstance(field, fields.String):
        choices = next((v.choices for v in field.validators if isinstance(v, validate.OneOf)), None)
        plain = Literal[tuple(choices)] if choices is not None else str
    elif isinstance(field, fields.Integer):
        plain = int
    elif isinstance(field, fields.Float):
        plain = float
    elif isinstance(field, fields.Boolean):
        plain = bool
    elif isinstance(field, fields.Nested):
        plain = struct(type(field.schema))
    elif isinstance(field, fields.List):
        plain = list[_type_of(field.inner)]  # type: ignore[misc]
    else:
        raise TypeError(f"{field.name}: no fast form of {type(field).__name__}")
    out = Annotated[plain, msgspec.Meta(**limits)] if limits else plain
    return out | None if field.allow_none else out


@cache
def instance(schema: type[Schema]) -> Schema:
    """The one instance of a schema: making it costs more than using it."""
    return schema()


@cache
def struct(schema: type[Schema]) -> type[msgspec.Struct]:
    """The msgspec type of a marshmallow schema, made once."""
    members: list[Any] = []
    for name, field in instance(schema).fields.items():
        kind = _type_of(field)
        members.append((name, kind) if field.required else (name, kind | msgspec.UnsetType, msgspec.UNSET))
    members.sort(key=len)  # required first
    return msgspec.defstruct(
        schema.__name__,
        members,
        forbid_unknown_fields=instance(schema).unknown == RAISE,
        kw_only=True,
        gc=False,
    )


@cache
def thorough(schema: type[Schema]) -> bool:
    """Whether marshmallow always looks: a Demand, or a schema with rules over several fields."""
    if issubclass(schema, Demand):
        return True
    if any(instance(schema)._hooks.get(kind) for kind in ("validates_schema", "validates", "pre_load")):
        return True
    for field in instance(schema).fields.values():
        inner = field.inner if isinstance(field, fields.List) else field
        if isinstance(inner, fields.Nested) and thorough(type(inner.schema)):
            return True
        if isinstance(inner, Time) and inner.validators:
            return True
    return False


def problems(schema: type[Schema], data: Any) -> list[FieldProblem]:
    """Everything wrong with `data` (parsed JSON); empty when it keeps the contract."""
    if thorough(schema):
        return explain(schema, data)
    try:
        msgspec.convert(data, struct(schema))
    except msgspec.ValidationError as refusal:
        # Should msgspec be the stricter one, it is refused all the same, in msgspec's words.
        return explain(schema, data) or [FieldProblem("data", str(refusal))]
    return []


def explain(schema: type[Schema], data: Any) -> list[FieldProblem]:
    """What marshmallow says of `data`, one line a field."""
    if not isinstance(data, Mapping):
        return [FieldProblem("data", "must be a JSON object", "object")]
    marshmallow = instance(schema)
    return list(_flatten(marshmallow.validate(dict(data)), "data", marshmallow))


def _flatten(errors: Any, path: str, where: Any) -> list[FieldProblem]:
    if isinstance(errors, Mapping):
        out: list[FieldProblem] = []
        for key, inner in errors.items():
            out += _flatten(inner, path if key == "_schema" else f"{path}.{key}", _inside(where, key))
        return out
    return [FieldProblem(path, str(e), allowed(where)) for e in errors]


def _inside(where: Any, key: Any) -> Any:
    if isinstance(where, fields.Nested):
        where = where.schema
    if isinstance(where, Schema):
        return where.fields.get(key)
    if isinstance(where, fields.List):
        return where.inner
    return None


def allowed(field: Any) -> str:
    """What a field may hold, in words; "" for a field that the schema doesn't know."""
    if not isinstance(field, fields.Field):
        return ""
    return "; ".join([_kind(field), *(_words(v, field) for v in field.validators)])


def _kind(field: fields.Field) -> str:
    if isinstance(field, Time):
        return "RFC 3339 date-time with an offset"
    if isinstance(field, fields.Integer):
        return "whole number"
    if isinstance(field, fields.Float):
        return "number"
    if isinstance(field, fields.Boolean):
        return "true or false"
    if isinstance(field, fields.Nested):
        return "object"
    return "list" if isinstance(field, fields.List) else "text"


def _words(validator: Any, field: fields.Field) -> str:
    if isinstance(validator, validate.OneOf):
        return "one of " + ", ".join(str(c) for c in validator.choices)
    if isinstance(validator, validate.Length):
        unit = "items" if isinstance(field, fields.List) else "characters"
        most = (
            f"{validator.min or 0} to {validator.max}"
            if validator.max is not None
            else f"from {validator.min}"
        )
        return f"{most} {unit}"
    if isinstance(validator, validate.Range):
        if isinstance(field, Time):
            return f"years {validator.min.year} to {validator.max.year}"
        return f"{validator.min} to {validator.max}"
    if isinstance(validator, Pattern):
        return f"of the form {validator.form}"
    return ""
