"""The directory as real workbooks: out, edited, in again; what is wrong is told by sheet, row and column."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from click.testing import CliRunner, Result

from jiayuan.chassis.workbook import FORMULA
from jiayuan.routing.cli import routing as command
from jiayuan.routing.directory import DirectoryError, bundled, read
from jiayuan.routing.directory.documents import LISTS
from jiayuan.routing.directory.entries import flatten
from jiayuan.routing.directory.sheets import BY_NAME, SHEETS, SheetReader
from jiayuan.routing.directory.workbook import load, save
from jiayuan.routing.seed import More, seed

pytestmark = pytest.mark.store

Run = Callable[..., Result]


@pytest.fixture
def run(own: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The command line on the database of `own`; files are in the working directory."""
    monkeypatch.setenv("JIAYUAN_DATABASE_URL", own.url)
    monkeypatch.setenv("JIAYUAN_SEAL_KEYS", own.opened.settings.seal_keys)
    monkeypatch.chdir(tmp_path)

    def invoke(*words: str, code: int = 0) -> Result:
        done = CliRunner().invoke(command, ["directory", *words])
        assert done.exit_code == code, done.output
        return done

    return invoke


@pytest.fixture
def full(run: Run, document: dict[str, Any]) -> dict[str, Any]:
    """The small directory with everything there is, in the database."""
    from .conftest import small_places

    whole = seed(
        small_places(),
        bundled("units")["units"],
        12,
        60,
        1,
        More(14, 9, 6, ("2026-01-01", "2028-12-31")),
    )
    assert document["grids"] == whole["grids"]
    import orjson

    whole["leave"] = [
        {"person": whole["people"][0]["id"], "from": "2026-12-01", "to": "2026-12-03", "stand_in": "c00001"},
        {
            "person": whole["people"][-1]["id"],
            "from": "2026-12-01 08:00",
            "to": "2026-12-01 12:00",
            "kind": "training",
        },
    ]
    Path("whole.json").write_bytes(orjson.dumps(whole))
    run("import", "whole.json", "--who", "me")
    return whole


def edited(name: str, change: Callable[[Any], None], to: str = "edited.xlsx") -> str:
    """A workbook as somebody saves it after changing something."""
    book = openpyxl.load_workbook(name)
    change(book)
    book.save(to)
    return to


def find(sheet: Any, heading: str, value: str) -> int:
    """The row of a sheet that has a value under a heading."""
    column = [c.value for c in sheet[1]].index(heading) + 1
    return next(r for r in range(2, sheet.max_row + 1) if sheet.cell(r, column).value == value)


def put(sheet: Any, row: int, heading: str, value: Any) -> None:
    """Writes into a cell."""
    sheet.cell(row, [c.value for c in sheet[1]].index(heading) + 1).value = value


@pytest.mark.usefixtures("full")
def test_out_and_in_again_changes_nothing(run: Run) -> None:
    for name in ("out.xlsx", "out.json", "out.yaml"):
        run("export", name)
        assert "nothing differs" in run("import", name, "--dry-run").output
    edited("out.xlsx", lambda _book: None)  # as another program saves it
    assert "nothing differs" in run("import", "edited.xlsx", "--who", "组织部").output
    book = openpyxl.load_workbook("out.xlsx")
    assert book.sheetnames == ["说明", *BY_NAME]
    for sheet in SHEETS:
        headings = [c.value for c in book[sheet.name][1]]
        assert headings[: len(sheet.columns)] == [c.heading for c in sheet.columns]
        assert book[sheet.name].max_row > 1, sheet.name


def test_phones_are_masked_unless_somebody_says_why(run: Run, full: dict[str, Any], own: Any) -> None:
    run("export", "out.xlsx")
    clear = {p["phone"] for key in ("people", "cadres") for p in full[key]}
    with zipfile.ZipFile("out.xlsx") as archive:
        inside = b"".join(archive.read(n) for n in archive.namelist())
    assert not [p for p in clear if p.encode() in inside]
    run("export", "out.xlsx", "--with-phones", code=2)
    assert own.rows("SELECT fields FROM read_log") == [("names",)]
    run("export", "clear.json", "--with-phones", "--reason", "换发工作手机", "--who", "例管理员")
    assert sum(p in Path("clear.json").read_text(encoding="utf-8") for p in clear) == len(clear)
    [(by, reason, what)] = own.rows("SELECT who, why, what FROM read_log WHERE fields = 'names,phones'")
    assert (by, reason, what) == ("例管理员", "换发工作手机", "export")
    assert Path("clear.json").stat().st_mode & 0o077 == 0


