"""Simulated people: grid workers, their leaders and chiefs, street desks, departments and citizens.

They see what real ones see, by HTTP (or, where a unit has a system of its own, over the bus), and act in the same
way. Who is prompt, slow, late or silent, who returns a case and who is satisfied is drawn for each leg and report by a
seeded hash. Delays are business time; the clock of the demonstration runs fast.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

from jiayuan.chassis.clock import Clock
from jiayuan.contracts.publisher import Outcome, Publisher, PublishError
from jiayuan.contracts.times import iso, parse

from .calls import Client, Unanswered, said
from .draws import chance, pick
from .replay import Receipt

log = logging.getLogger("jiayuan.demo")

MINUTE: Final = 60.0
HOUR: Final = 3600.0
LIVE: Final = ("offered", "accepted", "answered")
PARTNER: Final = "department-systems"

# How people are: shares of the legs. The higher up, the more reliable; a desk always acts.
TEMPERS: Final[Mapping[str, Mapping[str, float]]] = {
    "worker": {"prompt": 0.72, "slow": 0.07, "late": 0.08, "returns": 0.05, "silent": 0.08},
    "head": {"prompt": 0.68, "late": 0.07, "silent": 0.25},
    "unit": {"prompt": 0.73, "slow": 0.09, "late": 0.06, "returns": 0.06, "silent": 0.06},
    "assistant": {"prompt": 0.80, "slow": 0.10, "late": 0.04, "silent": 0.06},
    "desk": {"prompt": 1.0},
}
REASONS: Final = {
    "worker": ("不在本网格范围内，请改派", "涉及施工，网格里没有能力处理", "要由主管部门认定，请改派"),
    "unit": ("不属于本单位职责，请改派", "属于产权单位维修范围，请改派", "情况不实，请街道先核实"),
}
NOTES: Final = {
    "accept": ("已签收", "收到，马上处理"),
    "answer": ("已联系反映人，正在处理", "已到现场查看，正在协调", "已安排人员处理"),
    "resolve": ("已办结，请查看", "现场已处理完毕", "已整改并回访"),
    "supervise": ("已电话督办", "已发督办单"),
}
# Which part of the results is looked at before anybody closes them; silence alone writes nothing off (ADR 20).
INSPECTED: Final = 0.85
# What citizens say of a result, and of a second one.
VERDICTS: Final[Sequence[Mapping[str, float]]] = (
    {"solved": 0.60, "not_solved": 0.10, "silent": 0.30},
    {"solved": 0.80, "not_solved": 0.10, "silent": 0.10},
)


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody will do on a leg: `after` seconds of business time since it was offered."""

    after: float
    action: str
    note: str


def sort_of(leg: Mapping[str, Any]) -> str:
    """Whose temper counts for a leg: worker, head (leader or chief), unit, assistant or desk."""
    kind = leg["assignee"]["type"]
    if kind == "desk":
        return "desk"
    if kind == "unit":
        return "assistant" if leg["kind"] == "assist" else "unit"
    return "worker" if leg["step"] == 0 else "head"


def deeds(leg: Mapping[str, Any], seed: int, *, last_day: bool = False) -> list[Deed]:
    """What the assignee of a leg will do, in order; nothing when it stays silent. On the last day of the demonstration
    no department lets a whole day pass: nobody would be there to see it."""
    dice = chance(seed, "leg", leg["id"])
    sort = sort_of(leg)
    temper = pick(dice, TEMPERS[sort])
    if last_day and leg["assignee"]["type"] == "unit" and temper in ("silent", "late"):
        temper = "prompt"
    limit = float(leg.get("response_limit") or 15 * MINUTE)
    note = {action: dice.choice(words) for action, words in NOTES.items()}
    if temper == "silent":
        return []
    if temper == "returns":
        return [Deed(limit * dice.uniform(0.15, 0.5), "return", dice.choice(REASONS[sort]))]
    answered = limit * _share(dice, temper, quick=limit < HOUR)
    accepted = answered * dice.uniform(0.2, 0.6)
    if temper == "late":
        # Taken in time, or it would be somebody else's by then; answered too late.
        accepted = limit * dice.uniform(0.1, 0.5)
    if leg["kind"] == "supervise":
        return [Deed(accepted, "accept", note["accept"]), Deed(answered, "answer", note["supervise"])]
    # What has come as far as the desk is settled at once.
    done = _done(dice, answered, "late" if sort == "desk" else temper, leg.get("finish_limit"))
    return [
        Deed(accepted, "accept", note["accept"]),
        Deed(answered, "answer", note["answer"]),
        Deed(done, "resolve", note["resolve"]),
    ]


