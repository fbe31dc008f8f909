"""Long results from a cursor of the server: all rows of one moment, a page of them in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from jiayuan.chassis.work import Work

PAGE: Final = 500


def rows_of(work: Work, name: str, sql: str, /, *, page: int = PAGE, **parameters: Any) -> Iterator[Any]:
    """The rows of a query as they stood when it began; `name` is the cursor's, one at a time in a transaction."""
    work.execute(f"DECLARE {name} NO SCROLL CURSOR FOR {sql}", **parameters)
    while found := work.execute(f"FETCH {page} FROM {name}"):
        yield from found
    work.execute(f"CLOSE {name}")
