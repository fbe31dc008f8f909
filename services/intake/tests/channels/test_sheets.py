"""Sheets of suggestion boxes, contact points and meetings, as WPS and Excel write them; and the answered sheet."""

from __future__ import annotations

import csv
import io
import re
import resource
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.styles import Font, PatternFill
from sqlalchemy import text as sql
from werkzeug.test import EnvironBuilder

from jiayuan.chassis import tokens
from jiayuan.chassis.testing.databases import TOKEN_SECRET, Opened
from jiayuan.chassis.web import Call, dispatch
from jiayuan.intake import files
from jiayuan.intake.channels import sheets
from jiayuan.intake.files import ANSWER, Line

Send = Callable[..., Any]
CODE = re.compile(r"XP[0-9A-Z]{10}")


@pytest.fixture
def send(intake: Opened) -> Send:
    def send(data: Any, role: str = "desk", subject: str = "desk-1", **query: str) -> Any:
        token = tokens.issue(TOKEN_SECRET, subject, (role,), street="350921001")
        builder = EnvironBuilder(
            method="POST",
            path="/sheets",
            data=data,
            query_string=query,
            headers={"Authorization": f"Bearer {token}"},
        )
        call = Call(builder.get_environ())
        call.max_content_length = sheets.MAX_SHEET
        return dispatch(
            {},
            call,
            lambda c: sheets.take(intake.runtime, c),
            intake.settings,
            sheets.ROLES,
            "/sheets",
            "intake",
        )

    return send


