"""The days of a year that differ, read from what people have: the package chinesecalendar, ICS, CSV. Pure.

    from_csv(data), from_ics(data), from_package(year) -> Found
    merged(document, found, years) -> document      a calendar's document with those years replaced
    edited(document, day, what) -> document         with one day put right

docs/sla/calendars.md explains the forms.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from .calendar import Calendar, CalendarError, Day, holidays, read

_KINDS: Final = {
    "holiday": ("holiday", "off", "休", "假", "放假", "休息", "节假日", "法定节假日"),
    "workday": ("workday", "work", "班", "上班", "补班", "调休", "调休上班", "工作日", "补休"),
}
_COLUMNS: Final = {
    "date": ("date", "day", "日期"),
    "kind": ("kind", "type", "类型", "类别"),
    "name": ("name", "holiday", "名称", "节日", "说明"),
}
_DATE: Final = re.compile(r"(\d{4})[-/.年]?(\d{1,2})[-/.月]?(\d{1,2})日?")
_SEGMENTS: Final = re.compile(r"[0-2]\d:[0-5]\d-[0-2]\d:[0-5]\d(?:[ ;,、/]+[0-2]\d:[0-5]\d-[0-2]\d:[0-5]\d)*")
# The festivals that are off by law; there are others that are observed only, such as 七夕 or 教师节.
_OFF: Final = re.compile("休|假|元旦|春节|清明|劳动节|端午|中秋|国庆")
_MOST_BYTES: Final = 2_000_000
# Fewer is no whole year of the State Council's: it has 11 or 13 statutory days, and more with what is moved.
_FEW: Final = 11


class DaysError(ValueError):
    """The file can't be read as days; one sentence for people."""


@dataclass(slots=True)
class Found:
    """Days by date, where they are from, and what was passed over or looks strange."""

    source: str
    days: dict[date, Day] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def put(self, day: date, what: Day, where: str) -> None:
        """Notes a day; a second word on the same day that says something else is an error."""
        before = self.days.get(day)
        if before is not None and (before.kind, before.hours) != (what.kind, what.hours):
            raise DaysError(f"{where}: {day} is {before.kind} before and {what.kind} now")
        self.days[day] = what

    @property
    def years(self) -> list[int]:
        """The years that it has days of."""
        return sorted({d.year for d in self.days})

    def of(self, years: Iterable[int]) -> Found:
        """Only the days of some years. DaysError when a year has none."""
        wanted = set(years)
        missing = sorted(wanted - set(self.years))
        if missing:
            raise DaysError(f"{self.source} has no day of {', '.join(map(str, missing))}")
        return Found(self.source, {d: w for d, w in self.days.items() if d.year in wanted}, self.remarks)


def _text(data: bytes) -> str:
    if len(data) > _MOST_BYTES:
        raise DaysError(f"the file is larger than {_MOST_BYTES} bytes")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DaysError("the file is neither UTF-8 nor GB 18030 text")


def _date(text: str) -> date | None:
    found = _DATE.fullmatch(text.strip())
    if found is None:
        return None
    try:
        return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return None


def from_csv(data: bytes, source: str = "CSV") -> Found:
    """A sheet with the columns date, kind (holiday, workday, or hours such as 09:00-12:00) and name.

    DaysError names the line. The headings may be Chinese (日期, 类型, 名称), the kinds too (休, 班).
    """
    text = _text(data)
    rows = list(csv.reader(io.StringIO(text), delimiter="\t" if "\t" in text.partition("\n")[0] else ","))
    if not rows:
        raise DaysError(f"{source} is empty")
    columns: dict[str, int] = {}
    for i, heading in enumerate(rows[0]):
        for name, words in _COLUMNS.items():
            if heading.strip().lower() in words:
                columns[name] = i
    if not {"date", "kind"} <= columns.keys():
        raise DaysError(f"{source}: the first line must name the columns date and kind (日期, 类型)")
    found = Found(source)
    for number, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row):
            continue
        cells = {name: row[i].strip() if i < len(row) else "" for name, i in columns.items()}
        day = _date(cells["date"])
        if day is None:
            raise DaysError(f"{source}, line {number}: {cells['date']!r:.40} is no date such as 2027-01-01")
        found.put(
            day, _kind(cells["kind"], cells.get("name", ""), f"{source}, line {number}"), f"line {number}"
        )
    if not found.days:
        raise DaysError(f"{source} has no day")
    return found


