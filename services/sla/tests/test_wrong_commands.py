"""Commands on a bad night: wrong arguments, what is not there, a database that is away. No trace, what is allowed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jiayuan.chassis import cli
from jiayuan.chassis.testing.databases import Databases

pytestmark = pytest.mark.store
AWAY = "postgresql://u:secret@127.0.0.1:1/none"


@pytest.fixture(scope="module")
def url(databases: Databases) -> str:
    """An empty database, for all of them: nothing is written."""
    return databases.fresh("sla")


def run(
    words: list[str], url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """Exit code, and what was said of what is wrong."""
    monkeypatch.setenv("JIAYUAN_DATABASE_URL", url)
    monkeypatch.setattr(sys, "argv", ["jiayuan", "sla", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0), capsys.readouterr().err


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are none."""
    (tmp_path / "bad.yaml").write_text("[1, 2", encoding="utf-8")
    (tmp_path / "bin.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty.yaml").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("files")
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
def test_what_is_wrong_is_said(
    url: str,
    words: str,
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found, said = run(words.split(), url, monkeypatch, capsys)
    assert (found, says in said) == (code, True), said
    assert "Traceback" not in said


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
def test_a_database_that_is_away_is_said_in_a_sentence(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = run(words.split(), AWAY, monkeypatch, capsys)
    assert code == 6
    assert said.startswith("jiayuan: ")
    assert "does not answer" in said
    assert "Connection refused" in said
    assert "secret" not in said
