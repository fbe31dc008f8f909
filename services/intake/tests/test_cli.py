"""`jiayuan import` and `jiayuan intake explain`."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text as sql

from jiayuan.chassis.testing.databases import Opened
from jiayuan.intake.cli import import_file, intake

LINES = "编号,内容,电话\n" + "".join(f"{n},龙津社区第{n}盏路灯坏了,1380013{n:04}\n" for n in range(1, 1203))
WRONG = "x1,,\nx2,电话不对,abc\n"


@pytest.fixture
def run(intake: Opened, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("JIAYUAN_INTAKE_DATABASE_URL", intake.url)
    monkeypatch.setenv("JIAYUAN_SEAL_KEYS", intake.settings.seal_keys)

    def run(*arguments: Any) -> Result:
        return CliRunner().invoke(import_file, [str(a) for a in arguments], catch_exceptions=False)

    return run


def _count(opened: Opened, table: str, where: str = "true") -> int:
    with opened.engine.connect() as conn:
        return int(conn.execute(sql(f"SELECT count(*) FROM {table} WHERE {where}")).scalar_one())


@pytest.mark.store
def test_a_file_goes_in_once_and_wrong_lines_are_told(intake: Opened, run: Any, tmp_path: Path) -> None:
    file = tmp_path / "信件.csv"
    file.write_bytes((LINES + WRONG).encode("gb18030"))
    result = run(file)
    assert result.exit_code == 1
    assert "1204 lines: 1202 taken in, 0 there already, 2 wrong" in result.output
    assert "line 1204: 内容:" in result.output
    assert "line 1205: 电话:" in result.output
    with (tmp_path / "信件.csv.errors.csv").open(encoding="utf-8-sig", newline="") as errors:
        rows = list(csv.DictReader(errors))
    assert [(r["line"], r["field"]) for r in rows] == [("1204", "内容"), ("1205", "电话")]
    assert all(r["problem"] for r in rows)
    assert _count(intake, "report", "channel = 'file_import' AND lane = 'bulk'") == 1202
    assert _count(intake, "outbox_event", "routing_key = 'report.received.bulk'") == 1202

    again = run(file)
    assert again.exit_code == 1
    assert "0 taken in, 1202 there already, 2 wrong" in again.output

    file.write_bytes((LINES + "x1,补上的内容,\nx2,电话改好了,13800138000\n").encode("utf-8-sig"))
    repaired = run(file)
    assert repaired.exit_code == 0
    assert "2 taken in, 1202 there already, 0 wrong" in repaired.output
    assert not (tmp_path / "信件.csv.errors.csv").exists()
    assert _count(intake, "report") == _count(intake, "outbox_event") == 1204


@pytest.mark.store
def test_lines_without_an_id_are_known_by_file_and_line(intake: Opened, run: Any, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    row = json.dumps({"text": "同一句话"}, ensure_ascii=False)
    file.write_text(f"{row}\n{row}\n", encoding="utf-8")
    assert "2 taken in" in run(file, "--channel", "suggestion_box", "--lane", "live").output
    again = run(file)
    assert again.exit_code == 0
    assert "0 taken in, 2 there already" in again.output
    assert _count(intake, "report", "channel = 'suggestion_box' AND lane = 'live'") == 2


@pytest.mark.store
def test_an_id_that_is_another_reports_is_wrong_not_lost(intake: Opened, run: Any, tmp_path: Path) -> None:
    one, other = tmp_path / "a.csv", tmp_path / "b.csv"
    one.write_text("编号,内容\n1,路灯坏了\n", encoding="utf-8")
    other.write_text("编号,内容\n1,井盖没了\n", encoding="utf-8")
    assert run(one).exit_code == 0
    result = run(other)
    assert result.exit_code == 1
    assert "another report's already" in result.output
    assert run(other, "--source", "box-2").exit_code == 0
    assert _count(intake, "report") == 2


@pytest.mark.unit
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.csv"], "No such file"),
        (["a.pdf"], "unknown"),
        (["a.csv", "--map", "内容"], "COLUMN=FIELD"),
        (["a.csv", "--map", "内容=nothing"], "no field"),
        (["a.csv", "--source", "有空 格"], "--source"),
    ],
)
def test_a_file_that_cannot_be_read_is_exit_code_2(tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "a.pdf").write_bytes(b"x")
    (tmp_path / "a.csv").write_text("内容\n一\n", encoding="utf-8")
    result = CliRunner().invoke(import_file, [str(tmp_path / arguments[0]), "--check", *arguments[1:]])
    assert result.exit_code == 2, result.output
    assert said in result.output


@pytest.mark.unit
def test_check_takes_nothing_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JIAYUAN_INTAKE_DATABASE_URL", raising=False)
    file = tmp_path / "a.csv"
    file.write_text("内容,类别代码\n路灯坏了,\n井盖没了,9999\n", encoding="utf-8")
    result = CliRunner().invoke(import_file, [str(file), "--check"])
    assert result.exit_code == 1
    assert "1 would go in" in result.output
    assert "line 3: category: is unknown: 9999" in result.output


@pytest.mark.unit
def test_explain_says_why() -> None:
    result = CliRunner().invoke(intake, ["explain", "松城街道聽雨街著火了！電話１３８００１３８０００"])
    assert result.exit_code == 0
    for part in ("听雨街", "138****8000", "龙津社区", "请立即拨打119", "3/3"):
        assert part in result.output
    assert "13800138000" not in result.output
    assert CliRunner().invoke(intake, ["explain", "\u200b"]).exit_code == 1
