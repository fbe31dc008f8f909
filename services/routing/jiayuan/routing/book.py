"""What a process keeps in memory: the directory, the policies and the order of turns, one set a database.

It is read anew when the version row of the database has changed, which costs one small query a batch.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from jiayuan.chassis.work import Work

from . import policy as policies
from . import store
from .directory import Directory, bundled
from .emergency import NONE, Emergencies, Emergency, terms_of
from .policy import Policy
from .rotation import ANYBODY, Need, Rotation, Staff
from .store import emergencies as emergency_rows


class Book:
    """Directory, policies, emergencies and turns as of one version."""

    def __init__(
        self,
        directory: Directory,
        tables: list[Policy],
        rotation: Rotation,
        emergencies: Emergencies = NONE,
    ) -> None:
        self.directory = directory
        self.tables = tables
        self.rotation = rotation
        self.emergencies = emergencies
        self.stale = False

    def over(self, at: datetime) -> bool:
        """Whether a change of the directory that was still to come has taken effect since."""
        until = self.directory.until
        return until is not None and at >= until

    @property
    def staff(self) -> Staff:
        """Who is on duty, who stands in for whom, who can what."""
        return self.rotation.staff

    def policy(self, at: datetime) -> Policy:
        """The table that holds at a time."""
        return next((t for t in self.tables if t.effective_from <= at), self.tables[-1])

    def version(self, version: str) -> Policy | None:
        """The table of that version, if it is (or was) in force."""
        return next((t for t in self.tables if t.version == version), None)

    def next_worker(
        self,
        places: Sequence[str],
        at: datetime,
        given: Counter[str],
        need: Need = ANYBODY,
        without: Collection[str] = (),
    ) -> str | None:
        """Whose turn it is in the first of these places (`chain`) where somebody is on duty, and has what is needed;
        it is counted in `given`, which `store_turns` takes. Where nobody speaks the language, somebody else has to."""
        for place in places:
            person = self.rotation.next(place, at, need, without)
            if person is not None:
                given[person] += 1
                return person
        if need.languages:
            less = Need(need.skills) if need.skills else ANYBODY
            return self.next_worker(places, at, given, less, without)
        return None

    def store_turns(self, work: Work, given: Counter[str]) -> None:
        """Writes the turns of a batch, in one statement."""
        last = self.rotation.last_given
        store.give_turns(work, [(person, last(person), count) for person, count in given.items()])


_books: WeakKeyDictionary[Engine, Book] = WeakKeyDictionary()


def of(work: Work, version: int | None = None) -> Book:
    """The book of the work's database, as of now; `version` of its directory, where it has just been read."""
    engine = work.engine
    book = _books.get(engine)
    if version is None:
        version = store.directory_version(work)
    if book is None or book.stale or book.directory.version != version or book.over(work.now):
        book = _books[engine] = _read(work, book)
    return book


def recount(work: Work) -> None:
    """Counts what everybody has on the hands, beside the batches: none of them waits for it."""
    book = kept(work)
    if book is not None:
        book.rotation.take_loads(store.loads(work))


def kept(work: Work) -> Book | None:
    """The book that this process has of the work's database, without asking whether it is the newest."""
    return _books.get(work.engine)


def forget(work: Work) -> None:
    """Lets the next batch read directory and policies anew: after an import in this very process."""
    if work.engine in _books:
        _books[work.engine].stale = True


def begin_anew(work: Work) -> None:
    """Forgets everything, the order of turns as well, as a process that is started does."""
    _books.pop(work.engine, None)


def _read(work: Work, before: Book | None) -> Book:
    directory = store.read_directory(work)
    # The imported tables were checked when they came; which units there are may have changed since then, and
    # a unit that is gone sends the case to the street's desk.
    tables = [policies.read(document) for document in store.policies(work)]
    emergencies = _emergencies(work)
    staff = staff_of(directory, emergencies)
    if before is not None:
        # The order goes on: it is this process's own, and a directory that changes must not favour anybody.
        rotation = before.rotation
        rotation.take_directory(staff, store.turns(work))
    else:
        rotation = Rotation(staff, store.turns(work), salt=os.urandom(8).hex())
        rotation.take_loads(store.loads(work))
    return Book(directory, [*tables, _bundled()], rotation, emergencies)


def _emergencies(work: Work) -> Emergencies:
    return Emergencies(
        Emergency(
            row.id,
            terms_of(row.terms),
            tuple(row.area),
            row.starts_at,
            row.ends_at,
            row.declared_by,
            row.reason,
        )
        for row in emergency_rows.emergencies_to_know(work)
    )


class _Roles:
    """The directory as the rotation asks it: a place means its workers, `mediator|<place>` the mediators in and under
    it, `mediator|=<place>` those of exactly that place."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self.on_duty: Callable[[str, datetime], bool] = directory.on_duty
        self.stand_in = directory.stand_in
        self.skills = directory.skills
        self.languages = directory.languages

    def workers(self, place: str) -> Sequence[str]:
        role, bar, code = place.partition("|")
        known = self._directory
        if not bar:
            return known.workers(place)
        if not code.startswith("="):
            return known.members(code, role)
        return [p for p in known.of_place(code[1:]) if known.people[p].role == role]


class _InEmergency(_Roles):
    """The same while there are emergencies: where one holds, its roster does."""

    def __init__(self, directory: Directory, emergencies: Emergencies) -> None:
        super().__init__(directory)
        self._emergencies = emergencies
        self.on_duty = self._on_duty

    def _on_duty(self, person_id: str, at: datetime) -> bool:
        person = self._directory.people.get(person_id)
        if person is None:
            return False
        mode = self._emergencies.roster(person.street, person.community, person.grid, at)
        return self._directory.on_duty(person_id, at, mode)


def staff_of(directory: Directory, emergencies: Emergencies = NONE) -> Staff:
    """What the rotation asks of the directory."""
    return _InEmergency(directory, emergencies) if emergencies else _Roles(directory)


_the_bundled: list[Policy] = []


def _bundled() -> Policy:
    if not _the_bundled:
        _the_bundled.append(policies.bundled({u["code"] for u in bundled("units")["units"]}))
    return _the_bundled[0]
