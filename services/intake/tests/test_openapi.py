"""The OpenAPI document is valid, up to date, and says something of every operation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jiayuan.chassis.testing.documents import DocumentTests
from jiayuan.intake import text
from jiayuan.intake.interface import document
from jiayuan.intake.limits import Limited

pytestmark = pytest.mark.unit


class TestDocument(DocumentTests):
    """Of intake."""

    document = document


def test_whoever_needs_no_role_is_counted() -> None:
    """Every entrypoint for citizens keeps to the limits; monitoring is inside, behind the proxy."""
    free = [
        f"{method} {path}"
        for method, path, entrypoint, _ in document.interface().entrypoints()
        if not isinstance(entrypoint.before, Limited) and set(entrypoint.roles) <= {"citizen"}
    ]
    assert free == ["GET /healthz", "GET /metrics", "GET /readyz"]


def test_what_can_be_read_is_what_the_normal_form_keeps() -> None:
    import re

    found = json.loads(document.FILE.read_text(encoding="utf-8"))
    pattern = re.compile(found["components"]["schemas"]["NewReport"]["properties"]["text"]["pattern"])
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
