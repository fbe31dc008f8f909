"""Several people and replicas act on one case at one moment: real transactions on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.testing.databases import Opened
from jiayuan.routing import acting, book
from jiayuan.routing.acting import Act
from jiayuan.routing.case import Actor

from .conftest import STREET, Routing

pytestmark = pytest.mark.store

DESKS = [Actor(f"desk-{n}", ("desk",), street=STREET) for n in range(4)]


@pytest.fixture
def replicas(routing: Any) -> Iterator[list[Routing]]:
    """Four processes' worth of connections on one database."""
    opened = [Opened("routing", routing.url) for _ in range(4)]
    yield [Routing(one) for one in opened]
    for one in opened:
        one.close()


def at_once(replicas: list[Routing], acts: list[tuple[Actor, list[Act]]]) -> list[Any]:
    """Each replica's transaction begins before any has ended; the answers, Problems among them."""
    start = Barrier(len(acts))

    def run(replica: Routing, actor: Actor, mine: list[Act]) -> list[Any]:
        with replica.work(10) as work:
            known = book.of(work)
            start.wait(30)
            return acting.act_on_all(work, known, actor, mine)

    with ThreadPoolExecutor(len(acts)) as pool:
        jobs = [pool.submit(run, r, *a) for r, a in zip(replicas, acts, strict=False)]
        return [job.result(60) for job in jobs]


def told(routing: Any, case: dict[str, Any]) -> None:
    """Every step is one sequence, kept once and told once."""
    rows = routing.rows(
        "SELECT sequence FROM case_step WHERE case_id::text = :i ORDER BY sequence", i=case["id"]
    )
    last = routing.rows('SELECT sequence FROM "case" WHERE id::text = :i', i=case["id"])[0][0]
    assert [r[0] for r in rows] == list(range(1, last + 1))
    events = routing.rows(
        "SELECT body ->> 'sequence' FROM outbox_event WHERE body ->> 'subject' = :i",
        i=case["id"],
    )
    assert sorted(int(e[0]) for e in events) == list(range(1, last + 1))


def test_of_those_who_saw_the_same_the_first_wins_and_the_others_get_the_state(
    routing: Any, replicas: list[Routing]
) -> None:
    workers = [r[0] for r in routing.rows("SELECT id FROM person WHERE role = 'worker' ORDER BY id LIMIT 4")]
    for _ in range(5):
        case = routing.open()
        holder = case["legs"][0]["assignee"]["id"]
        others = [w for w in workers if w != holder][:3]
        acts = [
            (
                desk,
                [
                    Act(
                        case["id"],
                        "assign",
                        words={"assignee": {"type": "person", "id": w}, "reason": "请办理"},
                        sequence=2,
                    )
                ],
            )
            for desk, w in zip(DESKS, others, strict=False)
        ]
        out = [o[0] for o in at_once(replicas, acts)]
        won = [o for o in out if not isinstance(o, Problem)]
        lost = [o for o in out if isinstance(o, Problem)]
        assert (len(won), len(lost)) == (1, 2)
        for problem in lost:
            assert (problem.status, problem.extra["sequence"]) == (409, 3)
            assert "assign" in problem.extra["allowed"]
        now = routing.case(case["id"])
        assert [leg["state"] for leg in now["legs"]] == ["reassigned", "offered"]
        told(routing, case)


def test_one_asks_and_four_decide_it_is_decided_once(routing: Any, replicas: list[Routing]) -> None:
    case = routing.open()
    me = Actor(case["legs"][0]["assignee"]["id"], ("grid_worker",))
    with routing.work(1) as work:
        acting.act(work, book.of(work), me, Act(case["id"], "accept"))
    with routing.work(2) as work:
        words = {"seconds": 3600, "reason": "等配件"}
        acting.act(work, book.of(work), me, Act(case["id"], "extend", words=words))
    approval = routing.case(case["id"])["approvals"][0]["id"]
    acts = [(desk, [Act(case["id"], "decide", approval=approval, words={"granted": True})]) for desk in DESKS]
    out = [o[0] for o in at_once(replicas, acts)]
    assert sorted(getattr(o, "status", 200) for o in out) == [200, 409, 409, 409]
    assert len(routing.case(case["id"])["extensions"]) == 1
    told(routing, case)


def test_many_cases_in_opposite_orders_and_nobody_waits_for_ever(
    routing: Any, replicas: list[Routing]
) -> None:
    found = [routing.open() for _ in range(6)]
    there, back = [c["id"] for c in found], [c["id"] for c in reversed(found)]
    acts = [
        (desk, [Act(i, "urge") for i in order])
        for desk, order in zip(DESKS, (there, back, there, back), strict=True)
    ]
    for out in at_once(replicas, acts):
        assert not [o for o in out if isinstance(o, Problem)]
    for case in found:
        assert sorted(u["by"] for u in routing.case(case["id"])["urged"]) == [d.subject for d in DESKS]
        told(routing, case)
