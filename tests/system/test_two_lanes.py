"""A file of thousands goes its own lane: whoever calls meanwhile doesn't stand behind it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from town import Town, exactly_one_of_everything

from jiayuan.chassis.testing.processes import until

pytestmark = pytest.mark.system

LINES = 2000
TEXTS = ("龙津社区听雨街垃圾堆满没人清运", "松城街道西关社区路面坑洼", "请问居民医保怎么续保")


def _cases(town: Town, channel: str) -> int:
    sql = f"SELECT count(*) AS n FROM \"case\" WHERE state_doc->'reports'->0->>'channel' = '{channel}'"
    return int(town.rows("routing", sql)[0]["n"])


def test_a_live_report_overtakes_an_import(town: Town, tmp_path: Path) -> None:
    before = _cases(town, "file_import")
    file = tmp_path / "去年的来信.jsonl"
    with file.open("w", encoding="utf-8") as out:
        for n in range(LINES):
            # Wishes are their senders' own: reports of a problem in the same words would share a case.
            line = {"编号": f"L{n}", "诉求类型": "微心愿", "内容": f"{TEXTS[n % len(TEXTS)]}（去年第{n}件）"}
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
    importing = subprocess.Popen(
        [sys.executable, "-m", "jiayuan.chassis.cli", "import", str(file)],
        env=town.cluster.environment("intake"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        until(lambda: _cases(town, "file_import") > before, "the first cases of the import are there")
        receipt = town.report("松城街道龙津社区路灯不亮，老人摔倒了", contact=town.somebody().contact)
        case = town.case_of(receipt["id"])
        through = _cases(town, "file_import") - before
        print(f"{through} of {LINES} lines of the import were cases when the live report was one")
        assert through < LINES, "the import was through before the live report"
        said, _ = importing.communicate(timeout=120)
    finally:
        importing.kill()
        importing.wait()
    assert importing.returncode == 0, said
    assert f"{LINES} lines: {LINES} taken in" in said
    town.account.sent["file_import"] += LINES
    town.account.imported += LINES

    books = town.settled(timeout=120)
    assert _cases(town, "file_import") - before == LINES
    exactly_one_of_everything(books, [receipt["id"]])

    def opened(key: str) -> set[str]:
        return {h.case for h in town.listener.events("case.opened") if h.key == key}

    until(lambda: len(opened("case.opened.bulk")) >= LINES, "every case of the import was opened in its lane")
    until(lambda: case["id"] in opened("case.opened"), "the live report's case was opened in its own")
    assert case["id"] not in opened("case.opened.bulk")
