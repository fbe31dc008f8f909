"""One key a person: what is personal is sealed with it, and erasing it erases the person.

A key lies in `person_key`, wrapped by the first key of the ring (`person_keys`, else `seal_keys`), beside the
handle (a keyed hash of phone or openid) and the pseudonym, which is drawn at random. Without that row nobody can read
what was sealed or say whose it was: not with the ring, not with the phone number, not from a copy of a report. An
anonymous report is a person of its own, whose handle and pseudonym are the report's id.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row

from jiayuan.chassis.seal import KEY_BYTES, Key, key_name
from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso

from .keys import Keys
from .store import people as stored

_CONTACT: Final = "contact"
_SECRETS: Final = "secrets"


@dataclass(frozen=True, slots=True)
class Person:
    """A pseudonym and the key that seals for it."""

    pseudonym: str
    key: Key


def persons(work: Work, handles: Iterable[str], keys: Keys) -> dict[str, Person]:
    """The persons behind handles; who isn't known yet gets a pseudonym and a key.

    Handles of persons begin with `p` (`people.handle_of`); any other is an anonymous report's id. One statement.
    """
    fresh = [_fresh(work, handle, keys) for handle in dict.fromkeys(handles)]
    rows = stored.person_keys(work, fresh)
    return {handle: Person(row.person, _unwrap(row, keys)) for handle, row in rows.items()}


def _fresh(work: Work, handle: str, keys: Keys) -> dict[str, Any]:
    person = "p" + secrets.token_hex(16)[:31] if handle.startswith("p") else handle
    first = keys.ring.first
    raw = os.urandom(KEY_BYTES[first.algorithm])
    return {
        "handle": handle,
        "person": person,
        "key": "d" + secrets.token_hex(6),
        "algorithm": first.algorithm,
        "ring": first.name,
        "wrapped": first.seal_bytes(raw, person),
        "created_at": iso(work.now),
    }


def _unwrap(row: Row[Any], keys: Keys) -> Key:
    return Key(row.key, keys.ring.open_bytes(bytes(row.wrapped), row.person), row.algorithm)


def key_of(work: Work, pseudonym: str, keys: Keys) -> Key | None:
    """A person's key; None when the person was erased or never had one."""
    row = stored.person_key_of(work, pseudonym)
    return _unwrap(row, keys) if row is not None else None


# -- values --------------------------------------------------------------------------------------------
# Each is bound to its report and to what it is, so that none can be put in another's place.


def seal_original(key: Key, report: str, document: Mapping[str, Any]) -> str:
    """What arrived, sealed."""
    return key.seal(document, report)


def seal_contact(key: Key, report: str, document: Mapping[str, Any]) -> str:
    """A contact, sealed."""
    return key.seal(document, f"{_CONTACT}:{report}")


def seal_secrets(key: Key, report: str, document: Mapping[str, Any]) -> str:
    """A channel's own personal data, sealed."""
    return key.seal(document, f"{_SECRETS}:{report}")


@dataclass(frozen=True, slots=True)
class Opened:
    """What is sealed in a report, in clear. Never logged."""

    original: Mapping[str, Any]
    contact: Mapping[str, Any]
    secrets: Mapping[str, Any]
    supplements: tuple[Mapping[str, Any], ...]
    """Each `{text, at}`."""

    def __repr__(self) -> str:
        return "Opened(…)"


def open_report(work: Work, row: Row[Any], keys: Keys) -> Opened:
    """What is sealed in a report (`store.people.report_for_opening`); all empty when the person was erased."""
    if row.erased_at is not None:
        return Opened({}, {}, {}, ())
    key = key_of(work, row.reporter or row.id, keys)
    before = row.reporter or row.id  # what the ring itself sealed a contact for
    return Opened(
        _open(keys, key, row.original, row.id, row.id),
        _open(keys, key, row.contact, f"{_CONTACT}:{row.id}", before),
        _open(keys, key, row.secrets, f"{_SECRETS}:{row.id}", before),
        tuple(
            {**_open(keys, key, s.original, row.id, row.id), "at": iso(s.at)}
            for s in stored.supplements_of(work, [row.id])
        ),
    )


