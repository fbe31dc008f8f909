"""Reports from files: as Excel and offices write them, and with every kind of wrong line."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from jiayuan.intake import files
from jiayuan.intake.files import Line, Unreadable

pytestmark = pytest.mark.unit

CSV = (
    "编号,主题,留言详情,地址,联系电话,时间,点赞\r\n"
    '1,路灯不亮,"龙津社区听雨街\n路灯坏了",松城街道,13800138000,2026/3/1 9:30,5\r\n'
    "\r\n"
    "2,井盖缺失,西关社区井盖没了,,１３９　００１３　９０００,2026年3月1日,\r\n"
)


def _read(path: Path, **how: Any) -> list[Line]:
    return list(files.reader(path, **how))


def _write(path: Path, text: str, encoding: str) -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_csv_as_offices_write_it(tmp_path: Path, encoding: str, delimiter: str) -> None:
    path = _write(tmp_path / "信件.csv", CSV.replace(",", delimiter), encoding)
    reader = files.reader(path)
    one, two = reader
    assert not one.problems
    assert not two.problems
    assert one.document == {
        "external_id": "1",
        "title": "路灯不亮",
        "text": "龙津社区听雨街\n路灯坏了",
        "place": {"text": "松城街道"},
        "contact": {"phone": "13800138000"},
        "occurred_at": "2026-03-01T01:30:00.000000Z",
    }
    assert two.document["contact"] == {"phone": "139 0013 9000"}
    assert two.document["occurred_at"] == "2026-02-28T16:00:00.000000Z"
    assert (one.number, two.number) == (2, 5)  # the first holds a line break, and an empty line follows
    assert reader.ignored == ["点赞"]


def test_wrong_lines_cost_only_themselves(tmp_path: Path) -> None:
    text = (
        "text,phone,time,lat,kind,channel\n"
        "好的一行,13800138000,2026-03-01 09:30,26.9,咨询,热线\n"
        ",13800138000,,,,\n"
        "电话不对,abc,,,,\n"
        "时间不对,,昨天,,,\n"
        "纬度不对,,,九十,,\n"
        "纬度太大,,,191,,\n"
        "类型不对,,,,没有这种,\n"
        "多一格,,,,,,多\n"
        "少几格\n"
        '引号"里"有引号,,,,,\n'
        "最后一行,,,,,"
    )
    lines = _read(_write(tmp_path / "a.csv", text, "utf-8"))
    wrong = {
        line.number: [(p.field, bool(p.problem)) for p in line.problems] for line in lines if line.problems
    }
    assert wrong == {
        3: [("text", True)],
        4: [("phone", True)],
        5: [("time", True)],
        6: [("lat", True)],
        7: [("lat", True)],
        8: [("kind", True)],
        9: [("line", True)],
    }
    good = {line.number: line.document for line in lines if not line.problems}
    assert sorted(good) == [2, 10, 11, 12]
    assert good[2]["kind"] == "consultation"
    assert good[2]["channel"] == "hotline"


def test_a_text_that_is_too_long_is_wrong_and_says_what_is_allowed(tmp_path: Path) -> None:
    (line,) = _read(_write(tmp_path / "a.csv", "内容\n" + "字" * 8001, "utf-8"))
    assert line.problems[0].field == "内容"
    assert "8000" in line.problems[0].allowed


def test_an_open_quote_is_one_wrong_line(tmp_path: Path) -> None:
    lines = _read(_write(tmp_path / "a.csv", '内容,标题\n一,甲\n"二,乙\n三,丙"x\n四,丁\n', "utf-8"))
    assert [(li.number, bool(li.problems)) for li in lines] == [(2, False), (3, True), (5, False)]
    assert "line" in lines[1].problems[0].field
    assert "up to line 4" in lines[1].problems[0].problem


def test_bytes_that_are_no_characters_cost_their_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("内容\n好的\n".encode("gb18030") + b"\xff\xff\n" + "也好\n".encode("gb18030"))
    lines = _read(path)
    assert [bool(li.problems) for li in lines] == [False, True, False]
    assert "encoding" in lines[1].problems[0].problem


def test_strange_line_breaks_inside_a_cell_are_not_lines(tmp_path: Path) -> None:
    lines = _read(_write(tmp_path / "a.csv", "内容,标题\n一\x0b二\u2028三\x85四\x1c五,甲\n", "utf-8"))
    assert len(lines) == 1
    assert lines[0].document["title"] == "甲"


def test_json_lines_flat_and_nested(tmp_path: Path) -> None:
    rows: list[Any] = [
        {
            "id": 188006,
            "user": "A1",
            "title": "标题",
            "time": "2019-02-28 11:25:05",
            "detail": "正文",
            "likes": 0,
        },
        {
            "text": "正文",
            "place": {"code": "350921001001", "text": "三楼"},
            "contact": {"phone": "13800138000"},
        },
        {"text": "正文", "contact": {"phnoe": "1"}},
        {"text": ["不", "是"]},
        {"title": "没有正文"},
        ["不是对象"],
        {"text": "时间带区", "occurred_at": "2026-03-01T09:30:00+08:00", "external_id": "x"},
    ]
    raw = [json.dumps(r, ensure_ascii=False) for r in rows] + ['{"text": 坏', "", "   "]
    reader = files.reader(_write(tmp_path / "a.jsonl", "\n".join(raw) + "\n", "utf-8-sig"))
    lines = list(reader)
    assert [li.number for li in lines if li.problems] == [3, 4, 5, 6, 8]
    assert [p.field for li in lines for p in li.problems] == [
        "contact.phnoe",
        "text",
        "text",
        "text",
        "line",
        "line",
    ]
    assert lines[0].document == {
        "external_id": "188006",
        "contact": {"openid": "A1"},
        "title": "标题",
        "text": "正文",
        "occurred_at": "2019-02-28T03:25:05.000000Z",
    }
    assert lines[1].document["place"] == {"code": "350921001001", "text": "三楼"}
    assert lines[6].document["occurred_at"] == "2026-03-01T01:30:00.000000Z"
    assert reader.ignored == ["likes"]
    assert reader.done == reader.total > 0


def test_a_line_longer_than_a_megabyte_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "一"}\n{"text": "' + "x" * 3_000_000 + '"}\n{"text": "三"}\n', encoding="utf-8")
    lines = _read(path)
    assert [(li.number, bool(li.problems)) for li in lines] == [(1, False), (2, True), (3, False)]


def _workbook(path: Path, *rows: Any, title: str = "信件") -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = title
    for row in rows:
        sheet.append(row)
    book.create_sheet("说明").append(["别的"])
    book.save(path)
    return path


def test_xlsx_as_offices_write_it(tmp_path: Path) -> None:
    path = _workbook(
        tmp_path / "a.xlsx",
        [None, None],
        ["编号", "内容*", "手机", "发生时间", "纬度", "经度"],
        [7, "路灯坏了", 13800138000, datetime(2026, 3, 1, 9, 30), 26.888, 119.998],
        [None] * 6,
        ["8", "电话是浮点数", 13900139000.0, 46082.395833333336, None, None],
        [9, None, None, None, None, None],
        [10, "时间不对", None, "后天", None, None],
    )
    reader = files.reader(path)
    seven, eight, nine, ten = reader
    assert [li.number for li in (seven, eight, nine, ten)] == [3, 5, 6, 7]
    assert seven.document["contact"] == {"phone": "13800138000"}
    assert seven.document["external_id"] == "7"
    assert seven.document["place"] == {"lat": 26.888, "long": 119.998}
    assert seven.document["occurred_at"] == "2026-03-01T01:30:00.000000Z"
    assert eight.document["contact"] == {"phone": "13900139000"}
    assert eight.document["occurred_at"].startswith("2026-03-01T01:30:00")
    assert [p.field for p in nine.problems] == ["内容*"]  # as the file calls it
    assert [p.field for p in ten.problems] == ["发生时间"]
    assert _read(_workbook(tmp_path / "b.xlsx", ["内容"], ["一"], title="甲"), sheet="甲")[0].document == {
        "text": "一"
    }


def test_a_column_may_be_mapped_by_hand(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", "时间,信件\n2026-03-01 09:30,路灯坏了\n", "utf-8")
    (line,) = _read(path, columns={"信件": "text", "时间": "received_at"})
    assert line.document == {"text": "路灯坏了", "received_at": "2026-03-01T01:30:00.000000Z"}
    with pytest.raises(Unreadable, match="nothing"):
        files.reader(path, columns={"信件": "nothing"})


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "empty"),
        ("a.csv", "甲,乙\n1,2\n".encode(), "no column holds the text"),
        ("a.csv", b"\n\n\n", "no line"),
        ("a.xlsx", b"this is no workbook", "not an Excel workbook"),
        ("a.xlsx", b"PK\x03\x04broken", "not an Excel workbook"),
        ("a.xls", b"old", "save it as .xlsx"),
        ("a.pdf", b"%PDF", "unknown"),
    ],
)
def test_what_cannot_be_read_at_all(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(Unreadable, match=said):
        _read(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="No such file"):
        files.reader(tmp_path / "none.csv")


def test_an_empty_sheet(tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        _read(_workbook(tmp_path / "a.xlsx"))
    with pytest.raises(Unreadable, match="no sheet"):
        _read(_workbook(tmp_path / "b.xlsx", ["内容"]), sheet="没有")