def _share(dice: Any, temper: str, *, quick: bool) -> float:
    """When it is answered, as a share of the response limit; what is quick is mostly answered on the spot."""
    if temper == "slow":
        return float(dice.uniform(0.84, 0.96))
    if temper == "late":
        return float(dice.uniform(1.03, 1.12))
    return float(dice.triangular(0.02, 0.3, 0.05) if quick else dice.triangular(0.03, 0.5, 0.1))


def _done(dice: Any, answered: float, temper: str, finish_limit: int | None) -> float:
    """When the result is there; one in twenty-five outruns a short finish limit."""
    if finish_limit and finish_limit <= 24 * HOUR and dice.random() < 0.04:
        return max(answered, finish_limit * float(dice.uniform(0.85, 1.08)))
    if temper in ("slow", "late"):
        return answered + float(dice.uniform(0.3, 1.5)) * HOUR
    return answered + float(dice.triangular(0.5, 5, 1.5)) * HOUR


def verdict(report: str, nth: int, seed: int) -> tuple[float, dict[str, Any]] | None:
    """What a citizen says of the nth result (0 or 1), and after how many seconds; None for nothing."""
    dice = chance(seed, "verdict", report, nth)
    word = pick(dice, VERDICTS[min(nth, 1)])
    if word == "silent":
        return None
    after = dice.uniform(0.1, 1.5) * HOUR
    if word == "solved":
        stars = pick(dice, {5: 0.6, 4: 0.28, 3: 0.09, 2: 0.03})
        return after, {"solved": True, "satisfaction": stars}
    return after, {"solved": False, "satisfaction": dice.choice((1, 2)), "words": "还没有解决"}


# -- the people at work ------------------------------------------------------------------------------


@dataclass
class Tally:
    """What the people did; `refused` are moves that came too late, with the state that forbade them. `rejected`:
    how many of those were messages, which routing keeps as dead letters."""

    done: Counter[str] = field(default_factory=Counter)
    rejected: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    ratings: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


Token = Callable[..., str]


