"""docs/routing/directory.md says what the code says: sheets with their columns, kinds of gaps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jiayuan.routing.directory.gaps import KINDS, MINOR
from jiayuan.routing.directory.sheets import notes

pytestmark = pytest.mark.unit

PAGE = Path(__file__).parents[3] / "docs/routing/directory.md"


def rows(part: str) -> list[list[str]]:
    found = re.search(rf"<!-- {part} -->\n(.*?)<!-- /{part} -->", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return [[c.strip() for c in line.strip("|").split("|")] for line in found[1].splitlines()[2:]]


def test_the_sheets_columns_are_those_of_the_code() -> None:
    assert rows("sheets") == [list(note) for note in notes()]


def test_the_gaps_are_those_of_the_code() -> None:
    assert rows("gaps") == [[f"`{k}`" + (" ·" if k in MINOR else ""), v] for k, v in KINDS.items()]