def _office_sheet() -> bytes:
    """Notes, a merged title, a header of two rows with merged cells, full-width digits, serials, blanks, looks."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "三月"
    sheet["A1"] = "松城街道意见箱登记表"
    sheet.merge_cells("A1:F1")
    sheet["A2"] = "填表说明：每行一件事"
    for cell, value in {"A3": "序号", "B3": "反映人", "D3": "内容", "E3": "发生时间", "F3": "地点"}.items():
        sheet[cell] = value
        sheet[cell].font = Font(bold=True)
    sheet["B4"], sheet["C4"] = "姓名", "联系电话"
    for merged in ("A3:A4", "B3:C3", "D3:D4", "E3:E4", "F3:F4"):
        sheet.merge_cells(merged)
    rows = [
        (1, "例张三", 13800138000, "听雨街的路灯坏了", datetime(2026, 3, 1, 9, 30), "龙津社区"),
        (2, "例李四", "１３９００１３９０００", "西关社区井盖没了", 46082.395833, None),
        (3, None, "1.38E+10", "号码被舍入", "２０２６年３月１日", None),
        (4, None, None, None, "2026-03-01", "没有内容"),
        (5, None, None, "时间不对", "改天", None),
        (6, None, None, "三楼着火了", "2026年3月1日下午3点", "龙津社区"),
    ]
    for at, row in enumerate(rows, 5):
        for column, value in enumerate(row, 1):
            sheet.cell(at, column, value)
    sheet["D5"].fill = PatternFill("solid", fgColor="FFFF00")
    sheet.column_dimensions["D"].width = 55
    for at in range(11, 40):
        sheet.cell(at, 3).number_format = "@"  # trailing blanks that are formatted
    sheet.auto_filter.ref = "A4:F10"
    book.create_sheet("说明")["A1"] = "别的"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _opened(data: bytes) -> Any:
    return openpyxl.load_workbook(io.BytesIO(data))


def _answers(data: bytes, column: str = "G") -> dict[int, str]:
    sheet = _opened(data).worksheets[0]
    return {cell.row: cell.value for cell in sheet[column] if cell.value is not None}


@pytest.mark.store
def test_an_offices_sheet_comes_back_answered(intake: Opened, send: Send) -> None:
    response = send(_office_sheet(), channel="suggestion_box", name="三月.xlsx")
    assert response.status_code == 200, response.get_data()
    assert {k: response.headers[k] for k in ("Rows-Read", "Rows-Accepted", "Rows-Known", "Rows-Wrong")} == {
        "Rows-Read": "6",
        "Rows-Accepted": "3",
        "Rows-Known": "0",
        "Rows-Wrong": "3",
    }
    said = _answers(response.get_data())
    assert said[3] == ANSWER
    assert CODE.search(said[5])
    assert CODE.search(said[6])
    assert "联系电话：号码被表格软件舍入成了 1.38E+10" in said[7]
    assert "内容：没有可读的内容" in said[8]
    assert "发生时间：不是时间：改天" in said[9]
    assert CODE.search(said[10])
    assert "请立即拨打119" in said[10]
    assert sorted(said) == [3, 5, 6, 7, 8, 9, 10]

    # Everything else is as it was.
    before, after = _opened(_office_sheet()), _opened(response.get_data())
    assert after.sheetnames == before.sheetnames
    old, new = before.worksheets[0], after.worksheets[0]
    assert sorted(map(str, new.merged_cells.ranges)) == sorted(map(str, old.merged_cells.ranges))
    assert new.auto_filter.ref == old.auto_filter.ref
    assert new.column_dimensions["D"].width == 55
    assert new["D5"].fill.fgColor.rgb == old["D5"].fill.fgColor.rgb
    assert new["A3"].font.bold
    assert new["G3"].font.bold
    for row in old.iter_rows():
        for cell in row:
            assert new[cell.coordinate].value == cell.value
            assert new[cell.coordinate].number_format == cell.number_format

    with intake.engine.connect() as conn:
        rows = conn.execute(
            sql("SELECT channel, lane, submitter, occurred_at, text, reporter FROM report ORDER BY text")
        ).all()
    assert {(r.channel, r.lane, r.submitter) for r in rows} == {("suggestion_box", "bulk", "desk-1")}
    times = {r.text: r.occurred_at.isoformat() for r in rows}
    assert times["听雨街的路灯坏了"] == times["西关社区井盖没了"] == "2026-03-01T01:30:00+00:00"
    assert times["三楼着火了"] == "2026-03-01T07:00:00+00:00"
    assert sum(r.reporter is not None for r in rows) == 2


@pytest.mark.store
def test_sent_again_it_adds_nothing_and_the_corrected_answer_only_what_is_new(
    intake: Opened, send: Send
) -> None:
    first = send(_office_sheet()).get_data()
    again = send(_office_sheet())
    assert again.headers["Rows-Accepted"] == "0"
    assert _answers(again.get_data())[5] == _answers(first)[5].replace("已受理", "已受理过")

    book = _opened(first)
    sheet = book.worksheets[0]
    sheet["C7"], sheet["D8"] = "13800138000", "补上的内容"
    sheet["G9"] = "已受理 XP0123456789"  # nobody is told anything by a code that is made up
    out = io.BytesIO()
    book.save(out)
    corrected = send(out.getvalue())
    assert [corrected.headers[f"Rows-{k}"] for k in ("Accepted", "Known", "Wrong")] == ["2", "3", "1"]
    said = _answers(corrected.get_data())
    assert said[3] == ANSWER
    assert CODE.search(said[5])[0] == CODE.search(_answers(first)[5])[0]  # type: ignore[index]
    assert "没有内容" not in str(_answers(corrected.get_data(), "H"))
    with intake.engine.connect() as conn:
        assert conn.execute(sql("SELECT count(*) FROM report")).scalar_one() == 5


@pytest.mark.store
@pytest.mark.parametrize("encoding", ["gb18030", "utf-8-sig", "utf-16"])
def test_a_csv_comes_back_in_its_own_encoding(send: Send, encoding: str) -> None:
    text = (
        "某街道意见箱\r\n,,\r\n编号,内容,电话,\r\n"
        'K1,"路灯坏了\n第二行",１３８００１３８０００,\r\nK2,,,\r\n\r\nK3,"井盖,没了"\r\n'
    )
    response = send(text.encode(encoding), channel="meeting", name="会议.csv")
    assert response.status_code == 200, response.get_data()
    back = response.get_data().decode(encoding)
    rows = list(csv.reader(io.StringIO(back, newline="")))
    assert rows[0] == ["某街道意见箱"]
    assert rows[2] == ["编号", "内容", "电话", "", ANSWER]
    assert rows[3][:4] == ["K1", "路灯坏了\n第二行", "１３８００１３８０００", ""]
    assert CODE.search(rows[3][4])
    assert rows[4][4] == "未受理。内容：没有可读的内容"
    assert rows[5] == []
    assert rows[6][:2] == ["K3", "井盖,没了"]
    assert CODE.search(rows[6][4])
    # What nobody had to change is there byte for byte.
    for line in text.split("\r\n"):
        assert line in back

    # The answer comes back: known by what it says, and its column is not doubled.
    again = send(response.get_data(), channel="meeting")
    assert [again.headers[f"Rows-{k}"] for k in ("Accepted", "Known", "Wrong")] == ["0", "2", "1"]
    header = list(csv.reader(io.StringIO(again.get_data().decode(encoding), newline="")))[2]
    assert header.count(ANSWER) == 1


@pytest.mark.store
def test_a_running_number_is_nobodys_and_a_channel_must_be_of_sheets(send: Send) -> None:
    for month in ("三月", "四月"):
        # Every sheet counts from one.
        rows = f"编号,内容,渠道\n1,{month}的路灯坏了,\n2,{month}的井盖没了,意见箱\n3,{month}热线,热线\n"
        response = send(rows.encode())
        assert [response.headers[f"Rows-{k}"] for k in ("Accepted", "Wrong")] == ["2", "1"]
        assert "本表不收这个渠道：hotline" in response.get_data().decode()


@pytest.mark.store
def test_the_place_of_the_box_is_the_place_of_rows_that_say_none(intake: Opened, send: Send) -> None:
    send("内容,地点\n路灯坏了,\n井盖没了,西关社区\n".encode(), place="350921001001")
    with intake.engine.connect() as conn:
        found = dict(tuple(r) for r in conn.execute(sql("SELECT text, community FROM report")))
    assert found["路灯坏了"] == "350921001001"
    assert found["井盖没了"] != "350921001001"


@pytest.mark.store
def test_who_may_not_and_what_is_no_sheet(intake: Opened, send: Send) -> None:
    assert send(b"x", role="citizen").status_code == 403
    assert send(b"").status_code == 400
    assert send("内容\n路灯坏了\n".encode(), channel="hotline").status_code == 422
    for data, said in (
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old .xls"),
        (b"\x00\x01\x02", "is no sheet"),
        (b"PK\x03\x04nothing", "not an Excel workbook"),
        ("甲,乙\n1,2\n".encode(), "no column holds the text"),
        (_zip({"a.txt": b"x"}), "no workbook"),
    ):
        response = send(data)
        assert (response.status_code, response.content_type) == (422, "application/problem+json")
        assert said in response.get_json()["errors"][0]["problem"], response.get_json()
        assert "/tmp" not in response.get_data(as_text=True)
    with intake.engine.connect() as conn:
        assert conn.execute(sql("SELECT count(*) FROM report")).scalar_one() == 0


def _zip(parts: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def _changed(change: Callable[[str, bytes], bytes]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(_office_sheet())) as archive:
        return _zip({n: change(n, archive.read(n)) for n in archive.namelist()})


def _with(name: str, content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(_office_sheet())) as archive:
        return _zip({n: archive.read(n) for n in archive.namelist()} | {name: content})


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
HOSTILE: dict[str, bytes] = {
    "entities": _changed(lambda n, c: c.replace(b"<worksheet", BOMB + b"<worksheet") if "sheet1" in n else c),
    "strings with entities": _with("xl/sharedStrings.xml", b'<?xml version="1.0"?>' + BOMB + b"<sst/>"),
    "a row far away": _changed(lambda n, c: c.replace(b'r="10"', b'r="99999999999"') if "sheet1" in n else c),
    "rows backwards": _changed(lambda n, c: c.replace(b'<row r="10"', b'<row r="2"') if "sheet1" in n else c),
    "no XML": _changed(lambda n, c: c[:200] if "sheet1" in n else c),
    "a bomb": _with("xl/sharedStrings.xml", b"<sst>" + b" " * (70 << 20) + b"</sst>"),
    "styles that are a bomb": _changed(lambda n, c: c + b" " * (7 << 20) if "styles" in n else c),
    "cut off": _office_sheet()[:-100],
}


@pytest.mark.unit
@pytest.mark.parametrize("what", sorted(HOSTILE))
def test_a_hostile_workbook_is_not_opened(tmp_path: Path, what: str) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(HOSTILE[what])
    with pytest.raises(files.Unreadable, match="not an Excel workbook"):
        list(files.reader(path))


MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
EXCEL = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/xl/workbook.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
    '<Override PartName="/xl/worksheets/sheet1.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
    '<Override PartName="/xl/sharedStrings.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{PACKAGE}">'
    f'<Relationship Id="rId1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook {MAIN} xmlns:r="{OFFICE}">'
    '<sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}">'
    f'<Relationship Id="rId1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
    "xl/sharedStrings.xml": f"<sst {MAIN}><si><t>内容</t></si><si><r><t>路灯</t></r><r><t>坏了</t></r></si></sst>",
    # Rows with spans and without a number, an empty row, cells beyond the header that only have a look.
    "xl/worksheets/sheet1.xml": f'<worksheet {MAIN}><dimension ref="A1"/><sheetData>'
    '<row r="1" spans="1:1"><c r="A1" t="s"><v>0</v></c></row>'
    '<row r="2" spans="1:1"><c r="A2" t="s"><v>1</v></c><c r="D2" s="0"/></row>'
    '<row r="3" spans="1:1"/>'
    '<row r="4"><c r="A4" t="inlineStr"><is><t>井盖 &lt;没了&gt;</t></is></c></row>'
    "</sheetData></worksheet>",
}


@pytest.mark.store
def test_shared_strings_spans_and_self_closed_rows(send: Send) -> None:
    data = _zip({n: c.encode() for n, c in EXCEL.items()})
    response = send(data)
    assert response.status_code == 200, response.get_data()
    sheet = _opened(response.get_data()).worksheets[0]
    assert [sheet[f"A{n}"].value for n in (1, 2, 3, 4)] == ["内容", "路灯坏了", None, "井盖 <没了>"]
    assert sheet["B1"].value == ANSWER
    assert CODE.search(sheet["B2"].value)
    assert CODE.search(sheet["B4"].value)
    with zipfile.ZipFile(io.BytesIO(response.get_data())) as archive:
        xml = archive.read("xl/worksheets/sheet1.xml").decode()
    assert re.findall(r'<c r="([A-Z]+2)"', xml) == ["A2", "B2", "D2"]
    assert "spans" not in xml.replace('<row r="3" spans="1:1"/>', "")


@pytest.mark.unit
def test_a_dimension_that_is_wrong_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(
        _changed(
            lambda n, c: re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1"', c) if "sheet1" in n else c
        )
    )
    assert len(list(files.reader(path))) == 6


def _lines(tmp_path: Path, *rows: str) -> list[Line]:
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return list(files.reader(tmp_path / "a.csv"))


@pytest.mark.unit
def test_a_first_row_that_speaks_of_columns_is_no_second_header(tmp_path: Path) -> None:
    # 电话 is how it came, here, and not the name of a column.
    (line,) = _lines(tmp_path, "编号,内容,来源", "1,路灯坏了,电话")
    assert line.document == {"external_id": "1", "text": "路灯坏了"}


@pytest.mark.unit
@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2026年3月1日下午3点", "2026-03-01T07:00"),
        ("2026年3月1日 上午9时30分", "2026-03-01T01:30"),
        ("2026.3.1 9:30", "2026-03-01T01:30"),
        ("20260301", "2026-02-28T16:00"),
        ("20260301093000", "2026-03-01T01:30"),
        ("46082.3958333333", "2026-03-01T01:30"),
        ("２０２６／３／１　９：３０", "2026-03-01T01:30"),
    ],
)
def test_times_as_people_write_them(tmp_path: Path, said: str, meant: str) -> None:
    (line,) = _lines(tmp_path, "内容,时间", f"路灯坏了,{said}")
    assert line.problems == []
    assert line.document["occurred_at"].startswith(meant)


@pytest.mark.unit
def test_sixty_thousand_rows_in_bounded_memory(tmp_path: Path) -> None:
    """Reading and answering hold neither the workbook nor its rows: what grows is the words of the answer."""
    from jiayuan.intake import answers

    path, answer = tmp_path / "a.xlsx", tmp_path / "b.xlsx"
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(["编号", "内容", "地点", "电话", "发生时间", "备注"])
    for n in range(60_000):
        sheet.append([f"K{n}", f"第{n}盏路灯坏了", "龙津社区", 13800138000, 46082.5, "备注" * 10])
    book.save(path)
    reader = files.reader(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    words = {line.number: "已受理 XP0123456789" for line in reader if not line.problems}
    answers.write(reader, path, answer, words)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    assert len(words) == 60_000
    assert grown < 80, f"{grown} MB"
    with zipfile.ZipFile(answer) as archive, archive.open("xl/worksheets/sheet1.xml") as xml:
        assert xml.read().count("已受理 XP0123456789".encode()) == 60_000
