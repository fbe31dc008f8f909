"""The OpenAPI 3.1 document of intake's HTTP interface, made from the entrypoints, the schemas and `OPERATIONS`.

    python -m jiayuan.intake.interface.document            # writes data/openapi.json, which /openapi.json serves
    python -m jiayuan.intake.interface.document --check    # exit code 1 when it differs

Needs apispec, which only the development environment has.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from marshmallow import Schema

from jiayuan.chassis.web import Http
from jiayuan.contracts import generate

from .. import consent, report, text
from ..limits import Limited
from . import categories, desk, mini_program, open311, places, privacy, reports, service, staff
from .answers import Problem
from .operation import JSON, Content, Operation

FILE: Final = Path(__file__).resolve().parents[1] / "data/openapi.json"
_PARTS: Final = (categories, reports, mini_program, places, staff, desk, privacy, open311, service)
OPERATIONS: Final = {key: said for part in _PARTS for key, said in part.OPERATIONS.items()}

_PROBLEM: Final = "application/problem+json"
_VALUE: Final = re.compile(r"<(?:(\w+(?:\([^>]*\))?):)?(\w+)>")
_PATH: Final[Mapping[str, Mapping[str, Any]]] = {
    "report": {"description": "The report's id."},
    "digest": {"description": "SHA-256 of the file as it is kept, 64 hexadecimal digits."},
    "code": {"description": "A code: a report's tracking code, or a service point's."},
}
_TITLES: Final = {
    200: "Done; or, with an Idempotency-Key that was used before, the first answer again.",
    201: "Made.",
    206: "The part that was asked for.",
    304: "As it was: what you have is fresh.",
    400: "Malformed.",
    401: "Not signed in, or the token is not valid.",
    403: "Not allowed.",
    404: "There is no such thing, or not for you.",
    406: "Not in that form.",
    410: "Erased.",
    409: "Well-formed, but not possible as things are.",
    413: "The body is too large.",
    415: "Not a type that is taken.",
    416: "There is no such part.",
    422: "The schema is broken; `errors` names each field.",
    429: "Too often; `retry_at` says when to try again.",
    502: "Somebody else's answer is not usable.",
    503: "Not available right now; nothing was changed.",
    504: "Somebody else doesn't answer.",
}
_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Sent again with the same key, it is done once and the first answer comes again.",
    "schema": {"type": "string", "maxLength": 200, "pattern": "^[!-~]*$"},
}


def entrypoints() -> Iterator[tuple[str, str, Http, str]]:
    """(method, path, entrypoint, what its docstring says) of all that intake answers, in order."""
    from ..service import IntakeService

    found = []
    for name in dir(IntakeService):
        method = getattr(IntakeService, name)
        for entrypoint in getattr(method, "nameko_entrypoints", ()):
            if isinstance(entrypoint, Http):
                words = (method.__doc__ or "").strip().splitlines()[0]
                found += [(m, entrypoint.url, entrypoint, words) for m in entrypoint.method.split(",")]
    return iter(sorted(found, key=lambda f: (f[1], f[0])))


def undescribed() -> list[tuple[str, str]]:
    """Entrypoints without a line in OPERATIONS, and lines without an entrypoint."""
    there = {(method, path) for method, path, _, _ in entrypoints()}
    return sorted(there ^ OPERATIONS.keys())


def document() -> dict[str, Any]:
    """The whole document."""
    schemas: dict[str, type[Schema]] = {}
    paths: dict[str, dict[str, Any]] = {}
    for method, path, entrypoint, words in entrypoints():
        operation = OPERATIONS.get((method, path))
        if operation is None:
            continue
        item = paths.setdefault(_VALUE.sub(r"{\2}", path), {})
        item[method.lower()] = _operation(method, path, entrypoint, words, operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Jiayuan 數智家園: intake",
            "version": "1.0.0",
            "description": "Reports of citizens, by every channel that speaks HTTP. Every refusal is a problem "
            "document (RFC 9457), or what the channel's own specification has. Answers may grow: ignore members "
            "that you don't know.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "Where intake listens."}],
        "tags": [{"name": t} for t in sorted({o.tag for o in OPERATIONS.values()})],
        "paths": paths,
        "components": {
            "schemas": _refined(generate.components([*schemas.values(), Problem])),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A citizen's, from POST /mini-program/sessions, or one of staff.",
                },
                "trackingCode": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Tracking-Code",
                    "description": "The report's tracking code; `?code=` does as well.",
                },
            },
        },
    }


def _operation(
    method: str,
    path: str,
    entrypoint: Http,
    words: str,
    operation: Operation,
    schemas: dict[str, type[Schema]],
) -> dict[str, Any]:
    parameters = [_in_path(kind, name) for kind, name in _VALUE.findall(path)]
    if operation.query is not None:
        parameters += _query(operation.query)
    if operation.keyed:
        parameters.append(dict(_KEY))
    parameters += [{"name": n, "in": "header", **said} for n, said in operation.headers.items()]
    out: dict[str, Any] = {
        "operationId": _id(method, path),
        "tags": [operation.tag],
        "summary": words,
    }
    if operation.described:
        out["description"] = operation.described
    out["security"] = _security(entrypoint, operation)
    if parameters:
        out["parameters"] = parameters
    if operation.body is not None:
        out["requestBody"] = {"required": True, "content": _content(operation.body, schemas)}
    out["responses"] = dict(_responses(entrypoint, operation, schemas))
    return out


def _id(method: str, path: str) -> str:
    words = re.findall(r"[A-Za-z0-9]+", _VALUE.sub(r"by \2", path))
    return method.lower() + "".join(w[:1].upper() + w[1:] for w in words)


def _in_path(kind: str, name: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 200}
    if kind.startswith("any("):
        schema = {"enum": kind.removeprefix("any(").removesuffix(")").split(",")}
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": _PATH.get(name, {}).get("description", f"The {name}."),
        "schema": schema,
    }


def _query(schema: type[Schema]) -> list[dict[str, Any]]:
    (document,) = (d for n, d in generate.components([schema]).items() if n == schema.__name__)
    out = []
    for name, member in document["properties"].items():
        said = dict(member)
        words = said.pop("description", "")
        if isinstance(said.get("type"), list):  # a query has no null
            said["type"] = next(t for t in said["type"] if t != "null")
        if "enum" in said:
            said["enum"] = [e for e in said["enum"] if e is not None]
        required = name in document.get("required", ())
        out.append({"name": name, "in": "query", "required": required, "description": words, "schema": said})
    return out


def _security(entrypoint: Http, operation: Operation) -> list[dict[str, Any]]:
    if entrypoint.roles:
        return [{"token": []}]
    if operation.proof == "token":
        return [{"token": []}]
    # Whoever has neither is told that there is no such report: what exists is nobody else's business. `?code=` does
    # as well as the header.
    if operation.proof == "code":
        return [{"trackingCode": []}, {}]
    if operation.proof:
        return [{"trackingCode": []}, {"token": []}, {}]
    return []


def _content(content: Content, schemas: dict[str, type[Schema]]) -> dict[str, Any]:
    if isinstance(content, Mapping):
        return dict(content)
    assert content is not None
    known = schemas.setdefault(content.__name__, content)
    if known is not content:
        raise ValueError(
            f"two schemas are called {content.__name__}: {known.__module__}, {content.__module__}"
        )
    return {JSON: {"schema": {"$ref": f"#/components/schemas/{content.__name__}"}}}


def _responses(
    entrypoint: Http, operation: Operation, schemas: dict[str, type[Schema]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    statuses = set(operation.refuses) | {503}
    if operation.body is not None:
        statuses |= {400, 413, 422}
    if operation.query is not None:
        statuses |= {400, 422}
    if operation.keyed:
        statuses |= {400, 409}
    if entrypoint.roles or operation.proof == "token":
        statuses |= {401, 403}
    elif operation.proof:
        statuses |= {401, 404}
    if isinstance(entrypoint.before, Limited):
        statuses.add(429)
    for status in sorted({*operation.answers, *statuses}):
        response: dict[str, Any] = {"description": _TITLES[status]}
        if status in operation.answers:
            content = operation.answers[status]
            if content is not None:
                response["content"] = _content(content, schemas)
        elif operation.form is not None:
            response["content"] = _content(operation.form, schemas)
        else:
            response["content"] = {_PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        if status == 429:
            response["headers"] = {
                "Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}
            }
        yield str(status), response


# -- what the schemas can't say -----------------------------------------------------------------------


def _refined(components: dict[str, Any]) -> dict[str, Any]:
    """With what cleaning a report checks beyond the schemas."""
    rules = report.rules()
    codes = sorted(rules.catalogue.categories)
    for name, schema in components.items():
        members = schema["properties"]
        if schema.get("additionalProperties") is not False:
            continue  # an answer
        if "text" in schema.get("required", ()) and members["text"].get("maxLength") == 8000:
            members["text"]["pattern"] = visible()
        if "category" in members and "enum" not in members["category"] and "text" in members:
            members["category"] = {
                "enum": [*codes, None],
                "description": members["category"].get("description", ""),
            }
        if members.keys() == {"code", "reason"}:
            members["code"] = {"enum": codes}
            members["reason"]["pattern"] = visible()
        if {"lat", "long"} <= members.keys():
            schema["allOf"] = [{"anyOf": _BOTH_OR_NONE}]
            if "code" in members:
                members["code"]["pattern"] = f"^{rules.gazetteer.county}[0-9A-Za-z._:\\-]{{0,58}}$"
        if "confirm" in members:
            members["confirm"] = {"const": True}
        if "consent" in members:
            members["consent"] = {
                "enum": [*consent.versions(), "", None],
                "description": "The version agreed to.",
            }
        for member in ("attachments", "photos"):
            if member in members and name != "Draft":  # of a draft no file is looked for
                members[member]["uniqueItems"] = True
    return components


_BOTH_OR_NONE: Final = [
    {"properties": {"lat": {"type": "null"}, "long": {"type": "null"}}},
    {"properties": {"lat": {"type": "number"}, "long": {"type": "number"}}, "required": ["lat", "long"]},
]


@cache
def visible() -> str:
    """A pattern: there is a character that the normal form keeps, which is all that a text needs to be one."""
    unseen = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and not text.normal(chr(c))]
    ranges: list[list[int]] = []
    for c in unseen:
        if ranges and ranges[-1][1] == c - 1:
            ranges[-1][1] = c
        else:
            ranges.append([c, c])
    return "[^" + "".join(_char(a) if a == b else f"{_char(a)}-{_char(b)}" for a, b in ranges) + "]"


def _char(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else chr(code)


def text_of(found: dict[str, Any]) -> str:
    """The document as it is kept."""
    return json.dumps(found, ensure_ascii=False, indent=1) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """The command. Exit code 1 when `--check` finds a difference."""
    parser = argparse.ArgumentParser(
        prog="python -m jiayuan.intake.interface.document", description="The OpenAPI document of intake."
    )
    parser.add_argument("--check", action="store_true", help="write nothing, say whether the file differs")
    parser.add_argument("--out", type=Path, default=FILE, help="the file")
    chosen = parser.parse_args(arguments)
    wanted = text_of(document())
    if chosen.out.exists() and chosen.out.read_text(encoding="utf-8") == wanted:
        return 0
    if chosen.check:
        sys.stderr.write(f"{chosen.out} differs: run make definitions\n")
        return 1
    chosen.out.write_text(wanted, encoding="utf-8")
    sys.stdout.write(f"wrote {chosen.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
