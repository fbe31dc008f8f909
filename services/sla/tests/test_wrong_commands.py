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
    return databases.fresh("sla")


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Operator:
    """Somebody who runs the service."""
    return Operator("sla", tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("clocks nobody", 1, "no clock is known of 'nobody'; allowed: the id of a case"),
        ("explain claim:x", 1, "service-list:STREET:QUARTER, claim:ID or notice:ID"),
        ("explain", 2, "Missing argument 'CASE'"),
        ("rates --by colour", 2, "'colour' is not one of 'street'"),
        ("rates --since tomorrow", 1, "since: is 'tomorrow'; allowed: a day such as 2026-03-01"),
        ("rates --since 2026-05-01 --until 2026-04-01", 1, "allowed: before until"),
        ("rates --street nowhere --format csv", 0, "nothing counts in this period"),
        ("rates --cases nothing", 2, "'nothing' is not one of"),
        ("rates --group x", 2, "--group goes with --cases"),
        ("rates --format xlsx", 2, "--output rates.xlsx"),
        ("rates --format csv --output nowhere/x.csv", 1, "nowhere/x.csv: No such file or directory"),
        ("policy show v99", 1, "there is no version v99; those that there are: jiayuan sla policy list"),
        ("policy check nowhere.yaml", 2, "'nowhere.yaml' does not exist"),
        ("policy check bad.yaml", 1, "bad.yaml is no YAML"),
        ("policy check bin.yaml", 1, "bin.yaml is no YAML"),
        ("policy import empty.yaml", 1, "policy: is no mapping; allowed: version"),
        ("simulate --policy bad.yaml --since 2026-01-01", 1, "bad.yaml is no YAML"),
        (
            "calendar show nowhere",
            1,
            "there is no calendar nowhere; those that there are: jiayuan sla calendar list",
        ),
        ("calendar show county --version 9", 1, "there is no calendar county@9"),
        ("calendar day nowhere 2026-03-03 --holiday x", 1, "there is no calendar nowhere"),
        ("calendar day county yesterday --holiday x", 2, "a DAY such as 2026-07-10"),
        ("calendar day county 2026-03-03", 2, "one of --holiday, --workday, --hours, --regular"),
        ("calendar day county 2026-03-03 --hours 9-12", 1, "hours: '9-12' is no kind of day"),
        ("calendar import nowhere.csv", 1, "a file .csv, .ics, .yaml or .json that is there"),
        ("calendar import bin.yaml", 1, "bin.yaml is no YAML or JSON"),
        ("calendar import chinesecalendar", 1, "--year 2027"),
        ("replay paris empty.yaml", 2, "'paris' is not one of"),
        ("replay boston empty.yaml --limit soon", 1, "limit: is 'soon'; allowed: a duration such as 30m"),
        ("nothing", 2, "No such command 'nothing'"),
    ],
)
def test_what_is_wrong_is_said(operator: Operator, url: str, words: str, code: int, says: str) -> None:
    operator.is_told(words, url, code, says)


@pytest.mark.parametrize(
    "words",
    [
        "clocks case-1",
        "explain case-1",
        "rates",
        "policy list",
        "policy show",
        "calendar list",
        "calendar check",
        "calendar day county 2026-03-03 --holiday x",
    ],
)
def test_a_database_that_is_away_is_said_in_a_sentence(operator: Operator, words: str) -> None:
    operator.is_told_of_no_database(words)
