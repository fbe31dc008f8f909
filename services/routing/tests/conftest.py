"""A small seeded directory, reports, and a client that speaks to the service's routes without a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, text

from jiayuan.chassis.database import driver_url
from jiayuan.chassis.testing.client import Client
from jiayuan.chassis.testing.databases import Databases, Opened, WorkFor
from jiayuan.chassis.work import Work
from jiayuan.contracts import envelope, ids
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.times import iso
from jiayuan.routing import book, directory, handlers, helping, store
from jiayuan.routing import case as cases
from jiayuan.routing.case import offering
from jiayuan.routing.imports import import_directory
from jiayuan.routing.seed import seed

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
STREET, COMMUNITY = "350921001", "350921001001"
CONVENER = "seat-350921001-1"


class Routing:
    """Routing on a database of its own; `at` is minutes after 09:00 of a Monday in Xiapu."""

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self.url = opened.url

    def work(self, at: float = 0) -> AbstractContextManager[Work]:
        return self.opened(T0 + timedelta(minutes=at))

    def report(self, **fields: Any) -> dict[str, Any]:
        """A report that a grid worker of COMMUNITY gets, unless `fields` say otherwise."""
        report = {
            "id": ids.new_id(),
            "tracking_code": "JY-1",
            "kind": "problem",
            "channel": "mini_program",
            "title": "楼道堆物",
            "text": "楼道里堆了东西",
            "category": {"code": "1502", "name": "犬类与宠物"},
            "livelihood": True,
            "importance": 2,
            "urgency": 2,
            "place": {"street": STREET, "community": COMMUNITY},
            "reporter": "c1",
            "received_at": iso(T0),
        }
        return {**report, **fields}

    def event(
        self, name: str, data: dict[str, Any], source: str = "/jiayuan/intake", sequence: int = 0
    ) -> Event:
        event = envelope.make(name, source, data, at=T0, sequence=sequence)
        envelope.encode(event)  # what breaks the contract would never arrive
        return event

    def receive(self, *reports: dict[str, Any], at: float = 0) -> list[Event]:
        """Takes reports; returns what was emitted."""
        with self.work(at) as work:
            handlers.report_received(work, [self.event("report.received", {"report": r}) for r in reports])
            return work.emitted

    def open(self, at: float = 0, **fields: Any) -> dict[str, Any]:
        """Opens a case for a report and returns its document."""
        return self.receive(self.report(**fields), at=at)[-1].data["case"]

    def said(self, name: str, report: str, at: float, **fields: Any) -> list[Event]:
        """What a reporter says about a report."""
        data = {"report": report, "at": iso(T0 + timedelta(minutes=at)), **fields}
        with self.work(at) as work:
            handlers.about_reports(work, [self.event(name, data)])
            return work.emitted

    def breach(
        self, case: dict[str, Any], kind: str, leg: str | None, at: float, **fields: Any
    ) -> list[Event]:
        """A clock has passed its limit."""
        now = iso(T0 + timedelta(minutes=at))
        clock = {
            "id": ids.new_id(),
            "kind": kind,
            "state": "breached",
            "case": case["id"],
            "case_sequence": 2,
            "leg": leg,
            "street": case["street"],
            "limit": 900,
            "started_at": iso(T0),
            "due_at": now,
            "percent": 101,
            "at": now,
            **fields,
        }
        with self.work(at) as work:
            handlers.clock_breached(work, [self.event("clock.breached", {"clock": clock}, "/jiayuan/sla")])
            return work.emitted

    def handled(self, case: str, unit: str, action: str, minute: float, **fields: Any) -> Work:
        """A department's own system reports; the work says what came of it."""
        data = {
            "external_id": ids.new_id(),
            "case": case,
            "unit": unit,
            "action": action,
            "at": iso(T0 + timedelta(minutes=minute)),
            **fields,
        }
        event = self.event("handling.reported", data, "/partners/department-systems")
        with self.work(minute) as work:
            handlers.handling_reported(work, [event])
        return work

    def move(self, case: str, leg: str, action: str, at: float) -> list[Event]:
        """What a move does, whoever's it is."""
        with self.work(at) as work:
            moving = handlers.Moving(work, [case])
            before, now, response = (
                moving.cases[case],
                work.now,
                book.of(work).policy(work.now).response("street"),
            )
            moves = {
                "accept": lambda: cases.accept(before, leg, "me", now),
                "answer": lambda: cases.answer(before, leg, "me", now),
                "return": lambda: (
                    helping.given_up(work, book.of(work), before, leg, "me", "不归我管")
                    if offering.is_offer(before, before.leg(leg))
                    else cases.return_(before, leg, "me", now, "不归我管", response)
                ),
                "resolve": lambda: cases.resolve(before, leg, "me", now, None, response),
            }[action]()
            if moves:
                moving.take(moves[-1].case, moves)
            moving.save()
            assert store.read_case(work, case) is not None
            return work.emitted

    def case(self, id_: str) -> dict[str, Any]:
        """The case's document as stored."""
        with self.opened() as work:
            found: Any = work.execute(
                'SELECT state_doc, sequence FROM "case" WHERE id::text = :i', i=id_
            ).one()
            case = store.read_case(work, id_)
            assert case is not None
            assert case.sequence == found[1]
            return found[0]

    def rows(self, sql: str, **parameters: Any) -> list[Any]:
        with self.opened() as work:
            return list(work.execute(sql, **parameters))


def small_places() -> dict[str, Any]:
    """Three communities of the first street and one of the second."""
    places = directory.bundled("places")
    places["streets"] = [
        {**s, "communities": s["communities"][:n]} for s, n in zip(places["streets"], (3, 1), strict=False)
    ]
    return places


