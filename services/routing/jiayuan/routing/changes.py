"""Changing the directory: what a document changes is planned, shown or written, and told when it takes effect.

Everything holds from a time on, now or later; only what differs is written, and nothing is ever overwritten. A change
that is still to come can be cancelled. What would be wrong at that time, or at a later time that is planned already, is
refused now.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from jiayuan.chassis.seal import Sealer, SealError
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso

from . import book, store
from .directory import Directory, DirectoryError, read
from .directory.documents import BASIC, HELPERS, LISTS, OPTIONAL
from .directory.duty import ZONE
from .directory.entries import Entry, Key, flatten, recipient, sealed_for, unflatten
from .store import directory as rows

# Who has turns: workers among cases, mediators among disputes.
ROTATED: Final = ("worker", "mediator")
ITEMS_AN_EVENT: Final = 100
PEOPLE: Final = ("people", *HELPERS)
# More than this share of a kind, and of the number, ending at once is more often a wrong file than a decision.
MOST_ENDING: Final = 0.2
FEW_ENDING: Final = 20


@dataclass(slots=True)
class Difference:
    """One thing that a change begins, changes or ends; `old` and `new` are its entries."""

    old: Entry | None
    new: Entry | None

    @property
    def entry(self) -> Entry:
        """The newer of the two."""
        found = self.new or self.old
        assert found is not None
        return found

    @property
    def what(self) -> str:
        """added, changed or ended."""
        return "added" if self.old is None else "ended" if self.new is None else "changed"

    def fields(self) -> list[tuple[str, Any, Any]]:
        """What changed: (field, before, after), `phone` without its value."""
        old, new = (self.old or self.entry), (self.new or self.entry)
        before, after = old.doc | old.extra, new.doc | new.extra
        out = [(k, before.get(k), after.get(k)) for k in sorted(before.keys() | after.keys())]
        out = [f for f in out if f[1] != f[2]]
        if self.what == "changed" and old.contact != new.contact:
            out.append(("phone", "…", "…"))
        return out


@dataclass(slots=True)
class Plan:
    """What a document changes from a time on."""

    at: datetime
    directory: Directory
    differences: list[Difference] = field(default_factory=list)

    def counts(self) -> dict[str, dict[str, int]]:
        """How many of each kind are added, changed, ended."""
        counted = Counter((d.entry.kind, d.what) for d in self.differences)
        out: dict[str, dict[str, int]] = {}
        for (kind, what), n in sorted(counted.items()):
            out.setdefault(kind, {})[what] = n
        return out


@dataclass(frozen=True, slots=True)
class Imported:
    """What a change did: the version it made, from when, what is in the directory then, how many contacts change.

    `holding`: how many open legs those have who leave.
    """

    version: int
    at: datetime
    pending: bool
    directory: Directory
    changed: int
    counts: Mapping[str, Mapping[str, int]]
    holding: Mapping[str, int] = field(default_factory=dict)


# -- planning ----------------------------------------------------------------------------------------


def plan(
    work: Work,
    sealer: Sealer,
    document: Mapping[str, Any],
    effective: datetime | None = None,
    *,
    removals: bool = True,
) -> Plan:
    """What the document changes from a time on (None: now). DirectoryError with everything that is wrong; reads only.

    Lists that the document leaves out stay as they are. `removals`: whether a large part of a kind may end at once.
    """
    at = _time(work, effective)
    known = rows.entries(work, at)
    later = rows.entries_after(work, at)
    full = _full(document, known)
    _phones_known(full, known, sealer)
    directory = read(full)
    new = flatten(full, directory)
    _seal(new, known, sealer, directory)
    found = Plan(at, directory, _differences(known, new))
    _refuse_conflicts(work, found, known, later)
    if not removals:
        _refuse_many_ends(found, known)
    _refuse_later_faults(known, later, new)
    return found


def _time(work: Work, effective: datetime | None) -> datetime:
    if effective is None:
        return work.now
    # Today's date means from now on.
    if effective < work.now:
        if effective.astimezone(ZONE).date() != work.now.astimezone(ZONE).date():
            allowed = f"a time from {work.now.astimezone(ZONE):%Y-%m-%d} on: what held is never changed"
            raise DirectoryError([FieldProblem("effective", f"{iso(effective)} is past", allowed)])
        return work.now
    return effective


def _full(document: Mapping[str, Any], known: Mapping[Key, Entry]) -> dict[str, Any]:
    """The document with the lists that it leaves out, as they are now."""
    out = dict(document)
    missing = [key for key in OPTIONAL if out.get(key) is None]
    if out.pop("partial", False):
        missing += [key for key in ("county", *BASIC) if key not in out]
        if "streets" not in missing and any("communities" not in s for s in out["streets"]):
            missing.append("communities")
    if missing and known:
        now = document_of(known.values())
        for key in missing:
            if key == "communities":
                below = {s["code"]: s["communities"] for s in now["streets"]}
                out["streets"] = [{"communities": below.get(s["code"], []), **s} for s in out["streets"]]
            else:
                out[key] = now[key]
        _let_go(out, missing)
    return out


def _let_go(document: dict[str, Any], kept: Sequence[str]) -> None:
    """Rosters and leave that the document doesn't speak of end with those whom it leaves out."""
    people = document.get("people")
    known = {e.get("id") for key in PEOPLE for e in document.get(key) or () if isinstance(e, dict)}
    if not isinstance(people, list):
        return
    places = {document.get("county", {}).get("code")} if isinstance(document.get("county"), dict) else set()
    for key in ("grids", "streets"):
        for row in document.get(key) or ():
            if isinstance(row, dict):
                places |= {row.get("code"), *(c.get("code") for c in row.get("communities") or ())}
    if "roster" in kept:
        document["roster"] = [r for r in document["roster"] if r["who"] in known or r["who"] in places]
    if "leave" in kept:
        left = [r for r in document["leave"] if r["person"] in known]
        document["leave"] = [
            r if r.get("stand_in") in known else {k: v for k, v in r.items() if k != "stand_in"} for r in left
        ]


