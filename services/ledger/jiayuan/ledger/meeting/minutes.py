"""The minutes 會議紀要 as a Word document in the layout of official documents: GB/T 9704—2012《党政机关公文格式》.

A4 with a type area (版心) of 156 mm × 225 mm: margins of 37 mm above and 28 mm on the left; 22 lines of 28 characters,
by a grid of lines and the characters' spacing. Text in 仿宋 三号 (16 pt), first headings in 黑体, second in 楷体,
the title in 小标宋 二号 (22 pt), page numbers in 宋体 四号 (14 pt) between dashes, outside: on the right of odd pages,
on the left of even ones. The kind is 纪要 (10.3): its mark in red, those who attended, were excused and sat in.

`document` says the paragraphs, `save` writes them; python-docx is imported there and only when it is needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jiayuan.contracts.times import parse

from ..entry import SHANGHAI
from ..lists.quarter import read
from .agenda import KIND_NAMES, KINDS
from .decision import BECOMES_NAMES

# -- the standard's measures -----------------------------------------------------------------------------------

PAGE_MM: Final = (210.0, 297.0)
AREA_MM: Final = (156.0, 225.0)
TOP_MM, LEFT_MM = 37.0, 28.0
LINES, CHARACTERS = 22, 28
SIZE, TITLE_SIZE, MARK_SIZE, PAGE_NUMBER_SIZE = 16.0, 22.0, 36.0, 14.0  # pt: 三号, 二号, 小初, 四号
MARK_MM: Final = 35.0  # from the top of the type area to that of the mark
NUMBER_MM: Final = 7.0  # from the bottom of the type area to the dash of the page number
RED: Final = "FF0000"

BODY, HEADING, SECOND, TITLE, NUMBERS = "仿宋_GB2312", "黑体", "楷体_GB2312", "方正小标宋简体", "宋体"
LATIN: Final = "Times New Roman"
# By what a reader without the font shows it: Windows, WPS, macOS, Linux.
FALLBACKS: Final[Mapping[str, tuple[str, ...]]] = {
    BODY: ("仿宋", "FangSong", "STFangsong", "Noto Serif CJK SC"),
    HEADING: ("SimHei", "STHeiti", "Noto Sans CJK SC"),
    SECOND: ("楷体", "KaiTi", "STKaiti", "Noto Serif CJK SC"),
    TITLE: ("小标宋体", "方正小标宋_GBK", "宋体", "SimSun", "Noto Serif CJK SC"),
    NUMBERS: ("SimSun", "STSong", "Noto Serif CJK SC"),
}

_TWIPS: Final = 1440 / 25.4
LINE_PITCH: Final = int(AREA_MM[1] * _TWIPS / LINES)  # twips a line, so that 22 fit
# What a character's place differs from its size, in twips, so that 28 fit. It is each character's own spacing and not
# the grid's (linesAndChars), which is the same in Word and WPS: LibreOffice gives a character two cells of a grid whose
# cells are narrower than it.
CHARACTER_SPACE: Final = int(AREA_MM[0] * _TWIPS / CHARACTERS) - int(SIZE * 20)

_FIRST: Final = re.compile(r"[一二三四五六七八九十]{1,3}、")
_SECOND: Final = re.compile(r"（[一二三四五六七八九十]{1,3}）")


# What a file of XML can't hold.
_ILLEGIBLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def legible(text: str) -> str:
    """A text without the control characters that no document can hold."""
    return _ILLEGIBLE.sub("", text)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph. `kind`: mark, issue, rule, title, heading, second, text, plain, people, right, closing."""

    kind: str
    text: str
    label: str = ""


# -- what they say ---------------------------------------------------------------------------------------------