def test_only_changed_rows_are_written_and_it_is_kept_who_did_it(
    run: Run, full: dict[str, Any], own: Any
) -> None:
    run("export", "out.xlsx")
    one, other, cadre = full["people"][-1]["id"], full["people"][-2]["id"], full["cadres"][0]["id"]

    def change(book: Any) -> None:
        people, roster = book["人员"], book["值班"]
        put(people, find(people, "编号", one), "电话", 13800000000)  # as a number
        put(people, find(people, "编号", one), "语言", "普通话，畲语")
        people.delete_rows(find(people, "编号", other))
        roster.delete_rows(find(roster, "对象", other))
        put(book["报到干部"], find(book["报到干部"], "编号", cadre), "服务时间", "周六 9：00—12：00")
        when = ["2026/12/1", "2026年12月31日", "周六、周日", "18:00-次日06:00"]
        roster.append(["350921001", "网格长", "应急班", *when, "应急"])

    edited("out.xlsx", change)
    dry = run("import", "edited.xlsx", "--dry-run").output
    assert f"~ person {one}" in dry
    assert "languages: " in dry
    assert f"- person {other}" in dry
    assert "13800000000" not in dry
    assert "nothing was changed" in dry
    before = own.rows("SELECT count(*) FROM directory_entry")[0][0]
    run("import", "edited.xlsx", "--who", "组织部", "--reason", "十二月调整")
    after = own.rows("SELECT count(*) FROM directory_entry")[0][0]
    assert after - before == 3  # two people and a shift; whom and what ended is no new entry
    [(who, why, source)] = own.rows(
        "SELECT made_by, reason, source FROM directory_version ORDER BY version DESC LIMIT 1"
    )
    assert (who, why, source.split()[0]) == ("组织部", "十二月调整", "edited.xlsx")
    assert "组织部" in run("versions").output
    assert "nothing differs" in run("import", "edited.xlsx", "--dry-run").output


def test_somebody_on_the_roster_does_not_leave_unnoticed(run: Run, full: dict[str, Any]) -> None:
    run("export", "out.xlsx")
    worker = next(p["id"] for p in full["people"] if p["role"] == "worker")

    def change(book: Any) -> None:
        book["人员"].delete_rows(find(book["人员"], "编号", worker))

    edited("out.xlsx", change)
    wrong = run("import", "edited.xlsx", code=1).output
    assert "值班 第" in wrong
    assert f"「对象」: is '{worker}'" in wrong

    def alone(book: Any) -> None:
        change(book)
        for name in book.sheetnames:
            if name != "人员":
                book.remove(book[name])

    # Where the file says nothing of rosters, theirs end with them.
    edited("out.xlsx", alone)
    assert "person 1 ended; shift 1 ended" in run("import", "edited.xlsx", "--dry-run").output


