"""A case and many people with old views of it, against a plain reference that knows nothing of the machine.

Everybody acts through `acting.take`, the way in of HTTP, the command line and the bus. The reference keeps names and
flags in lists and says for every act what must come of it; after every step the invariants are looked at.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.testing.models import examples
from jiayuan.contracts.check import problems
from jiayuan.contracts.schemas.case import CaseChanged
from jiayuan.contracts.times import iso, parse
from jiayuan.routing import acting, policy
from jiayuan.routing import case as cases
from jiayuan.routing.acting import Act
from jiayuan.routing.case import Actor, Assignee, Case, Moves, Rung

pytestmark = pytest.mark.unit

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
STREET, COMMUNITY = "350921001", "350921001001"
DESK, COUNTY = f"desk-{STREET}", "desk-350921000"
PEOPLE = {
    "w1": Actor("w1", ("grid_worker",), community=COMMUNITY),
    "w2": Actor("w2", ("grid_worker",), community=COMMUNITY),
    "leader": Actor("leader", ("grid_leader",), community=COMMUNITY),
    "stranger": Actor("stranger", ("grid_leader",), community="350921002001"),
    "d1": Actor("d1", ("desk",), street=STREET),
    "d2": Actor("d2", ("desk",), street=STREET),
    "k1": Actor("k1", ("county",)),
    "k2": Actor("k2", ("county",)),
    "a1": Actor("a1", ("unit_clerk",), "UA"),
    "a2": Actor("a2", ("unit_clerk",), "UA"),
    "b1": Actor("b1", ("unit_clerk",), "UB"),
    "i1": Actor("i1", ("inspector",)),
    "v1": Actor("v1", ("convener",), street=STREET),
}
POLICY = policy.bundled()
HOURS = {"return": 4, "extension": 24, "pause": 24, "void": 72}


class Directory:
    """Two workers, a leader and two units."""

    def person(self, id_: str) -> Any:
        roles = {"w1": "worker", "w2": "worker", "leader": "leader"}
        return SimpleNamespace(role=roles[id_]) if id_ in roles else None

    def unit(self, code: str) -> Any:
        return code if code in ("UA", "UB") else None


STAFF = SimpleNamespace(on_duty=lambda *_: True)
BOOK: Any = SimpleNamespace(directory=Directory(), policy=lambda _at: POLICY, staff=STAFF)


@pytest.fixture(scope="module", autouse=True)
def _no_database() -> Iterator[None]:
    """Which limits the rule gave is asked of the database: here a colour changes none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(acting.colouring, "finish_limit", lambda *_: None)
        yield


# -- the reference -----------------------------------------------------------------------------------


@dataclass
class PlainLeg:
    kind: str
    type: str
    who: str
    state: str = "offered"
    begun: bool = False
    hands: set[str] = field(default_factory=set)
    extended: bool = False
    limit: bool = True

    @property
    def live(self) -> bool:
        return self.state in ("offered", "accepted", "answered")

    @property
    def main(self) -> bool:
        return self.kind in ("handle", "lead")


@dataclass
class Asked:
    kind: str
    leg: PlainLeg | None
    by: str
    at: datetime
    of: str
    until: datetime | None = None
    decided: bool | None = None
    decided_by: str = ""


class No(Exception):
    """The reference refuses, with this status."""


