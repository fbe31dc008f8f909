"""Other cities' cases through our clocks: on-time rates, and how often we come to what they say themselves. Pure.

    read(form, lines, zone) -> Read                 rows of a file of Boston's, of Baltimore's, or of replied messages
    replayed(rows, as_of) -> Replay                 each as a case with a citizen's clock, and the rates of all
    learned(rows) -> Learned                        each type's limit from its first row, tried on all the others

Nothing is stored: the files are other people's.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from jiayuan.contracts.times import iso

from . import policy, rates
from .clock import facts_of, steps
from .rates import BY_NAME, Deadline, Period, Sum, Tally
from .time import advance

FORMS: Final = ("boston", "baltimore", "messages")
ZONES: Final = {"boston": "America/New_York", "baltimore": "UTC", "messages": "Asia/Shanghai"}
"""Baltimore's times are written without daylight saving: a limit of 7 days is 168 hours in every row."""
_AMERICAN: Final = "%m/%d/%Y %I:%M:%S %p"
_CHINESE: Final = "%Y-%m-%d %H:%M:%S"
_SHOWN: Final = 10


class FileError(ValueError):
    """The file is not of that form; why, in a sentence."""


class Row(NamedTuple):
    """A case of a file. `due_at` and `on_time` as the city says, None where it says nothing."""

    id: str
    type: str
    opened_at: datetime
    due_at: datetime | None
    closed_at: datetime | None
    on_time: bool | None = None


class Read(NamedTuple):
    """The rows, and what could not be read: a sentence each."""

    rows: list[Row]
    wrong: list[str]

    @property
    def newest(self) -> datetime:
        """The last thing that happened in the file."""
        return max(max(r.opened_at, r.closed_at or r.opened_at) for r in self.rows)


def read(form: str, lines: Iterable[str], zone: ZoneInfo) -> Read:
    """The rows of a file; a row that can't be read is named and left out. FileError when it isn't such a file."""

    def at(text: str | None, shape: str = _AMERICAN) -> datetime | None:
        return datetime.strptime(text, shape).replace(tzinfo=zone).astimezone(UTC) if text else None

    def must(text: str | None, shape: str = _AMERICAN) -> datetime:
        found = at(text, shape)
        if found is None:
            raise ValueError("no time of its beginning")
        return found

    def boston(r: Mapping[str, str]) -> Row:
        said = {"ONTIME": True, "OVERDUE": False}.get(r["OnTime_Status"])
        times = (must(r["OPEN_DT"]), at(r["TARGET_DT"]), at(r["CLOSED_DT"]))
        return Row(r["CASE_ENQUIRY_ID"], r["TYPE"], *times, said)

    def baltimore(r: Mapping[str, str]) -> Row:
        times = (must(r["CreatedDate"]), at(r["DueDate"]), at(r["CloseDate"]))
        return Row(r["SRRecordID"], r["SRType"], *times)

    def message(r: Mapping[str, str]) -> Row:
        times = (must(r["time"], _CHINESE), None, at(r["reply_time"], _CHINESE))
        return Row(str(r["id"]), "message", *times)

    makers: dict[str, Callable[[Mapping[str, str]], Row]] = {
        "boston": boston,
        "baltimore": baltimore,
        "messages": message,
    }
    out = Read([], [])
    source = (
        (json.loads(line) for line in lines if line.strip()) if form == "messages" else csv.DictReader(lines)
    )
    try:
        for number, record in enumerate(source, 1):
            try:
                out.rows.append(makers[form](record))
            except KeyError as error:
                raise FileError(
                    f"record {number} has no {error}: this is no file of the form {form}"
                ) from None
            except (ValueError, TypeError) as error:
                out.wrong.append(f"record {number} is left out: {error}"[:200])
    except (csv.Error, json.JSONDecodeError) as error:
        raise FileError(f"this is no file of the form {form}: {error}") from None
    if not out.rows:
        raise FileError("no row could be read")
    return out


# -- as cases ----------------------------------------------------------------------------------------


def case_of(row: Row, limit: int) -> dict[str, Any]:
    """A row as routing would tell of it when it was over: `limit` seconds from the first receipt."""
    closed = iso(row.closed_at) if row.closed_at else None
    return {
        "id": row.id,
        "number": row.id,
        "state": "closed" if closed else "assigned",
        "kind": "problem",
        "category": {"code": row.type},
        "colour": "blue",
        "level": "department",
        "street": "-",
        "reports": [],
        "legs": [],
        "citizen_limit": limit,
        "first_received_at": iso(row.opened_at),
        "opened_at": iso(row.opened_at),
        "resolved_at": closed,
        "closed_at": closed,
    }


class Replay(NamedTuple):
    """`due` are the on-time figures over what was due by `as_of`, in all and by type.

    `agree` of `compared` rows are what the city says of them; `differ` are the first that are not. `without` have no
    limit, so no clock.
    """

    as_of: datetime
    registered: int
    without: int
    total: Sum
    by_type: dict[str, Sum]
    compared: int
    agree: int
    differ: list[str]


