"""Fast checking of event data against its marshmallow schema.

The marshmallow schema is the contract. Since nine deliveries a report would each pay 100 to 300 µs for it,
its shape is translated once into a msgspec type, whose check of a parsed document is C code of a few µs.
What msgspec refuses is given to marshmallow, whose words the sender gets. What the translation can't
express (schema-level validators) is left to marshmallow as well, always.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal

import msgspec
from marshmallow import RAISE, Schema, fields, validate


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing that is wrong: the field's dotted path, what was wrong, and what is allowed (or "")."""

    field: str
    problem: str
    allowed: str = ""


def _text_limits(field: fields.Field) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for v in field.validators:
        if isinstance(v, validate.Length):
            if v.min is not None:
                out["min_length"] = v.min
            if v.max is not None:
                out["max_length"] = v.max
            if v.equal is not None:
                out["min_length"] = out["max_length"] = v.equal
        elif isinstance(v, validate.Regexp):
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
    limits = _text_limits(field)
    meta = msgspec.Meta(**limits) if limits else None
    plain: Any
    if isinstance(field, fields.AwareDateTime):
        plain = Annotated[datetime, msgspec.Meta(tz=True)]
        meta = None
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
    out = Annotated[plain, meta] if meta is not None else plain
    return out | None if field.allow_none else out


@cache
def struct(schema: type[Schema]) -> type[msgspec.Struct]:
    """The msgspec type of a marshmallow schema, made once."""
    instance = schema()
    members: list[Any] = []
    for name, field in instance.fields.items():
        kind = _type_of(field)
        members.append((name, kind) if field.required else (name, kind | msgspec.UnsetType, msgspec.UNSET))
    members.sort(key=len)  # required first
    return msgspec.defstruct(
        schema.__name__, members, forbid_unknown_fields=instance.unknown == RAISE, kw_only=True, gc=False
    )


@cache
def _has_own_rules(schema: type[Schema]) -> bool:
    """Whether the schema, or one inside it, checks several fields together."""
    instance = schema()
    if any(instance._hooks.get(kind) for kind in ("validates_schema", "validates", "pre_load")):
        return True
    for field in instance.fields.values():
        inner = field.inner if isinstance(field, fields.List) else field
        if isinstance(inner, fields.Nested) and _has_own_rules(type(inner.schema)):
            return True
    return False


def problems(schema: type[Schema], data: Any) -> list[FieldProblem]:
    """Everything wrong with `data` (parsed JSON); empty when it keeps the contract."""
    try:
        msgspec.convert(data, struct(schema))
    except msgspec.ValidationError as refusal:
        found = explain(schema, data)
        # Stricter than marshmallow in some corner (a number as text): still refused, in msgspec's words.
        return found or [FieldProblem("data", str(refusal))]
    return explain(schema, data) if _has_own_rules(schema) else []


def explain(schema: type[Schema], data: Any) -> list[FieldProblem]:
    """What marshmallow says of `data`, one line a field."""
    if not isinstance(data, Mapping):
        return [FieldProblem("data", "must be a JSON object", "object")]
    instance = schema()
    return list(_flatten(instance.validate(dict(data)), "data", instance))


def _flatten(errors: Any, path: str, where: Any) -> list[FieldProblem]:
    if isinstance(errors, Mapping):
        out: list[FieldProblem] = []
        for key, inner in errors.items():
            out += _flatten(inner, path if key == "_schema" else f"{path}.{key}", _inside(where, key))
        return out
    return [FieldProblem(path, str(e), _allowed(where)) for e in errors]


def _inside(where: Any, key: Any) -> Any:
    if isinstance(where, fields.Nested):
        where = where.schema
    if isinstance(where, Schema):
        return where.fields.get(key)
    if isinstance(where, fields.List):
        return where.inner
    return None


def _allowed(field: Any) -> str:
    if not isinstance(field, fields.Field):
        return ""
    parts = []
    for v in field.validators:
        if isinstance(v, validate.OneOf):
            parts.append("one of " + ", ".join(str(c) for c in v.choices))
        elif isinstance(v, validate.Length):
            parts.append(f"length {v.min or 0} to {v.max}" if v.max is not None else f"length from {v.min}")
        elif isinstance(v, validate.Range):
            most = "" if v.max is None else f" to {v.max}"
            parts.append(f"from {v.min}{most}")
        elif isinstance(v, validate.Regexp):
            parts.append(f"pattern {v.regex.pattern}")
    if isinstance(field, fields.AwareDateTime):
        parts.append("RFC 3339 date-time with an offset")
    return "; ".join(parts) or type(field).__name__.lower()
