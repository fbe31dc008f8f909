"""Writes the files that are derived from the contracts.

    python -m jiayuan.contracts.generate            # writes
    python -m jiayuan.contracts.generate --check    # exit code 1 and the name of every file that differs

deploy/rabbitmq/definitions.json   the broker's exchanges, queues, bindings, policies, users and rights
contracts/schemas/<event>.v1.json  JSON Schema 2020-12 of the whole CloudEvent, for every event
contracts/asyncapi.json            AsyncAPI 3.0: who sends what to which exchange, who reads which queue
contracts/golden/MANIFEST          SHA-256 of every golden example; lines are only ever added
docs/integrators.md                its tables of fields, between the markers
docs/architecture.md               its table of events, likewise
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import resolve_schema_cls
from marshmallow import Schema, fields

from . import names, topology
from .check import allowed, instance
from .envelope import ATTRIBUTE_LIMIT, SEQUENCE_LIMIT, TRACEPARENT
from .registry import EVENTS, INBOUND_EVENTS, OUTCOME, EventType
from .schemas.common import Pattern, Time

REPOSITORY: Final = Path(__file__).resolve().parents[3]
DEFINITIONS: Final = "deploy/rabbitmq/definitions.json"
ASYNCAPI: Final = "contracts/asyncapi.json"
GOLDEN: Final = "contracts/golden"
MANIFEST: Final = f"{GOLDEN}/MANIFEST"
INTEGRATORS: Final = "docs/integrators.md"
ARCHITECTURE: Final = "docs/architecture.md"

_CLOCK: Final = "[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?([Zz]|[+-][0-9]{2}:?[0-9]{2})$"
_ANY_TIME: Final = "^[0-9]{4}-[0-9]{2}-[0-9]{2}" + _CLOCK
_SENT_TIME: Final = "^(19|2[0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}" + _CLOCK


class GoldenChanged(Exception):
    """A golden example differs from what its line in the manifest says, or is gone."""


def everything() -> list[EventType]:
    """Every event: between services, from outside, and the outcome."""
    return [*EVENTS.values(), *INBOUND_EVENTS.values(), OUTCOME]


# ---- JSON Schema ------------------------------------------------------------------------------------------


def components(schemas: list[type[Schema]]) -> dict[str, dict[str, Any]]:
    """JSON Schemas of marshmallow schemas and of all that they nest, by class name; `$ref` as in OpenAPI."""

    def name(schema: Any) -> str:
        resolved: Any = resolve_schema_cls(schema)
        found[resolved.__name__] = resolved
        return str(resolved.__name__)

    found: dict[str, Any] = {}
    plugin = MarshmallowPlugin(schema_name_resolver=name)
    spec = APISpec(title="", version="", openapi_version="3.1.0", plugins=[plugin])
    assert plugin.converter is not None
    plugin.converter.add_attribute_function(_form)
    for schema in schemas:
        if schema.__name__ not in found:
            found[schema.__name__] = schema
            spec.components.schema(schema.__name__, schema=schema)
    out = dict(sorted(spec.to_dict().get("components", {}).get("schemas", {}).items()))
    for key, document in out.items():
        document |= getattr(found[key], "json_schema", {})
        document["description"] = (inspect.getdoc(found[key]) or "").replace("\n\n", " ").replace("\n", " ")
        for member in document["properties"].values():
            member.pop("x-minimum", None)  # a range of times, which is in the pattern
            member.pop("x-maximum", None)
    return out


def _form(_converter: Any, field: fields.Field, **_: Any) -> dict[str, Any]:
    """What apispec can't know: whole-text patterns in the form of ECMA 262, and times."""
    if isinstance(field, Time):
        return {"pattern": _SENT_TIME if field.validators else _ANY_TIME}
    for v in field.validators:
        if isinstance(v, Pattern):
            return {"pattern": f"^(?:{v.form})$"}
    return {}


