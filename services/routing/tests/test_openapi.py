"""The OpenAPI document is valid, up to date, and says of every operation what the service does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from werkzeug.test import EnvironBuilder

from jiayuan.chassis.web import Call
from jiayuan.routing import acting
from jiayuan.routing.api.interface import OpenApi
from jiayuan.routing.interface import document, moves

pytestmark = pytest.mark.unit

FOUND = json.loads(document.FILE.read_text(encoding="utf-8"))


def test_the_committed_file_is_up_to_date() -> None:
    """If not: `make definitions`."""
    assert document.main(["--check"]) == 0


def test_it_is_an_openapi_document() -> None:
    assert [str(e) for e in OpenAPIV31SpecValidator(FOUND).iter_errors()] == []


def test_nothing_is_described_that_is_not_there() -> None:
    there = {(method, path) for method, path, _, _ in document.interface().entrypoints()}
    assert set(document.interface().operations) - there == set()


def test_every_move_has_an_address_of_its_own() -> None:
    there = {(method, path): e for method, path, e, _ in document.interface().entrypoints()}
    for move in acting.WORDS:
        entrypoint = there["POST", moves.path_of(move)]
        assert set(entrypoint.roles) == set(moves.roles_of(move)), move


def test_who_is_not_signed_in_reaches_monitoring_and_the_document_only() -> None:
    free = [f"{method} {path}" for method, path, e, _ in document.interface().entrypoints() if not e.roles]
    assert free == ["GET /healthz", "GET /metrics", "GET /openapi.json", "GET /readyz"]


def test_every_refusal_has_a_form() -> None:
    for path, item in FOUND["paths"].items():
        for method, operation in item.items():
            for status, response in operation["responses"].items():
                if status >= "4":
                    assert response.get("content"), f"{method} {path} {status}"


def test_operations_have_names_of_their_own() -> None:
    names = [o["operationId"] for item in FOUND["paths"].values() for o in item.values()]
    assert len(set(names)) == len(names)


def test_it_is_served_as_it_is_kept() -> None:
    def get(**headers: Any) -> Any:
        return OpenApi().openapi(Call(EnvironBuilder(headers=headers).get_environ()))

    answer = get()
    assert json.loads(answer.get_data()) == FOUND
    assert get(**{"If-None-Match": answer.headers["ETag"]}).status_code == 304
