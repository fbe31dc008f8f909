"""The OpenAPI 3.1 document of a service's HTTP interface, made from the entrypoints, the schemas and what is said of
each operation (`operation`); and how it is served.

A service has a module with an `Interface` of its own and `main`, which writes `data/openapi.json` of its package:

    python -m jiayuan.<service>.interface.document            # writes it
    python -m jiayuan.<service>.interface.document --check    # exit code 1 when it differs

Making it needs apispec, which only the development environment has; serving it needs the file.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, Final

from marshmallow import Schema
from werkzeug.wrappers import Response

from .limits import Limited
from .operation import JSON, Content, Operation, Operations
from .web import Call, Http, http

PROBLEM: Final = "application/problem+json"
TOKEN: Final[Mapping[str, Any]] = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "A bearer token of staff.",
}
_VALUE: Final = re.compile(r"<(?:(\w+(?:\([^>]*\))?):)?(\w+)>")
_NARROW: Final = re.compile(r"<(?:int|string\(length=\d+\)|any\([^>]*\)):")
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


_OBJECT: Final = {JSON: {"schema": {"type": "object"}}}


def plain(method: str, path: str) -> Operation:
    """What is said of an operation of which nothing is said: JSON in, JSON out, and that it may be refused."""
    tag = re.findall(r"[a-z]+", path)[0]
    body = _OBJECT if method in ("POST", "PUT", "PATCH") else None
    return Operation(tag, {200: _OBJECT, 201: _OBJECT}, body=body, refuses=(400, 404, 409, 422))


def _as_it_is(components: dict[str, Any]) -> dict[str, Any]:
    return components


@dataclass(frozen=True)
class Interface:
    """A service's interface. `parts`: the modules' OPERATIONS. `problem`: the schema of its problem documents.

    `also`: schemas that no operation has as its one content, as of answers that may be files as well. `refine`: adds to
    the component schemas what marshmallow can't say.
    `otherwise`: what is said of an operation of which nothing is said, by its method and path (`plain`); else it is
    left out. `path`: parameter name → what is said of a path's value. `titles`: words of statuses that mean more here.
    """

    service: Any
    title: str
    description: str
    parts: Iterable[Operations]
    problem: type[Schema]
    security: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"token": TOKEN})
    path: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    titles: Mapping[int, str] = field(default_factory=dict)
    also: Iterable[type[Schema]] = ()
    refine: Callable[[dict[str, Any]], dict[str, Any]] = _as_it_is
    otherwise: Callable[[str, str], Operation] | None = None

    @property
    def operations(self) -> dict[tuple[str, str], Operation]:
        """All that is said, by method and path."""
        return {key: said for part in self.parts for key, said in part.items()}

    def entrypoints(self) -> Iterator[tuple[str, str, Http, str]]:
        """(method, path, entrypoint, what its docstring says) of all that the service answers, in order."""
        found = []
        for name in dir(self.service):
            method = getattr(self.service, name)
            for entrypoint in getattr(method, "nameko_entrypoints", ()):
                if isinstance(entrypoint, Http):
                    words = (method.__doc__ or "").strip().splitlines()[0]
                    found += [(m, entrypoint.url, entrypoint, words) for m in entrypoint.method.split(",")]
        return iter(sorted(found, key=lambda f: (f[1], f[0])))

    def undescribed(self) -> list[tuple[str, str]]:
        """Entrypoints of which nothing is said, and what is said of no entrypoint."""
        there = {(method, path) for method, path, _, _ in self.entrypoints()}
        return sorted(there ^ self.operations.keys())

    def document(self) -> dict[str, Any]:
        """The whole document."""
        from jiayuan.contracts import generate

        operations = self.operations
        schemas: dict[str, type[Schema]] = {}
        paths: dict[str, dict[str, Any]] = {}
        for method, path, entrypoint, words in self.entrypoints():
            operation = operations.get((method, path))
            if operation is None and self.otherwise is not None:
                operation = self.otherwise(method, path)
            if operation is None:
                continue
            item = paths.setdefault(_VALUE.sub(r"{\2}", path), {})
            item[method.lower()] = self._operation(method, path, entrypoint, words, operation, schemas)
        return {
            "openapi": "3.1.0",
            "info": {
                "title": self.title,
                "version": "1.0.0",
                "description": self.description,
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": "/", "description": "Where the service listens."}],
            "tags": [
                {"name": t}
                for t in sorted({tag for item in paths.values() for o in item.values() for tag in o["tags"]})
            ],
            "paths": paths,
            "components": {
                "schemas": self.refine(
                    generate.components(list(self.also))
                    | generate.components([*schemas.values(), self.problem])
                ),
                "securitySchemes": {name: dict(said) for name, said in self.security.items()},
            },
        }

    def _operation(
        self,
        method: str,
        path: str,
        entrypoint: Http,
        words: str,
        operation: Operation,
        schemas: dict[str, type[Schema]],
    ) -> dict[str, Any]:
        parameters = [self._in_path(kind, name) for kind, name in _VALUE.findall(path)]
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
            out["requestBody"] = {
                "required": not operation.bodiless,
                "content": _content(operation.body, schemas),
            }
        out["responses"] = dict(self._responses(entrypoint, operation, schemas))
        return out

    def _in_path(self, kind: str, name: str) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 200}
        if kind.startswith("any("):
            words = kind.removeprefix("any(").removesuffix(")").split(",")
            schema = {"enum": [word.strip() for word in words]}
        return {
            "name": name,
            "in": "path",
            "required": True,
            "description": self.path.get(name, {}).get("description", f"The {name}."),
            "schema": schema,
        }

    def _responses(
        self, entrypoint: Http, operation: Operation, schemas: dict[str, type[Schema]]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        statuses = set(operation.refuses) | {503}
        if _NARROW.search(entrypoint.url):  # a value of another form is no address at all
            statuses.add(404)
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
            response: dict[str, Any] = {"description": self.titles.get(status) or _TITLES[status]}
            if status in operation.answers:
                content = operation.answers[status]
                if content is not None:
                    response["content"] = _content(content, schemas)
            elif operation.form is not None:
                response["content"] = _content(operation.form, schemas)
            else:
                problem = self.problem.__name__
                response["content"] = {PROBLEM: {"schema": {"$ref": f"#/components/schemas/{problem}"}}}
            if status == 429:
                response["headers"] = {
                    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}
                }
            yield str(status), response

    def main(self, file: Path, prog: str, arguments: list[str] | None = None) -> int:
        """The command. Exit code 1 when `--check` finds a difference."""
        parser = argparse.ArgumentParser(prog=f"python -m {prog}", description=f"{self.title}: OpenAPI.")
        parser.add_argument(
            "--check", action="store_true", help="write nothing, say whether the file differs"
        )
        parser.add_argument("--out", type=Path, default=file, help="the file")
        chosen = parser.parse_args(arguments)
        wanted = text_of(self.document())
        if chosen.out.exists() and chosen.out.read_text(encoding="utf-8") == wanted:
            return 0
        if chosen.check:
            sys.stderr.write(f"{chosen.out} differs: run make definitions\n")
            return 1
        chosen.out.write_text(wanted, encoding="utf-8")
        sys.stdout.write(f"wrote {chosen.out}\n")
        return 0


def _id(method: str, path: str) -> str:
    words = re.findall(r"[A-Za-z0-9]+", _VALUE.sub(r"by \2", path))
    return method.lower() + "".join(w[:1].upper() + w[1:] for w in words)


def _query(schema: type[Schema]) -> list[dict[str, Any]]:
    from jiayuan.contracts import generate

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


def text_of(found: dict[str, Any]) -> str:
    """The document as it is kept."""
    return json.dumps(found, ensure_ascii=False, indent=1) + "\n"


@lru_cache(maxsize=8)
def _kept(package: str) -> bytes:
    return files(package).joinpath("data/openapi.json").read_bytes()


def answer(package: str, call: Call) -> Response:
    """The document of a package (`jiayuan.intake`) as it is kept, with an ETag."""
    response = Response(_kept(package), content_type="application/json; charset=utf-8")
    response.headers["Cache-Control"] = "public, max-age=3600"
    response.add_etag()
    return response.make_conditional(call)


class OpenApi:
    """The entrypoint of a service that has a document."""

    name: ClassVar[str]

    @http("GET", "/openapi.json")
    def openapi(self, call: Call) -> Any:
        """This document."""
        return answer(f"jiayuan.{self.name}", call)