class Plain:
    """What a case is, in the simplest words."""

    def __init__(self) -> None:
        self.legs = [PlainLeg("handle", "person", "w1")]
        self.state = "assigned"
        self.asked: list[Asked] = []
        self.pauses: list[list[Any]] = []  # start, end, mode
        self.supervised: list[list[Any]] = []  # by, over?
        self.urged = 0
        self.colour = "yellow"
        self.inspection: tuple[str, bool, bool] | None = None  # by, passed, of this result?
        self.reopened = self.reworked = 0
        self.rated: tuple[bool, int | None] | None = None
        self.confirmed: str | None = None
        self.closed_at: datetime | None = None
        self.resolved_at: datetime | None = None
        self.whistled = False
        self.misdirected = 0

    # what holds

    @property
    def over(self) -> bool:
        return self.state in ("closed", "voided", "merged")

    @property
    def unresolved(self) -> bool:
        return not self.over and self.state != "resolved"

    def holds(self, who: Actor, leg: PlainLeg) -> bool:
        if leg.type == "person":
            return leg.who == who.subject
        if leg.type == "unit":
            return leg.who == who.unit
        return leg.who == DESK and "desk" in who.roles

    def desk(self, who: Actor) -> bool:
        return "desk" in who.roles or "county" in who.roles

    def above(self, who: Actor) -> bool:
        return self.desk(who) or who.subject in ("leader", "v1")

    def handled(self, who: Actor) -> bool:
        return any(
            leg.begun
            and (
                who.subject in leg.hands
                or (leg.type == "person" and leg.who == who.subject)
                or (leg.type == "unit" and leg.who == who.unit)
            )
            for leg in self.legs
        )

    def lasting(self, now: datetime, mode: bool | None = None) -> list[list[Any]]:
        return [
            p for p in self.pauses if (p[1] is None or p[1] > now) and (mode is None or bool(p[2]) == mode)
        ]

    def waiting(self, kind: str, leg: PlainLeg | None) -> Asked | None:
        return next((a for a in self.asked if a.kind == kind and a.leg is leg and a.decided is None), None)

    # what happens

    def stand(self) -> None:
        """The state follows from the legs: those of this round, which began when somebody was offered it anew."""
        main = [leg for leg in self.legs if leg.main and leg.live]
        done = [leg for leg in self.legs if leg.main and leg.state == "done" and leg in self.round]
        words = ["answered" if leg.state in ("answered", "done") else leg.state for leg in (*main, *done)]
        order = ("answered", "accepted", "offered")
        best = next((w for w in order if w in words), "open")
        self.state = "assigned" if best == "offered" else best

    @property
    def round(self) -> list[PlainLeg]:
        return self.legs[self.since :]

    since = 0

    def offer(self, kind: str, type_: str, who: str, *, limit: bool = True, anew: bool = True) -> None:
        self.legs.append(PlainLeg(kind, type_, who, limit=limit))
        if anew and kind in ("handle", "lead"):
            self.since = len(self.legs) - 1

    def after(self, now: datetime) -> None:
        """What ends with a leg or with the case."""
        for a in self.asked:
            if a.decided is None and (self.over or (a.leg is not None and not a.leg.live)):
                a.decided, a.decided_by = False, "routing"
        if self.over or self.state == "resolved":
            for p in self.lasting(now):
                p[1] = now
        if self.over:
            for s in self.supervised:
                s[1] = True

    def maybe_resolved(self, now: datetime) -> None:
        owed = any(leg.live and leg.kind != "supervise" for leg in self.legs)
        if owed or not any(leg.main and leg.state == "done" for leg in self.legs):
            self.stand()
            return
        for leg in self.legs:
            if leg.live:
                leg.state = "released"
        self.state, self.resolved_at = "resolved", now
        if self.inspection:
            self.inspection = (*self.inspection[:2], False)
        self.after(now)
        if self.rated is not None:
            solved, satisfaction = self.rated
            self.rate_now(solved, satisfaction, now)

    def rate_now(self, solved: bool, satisfaction: int | None, now: datetime) -> None:
        self.rated = None
        if solved or self.reopened:
            good = solved and (satisfaction is None or satisfaction >= 3)
            self.end("closed", now, "satisfied" if good else "unsatisfied")
        else:
            self.open_again()

    def end(self, state: str, now: datetime, word: str | None = None) -> None:
        for leg in self.legs:
            if leg.live:
                leg.state = "released"
        self.state, self.closed_at, self.confirmed = state, now, word
        self.after(now)

    def open_again(self) -> None:
        self.offer("handle", "desk", DESK, limit=self.legs[0].limit)
        self.state, self.reopened = "assigned", self.reopened + 1
        self.closed_at = self.resolved_at = self.confirmed = None

    def returned(self, leg: PlainLeg) -> None:
        leg.state = "returned"
        if not any(o.live and o.kind == "handle" and o.type == "desk" for o in self.legs):
            self.offer("handle", "desk", DESK, limit=leg.limit, anew=False)
        self.stand()

    # the moves: what must come of them

    def act(self, who: Actor, move: str, leg: PlainLeg | None, words: dict[str, Any], now: datetime) -> bool:
        """Whether something happens; No with the status when it may not."""
        return bool(getattr(self, f"do_{move}")(who, leg, words, now))

    def mine(self, who: Actor, leg: PlainLeg, states: tuple[str, ...]) -> None:
        if not self.holds(who, leg):
            raise No(403)
        if not self.unresolved or leg.state not in states:
            raise No(409)

    def forward(
        self, who: Actor, leg: PlainLeg, needs: tuple[str, ...], past: tuple[str, ...], to: str
    ) -> bool:
        if self.holds(who, leg) and leg.state in past:
            return False
        self.mine(who, leg, needs)
        leg.state, leg.begun = to, True
        if leg.type != "person":
            leg.hands.add(who.subject)
        return True

    def do_accept(self, who: Actor, leg: PlainLeg, _words: Any, now: datetime) -> bool:
        moved = self.forward(who, leg, ("offered",), ("accepted", "answered", "done"), "accepted")
        if moved:
            self.stand()
            self.after(now)
        return moved

    def do_answer(self, who: Actor, leg: PlainLeg, _words: Any, now: datetime) -> bool:
        moved = self.forward(who, leg, ("accepted",), ("answered", "done"), "answered")
        if moved:
            self.stand()
            self.after(now)
        return moved

    def do_resolve(self, who: Actor, leg: PlainLeg, _words: Any, now: datetime) -> bool:
        moved = self.forward(who, leg, ("accepted", "answered"), ("done",), "done")
        if moved:
            self.maybe_resolved(now)
            self.after(now)
        return moved

    def ask(self, who: Actor, kind: str, leg: PlainLeg | None, now: datetime, until: Any = None) -> bool:
        own = leg is not None and leg.type == "desk"
        of = COUNTY if kind == "void" or own else DESK
        self.asked.append(Asked(kind, leg, who.subject, now, of, until))
        return True

    def asked_before(self, who: Actor, kind: str, leg: PlainLeg | None) -> bool:
        """The same by the same is no error; somebody else's stands in the way."""
        waiting = self.waiting(kind, leg)
        if waiting is not None and waiting.by != who.subject:
            raise No(409)
        return waiting is not None

    def do_return(self, who: Actor, leg: PlainLeg, _words: Any, now: datetime) -> bool:
        if self.holds(who, leg) and leg.state == "returned":
            return False
        if self.holds(who, leg) and (w := self.waiting("return", leg)) and w.by == who.subject:
            return False
        self.mine(who, leg, ("offered", "accepted", "answered"))
        if leg.kind == "supervise" or leg.type == "desk":
            raise No(409)
        self.asked_before(who, "return", leg)
        if leg.state != "offered":
            return self.ask(who, "return", leg, now)
        self.returned(leg)
        self.after(now)
        return True

    def do_extend(self, who: Actor, leg: PlainLeg, _words: Any, now: datetime) -> bool:
        if self.holds(who, leg) and (w := self.waiting("extension", leg)) and w.by == who.subject:
            return False
        self.mine(who, leg, ("accepted", "answered"))
        if leg.kind == "supervise" or not leg.limit or leg.extended:
            raise No(409)
        self.asked_before(who, "extension", leg)
        return self.ask(who, "extension", leg, now)

    def do_pause(self, who: Actor, leg: PlainLeg, words: Any, now: datetime) -> bool:
        if self.holds(who, leg) and (w := self.waiting("pause", leg)) and w.by == who.subject:
            return False
        self.mine(who, leg, ("accepted", "answered"))
        if leg.kind == "supervise" or self.lasting(now, mode=False):
            raise No(409)
        self.asked_before(who, "pause", leg)
        return self.ask(who, "pause", leg, now, parse(words["until"]))

    def do_release(self, who: Actor, leg: PlainLeg, _words: Any, now: datetime) -> bool:
        if not self.desk(who) and who.subject != "v1":
            raise No(403)
        if leg.state == "released":
            return False
        if not self.unresolved or not leg.live or leg.kind != "assist":
            raise No(409)
        leg.state = "released"
        self.maybe_resolved(now)
        self.after(now)
        return True

    def do_assign(self, who: Actor, _leg: Any, words: Any, now: datetime) -> bool:
        if not self.desk(who):
            raise No(403)
        if not self.unresolved:
            raise No(409)
        type_, to = words["assignee"]["type"], words["assignee"]["id"]
        others = [u for u in words.get("assistants") or () if u != to]
        main = [leg for leg in self.legs if leg.live and leg.main]
        desks = [leg for leg in main if leg.type == "desk"]
        if not desks and len(main) > 1:
            raise No(409)
        old = desks[0] if desks else (main[0] if main else None)
        if old is not None and (old.type, old.who) == (type_, to) and not words.get("assistants"):
            return False
        limit = old.limit if old is not None else False
        if old is not None:
            old.state = "reassigned"
        if any(leg.live and leg.who == to and leg.kind in ("lead", "assist") for leg in self.legs):
            raise No(409)
        called = {leg.who for leg in self.legs if leg.live} | {to}
        if type_ == "person":
            self.offer("handle", "person", to, limit=limit)
        else:
            leads = any(leg.live and leg.kind == "lead" for leg in self.legs)
            self.offer("assist" if leads else "lead", "unit", to, limit=limit)
            self.whistled = True
        for unit in others:
            if unit not in called:
                self.offer("assist", "unit", unit, limit=limit)
        self.stand()
        self.after(now)
        return True

    def do_resume(self, who: Actor, _leg: Any, _words: Any, now: datetime) -> bool:
        mine = any(leg.live and self.holds(who, leg) for leg in self.legs)
        if not (mine or self.desk(who)):
            raise No(403)
        if not self.unresolved or not self.lasting(now):
            raise No(409)
        for p in self.lasting(now):
            p[1] = now
        return True

    def do_urge(self, who: Actor, _leg: Any, _words: Any, _now: datetime) -> bool:
        if not self.above(who):
            raise No(403)
        if not self.unresolved:
            raise No(409)
        self.urged += 1
        return True

    def do_supervise(self, who: Actor, _leg: Any, _words: Any, _now: datetime) -> bool:
        if not self.desk(who):
            raise No(403)
        if [who.subject, False] in self.supervised:
            return False
        if not self.unresolved:
            raise No(409)
        self.supervised.append([who.subject, False])
        return True

    def do_unsupervise(self, who: Actor, _leg: Any, _words: Any, _now: datetime) -> bool:
        if not self.desk(who):
            raise No(403)
        mine = [s for s in self.supervised if not s[1] and (s[0] == who.subject or "county" in who.roles)]
        if self.over or not mine:
            raise No(409)
        for s in mine:
            s[1] = True
        return True

    def do_recolour(self, who: Actor, _leg: Any, words: Any, _now: datetime) -> bool:
        if not self.desk(who) and who.subject != "v1":
            raise No(403)
        if not self.unresolved:
            raise No(409)
        if self.colour == words["colour"]:
            return False
        self.colour = words["colour"]
        return True

    def do_inspect(self, who: Actor, _leg: Any, words: Any, _now: datetime) -> bool:
        if not self.above(who) and who.subject != "i1":
            raise No(403)
        if self.state == "closed" and self.inspection == (who.subject, True, True) and words["passed"]:
            return False
        if self.state == "resolved" and self.inspection and self.inspection[1:] == (True, True):
            if self.inspection[0] == who.subject and words["passed"]:
                return False
            raise No(409)
        if self.state != "resolved":
            raise No(409)
        if self.handled(who):
            raise No(403)
        self.inspection = (who.subject, words["passed"], True)
        if not words["passed"]:
            last = [leg for leg in self.legs if leg.main and leg.state == "done"][-1]
            self.offer(last.kind, last.type, last.who, limit=last.limit)
            self.state, self.resolved_at, self.reworked = "assigned", None, self.reworked + 1
        return True

    def do_close(self, who: Actor, _leg: Any, words: Any, now: datetime) -> bool:
        if not self.desk(who) and who.subject != "v1":
            raise No(403)
        if self.state == "closed" and self.confirmed == words["confirmed"]:
            return False
        if self.state != "resolved" or not self.inspection or self.inspection[1:] != (True, True):
            raise No(409)
        if self.handled(who) or self.inspection[0] == who.subject:
            raise No(403)
        self.end("closed", now, words["confirmed"])
        return True

    def do_reopen(self, who: Actor, _leg: Any, _words: Any, now: datetime) -> bool:
        if not self.desk(who):
            raise No(403)
        if self.state not in ("resolved", "closed"):
            raise No(409)
        if self.state == "closed" and self.closed_at and now > self.closed_at + timedelta(days=30):
            raise No(409)
        self.open_again()
        return True

    def do_void(self, who: Actor, _leg: Any, _words: Any, now: datetime) -> bool:
        if not self.desk(who):
            raise No(403)
        if self.state == "voided":
            return False
        if (w := self.waiting("void", None)) and w.by == who.subject:
            return False
        if self.over:
            raise No(409)
        self.asked_before(who, "void", None)
        return self.ask(who, "void", None, now)

    def decide(self, who: Actor, asked: Asked, granted: bool, now: datetime) -> bool:
        sits = "county" in who.roles if asked.of == COUNTY else "desk" in who.roles
        if not sits:
            raise No(403)
        if asked.decided is not None:
            if (asked.decided, asked.decided_by) == (granted, who.subject):
                return False
            raise No(409)
        if asked.by == who.subject:
            raise No(403)
        self.decided(asked, granted, who.subject, now)
        return True

    def decided(self, asked: Asked, granted: bool, by: str, now: datetime) -> None:
        asked.decided, asked.decided_by = granted, by
        if not granted:
            return
        if asked.kind == "return":
            assert asked.leg is not None
            self.returned(asked.leg)
        elif asked.kind == "extension":
            assert asked.leg is not None
            asked.leg.extended = True
        elif asked.kind == "pause":
            if asked.until and asked.until > now and not self.lasting(now, mode=False):
                self.pauses.append([now, asked.until, None])
        else:
            self.end("voided", now)
        self.after(now)

    def overdue(self, now: datetime) -> None:
        for asked in list(self.asked):
            if asked.decided is None and asked.at + timedelta(hours=HOURS[asked.kind]) <= now:
                self.decided(asked, asked.kind == "return", "routing", now)


