"""The pages about the account say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jiayuan.contracts.schemas.common import ENTRY_SOURCES, POSTING_KINDS
from jiayuan.ledger.account import FAULTS
from jiayuan.ledger.cli import ledger
from jiayuan.ledger.closing import ACTS, APPROVES, PROPOSES
from jiayuan.ledger.interface.document import interface
from jiayuan.ledger.posting import ANSWERS

pytestmark = pytest.mark.unit

PAGES = Path(__file__).parents[3] / "docs" / "ledger"
ACCOUNT, CLOSING = ((PAGES / f"{name}.md").read_text(encoding="utf-8") for name in ("account", "closing"))


@pytest.mark.parametrize("word", [*POSTING_KINDS, *ENTRY_SOURCES, *FAULTS])
def test_the_account_page_has_a_line_for_every_word(word: str) -> None:
    assert re.search(rf"^\| `{word}` \|", ACCOUNT, re.MULTILINE)


@pytest.mark.parametrize("word", [w for w in ANSWERS if w != "unsatisfied"])
def test_the_account_page_says_every_answer(word: str) -> None:
    assert f"`{word}`" in ACCOUNT


@pytest.mark.parametrize("word", [*ACTS])
def test_the_closing_page_says_every_act(word: str) -> None:
    assert f"`{word}`" in CLOSING


def test_the_closing_page_says_who() -> None:
    assert f"role {PROPOSES}" in CLOSING
    assert f"role {APPROVES}" in CLOSING


@pytest.mark.parametrize(
    ("address", "written"),
    [
        (("POST", "/entries"), "`POST /entries`"),
        (("POST", "/entries/<string:entry>/inspections"), "`POST /entries/<id>/inspections`"),
        (("POST", "/entries/<string:entry>/postings/<int:number>/reversal"), "/postings/<n>/reversal`"),
        (("POST", "/closings/<string:period>"), "`POST /closings/<period>`"),
    ],
)
def test_the_table_of_rights_is_that_of_the_code(address: tuple[str, str], written: str) -> None:
    (entrypoint,) = (e for m, p, e, _ in interface().entrypoints() if (m, p) == address)
    (row,) = (line for line in ACCOUNT.splitlines() if written in line)
    assert all(role in row for role in entrypoint.roles)


def test_every_command_that_is_named_is_there() -> None:
    named = set(re.findall(r"jiayuan ledger ([a-z]+)", ACCOUNT + CLOSING))
    assert named <= set(ledger.commands)
