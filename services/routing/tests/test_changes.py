"""Changes of the directory: dated, also to come; only what differs is written; nothing that held is ever lost."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from jiayuan.chassis.database import driver_url
from jiayuan.chassis.testing.databases import Opened
from jiayuan.routing import book, changes, store
from jiayuan.routing.changes import change, plan
from jiayuan.routing.directory import DirectoryError
from jiayuan.routing.store import directory as rows

from .conftest import T0

pytestmark = pytest.mark.store

GRID = "350921001001-G01"


def without(document: dict[str, Any], *people: str) -> dict[str, Any]:
    return {**document, "people": [p for p in document["people"] if p["id"] not in people]}


def with_people(document: dict[str, Any], **fields: dict[str, Any]) -> dict[str, Any]:
    """The document with some people's fields changed, by id."""
    people = [{**p, **fields.get(p["id"], {})} for p in document["people"]]
    return {**document, "people": people}


def workers(document: dict[str, Any], grid: str = GRID) -> list[str]:
    return [p["id"] for p in document["people"] if p["grid"] == grid and p["role"] == "worker"]


@pytest.fixture
def known(own: Any, document: dict[str, Any]) -> dict[str, Any]:
    """The document that `own` has."""
    assert own is not None
    return document


def take(opened: Opened, document: dict[str, Any], day: float, effective: float | None = None) -> Any:
    """Imports on a day after T0, effective on another; what was done and whom directory.changed told of."""
    with opened(T0 + timedelta(days=day)) as work:
        at = T0 + timedelta(days=effective) if effective is not None else None
        done = change(work, opened.runtime.sealer, document, "me", at)
        return done, [i for e in work.emitted for i in e.data["items"]]


def directory(opened: Opened, day: float) -> Any:
    with opened(T0 + timedelta(days=day)) as work:
        return book.of(work).directory


def test_only_what_differs_is_written(opened: Opened, known: dict[str, Any], own: Any) -> None:
    before = own.rows("SELECT count(*) FROM directory_entry")[0][0]
    done, told = take(opened, known, 1)
    assert (done.changed, done.counts, told) == (0, {}, [])
    assert own.rows("SELECT count(*) FROM directory_entry")[0][0] == before
    one = workers(known)[0]
    done, told = take(opened, with_people(known, **{one: {"skills": ["电工"]}}), 2)
    assert done.counts == {"person": {"changed": 1}}
    assert told == []  # nobody is reached otherwise
    assert own.rows("SELECT count(*) FROM directory_entry")[0][0] == before + 1
    assert directory(opened, 2).skills(one) == ("电工",)
    assert directory(opened, 1.9).skills(one) in ((), ("电工",))  # a running process knows the newest
    with opened(T0 + timedelta(days=3)) as work:
        assert store.read_directory(work, T0 + timedelta(days=1.9)).skills(one) == ()


def test_a_change_to_come_takes_effect_by_itself_in_every_replica(
    opened: Opened, known: dict[str, Any], own: Any, work_for: Any
) -> None:
    gone = workers(known)[0]
    replica = work_for("routing", own.url)
    directory(opened, 0), directory(replica, 0)  # both have it in memory
    done, told = take(opened, without(known, gone), 1, effective=10)
    assert (done.pending, done.changed, told) == (True, 1, [])
    for process in (opened, replica):
        assert directory(process, 9.99).person(gone) is not None
        assert directory(process, 10).person(gone) is None
        assert gone not in directory(process, 10).workers(GRID)
    # Told once, by whoever comes first, when its time has come.
    with opened(T0 + timedelta(days=9.99)) as work:
        assert changes.tell_due(work) == 0
    with replica(T0 + timedelta(days=10)) as work:
        assert changes.tell_due(work) == 1
        [event] = work.emitted
    assert [(i["id"], i["active"]) for i in event.data["items"]] == [(gone, False)]
    with opened(T0 + timedelta(days=11)) as work:
        assert changes.tell_due(work) == 0
    # Its number is nobody's business any more.
    assert own.rows("SELECT contact FROM directory_entry WHERE key = :k", k=gone) == [(None,)]