def _envelope(event: EventType, data: str) -> dict[str, Any]:
    """The CloudEvent around `data` (a `$ref`)."""
    text: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": ATTRIBUTE_LIMIT}
    optional = {**text, "type": ["string", "null"]}
    if event.owner == "partner":
        source: dict[str, Any] = {**text, "pattern": "^/partners/[^/]+$"}
        source["description"] = "/partners/ and the sender's broker user."
    else:
        source = {"enum": [names.source(owner) for owner in event.owner.split("|")]}
    return {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "time", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {
                **text,
                "description": "With `source` the identity of the event: sent again, it is the same.",
            },
            "source": source,
            "type": {"const": names.event_type(event.name)},
            "time": {"type": "string", "format": "date-time", "pattern": _SENT_TIME},
            "datacontenttype": {
                "type": "string",
                "pattern": "^application/([A-Za-z0-9.+-]+\\+)?json *(;.*)?$",
            },
            "subject": {**optional, "description": "The aggregate's id."},
            "sequence": {
                "type": ["integer", "null"],
                "minimum": 0,
                "maximum": SEQUENCE_LIMIT,
                "description": "The aggregate's version: what is lower than what was seen is old.",
            },
            "street": optional,
            "lane": {"enum": [*names.LANES, None], "default": "live"},
            "traceparent": {
                "description": f"W3C Trace Context ({TRACEPARENT.pattern}); if malformed, ignored."
            },
            "causationid": {**optional, "description": "The id of the event that led to this one."},
            "data": {"$ref": data},
        },
        "not": {"required": ["data_base64"]},
    }


def json_schema(event: EventType) -> dict[str, Any]:
    """The JSON Schema 2020-12 of an event's whole CloudEvent, with all that it needs in `$defs`."""
    definitions = json.loads(
        json.dumps(components([event.schema])).replace('"#/components/schemas/', '"#/$defs/')
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:jiayuan:{event.name}:v1",
        "title": names.event_type(event.name),
        "description": event.summary,
        **_envelope(event, f"#/$defs/{event.schema.__name__}"),
        "$defs": definitions,
    }


# ---- AsyncAPI ---------------------------------------------------------------------------------------------