def document_of(entries: Iterable[Entry]) -> dict[str, Any]:
    """Entries as a document, in which a phone that is known and sealed is masked as `KEPT`."""
    copies = [
        Entry(e.kind, e.key, e.doc, e.extra, KEPT if e.contact else None, e.contact, e.version)
        for e in entries
    ]
    return unflatten(copies, lists=LISTS)


# A phone that is known, and stays as it is.
KEPT: Final = "00000-00000"
UNKNOWN: Final = "*****"


def masked(phone: str) -> str:
    """A phone as it is shown: its first three and last two digits."""
    return f"{phone[:3]}{'*' * max(3, len(phone) - 5)}{phone[-2:]}" if len(phone) > 6 else "*" * len(phone)


def unmasked(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with masked numbers taken for known ones: to look at a file without a database."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            known = {k: plain(v) for k, v in value.items()}
            return known | ({"phone": KEPT} if "*" in str(known.get("phone")) else {})
        return [plain(v) for v in value] if isinstance(value, list) else value

    return {k: plain(v) for k, v in document.items()}


def _phones_known(full: dict[str, Any], known: Mapping[Key, Entry], sealer: Sealer) -> None:
    """Puts the numbers in for those that are masked; DirectoryError for a mask that fits no number that is known."""
    street = _county_street(known.values())
    opened = {sealed_for(e, street): e for e in known.values() if e.contact}
    problems: list[FieldProblem] = []

    def put(where: str, row: dict[str, Any], id_: str) -> dict[str, Any]:
        said = row.get("phone")
        if not isinstance(said, str) or not (said == KEPT or "*" in said):
            return row
        entry = opened.get(id_)
        phone = _open(sealer, entry.contact or "", id_) if entry else None
        if entry is not None and (said == KEPT or (phone is None and said == UNKNOWN)):
            return {**row, "phone": phone or KEPT}
        if phone is None or masked(phone) != said:
            allowed = "the whole number, the masked one as it was exported, or nothing"
            problems.append(
                FieldProblem(f"{where}.phone", "is masked, and not as the known number is", allowed)
            )
        return {**row, "phone": phone}

    county = full.get("county")
    if isinstance(county, dict):
        full["county"] = put("county", county, f"desk-{county.get('code')}000")
    for key in LISTS:
        found = full.get(key)
        if not isinstance(found, list):
            continue
        out = []
        for i, row in enumerate(found):
            if isinstance(row, dict):
                id_ = f"desk-{row.get('code')}" if key == "streets" else str(row.get("id") or row.get("code"))
                row = put(f"{key}[{i}]", row, id_)
                steps = row.get("escalation")
                if isinstance(steps, list) and all(isinstance(s, dict) for s in steps):
                    row = {
                        **row,
                        "escalation": [
                            put(f"{key}[{i}].escalation[{j}]", step, f"{id_}-E{j + 1}")
                            for j, step in enumerate(steps)
                        ],
                    }
            out.append(row)
        full[key] = out
    if problems:
        raise DirectoryError(problems)


def _county_street(entries: Iterable[Entry]) -> str:
    return next((f"{e.key}000" for e in entries if e.kind == "place" and e.doc["kind"] == "county"), "")


def _open(sealer: Sealer, sealed: str, id_: str) -> str | None:
    try:
        phone: str | None = sealer.open(sealed, id_).get("phone")
    except SealError:  # sealed with a key that was retired
        return None
    return phone


def _seal(new: Mapping[Key, Entry], known: Mapping[Key, Entry], sealer: Sealer, directory: Directory) -> None:
    """Sealed contacts; one that hasn't changed keeps its sealed form, so that it is not told of again."""
    street = directory.county_street
    for key, entry in new.items():
        if entry.phone is None:
            continue
        before = known.get(key)
        id_ = sealed_for(entry, street)
        if before is not None and before.contact and sealed_for(before, street) == id_:
            phone = _open(sealer, before.contact, id_)
            # KEPT that no key opens any more stays as it is, too.
            if phone == entry.phone or (phone is None and entry.phone == KEPT):
                entry.contact = before.contact
                continue
        entry.contact = sealer.seal({"phone": entry.phone}, id_)


def _differences(known: Mapping[Key, Entry], new: Mapping[Key, Entry]) -> list[Difference]:
    out = []
    for key, entry in new.items():
        before = known.get(key)
        if before is None or not before.same(entry) or before.contact != entry.contact:
            out.append(Difference(before, entry))
    out += [Difference(entry, None) for key, entry in known.items() if key not in new]
    return out


def _refuse_conflicts(work: Work, found: Plan, known: Mapping[Key, Entry], later: Sequence[Entry]) -> None:
    """Whoever changes what is changed later already would be overruled by it without a word."""
    busy = {e.id for e in later} | {e.id for e in known.values() if e.valid_to is not None}
    hit = [d.entry for d in found.differences if d.entry.id in busy]
    if hit:
        pending = {v.version: v.effective_at for v in rows.versions(work, pending=True)}
        names = ", ".join(f"{n} ({t.astimezone(ZONE):%Y-%m-%d %H:%M})" for n, t in sorted(pending.items()))
        raise DirectoryError(
            [
                FieldProblem(
                    f"{e.kind} {e.key}",
                    f"is changed by a version that is still to come: {names}",
                    "cancel that one first, or make this change effective with it or after it",
                )
                for e in hit
            ]
        )


def _refuse_many_ends(found: Plan, known: Mapping[Key, Entry]) -> None:
    ending = Counter(d.entry.kind for d in found.differences if d.what == "ended")
    total = Counter(e.kind for e in known.values())
    problems = [
        FieldProblem(
            kind, f"{n} of {total[kind]} would end", "the whole list, or --allow-removals if it is meant so"
        )
        for kind, n in ending.items()
        if n > FEW_ENDING and n > MOST_ENDING * total[kind] and kind not in ("shift", "leave")
    ]
    if problems:
        raise DirectoryError(problems)


def _refuse_later_faults(
    known: Mapping[Key, Entry], later: Sequence[Entry], new: Mapping[Key, Entry]
) -> None:
    """Changes that are still to come must fit what holds then."""
    if not later and all(e.valid_to is None for e in known.values()):
        return
    state = dict(new)
    ends = {e.id: e.valid_to for e in known.values() if e.valid_to is not None}
    times = sorted({e.valid_from for e in later if e.valid_from} | set(ends.values()))
    for at in times:
        for key, end in ends.items():
            if end == at:
                state.pop(key, None)
        for entry in later:
            if entry.valid_from == at:
                state[entry.id] = entry
                if entry.valid_to is not None:
                    ends[entry.id] = entry.valid_to
        try:
            read(document_of(state.values()))
        except DirectoryError as error:
            when = f"{at.astimezone(ZONE):%Y-%m-%d %H:%M}"
            raise DirectoryError(
                [
                    FieldProblem(
                        f"{p.field} as of {when}", p.problem, p.allowed or "cancel what is still to come"
                    )
                    for p in error.problems
                ]
            ) from None


def plan_operation(
    work: Work, sealer: Sealer, operation: Operation, effective: datetime | None = None
) -> Plan:
    """What an operation on the directory as of that time changes. DirectoryError."""
    at = _time(work, effective)
    known = rows.entries(work, at)
    return plan(work, sealer, operation(document_of(known.values())), effective)


# A document to the document after it, as in `directory.operations`.
Operation = Callable[[dict[str, Any]], Mapping[str, Any]]


# -- writing -----------------------------------------------------------------------------------------


def carry_out(
    work: Work,
    version: int,
    found: Plan,
    by: str,
    *,
    action: str = "import",
    source: str = "",
    reason: str | None = None,
) -> Imported:
    """Writes a plan as a version, and tells of it when it is in effect at once."""
    pending = found.at > work.now
    counts = found.counts()
    rows.end_entries(
        work, version, found.at, [d.old for d in found.differences if d.old is not None], forget=not pending
    )
    rows.add_entries(work, version, found.at, [d.new for d in found.differences if d.new is not None])
    rows.add_version(
        work,
        {
            "version": version,
            "effective_at": iso(found.at),
            "made_at": iso(work.now),
            "made_by": by,
            "action": action,
            "source": source,
            "reason": reason,
            "summary": counts,
            "told_at": None if pending else iso(work.now),
        },
    )
    workers = [d.new.key for d in found.differences if d.new is not None and d.new.doc.get("role") in ROTATED]
    store.add_turns(work, workers)
    street = found.directory.county_street
    items = _items([d.old for d in found.differences], [d.new for d in found.differences], street)
    if not pending:
        tell(work, version, items)
    book.forget(work)
    leaving = [d.old.key for d in found.differences if d.new is None and d.old and d.old.kind == "person"]
    leaving += [
        d.new.key
        for d in found.differences
        if d.new is not None and d.new.kind == "person" and not d.new.doc.get("active", True)
    ]
    holding = rows.loads_of(work, leaving) if leaving else {}
    return Imported(version, found.at, pending, found.directory, len(items), counts, holding)


def begin(work: Work, by: str) -> int:
    """Takes the next version: one importer at a time, the others wait here until the transaction ends."""
    return store.next_directory_version(work, by)


def change(
    work: Work,
    sealer: Sealer,
    document: Mapping[str, Any],
    by: str,
    effective: datetime | None = None,
    *,
    action: str = "import",
    source: str = "",
    reason: str | None = None,
    removals: bool = True,
) -> Imported:
    """Plans and carries out, one importer at a time. DirectoryError when the document is wrong; nothing has changed."""
    version = begin(work, by)
    found = plan(work, sealer, document, effective, removals=removals)
    return carry_out(work, version, found, by, action=action, source=source, reason=reason)


def operate(
    work: Work,
    sealer: Sealer,
    operation: Operation,
    by: str,
    effective: datetime | None = None,
    *,
    action: str,
    reason: str | None = None,
) -> Imported:
    """Carries out an operation on the directory as of that time. DirectoryError; nothing has changed then."""
    version = begin(work, by)
    found = plan_operation(work, sealer, operation, effective)
    return carry_out(work, version, found, by, action=action, reason=reason)


def export(work: Work, sealer: Sealer, at: datetime, *, clear: bool = False) -> dict[str, Any]:
    """The directory of a time as a document, its phones masked or in clear: whoever asks for them notes why."""
    found = list(rows.entries(work, at).values())
    street = _county_street(found)
    for entry in found:
        if entry.contact:
            phone = _open(sealer, entry.contact, sealed_for(entry, street))
            # One that no key opens any more is masked whole, and stays as it is when it comes back so.
            entry.phone = (phone if clear else masked(phone)) if phone else UNKNOWN
    return unflatten(found)


def _items(
    old: Iterable[Entry | None], new: Iterable[Entry | None], county_street: str
) -> list[dict[str, Any]]:
    """Whom notices go to otherwise than before, as in directory.changed."""
    before = _recipients(old, county_street)
    after = _recipients(new, county_street)
    for id_, row in before.items():
        after.setdefault(id_, {**row, "active": False})
    return [row for id_, row in after.items() if before.get(id_) != row]


def _recipients(entries: Iterable[Entry | None], county_street: str) -> dict[str, dict[str, Any]]:
    found = (recipient(e, county_street) for e in entries if e is not None)
    return {row["id"]: row for row in found if row is not None}


def tell(work: Work, version: int, items: Sequence[dict[str, Any]]) -> None:
    """Says who is to be reached otherwise from now on."""
    for i in range(0, len(items), ITEMS_AN_EVENT):
        part = list(items[i : i + ITEMS_AN_EVENT])
        work.emit(
            "directory.changed", {"version": version, "items": part}, subject="directory", sequence=version
        )


def tell_due(work: Work) -> int:
    """Tells of changes whose time has come, each once whatever the number of replicas; how many changes."""
    due = rows.due_versions(work)
    if due:
        county = _county_street(rows.entries(work, work.now, ("place",)).values())
    for version in due:
        begun, ended = rows.of_version(work, version.version)
        tell(work, version.version, _items(ended, begun, county))
        rows.told(work, version.version)
    return len(due)


def cancel(work: Work, number: int, by: str, reason: str) -> None:
    """Takes back a change that is still to come. DirectoryError when it isn't, or when another builds upon it."""
    found = rows.version(work, number)
    why = ""
    if found is None:
        why = "there is no such version"
    elif found.cancelled_at is not None:
        why = "was cancelled already"
    elif found.told_at is not None or found.effective_at <= work.now:
        why = "is in effect already: what held is never changed"
    elif (upon := rows.built_upon(work, number)) is not None:
        why = f"version {upon} builds upon it: cancel that one first"
    if why:
        raise DirectoryError([FieldProblem(f"version {number}", why, "a version that is still to come")])
    store.next_directory_version(work, by)
    rows.cancel_version(work, number, by, reason)
    book.forget(work)
