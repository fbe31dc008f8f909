"""The minutes' document has the measures of GB/T 9704—2012, and the page about meetings says what the code does."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from jiayuan.contracts.envelope import encode, make
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.names import MAX_EVENT_BYTES, source
from jiayuan.contracts.times import parse
from jiayuan.ledger.cli import ledger
from jiayuan.ledger.meeting import agenda, decision, minutes, sheet, stage

pytestmark = pytest.mark.unit

PAGE = (Path(__file__).parents[3] / "docs" / "ledger" / "meeting.md").read_text(encoding="utf-8")
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
TWIP = 25.4 / 1440
AT = "2026-10-12T09:00:00.000000Z"


def decided(number: int, **more: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("unit", "person", "due_at", "case", "entry", "category", "outcome", "reason"))
    return {"id": new_id(), "number": number, "assistants": [], "becomes": "text", **empty, **more}


def a_meeting(**more: Any) -> dict[str, Any]:
    return {
        "street": "350921001",
        "quarter": "2026Q3",
        "number": 1,
        "state": "published",
        "title": "2026年第三季度联席会议纪要",
        "organ": "例安街道大工委",
        "place": "三楼会议室",
        "chair": "例召集",
        "begins_at": AT,
        "held_at": AT,
        "published_at": AT,
        "units": [{"code": "U02", "name": "县城市管理局"}],
        "agenda": [{"kind": "other", "title": "通报进度", "detail": "", "left_out": n == 1} for n in (0, 1)],
        "minutes": "（一）关于路灯\n会议听取了汇报。",
        "decisions": [
            decided(1, text="统一更换。", unit="U02", becomes="entry", due_at="2026-12-20T15:59:59Z")
        ],
        "attendance": [
            {"part": "attended", "unit": "U02", "name": "例王明", "office": "副局长"},
            {"part": "excused", "unit": None, "name": "例李强", "office": None},
        ],
        "addenda": [{"number": 1, "text": "沿江路为沿江北路。", "at": AT}],
        **more,
    }


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ElementTree.Element]:
    file = tmp_path_factory.mktemp("minutes") / "minutes.docx"
    minutes.save(file, minutes.document(a_meeting()), "纪要")
    with zipfile.ZipFile(file) as archive:
        return {
            n: ElementTree.fromstring(archive.read(n))
            for n in archive.namelist()
            if n.startswith("word/") and n.endswith(".xml")
        }


def paragraph(parts: dict[str, ElementTree.Element], begins: str) -> ElementTree.Element:
    for p in parts["word/document.xml"].iter(f"{W}p"):
        if "".join(t.text or "" for t in p.iter(f"{W}t")).startswith(begins):
            return p
    raise AssertionError(begins)


def looks(p: ElementTree.Element) -> tuple[str, float]:
    """The font for Chinese characters and the size in points of a paragraph's first run."""
    found = p.find(f"{W}r/{W}rPr")
    assert found is not None
    fonts, size = found.find(f"{W}rFonts"), found.find(f"{W}sz")
    assert fonts is not None
    assert size is not None
    return fonts.attrib[f"{W}eastAsia"], int(size.attrib[f"{W}val"]) / 2


def test_the_page_is_a4_with_the_type_area_of_the_standard(parts: dict[str, ElementTree.Element]) -> None:
    (section,) = parts["word/document.xml"].iter(f"{W}sectPr")
    size, margins, grid = (section.find(f"{W}{n}") for n in ("pgSz", "pgMar", "docGrid"))
    assert size is not None
    assert margins is not None
    assert grid is not None
    wide, high = (int(size.attrib[f"{W}{n}"]) * TWIP for n in ("w", "h"))
    top, left, right, bottom = (
        int(margins.attrib[f"{W}{n}"]) * TWIP for n in ("top", "left", "right", "bottom")
    )
    assert (round(wide), round(high), round(top), round(left)) == (210, 297, 37, 28)
    assert (round(wide - left - right), round(high - top - bottom)) == (156, 225)
    assert grid.attrib[f"{W}type"] == "lines"
    lines = (high - top - bottom) / TWIP / int(grid.attrib[f"{W}linePitch"])
    assert 22 <= lines < 22.1
    normal = next(
        s for s in parts["word/styles.xml"].iter(f"{W}style") if s.attrib[f"{W}styleId"] == "Normal"
    )
    (spacing,) = normal.findall(f"{W}rPr/{W}spacing")
    cell = minutes.SIZE * 20 + int(spacing.attrib[f"{W}val"])
    assert 28 <= (wide - left - right) / TWIP / cell < 28.2


@pytest.mark.parametrize(
    ("begins", "font", "size"),
    [
        ("例安街道大工委会议纪要", "方正小标宋简体", 36),
        ("2026年第三季度联席会议纪要", "方正小标宋简体", 22),
        ("2026年10月12日17时，在三楼会议室召开", "仿宋_GB2312", 16),
        ("一、会议议题", "黑体", 16),
        ("（一）其他议题", "楷体_GB2312", 16),
        ("（一）关于路灯", "楷体_GB2312", 16),
        ("1.统一更换（责任单位：县城市管理局；完成时限：2026年12月20日；入账）。", "仿宋_GB2312", 16),
        ("出席：县城市管理局 例王明 副局长", "黑体", 16),
        ("请假：例李强", "黑体", 16),
        ("更正与补充（1）：沿江路为沿江北路。（2026年10月12日）", "仿宋_GB2312", 16),
        ("例安街道大工委2026年10月12日印发", "仿宋_GB2312", 14),
    ],
)
def test_fonts_and_sizes(parts: dict[str, ElementTree.Element], begins: str, font: str, size: float) -> None:
    assert looks(paragraph(parts, begins)) == (font, size)