# -- the machine under test --------------------------------------------------------------------------


class Locked:
    """What `acting.take` needs of `Moving`: one locked case, a clock, and whoever takes the steps."""

    def __init__(self, case: Case, now: datetime) -> None:
        self.cases = {case.id: case}
        self.work = SimpleNamespace(now=now)
        self.moves: Moves = ()

    def take(self, case: Case, moves: Moves, *_: Any) -> None:
        self.cases[case.id] = case
        self.moves += moves


def opened() -> Case:
    leg = cases.new_leg("handle", "grid", 0, Assignee("person", "w1"), iso(T0), 900, 86400)
    case = Case(
        id="C1",
        number="350921001-260302-000001",
        sequence=1,
        state="open",
        kind="problem",
        title="路灯不亮",
        category={"code": "0102"},
        livelihood=True,
        colour="yellow",
        level="grid",
        street=STREET,
        community=COMMUNITY,
        grid=None,
        decision={"policy": "2026.1", "rule": "r", "reason": "因为"},
        reports=({"id": "R1", "reporter": "c1", "channel": "hotline", "received_at": iso(T0)},),
        first_received_at=iso(T0),
        opened_at=iso(T0),
    )
    first = cases.opened(case, "routing")
    return cases.assign_first(first.case, (leg,), "routing").case