def document(meeting: Mapping[str, Any]) -> list[Paragraph]:
    """The minutes of a meeting as `meetings.whole` tells it, paragraph by paragraph."""
    quarter = read(meeting["quarter"])
    names = {u["code"]: u["name"] for u in meeting["units"]}
    organ = meeting["organ"] or f"街道{meeting['street']}大工委"
    draft = "（草案）" if meeting["state"] == "draft" else ""
    out = [
        Paragraph("mark", f"{organ}会议纪要"),
        Paragraph("issue", f"{quarter.year}年第{meeting['number']}期{draft}"),
    ]
    out += [Paragraph("rule", ""), Paragraph("title", meeting["title"]), Paragraph("text", _opening(meeting))]
    n = 0
    if items := [i for i in meeting["agenda"] if not i["left_out"]]:
        n += 1
        out.append(Paragraph("heading", f"{_CHINESE[n]}、会议议题"))
        out += _agenda(items)
    if meeting["minutes"].strip():
        n += 1
        out.append(Paragraph("heading", f"{_CHINESE[n]}、会议情况"))
        out += [_line(part) for part in map(str.strip, meeting["minutes"].splitlines()) if part]
    n += 1
    out.append(Paragraph("heading", f"{_CHINESE[n]}、议定事项"))
    out += [Paragraph("text", f"{d['number']}.{_decided(d, names)}") for d in meeting["decisions"]]
    if not meeting["decisions"]:
        out.append(Paragraph("text", "会议未作出决定。"))
    out.append(Paragraph("plain", ""))
    out += [p for part, label in ATTENDANCE.items() if (p := _people(meeting, part, label, names))]
    for a in meeting["addenda"]:
        out.append(Paragraph("text", f"更正与补充（{a['number']}）：{a['text']}（{_date(a['at'])}）"))
    if meeting["held_at"]:
        out.append(Paragraph("plain", ""))
        out += [Paragraph("right", organ), Paragraph("right", _date(meeting["held_at"]))]
    if meeting["published_at"]:
        out.append(Paragraph("closing", f"{_date(meeting['published_at'])}印发", organ))
    return out


ATTENDANCE: Final = {"attended": "出席", "excused": "请假", "observer": "列席"}
_CHINESE: Final = " 一二三四"


def _date(at: str) -> str:
    local = parse(at).astimezone(SHANGHAI)
    return f"{local.year}年{local.month}月{local.day}日"


def _opening(meeting: Mapping[str, Any]) -> str:
    quarter = read(meeting["quarter"]).words
    if not meeting["begins_at"]:
        return f"{quarter}联席会议拟研究以下事项。"
    local = parse(meeting["begins_at"]).astimezone(SHANGHAI)
    when = f"{local.year}年{local.month}月{local.day}日{local.hour}时" + (
        f"{local.minute}分" if local.minute else ""
    )
    where = f"，在{meeting['place']}" if meeting["place"] else ""
    chair = f"，由{meeting['chair']}主持" if meeting["chair"] else ""
    return f"{when}{where}召开{quarter}联席会议{chair}。现将会议情况纪要如下。"


def _agenda(items: Sequence[Mapping[str, Any]]) -> list[Paragraph]:
    out = []
    number = 0
    for kind in KINDS:
        of = [i for i in items if i["kind"] == kind]
        if of:
            number += 1
            out.append(Paragraph("second", f"（{_ordinal(number)}）{KIND_NAMES[kind]}"))
            for n, i in enumerate(of, start=1):
                detail = f"（{i['detail']}）" if i["detail"] else ""
                out.append(Paragraph("text", f"{n}.{i['title']}{detail}"))
    return out


def _ordinal(n: int) -> str:
    return "一二三四五六七八九"[n - 1]


def _line(said: str) -> Paragraph:
    """A line of the record: the numbering of official documents says which heading it is."""
    heads = len(said) <= 40 and not said.endswith("。") and (_FIRST.match(said) or _SECOND.match(said))
    return Paragraph("second" if heads else "text", said)


def _decided(d: Mapping[str, Any], names: Mapping[str, str]) -> str:
    said = [f"责任单位：{names.get(d['unit'], d['unit'])}"] if d["unit"] else []
    if d["assistants"]:
        said.append("协办单位：" + "、".join(names.get(u, u) for u in d["assistants"]))
    if d["person"]:
        said.append(f"责任人：{d['person']}")
    if d["due_at"]:
        said.append(f"完成时限：{_date(d['due_at'])}")
    if d["case"]:
        said.append(f"工单：{d['case']}")
    said.append(BECOMES_NAMES[d["becomes"]])
    text = d["text"].rstrip("。")
    return f"{text}（{'；'.join(said)}）。"


def _people(meeting: Mapping[str, Any], part: str, label: str, names: Mapping[str, str]) -> Paragraph | None:
    said = [
        " ".join(
            filter(None, (names.get(a["unit"] or "", a["unit"] or ""), a["name"] or "", a["office"] or ""))
        )
        for a in meeting["attendance"]
        if a["part"] == part
    ]
    return Paragraph("people", "、".join(said), f"{label}：") if said else None


# -- the document ----------------------------------------------------------------------------------------------


def save(path: Path, paragraphs: Sequence[Paragraph], title: str) -> None:
    """Writes the document."""
    import docx

    book = docx.Document()
    book.core_properties.title = legible(title)
    book.core_properties.author = ""
    book.core_properties.comments = ""
    _page(book.sections[0])
    _normal(book)
    _fonts(book)
    for p in paragraphs:
        _write(book, p)
    _numbers(book)
    book.save(str(path))