def asyncapi(root: Path = REPOSITORY) -> dict[str, Any]:
    """The AsyncAPI 3.0 document of the whole bus, with the first golden example of each event in it."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:jiayuan:bus",
        "info": {
            "title": "Jiayuan 數智家園: the bus",
            "version": "1.0.0",
            "description": "Citizens' reports on their way to an answer: the events of five services, and what "
            "outside systems send and get. CloudEvents 1.0 in JSON structured mode over AMQP 0-9-1, at most "
            f"{names.MAX_EVENT_BYTES} bytes. In the bulk lane the routing key has `{names.BULK_SUFFIX}` at its end.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
            "tags": [{"name": s} for s in (*names.SERVICES, "partner")],
        },
        "defaultContentType": names.CONTENT_TYPE,
        "servers": {
            "broker": {
                "host": "broker.example:5671",
                "pathname": "/jiayuan",
                "protocol": "amqps",
                "protocolVersion": "0.9.1",
                "description": "RabbitMQ; the path is the virtual host.",
                "security": [{"$ref": "#/components/securitySchemes/login"}],
            }
        },
        "channels": dict(_channels()),
        "operations": dict(_operations()),
        "components": {
            "messages": {e.name: _message(e, root) for e in everything()},
            "schemas": components([e.schema for e in everything()]),
            "securitySchemes": {
                "login": {
                    "type": "userPassword",
                    "description": "One broker user a service and an outside system, with the least rights.",
                }
            },
        },
    }


def _message(event: EventType, root: Path) -> dict[str, Any]:
    example = json.loads(sorted((root / GOLDEN / event.name).glob("*.json"))[0].read_bytes())
    return {
        "name": names.event_type(event.name),
        "title": event.name,
        "summary": event.summary,
        "contentType": names.CONTENT_TYPE,
        "headers": {"type": "object", "description": "No header is read: everything is in the body."},
        "payload": _envelope(event, f"#/components/schemas/{event.schema.__name__}"),
        "correlationId": {"location": "$message.payload#/id"},
        "bindings": {"amqp": {"messageType": names.event_type(event.name), "bindingVersion": "0.3.0"}},
        "examples": [{"name": event.name, "payload": example}],
    }


def _exchange_of(event: EventType) -> str:
    if event is OUTCOME:
        return names.OUTCOMES_EXCHANGE
    return names.INBOUND_EXCHANGE if event.owner == "partner" else names.EVENTS_EXCHANGE


def _channels() -> Iterator[tuple[str, dict[str, Any]]]:
    """A channel for every routing key of an exchange, and one for every queue."""
    for event in everything():
        exchange = {"name": _exchange_of(event), "type": "topic", "durable": True, "autoDelete": False}
        amqp = {"is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0"}
        channel: dict[str, Any] = {
            "address": "{partner}" if event is OUTCOME else event.name,
            "description": event.summary,
            "messages": _refs([event.name]),
            "bindings": {"amqp": amqp},
        }
        if event is OUTCOME:
            channel["parameters"] = {"partner": {"description": "The outside system's broker user."}}
        else:
            channel["x-bulk-routing-key"] = names.routing_key(event.name, "bulk")
        yield event.name, channel
    for service in names.SERVICES:
        for lane in names.LANES:
            if taken := _taken(service):
                yield names.queue(service, lane), _queue(names.queue(service, lane), taken)
    outcomes = _queue(names.outcomes_queue("{partner}"), [OUTCOME.name])
    outcomes["parameters"] = {"partner": {"description": "The outside system's broker user."}}
    yield "jiayuan.outcomes", outcomes


def _taken(service: str) -> list[str]:
    mine = [n for n in EVENTS if service in names.subscribers(n)]
    return mine + list(names.INBOUND.get(service, ()))


def _queue(name: str, taken: list[str]) -> dict[str, Any]:
    queue = {"name": name, "durable": True, "exclusive": False, "autoDelete": False}
    return {
        "address": name,
        "messages": _refs(taken),
        "bindings": {"amqp": {"is": "queue", "queue": queue, "bindingVersion": "0.3.0"}},
    }


def _refs(event_names: list[str]) -> dict[str, Any]:
    return {n: {"$ref": f"#/components/messages/{n}"} for n in event_names}


def _operations() -> Iterator[tuple[str, dict[str, Any]]]:
    sent = {"deliveryMode": 2, "mandatory": True, "bindingVersion": "0.3.0"}
    for event in everything():
        for owner in event.owner.split("|"):
            # An event that nobody takes yet must not come back as unroutable.
            wanted = event.owner == "partner" or event is OUTCOME or bool(names.subscribers(event.name))
            yield (
                f"{owner}.sends.{event.name}",
                {
                    "action": "send",
                    "channel": {"$ref": f"#/channels/{event.name}"},
                    "summary": event.summary,
                    "tags": [{"name": owner}],
                    "messages": [{"$ref": f"#/channels/{event.name}/messages/{event.name}"}],
                    "bindings": {"amqp": {**sent, "mandatory": wanted}},
                },
            )
    for service in names.SERVICES:
        if taken := _taken(service):
            for lane in names.LANES:
                yield f"{service}.receives.{lane}", _receive(names.queue(service, lane), service, taken)
    yield "partner.receives.outcomes", _receive("jiayuan.outcomes", "partner", [OUTCOME.name])


def _receive(channel: str, who: str, taken: list[str]) -> dict[str, Any]:
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{channel}"},
        "tags": [{"name": who}],
        "messages": [{"$ref": f"#/channels/{channel}/messages/{n}"} for n in taken],
        "bindings": {"amqp": {"ack": True, "bindingVersion": "0.3.0"}},
    }


# ---- the page for integrators -----------------------------------------------------------------------------


def table(schema: type[Schema]) -> str:
    """A Markdown table of every field of a schema, nested ones with dotted names."""
    rows = ["| field | what it is | what is allowed |", "|---|---|---|"]
    for path, field in _paths(schema, ""):
        name = f"**`{path}`**" if field.required else f"`{path}`"
        null = " or null" if field.allow_none else ""
        rows.append(f"| {name} | {field.metadata['description']} | {_allowed(field)}{null} |")
    return "\n".join(rows)


def _allowed(field: fields.Field) -> str:
    words = allowed(field)
    if isinstance(field, fields.List) and not isinstance(field.inner, fields.Nested):
        words += f"; each {allowed(field.inner)}"
    return words.replace("|", "\\|")


def _paths(schema: type[Schema], prefix: str) -> Iterator[tuple[str, fields.Field]]:
    for name, field in instance(schema).fields.items():
        yield prefix + name, field
        inner = field.inner if isinstance(field, fields.List) else field
        if isinstance(inner, fields.Nested):
            yield from _paths(type(inner.schema), prefix + name + ("." if inner is field else "[]."))


def with_tables(page: str) -> str:
    """The page with the table of each `<!-- fields NAME -->` … `<!-- end -->` written anew."""
    for event in [*INBOUND_EVENTS.values(), OUTCOME]:
        page = _between(INTEGRATORS, page, f"fields {event.name}", table(event.schema))
    return page


def with_events(page: str) -> str:
    """The page with the table of events between `<!-- events -->` and `<!-- end -->` written anew."""
    rows = ["| event | said by | means | heard by |", "|---|---|---|---|"]
    for event in EVENTS.values():
        heard = ", ".join(names.subscribers(event.name)) or "—"
        rows.append(f"| `{event.name}` | {event.owner} | {event.summary} | {heard} |")
    return _between(ARCHITECTURE, page, "events", "\n".join(rows))


def _between(name: str, page: str, what: str, text: str) -> str:
    start, end = f"<!-- {what} -->\n", "<!-- end -->"
    before, found, rest = page.partition(start)
    if not found or end not in rest:
        raise ValueError(f"{name} has no {start.strip()} … {end}")
    return before + start + "\n" + text + "\n\n" + rest[rest.index(end) :]


# ---- golden examples --------------------------------------------------------------------------------------


def manifest(root: Path) -> str:
    """The manifest with a line more for every new example. GoldenChanged when an old one isn't as it was."""
    path = root / MANIFEST
    lines = path.read_text().splitlines() if path.exists() else []
    known = {line.split("  ", 1)[1]: line.split("  ", 1)[0] for line in lines}
    there = {p.relative_to(root / GOLDEN).as_posix(): _digest(p) for p in (root / GOLDEN).glob("*/*.json")}
    for name, digest in known.items():
        if there.get(name) != digest:
            what = "was changed" if name in there else "is gone"
            raise GoldenChanged(f"{GOLDEN}/{name} {what}: golden examples are only ever added to")
    lines += [f"{there[name]}  {name}" for name in sorted(there.keys() - known.keys())]
    return "".join(f"{line}\n" for line in lines)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# ---- all of it --------------------------------------------------------------------------------------------


