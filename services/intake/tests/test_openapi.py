"""The OpenAPI document is valid, up to date, and says something of every operation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from werkzeug.test import EnvironBuilder

from jiayuan.chassis.web import Call
from jiayuan.intake import text
from jiayuan.intake.channels.openapi import OpenApi
from jiayuan.intake.interface import document
from jiayuan.intake.limits import Limited

pytestmark = pytest.mark.unit

FOUND = json.loads(document.FILE.read_text(encoding="utf-8"))


def test_the_committed_file_is_up_to_date() -> None:
    """If not: `make definitions`."""
    assert document.main(["--check"]) == 0


def test_it_is_an_openapi_document() -> None:
    assert [str(e) for e in OpenAPIV31SpecValidator(FOUND).iter_errors()] == []


def test_every_entrypoint_is_described_and_nothing_else() -> None:
    """If not: a line in OPERATIONS of jiayuan/intake/interface, see docs/openapi.md."""
    assert document.interface().undescribed() == []


def test_whoever_needs_no_role_is_counted() -> None:
    """Every entrypoint for citizens keeps to the limits; monitoring is inside, behind the proxy."""
    free = [
        f"{method} {path}"
        for method, path, entrypoint, _ in document.interface().entrypoints()
        if not isinstance(entrypoint.before, Limited) and set(entrypoint.roles) <= {"citizen"}
    ]
    assert free == ["GET /healthz", "GET /metrics", "GET /readyz"]


def test_every_refusal_has_a_form() -> None:
    for path, item in FOUND["paths"].items():
        for method, operation in item.items():
            for status, response in operation["responses"].items():
                if status >= "4":
                    assert response.get("content"), f"{method} {path} {status}"
            if "429" in operation["responses"]:
                assert "Retry-After" in operation["responses"]["429"]["headers"]


def test_operations_have_names_of_their_own() -> None:
    names = [o["operationId"] for item in FOUND["paths"].values() for o in item.values()]
    assert len(set(names)) == len(names)


def test_what_can_be_read_is_what_the_normal_form_keeps() -> None:
    import re

    pattern = re.compile(FOUND["components"]["schemas"]["NewReport"]["properties"]["text"]["pattern"])
    for said in ("路灯坏了", "。", "a", "😭", "\u200b路", "ﷺ", "ส"):
        assert pattern.search(said), said
        assert text.normal(said)
    for said in ("", " \n\t", "\u200b\u200b", "\u3000", "\ufeff\u202e", "\U000e0041"):
        assert not pattern.search(said), repr(said)
        assert not text.normal(said)


def test_a_file_that_differs_is_named_and_written_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "openapi.json"
    out.write_text("{}", encoding="utf-8")
    assert document.main(["--check", "--out", str(out)]) == 1
    assert str(out) in capsys.readouterr().err
    assert document.main(["--out", str(out)]) == 0
    assert document.main(["--check", "--out", str(out)]) == 0


def test_it_is_served_as_it_is_kept() -> None:
    def get(**headers: Any) -> Any:
        return OpenApi().openapi(Call(EnvironBuilder(headers=headers).get_environ()))

    answer = get()
    assert json.loads(answer.get_data()) == FOUND
    assert answer.content_type.startswith("application/json")
    assert get(**{"If-None-Match": answer.headers["ETag"]}).status_code == 304
