"""What a client asks: parameters from the address and the form, read strictly, all mistakes told at once. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from .answers import Refused
from .places import LISTS, Attribute, Directory, Jurisdiction, Service

SPAN: Final = timedelta(days=90)
MOST: Final = 1000
MAX_DESCRIPTION: Final = 4000
MAX_ATTRIBUTES: Final = 40
MAX_VALUE: Final = 1000
MAX_MEDIA: Final = 9
STATUSES: Final = ("open", "closed")
# Of an update, as mySociety's clients send them (in capitals).
UPDATE_STATUSES: Final = (
    "OPEN",
    "INVESTIGATING",
    "IN_PROGRESS",
    "PLANNED",
    "ACTION_SCHEDULED",
    "FOR_TRIAGE",
    "INTERNAL_REFERRAL",
    "UNCHANGED",
    "REOPEN",
    "DUPLICATE",
    "NOT_COUNCILS_RESPONSIBILITY",
    "NO_FURTHER_ACTION",
    "FIXED",
    "CLOSED",
    "CANCELLED",
)
_W3C: Final = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|z|[+\- ]\d{2}:?\d{2})?)?)?)?",
    re.ASCII,
)
_ATTRIBUTE: Final = re.compile(r"attribute\[([^\[\]]{1,64})\](\[\d*\])?")
_NUMBER: Final = re.compile(r"[+\-]?\d{1,20}(?:\.\d{1,20})?", re.ASCII)
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")
_PHONE: Final = re.compile(r"[0-9+()./ \-\u00a0#*xXext;,]{3,40}")


class Parameters:
    """Parameters by name. An empty one is none, as the specification has it; a name may come several times."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        self.errors: list[tuple[int, str]] = []
        for name, value in pairs:
            if value.strip():
                self._values.setdefault(name.strip(), []).append(value.strip())

    def one(self, name: str, most: int = 200) -> str:
        """The last value of a parameter, "" when there is none; too long a one is a mistake."""
        value = self._values.get(name, [""])[-1]
        if len(value) > most:
            self.wrong(name, f"is too long: {len(value)} characters; allowed: {most}")
            return ""
        return value

    def all(self, name: str) -> list[str]:
        """All values of a parameter, each perhaps separated by commas."""
        return list(
            dict.fromkeys(p.strip() for v in self._values.get(name, []) for p in v.split(",") if p.strip())
        )

    def each(self, name: str) -> list[str]:
        """All values of a parameter, as they are."""
        return self._values.get(name, [])

    def attributes(self) -> dict[str, list[str]]:
        """attribute[CODE]=value and attribute[CODE][]=value, by code."""
        out: dict[str, list[str]] = {}
        for name, values in self._values.items():
            match = _ATTRIBUTE.fullmatch(name)
            if match is not None:
                out.setdefault(match[1], []).extend(values)
        return out

    def wrong(self, name: str, why: str, code: int = 400) -> None:
        """Notes a mistake."""
        self.errors.append((code, f"{name} {why}"))

    def check(self) -> None:
        """Refused when anything was wrong."""
        if self.errors:
            raise Refused(self.errors)

    # -- kinds of values -------------------------------------------------------------------------------

    def jurisdiction(self, directory: Directory) -> Jurisdiction:
        """The jurisdiction asked for, the default when none is named; an unknown one is refused at once: 404."""
        name = self.one("jurisdiction_id") or directory.default
        found = directory.jurisdictions.get(name)
        if found is None:
            raise Refused([(404, f"jurisdiction_id {name[:100]} was not found")])
        return found

    def date(self, name: str) -> datetime | None:
        """A W3CDTF time; one without a zone is taken as UTC, since some clients send none."""
        value = self.one(name)
        if not value:
            return None
        try:
            return w3c_time(value, late=name == "end_date")
        except (ValueError, OverflowError):
            self.wrong(name, f"is not a W3C date-time: {value[:60]}; for example 2026-01-31T08:00:00Z")
            return None

    def number(self, name: str, least: float, most: float) -> float | None:
        """A finite number within bounds."""
        value = self.one(name)
        if not value:
            return None
        number = float(value) if _NUMBER.fullmatch(value) else math.nan
        if not least <= number <= most:
            self.wrong(name, f"is not a number from {least:g} to {most:g}: {value[:60]}")
            return None
        return number

    def count(self, name: str, default: int, most: int) -> int:
        """A whole number from 1."""
        value = self.one(name)
        if not value:
            return default
        if not (value.isascii() and value.isdigit() and 1 <= int(value[:12]) <= most):
            self.wrong(name, f"is not a whole number from 1 to {most}: {value[:60]}")
            return default
        return int(value)


