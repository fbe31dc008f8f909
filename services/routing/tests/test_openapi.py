"""The OpenAPI document is valid, up to date, and says of every operation what the service does."""

from __future__ import annotations

import pytest

from jiayuan.chassis.testing.documents import DocumentTests
from jiayuan.routing import acting
from jiayuan.routing.interface import document, moves

pytestmark = pytest.mark.unit


class TestDocument(DocumentTests):
    """Of routing."""

    document = document


def test_every_move_has_an_address_of_its_own() -> None:
    there = {(method, path): e for method, path, e, _ in document.interface().entrypoints()}
    for move in acting.WORDS:
        entrypoint = there["POST", moves.path_of(move)]
        assert set(entrypoint.roles) == set(moves.roles_of(move)), move


def test_who_is_not_signed_in_reaches_monitoring_and_the_document_only() -> None:
    free = [f"{method} {path}" for method, path, e, _ in document.interface().entrypoints() if not e.roles]
    assert free == ["GET /healthz", "GET /metrics", "GET /openapi.json", "GET /readyz"]