def _open(keys: Keys, key: Key | None, sealed: str | None, aad: str, before: str) -> dict[str, Any]:
    if not sealed:
        return {}
    if key is not None and key_name(sealed) == key.name:
        return key.open(sealed, aad)
    return keys.sealer.open(sealed, before)


def sealing_key(work: Work, row: Row[Any], keys: Keys) -> Key:
    """What a report's (`store.one`) later words are sealed with: its person's key.

    The ring's own while the report is from before persons had keys; `adopt` changes both.
    """
    return key_of(work, row.reporter or str(row.id), keys) or keys.sealer.first


# -- rotation ------------------------------------------------------------------------------------------
# Each step is a transaction of its own; `after` is where the one before ended ("" or NOBODY at first), and the answer
# is where this one ended and how many it changed. What is done already is passed over, so a rotation can be broken off
# and run again at any time.

NOBODY: Final = "00000000-0000-0000-0000-000000000000"
Step = tuple[str, int]


def run(
    delivery: Any,
    keys: Keys,
    step: Callable[[Work, Keys, str, int], Step],
    after: str,
    most: int,
    tell: Callable[[int], None] = lambda _done: None,
) -> int:
    """Runs a step until nothing is left, a transaction a batch; how many it changed. `tell` hears of each batch."""
    total = 0
    while True:
        with delivery.work() as work:
            after, done = step(work, keys, after, most)
        if not done:
            return total
        total += done
        tell(done)


def rewrap(work: Work, keys: Keys, after: str, most: int) -> Step:
    """Wraps keys of persons with the ring's first key. What they seal isn't touched, however much it is."""
    first = keys.ring.first
    rows = stored.take_to_rewrap(work, first.name, after, most)
    stored.rewrap(
        work,
        [
            {
                "handle": row.handle,
                "ring": first.name,
                "wrapped": first.seal_bytes(keys.ring.open_bytes(bytes(row.wrapped), row.person), row.person),
            }
            for row in rows
        ],
    )
    return (rows[-1].handle if rows else after), len(rows)


def adopt(work: Work, keys: Keys, after: str, most: int) -> Step:
    """Seals reports that a key of the ring itself sealed, as before persons had keys, with their persons' keys."""
    rows = stored.sealed_by_ring(work, keys.sealer.names, after, most)
    # The pseudonym of that time is the handle of today.
    known = persons(work, [row.reporter or row.id for row in rows], keys)
    owners = {row.id: known[row.reporter or row.id] for row in rows}
    added: dict[str, list[dict[str, Any]]] = {}
    for s in stored.supplements_of(work, list(owners)):
        plain = keys.sealer.open(s.original, s.report)
        sealed = seal_original(owners[s.report].key, s.report, plain)
        added.setdefault(s.report, []).append(
            {"report": s.report, "sequence": s.sequence, "original": sealed}
        )
    for row in rows:
        before, person = row.reporter or row.id, owners[row.id]
        contact = keys.sealer.open(row.contact, before) if row.contact else None
        own = keys.sealer.open(row.secrets, before) if row.secrets else None
        again = {
            "id": row.id,
            "reporter": person.pseudonym if row.reporter else None,
            "original": seal_original(person.key, row.id, keys.sealer.open(row.original, row.id)),
            "contact": seal_contact(person.key, row.id, contact) if contact else None,
            "secrets": seal_secrets(person.key, row.id, own) if own else None,
        }
        stored.reseal(work, again, added.get(row.id, []))
    return (rows[-1].id if rows else after), len(rows)


def reseal_dead_letters(work: Work, keys: Keys, after: str, most: int) -> Step:
    """Seals kept messages of outside systems with the first key of `seal_keys`."""
    rows = stored.dead_letters_sealed(work, keys.sealer.first.name, after, most)
    for row in rows:
        plain = keys.sealer.open_bytes(bytes(row.body), row.id)
        stored.reseal_dead_letter(work, row.id, keys.sealer.seal_bytes(plain, row.id))
    return (rows[-1].id if rows else after), len(rows)