WRONG: list[tuple[str, str, Any, str]] = [
    ("人员", "职务", "队长", "人员 第3行 C列「职务」: is '队长' (allowed: 网格员、网格长、总网格长)"),
    ("人员", "网格编码", "nowhere", "人员 第3行 D列「网格编码」: is 'nowhere'"),
    ("人员", "姓名", None, "人员 第3行 B列「姓名」: is missing"),
    ("人员", "电话", "call me", "人员 第3行 E列「电话」: is malformed"),
    ("人员", "姓名", FORMULA, "人员 第3行 B列「姓名」: is a formula"),
    ("人员", "编号", 1.23e18, "人员 第3行 A列「编号」: was rounded"),
    ("人员", "编号", "#N/A", "人员 第3行 A列「编号」: holds the spreadsheet's error #N/A"),
    ("人员", "工作时间", "上午", "人员 第3行 H列「工作时间」: names no time"),
    ("网格", "上级编码", "350921001", "网格 第3行 D列「上级编码」: is '350921001'"),
    ("社区", "街道编码", "999", "社区 第3行 A列「街道编码」: is '999'"),
    ("社区", "类型", "镇", "社区 第3行 D列「类型」: is '镇' (allowed: 社区、村)"),
    ("单位", "办理方式", "传真", "单位 第3行 H列「办理方式」: is '传真' (allowed: 页面、系统对接)"),
    ("单位", "一级电话", "x", "单位 第3行 L列「一级电话」: is malformed"),
    ("大工委", "单位编码", "U99", "大工委 第3行 E列「单位编码」: is 'U99'"),
    ("服务点", "纬度", 126.8, "服务点 第3行 D列「纬度」: is 126.8 (allowed: WGS-84 degrees from -90 to 90)"),
    ("服务点", "容量", "很多", "服务点 第3行 H列「容量」: is '很多' (allowed: a whole number)"),
    ("服务点", "开放时间", "每天 22:00-06:00", "服务点 第3行 G列「开放时间」: has '22:00-06:00'"),
    ("值班", "开始日期", "明天", "值班 第3行 D列「开始日期」: is '明天' (allowed: a date like 2026-12-01)"),
    ("值班", "时段", "早上", "值班 第3行 G列「时段」"),
    ("值班", "结束日期", "2020-01-01", "值班 第3行 E列「结束日期」: 2020-01-01 is before"),
    ("请假", "替班人", "nobody", "请假 第3行 D列「替班人」: is 'nobody'"),
    ("调解队伍", "队员", "x、y", "调解队伍 第3行 E列「队员」: names 'x'"),
]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small directory with everything there is as a workbook."""
    from .conftest import small_places

    more = More(14, 9, 6, ("2026-01-01", "2028-12-31"))
    whole = seed(small_places(), bundled("units")["units"], 12, 60, 1, more)
    people = [p["id"] for p in whole["people"]]
    whole["leave"] = [{"person": p, "from": "2026-12-01", "to": "2026-12-03"} for p in people[:3]]
    path = tmp_path_factory.mktemp("book") / "out.xlsx"
    save(path, whole, {"截至": "2026-12-01"})
    return path


Cells = dict[str, list[list[Any]]]


@pytest.fixture(scope="session")
def cells(exported: Path) -> Cells:
    """What is in the workbook's cells, by sheet."""
    book = openpyxl.load_workbook(exported, read_only=True)
    return {s.title: [list(r) for r in s.iter_rows(values_only=True)] for s in book.worksheets}


def problems(cells: Cells) -> list[str]:
    """What is wrong with sheets, as the command line says it."""
    reader = SheetReader()
    for name, sheet in cells.items():
        reader.take(name, list(enumerate(sheet, start=1)))
    try:
        read(reader.finish())
    except DirectoryError as error:
        said = [reader.said(p) for p in error.problems]
        return [f"{p.field}: {p.problem} (allowed: {p.allowed})" for p in said]
    return []


def with_cell(cells: Cells, sheet: str, row: int, heading: str, value: Any) -> Cells:
    """The cells with another value in one of them."""
    lines = [list(line) for line in cells[sheet]]
    lines[row - 1][lines[0].index(heading)] = value
    return {**cells, sheet: lines}


@pytest.mark.unit
@pytest.mark.parametrize(("sheet", "heading", "value", "says"), WRONG)
def test_what_is_wrong_is_told_by_sheet_row_and_column(
    cells: Cells, sheet: str, heading: str, value: Any, says: str
) -> None:
    assert problems(cells) == []
    found = problems(with_cell(cells, sheet, 3, heading, value))
    assert any(says in p for p in found), found


@pytest.mark.unit
def test_every_fault_is_told_at_once(cells: Cells) -> None:
    wrong = with_cell(cells, "人员", 4, "职务", "队长")
    wrong = with_cell(wrong, "网格", 5, "类型", "片区")
    wrong = with_cell(wrong, "服务点", 2, "类型", "超市")
    said = "\n".join(problems(wrong))
    for where in ("人员 第4行 C列", "网格 第5行 C列", "服务点 第2行 C列"):
        assert where in said


