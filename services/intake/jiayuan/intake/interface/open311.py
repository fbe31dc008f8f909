"""Open311 GeoReport v2. Its specification says what each parameter means; docs/channels/open311.md what we add."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import fields

from jiayuan.chassis.operation import JSON, Operation, Operations
from jiayuan.contracts.schemas.common import Demand

from ..channels.open311.requests import PATH

_FORM: Final = ".<any(xml,json):form>"
_ERRORS: Final[dict[str, Any]] = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["code", "description"],
        "properties": {"code": {"type": "integer"}, "description": {"type": "string"}},
    },
}


def _both(schema: dict[str, Any]) -> dict[str, Any]:
    """JSON as it is, and the same in XML, which JSON Schema says nothing of."""
    return {JSON: {"schema": schema}, "text/xml": {"schema": {}}}


def _list(*required: str) -> dict[str, Any]:
    return _both({"type": "array", "items": {"type": "object", "required": list(required)}})


def _texts(name: str, words: str, *names: str) -> type[Demand]:
    return type(name, (Demand,), {"__doc__": words, **{n: fields.String() for n in names}})


def _form(required: tuple[str, ...], *names: str) -> dict[str, Any]:
    members = {n: {"type": "string"} for n in (*required, *names)}
    schema = {"type": "object", "properties": members, "required": list(required)}
    return {"application/x-www-form-urlencoded": {"schema": schema}}


class Jurisdiction(Demand):
    """Whose services."""

    jurisdiction_id = fields.String()


_PAGES: Final = ("page", "page_size")
_TIMES: Final = ("start_date", "end_date")
Listing = _texts(
    "Open311Requests",
    "Which requests.",
    "jurisdiction_id",
    "service_request_id",
    "service_code",
    *_TIMES,
    "updated_after",
    "updated_before",
    "status",
    "extensions",
    *_PAGES,
)
Single = _texts("Open311Request", "Whose request.", "jurisdiction_id", "extensions")
Updates = _texts("Open311Updates", "Between two times.", "jurisdiction_id", *_TIMES)


def _read(answer: dict[str, Any], query: type[Demand] = Jurisdiction) -> Operation:
    return Operation("open311", {200: answer}, query=query, refuses=(400, 404), form=_both(_ERRORS))


def _write(answer: dict[str, Any], body: dict[str, Any]) -> Operation:
    return Operation(
        "open311", {200: answer}, body=body, query=Jurisdiction, refuses=(403, 404, 415), form=_both(_ERRORS)
    )


_DISCOVERY: Final = _read(_both({"type": "object", "required": ["endpoints"]}))
_REQUESTS: Final = _list("service_request_id", "status", "service_code", "requested_datetime")
_CREATED: Final = _both({"type": "array", "minItems": 1, "maxItems": 1, "items": {"type": "object"}})

OPERATIONS: Final[Operations] = {
    ("GET", f"/discovery{_FORM}"): _DISCOVERY,
    ("GET", f"/open311/discovery{_FORM}"): _DISCOVERY,
    ("GET", f"{PATH}/discovery{_FORM}"): _DISCOVERY,
    ("GET", f"{PATH}/services{_FORM}"): _read(_list("service_code", "service_name", "metadata", "type")),
    ("GET", f"{PATH}/services/<string:code>{_FORM}"): _read(
        _both({"type": "object", "required": ["service_code", "attributes"]})
    ),
    ("POST", f"{PATH}/requests{_FORM}"): _write(
        _CREATED,
        _form(
            ("service_code",),
            "api_key",
            "description",
            "lat",
            "long",
            "address_string",
            "address_id",
            "email",
            "device_id",
            "account_id",
            "first_name",
            "last_name",
            "phone",
            "media_url",
        ),
    ),
    ("GET", f"{PATH}/requests{_FORM}"): _read(_REQUESTS, Listing),
    ("GET", f"{PATH}/requests/<string:request>{_FORM}"): _read(_REQUESTS, Single),
    ("GET", f"{PATH}/tokens/<string:code>{_FORM}"): _read(_list("service_request_id", "token")),
    ("GET", f"{PATH}/servicerequestupdates{_FORM}"): _read(
        _list("update_id", "service_request_id", "updated_datetime"), Updates
    ),
    ("POST", f"{PATH}/servicerequestupdates{_FORM}"): _write(
        _CREATED,
        _form(
            ("service_request_id", "update_id", "status", "updated_datetime"),
            "api_key",
            "description",
            "media_url",
            "email",
            "first_name",
            "last_name",
        ),
    ),
}
