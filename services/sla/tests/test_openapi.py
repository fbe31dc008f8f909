"""The OpenAPI document is valid, up to date, and says of every operation what the service does."""

from __future__ import annotations

import json

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from jiayuan.sla.interface import document

pytestmark = pytest.mark.unit

FOUND = json.loads(document.FILE.read_text(encoding="utf-8"))


def test_the_committed_file_is_up_to_date() -> None:
    """If not: `make definitions`."""
    assert document.main(["--check"]) == 0


def test_it_is_an_openapi_document() -> None:
    assert [str(e) for e in OpenAPIV31SpecValidator(FOUND).iter_errors()] == []


def test_something_is_said_of_everything_that_is_there() -> None:
    assert document.interface().undescribed() == []


def test_operations_have_names_of_their_own() -> None:
    names = [o["operationId"] for item in FOUND["paths"].values() for o in item.values()]
    assert len(set(names)) == len(names)