class People:
    """Everybody who acts. One thread looks for new legs of the whole county, a few others act."""

    def __init__(
        self,
        addresses: Mapping[str, str],
        token: Token,
        partner_uri: str,
        clock: Clock,
        *,
        seed: int,
        threads: int = 12,
        every: float = 0.15,
        last_day: float = float("inf"),
    ) -> None:
        """`token` issues staff tokens as Cluster.token does; `last_day`: from which wall time on departments are
        never silent or late."""
        self.tally = Tally()
        self._routing = Client(addresses["routing"], threads + 2)
        self._intake = Client(addresses["intake"], threads + 2)
        self._token, self._clock, self._seed, self._every = token, clock, seed, every
        self._last_day = last_day
        self._county = token("demo-county", "county")
        self._publisher_uri = partner_uri
        self._publisher: Publisher | None = None
        # Who has 15 minutes must not wait behind those who have a day.
        self._quick = ThreadPoolExecutor(threads, thread_name_prefix="people")
        self._slow = ThreadPoolExecutor(max(1, threads // 4), thread_name_prefix="people-slow")
        self._stop = threading.Event()
        self._lock = threading.Condition()
        self._agenda: list[tuple[float, int, bool, Callable[[], None]]] = []
        self._order = itertools.count()
        self._seen: set[str] = set()
        self._busy: set[str] = set()
        self._codes: dict[str, str] = {}
        self._results: Counter[str] = Counter()
        self._handlings = itertools.count(1)
        self._at_work = 0
        self._by_bus: dict[str, str] = {}
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begins to work."""
        units = self._routing.get("/directory/units", token=self._county)["units"]
        self._by_bus = {u["code"]: u["name"] for u in units if u["system"] == "bus"}
        self._publisher = Publisher(self._publisher_uri, partner=PARTNER)
        for run in (self._look, self._keep_agenda, self._hear_outcomes):
            thread = threading.Thread(target=self._guarded, args=(run,), name=run.__name__)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Everybody goes home."""
        self._stop.set()
        with self._lock:
            self._lock.notify_all()
        for thread in self._threads:
            thread.join(30)
        self._quick.shutdown(cancel_futures=True)
        self._slow.shutdown(cancel_futures=True)
        if self._publisher is not None:
            self._publisher.close()

    @property
    def idle(self) -> bool:
        """Whether nobody has anything left to do."""
        with self._lock:
            return not self._agenda and not self._at_work

    def knows(self, receipt: Receipt) -> None:
        """A citizen has a tracking code and can rate the result."""
        with self._lock:
            self._codes[receipt.report] = receipt.tracking_code

    # what is planned

    def _at(self, wall: float, deed: Callable[[], None], *, quick: bool = False) -> None:
        with self._lock:
            heapq.heappush(self._agenda, (wall, next(self._order), quick, deed))
            self._lock.notify()

    def _in(self, business_seconds: float, deed: Callable[[], None]) -> None:
        self._at(time.time() + self._wall(business_seconds), deed)

    def _wall(self, business_seconds: float) -> float:
        return self._clock.wall_seconds(timedelta(seconds=business_seconds))

    def _keep_agenda(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                wait = self._agenda[0][0] - time.time() if self._agenda else 1.0
                if wait > 0:
                    self._lock.wait(min(wait, 1.0))
                    continue
                _, _, quick, deed = heapq.heappop(self._agenda)
                self._at_work += 1
            (self._quick if quick else self._slow).submit(self._do, deed)

    def _do(self, deed: Callable[[], None]) -> None:
        try:
            self._guarded(deed)
        finally:
            with self._lock:
                self._at_work -= 1

    def _guarded(self, run: Callable[[], None]) -> None:
        try:
            run()
        except (Unanswered, PublishError) as error:
            if not self._stop.is_set():
                self._fault(str(error))
        except Exception as error:
            log.exception("a simulated person stumbled")
            self._fault(f"{getattr(run, '__name__', 'a deed')}: {type(error).__name__}: {error}")

    def _fault(self, words: str) -> None:
        with self._lock:
            self.tally.faults.append(words)

    def _tally(self, counter: Counter[str], word: str) -> None:
        with self._lock:
            counter[word] += 1

    # what is offered

    def _look(self) -> None:
        """One look at the whole county a turn. Legs are committed a little out of order: it looks back a while."""
        newest = ""
        back = timedelta(seconds=2 * self._clock.speed)
        while not self._stop.wait(self._every):
            after = f"&after={quote(iso(parse(newest) - back))}" if newest else ""
            page = self._routing.get(f"/legs?of=county&state=offered&limit=200{after}", token=self._county)
            for row in page["legs"]:
                newest = max(newest, row["leg"]["offered_at"])
                if row["leg"]["id"] not in self._seen:
                    self._take(row["case"]["id"], row["leg"])

    def _take(self, case: str, leg: Mapping[str, Any]) -> None:
        offered = self._clock_wall(leg["offered_at"])
        self._begin(case, leg, deeds(leg, self._seed, last_day=offered > self._last_day), offered)

    def _begin(self, case: str, leg: Mapping[str, Any], plan: Sequence[Deed], wall: float) -> None:
        """An assignee sets about what it will do, one thing after the other, counted from a wall time."""
        with self._lock:
            self._seen.add(leg["id"])
            if plan:
                self._busy.add(leg["id"])
        self._next(case, leg, plan, wall)

    def _next(self, case: str, leg: Mapping[str, Any], plan: Sequence[Deed], wall: float) -> None:
        if not plan:
            with self._lock:
                self._busy.discard(leg["id"])
            return

        def act() -> None:
            # Whoever is told no, stops: the leg is somebody else's by now.
            went_well = False
            try:
                went_well = self._act(case, leg, plan[0])
            finally:
                self._next(case, leg, plan[1:] if went_well else (), wall)

        quick = (leg.get("response_limit") or 24 * HOUR) < 24 * HOUR
        self._at(wall + self._wall(plan[0].after), act, quick=quick)

    def _clock_wall(self, at: str) -> float:
        """The wall time of a business time."""
        moment = parse(at).timestamp()
        return self._clock.epoch + (moment - self._clock.epoch) / self._clock.speed

    # what is done

    def _act(self, case: str, leg: Mapping[str, Any], deed: Deed) -> bool:
        """Whether it was taken."""
        if leg["assignee"]["type"] == "unit" and leg["assignee"]["id"] in self._by_bus:
            self._report(case, leg, deed)
            return True
        status, answer = self._routing.call(
            "POST",
            f"/cases/{case}/legs/{leg['id']}/{deed.action}",
            {"note": deed.note},
            token=self._token_of(leg),
        )
        if status == 409:
            self._tally(self.tally.refused, f"{deed.action} of a leg that is {answer.get('leg_state')}")
            return False
        if status >= 400:
            self._fault(f"{deed.action} of leg {leg['id']}: {status} {said(answer)}")
            return False
        self._tally(self.tally.done, deed.action)
        if deed.action == "answer" and leg["kind"] == "supervise":
            self._in(20 * MINUTE, lambda: self._press(case))
        self._consider(answer)
        return True

    def _token_of(self, leg: Mapping[str, Any]) -> str:
        who = leg["assignee"]
        if who["type"] == "unit":
            return self._token(f"clerk-{who['id']}", "unit_clerk", unit=who["id"])
        if who["type"] == "desk":
            return self._token(who["id"], "desk", street=who["id"].removeprefix("desk-"))
        role = ("grid_worker", "grid_leader", "grid_chief")[min(leg["step"], 2)]
        return self._token(who["id"], role)

    def _report(self, case: str, leg: Mapping[str, Any], deed: Deed) -> None:
        """A unit's own system says over the bus what was done."""
        assert self._publisher is not None
        self._publisher.handling_reported(
            {
                "external_id": f"demo-{next(self._handlings)}-{leg['id']}",
                "case": case,
                "unit": leg["assignee"]["id"],
                "action": deed.action,
                "at": iso(self._clock.now()),
                "note": deed.note,
            }
        )
        self._tally(self.tally.done, deed.action)
        if deed.action == "resolve":
            # Nobody answers a message: look a little later what became of the case.
            self._at(time.time() + 0.7, lambda: self._look_at(case))

    def _hear_outcomes(self) -> None:
        assert self._publisher is not None
        while not self._stop.is_set():
            # To the end: what is left in the middle comes again.
            for outcome in self._publisher.outcomes(timeout=1.0):
                if outcome.outcome == "rejected":
                    self._hear_rejection(outcome)

    def _hear_rejection(self, outcome: Outcome) -> None:
        """The case may have moved on while the message was on its way; anything else is a fault."""
        if outcome.problems and all(p.field == "data.action" for p in outcome.problems):
            self.tally.rejected += 1  # by one thread only
            self._tally(self.tally.refused, "a message about a leg that had moved on")
            return
        why = "; ".join(f"{p.field}: {p.problem}" for p in outcome.problems)
        self._fault(f"a department's message was rejected: {why}")

    def _case(self, case: str) -> Any:
        return self._routing.get(f"/cases/{case}", token=self._county)

    def _look_at(self, case: str) -> None:
        self._consider(self._case(case))

    def _press(self, case: str) -> None:
        """The desk goes after those who let it wait: they act now, and an assistant may be let off."""
        now = self._case(case)
        if now is None or now["case"]["state"] in ("resolved", "closed"):
            return
        desk = self._token("demo-county", "county")
        for leg in now["case"]["legs"]:
            with self._lock:
                idle = leg["id"] in self._seen and leg["id"] not in self._busy
            waiting = idle and leg["state"] in LIVE and leg["kind"] != "supervise"
            if not waiting:
                continue
            if leg["kind"] == "assist" and chance(self._seed, "release", leg["id"]).random() < 0.5:
                status, answer = self._routing.call(
                    "POST",
                    f"/cases/{case}/legs/{leg['id']}/release",
                    {"reason": "牵头单位可以独立办理，不再需要协办"},
                    token=desk,
                )
                self._tally(self.tally.done if status < 400 else self.tally.refused, "release")
                self._consider(answer if status < 400 else None)
            else:
                self._pressed(case, leg)

    def _pressed(self, case: str, leg: Mapping[str, Any]) -> None:
        """Somebody who was silent acts after all, within the hour, and has it done in two."""
        dice = chance(self._seed, "pressed", leg["id"])
        plan = [
            Deed(dice.uniform(5, 15) * MINUTE, "accept", "已签收"),
            Deed(dice.uniform(16, 45) * MINUTE, "answer", "经督办，已安排办理"),
            Deed(dice.uniform(1, 2) * HOUR, "resolve", "已办结"),
        ]
        self._begin(case, leg, plan[LIVE.index(leg["state"]) :], time.time())

    # what citizens say

    def _consider(self, view: Any) -> None:
        """When a case is resolved, its reporters think about what to say."""
        if not view or view["case"]["state"] != "resolved":
            return
        case = view["case"]
        key = f"{case['id']}@{case.get('resolved_at')}"
        with self._lock:
            if key in self._results:
                return
            self._results[key] += 1
            nth = sum(1 for k in self._results if k.startswith(case["id"])) - 1
            reports = [(r["id"], self._codes[r["id"]]) for r in case["reports"] if r["id"] in self._codes]
        if chance(self._seed, "inspect", key).random() < INSPECTED:
            self._in(
                chance(self._seed, "when", key).uniform(0.5, 2) * HOUR, lambda: self._inspect(case["id"])
            )
        for report, code in reports:
            said_ = verdict(report, nth, self._seed)
            if said_ is not None:
                self._in(said_[0], lambda r=report, c=code, n=nth, w=said_[1]: self._rate(r, c, n, w))  # type: ignore[misc]

    def _inspect(self, case: str) -> None:
        """Somebody who had no part in it goes and looks; its reporter may have closed it by then."""
        status, answer = self._routing.call(
            "POST",
            f"/cases/{case}/inspect",
            {"passed": True, "note": "现场核查，已办结"},
            token=self._token("demo-inspector", "inspector"),
        )
        if status == 409:
            self._tally(self.tally.refused, "an inspection of a case that had moved on")
        elif status >= 400:
            self._fault(f"inspection of {case}: {status} {said(answer)}")
        else:
            self._tally(self.tally.done, "inspect")

    def _rate(self, report: str, code: str, nth: int, words: Mapping[str, Any]) -> None:
        status, answer = self._intake.call(
            "POST",
            f"/reports/{report}/rating",
            dict(words),
            headers={"X-Tracking-Code": code, "Idempotency-Key": f"rating-{nth}"},
        )
        if status >= 400:
            self._fault(f"rating of {report}: {status} {said(answer)}")
            return
        self._tally(self.tally.ratings, "solved" if words["solved"] else "not solved")