def test_a_wrong_workbook_changes_nothing(run: Run, own: Any, exported: Path) -> None:
    before = own.rows("SELECT version FROM directory")

    def change(book: Any) -> None:
        put(book["人员"], 3, "姓名", "=1+1")
        put(book["人员"], 4, "电话", "138****0000")

    edited(str(exported), change)
    said = run("import", "edited.xlsx", code=1).output
    assert "人员 第3行 B列「姓名」: is a formula" in said
    edited(str(exported), lambda book: put(book["人员"], 4, "电话", "138****0000"))
    said = run("import", "edited.xlsx", code=1).output
    assert "人员 第4行 E列「电话」: is masked" in said
    assert "nothing was changed" in said
    assert own.rows("SELECT version FROM directory") == before


@pytest.mark.unit
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: {"人员表": c["人员"]}, "人员表: is no sheet of the directory"),
        (
            lambda c: with_cell(c, "人员", 1, "电话", "座机"),
            "人员 第1行 E列「座机」: is no column of this sheet",
        ),
        (lambda c: with_cell(c, "人员", 1, "电话", "姓名"), "人员 第1行 E列「姓名」: is there twice"),
        (lambda c: with_cell(c, "人员", 1, "职务", None), "人员 第1行: has no column「职务」"),
        (lambda c: {**c, "人员": c["人员"][1:]}, "人员: has no row of headings"),
        (lambda c: {**c, "人员": c["人员"][:1]}, "人员: has no rows"),
        (lambda c: {k: v for k, v in c.items() if k != "街道"}, "社区: stands without 街道"),
        (lambda c: {**c, "街道": [*c["街道"], ["县", "350922", "例县二"]]}, "is a second county"),
        (lambda c: {"说明": c["说明"]}, "workbook: has no sheet of the directory"),
    ],
)
def test_wrong_sheets_and_headings(cells: Cells, change: Callable[[Cells], Cells], says: str) -> None:
    found = problems(change(cells))
    assert any(says in p for p in found), found


def test_files_that_are_no_workbooks(run: Run) -> None:
    Path("x.xlsx").write_bytes(b"PK\x03\x04nothing")
    assert "x.xlsx: is damaged" in run("import", "x.xlsx", code=1).output
    Path("x.xlsm").write_bytes(b"PK\x03\x04nothing")
    assert "without macros" in run("import", "x.xlsm", code=1).output
    Path("x.json").write_bytes(b"\xff\xfe")
    assert "is no text in UTF-8" in run("import", "x.json", code=1).output
    openpyxl.Workbook().save("x.xlsx")
    assert "Sheet: is no sheet of the directory" in run("import", "x.xlsx", code=1).output
    run("export", "x.csv", code=2)


def test_a_name_that_looks_like_a_formula_stays_a_name(
    run: Run, full: dict[str, Any], tmp_path: Path
) -> None:
    one = full["volunteers"][0]["id"]
    evil = '=HYPERLINK("http://例","例")'
    volunteers = [{**v, "name": evil if v["id"] == one else v["name"]} for v in full["volunteers"]]
    save(tmp_path / "evil.xlsx", {**full, "volunteers": volunteers}, {})
    run("import", "evil.xlsx")
    run("export", "out.xlsx")
    book = openpyxl.load_workbook("out.xlsx")
    cell = book["志愿者"].cell(find(book["志愿者"], "编号", one), 2)
    assert (cell.value, cell.data_type, cell.quotePrefix) == (evil, "s", True)
    with zipfile.ZipFile("out.xlsx") as archive:
        sheets = [archive.read(n) for n in archive.namelist() if "/worksheets/" in n]
    assert not any(b"<f>" in s for s in sheets)
    assert "nothing differs" in run("import", "out.xlsx", "--dry-run").output


