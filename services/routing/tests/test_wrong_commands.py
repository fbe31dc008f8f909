"""Commands on a bad night: wrong arguments, what is not there, a database that is away. No trace, what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from jiayuan.chassis.testing.commands import Operator
from jiayuan.chassis.testing.databases import Databases

pytestmark = pytest.mark.store


@pytest.fixture(scope="module")
def url(databases: Databases) -> str:
    """An empty database, for all of them: nothing is written."""
    return databases.fresh("routing")


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Operator:
    """Somebody who runs the service."""
    return Operator("routing", tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("explain nobody", 1, "there is no case nobody"),
        ("case show nobody", 1, "give --as, --token-file or JIAYUAN_TOKEN"),
        ("case accept nobody --as x", 2, "Missing option '--why'"),
        (
            "simulate --policy v9 --since 2026-01-01",
            1,
            "neither a file nor a policy v9; allowed: a file .yaml or .json",
        ),
        ("policy show v9", 1, "or a version of: jiayuan routing policy list"),
        ("policy check bad.yaml", 1, "policy: is not YAML"),
        ("policy check bin.yaml", 1, "bin.yaml: is no text in UTF-8 (allowed: .yaml or .json)"),
        ("policy import empty.yaml", 1, "policy: must be a mapping"),
        ("policy approve v9", 1, "version: there is no imported policy v9"),
        ("policy reject v9", 2, "Missing option '--reason'"),
        ("directory check nowhere.yaml", 2, "'nowhere.yaml' does not exist"),
        ("directory check bin.yaml", 1, "bin.yaml: is no text in UTF-8"),
        ("directory import empty.yaml", 1, "directory: must be a mapping (allowed: county"),
        (
            "directory export x.json",
            3,
            "seal_keys is empty: no key to seal personal data with; set JIAYUAN_SEAL_KEYS",
        ),
        ("directory export x.pdf", 2, "x.pdf: a file is .xlsx, .json or .yaml"),
        ("directory export x.json --as-of x", 2, "'x' is no date or time; allowed: 2027-01-01"),
        ("directory versions --most -1", 2, "-1 is not in the range 1<=x<=10000"),
        ("directory cancel 99 --reason x", 1, "version 99: there is no such version"),
        ("directory merge a --into b", 2, "--into b: must be --into A=B"),
        ("directory merge-person a", 2, "Missing argument 'GONE'"),
        ("directory hand-over x", 2, "either --to or --person"),
        ("directory who nowhere", 1, "there is no nowhere as of"),
        ("directory seed --out nowhere/x", 1, "nowhere/x: No such file or directory"),
        ("reads --case nobody", 1, "case: is unknown (allowed: the id or number of a case)"),
        ("reads --since x", 1, "--since x: a day like 2026-03-02"),
        ("reads --limit 0", 2, "0 is not in the range"),
        ("rotation show nowhere", 1, "there is no grid, community or street nowhere"),
        ("emergency declare flood", 2, "Missing option '--area'"),
        ("emergency lift x --reason x", 1, "there is no emergency x"),
        ("whistle show x", 1, "there is no case x"),
        ("nothing", 2, "No such command 'nothing'"),
    ],
)
def test_what_is_wrong_is_said(operator: Operator, url: str, words: str, code: int, says: str) -> None:
    operator.is_told(words, url, code, says)


@pytest.mark.parametrize(
    "words",
    [
        "explain case-1",
        "simulate --policy v9 --since 2026-01-01",
        "policy list",
        "policy approve v9",
        "directory versions",
        "directory who 350921001",
        "reads",
        "rotation show 350921001",
        "emergency list",
        "whistle show x",
    ],
)
def test_a_database_that_is_away_is_said_in_a_sentence(operator: Operator, words: str) -> None:
    operator.is_told_of_no_database(words)