def test_page_numbers_are_outside_between_dashes(parts: dict[str, ElementTree.Element]) -> None:
    assert parts["word/settings.xml"].find(f"{W}evenAndOddHeaders") is not None
    footers = [p for n, p in parts.items() if n.startswith("word/footer")]
    sides = []
    for footer in footers:
        (p,) = footer.iter(f"{W}p")
        assert "".join(t.text or "" for t in p.iter(f"{W}t")) == "— 1 —"
        assert [t.text for t in p.iter(f"{W}instrText")] == ["PAGE"]
        assert looks(p) == ("宋体", 14)
        alignment = p.find(f"{W}pPr/{W}jc")
        assert alignment is not None
        sides.append(alignment.attrib[f"{W}val"])
    assert sorted(sides) == ["left", "right"]


def test_fonts_have_others_in_their_place(parts: dict[str, ElementTree.Element]) -> None:
    said = {}
    for font in parts["word/fontTable.xml"]:
        alternative = font.find(f"{W}altName")
        assert alternative is not None
        said[font.attrib[f"{W}name"]] = alternative.attrib[f"{W}val"].split(",")
    assert said == {k: list(v) for k, v in minutes.FALLBACKS.items()}
    used = {f.attrib[f"{W}eastAsia"] for f in parts["word/document.xml"].iter(f"{W}rFonts")}
    assert used <= set(said)


def test_control_characters_stop_no_document(tmp_path: Path) -> None:
    said = a_meeting(minutes="一\x0b二\x01三", title="纪\x02要")
    minutes.save(tmp_path / "minutes.docx", minutes.document(said), said["title"])
    (row,) = sheet.cells(a_meeting(decisions=[decided(1, text="甲\x0b乙")]))
    assert row[1] == "甲乙"


def test_a_draft_says_so_and_an_empty_meeting_has_minutes_too(tmp_path: Path) -> None:
    nothing = a_meeting(
        state="draft",
        organ="",
        begins_at=None,
        held_at=None,
        published_at=None,
        agenda=[],
        minutes="",
        decisions=[],
        attendance=[],
        addenda=[],
    )
    said = minutes.document(nothing)
    assert [p.text for p in said if p.kind in ("issue", "heading")] == ["2026年第1期（草案）", "一、议定事项"]
    minutes.save(tmp_path / "minutes.docx", said, "纪要")


# -- words and limits --------------------------------------------------------------------------------------


def test_the_longest_meeting_fits_into_its_event() -> None:
    decisions = [
        decided(
            n,
            text="决" * decision.DECISION_LIMIT,
            becomes="whistle",
            unit="U" * 20,
            assistants=[f"{i}" + "U" * 19 for i in range(decision.MOST_ASSISTANTS)],
            case="9" * 24,
            due_at=AT,
            person="p" * 40,
        )
        for n in range(1, decision.MOST_DECISIONS + 1)
    ]
    data = {
        "id": new_id(),
        "street": "350921001",
        "held_at": AT,
        "quarter": "2026Q3",
        "number": 1,
        "convener": "c" * 128,
        "recorder": "r" * 128,
        "decisions": [d["text"] for d in decisions],
        "resolutions": decision.resolutions(decisions),
    }
    event = make("meeting.held", source("ledger"), data, at=parse(AT), subject=data["id"], sequence=1)
    assert len(encode(event)) < MAX_EVENT_BYTES


def test_a_name_is_no_id() -> None:
    assert decision.person_id("例王明") is None
    assert decision.person_id("seat-350921001-1") == "seat-350921001-1"


def test_two_signatures_hold_whoever_comes_first() -> None:
    one = stage.sign("draft", [], "convener", "a", AT, "d", "d")
    with pytest.raises(stage.Refused, match="two persons"):
        stage.sign("draft", one, "recorder", "a", AT, "d", "d")
    both = stage.sign("draft", one, "recorder", "b", AT, "d", "d")
    assert stage.complete(both)
    assert stage.sign("held", both, "recorder", "b", AT, "d", "d") == both
    with pytest.raises(stage.Refused, match="is held"):
        stage.sign("held", both, "recorder", "c", AT, "d", "d")


@pytest.mark.parametrize("word", [*stage.STATES, *agenda.KINDS, *decision.BECOMES])
def test_the_page_has_a_line_for_every_word(word: str) -> None:
    assert re.search(rf"^\| `{word}` \|", PAGE, re.MULTILINE)


def test_the_page_names_what_there_is() -> None:
    commands = set(ledger.commands["meeting"].commands)  # type: ignore[attr-defined]
    tail = PAGE[PAGE.index("## By command") :]
    assert {c for c in commands if not re.search(rf"`{c}[ `]", tail)} == set()
    assert f"`stalled_days` ({agenda.STALLED_DAYS})" in PAGE
    assert f"At most {decision.MOST_DECISIONS} decisions of {decision.DECISION_LIMIT} characters" in PAGE
    assert f"{minutes.LINE_PITCH / 20:.2f} pt" in PAGE
    assert f"less {-minutes.CHARACTER_SPACE / 20:.2f} pt" in PAGE
    assert sheet.SHEET.name == "议定事项"