def files(root: Path = REPOSITORY) -> dict[str, str]:
    """Every generated file's path below `root`, and what should be in it."""
    out = {DEFINITIONS: _pretty(topology.definitions(), sort=True), ASYNCAPI: _pretty(asyncapi(root))}
    for event in everything():
        out[f"contracts/schemas/{event.name}.v1.json"] = _pretty(json_schema(event))
    out[MANIFEST] = manifest(root)
    out[INTEGRATORS] = with_tables((root / INTEGRATORS).read_text())
    out[ARCHITECTURE] = with_events((root / ARCHITECTURE).read_text())
    return out


def _pretty(document: Any, *, sort: bool = False) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2, sort_keys=sort) + "\n"


def stale(root: Path = REPOSITORY, wanted: dict[str, str] | None = None) -> list[str]:
    """The generated files that differ from the contracts (or `wanted`), and schemas of events that are no more."""
    wanted = files(root) if wanted is None else wanted
    schemas = (root / "contracts/schemas").glob("*.json")
    extra = {p.relative_to(root).as_posix() for p in schemas} - wanted.keys()
    differs = [n for n, text in wanted.items() if not (root / n).exists() or (root / n).read_text() != text]
    return sorted([*differs, *extra])


def main(arguments: list[str] | None = None) -> int:
    """The command. Exit code 1 when `--check` finds a difference, or a golden example was changed."""
    parser = argparse.ArgumentParser(
        prog="python -m jiayuan.contracts.generate", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--check", action="store_true", help="write nothing, say which files differ")
    parser.add_argument("--root", type=Path, default=REPOSITORY, help="the repository")
    chosen = parser.parse_args(arguments)
    try:
        wanted = files(chosen.root)
    except GoldenChanged as error:
        sys.stderr.write(f"{error}\n")
        return 1
    different = stale(chosen.root, wanted)
    for name in different:
        if chosen.check:
            sys.stderr.write(f"{name} differs from the contracts: run python -m jiayuan.contracts.generate\n")
            continue
        path = chosen.root / name
        if name in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[name])
            sys.stdout.write(f"wrote {name}\n")
        else:
            path.unlink()
            sys.stdout.write(f"removed {name}\n")
    return 1 if chosen.check and different else 0


if __name__ == "__main__":
    sys.exit(main())
