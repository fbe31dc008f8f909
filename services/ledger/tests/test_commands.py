"""What an operator gets who types something wrong at `jiayuan ledger`: which argument, what of it, what is allowed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from jiayuan.chassis import tokens
from jiayuan.chassis.delivery import Message
from jiayuan.chassis.errors import EXIT_CONFIG, EXIT_UNREACHABLE
from jiayuan.chassis.testing.databases import TOKEN_SECRET, Databases, Opened
from jiayuan.contracts import names
from jiayuan.contracts.envelope import encode
from jiayuan.ledger.checkpoint import Signer
from jiayuan.ledger.cli import ledger as command

pytestmark = pytest.mark.store

STREET = "350921001"
NOBODYS = "01989a00-0000-8000-8000-000000000000"
REFUSED, MISUSED = 1, 2


@pytest.fixture(scope="module")
def books(databases: Databases, stories: Any) -> Iterator[Opened]:
    """An account of 2026 with one entry, of one street; nothing is signed yet."""
    opened = Opened("ledger", databases.fresh("ledger"))
    events = stories.usual(stories.Story(street=STREET)).events
    opened.deliveries.take(
        [Message(encode(e), names.CONTENT_TYPE, names.EVENTS_EXCHANGE, e.routing_key) for e in events]
    )
    yield opened
    opened.close()
    databases.forget(opened.url)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command runs: a file that is no text, and no workbook."""
    (tmp_path / "bytes.bin").write_bytes(b"\xff\xfe\x00\xba")
    monkeypatch.chdir(tmp_path)
    return tmp_path