def w3c_time(value: str, *, late: bool = False) -> datetime:
    """A time from W3CDTF text, in UTC. ValueError when it is none. `late`: a whole day or month means its end."""
    match = _W3C.fullmatch(value)
    if match is None:
        raise ValueError(value)
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    at = datetime(
        int(year),
        int(month or 1),
        int(day or 1),
        int(hour or 0),
        int(minute or 0),
        int(second or 0),
        int((fraction or "0")[:6].ljust(6, "0")),
        tzinfo=UTC,
    )
    if zone and zone not in "Zz":
        # A plus sign that wasn't escaped arrives as a blank.
        hours, minutes = int(zone[1:3]), int(zone[-2:])
        if hours > 14 or minutes > 59:
            raise ValueError(value)
        at -= timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)
    if hour is None and late:
        after = (
            at + timedelta(days=1)
            if day
            else at.replace(
                year=at.year + (month is None or at.month == 12), month=at.month % 12 + 1 if month else 1
            )
        )
        at = after - timedelta(microseconds=1)
    if not 1900 <= at.year <= 2999:
        raise ValueError(value)
    return at


@dataclass(frozen=True, slots=True)
class Query:
    """Which requests are listed. `ids` overrides everything else."""

    ids: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    updated_after: datetime | None = None
    updated_before: datetime | None = None
    closed: bool | None = None
    page: int = 1
    page_size: int = MOST
    after: str = ""


def query(given: Parameters, now: datetime) -> Query:
    """The list that is asked for; mistakes are in `given`."""
    page = given.count("page", 1, 1_000_000)
    size = given.count("page_size", MOST, MOST)
    after = given.one("after")
    ids = given.all("service_request_id")
    if len(ids) > MOST:
        given.wrong("service_request_id", f"names {len(ids)} requests; allowed: {MOST}")
    if ids:
        return Query(ids=tuple(ids[:MOST]), page=page, page_size=size, after=after)
    services = given.all("service_code")
    if len(services) > 200:
        given.wrong("service_code", f"names {len(services)} services; allowed: 200")
    start, end = given.date("start_date"), given.date("end_date")
    updated_after, updated_before = given.date("updated_after"), given.date("updated_before")
    if start and end and start > end:
        given.wrong("end_date", "is before start_date")
    elif start and end and end - start > SPAN + timedelta(days=1):
        # A day's grace: "from the 1st to the 90th" has both days in it.
        given.wrong("end_date", "is more than 90 days after start_date")
    if start and not end:
        end = start + SPAN
    elif end and not start:
        start = end - SPAN
    elif not start and not updated_after and not updated_before:
        start = now - SPAN
    closed = None
    statuses = {s.lower() for s in given.all("status")}
    if not statuses <= set(STATUSES):
        given.wrong(
            "status", f"is neither open nor closed: {', '.join(sorted(statuses - set(STATUSES)))[:100]}"
        )
    elif len(statuses) == 1:
        closed = statuses == {"closed"}
    return Query(
        (), tuple(services[:200]), start, end, updated_after, updated_before, closed, page, size, after
    )


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A request as it was posted, checked. Never logged."""

    jurisdiction: Jurisdiction
    service: Service
    description: str = field(repr=False)
    title: str = field(repr=False)
    lat: float | None
    long: float | None
    address: str = field(repr=False)
    address_id: str
    name: str = field(repr=False)
    phone: str = field(repr=False)
    email: str = field(repr=False)
    device: str = field(repr=False)
    account: str = field(repr=False)
    media: tuple[str, ...] = field(repr=False)
    attributes: tuple[tuple[str, str, tuple[str, ...]], ...] = field(repr=False)

    @property
    def text(self) -> str:
        """The words of the report: the description, then what was asked; the service's name if there is nothing."""
        lines = [self.description] if self.description else []
        lines += [f"{label}：{'、'.join(values)}" for _, label, values in self.attributes]
        return "\n".join(lines) or self.service.name


def new_request(given: Parameters, directory: Directory, jurisdiction: Jurisdiction) -> NewRequest | None:
    """The request in a form; None when something is wrong, which is in `given`."""
    code = given.one("service_code")
    service = directory.services.get(code)
    if not code:
        given.wrong("service_code", "was not provided")
    elif service is None:
        given.wrong("service_code", f"{code[:64]} was not found", 404)
    lat, long = given.number("lat", -90, 90), given.number("long", -180, 180)
    halves = [n for n, other in (("long", "lat"), ("lat", "long")) if given.one(other) and not given.one(n)]
    for half in halves:
        given.wrong(half, "was not provided: lat and long go together")
    address, address_id = given.one("address_string", 300), given.one("address_id", 64)
    if not halves and not any(given.each(n) for n in ("lat", "long", "address_string", "address_id")):
        given.wrong("lat", "was not provided: a request needs lat and long, address_string or address_id")
    description = given.one("description", MAX_DESCRIPTION)
    email, phone = given.one("email", 254), given.one("phone", 40)
    if email and _EMAIL.fullmatch(email) is None:
        given.wrong("email", "is not an address")
    if phone and (_PHONE.fullmatch(phone) is None or not any(c.isdigit() for c in phone)):
        given.wrong("phone", "is not a phone number: 3 to 40 digits and separators")
    media = _media(given)
    attributes = _attributes(given, service) if service is not None else ()
    name = _name(given.one("first_name", 60), given.one("last_name", 60))
    title, device, account = given.one("title"), given.one("device_id"), given.one("account_id")
    if given.errors or service is None:
        return None
    return NewRequest(
        jurisdiction,
        service,
        description,
        title,
        lat,
        long,
        address,
        address_id,
        name,
        phone,
        email,
        device,
        account,
        media,
        attributes,
    )