def test_a_change_to_come_can_be_cancelled(opened: Opened, known: dict[str, Any], own: Any) -> None:
    gone, moved = workers(known)[:2]
    changed = with_people(without(known, gone), **{moved: {"phone": "00099999999"}})
    before = own.rows("SELECT contact FROM directory_entry WHERE key = :k", k=moved)
    done, _ = take(opened, changed, 1, effective=10)
    with opened(T0 + timedelta(days=2)) as work:
        assert [v.version for v in rows.versions(work, pending=True)] == [done.version]
        changes.cancel(work, done.version, "me", "例会决定暂缓")
    with opened(T0 + timedelta(days=20)) as work:
        assert changes.tell_due(work) == 0
        assert rows.versions(work, pending=True) == []
    assert directory(opened, 20).person(gone) is not None
    held = own.rows("SELECT contact FROM directory_entry WHERE key = :k AND contact IS NOT NULL", k=moved)
    assert held == before
    with pytest.raises(DirectoryError, match="cancelled already"), opened() as work:
        changes.cancel(work, done.version, "me", "x")
    with pytest.raises(DirectoryError, match="in effect already"), opened() as work:
        changes.cancel(work, 1, "me", "x")
    with pytest.raises(DirectoryError, match="no such version"), opened() as work:
        changes.cancel(work, 99, "me", "x")
    again, _ = take(opened, changed, 21)
    assert again.counts == {"person": {"changed": 1, "ended": 1}}


def test_what_is_changed_later_already_is_not_changed_before_without_a_word(
    opened: Opened, known: dict[str, Any]
) -> None:
    one, other = workers(known)[:2]
    first, _ = take(opened, without(known, one), 1, effective=10)
    with pytest.raises(DirectoryError, match="still to come"):
        take(opened, with_people(known, **{one: {"name": "例改名"}}), 2)
    # Others may change meanwhile, and the same one from then on.
    take(opened, with_people(known, **{other: {"name": "例改名"}}), 2)
    last = with_people(without(known, one), **{other: {"name": "例又改"}})
    second, _ = take(opened, {**last, "people": [*last["people"]]}, 3, effective=10)
    with pytest.raises(DirectoryError, match="still to come"):
        take(opened, with_people(known, **{other: {"name": "例再改"}}), 4)
    with opened(T0 + timedelta(days=5)) as work:
        changes.cancel(work, second.version, "me", "x")
        changes.cancel(work, first.version, "me", "x")
    assert directory(opened, 30).person(one).name


def test_a_version_that_another_builds_upon_is_not_cancelled(opened: Opened, known: dict[str, Any]) -> None:
    one = workers(known)[0]
    first, _ = take(opened, with_people(known, **{one: {"name": "例一改"}}), 1, effective=10)
    second, _ = take(opened, without(known, one), 1, effective=10)
    with pytest.raises(DirectoryError, match=f"version {second.version} builds upon it"), opened() as work:
        changes.cancel(work, first.version, "me", "x")


def test_a_change_must_fit_what_is_still_to_come(opened: Opened, known: dict[str, Any]) -> None:
    new = {"id": "p99", "name": "例新", "role": "worker", "grid": GRID}
    take(opened, {**known, "people": [*known["people"], new]}, 1, effective=10)
    below = [g["code"] for g in known["grids"] if g["code"].startswith(GRID)]
    gone = {
        **known,
        "grids": [g for g in known["grids"] if g["code"] not in below],
        "people": [p for p in known["people"] if p["grid"] not in below],
    }
    with pytest.raises(DirectoryError, match="as of 2026-03-12"):
        take(opened, gone, 2)


def test_what_held_is_never_changed(opened: Opened, known: dict[str, Any]) -> None:
    with pytest.raises(DirectoryError, match="is past"):
        take(opened, known, 5, effective=3)
    done, _ = take(opened, known, 5.2, effective=5.1)  # earlier today: from now on
    assert done.at == T0 + timedelta(days=5.2)