def _page(section: Any) -> None:
    from docx.shared import Mm

    section.page_width, section.page_height = Mm(PAGE_MM[0]), Mm(PAGE_MM[1])
    section.top_margin, section.left_margin = Mm(TOP_MM), Mm(LEFT_MM)
    section.right_margin = Mm(PAGE_MM[0] - LEFT_MM - AREA_MM[0])
    bottom = PAGE_MM[1] - TOP_MM - AREA_MM[1]
    section.bottom_margin = Mm(bottom)
    # The dash is in the middle of a line of 14 pt, whose lower edge the format counts from the paper's.
    section.footer_distance = Mm(bottom - NUMBER_MM - PAGE_NUMBER_SIZE * 25.4 / 72 / 2)
    grid = section._sectPr.find(_w("docGrid"))
    if grid is None:
        grid = _element("docGrid")
        section._sectPr.append(grid)
    _set(grid, type="lines", linePitch=LINE_PITCH)


def _normal(book: Any) -> None:
    from docx.shared import Pt

    style = book.styles["Normal"]
    style.font.size = Pt(SIZE)
    _font(style.element.get_or_add_rPr(), BODY)
    form = style.paragraph_format
    form.space_before = form.space_after = Pt(0)
    form.line_spacing = 1.0
    form.widow_control = False
    spacing = _element("spacing")
    _set(spacing, val=CHARACTER_SPACE)
    style.element.get_or_add_rPr().insert_element_before(spacing, "w:w", "w:kern", "w:position", "w:sz")
    language = _element("lang")
    _set(language, val="zh-CN", eastAsia="zh-CN")
    style.element.get_or_add_rPr().append(language)


def _fonts(book: Any) -> None:
    """The fonts' table: by what each is shown where it is missing."""
    from docx.opc.constants import RELATIONSHIP_TYPE

    ns = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    said = "".join(
        f'<w:font w:name="{name}"><w:altName w:val="{",".join(others)}"/><w:charset w:val="86"/>'
        f'<w:family w:val="auto"/><w:pitch w:val="default"/></w:font>'
        for name, others in FALLBACKS.items()
    )
    blob = f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?><w:fonts xmlns:w="{ns}">{said}</w:fonts>'
    part = book.part.part_related_by(RELATIONSHIP_TYPE.FONT_TABLE)
    part._blob = blob.encode()


def _write(book: Any, p: Paragraph) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH as ALIGN
    from docx.shared import Mm, Pt, RGBColor

    paragraph = book.add_paragraph()
    form = paragraph.paragraph_format
    red = RGBColor.from_string(RED)
    match p.kind:
        case "mark":
            form.alignment = ALIGN.CENTER
            form.space_before = Mm(MARK_MM)
            run = _run(paragraph, p.text, TITLE, MARK_SIZE)
            run.font.color.rgb = red
            _off_grid(paragraph)
        case "issue":
            form.alignment = ALIGN.CENTER
            form.space_before = Pt(LINE_PITCH / 20)
            _run(paragraph, p.text, BODY)
        case "rule":
            _border(paragraph, "bottom", 12, RED)
            form.line_spacing = Mm(4)
            _off_grid(paragraph)
        case "title":
            form.alignment = ALIGN.CENTER
            # Two empty lines below the red rule, and one before the text.
            form.space_before, form.space_after = Pt(2 * LINE_PITCH / 20), Pt(LINE_PITCH / 20)
            _run(paragraph, p.text, TITLE, TITLE_SIZE)
        case "heading" | "second":
            _indent(paragraph)
            form.keep_with_next = True
            _run(paragraph, p.text, HEADING if p.kind == "heading" else SECOND)
        case "people":
            # Two characters in, as a paragraph begins; later lines stand below the first name.
            _indent(paragraph, left=2 + len(p.label), hanging=len(p.label))
            _run(paragraph, p.label, HEADING)
            _run(paragraph, p.text, BODY)
        case "right":
            form.alignment = ALIGN.RIGHT
            _indent(paragraph, right=4)
            _run(paragraph, p.text, BODY)
        case "closing":
            _closing(paragraph, p)
        case "plain":
            _run(paragraph, p.text, BODY)
        case _:
            form.alignment = ALIGN.JUSTIFY
            _indent(paragraph)
            _run(paragraph, p.text, BODY)