YEARS = "(allowed: 2000 to 2999, as in 2026)"
IDS = "(allowed: 32 hexadecimal digits with four hyphens)"
STREETS = f"the account has no entry of a street '35092' (allowed: {STREET})"
# What is typed, the exit code, and what is said of it.
TYPED: tuple[tuple[str, int, str], ...] = (
    # a year, a quarter, a period
    ("show 26", MISUSED, f"'YEAR': '26' is no year {YEARS}"),
    ("show 2026Q4", MISUSED, f"'YEAR': '2026Q4' is no year {YEARS}"),
    ("show 2062", MISUSED, "YEAR: the account has no entry of 2062 (allowed: 2026)"),
    ("check 20260", MISUSED, f"'YEAR': '20260' is no year {YEARS}"),
    ("check 2062", MISUSED, "YEAR: the account has no entry of 2062 (allowed: 2026)"),
    ("returning 2062", MISUSED, "YEAR: the account has no entry of 2062 (allowed: 2026)"),
    ("publish 2062", MISUSED, "YEAR: the account has no entry of 2062 (allowed: 2026)"),
    ("publications last", MISUSED, f"'YEAR': 'last' is no year {YEARS}"),
    ("export out.zip --year 2026Q1", MISUSED, f"'--year': '2026Q1' is no year {YEARS}"),
    ("report 2026Q5", MISUSED, "'PERIOD': '2026Q5' is no period: a year, 2026, or a quarter, 2026Q3"),
    ("report 2026Q4 --quarter 1", MISUSED, "--quarter: is 1, and the period is 2026Q4"),
    ("report 2026 --quarter 5", MISUSED, "'--quarter': 5 is not in the range 1<=x<=4"),
    ("report 2998", MISUSED, "PERIOD: 2998 has not begun"),
    ("close show 2026Q9", MISUSED, "'PERIOD': '2026Q9' is no period: a year, 2026, or a quarter, 2026Q3"),
    (
        "lists list --quarter 2026",
        MISUSED,
        "'--quarter': '2026' is no quarter: a year and a quarter, such as",
    ),
    (
        "meeting draft 2026 --street 1",
        MISUSED,
        "'QUARTER': '2026' is no quarter: a year and a quarter, such as",
    ),
    ("meeting list --quarter Q3", MISUSED, "'--quarter': 'Q3' is no quarter: a year and a quarter, such as"),
    ("show 2026 --at yesterday", MISUSED, "'--at': 'yesterday' is no day (2026-06-30) and no time"),
    ("lists done --at soon --who x " + NOBODYS, MISUSED, "'--at':"),
    # a street
    ("show 2026 --street 35092", MISUSED, f"--street: {STREETS}"),
    ("report 2026 --street 35092", MISUSED, f"--street: {STREETS}"),
    ("returning 2026 --street 35092", MISUSED, f"--street: {STREETS}"),
    ("publish 2026 --street 35092", MISUSED, f"--street: {STREETS}"),
    ("export out.zip --street 35092", MISUSED, f"--street: {STREETS}"),
    # an id, a name, a number
    ("entry post x progress --note x", MISUSED, f"'ENTRY': 'x' is no id {IDS}"),
    (f"entry post {NOBODYS} progress --note x", REFUSED, "There is no such entry"),
    ("entry post x sold --note x", MISUSED, "'x' is no id"),
    (f"entry post {NOBODYS} sold --note x", MISUSED, "'sold' is not one of 'progress', 'hand_over'"),
    ("proof inclusion x 1", MISUSED, f"'ENTRY': 'x' is no id {IDS}"),
    (f"proof inclusion {NOBODYS} 1", REFUSED, "There is no such posting"),
    ("proof checkpoint --number 7", REFUSED, "There is no such checkpoint: nothing was signed yet"),
    ("proof checkpoint --number 0", MISUSED, "'--number': 0 is not in the range x>=1"),
    ("proof change-hash md5", MISUSED, "'md5' is not one of 'sha256', 'sm3'"),
    (f"export out.zip --entry {NOBODYS}", MISUSED, f"--entry: nothing of {NOBODYS} is in the tree"),
    (
        "export out.zip --tree 9",
        MISUSED,
        "--tree: there is no tree 9 (allowed: none, as nothing was posted yet)",
    ),
    ("export out.zip", REFUSED, "There is no checkpoint yet"),
    ("lists show x", MISUSED, f"'LIST_ID': 'x' is no id {IDS}"),
    (f"lists show {NOBODYS}", REFUSED, "There is no such list"),
    (f"lists release {NOBODYS} --reason x --who x", REFUSED, "There is no such claim"),
    ("lists lineage posting x", MISUSED, "VALUE: 'x' is no posting: the entry's id, a dot and its number"),
    ("lists lineage entry x", MISUSED, "VALUE: 'x' is no id"),
    (
        "lists draft demand 2026Q1 --street 1 --who x",
        MISUSED,
        "--community: a demand list has one, others have",
    ),
    ("meeting show x", MISUSED, f"'MEETING': 'x' is no id {IDS}"),
    (f"meeting show {NOBODYS}", REFUSED, "There is no such meeting"),
    ("published 26", MISUSED, "'ACCOUNT': '26' is no account: 2026, 2026-STREET, or with a number"),
    ("published 2026", REFUSED, "nothing of 2026 was published: `publications 2026` lists what was"),
    ("report 2026 --by colour", MISUSED, "'--by': 'colour' is not one of 'street', 'unit', 'category'"),
    ("entry open", MISUSED, "Missing option '--source'. Choose from:"),
    # a file
    (
        "export nowhere/out.zip",
        MISUSED,
        "'FILE': 'nowhere/out.zip' can't be written: there is no folder 'nowhere'",
    ),
    ("export .", MISUSED, "'FILE': File '.' is a directory"),
    ("report 2026 --format csv --out nowhere/a.csv", MISUSED, "'--out': 'nowhere/a.csv' can't be written"),
    ("report 2026 --format xlsx", MISUSED, "an xlsx goes into a file: give --out"),
    ("published 2026 --format xlsx", MISUSED, "an xlsx goes into a file: give --out"),
    ("published 2026 --out nowhere/a.json", MISUSED, "'--out': 'nowhere/a.json' can't be written"),
    ("key new jiayuan.example/x nowhere/key", MISUSED, "'FILE': 'nowhere/key' can't be written"),
    ("key new jiayuan.example/x bytes.bin", REFUSED, "bytes.bin: File exists"),
    ("key new a+b key", MISUSED, "NAME: a name of 1 to 200 characters without spaces and +"),
    ("key public nowhere", MISUSED, "'FILE': File 'nowhere' does not exist"),
    ("key public bytes.bin", MISUSED, "FILE: 'bytes.bin': is no text in UTF-8"),
    ("verify --key nowhere", MISUSED, "--key: [Errno 2] No such file or directory: 'nowhere'"),
    ("verify --key bytes.bin", MISUSED, "--key: a file of keys is text in UTF-8"),
    ("verify", MISUSED, "whom to trust? Give --key, or set JIAYUAN_LEDGER_SIGNING_KEY_FILE"),
    ("verify --known nowhere", MISUSED, "'--known': File 'nowhere' does not exist"),
    (f"lists import {NOBODYS} nowhere.xlsx --who x", MISUSED, "'FILE': File 'nowhere.xlsx' does not exist"),
    (f"lists export {NOBODYS} nowhere/a.xlsx", MISUSED, "'FILE': 'nowhere/a.xlsx' can't be written"),
    (f"meeting minutes {NOBODYS} nowhere/a.docx", MISUSED, "'FILE': 'nowhere/a.docx' can't be written"),
    (
        f"meeting change {NOBODYS} --record nowhere",
        MISUSED,
        "'--record': 'nowhere': No such file or directory",
    ),
)


