"""`jiayuan import` that is broken off: killed anywhere, it goes on, and nothing is lost or taken twice."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import openpyxl
import pytest
from sqlalchemy import text as sql

from jiayuan.chassis.testing import processes
from jiayuan.chassis.testing.databases import SEAL_KEYS, Opened

pytestmark = pytest.mark.store
ROWS = 2600


def _environment(intake: Opened) -> dict[str, str]:
    settings = {"JIAYUAN_DATABASE_URL": intake.url, "JIAYUAN_SEAL_KEYS": SEAL_KEYS}
    return processes.environment(settings) | {"PYTHONUNBUFFERED": "1"}


def _start(intake: Opened, file: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "jiayuan.chassis.cli", "import", str(file), *more],
        env=_environment(intake),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _count(intake: Opened, table: str = "report") -> int:
    with intake.engine.connect() as conn:
        return int(conn.execute(sql(f"SELECT count(*) FROM {table}")).scalar_one())


def _kill_behind(intake: Opened, file: Path, rows: int, *more: str) -> str:
    """Runs the import until at least `rows` reports are in, and kills it."""
    process = _start(intake, file, *more)
    end = time.monotonic() + 60
    while _count(intake) < rows and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    said = process.communicate(timeout=30)[0]
    assert process.returncode == -signal.SIGKILL, said
    return said


def _finish(intake: Opened, file: Path, *more: str) -> str:
    process = _start(intake, file, *more)
    said = process.communicate(timeout=120)[0]
    assert process.returncode in (0, 1), said
    return said


def _text(n: int) -> str:
    return f"龙津社区第{n}盏路灯坏了"


def _jsonl(path: Path) -> Path:
    lines = [json.dumps({"text": _text(n)}, ensure_ascii=False) for n in range(ROWS)]
    for n in range(100, ROWS, 500):
        lines[n] = '{"text": ""}'
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _csv(path: Path) -> Path:
    rows = [f'"{_text(n)}\n第二行",{n}' for n in range(ROWS)]
    for n in range(100, ROWS, 500):
        rows[n] = f'"",{n}'
    path.write_bytes(("某街道意见箱\n内容,序号\n" + "\n".join(rows) + "\n").encode("gb18030"))
    return path


def _xlsx(path: Path) -> Path:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(["内容", "序号"])
    for n in range(ROWS):
        sheet.append(["" if n % 500 == 100 else _text(n), n])
    book.save(path)
    return path


@pytest.mark.parametrize("make", [_jsonl, _csv, _xlsx])
def test_killed_again_and_again_nothing_is_lost_or_twice(
    intake: Opened, tmp_path: Path, make: object
) -> None:
    file = make(tmp_path / f"a.{make.__name__[1:]}")  # type: ignore[operator, attr-defined]
    wrong = len(range(100, ROWS, 500))
    _kill_behind(intake, file, 500)
    first = _count(intake)
    assert 500 <= first < ROWS - wrong
    _kill_behind(intake, file, first + 700)
    second = _count(intake)
    said = _finish(intake, file)
    assert "continuing behind line" in said
    assert f"{ROWS} lines: {ROWS - wrong} taken in, 0 there already, {wrong} wrong" in said
    # It began behind what was committed: had it begun at the first line, that would be "there already".
    behind = int(said.split("continuing behind line ")[1].split(":")[0])
    assert behind >= second
    with intake.engine.connect() as conn:
        texts = [str(r[0]) for r in conn.execute(sql("SELECT text FROM report"))]
    assert len(texts) == len(set(texts)) == ROWS - wrong
    assert _count(intake, "outbox_event") == ROWS - wrong
    with Path(f"{file}.errors.csv").open(encoding="utf-8-sig", newline="") as errors:
        lines = [int(r["line"]) for r in csv.DictReader(errors)]
    assert lines == sorted(set(lines))
    assert len(lines) == wrong

    again = _finish(intake, file)
    assert "continuing" not in again
    assert f"0 taken in, {ROWS - wrong} there already, {wrong} wrong" in again


def test_two_at_the_same_file_do_no_harm(intake: Opened, tmp_path: Path) -> None:
    file = _jsonl(tmp_path / "a.jsonl")
    both = [_start(intake, file) for _ in range(2)]
    said = [p.communicate(timeout=120)[0] for p in both]
    codes = sorted(p.returncode for p in both)
    # One of them may be through before the other begins.
    assert codes in ([1, 2], [1, 1]), said
    assert codes == [1, 1] or any("another process is taking the same file in" in s for s in said)
    _finish(intake, file)
    assert _count(intake) == _count(intake, "outbox_event") == ROWS - len(range(100, ROWS, 500))


def test_another_mapping_or_source_is_another_import(intake: Opened, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("编号,内容\nA1,路灯坏了\n", encoding="utf-8")
    assert "1 taken in" in _finish(intake, file)
    assert "1 there already" in _finish(intake, file)
    assert "1 taken in" in _finish(intake, file, "--source", "elsewhere")