GOING_ON = (
    *("accept", "answer", "resolve", "accept", "resolve", "inspect", "close", "inspect", "close"),
    *("return", "extend", "pause", "rework", "assign", "reopen", "void", "supervise", "release"),
)


class CaseMachine(RuleBasedStateMachine):
    """Each rule is one person who looks at a version of the case that may be old, and does something."""

    @initialize()
    def begin(self) -> None:
        self.case, self.plain, self.now = opened(), Plain(), T0
        self.seen = [self.case]
        self.steps: list[Any] = []

    def record(self, moves: Moves) -> None:
        for moved in moves:
            before, self.case = self.case, moved.case
            assert moved.case.sequence == before.sequence + 1
            data = {"case": cases.document(moved.case), "change": cases.change_document(moved.change)}
            assert problems(CaseChanged, data) == []
            r = moved.case.rating
            rating = (
                {"solved": r.solved, "satisfaction": r.satisfaction, "at": r.at, "by": r.by} if r else None
            )
            assert (
                cases.from_document(data["case"], moved.case.sequence, moved.case.reopened, rating)
                == moved.case
            )
            assert moved.change.actor
            assert moved.change.event.startswith("case.")
            self.steps.append(moved.change)
        self.seen.append(self.case)

    def try_(self, who: str, move: str, view: int, leg: int, words: dict[str, Any], old_view: bool) -> None:
        """`view`: how many versions ago somebody looked; `old_view`: whether he says so."""
        seen = self.seen[max(0, len(self.seen) - 1 - view)]
        actor = PEOPLE[who]
        index = leg % len(seen.legs)
        on_leg = cases.machine.TABLE[move].on == "leg"
        act = Act(
            self.case.id,
            move,
            leg=seen.legs[index].id if on_leg else None,
            words=words,
            sequence=seen.sequence if old_view else None,
        )
        # Legs are only ever added, so that the one with that number is the same in the reference.
        self.compare(
            actor, act, lambda p: p.act(actor, move, p.legs[index] if on_leg else None, words, self.now)
        )

    def compare(self, actor: Actor, act: Act, expected: Any) -> None:
        plain, want = copy.deepcopy(self.plain), 200
        try:
            moved = expected(plain)
        except No as no:
            want, moved = int(str(no)), False
        if moved and act.sequence is not None and act.sequence != self.case.sequence:
            want, moved, plain = 409, False, self.plain  # somebody was faster
        locked: Any = Locked(self.case, self.now)
        done, problem = acting.Done(self.case, ()), None
        try:
            done = acting.take(locked, BOOK, actor, act)
        except Problem as found:
            problem = found
        got = problem.status if problem is not None else 200
        assert got == want, (act, self.case.state, [leg.state for leg in self.case.legs], problem)
        if problem is not None:
            assert problem.extra["state"] == self.case.state
            assert problem.extra["sequence"] == self.case.sequence
            assert problem.detail
        elif moved:
            self.plain = plain
        assert bool(done.moves) == moved, (act, done.moves)
        self.record(done.moves)

    # -- what people do

    @rule(
        what=st.sampled_from(
            ("get_on",) * 12
            + ("get_decided",) * 3
            + ("handle", "return_it", "extend", "pause", "release", "assign", "on_the_case", "recolour")
            + ("inspect", "close", "decide", "time_goes_by", "time_goes_by", "rate", "withdraw", "lapse")
            + ("breach", "emergency", "join")
        ),
        move=st.sampled_from(range(1000)),
        going=st.sampled_from(GOING_ON),
        who=st.sampled_from(sorted(PEOPLE)),
        leg=st.integers(0, 9),
        view=st.integers(0, 9),
        old=st.booleans(),
        to=st.sampled_from((("person", "w1"), ("person", "w2"), ("unit", "UA"), ("unit", "UB"))),
        both=st.booleans(),
    )
    def somebody_does_something(self, what: str, **drawn: Any) -> None:
        """One rule for all: so that every run has everything in it. No two things happen at one microsecond."""
        self.now += timedelta(seconds=1)
        getattr(self, what)(SimpleNamespace(**drawn))

    def handle(self, d: Any) -> None:
        self.try_(d.who, ("accept", "answer", "resolve")[d.move % 3], d.view, d.leg, {}, d.old)

    def get_on(self, d: Any) -> None:
        """Somebody who may: chance alone would seldom come far."""
        move = d.going
        words: dict[str, Any] = {
            "return": {"note": "不属于这里"},
            "extend": {"seconds": 7200, "reason": "等配件"},
            "pause": {"until": iso(self.now + timedelta(hours=30)), "reason": "等天晴"},
            "inspect": {"passed": True, "note": "看过"},
            "rework": {"passed": False, "note": "没做好"},
            "close": {"confirmed": "satisfied", "reason": "回访"},
            "assign": self.assignment(d),
        }.get(move, {"reason": "有原因"} if move in ("reopen", "void", "supervise", "release") else {})
        move = "inspect" if move == "rework" else move
        names = sorted(PEOPLE)
        for name in (*names[d.leg :], *names[: d.leg]):
            for i, leg in enumerate(self.plain.legs):
                if (leg.live or i == 0) and self.would(PEOPLE[name], move, i, words):
                    self.try_(name, move, 0, i, words, True)
                    return

    def would(self, actor: Actor, move: str, i: int, words: dict[str, Any]) -> bool:
        plain = copy.deepcopy(self.plain)
        try:
            return plain.act(actor, move, plain.legs[i], words, self.now)
        except No:
            return False

    def assignment(self, d: Any) -> dict[str, Any]:
        words: dict[str, Any] = {"assignee": {"type": d.to[0], "id": d.to[1]}, "reason": "请办理"}
        if d.both and d.to[0] == "unit":
            words["assistants"] = ["UA", "UB"]
        return words

    def return_it(self, d: Any) -> None:
        self.try_(d.who, "return", d.view, d.leg, {"note": "不属于这里"}, d.old)

    def extend(self, d: Any) -> None:
        self.try_(d.who, "extend", 0, d.leg, {"seconds": 3600, "reason": "等配件"}, False)

    def pause(self, d: Any) -> None:
        until = iso(self.now + timedelta(hours=1 + d.move % 200))
        self.try_(d.who, "pause", 0, d.leg, {"until": until, "reason": "等天晴"}, False)

    def release(self, d: Any) -> None:
        self.try_(d.who, "release", d.view, d.leg, {"reason": "不需要了"}, d.old)

    def assign(self, d: Any) -> None:
        self.try_(d.who, "assign", d.view, 0, self.assignment(d), d.old)

    def on_the_case(self, d: Any) -> None:
        moves = ("resume", "urge", "supervise", "unsupervise", "reopen", "void")
        self.try_(d.who, moves[d.move % len(moves)], 0, 0, {"reason": "有原因"}, False)

    def recolour(self, d: Any) -> None:
        words = {"colour": ("red", "yellow")[d.move % 2], "reason": "有人受伤"}
        self.try_(d.who, "recolour", 0, 0, words, False)

    def inspect(self, d: Any) -> None:
        self.try_(d.who, "inspect", d.view, 0, {"passed": d.both, "note": "看过"}, d.old)

    def close(self, d: Any) -> None:
        word = ("satisfied", "unsatisfied", "lapsed")[d.move % 3]
        self.try_(d.who, "close", 0, 0, {"confirmed": word, "reason": "回访"}, False)

    def decide(self, d: Any) -> None:
        if self.case.approvals:
            self.decide_on(d.move % len(self.case.approvals), d.who, d.both)

    def get_decided(self, d: Any) -> None:
        """Whoever may decides what waits the longest."""
        for i, asked in enumerate(self.case.approvals):
            for name in ("d1", "d2") if asked["of"] == DESK else ("k1", "k2"):
                if not asked.get("decided_at") and asked["asked_by"] != name:
                    self.decide_on(i, name, d.move % 3 > 0)
                    return

    def decide_on(self, i: int, who: str, granted: bool) -> None:
        asked, actor = self.case.approvals[i], PEOPLE[who]
        at = len(self.plain.asked) - len(self.case.approvals) + i
        act = Act(self.case.id, "decide", approval=asked["id"], words={"granted": granted, "note": "知道了"})
        self.compare(actor, act, lambda p: p.decide(actor, p.asked[at], granted, self.now))

    # -- what comes by itself

    def time_goes_by(self, d: Any) -> None:
        self.now += timedelta(minutes=1 + d.move % 90 if d.both else 1 + d.move * 60)
        moves = cases.overdue(self.case, self.now, 3600)
        self.plain.overdue(self.now)
        self.record(moves)

    def rate(self, d: Any) -> None:
        if d.move % 3 == 0:
            return
        solved, satisfaction, plain = d.both, (None, 1, 5)[d.move % 3], self.plain
        after, moves = cases.rate(self.case, solved, satisfaction, "report:R1", self.now, 3600, 30)
        if moves:
            self.record(moves)
        else:
            self.case = self.seen[-1] = after
        if plain.unresolved:
            plain.rated = (solved, satisfaction)
        elif plain.state == "resolved":
            plain.rate_now(solved, satisfaction, self.now)
        elif plain.confirmed == "lapsed" and not solved and not plain.reopened:
            assert plain.closed_at is not None
            if self.now <= plain.closed_at + timedelta(days=30):
                plain.open_again()

    def withdraw(self, d: Any) -> None:
        if d.move % 8:
            return
        self.record(cases.withdraw(self.case, "report:R1", self.now))
        if not self.plain.over:
            self.plain.end("closed", self.now, "withdrawn")

    def lapse(self, d: Any) -> None:
        if d.move % 4:
            return
        started = self.case.resolved_at or iso(T0)
        self.record(cases.lapse(self.case, started, "routing", self.now))
        if self.plain.state == "resolved":
            self.plain.end("closed", self.now, "lapsed")

    def breach(self, d: Any) -> None:
        """A response limit has passed: up the ladder (leader, then desk), or the desk looks over it."""
        index = d.leg % len(self.case.legs)
        ladder = (Rung(1, "grid", Assignee("person", "leader")), Rung(3, "street", Assignee("desk", DESK)))
        limits: dict[str, int | None] = {"grid": 900, "street": 3600}
        real = self.case.legs[index]
        self.record(cases.raise_step(self.case, real.id, ladder, "routing", self.now, limits))
        plain, old = self.plain, self.plain.legs[index]
        if plain.over or old.state not in ("offered", "accepted") or old.type == "desk":
            return
        if old.type == "unit" or old.state == "accepted":
            has_it = any(o.live and o.kind == "handle" and o.type == "desk" for o in plain.legs)
            if not has_it and not any(o.kind == "supervise" and o.state != "released" for o in plain.legs):
                plain.offer("supervise", "desk", DESK, limit=False)
        else:
            old.state = "reassigned"
            higher = ("desk", DESK) if real.step >= 1 else ("person", "leader")
            plain.offer("handle", *higher, limit=old.limit)
            plain.stand()
            plain.after(self.now)

    def emergency(self, d: Any) -> None:
        plain = self.plain
        if not plain.unresolved:
            return
        if d.both:
            self.record(cases.pause(self.case, "台风", "k1", self.now, emergency="E1"))
            if not plain.lasting(self.now, mode=True):
                plain.pauses.append([self.now, None, "E1"])
        else:
            self.record(cases.resume(self.case, "k1", self.now, emergency="E1"))
            for p in plain.lasting(self.now, mode=True):
                p[1] = self.now

    def join(self, d: Any) -> None:
        """The case goes up in another one, or comes back from it."""
        plain, when = self.plain, iso(self.now)
        if plain.unresolved and d.move % 4 == 0:
            other = replace(opened(), id="C2", number="350921001-260302-000002")
            self.record(cases.merge_away(self.case, other, "intake", when))
            plain.end("merged", self.now)
        elif plain.state == "merged":
            leg = cases.new_leg("handle", "grid", 0, Assignee("person", "w2"), when, 900, 86400)
            self.record(cases.unmerge(self.case, (leg,), "d1", when, "不是一回事"))
            plain.offer("handle", "person", "w2")
            plain.state, plain.closed_at = "assigned", None

    # -- what always holds

    @invariant()
    def the_reference_is_the_case(self) -> None:
        if not hasattr(self, "case"):
            return
        case, plain = self.case, self.plain
        assert case.state == plain.state, [
            (g.kind, g.assignee.id, g.state, g.offered_at[11:19], g.done_at, g.ended_at) for g in case.legs
        ]
        assert [(g.kind, g.assignee.type, g.assignee.id, g.state) for g in case.legs] == [
            (g.kind, g.type, g.who, g.state) for g in plain.legs
        ]
        assert [(a["kind"], a.get("granted")) for a in case.approvals] == [
            (a.kind, a.decided) for a in plain.asked[-len(case.approvals) :] if case.approvals
        ]
        assert [p.get("end") for p in case.pauses] == [iso(p[1]) if p[1] else None for p in plain.pauses]
        assert (case.reopened, case.reworked) == (plain.reopened, plain.reworked)
        assert (case.colour, case.confirmed) == (plain.colour, plain.confirmed)
        assert len(case.urged) == min(20, plain.urged)
        assert [bool(s.get("ended_at")) for s in case.supervised].count(False) == [
            s[1] for s in plain.supervised
        ].count(False)
        assert (case.rating is not None) == (plain.rated is not None)

    @invariant()
    def nobody_is_left_out_and_nobody_is_doubled(self) -> None:
        if not hasattr(self, "case"):
            return
        case = self.case
        live = [leg for leg in case.legs if leg.live]
        if case.state in ("assigned", "accepted", "answered"):
            assert [leg for leg in live if leg.kind != "supervise"], "somebody owes something"
            main = [leg for leg in live if leg.kind in cases.MAIN]
            assert case.whistle is not None or len(main) == 1, "one handles it, unless units were whistled"
        else:
            assert live == []
            assert not cases.machine.paused(case, self.now), "no pause outlives the handling"
        ids = [leg.assignee for leg in live if leg.kind in cases.MAIN]
        assert len(ids) == len(set(ids))
        assert len({leg.id for leg in case.legs}) == len(case.legs)

    @invariant()
    def duties_are_separate(self) -> None:
        if not hasattr(self, "case"):
            return
        hands: set[str] = set()
        inspector = None
        for change in self.steps:
            if change.action in ("accept", "answer", "resolve"):
                hands.add(change.actor)
            elif change.action == "inspect":
                assert change.actor not in hands
                inspector = change.actor
            elif change.action == "close":
                assert change.actor not in hands
                assert change.actor != inspector
        for asked in self.case.approvals:
            if asked.get("decided_by") not in (None, "routing"):
                assert asked["decided_by"] != asked["asked_by"]

    @invariant()
    def clocks_can_be_told_the_truth(self) -> None:
        if not hasattr(self, "case"):
            return
        case = self.case
        extended = [e["leg"] for e in case.extensions]
        assert len(extended) == len(set(extended)), "an extension once a leg"
        for span in case.pauses:
            assert not span.get("end") or parse(span["start"]) <= parse(span["end"])
        for mode in (None, "E1"):
            own = [p for p in case.pauses if p.get("emergency") == mode]
            for one, next_ in pairwise(own):
                assert one["end"]
                assert parse(one["end"]) <= parse(next_["start"]), "pauses of a kind do not overlap"
        live = {leg.id for leg in case.legs if leg.live}
        for asked in case.approvals:
            if not asked.get("decided_at"):
                assert case.state not in cases.OVER
                assert asked.get("leg") is None or asked["leg"] in live


CaseMachine.TestCase.settings = settings(
    max_examples=examples(12),
    # A failure is told as it was found: making it shorter takes minutes. Add Phase.shrink to have that.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    stateful_step_count=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
TestCaseAgainstThePlainReference = CaseMachine.TestCase