def small_directory() -> dict[str, Any]:
    """Four communities, 12 grids, 60 people, all units."""
    return seed(small_places(), directory.bundled("units")["units"], 12, 60)


def with_convener(document: dict[str, Any]) -> dict[str, Any]:
    """The directory with a convener of the first street's joint committee."""
    convener = {
        "id": CONVENER,
        "name": "例召集",
        "seat": "convener",
        "street": STREET,
        "phone": "00000900101",
    }
    return {**document, "committee": [convener]}


@pytest.fixture
def document() -> dict[str, Any]:
    """The small directory as a document."""
    return small_directory()


def _with_directory(opened: Opened, document: dict[str, Any] | None = None) -> Routing:
    with opened() as work:
        import_directory(work, opened.runtime.sealer, document or small_directory(), "test")
    return Routing(opened)


@pytest.fixture
def opened(work_for: WorkFor) -> Opened:
    """Routing's database without a directory, for this test alone."""
    return work_for("routing")


@pytest.fixture
def own(opened: Opened) -> Routing:
    """Routing with the small directory on a database for this test alone: tests that change the directory."""
    return _with_directory(opened)


@pytest.fixture(scope="session")
def shared(databases: Databases) -> Iterator[Routing]:
    """Routing with the small directory on a database that tests share: making one takes a second or two."""
    opened = Opened("routing", databases.fresh("routing"))
    yield _with_directory(opened, with_convener(small_directory()))
    opened.close()


_EMPTIED = (
    "mediation, mediation_session, wish, offer, visit, "
    '"case", case_report, leg, case_step, decision, approval, read_log, acting, handling, inbox, outbox, '
    "gaming_look, unclaimed_whistle, dead_letter, emergency, emergency_case, emergency_call, emergency_sweep, "
    "emergency_policy, alert"
)


@pytest.fixture
def routing(shared: Routing, databases: Databases) -> Routing:
    """Routing with the small directory and nothing else."""
    return _emptied(shared, databases)


def _emptied(shared: Routing, databases: Databases) -> Routing:
    admin = create_engine(driver_url(databases.admin(shared.url)), poolclass=NullPool)
    with admin.begin() as conn:
        conn.execute(text(f"TRUNCATE {_EMPTIED}"))
        conn.execute(text("UPDATE turn SET given = 0, last_given = '1970-01-01 00:00Z'"))
    shared.opened.clock.time = T0
    with shared.opened() as work:
        book.begin_anew(work)
    return shared


@pytest.fixture
def replica(routing: Routing) -> Iterator[Routing]:
    """A second process on the database of `routing`."""
    opened = Opened("routing", routing.url)
    yield Routing(opened)
    opened.close()


@pytest.fixture
def replica_of() -> Iterator[Callable[[Routing], Routing]]:
    """Second processes on the database of others."""
    more: list[Opened] = []

    def make(routing: Routing) -> Routing:
        more.append(Opened("routing", routing.url))
        return Routing(more[-1])

    yield make
    for one in more:
        one.close()


@pytest.fixture
def client(routing: Routing) -> Client:
    """The service's routes."""
    return Client(routing.opened)


def _helper(id_: str, grid: str, **fields: Any) -> dict[str, Any]:
    return {"id": id_, "name": f"例{id_}", "grid": grid, **fields}


def helped_directory() -> dict[str, Any]:
    """The small directory with helpers in COMMUNITY (v1 to v5 and c1 cut hair, only v1 speaks 闽东话), mediators (m1,
    m2 in COMMUNITY, m3 of the street knows families), a team of the street, and service points."""
    hair = [_helper(f"v{n}", COMMUNITY, skills=["理发"], phone=f"0009000000{n}") for n in range(1, 6)]
    hair[0]["languages"] = ["闽东话"]
    mornings = {"services": ["老年助餐", "便民服务"], "hours": "每天 08:00-12:00", "capacity": 1}
    return {
        **small_directory(),
        "volunteers": hair,
        "cadres": [_helper("c1", COMMUNITY, skills=["理发"], unit="U18")],
        "mediators": [
            _helper("m1", COMMUNITY),
            _helper("m2", COMMUNITY),
            _helper("m3", STREET, skills=["婚姻家庭"]),
        ],
        "teams": [
            {"code": "T1", "name": "街道评理团", "place": STREET, "lead": "m3", "members": ["m3", "m1"]},
        ],
        "points": [
            {
                "code": f"SP{n}",
                "name": f"例近邻中心{n}",
                "kind": "neighbour_centre",
                "lat": 26.88,
                "long": 120.0 + n / 100,
                "street": STREET,
                "community": f"35092100100{n}",
                **mornings,
            }
            for n in (1, 2)
        ],
    }


@pytest.fixture
def helped_document() -> dict[str, Any]:
    """The directory of `helped` as a document."""
    return helped_directory()


@pytest.fixture(scope="session")
def shared_helped(databases: Databases) -> Iterator[Routing]:
    """Routing with helpers, mediators and service points, on a database that tests share."""
    opened = Opened("routing", databases.fresh("routing"))
    with opened() as work:
        import_directory(work, opened.runtime.sealer, helped_directory(), "test")
    yield Routing(opened)
    opened.close()


@pytest.fixture
def helped(shared_helped: Routing, databases: Databases) -> Routing:
    """Routing with helpers, mediators and service points, and nothing else."""
    return _emptied(shared_helped, databases)


@pytest.fixture
def helped_client(helped: Routing) -> Client:
    """The service's routes, with helpers."""
    return Client(helped.opened)


@pytest.fixture
def helped_replica(helped: Routing) -> Iterator[Routing]:
    """A second process on the database of `helped`."""
    opened = Opened("routing", helped.url)
    yield Routing(opened)
    opened.close()