@pytest.mark.usefixtures("full")
def test_one_sheet_alone_leaves_the_others(run: Run) -> None:
    run("export", "out.xlsx")

    def only(*names: str) -> Callable[[Any], None]:
        def change(book: Any) -> None:
            for name in book.sheetnames:
                if name not in names:
                    book.remove(book[name])

        return change

    edited("out.xlsx", only("报到干部"), "cadres.xlsx")
    assert "nothing differs" in run("import", "cadres.xlsx", "--dry-run").output

    def fewer(book: Any) -> None:
        only("报到干部")(book)
        book["报到干部"].delete_rows(2)

    edited("out.xlsx", fewer, "fewer.xlsx")
    # Whom the cadre stood in for has nobody now.
    assert "good; leave 1 changed; person 1 ended" in run("check", "fewer.xlsx").output
    # The streets' own cells, their communities untouched.
    edited("out.xlsx", only("街道"), "streets.xlsx")
    assert "nothing differs" in run("import", "streets.xlsx", "--dry-run").output


def test_titles_above_the_header_and_stray_blanks(run: Run, full: dict[str, Any]) -> None:
    run("export", "out.xlsx")

    def change(book: Any) -> None:
        sheet = book["报到干部"]
        sheet.insert_rows(1, 2)
        sheet.cell(1, 1).value = "松城街道报到干部登记表（例）"
        sheet.cell(3, 2).value = " 姓 名 *"
        sheet.append([None, "  ", ""])
        sheet.append(["c99", "例新来", "U01", full["grids"][0]["code"], "手机号不填"])
        sheet.cell(sheet.max_row, 5).value = None

    edited("out.xlsx", change)
    assert "person 1 added" in run("import", "edited.xlsx", "--dry-run").output


def test_gaps_are_named_and_make_the_exit_code(run: Run, full: dict[str, Any]) -> None:
    assert "✗" not in run("check").output
    run("export", "out.xlsx")
    grid = next(g["code"] for g in full["grids"] if g["kind"] == "building")
    others = {p["id"] for p in full["people"] if p["grid"] == grid}

    def change(book: Any) -> None:
        people, units = book["人员"], book["单位"]
        for id_ in others:
            put(people, find(people, "编号", id_), "网格编码", full["grids"][0]["code"])
        put(units, find(units, "编码", "U01"), "联络员", None)
        chief = next(p["id"] for p in full["people"] if p["role"] == "chief")
        put(people, find(people, "编号", chief), "在岗", "否")
        points = book["服务点"]
        put(points, 2, "开放时间", None)
        seats = book["大工委"]
        seats.delete_rows(find(seats, "席位", "召集人"))

    edited("out.xlsx", change)
    said = run("check", "edited.xlsx", "--as-of", "2026-11-01", code=1).output
    for gap in ("no-worker", "no-clerk", "no-chief", "point-without-hours", "no-convener"):
        assert f"✗ {gap} " in said, said
    run("import", "edited.xlsx")
    said = run("check", code=1).output
    for gap in ("no-worker", "no-clerk", "no-chief", "point-without-hours", "no-convener"):
        assert f"✗ {gap} " in said, said
    only = run("check", "--only", "no-clerk", code=1).output
    assert "no-worker" not in only
    assert run("check", "--only", "nonsense", code=2)


def test_every_list_has_a_sheet() -> None:
    assert {s.list for s in SHEETS} == {*LISTS, "communities"}


def test_a_workbook_is_the_document_again(exported: Path) -> None:
    document, _ = load(exported)
    assert "partial" not in document
    again = flatten(document, read(document))
    assert {e.kind for e in again.values()} == {
        "place", "grid", "person", "unit", "superior", "seat", "team", "point", "shift", "leave"
    }  # fmt: skip


# -- grids that change -------------------------------------------------------------------------------

G1, NEW = "350921001001-G01", "350921001001-G09"