def test_who_was_there_on_a_day(opened: Opened, known: dict[str, Any]) -> None:
    one, other = workers(known)[:2]
    take(opened, without(known, one), 10)
    take(opened, without(known, one, other), 20)
    take(opened, without(known, other), 30)
    held: dict[str, list[tuple[float, float | None]]] = {}
    with opened(T0 + timedelta(days=40)) as work:
        for e in rows.people_of(work, GRID):
            begun, over = ((t - T0) / timedelta(days=1) if t else None for t in (e.valid_from, e.valid_to))
            held.setdefault(e.key, []).append((begun or 0.0, over))
        on = {
            day: set(store.read_directory(work, T0 + timedelta(days=day)).workers(GRID))
            for day in (5, 15, 25, 35)
        }
    assert held[one] == [(0, 10), (30, None)]
    assert held[other] == [(0, 20)]
    assert [one in on[d] for d in (5, 15, 25, 35)] == [True, False, False, True]
    assert [other in on[d] for d in (5, 15, 25, 35)] == [True, True, False, False]


def test_lists_that_are_left_out_stay(opened: Opened, known: dict[str, Any]) -> None:
    cadre = {"id": "c1", "name": "例干部", "grid": GRID, "unit": "U01", "phone": "00012345678"}
    done, told = take(opened, {**known, "cadres": [cadre]}, 1)
    assert done.counts == {"person": {"added": 1}}
    assert [(i["id"], i["type"], i["role"], i["grid"]) for i in told] == [("c1", "person", "cadre", GRID)]
    done, _ = take(opened, known, 2)
    assert done.counts == {}
    assert directory(opened, 2).person("c1").unit == "U01"
    done, told = take(opened, {**known, "cadres": []}, 3)
    assert done.counts == {"person": {"ended": 1}}
    assert [(i["id"], i["active"]) for i in told] == [("c1", False)]


def test_everything_comes_back_as_it_was(opened: Opened, known: dict[str, Any]) -> None:
    full = copy.deepcopy(known) | everything()
    full["units"][0]["escalation"] = [{"name": "例局长", "post": "局长", "phone": "00011112222"}]
    full["grids"][0]["boundary"] = {
        "type": "Polygon",
        "coordinates": [[[120.0, 26.8], [120.1, 26.8], [120.1, 26.9], [120.0, 26.8]]],
    }
    done, told = take(opened, full, 1)
    assert done.counts["superior"] == done.counts["seat"] == {"added": 1}
    assert {i["role"] for i in told} == {"superior", "convener", "cadre", "mediator", "volunteer"}
    with opened(T0 + timedelta(days=2)) as work:
        again = changes.document_of(rows.entries(work, work.now).values())
        assert plan(work, opened.runtime.sealer, again).differences == []
    assert again["units"][0]["escalation"][0]["name"] == "例局长"
    assert again["grids"][0]["boundary"]["type"] == "Polygon"
    known_now = directory(opened, 2)
    assert known_now.unit(full["units"][0]["code"]).escalation[0].post == "局长"
    assert known_now.convener("350921001").id == "dgw1"
    assert known_now.teams_of("350921001")[0].members == ("m1",)
    assert not known_now.on_duty("m1", datetime.fromisoformat("2026-03-04T09:00+08:00"))
    assert known_now.on_duty("m1", datetime.fromisoformat("2026-03-07T09:00+08:00"))
    assert known_now.points["P1"].services == ("法律咨询",)


def everything() -> dict[str, Any]:
    """One of each of the lists that may be left out."""
    return {
        "committee": [
            {"id": "dgw1", "name": "例书记", "seat": "convener", "street": "350921001", "post": "书记"}
        ],
        "cadres": [{"id": "c1", "name": "例干部", "grid": GRID, "unit": "U01", "skills": ["法律"]}],
        "volunteers": [
            {"id": "v1", "name": "例志愿", "grid": "350921001001", "languages": ["普通话", "闽东话"]}
        ],
        "mediators": [{"id": "m1", "name": "例评理", "grid": "350921001", "hours": "周六 08:00-12:00"}],
        "teams": [{"code": "T1", "name": "例调解队", "place": "350921001", "lead": "m1", "members": ["m1"]}],
        "points": [
            {
                "code": "P1",
                "name": "例党群服务中心",
                "kind": "party_centre",
                "lat": 26.88,
                "long": 120.0,
                "services": ["法律咨询"],
                "hours": "周一至周五 08:00-12:00、14:30-17:30",
                "capacity": 4,
                "community": "350921001001",
            }
        ],
        "roster": [
            {
                "who": "350921001",
                "role": "worker",
                "from": "2026-03-01",
                "to": "2026-12-31",
                "spans": ["08:00-18:00"],
            }
        ],
        "leave": [{"person": "c1", "from": "2026-03-05", "to": "2026-03-06", "stand_in": "v1"}],
    }


