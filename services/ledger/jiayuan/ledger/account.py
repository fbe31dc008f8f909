"""The account of a year: opening + entered − written off ± reversed = open, and the table that shows it. Pure.

The left side is the sum of what the postings moved, the right side a count of the entries that are open: two
ways to the same number, and `balances` says whether they meet. What was entered in error is taken back in `reversed`,
which is below nothing then. One closed against the citizen's will stays open, and is told apart in `unsatisfied`. What
is carried forward into the next year is open at the end of this one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

HEADINGS: Final = ("期初", "本年入账", "销账", "冲正", "结存", "其中不满意", "核对")
_FIRST: Final = {"street": "街道", "unit": "责任单位"}
_NO_UNIT: Final = "（网格）"
_TOTAL: Final = "合计"

# What `check` looks for in each entry; "steps" is no fault of the books, only of the time it takes.
FAULTS: Final = {
    "opening": "没有唯一的入账记录",
    "numbers": "记账序号不连续",
    "balance": "记账合计与状态不符",
    "chain": "结转前后不衔接",
    "late": "结账后仍有记账",
    "replay": "记账变动与账目规则不符",
    "steps": "工单步骤尚未到齐",
}
ON_THE_WAY: Final = "steps"


@dataclass(frozen=True, slots=True)
class Figures:
    """One line: `key` is a street's or unit's code, None where no unit is in charge."""

    key: str | None
    opening: int
    entered: int
    written_off: int
    open: int
    reversed: int = 0
    unsatisfied: int = 0

    @property
    def balances(self) -> bool:
        """Whether the postings' sum is the number of open entries."""
        return self.opening + self.entered - self.written_off + self.reversed == self.open

    @property
    def left(self) -> str:
        """The left side of the account in words."""
        back = f" {'+' if self.reversed > 0 else '−'} 冲正 {abs(self.reversed)}" if self.reversed else ""
        return f"期初 {self.opening} + 本年入账 {self.entered} − 销账 {self.written_off}{back}"

    def document(self) -> dict[str, Any]:
        """The figures as JSON."""
        return {
            "opening": self.opening,
            "entered": self.entered,
            "written_off": self.written_off,
            "open": self.open,
            "unsatisfied": self.unsatisfied,
            "reversed": self.reversed,
            "balances": self.balances,
        }


@dataclass(frozen=True, slots=True)
class Account:
    """The account of a year, of one street or of all, line by line. `by` is "street" or "unit"."""

    year: int
    by: str
    street: str | None
    lines: tuple[Figures, ...]

    @property
    def total(self) -> Figures:
        """The sum of the lines."""
        return Figures(
            None,
            *(
                sum(getattr(line, name) for line in self.lines)
                for name in ("opening", "entered", "written_off", "open", "reversed", "unsatisfied")
            ),
        )

    @property
    def balances(self) -> bool:
        """Whether every line does."""
        return all(line.balances for line in self.lines)

    def document(self) -> dict[str, Any]:
        """The account as JSON."""
        return {
            "year": self.year,
            "by": self.by,
            "street": self.street,
            "lines": [{self.by: line.key, **line.document()} for line in self.lines],
            "total": self.total.document(),
            "balances": self.balances,
        }

    def table(self) -> str:
        """The account as a plain table for a terminal, aligned although Chinese characters are two columns wide."""
        title = f"{self.year}年民生实事账本" + (f"（街道 {self.street}）" if self.street else "")
        rows: list[tuple[str, ...]] = [(_FIRST[self.by], *HEADINGS)]
        rows += [_cells(line.key or _NO_UNIT, line) for line in self.lines]
        rows.append(_cells(_TOTAL, self.total, balances=self.balances))
        out = [title, *_aligned(rows)]
        t = self.total
        sign = "=" if t.balances else "≠"
        out.append(f"{t.left} {sign} 结存 {t.open}")
        if not self.balances:
            out.append("账目不平：请运行 jiayuan ledger check 查找。")
        return "\n".join(out)


def account(year: int, by: str, street: str | None, rows: Iterable[Sequence[Any]]) -> Account:
    """An account from what `store.figures` reads."""
    return Account(year, by, street, tuple(Figures(*row) for row in rows))


def _cells(name: str, line: Figures, *, balances: bool | None = None) -> tuple[str, ...]:
    numbers = (
        line.opening,
        line.entered,
        line.written_off,
        line.reversed,
        line.open,
        line.unsatisfied,
    )
    right = line.balances if balances is None else balances
    return name, *(str(n) for n in numbers), "平" if right else "不平"


def width(text: str) -> int:
    """Columns of a terminal that `text` takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(width(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        first = row[0] + " " * (widths[0] - width(row[0]))
        rest = [" " * (w - width(c)) + c for c, w in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([first, *rest]))
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return [rule, lines[0], rule, *lines[1:-1], rule, lines[-1], rule]