def _closing(paragraph: Any, p: Paragraph) -> None:
    """版記: who issues it and when, in 四号 between thick rules, one character in on both sides."""
    from docx.enum.text import WD_TAB_ALIGNMENT
    from docx.shared import Mm

    form = paragraph.paragraph_format
    form.keep_together = True
    _border(paragraph, "top", 8, "000000")
    _border(paragraph, "bottom", 8, "000000")
    _indent(paragraph, left=1, right=1)
    form.tab_stops.add_tab_stop(Mm(AREA_MM[0] - SIZE * 25.4 / 72), WD_TAB_ALIGNMENT.RIGHT)
    _run(paragraph, f"{p.label}\t{p.text}", BODY, PAGE_NUMBER_SIZE)


def _numbers(book: Any) -> None:
    """— 1 —, a character in from the outer edge: on the right of odd pages, on the left of even ones."""
    from docx.enum.text import WD_ALIGN_PARAGRAPH as ALIGN

    book.settings.odd_and_even_pages_header_footer = True
    section = book.sections[0]
    for footer, side in ((section.footer, "right"), (section.even_page_footer, "left")):
        footer.is_linked_to_previous = False
        paragraph = footer.paragraphs[0]
        paragraph.style = book.styles["Normal"]
        paragraph.paragraph_format.alignment = ALIGN.RIGHT if side == "right" else ALIGN.LEFT
        _indent(paragraph, first=0, **{side: 1})
        _off_grid(paragraph)
        _run(paragraph, "— ", NUMBERS, PAGE_NUMBER_SIZE)
        field = _run(paragraph, "", NUMBERS, PAGE_NUMBER_SIZE)
        for kind, text in (("begin", ""), ("instr", "PAGE"), ("separate", ""), ("text", "1"), ("end", "")):
            if kind == "instr":
                made = _element("instrText")
                made.text = text
            elif kind == "text":
                made = _element("t")
                made.text = text
            else:
                made = _element("fldChar")
                _set(made, fldCharType=kind)
            field._r.append(made)
        _run(paragraph, " —", NUMBERS, PAGE_NUMBER_SIZE)


# -- WordprocessingML ------------------------------------------------------------------------------------------


def _w(name: str) -> str:
    from docx.oxml.ns import qn

    found: str = qn(f"w:{name}")
    return found


def _element(name: str) -> Any:
    from docx.oxml import OxmlElement

    return OxmlElement(f"w:{name}")


def _set(element: Any, **values: Any) -> None:
    for name, value in values.items():
        element.set(_w(name), str(value))


def _run(paragraph: Any, text: str, font: str, size: float = SIZE) -> Any:
    from docx.shared import Pt

    run = paragraph.add_run(legible(text))
    run.font.size = Pt(size)
    _font(run._r.get_or_add_rPr(), font)
    return run


def _font(properties: Any, font: str) -> None:
    fonts = properties.find(_w("rFonts"))
    if fonts is None:
        fonts = _element("rFonts")
        properties.insert(0, fonts)
    latin = NUMBERS if font == NUMBERS else LATIN
    _set(fonts, ascii=latin, hAnsi=latin, cs=latin, eastAsia=font, hint="eastAsia")


def _indent(
    paragraph: Any, *, first: int | None = None, left: int = 0, right: int = 0, hanging: int = 0
) -> None:
    """Indents in characters; nothing said: the first line by two."""
    properties = paragraph._p.get_or_add_pPr()
    made = properties.get_or_add_ind()
    if first is None and not (left or right or hanging):
        first = 2
    cell = SIZE * 20
    for name, count in (("firstLine", first or 0), ("left", left), ("right", right), ("hanging", hanging)):
        if count:
            _set(made, **{f"{name}Chars": count * 100, name: int(count * cell)})


def _off_grid(paragraph: Any) -> None:
    properties = paragraph._p.get_or_add_pPr()
    made = _element("snapToGrid")
    _set(made, val=0)
    properties.insert_element_before(made, *_AFTER_SNAP)


def _border(paragraph: Any, side: str, eighths: int, colour: str) -> None:
    properties = paragraph._p.get_or_add_pPr()
    found = properties.find(_w("pBdr"))
    if found is None:
        found = _element("pBdr")
        properties.insert_element_before(found, *_AFTER_BORDERS)
    line = _element(side)
    _set(line, val="single", sz=eighths, space=1, color=colour)
    found.append(line)


# The order of a paragraph's properties, which the format fixes.
_AFTER_SNAP: Final = tuple(
    f"w:{n}"
    for n in ("spacing", "ind", "contextualSpacing", "mirrorIndents", "jc", "outlineLvl", "rPr", "sectPr")
)
_AFTER_BORDERS: Final = (
    *(f"w:{n}" for n in ("shd", "tabs", "suppressAutoHyphens", "snapToGrid")),
    *_AFTER_SNAP,
)