def replayed(rows: Iterable[Row], as_of: datetime, limit_of: Callable[[Row], int | None]) -> Replay:
    """Every row as a case with a citizen's clock by the policy of this release, counted as rates are."""
    tally = Tally("category", Period(datetime(1970, 1, 1, tzinfo=UTC), as_of), ZoneInfo("UTC"))
    registered = without = compared = agree = 0
    differ: list[str] = []
    for row in rows:
        registered += 1
        limit = limit_of(row)
        if not limit:
            without += 1
            continue
        case = case_of(row, limit)
        clocks = [step.clock for step in steps(case, 1, {}, as_of, policy.current())]
        kept = rates.case_of(
            row.id,
            "-",
            case["state"],
            facts_of(case),
            (),
            (),
            rates.measured(case, case["opened_at"]),
        )
        deadlines = [
            Deadline(c.leg_id, c.kind, c.due_at, c.state, c.paused, c.stopped_at, c.round) for c in clocks
        ]
        tally.add(kept, deadlines)
        if row.on_time is not None:
            ours = all(d.state == "met" or (d.stopped_at is None and d.due_at >= as_of) for d in deadlines)
            compared += 1
            agree += ours == row.on_time
            if ours != row.on_time and len(differ) < _SHOWN:
                differ.append(row.id)
    name = "on_time_citizen"
    by_type = {group: sums[name] for group, sums in tally.groups.items() if name in sums}
    total = tally.total().get(name, Sum())
    return Replay(as_of, registered, without, total, by_type, compared, agree, differ)


def given(row: Row) -> int | None:
    """The limit that the city gave, in seconds."""
    return (row.due_at - row.opened_at) // timedelta(seconds=1) if row.due_at is not None else None


class Learned(NamedTuple):
    """`limits` in seconds by type, from the first row of each; `equal` of `compared` other due dates are ours."""

    limits: dict[str, int]
    compared: int
    equal: int
    differ: list[str]


def learned(rows: Iterable[Row]) -> Learned:
    """Each type's limit from its first row that has a due date; every other due date is computed and compared."""
    limits: dict[str, int] = {}
    compared = equal = 0
    differ: list[str] = []
    for row in rows:
        limit = given(row)
        if limit is None:
            continue
        if row.type not in limits:
            limits[row.type] = limit
            continue
        due = advance(row.opened_at, timedelta(seconds=limits[row.type]))
        compared += 1
        equal += due == row.due_at
        if due != row.due_at and len(differ) < _SHOWN:
            differ.append(row.id)
    return Learned(limits, compared, equal, differ)


def told(form: str, found: Read, as_of: datetime, limits: Iterable[tuple[str, int]]) -> Iterator[str]:
    """What a replay came to, a line each."""
    rows = found.rows
    yield f"{len(rows)} rows, {len(found.wrong)} left out, as of {iso(as_of)}"
    if form == "messages":
        waits = sorted((r.closed_at - r.opened_at) // timedelta(seconds=1) for r in rows if r.closed_at)
        yield (
            f"replied: {len(waits)}, the median after {waits[len(waits) // 2] / 86400:.1f} days"
            if waits
            else "none"
        )
        for text, seconds in limits:
            yield f"limit {text}: {_share(replayed(rows, as_of, _always(seconds)).total)}"
        return
    limit_of: Callable[[Row], int | None] = given
    if form == "baltimore":
        by_type = learned(rows)
        yield (
            f"limits of {len(by_type.limits)} types learned from the first row of each: {by_type.equal} of "
            f"{by_type.compared} other due dates are the same{_examples(by_type.differ)}"
        )
        limit_of = _of_type(by_type.limits)
    done = replayed(rows, as_of, limit_of)
    yield f"on time of what was due: {_share(done.total)}; without a limit: {done.without} of {done.registered}"
    if done.compared:
        yield f"the city's own word: {done.agree} of {done.compared} the same{_examples(done.differ)}"
        silent = Counter(r.on_time for r in rows if not given(r))
        yield f"without a limit the city says on time of {silent[True]}, late of {silent[False]}"
        words = Counter(r.on_time for r in rows)
        over = words[True] + words[False]
        yield f"over what was registered it would be {rates.percent(words[True], over)} % ({words[True]}/{over})"
    worst = sorted(done.by_type.items(), key=lambda p: (-(p[1].over - p[1].hits), p[0]))[:5]
    for name, one in worst:
        yield f"  {name}: {_share(one)}"


def _of_type(limits: Mapping[str, int]) -> Callable[[Row], int | None]:
    return lambda row: limits.get(row.type)


def _always(seconds: int) -> Callable[[Row], int | None]:
    return lambda _row: seconds


def _share(one: Sum) -> str:
    found = one.shown(BY_NAME["on_time_citizen"])
    counts = f"{found['hits']}/{found['over']}"
    return f"{found['percent']} % ({counts})" if "percent" in found else counts


def _examples(differ: list[str]) -> str:
    return f"; not {', '.join(differ)}" if differ else ""