def test_a_wrong_file_does_not_end_half_of_the_directory(opened: Opened, known: dict[str, Any]) -> None:
    few = {**known, "people": known["people"][:20]}
    with opened(T0 + timedelta(days=1)) as work:
        with pytest.raises(DirectoryError, match="would end"):
            plan(work, opened.runtime.sealer, few, removals=False)
        assert plan(work, opened.runtime.sealer, few).counts() == {"person": {"ended": 40}}


def test_masked_phones_stay_and_wrong_masks_are_refused(opened: Opened, known: dict[str, Any]) -> None:
    one = next(p for p in known["people"] if p["phone"])
    assert take(opened, known, 1)[1] == []
    kept = with_people(known, **{one["id"]: {"phone": changes.masked(one["phone"])}})
    assert take(opened, kept, 2)[0].counts == {}
    with pytest.raises(DirectoryError, match="is masked"):
        take(opened, with_people(known, **{one["id"]: {"phone": "999******99"}}), 3)
    assert take(opened, with_people(known, **{one["id"]: {"phone": None}}), 4)[0].counts == {
        "person": {"changed": 1}
    }


def test_a_case_keeps_the_grid_that_it_was_opened_in(opened: Opened, known: dict[str, Any], own: Any) -> None:
    case = own.open(place={"grid": GRID})
    assert case["grid"] == GRID
    below = [g["code"] for g in known["grids"] if g["code"].startswith(GRID)]
    code = f"{GRID[:-3]}G99"
    people = [{**p, "grid": code} if p["grid"] in below else p for p in known["people"]]
    people = [{**p, "role": "worker"} if p["grid"] == code and p["role"] != "worker" else p for p in people]
    new = {
        "code": code,
        "name": "例新网格",
        "kind": "compound",
        "parent": GRID[:12],
        "predecessors": [GRID],
    }
    grids = [g for g in known["grids"] if g["code"] not in below]
    take(opened, {**known, "grids": [*grids, new], "people": people}, 1)
    assert own.case(case["id"])["grid"] == GRID
    assert directory(opened, 1).retired[GRID].successors == (code,)
    # Who reports from the grid as the map still has it reaches the people of the new one.
    later = own.open(place={"grid": GRID}, at=2 * 1440)
    assert later["grid"] == code


def test_tables_and_migrations_agree(opened: Opened) -> None:
    engine = create_engine(driver_url(opened.url))

    def no_view(item: Any, _name: Any, kind: str, _reflected: Any, _other: Any) -> bool:
        return not (kind == "table" and item.info.get("view"))

    with engine.connect() as conn:
        context = MigrationContext.configure(conn, opts={"include_object": no_view, "compare_type": True})
        found = [d for d in compare_metadata(context, store.metadata) if "alembic_version" not in str(d)]
    engine.dispose()
    assert found == []


def test_two_replicas_tell_once(opened: Opened, known: dict[str, Any], own: Any, work_for: Any) -> None:
    gone = workers(known)[0]
    take(opened, without(known, gone), 1, effective=2)
    replica = work_for("routing", own.url)
    late = T0 + timedelta(days=3)
    with opened(late) as work, replica(late) as other:
        assert changes.tell_due(work) == 1
        assert changes.tell_due(other) == 0  # the first hasn't committed yet: its rows are left to it
    with replica(late) as other:
        assert changes.tell_due(other) == 0


def test_who_leaves_with_open_legs_is_named(opened: Opened, known: dict[str, Any], own: Any) -> None:
    case = own.open(place={"grid": GRID})
    holder = case["legs"][0]["assignee"]["id"]
    done, _ = take(opened, without(known, holder), 1)
    assert done.holding == {holder: 1}
    assert own.case(case["id"])["legs"][0]["assignee"]["id"] == holder
