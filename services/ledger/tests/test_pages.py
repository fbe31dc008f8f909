"""The pages about the account say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jiayuan.contracts.registry import EVENTS
from jiayuan.contracts.schemas.common import ENTRY_SOURCES, POSTING_KINDS
from jiayuan.ledger.account import FAULTS
from jiayuan.ledger.cli import ledger
from jiayuan.ledger.closing import ACTS, APPROVES, PROPOSES
from jiayuan.ledger.interface.document import interface
from jiayuan.ledger.posting import ANSWERS
from jiayuan.ledger.publication import COLUMNS
from jiayuan.ledger.reports import FIGURES, RATES

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


PUBLICATION = (PAGES / "publication.md").read_text(encoding="utf-8")
INTEGRATORS = (PAGES.parent / "integrators.md").read_text(encoding="utf-8")
SCHEMAS = PAGES.parents[1] / "contracts" / "schemas"


@pytest.mark.parametrize("word", [*COLUMNS, *(f.name for f in (*FIGURES, *RATES))])
def test_the_publication_page_has_a_line_for_every_column_and_figure(word: str) -> None:
    assert re.search(rf"^\| `{word}` \|", PUBLICATION, re.MULTILINE)


def test_the_publication_page_names_every_public_address() -> None:
    for method, path, _, _ in interface().entrypoints():
        if path.startswith("/public/") or "publications" in path:
            for form in ("json", "csv", "xlsx") if "any(" in path else ("",):
                plain = re.sub(r"<any\([^>]*>", form, path)
                assert f"`{method} {re.sub(r'<(?:string|int):', '<', plain)}" in PUBLICATION, path


def test_the_publication_pages_commands_are_there() -> None:
    named = set(re.findall(r"jiayuan ledger ([a-z]+)", PUBLICATION))
    assert named <= set(ledger.commands)


@pytest.mark.parametrize("name", [name for name, event in EVENTS.items() if event.owner == "ledger"])
def test_integrators_read_of_every_event_of_the_ledger(name: str) -> None:
    assert re.search(rf"^\| `{name}` \|", INTEGRATORS, re.MULTILINE)
    assert (SCHEMAS / f"{name}.v1.json").is_file()
