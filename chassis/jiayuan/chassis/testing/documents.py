"""What the OpenAPI document of every service is held to; a service's `test_openapi.py` inherits it."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from werkzeug.test import EnvironBuilder

from ..web import Call


@pytest.mark.unit
class DocumentTests:
    """`document`: the service's module `interface.document`."""

    document: ClassVar[Any]

    @property
    def found(self) -> dict[str, Any]:
        """The committed file."""
        kept: dict[str, Any] = json.loads(self.document.FILE.read_text(encoding="utf-8"))
        return kept

    @property
    def operations(self) -> list[tuple[str, dict[str, Any]]]:
        """Each operation by its method and path."""
        paths = self.found["paths"].items()
        return [(f"{method} {path}", said) for path, item in paths for method, said in item.items()]

    def test_the_committed_file_is_up_to_date(self) -> None:
        """If not: `make definitions`."""
        assert self.document.main(["--check"]) == 0

    def test_it_is_an_openapi_document(self) -> None:
        """By the specification's own schema."""
        assert [str(e) for e in OpenAPIV31SpecValidator(self.found).iter_errors()] == []

    def test_what_is_described_is_what_is_there(self) -> None:
        """If not: a line in OPERATIONS of the service's interface, see docs/openapi.md."""
        interface = self.document.interface()
        there = {(method, path) for method, path, _, _ in interface.entrypoints()}
        assert interface.operations.keys() - there == set()
        if interface.otherwise is None:
            assert there - interface.operations.keys() == set()

    def test_operations_have_names_of_their_own(self) -> None:
        """Clients are made from them."""
        names = [said["operationId"] for _, said in self.operations]
        assert len(set(names)) == len(names)

    def test_every_refusal_has_a_form(self) -> None:
        """And tells when to come back, where it is for a while only."""
        for address, said in self.operations:
            for status, response in said["responses"].items():
                assert status < "4" or response.get("content"), f"{address} {status}"
            if "429" in said["responses"]:
                assert "Retry-After" in said["responses"]["429"]["headers"], address

    def test_it_is_served_as_it_is_kept(self) -> None:
        """With an ETag."""
        service = self.document.interface().service()

        def get(**headers: str) -> Any:
            return service.openapi(Call(EnvironBuilder(headers=list(headers.items())).get_environ()))

        answer = get()
        assert json.loads(answer.get_data()) == self.found
        assert answer.content_type.startswith("application/json")
        assert get(**{"If-None-Match": answer.headers["ETag"]}).status_code == 304