def _kind(text: str, name: str, where: str) -> Day:
    for kind, words in _KINDS.items():
        if text.lower() in words:
            return Day(kind, name[:60])
    if _SEGMENTS.fullmatch(text):
        try:
            return _hours(re.split(r"[ ;,、/]+", text), name)
        except CalendarError as error:
            raise DaysError(f"{where}: {error.problems[0].problem}") from None
    raise DaysError(f"{where}: {text!r:.40} is no kind of day: holiday (休), workday (班), or 09:00-12:00")


def _hours(segments: list[str], name: str) -> Day:
    """Checked the way calendars are."""
    document = {"calendar": "x", "zone": "UTC", "week": {"mon": ["00:00-24:00"]}}
    return read({**document, "days": {"2000-01-01": {"hours": segments, "name": name[:60]}}}).days[
        date(2000, 1, 1)
    ]


def from_ics(data: bytes, source: str = "ICS") -> Found:
    """Whole-day events of an iCalendar file. DaysError for what is none, or repeats itself.

    A day is a workday when the event says 班 (or Apple's ALTERNATE-WORKDAY), a holiday when it says 休 or 假 or names
    a festival that is off by law (or WORK-HOLIDAY); others, such as 七夕, are passed over with a remark.
    """
    text = _text(data)
    if "BEGIN:VCALENDAR" not in text:
        raise DaysError(f"{source} is no iCalendar file")
    lines = re.sub(r"\r?\n[ \t]", "", text).splitlines()
    found = Found(source)
    event: dict[str, str] | None = None
    for number, line in enumerate(lines, 1):
        if line == "BEGIN:VEVENT":
            event = {}
        elif line == "END:VEVENT" and event is not None:
            _take_event(found, event, number)
            event = None
        elif event is not None and ":" in line:
            name, _, value = line.partition(":")
            event[name.partition(";")[0].upper()] = value.strip()
    if not found.days:
        raise DaysError(f"{source} has no day that says 休 or 班")
    return found


def _take_event(found: Found, event: Mapping[str, str], number: int) -> None:
    name = event.get("SUMMARY", "").replace("\\,", ",").replace("\\n", " ").strip()
    start = _date(event.get("DTSTART", "")[:8])
    if start is None:
        raise DaysError(
            f"{found.source}: {name or 'an event'} before line {number} has no DTSTART with a date"
        )
    if "RRULE" in event:
        raise DaysError(f"{found.source}: {name} repeats itself (RRULE); days are wanted one by one")
    end = _date(event.get("DTEND", "")[:8]) or start + timedelta(days=1)
    apple = event.get("X-APPLE-SPECIAL-DAY", "")
    if apple == "ALTERNATE-WORKDAY" or (not apple and "班" in name):
        kind = "workday"
    elif apple == "WORK-HOLIDAY" or (not apple and _OFF.search(name)):
        kind = "holiday"
    else:
        found.remarks.append(f"{start} {name}: neither 休 nor 班, passed over")
        return
    if not 0 < (end - start).days <= 31:
        raise DaysError(f"{found.source}: {name} lasts from {start} to {end}; 1 to 31 days are usual")
    short = re.sub(r"[\s(（\[]*(?:休|班|补班|放假|调休|第\d+天.*)[)）\]]*$", "", name) or name
    for n in range((end - start).days):
        found.put(start + timedelta(days=n), Day(kind, short[:60]), name)