def run(books: Opened, *typed: str, **env: str) -> Any:
    """Types a command as somebody of the county."""
    token = tokens.issue(TOKEN_SECRET, "county-1", ("county",), street=STREET)
    env = {
        "JIAYUAN_DATABASE_URL": books.url,
        "JIAYUAN_TOKEN_SECRET": TOKEN_SECRET,
        "JIAYUAN_TOKEN": token,
        **env,
    }
    return CliRunner().invoke(command, typed, env=env, catch_exceptions=False)


@pytest.mark.parametrize(("typed", "code", "said"), TYPED, ids=lambda value: str(value)[:60])
def test_what_is_wrong_is_said(books: Opened, folder: Path, typed: str, code: int, said: str) -> None:
    done = run(books, *typed.split())
    words = " ".join(done.output.replace("\n\t", " ").split())
    assert said in words.replace("Invalid value for ", "")
    assert done.exit_code == code
    assert sorted(p.name for p in folder.iterdir()) == ["bytes.bin"]


def test_every_command_and_group_is_typed_wrong_at_least_once() -> None:
    assert {t.split()[0] for t, _, _ in TYPED} == set(command.commands)


@pytest.mark.parametrize(
    ("typed", "env", "code", "said"),
    [
        ("publish 2026", {"JIAYUAN_TOKEN": "x"}, REFUSED, "The token is not valid"),
        (
            "publish 2026",
            {"JIAYUAN_TOKEN": ""},
            MISUSED,
            "Missing option '--token' (env var: 'JIAYUAN_TOKEN')",
        ),
        ("close approve 2025 --reason x", {}, REFUSED, "Not allowed: approving needs the role auditor"),
        ("show 2026", {"JIAYUAN_DATABASE_URL": ""}, EXIT_CONFIG, "database_url is missing"),
    ],
    ids=["no token at all", "an empty token", "no rights", "no database named"],
)
def test_who_may_not_is_told(books: Opened, typed: str, env: dict[str, str], code: int, said: str) -> None:
    done = _process(typed, {"JIAYUAN_DATABASE_URL": books.url, **env})
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


@pytest.mark.parametrize(
    "typed",
    [
        "show 2026",
        "lists list",
        "close propose 2025 --reason x",
        "proof checkpoint --sign x",
        "verify",
    ],
)
def test_a_database_that_is_away_is_one_sentence(typed: str) -> None:
    away = "postgresql://a:b@127.0.0.1:1/x"
    signer = Signer.new("jiayuan.example/ledger").text()
    done = _process(typed, {"JIAYUAN_DATABASE_URL": away, "JIAYUAN_LEDGER_SIGNING_KEY": signer})
    assert "Traceback" not in done.stderr
    assert (done.returncode, done.stderr[:9]) == (EXIT_UNREACHABLE, "jiayuan: "), done.stderr
    assert "Connection refused" in done.stderr


def _process(typed: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own, which ends with the exit code that an operator sees."""
    token = tokens.issue(TOKEN_SECRET, "county-1", ("county",), street=STREET)
    given = {"JIAYUAN_TOKEN_SECRET": TOKEN_SECRET, "JIAYUAN_TOKEN": token, **env}
    kept = {k: v for k, v in os.environ.items() if not k.startswith("JIAYUAN_")}
    return subprocess.run(
        [sys.executable, "-m", "jiayuan.chassis.cli", "ledger", *typed.split()],
        env={**kept, **{k: v for k, v in given.items() if v}},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
