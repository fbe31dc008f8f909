"""Quarters, grouping, drafts, milestones and sheets: what needs no database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.chassis.testing.models import examples
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.workbook import FORMULA
from jiayuan.contracts.times import iso
from jiayuan.ledger.lists import claim, demand, grouping, problem, quarter, rights, sheets
from jiayuan.ledger.lists.demand import HotReport, Hotspot, Line, Matter

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
DOCS = Path(__file__).resolve().parents[3] / "docs/ledger/lists.md"
WORDS = ("路灯不亮", "路灯又不亮了", "井盖破损", "井盖松动", "下水道堵塞", "公交站太远", "噪声扰民")


def test_a_quarter_begins_and_ends_at_midnight_in_china() -> None:
    found = quarter.read("2026Q4")
    assert found.begins.astimezone(UTC) == datetime(2026, 9, 30, 16, 0, tzinfo=UTC)
    assert found.ends.astimezone(UTC) == datetime(2026, 12, 31, 16, 0, tzinfo=UTC)
    assert (str(found.before), str(found.after), found.words) == ("2026Q3", "2027Q1", "2026年第四季度")
    for wrong in ("2026Q5", "2026-4", "1999Q1", "2026Q4\n"):
        with pytest.raises(ValueError, match="no quarter"):
            quarter.read(wrong)


MATTERS = st.lists(
    st.tuples(st.sampled_from(WORDS), st.sampled_from(("0102", "0104")), st.booleans(), st.integers(1, 3)),
    max_size=12,
).map(
    lambda rows: [
        Matter(f"case-{i}", f"entry-{i}", category, title, open_, tuple(f"r{i}-{n}" for n in range(reports)))
        for i, (title, category, open_, reports) in enumerate(rows)
    ]
)


@settings(max_examples=examples(60), deadline=None)
@given(
    MATTERS, st.lists(st.lists(st.integers(0, 14), max_size=5, unique=True), max_size=3), st.integers(0, 12)
)
def test_a_report_is_behind_one_line_and_drafting_again_adds_nothing(
    matters: list[Matter], spots: list[list[int]], first: int
) -> None:
    hotspots = [
        Hotspot(("臭味",), len(spot), tuple(HotReport(f"r{n}-0", "晚上有臭味", "0501") for n in spot))
        for spot in spots
    ]
    lines: list[Line] = []
    homes: dict[str, str] = {}
    # In two steps, as when reports come between two drafts; and once more.
    for seen in (matters[:first], matters, matters):
        drafted = demand.draft(seen, hotspots, lines)
        if seen is matters and lines and set(homes) >= {r for m in matters for r in m.reports}:
            assert drafted.reports == 0
        fresh = [
            Line(f"l{len(lines) + i}", d.category, d.title, frozenset(b.report for b in d.behind))
            for i, d in enumerate(drafted.lines)
        ]
        added = {id_: {b.report for b in more} for id_, more in drafted.added.items()}
        lines = [Line(x.id, x.category, x.title, x.reports | added.get(x.id, set())) for x in lines] + fresh
        placed = [r for line in lines for r in line.reports]
        assert len(placed) == len(set(placed))
        assert all(homes.get(r, line.id) == line.id for line in lines for r in line.reports)
        homes = {r: line.id for line in lines for r in line.reports}
    # Nothing that is open is lost.
    assert {r for m in matters if m.open for r in m.reports} <= set(homes)
    last = demand.draft(matters, hotspots, lines)
    assert (last.lines, last.added) == ([], {})


def test_what_one_community_says_alone_is_a_name_and_joins_nothing() -> None:
    wanted = [
        problem.Wanted("1", "0102", "龙津社区听雨街路灯不亮", 3, "c1"),
        problem.Wanted("2", "0102", "龙津社区听雨街公交站太远", 2, "c1"),
        problem.Wanted("3", "0102", "西关社区赤岸路路灯不亮", 1, "c2"),
        problem.Wanted("4", "0104", "西关社区赤岸路路灯不亮", 1, "c2"),
    ]
    found = problem.suggest(wanted)
    assert [(p.demands, p.reports) for p in found.problems] == [(["1", "3"], 4), (["2"], 2), (["4"], 1)]
    # What is joined stays; what is new goes to what it is like.
    joined = [problem.Wanted(w.id, w.category, w.title, 1, w.community, "p1") for w in wanted[:1]]
    assert problem.suggest([*joined, *wanted[2:3]]).added == {"p1": ["3"]}


def test_phone_numbers_do_not_get_into_a_list() -> None:
    matter = Matter("c", "e", "0102", "路灯不亮请回电13900001234", True, ("r",))
    (line,) = demand.draft([matter], [], []).lines
    assert line.title == "路灯不亮请回电139****1234"


def test_the_middle_of_a_group_is_likest_to_all() -> None:
    texts = [
        grouping.Text(str(i), "", t) for i, t in enumerate(("路灯不亮", "听雨街路灯不亮", "听雨街路灯坏了"))
    ]
    assert grouping.middle(grouping.Group(None, "", texts)).says == "听雨街路灯不亮"


@pytest.mark.parametrize(
    ("done", "wanted"),
    [(None, "open"), (0, "done"), (1, "done_late")],
)
def test_exactly_on_the_limit_is_in_time(done: int | None, wanted: str) -> None:
    at = None if done is None else NOW + timedelta(seconds=done)
    assert claim.standing(at, NOW, NOW) == wanted
    assert claim.standing(None, NOW, NOW + timedelta(seconds=1)) == "late"


def test_more_milestones_than_twelve_are_too_many() -> None:
    given_ = [{"name": f"m{n}", "due_at": iso(NOW + timedelta(days=n + 1))} for n in range(13)]
    found, wrong = claim.milestones_of(given_, NOW + timedelta(days=30), NOW)
    assert [m["name"] for m in found][:2] == ["m0", "m1"]
    assert [p.field for p in wrong] == ["milestones"]


@pytest.mark.parametrize(
    ("role", "street", "unit", "wanted"),
    [
        ("county", "", "", (True, True, True, True)),
        ("desk", "s1", "", (True, True, True, True)),
        ("desk", "s2", "", (False, False, False, False)),
        ("grid_chief", "s1", "", (True, False, True, False)),
        ("grid_worker", "s1", "", (False, False, True, False)),
        ("unit_clerk", "", "U02", (False, False, False, True)),
        ("unit_clerk", "", "U03", (False, False, False, False)),
        ("unit_clerk", "s1", "", (False, False, False, False)),
        ("operator", "", "", (False, False, False, False)),
        ("service", "", "", (False, False, False, False)),
    ],
)
def test_whose_what_is(role: str, street: str, unit: str, wanted: tuple[bool, ...]) -> None:
    who = Principal("p", (role,), street, unit)
    may = (
        rights.keeps(who, "demand", "s1"),
        rights.keeps(who, "problem", "s1"),
        rights.collects(who, "s1"),
        rights.claims_for(who, "U02", "s1"),
    )
    assert may == wanted


# -- sheets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("2026-12-20", "2026-12-20T15:59:59.000000Z"),
        ("2026/12/20", "2026-12-20T15:59:59.000000Z"),
        ("2026年12月20日", "2026-12-20T15:59:59.000000Z"),
        ("2026-12-20 17:30", "2026-12-20T09:30:00.000000Z"),
        (date(2026, 12, 20), "2026-12-20T15:59:59.000000Z"),
        (datetime(2026, 12, 20), "2026-12-20T15:59:59.000000Z"),
        (datetime(2026, 12, 20, 17, 30), "2026-12-20T09:30:00.000000Z"),
    ],
)
def test_a_day_means_its_last_second(raw: Any, wanted: str) -> None:
    assert iso(sheets.day_of(raw)) == wanted
    assert sheets.day_of(sheets.day(sheets.day_of(raw))) == sheets.day_of(raw)


@pytest.mark.parametrize(
    ("kind", "heading", "value", "why"),
    [
        ("demand", "类别编码", "第一类", "不是编码"),
        ("demand", "类别编码", None, "不能为空"),
        ("demand", "列入", "也许", "只能是是、否"),
        ("demand", "反映人数", 0, "只能是1至"),
        ("demand", "需求", "长" * 201, "最多200个"),
        ("demand", "需求", FORMULA, "是公式"),
        ("problem", "认领单位数", 10, "只能是1至9的整数"),
        ("problem", "需求", "第三条", "应如 350921001002-3"),
        ("service", "完成时限", "2026-02-30", "没有“2026-02-30”这一天"),
        ("service", "完成时限", "年底", "不是日期"),
        ("service", "时间节点", "尽快完成", "不是时间节点"),
    ],
)
def test_a_wrong_cell_is_told_by_sheet_row_column_and_reason(
    kind: str, heading: str, value: Any, why: str
) -> None:
    sheet = sheets.SHEETS[kind]
    good = {"number": 1, "code": "0102", "text": "某事", "word": None, "whole": 1}
    headings = [c.heading for c in sheet.columns if c.read]
    columns = [c for c in sheet.columns if c.read]
    row = [
        value if c.heading == heading else (next(iter(c.words.values())) if c.words else good.get(c.form))
        for c in columns
    ]
    at, wrong = sheets.places(sheet, headings)
    assert wrong == []
    (found,) = sheets.rows_of(sheet, at, [(7, row)])
    place = f"{sheet.name} 第7行 {sheets.letters(headings.index(heading))}列「{heading}」："
    assert len(found.wrong) == 1
    assert found.wrong[0].startswith(place)
    assert why in found.wrong[0]


def test_missing_columns_are_named() -> None:
    assert sheets.places(sheets.SHEETS["demand"], ["序号", "说明"])[1] == [
        "需求清单：缺少列「类别编码」",
        "需求清单：缺少列「需求」",
    ]


def test_the_page_lists_the_columns() -> None:
    said = DOCS.read_text(encoding="utf-8")
    for sheet in sheets.SHEETS.values():
        for c in sheet.columns:
            if c.read:
                note = c.note or "、".join(c.words.values())
                assert f"| {sheet.name} | {c.heading} | {'yes' if c.required else ''} | {note} |" in said