def from_package(year: int) -> Found:
    """The days of a year that the installed chinesecalendar knows. DaysError when it isn't there, or too old."""
    try:
        from chinese_calendar import constants
    except ImportError:
        raise DaysError(
            "the package chinesecalendar is not installed here: pip install chinesecalendar"
        ) from None
    found = Found("chinesecalendar")
    names = {h.value: h.chinese for h in constants.Holiday}
    for kind, days in (("holiday", constants.holidays), ("workday", constants.workdays)):
        for day, value in days.items():
            if day.year == year:
                name = names.get(value, value)
                found.put(day, Day(kind, f"{name}调休" if kind == "workday" else name), "chinesecalendar")
    if not found.days:
        raise DaysError(
            f"the installed chinesecalendar doesn't know {year} yet: pip install -U chinesecalendar"
        )
    return found


def strange(calendar: Calendar, found: Found) -> list[str]:
    """What looks wrong with whole years, as sentences: nothing of it keeps them out."""
    out = list(found.remarks)
    for year in found.years:
        days = {d: w for d, w in found.days.items() if d.year == year}
        off = [d for d, w in days.items() if w.kind == "holiday"]
        if len(off) < _FEW:
            out.append(f"{year} has {len(off)} holidays only: the State Council announces {_FEW} and more")
        for day, what in sorted(days.items()):
            if what.kind == "workday" and calendar.week[day.weekday()]:
                out.append(f"{day} is a workday anyway ({what.name})")
    return out


def explicit(calendar: Calendar, document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with every day of the release's holidays written out, so that each can be put right."""
    out = {k: v for k, v in document.items() if k != "holidays"}
    out["days"] = {d.isoformat(): _said(what) for d, what in sorted(calendar.days.items())}
    if calendar.known_until is not None:
        out["known_until"] = calendar.known_until.isoformat()
    region = document.get("holidays")
    if region is not None:
        out["sources"] = {
            **{str(y): f"release, {region}" for y in holidays()[region]},
            **out.get("sources", {}),
        }
    return out


def _said(what: Day) -> dict[str, Any]:
    if what.kind != "hours":
        return {what.kind: what.name}
    segments = [
        f"{a // 60:02}:{a % 60:02}-{(b - 1440 * (b > 1440)) // 60:02}:{b % 60:02}" for a, b in what.hours
    ]
    return {"hours": segments, "name": what.name}


def merged(calendar: Calendar, document: Mapping[str, Any], found: Found) -> dict[str, Any]:
    """The document with the found years in place of what it had of them; known until the last year without a gap."""
    out = explicit(calendar, document)
    years = found.years
    days = {d: w for d, w in out["days"].items() if int(d[:4]) not in years}
    days |= {d.isoformat(): _said(what) for d, what in found.days.items()}
    out["days"] = dict(sorted(days.items()))
    out["sources"] = {**out.get("sources", {}), **{str(year): found.source for year in years}}
    known = calendar.known_until
    for year in years:
        if known is None or year == known.year + 1 or known < date(year, 12, 31) <= date(known.year, 12, 31):
            known = date(year, 12, 31)
    if known is not None:
        out["known_until"] = known.isoformat()
    return out


def edited(calendar: Calendar, document: Mapping[str, Any], day: date, what: Day | None) -> dict[str, Any]:
    """The document with one day put right; `what` None makes it a day like others."""
    out = explicit(calendar, document)
    days = {d: w for d, w in out["days"].items() if d != day.isoformat()}
    if what is not None:
        days[day.isoformat()] = _said(what)
    out["days"] = dict(sorted(days.items()))
    return out


def hours(text: str, name: str) -> Day:
    """A day with hours of its own from `09:00-12:00,13:00-15:00`. DaysError when they are none."""
    found = _kind(text, name, "hours")
    if found.kind != "hours":
        raise DaysError(f"hours: {text!r:.40} is no list of segments such as 09:00-12:00,13:30-18:00")
    return found
