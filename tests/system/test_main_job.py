"""The main job by HTTP, by file and over the bus: each report once, however often and at once it is sent."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from town import HOTLINE, Citizen, Town, at_once, exactly_one_of_everything

from jiayuan.contracts.publisher import Draft, Receipt

pytestmark = pytest.mark.system

RUBBISH = "龍津社區聽雨街垃圾堆滿了，沒人清運"
ROAD = "松城街道西关社区路面坑洼，坑很深"


def test_by_http(town: Town) -> None:
    who = town.somebody()
    text = f"{ROAD}，请打我电话{who.phone}，身份证{who.identity}"
    body = {"channel": "mini_program", "text": text, "contact": who.contact}
    key = {"Idempotency-Key": "sent four times"}

    answers = at_once(4, lambda _: town.call("intake", "POST", "/reports", body, **key))
    assert sorted(a.status_code for a in answers) == [200, 200, 200, 201]
    first = answers[0].json()
    assert all(a.json() == first for a in answers)
    again = town.call("intake", "POST", "/reports", body, **key)
    assert (again.status_code, again.json()) == (200, first)
    other = town.call("intake", "POST", "/reports", {**body, "text": "别的事"}, **key)
    assert other.status_code == 409
    town.noted("mini_program", first["id"], first["id"])

    rubbish = town.report(RUBBISH, contact=town.somebody().contact)
    books = town.settled()
    exactly_one_of_everything(books, [first["id"], rubbish["id"]])
    # One went to a department, the other to a grid worker; both are livelihood matters and are entered.
    levels = [town.case_of(r["id"])["level"] for r in (first, rubbish)]
    assert levels == ["department", "grid"]
    assert {town.case_of(first["id"])["id"], town.case_of(rubbish["id"])["id"]} <= {
        e["case"] for e in books.entries
    }
    # What a person sees of it: neither number.
    shown = town.call("intake", "GET", f"/reports/{first['id']}?code={first['tracking_code']}").json()
    assert who.phone not in shown["text"]
    assert who.identity not in shown["text"]


def _jsonl(path: Path, people: list[Citizen]) -> str:
    lines = [{"编号": f"J{n}", "内容": f"{RUBBISH}（{n}）", "电话": p.phone} for n, p in enumerate(people)]
    lines[2]["电话"] = "请回电"
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    return "line 3: 电话"


def _csv(path: Path, people: list[Citizen]) -> str:
    with path.open("w", encoding="gb18030", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("工单号", "诉求内容", "反映人", "联系电话"))
        for n, p in enumerate(people):
            writer.writerow((f"C{n}", "" if n == 2 else f"{ROAD}（{n}）", p.name, p.phone))
    return "line 4: 诉求内容"


def _xlsx(path: Path, people: list[Citizen]) -> str:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(("内容", "姓名", "电话", "发生时间"))
    for n, p in enumerate(people):
        when = "前天" if n == 2 else "2026-03-02 08:30"
        sheet.append((f"松港街道东关社区停水（{n}）", p.name, p.phone, when))
    book.save(path)
    return "line 4: 发生时间"


@pytest.mark.parametrize(("ending", "write"), [("jsonl", _jsonl), ("csv", _csv), ("xlsx", _xlsx)])
def test_by_file(
    town: Town, tmp_path: Path, ending: str, write: Callable[[Path, list[Citizen]], str]
) -> None:
    # Two copies, since both imports write their wrong lines beside the file.
    files = [tmp_path / f"{n}" / f"来信.{ending}" for n in "12"]
    files[0].parent.mkdir()
    files[1].parent.mkdir()
    wrong = write(files[0], [town.somebody() for _ in range(6)])
    files[1].write_bytes(files[0].read_bytes())

    done = at_once(2, lambda n: town.cluster.command("intake", "import", str(files[n])))
    for n, d in enumerate(done):
        if d.returncode == 2:  # the other one was a batch ahead; told so, people run it again
            assert "another process is taking the same file in" in d.stderr
            done[n] = town.cluster.command("intake", "import", str(files[n]))
    assert [d.returncode for d in done] == [1, 1], [d.stderr for d in done]
    found = [re.search(r"6 lines: (\d) taken in, (\d) there already, 1 wrong", d.stdout) for d in done]
    counts = [(int(f[1]), int(f[2])) for f in found if f]
    assert len(counts) == 2, [d.stdout for d in done]
    # Who came first took them in, the other found them there; of the two, each line went in once.
    assert sum(taken for taken, _ in counts) == 5
    assert all(taken + known == 5 for taken, known in counts)
    for d, file in zip(done, files, strict=True):
        assert wrong in d.stdout
        assert file.with_name(file.name + ".errors.csv").read_text("utf-8-sig").count("\n") == 2
    town.account.sent["file_import"] += 5
    town.account.imported += 5

    books = town.settled()
    mine = [
        r["id"]
        for r in books.reports
        if r["channel"] == "file_import"
        and (
            r["external_id"][0] == ending[0].upper()
            if ending != "xlsx"
            else r["source_system"] != "file_import"
        )
    ]
    assert len(mine) == 5
    exactly_one_of_everything(books, mine)


def test_over_the_bus(town: Town) -> None:
    people = [town.somebody() for _ in range(3)]
    sent = [
        {"external_id": f"H-{n}", "text": f"{RUBBISH}（热线{n}）", "contact": p.contact}
        for n, p in enumerate(people)
    ]
    with town.partner(HOTLINE) as partner:
        # The first four times at once with ids of their own, the second with one id, the third once.
        receipts = at_once(4, lambda _: partner.report_submitted(sent[0]))
        same = partner.send_many([Draft("report.submitted", sent[1], id="the same id")] * 4)
        assert all(isinstance(r, Receipt) for r in same)
        single = partner.report_submitted(sent[2])
        who = town.somebody()
        text = f"路灯不亮，电话{who.phone}"
        wrong = partner.report_submitted(
            {"external_id": "H-9", "text": text, "category": "9999", "contact": who.contact}
        )

        came: dict[str | None, list[str]] = {}
        results: dict[str | None, str | None] = {}
        problems = []
        for outcome in partner.outcomes(timeout=60):
            came.setdefault(outcome.message, []).append(outcome.outcome)
            results[outcome.message] = outcome.result or results.get(outcome.message)
            problems += outcome.problems
            if sum(map(len, came.values())) == 4 + 4 + 1 + 1:
                break

    by_own_id = [came[r.id] for r in receipts]
    assert sorted(by_own_id) == [["accepted"], ["duplicate"], ["duplicate"], ["duplicate"]]
    assert len({results[r.id] for r in receipts}) == 1  # the first answer again
    assert sorted(came["the same id"]) == ["accepted", "duplicate", "duplicate", "duplicate"]
    assert came[single.id] == ["accepted"]
    assert came[wrong.id] == ["rejected"]
    assert [p.field for p in problems] == ["data.category"]

    reports = [results[receipts[0].id], results["the same id"], results[single.id]]
    for document, report in zip(sent, reports, strict=True):
        assert report is not None
        town.noted("government_system", document["external_id"], report)
    # What was rejected is kept, and an operator says that nothing more will come of it.
    listed = town.command("intake", "dead-letters", "list", "intake", "--json").stdout
    (letter,) = [json.loads(line) for line in listed.splitlines()]
    assert letter["event_id"] == wrong.id
    decision = ("--who", "tester", "--why", "the category was a typo")
    town.command("intake", "dead-letters", "discard", "intake", letter["id"], *decision)
    exactly_one_of_everything(town.settled(), [r for r in reports if r])