def test_a_split_to_come_can_be_seen_asked_and_taken_back(run: Run, full: dict[str, Any], own: Any) -> None:
    workers = [p["id"] for p in full["people"] if p["grid"] == G1 and p["role"] == "worker"]
    words = [
        "split",
        G1,
        "--into",
        f"{G1}=甲网格",
        "--into",
        f"{NEW}=乙网格",
        "--person",
        f"{workers[0]}={NEW}",
    ]
    dry = run(*words, "--effective", "2099-01-01", "--dry-run").output
    assert f"+ grid {NEW} 乙网格" in dry
    assert f"    grid: {G1} → {NEW}" in dry
    assert "none" in run("versions", "--pending").output
    done = run(*words, "--effective", "2099-01-01", "--who", "民政", "--reason", "人口增加").output
    assert "holds from 2099-01-01 00:00 on" in done
    number = done.split()[2].rstrip(":")
    assert "民政" in run("versions", "--pending").output
    assert workers[0] in run("who", G1).output
    assert workers[0] not in run("who", G1, "--on", "2099-01-01").output
    assert workers[0] in run("who", NEW, "--on", "2099-01-02").output
    assert f"there is no {NEW}" in run("who", NEW, code=1).output
    said = run("history", NEW).output
    assert f"from {G1}" in said
    assert workers[0] in said
    # What is to come isn't changed in passing.
    run("export", "now.json")
    name = next(p["name"] for p in full["people"] if p["id"] == workers[0])
    text = Path("now.json").read_text(encoding="utf-8").replace(f'"name": "{name}"', f'"name": "{name}改"')
    Path("now.json").write_text(text, encoding="utf-8")
    assert "still to come" in run("import", "now.json", code=1).output
    run("cancel", number, "--reason", "不拆了", "--who", "民政")
    assert "none" in run("versions", "--pending").output
    assert "cancelled" in run("versions").output
    assert f"there is no {NEW}" in run("who", NEW, "--on", "2099-01-02", code=1).output
    assert own.rows(
        "SELECT cancelled_by, cancelled_reason FROM directory_version WHERE version = :v", v=number
    ) == [("民政", "不拆了")]


def run_export(run: Run) -> str:
    run("export", "all.json")
    return "all.json"


def test_merged_and_handed_over(run: Run, full: dict[str, Any]) -> None:
    codes = [g["code"] for g in full["grids"] if g["kind"] == "building"]
    one = next(c for c in codes if sum(x.startswith(c[:-3]) for x in codes) > 1)
    other = next(c for c in codes if c != one and c[:-3] == one[:-3])
    run("merge", one, other, "--into", f"{one}=合并楼", "--reason", "合楼")
    gone = run("who", other, code=1).output
    assert "is no more since" in gone
    assert f"after it: {one}" in gone
    run("hand-over", G1, "--to", "350921001002", "--as", "350921001002-G88")
    assert "after it: 350921001002-G88" in run("who", G1, code=1).output
    leader = next(p["id"] for p in full["people"] if p["grid"] == G1 and p["role"] == "leader")
    assert leader in run("who", "350921001002-G88", "--role", "leader").output
    worker = next(p["id"] for p in full["people"] if p["grid"] == codes[-1] and p["role"] == "worker")
    new = next(p["id"] for p in full["people"] if p["grid"] != codes[-1] and p["role"] == "worker")
    run("hand-over", codes[-1], "--person", f"{worker}={new}")
    said = run("history", codes[-1]).output
    assert worker in said
    assert new in said
    assert f"{new} is " in run("merge-person", leader, new, code=1).output  # two names
    text = Path(run_export(run)).read_text(encoding="utf-8")
    names = {p["id"]: p["name"] for p in json.loads(text)["people"]}
    Path("one.json").write_text(
        text.replace(f'"name": "{names[new]}"', f'"name": "{names[leader]}"'), encoding="utf-8"
    )
    run("import", "one.json")
    assert new in run("merge-person", leader, new, "--dry-run").output
    assert (
        "merge-person" in run("merge-person", leader, new, "--reason", "重复登记", "--who", "组织部").output
    )
    assert new not in run("who", codes[-1]).output
    assert "merge_person by 组织部" in run("versions").output
    run("hand-over", G1, code=2)
    assert "there is no grid nowhere" in run("hand-over", "nowhere", "--to", "350921001002", code=1).output
    assert "at least two" in run("split", codes[-1], "--into", f"{one}=x", code=1).output
    run("split", one, "--into", "x", code=2)
    assert (
        "is past" in run("merge", one, G1, "--into", f"{one}=x", "--effective", "2020-01-01", code=1).output
    )
