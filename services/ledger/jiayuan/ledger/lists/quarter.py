"""A quarter: `2026Q4`, from its first midnight in China to the first midnight after it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ..entry import SHANGHAI

_FORM: Final = re.compile(r"(2[0-9]{3})Q([1-4])")
ALLOWED: Final = "a year and a quarter, such as 2026Q4"


@dataclass(frozen=True, slots=True, order=True)
class Quarter:
    """A quarter of a year."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year}Q{self.number}"

    @property
    def begins(self) -> datetime:
        """Its first instant."""
        return datetime(self.year, 3 * self.number - 2, 1, tzinfo=SHANGHAI)

    @property
    def ends(self) -> datetime:
        """The first instant that isn't in it any more."""
        return self.after.begins

    @property
    def before(self) -> Quarter:
        """The quarter before it."""
        return Quarter(self.year, self.number - 1) if self.number > 1 else Quarter(self.year - 1, 4)

    @property
    def after(self) -> Quarter:
        """The quarter after it."""
        return Quarter(self.year, self.number + 1) if self.number < 4 else Quarter(self.year + 1, 1)

    @property
    def words(self) -> str:
        """As a heading says it."""
        return f"{self.year}年第{'一二三四'[self.number - 1]}季度"


def read(text: str) -> Quarter:
    """The quarter of a text; ValueError when it is none."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is no quarter: {ALLOWED}")
    return Quarter(int(found[1]), int(found[2]))
