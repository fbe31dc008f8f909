"""Reading queries, and who may ask."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from typing import IO, Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.contracts.check import FieldProblem

from ..closing import Period
from ..closing import period_of as read_period

STAFF: Final = (
    "grid_worker",
    "grid_leader",
    "grid_chief",
    "desk",
    "unit_clerk",
    "county",
    "operator",
    "service",
)
YEARS: Final = range(2000, 3000)


def wrong(field: str, problem: str, allowed: str) -> Problem:
    """The refusal of a query: which field, what is wrong with it, what is allowed."""
    return Problem(400, "The query is not usable", problems=[FieldProblem(field, problem, allowed)])


def argument(call: Any, name: str) -> str | None:
    """A text of the query, None when it is absent or empty; Problem 400."""
    value = call.args.get(name)
    if not value:
        return None
    if len(value) > 128 or "\x00" in value:
        raise wrong(name, "is too long or holds U+0000", "at most 128 characters")
    return str(value)


def number(call: Any, name: str, allowed: range) -> int | None:
    """A whole number of the query, None when it is absent; Problem 400."""
    value = argument(call, name)
    if value is None:
        return None
    if not value.isascii() or not value.isdigit() or int(value) not in allowed:
        raise wrong(name, f"is {value!r:.40}", f"a whole number from {allowed[0]} to {allowed[-1]}")
    return int(value)


def year_of(year: int) -> int:
    """The year in a path; Problem 404 when no account can be of it."""
    if year not in YEARS:
        raise Problem(404, "There is no account of this year")
    return year


def uuid_of(value: str) -> str | None:
    """The id in its usual form, None when it isn't one."""
    try:
        return str(uuid.UUID(value))
    except ValueError:
        return None


def period_of(text: str) -> Period:
    """The period in a path; Problem 404 when it is none."""
    try:
        return read_period(text)
    except ValueError as error:
        raise Problem(404, "There is no such period", str(error)) from None


def acts_told(acts: Iterable[Any]) -> list[dict[str, Any]]:
    """What was done to a list or a meeting, by whom and when."""
    return [{"action": a.action, "actor": a.actor, "at": a.at, "facts": a.facts} for a in acts]


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """A file that was just written, from its beginning; it is closed at the end."""
    with file:
        file.seek(0)
        while piece := file.read(1 << 16):
            yield piece