def _name(first: str, last: str) -> str:
    """Family name first and together where it is Chinese, else as it is written in the West."""
    both = first + last
    chinese = bool(both) and all("\u4e00" <= c <= "\u9fff" for c in both)
    return last + first if chinese else " ".join(filter(None, (first, last)))


def _media(given: Parameters) -> tuple[str, ...]:
    links = list(dict.fromkeys(given.each("media_url") + given.each("media_url[]")))
    for link in links:
        try:
            parts = urlsplit(link)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and len(link) <= 2000
        except ValueError:
            good = False
        if not good or any(c.isspace() for c in link):
            given.wrong("media_url", "is not an http or https address of at most 2000 characters")
    if len(links) > MAX_MEDIA:
        given.wrong("media_url", f"came {len(links)} times; allowed: {MAX_MEDIA}")
    return tuple(links)


def _attributes(given: Parameters, service: Service) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """(code, label, values as people read them). What the service doesn't ask for is kept too, under its code."""
    asked = {a.code: a for a in service.attributes}
    sent = given.attributes()
    if len(sent) > MAX_ATTRIBUTES:
        given.wrong("attribute", f"has {len(sent)} codes; allowed: {MAX_ATTRIBUTES}")
        return ()
    for code, attribute in asked.items():
        if attribute.required and code not in sent:
            given.wrong(f"attribute[{code}]", f"was not provided: {attribute.description}")
    out = []
    for code, values in sent.items():
        if sum(map(len, values)) > MAX_VALUE:
            given.wrong(f"attribute[{code}]", f"is too long; allowed: {MAX_VALUE} characters")
            continue
        known = asked.get(code)
        if known is None:
            out.append((code, code, tuple(values)))
        else:
            out.append((code, known.description, tuple(_value(given, known, values))))
    return tuple(out)


def _value(given: Parameters, attribute: Attribute, values: Sequence[str]) -> list[str]:
    name = f"attribute[{attribute.code}]"
    if attribute.datatype != "multivaluelist" and len(values) > 1:
        given.wrong(name, f"came {len(values)} times; allowed: once")
    if attribute.datatype in LISTS:
        strange = [v for v in values if v not in attribute.values]
        if strange:
            given.wrong(name, f"is none of {', '.join(attribute.values)}: {strange[0][:60]}")
        return [attribute.values.get(v, v) for v in values]
    if attribute.datatype == "number" and _NUMBER.fullmatch(values[0]) is None:
        given.wrong(name, f"is not a number: {values[0][:60]}")
    if attribute.datatype == "datetime":
        try:
            w3c_time(values[0])
        except (ValueError, OverflowError):
            given.wrong(name, f"is not a W3C date-time: {values[0][:60]}")
    return list(values)


@dataclass(frozen=True, slots=True)
class NewUpdate:
    """An update as mySociety's clients post it, checked."""

    request: str
    id: str
    status: str
    at: datetime
    description: str = field(repr=False)
    media: tuple[str, ...] = field(repr=False)


def new_update(given: Parameters) -> NewUpdate | None:
    """The update in a form; None when something is wrong, which is in `given`."""
    request, id_ = given.one("service_request_id"), given.one("update_id") or given.one("update_id_ext")
    status, description = given.one("status").upper(), given.one("description", MAX_DESCRIPTION)
    for name, value in (
        ("service_request_id", request),
        ("update_id", id_),
        ("status", status),
        ("updated_datetime", given.one("updated_datetime")),
        ("description", description),
    ):
        # An update without words is what a client sends that only changes the status.
        if not value and name != "description":
            given.wrong(name, "was not provided")
    if status and status not in UPDATE_STATUSES:
        given.wrong("status", f"is unknown: {status[:60]}; allowed: {', '.join(UPDATE_STATUSES)}")
    at = given.date("updated_datetime")
    media = _media(given)
    if given.errors or at is None:
        return None
    return NewUpdate(request, id_, status, at, description, media)


def pairs(*sources: Any) -> list[tuple[str, str]]:
    """Name and value pairs of several sources, the later ones counting more: a MultiDict, or pairs."""
    out: list[tuple[str, str]] = []
    for source in sources:
        out += list(source.items(multi=True)) if hasattr(source, "items") else list(source)
    return out
