"""Reports 报表 of a quarter or a year: what was promised, done, late, satisfied. Pure.

A report counts matters, each once, however many years' entries it has. Each figure is declared in `FIGURES` with its
formula; every one of them is a sum over the list of matters behind it (`Matter`), and so are the tests' recounts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from .closing import Period

BY: Final[Mapping[str, str]] = {"street": "街道", "unit": "责任单位", "category": "事项类别"}


class Figure(NamedTuple):
    """A figure: its name, what its column is called and how it is counted, in Chinese and in English."""

    name: str
    heading: str
    formula: str
    english: str
    counted: str


FIGURES: Final = (
    Figure(
        "promised",
        "承诺",
        "期初未结 + 本期新增 + 本期重开：本期内在账应办的事项",
        "Promised",
        "open at the beginning + entered + reopened: what was to be done in the period",
    ),
    Figure(
        "opening",
        "期初未结",
        "本期之前入账、期初尚未销账的事项",
        "Open before",
        "entered before the period and not written off when it began",
    ),
    Figure("entered", "本期新增", "本期内入账的事项", "Entered", "entered in the period"),
    Figure(
        "reopened",
        "本期重开",
        "期初已销账、本期内重新办理或销账被冲正的事项",
        "Reopened",
        "written off when the period began, and in it handled again or its write-off taken back",
    ),
    Figure(
        "done", "办结销账", "承诺的事项中，期末已销账的", "Done", "of those promised, written off at the end"
    ),
    Figure(
        "open",
        "期末未结",
        "承诺的事项中，期末尚未销账的；承诺 = 办结销账 + 期末未结",
        "Open",
        "of those promised, not written off at the end; promised = done + open",
    ),
    Figure(
        "late",
        "超期",
        "承诺的事项中，期末以前办理时限或总时限超过的，或承诺日期已过才销账、仍未销账的",
        "Late",
        "of those promised, the limit of whoever handled it or the citizen's passed before the end, or the date that "
        "was promised passed before the write-off",
    ),
    Figure(
        "done_in_time", "按期办结", "办结销账的事项中，没有超期的", "Done in time", "of those done, not late"
    ),
    Figure(
        "satisfied",
        "满意",
        "办结销账的事项中，诉求人最后答复满意的",
        "Satisfied",
        "of those done, the citizen's last word is that it is solved",
    ),
    Figure(
        "unsatisfied",
        "不满意",
        "承诺的事项中，诉求人最后答复不满意的",
        "Unsatisfied",
        "of those promised, the citizen's last word is that it is not",
    ),
    Figure(
        "lapsed",
        "未答复",
        "办结销账的事项中，诉求人逾期没有答复的",
        "No answer",
        "of those done, the time for an answer lapsed",
    ),
    Figure(
        "withdrawn",
        "撤回",
        "办结销账的事项中，诉求人撤回的",
        "Withdrawn",
        "of those done, taken back by the citizen",
    ),
)
RATES: Final = (
    Figure("done_percent", "办结率%", "办结销账 ÷ 承诺", "Done %", "done ÷ promised"),
    Figure("in_time_percent", "按期率%", "按期办结 ÷ 办结销账", "In time %", "done in time ÷ done"),
    Figure(
        "satisfied_percent",
        "满意率%",
        "满意 ÷（满意 + 不满意）",
        "Satisfied %",
        "satisfied ÷ (satisfied + unsatisfied)",
    ),
)
EXCLUDED: Final[Mapping[str, tuple[str, ...]]] = {
    "zh": (
        "立案有误、并入他案而冲正的事项不计，不论何时冲正",
        "同一事项跨年只计一次，街道、单位、类别按现在的归属",
        "未答复、撤回的不计入满意率",
        "后来撤销的超时不计，不论何时撤销",
        "本期尚未结束的，计至现在，上年同期计至同一日",
    ),
    "en": (
        "what was entered in error or merged into another case counts nowhere, whenever it was reversed",
        "a matter counts once over the years, where it is now: street, unit and category",
        "no answer and withdrawn are left out of the satisfaction rate",
        "a limit that never passed, as sla found later, counts nowhere, whenever its breach was withdrawn",
        "a period that is not over counts until now, and the one of last year until the same day",
    ),
}
_OVER: Final = {
    "done_percent": (("done",), ("promised",)),
    "in_time_percent": (("done_in_time",), ("done",)),
    "satisfied_percent": (("satisfied",), ("satisfied", "unsatisfied")),
}


@dataclass(frozen=True, slots=True)
class Matter:
    """A matter's part in a report: whose it is, and which figures it counts in."""

    entry: str
    case_number: str | None
    street: str
    unit: str | None
    category: str
    opened_at: Any
    done_at: Any
    opening: bool
    entered: bool
    reopened: bool
    done: bool
    late: bool
    said: str | None

    def counts(self) -> dict[str, int]:
        """One or nought in each figure."""
        return {
            "promised": 1,
            "opening": int(self.opening),
            "entered": int(self.entered),
            "reopened": int(self.reopened),
            "done": int(self.done),
            "open": int(not self.done),
            "late": int(self.late),
            "done_in_time": int(self.done and not self.late),
            "satisfied": int(self.done and self.said == "satisfied"),
            "unsatisfied": int(self.said == "unsatisfied"),
            "lapsed": int(self.done and self.said == "lapsed"),
            "withdrawn": int(self.done and self.said == "withdrawn"),
        }


@dataclass(frozen=True, slots=True)
class Line:
    """Figures of a street, unit or category; `key` is None for the total, and where no unit is in charge."""

    key: str | None
    figures: Mapping[str, int]

    def document(self) -> dict[str, Any]:
        """The figures with their rates, a percentage with one decimal or None where there is nothing to divide by."""
        return {**self.figures, **rates(self.figures)}


def rates(figures: Mapping[str, int]) -> dict[str, float | None]:
    """The percentages of figures."""
    out: dict[str, float | None] = {}
    for name, (above, below) in _OVER.items():
        over = sum(figures[n] for n in below)
        out[name] = round(100 * sum(figures[n] for n in above) / over, 1) if over else None
    return out


NOTHING: Final[Mapping[str, int]] = {f.name: 0 for f in FIGURES}


def added(lines: Iterable[Line]) -> Line:
    """The sum of lines."""
    known = list(lines)
    return Line(None, {name: sum(line.figures[name] for line in known) for name in NOTHING})


def report(
    period: Period, by: str, street: str | None, now: Sequence[Line], before: Sequence[Line]
) -> dict[str, Any]:
    """A report as a document: each line with the same period of the year before beside it.

    What was there last year alone has a line as well, of noughts.
    """
    mine, theirs = {line.key: line for line in now}, {line.key: line for line in before}
    keys = sorted(mine.keys() | theirs.keys(), key=lambda k: (k is not None, k))

    def beside(key: str | None, line: Line | None, last: Line | None) -> dict[str, Any]:
        return {
            "key": key,
            **(line or Line(key, NOTHING)).document(),
            "last_year": (last or Line(key, NOTHING)).document(),
        }

    return {
        "period": str(period),
        "last_year": str(Period(period.year - 1, period.quarter)),
        "by": by,
        "street": street,
        "lines": [beside(key, mine.get(key), theirs.get(key)) for key in keys],
        "total": beside(None, added(now), added(before)),
        "figures": [{"name": f.name, "heading": f.heading, "formula": f.formula} for f in (*FIGURES, *RATES)],
        "excluded": list(EXCLUDED["zh"]),
    }


def table(document: Mapping[str, Any]) -> list[list[Any]]:
    """The report as rows: headings, lines, the total; each figure with last year's beside it."""
    columns = (*FIGURES, *RATES)
    rows: list[list[Any]] = [
        [BY[document["by"]], *(h for f in columns for h in (f.heading, f"{f.heading}（上年）"))]
    ]
    for line in (*document["lines"], document["total"]):
        key = line["key"]
        if key is None:
            key = "合计" if line is document["total"] else "（网格）"
        rows.append([key, *(v for f in columns for v in (line[f.name], line["last_year"][f.name]))])
    return rows
