"""A typhoon's hour: 100 times the normal rate through all five services, and every clock counted again afterwards.

Reports, many about the same thing, come for one hour of business time. In minute 5 the weather bureau's red warning
turns emergency mode on, at the end its cancellation lifts it. Meanwhile people act on what is urgent; minor matters are
paused. Then everything is drained, the clocks' process is stopped, and what the five services hold is compared with
what the senders were told and with what an emergency must have done: recomputed here, from the cases' documents alone.

The normal rate: Xiapu has 478,000 residents (census of 2020). The highest rate of any Chinese city that is published is
that of Beijing's hotline, about one request a resident a year; taken for Xiapu, which has less, it is 1,310 a day or
0.0152 a second. A hundred times that is 1.52 a second, 5,458 in the hour.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any, Final

import yaml

from jiayuan.chassis.clock import Clock
from jiayuan.contracts.publisher import Publisher
from jiayuan.contracts.times import iso, parse

from . import reconcile
from .calls import Client, Unanswered
from .chaos import NOT_AT_REST, depths
from .cluster import Cluster
from .reconcile import Books, Check, Row, same
from .replay import PARTNER, Message, Replay
from .servers import Servers, provide

BUREAU: Final = "weather-bureau"
MODE: Final = "storm-1"
RESIDENTS: Final = 478_000
REQUESTS_A_YEAR: Final = 1.0
URGENT: Final = ("red", "orange")
VOLUNTEERS: Final = 120
# Of all reports: about something that many see, about something of one's own, and what could wait.
SHARES: Final = {"seen": 0.66, "own": 0.20, "minor": 0.14}


@dataclass(frozen=True)
class Options:
    """How the storm is run. `minutes`, `alert_at` and limits are business time; `speed`: how much faster it runs."""

    minutes: float = 60.0
    alert_at: float = 5.0
    times: float = 100.0
    speed: float = 12.0
    grids: int = 874
    workers: int = 3500
    seed: int = 1
    drain: float = 420.0
    in_time: float = 0.99
    """The share of urgent legs that must be answered within their limits; 0 where nothing is asserted of time."""

    @property
    def normal(self) -> float:
        """Reports a second on a normal day."""
        return RESIDENTS * REQUESTS_A_YEAR / 365 / 86400

    @property
    def reports(self) -> int:
        """How many come in all."""
        return round(self.normal * self.times * self.minutes * 60)


# -- what is sent ------------------------------------------------------------------------------------

SEEN: Final = (
    "{place}{street}积水很深，已经没过小腿，车辆熄火，行人没法走，请快来排水。",
    "{place}{street}一棵大树被风刮倒，横在路中间，车和人都过不去，请尽快清理。",
    "{place}{street}整片停电，已经两个小时了，老人和孩子在家里很着急，请抢修。",
    "{place}{street}的广告牌被大风吹得摇摇欲坠，随时会掉下来砸到人，请来处理。",
    "{place}{street}下水道井盖被水冲走了，路面看不清，很容易踩空，请赶快围挡。",
    "{place}{street}路灯杆歪倒在人行道上，晚上一片漆黑，请派人来扶正。",
    "{place}{street}边坡往下掉土石，已经堵了半边路，住户不敢出门，请来看看。",
)
DANGER: Final = (
    "{place}{street}电线掉进积水里冒火花，有人差点触电，请马上断电！",
    "{place}{street}有人被洪水冲走了落水，快来救人！",
    "{place}{street}老房子快要塌了，里面还有人没出来！",
)
OWN: Final = (
    "{place}{street}{n}号家里屋顶漏雨，床铺都湿了，想请人帮忙看看。",
    "{place}{street}{n}号地下车库进水，水泵坏了，物业电话打不通。",
    "{place}{street}{n}号门口的垃圾两天没人收，被水泡得发臭。",
    "{place}{street}{n}号楼上住户半夜装修，吵得睡不着。",
)
MINOR: Final = (
    ("wish", "{place}{street}{n}号的独居老人想要一个收音机，希望有人帮忙实现心愿。"),
    ("consultation", "请问{place}{street}{n}号的住户怎么办理居住证，需要带哪些材料？"),
    ("appointment", "想预约{place}的上门理发服务，家在{street}{n}号。"),
    ("praise", "感谢{place}的网格员帮{street}{n}号的老人买菜送药，非常贴心。"),
    ("information", "{place}{street}{n}号旁边的健身器材松了，提个建议，有空时紧一紧。"),
)
STREETS: Final = (
    "听雨街",
    "望海路",
    "长溪路",
    "太康路",
    "福宁大道",
    "赤岸路",
    "后港街",
    "万贤街",
    "松山路",
    "龙首路",
)
BEFORE: Final = ("", "你好，", "紧急！", "再反映一次，", "我是附近居民，", "请问有人管吗？")
AFTER: Final = ("", "谢谢。", "拜托了！", "急急急！", "望尽快。", "已经有人摔倒了。", "麻烦你们了。")


def messages(options: Options, directory: Mapping[str, Any], seconds: float) -> list[Message]:
    """The storm's reports over `seconds` of the wall clock: a few things that many see, and many that one sees."""
    dice = random.Random(options.seed)
    places = [(c["code"], c["name"]) for s in directory["streets"] for c in s["communities"]]
    seen = []
    for _ in range(max(12, options.reports // 45)):
        code, name = dice.choice(places)
        text = dice.choice(DANGER) if dice.random() < 0.08 else dice.choice(SEEN)
        seen.append((code, text.format(place=name, street=dice.choice(STREETS))))
    weights = [1 / (1 + rank) ** 0.7 for rank in range(len(seen))]
    out = []
    for number in range(options.reports):
        sort = dice.choices(list(SHARES), list(SHARES.values()))[0]
        kind = ""
        if sort == "seen":
            code, text = dice.choices(seen, weights)[0]
            text = dice.choice(BEFORE) + _in_other_words(text, dice) + dice.choice(AFTER)
        else:
            code, name = dice.choice(places)
            kind, form = ("", dice.choice(OWN)) if sort == "own" else dice.choice(MINOR)
            text = form.format(place=name, street=dice.choice(STREETS), n=dice.randint(1, 999))
        document: dict[str, Any] = {"text": text, "place": {"code": code}}
        if kind:
            document["kind"] = kind
        bus = dice.random() < 0.25
        document["channel"] = "hotline" if bus else "mini_program"
        if dice.random() > 0.1:
            document["contact"] = {"phone": f"000{dice.randrange(options.reports * 2):08d}"}
        at = (number + dice.random()) / options.reports * seconds
        out.append(Message(f"storm-{number}", "bus" if bus else "http", document, at, dice.random() < 0.05))
    return sorted(out, key=lambda m: m.at)


def _in_other_words(text: str, dice: random.Random) -> str:
    """The same thing as somebody else says it: a part left out, or in another order."""
    first, *rest = text.rstrip("。！").split("，")
    if len(rest) > 2 and dice.random() < 0.5:
        rest.pop(dice.randrange(len(rest)))
    if dice.random() < 0.3:
        dice.shuffle(rest)
    return "，".join([first, *rest]) + "。"


# -- people at work ----------------------------------------------------------------------------------


class Crew:
    """Whoever holds an urgent leg acts on it minutes after it was offered; after the storm some of the rest is done."""

    def __init__(self, cluster: Cluster, clock: Clock, seed: int, threads: int = 8) -> None:
        self.done: Counter[str] = Counter()
        self.faults: list[str] = []
        self.limits: list[tuple[str, str, int, int]] = []
        """Of urgent legs as they were offered: when, colour, response and finish limit."""
        self.calm = threading.Event()
        self._cluster, self._clock, self._seed = cluster, clock, seed
        self._client = Client(cluster.address("routing"), threads + 2)
        self._county = cluster.token("officer", "county")
        self._pool = ThreadPoolExecutor(threads)
        self._timers: list[tuple[float, Callable[[], None]]] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=run) for run in (self._look, self._act)]
        self._seen: set[str] = set()
        self._later: list[dict[str, Any]] = []

    def start(self) -> None:
        """Begins."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends when what is planned is done, or a while later."""
        until = time.monotonic() + 30
        while self._timers and time.monotonic() < until:
            time.sleep(0.2)
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        self._pool.shutdown(cancel_futures=True)

    def after_the_storm(self, most: int) -> None:
        """Some of what waited is done now."""
        self.calm.set()
        for row in self._later[:: max(1, len(self._later) // max(1, most))]:
            self._plan(row, random.Random(row["leg"]["id"]).uniform(0.1, 0.8))

    def _look(self) -> None:
        after = leg = ""
        while not self._stop.wait(0.25):
            try:
                where = f"&after={after}&after_leg={leg}".replace("+", "%2B") if leg else ""
                path = f"/legs?of=county&state=offered&limit=200{where}"
                page = self._client.get(path, token=self._county)["legs"]
            except Unanswered as error:
                self.faults.append(str(error))
                continue
            for row in page:
                one = row["leg"]
                if one["id"] in self._seen:
                    continue
                self._seen.add(one["id"])
                colour = row["case"]["colour"]
                if colour in URGENT:
                    limits = (one.get("response_limit") or 0, one.get("finish_limit") or 0)
                    self.limits.append((one["offered_at"], colour, *limits))
                    self._plan(row, random.Random(one["id"]).uniform(1.0, 4.0))
                else:
                    self._later.append(row)
            # Legs are committed a little out of order: it looks back two seconds.
            if page:
                last = parse(page[-1]["leg"]["offered_at"])
                back = timedelta(seconds=2 * self._clock.speed) if len(page) < 200 else timedelta(0)
                after, leg = iso(last - back), "00000000-0000-0000-0000-000000000000"

    def _plan(self, row: dict[str, Any], minutes: float) -> None:
        moment = time.time() + self._clock.wall_seconds(timedelta(minutes=minutes))
        with self._lock:
            self._timers.append((moment, lambda: self._handle(row)))

    def _act(self) -> None:
        while not self._stop.wait(0.05):
            now = time.time()
            with self._lock:
                due = [t for t in self._timers if t[0] <= now]
                self._timers = [t for t in self._timers if t[0] > now]
            for _, deed in due:
                self._pool.submit(deed)

    def _handle(self, row: dict[str, Any]) -> None:
        leg, case = row["leg"], row["case"]["id"]
        who, token = leg["assignee"], self._cluster.token
        sign = {
            "person": lambda: token(
                who["id"], ("grid_worker", "grid_leader", "grid_chief")[min(leg["step"], 2)]
            ),
            "unit": lambda: token(f"clerk-{who['id']}", "unit_clerk", unit=who["id"]),
            "desk": lambda: token(who["id"], "desk", "county", street=who["id"].removeprefix("desk-")),
        }[who["type"]]()
        last = "resolve" if random.Random(f"{self._seed}{leg['id']}").random() < 0.4 else "answer"
        for action in ("accept", "answer", "resolve")[: 3 if last == "resolve" else 2]:
            try:
                status, answer = self._client.call(
                    "POST", f"/cases/{case}/legs/{leg['id']}/{action}", {"note": "已到场处理"}, token=sign
                )
            except Unanswered as error:
                self.faults.append(str(error))
                return
            if status == 409:
                self.done["too late"] += 1
                return
            if status >= 400:
                self.faults.append(f"{action} of leg {leg['id']}: {status} {str(answer)[:200]}")
                return
            self.done[action] += 1


# -- one storm ---------------------------------------------------------------------------------------


@dataclass
class Result:
    """What a storm showed: figures to print, and checks of which each must be good."""

    figures: list[tuple[str, str]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    @property
    def wrong(self) -> list[Check]:
        """The checks that don't hold."""
        return [c for c in self.checks if not c.good]

    def lines(self) -> list[str]:
        """The tables."""
        width = max(len(name) for name, _ in self.figures)
        out = [f"  {name.ljust(width)}  {value}" for name, value in self.figures]
        out.append("")
        for check in self.checks:
            sides = "  ".join(filter(None, (check.left, check.right)))
            out.append(f"  {'good ' if check.good else 'WRONG'}  {check.name:<58} {sides}")
            out += [f"         {line}" for line in check.wrong[:5]]
        return out


def run(servers: Servers, folder: Path, options: Options, say: Callable[[str], None] = print) -> Result:
    """One storm on given servers, from nothing to the checks. Leaves nothing behind."""
    clock = Clock(options.speed, float(int(time.time())))
    settings = {
        "JIAYUAN_CLOCK_SPEED": str(clock.speed),
        "JIAYUAN_CLOCK_EPOCH": str(clock.epoch),
        "JIAYUAN_LOG_LEVEL": "WARNING",
        "JIAYUAN_OUTBOX_RETRY_MOST": "3",
    }
    cluster = Cluster(servers, folder, settings=settings)
    cluster.prepare()
    try:
        for service in cluster.services:
            roles = ("serve", "bulk", "relay") if service == "sla" else ()
            cluster.start(service, *roles, wait=False)
        ticking = cluster.start("sla", "clock", wait=False)
        for processes in cluster.processes.values():
            for process in processes:
                process.wait_ready(90)
        directory = _directory(cluster, folder, options)
        return _storm(cluster, clock, options, directory, ticking, folder, say)
    finally:
        cluster.kill()
        cluster.drop()


def _directory(cluster: Cluster, folder: Path, options: Options) -> dict[str, Any]:
    file = folder / "directory.json"
    seed = ("--grids", str(options.grids), "--workers", str(options.workers), "--out", str(file))
    _command(cluster, "directory", "seed", *seed)
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    communities = [c["code"] for s in document["streets"] for c in s["communities"]]
    skills = (["急救"], ["防汛", "救援"], ["书法"], ["驾驶"])
    document["volunteers"] = [
        {
            "id": f"v{n:05d}",
            "name": f"例志愿{n}",
            "grid": communities[n % len(communities)],
            "skills": skills[n % len(skills)],
            "phone": f"000{900_000_000 + n}"[:11],
        }
        for n in range(VOLUNTEERS)
    ]
    file.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    _command(cluster, "directory", "import", str(file), "--who", "storm")
    everybody = len(document["people"]) + len(document["volunteers"])
    _until(
        lambda: _count(cluster, "notify", "recipient WHERE type = 'person'") >= everybody,
        "the directory reaches notify",
        120,
    )
    return document


def _command(cluster: Cluster, *arguments: str) -> None:
    done = cluster.command("routing", "routing", *arguments)
    if done.returncode:
        raise RuntimeError(
            f"jiayuan routing {' '.join(arguments[:2])}: {(done.stderr or done.stdout)[-400:]}"
        )


def _count(cluster: Cluster, service: str, what: str) -> int:
    return int(reconcile.rows(cluster.database_urls[service], f"SELECT count(*) AS n FROM {what}")[0]["n"])


def _until(condition: Callable[[], Any], what: str, seconds: float) -> Any:
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise RuntimeError(f"not within {seconds:g} s: {what}")
        time.sleep(0.2)
    return value


@dataclass
class _Seen:
    """What was seen from outside while it went on."""

    outcomes: list[tuple[str, str]] = field(default_factory=list)
    highest: Counter[str] = field(default_factory=Counter)
    gone_after: float | None = None
    lifted_within: float | None = None


def _storm(
    cluster: Cluster,
    clock: Clock,
    options: Options,
    directory: dict[str, Any],
    ticking: Any,
    folder: Path,
    say: Callable[[str], None],
) -> Result:
    assert cluster.broker is not None
    seconds = clock.wall_seconds(timedelta(minutes=options.minutes))
    sent = messages(options, directory, seconds)
    say(
        f"normal {options.normal:.4f} reports a second ({options.normal * 86400:.0f} a day), "
        f"{options.times:g} times that: {len(sent)} in {options.minutes:g} minutes of business time, "
        f"{seconds:.0f} s on the wall ({len(sent) / seconds:.1f} a second)"
    )
    sender = Replay(
        sent,
        cluster.address("intake"),
        cluster.broker.uri(PARTNER),
        lambda _: (0, ""),
        folder,
        lambda channel: cluster.token(f"storm-{channel}", "service"),
    )
    crew, seen = Crew(cluster, clock, options.seed), _Seen()
    streets = [s["code"] for s in directory["streets"]]
    crew.start()
    began = time.monotonic()
    with Publisher(cluster.broker.uri(BUREAU), partner=BUREAU) as bureau:
        try:
            sender.start()
            _watch(
                cluster, seen, lambda: time.monotonic() - began < options.alert_at / options.minutes * seconds
            )
            warning = _warning(clock, streets, "TF-1")
            seen.outcomes.append(("raised", _answer(bureau, warning)))
            say(f"minute {options.alert_at:g}: red warning, {seen.outcomes[-1][1]}")
            _watch(cluster, seen, lambda: sender.running)
            last = time.monotonic()
            say(f"all sent after {last - began:.0f} s; the warning is cancelled")
            end = _warning(clock, streets, "TF-2") | {"action": "cancel", "refers_to": "TF-1", "area": []}
            seen.outcomes.append(("cancelled", _answer(bureau, end)))
        finally:
            sender.stop()
        lifted = time.monotonic()
        _drain(cluster, seen, last, lifted, options, say)
        crew.after_the_storm(200)
        crew.stop()
        say("the clocks' process is stopped; draining")
        ticking.terminate()
        stopped = clock.now()
        books = _at_rest(cluster, options)
    return _result(cluster, options, books, sender, crew, seen, stopped)


def _warning(clock: Clock, area: list[str], number: str) -> dict[str, Any]:
    return {
        "external_id": number,
        "event": "台风",
        "severity": "red",
        "area": area,
        "starts_at": iso(clock.now()),
        "text": "预计未来数小时受台风正面影响，请停止户外作业。",
    }


def _answer(bureau: Publisher, warning: dict[str, Any]) -> str:
    receipt = bureau.alert_raised(warning)
    for outcome in bureau.outcomes(timeout=60):
        if outcome.message == receipt.id:
            return outcome.outcome
    return "nothing"


def _watch(cluster: Cluster, seen: _Seen, going_on: Callable[[], bool]) -> None:
    while going_on():
        for service in cluster.services:
            waiting = _count(cluster, service, "outbox")
            waiting += sum(
                n for queue, n in depths(cluster).items() if queue.startswith(f"jiayuan.{service}.")
            )
            seen.highest[service] = max(seen.highest[service], waiting)
        time.sleep(1.0)


def _drain(
    cluster: Cluster, seen: _Seen, last: float, lifted: float, options: Options, say: Callable[[str], None]
) -> None:
    """Until no message waits any more and every street is brought back."""
    end = time.monotonic() + options.drain
    while time.monotonic() < end and (seen.gone_after is None or seen.lifted_within is None):
        now = time.monotonic()
        if seen.lifted_within is None and not _count(cluster, "routing", _STILL_UNDER):
            seen.lifted_within = now - lifted
            say(f"every case is back after {seen.lifted_within:.1f} s")
        waiting = sum(depths(cluster).values()) + sum(
            _count(cluster, service, "outbox") for service in cluster.services
        )
        if seen.gone_after is None and waiting <= 5:  # deadlines go on passing
            seen.gone_after = now - last
            say(f"the backlog is gone after {seen.gone_after:.1f} s")
        time.sleep(0.5)
    # The second pass over the streets.
    _until(lambda: not _count(cluster, "routing", "emergency_sweep"), "every street was looked at twice", 90)


_OWED: Final = "c.state NOT IN ('resolved', 'closed', 'voided', 'merged')"
_LIMITS_LEFT: Final = f'emergency_case e JOIN "case" c ON c.id = e.case_id WHERE {_OWED}'
_STILL_UNDER: Final = f"\"case\" c WHERE {_OWED} AND c.state_doc->>'emergency' IS NOT NULL"


def _at_rest(cluster: Cluster, options: Options) -> Books:
    """The books once nothing moves any more: no clock ticks, nobody acts."""
    end = time.monotonic() + options.drain
    quiet = 0
    while quiet < 3 and time.monotonic() < end:
        waiting = sum(depths(cluster).values())
        waiting += sum(_count(cluster, service, "outbox") for service in cluster.services)
        waiting += _count(
            cluster, "notify", "sending WHERE state IN ('queued', 'claimed', 'submitted', 'unknown')"
        )
        quiet = quiet + 1 if waiting == 0 else 0
        time.sleep(0.5)
    return reconcile.read(cluster.database_urls, depths(cluster))


# -- what must have come of it -----------------------------------------------------------------------


def _result(
    cluster: Cluster,
    options: Options,
    books: Books,
    sender: Replay,
    crew: Crew,
    seen: _Seen,
    stopped: datetime,
) -> Result:
    rows = reconcile.rows(
        cluster.database_urls["routing"],
        "SELECT id::text, mode, declared_at, begun_at, lifted_at, lifted_by, policy FROM emergency",
    )
    left = _count(cluster, "routing", _LIMITS_LEFT)
    result = Result()
    by_number = {c["id"]: c for c in books.cases}
    account = sender.account
    known = [c for c in reconcile.checks(account, books, crew.faults) if c.name not in NOT_AT_REST]
    result.checks += known
    result.checks.append(
        Check(
            "the bureau was answered",
            f"outcomes {len(seen.outcomes)}",
            "",
            tuple(f"{what}: {outcome}" for what, outcome in seen.outcomes if outcome != "accepted"),
        )
    )
    if len(rows) != 1 or rows[0]["lifted_at"] is None:
        wrong = (f"{len(rows)} emergencies, lifted: {[r['lifted_at'] for r in rows]}",)
        result.checks.append(Check("one emergency, lifted", "", "", wrong))
        return result
    emergency = rows[0]
    result.checks += emergency_checks(books, emergency, left)
    result.checks += clock_checks(books, stopped)
    answered, late = _latencies(books, emergency)
    enough = not options.in_time or (answered and late <= len(answered) * (1 - options.in_time))
    result.checks.append(
        Check(
            "urgent matters were answered within their limits",
            f"answered {len(answered)}",
            f"late {late}",
            ()
            if enough
            else (f"{late} of {len(answered)} are late, at most {1 - options.in_time:.0%} may be",),
        )
    )
    result.checks.append(_limits_while_on(crew, emergency))
    gone = seen.gone_after is not None and seen.lifted_within is not None
    result.checks.append(Check("the backlog is gone", "", "", () if gone else ("it is not",)))
    joined = sum(len(c["doc"]["reports"]) - 1 for c in books.cases if c["state"] != "merged")
    during = [c for c in books.cases if emergency["declared_at"] <= parse(c["doc"]["opened_at"])]
    paused = sum(bool(_spans(c["doc"], emergency["id"])) for c in by_number.values())
    result.figures = [
        ("normal rate", f"{options.normal:.4f} a second, {options.normal * 86400:.0f} a day"),
        (
            "storm",
            f"{options.times:g} times: {options.normal * options.times:.2f} a second for {options.minutes:g} min",
        ),
        (
            "sent / acknowledged / resent",
            f"{sum(account.sent.values())} / {account.acknowledged} / {account.resent}",
        ),
        ("cases", f"{len(books.cases)}, of them opened in the emergency {len(during)}"),
        ("reports joined to an earlier one", f"{joined} ({joined / max(1, len(books.reports)):.0%})"),
        ("of them by the emergency's threshold", str(_joined_by_it(cluster))),
        (
            "colours",
            ", ".join(f"{k} {n}" for k, n in Counter(c["colour"] for c in books.cases).most_common()),
        ),
        ("paused and resumed", str(paused)),
        ("people called in", str(len(books.calls))),
        ("moves by people", ", ".join(f"{k} {n}" for k, n in crew.done.most_common())),
        ("urgent: offered → answered", _spread(answered)),
        ("urgent: received → offered", _spread(_offered(books, emergency))),
        ("most waiting at once", ", ".join(f"{s} {n}" for s, n in seen.highest.most_common())),
        ("backlog gone after the last report", f"{seen.gone_after or -1:.1f} s on the wall"),
        ("all cases back after the lifting", f"{seen.lifted_within or -1:.1f} s on the wall"),
        ("notices", f"{len(books.notices)}"),
        ("clocks", f"{len(books.clocks)}, each counted again"),
    ]
    return result


def _joined_by_it(cluster: Cluster) -> int:
    """Joins that peace would have left to the desk."""
    return _count(cluster, "intake", "report_join WHERE state = 'joined' AND score < 0.75")


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return "none"
    s = sorted(seconds)
    p50, p95 = s[len(s) // 2], s[min(len(s) - 1, int(len(s) * 0.95))]
    return f"p50 {p50:.0f} s, p95 {p95:.0f} s, most {s[-1]:.0f} s of business time ({len(s)})"


def _latencies(books: Books, emergency: Row) -> tuple[list[float], int]:
    """Seconds from offer to answer of urgent legs of the storm that people were given, and how many were late."""
    out, late = [], 0
    for case in books.cases:
        if case["colour"] not in URGENT or case["state"] == "merged":
            continue
        for leg in case["doc"]["legs"]:
            offered = parse(leg["offered_at"])
            if not emergency["declared_at"] <= offered < emergency["lifted_at"] or leg["kind"] == "supervise":
                continue
            if leg["state"] in ("released", "reassigned") and not leg.get("answered_at"):
                continue
            if not leg.get("answered_at"):
                late += 1
                continue
            spent = (parse(leg["answered_at"]) - offered).total_seconds()
            out.append(spent)
            late += bool(leg["response_limit"]) and spent > leg["response_limit"]
    return out, late


def _offered(books: Books, emergency: Row) -> list[float]:
    out = []
    for case in books.cases:
        doc = case["doc"]
        if case["colour"] in URGENT and doc["legs"] and parse(doc["opened_at"]) >= emergency["declared_at"]:
            out.append(
                (parse(doc["legs"][0]["offered_at"]) - parse(doc["first_received_at"])).total_seconds()
            )
    return out


def _terms() -> dict[str, Any]:
    text = (resources.files("jiayuan.routing") / "data/emergency.yaml").read_text("utf-8")
    return next(m for m in yaml.safe_load(text)["modes"] if m["code"] == MODE)


def _seconds(text: str) -> int:
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[text[-1]]


def _limits_while_on(crew: Crew, emergency: Row) -> Check:
    """Urgent legs as people were offered them meanwhile have the emergency's limits."""
    limits = _terms()["limits"]
    wrong, looked = [], 0
    for offered, colour, response, finish in crew.limits:
        if not emergency["begun_at"] <= parse(offered) < emergency["lifted_at"]:
            continue
        looked += 1
        for name, value in (("response", response), ("finish", finish)):
            most = limits[name].get(colour, {}).get("at_most")
            if most and value > _seconds(most):
                wrong.append(f"a {colour} leg offered at {offered} has {name} {value} s, at most {most}")
    return Check("urgent legs had the emergency's limits", f"looked at {looked}", "", tuple(wrong))


def _spans(doc: Row, emergency: str) -> list[Row]:
    return [p for p in doc.get("pauses") or () if p.get("emergency") == emergency]


def emergency_checks(books: Books, emergency: Row, left: int) -> list[Check]:
    """Which matters must have been paused, by the table alone; and that all of it is over."""
    lines = _terms()["pause"]

    def waits(case: Row) -> bool:
        doc = case["doc"]
        return any(
            doc["colour"] in line["colour"]
            and (not line.get("kind") or doc["kind"] in line["kind"])
            and (not line.get("category") or doc["category"]["code"].startswith(tuple(line["category"])))
            and not doc["category"]["code"].startswith(tuple(line.get("not_category") or ("none",)))
            for line in lines
        )

    here = [
        c
        for c in books.cases
        if not c["doc"]["street"].endswith("000")  # where nobody knows the street, the warning isn't for
        and parse(c["doc"]["opened_at"]) < emergency["lifted_at"]
        and (c["doc"].get("resolved_at") is None or parse(c["doc"]["resolved_at"]) > emergency["lifted_at"])
        and c["state"] != "merged"
    ]
    wanted = {c["id"] for c in here if waits(c)}
    paused = {
        c["id"]
        for c in books.cases
        if c["state"] != "merged"
        # Opened in the moment in which it was lifted, by a process that didn't know yet.
        and any(parse(p["start"]) < emergency["lifted_at"] for p in _spans(c["doc"], emergency["id"]))
    }
    twice, spans, under, urgent = [], [], [], []
    for case in books.cases:
        doc, mine = case["doc"], _spans(case["doc"], emergency["id"])
        if len(mine) > 1:
            twice.append(f"{case['number']} was paused {len(mine)} times")
        if mine and doc["colour"] in URGENT:
            urgent.append(f"{case['number']} is {doc['colour']} and was paused")
        for span in mine:
            start, end = parse(span["start"]), parse(span["end"]) if span.get("end") else None
            if start < max(emergency["declared_at"], parse(doc["opened_at"])):
                spans.append(f"{case['number']} is paused from {start}, before it could be")
            over = [parse(doc[k]) for k in ("resolved_at", "closed_at") if doc.get(k)]
            if end is None or (end < emergency["lifted_at"] and end not in over):
                spans.append(f"{case['number']} is paused until {end}, lifted at {emergency['lifted_at']}")
        if case["state"] not in (*reconcile.OVER, "resolved") and doc.get("emergency"):
            under.append(f"{case['number']} is still under {doc['emergency']}")
    return [
        same("minor matters of the area = paused matters", "minor", wanted, "paused", paused),
        Check("nothing was paused twice", "", "", tuple(twice)),
        Check("nothing urgent was paused", "", "", tuple(urgent)),
        Check("pauses lie between the declaration and the end", "", "", tuple(spans)),
        Check("no open case is under an emergency", "", "", tuple(under)),
        Check(
            "no limits of peace of open cases are left over", "", f"{left}", (f"{left} rows",) if left else ()
        ),
        _restored(books),
    ]


def _restored(books: Books) -> Check:
    """Every leg that is owed has its finish limit of peace again, or one that ran out before the end."""
    text = (resources.files("jiayuan.routing") / "data/policy.yaml").read_text("utf-8")
    policy = yaml.safe_load(text)
    rules = {r["id"]: r["then"] for r in policy["rules"]}
    late = {(c["case"], c["leg"]) for c in books.clocks if c["kind"] == "finish" and c["state"] == "breached"}
    wrong, looked = [], 0
    for case in books.cases:
        doc = case["doc"]
        then = rules.get(doc["decision"]["rule"])
        if case["state"] in (*reconcile.OVER, "resolved") or then is None:
            continue
        peace = _seconds(then.get("finish") or policy["limits"]["finish"][doc["colour"]])
        for leg in doc["legs"]:
            if leg["state"] not in ("offered", "accepted", "answered") or not leg.get("finish_limit"):
                continue
            looked += 1
            if leg["finish_limit"] < peace and (case["id"], leg["id"]) not in late:
                wrong.append(f"{case['number']} {leg['id']}: {leg['finish_limit']} s, in peace {peace}")
    return Check("legs have the limits of peace again", f"looked at {looked}", "", tuple(wrong))


def due(start: datetime, limit: float, pauses: Sequence[tuple[datetime, datetime | None]]) -> datetime | None:
    """When a limit is used up, walking from pause to pause; None while one that has no end stands before it."""
    at, left = start, timedelta(seconds=limit)
    for begin, end in sorted(pauses, key=lambda p: p[0]):
        if end is not None and end <= at:
            continue
        begin = max(begin, at)
        if begin - at > left:
            break
        left -= begin - at
        if end is None:
            return None
        at = end
    return at + left


def clock_checks(books: Books, stopped: datetime) -> list[Check]:
    """Every clock of sla against one that is computed here from the case's document."""
    docs = {c["id"]: c for c in books.cases}
    limits, times, states, looked = [], [], [], 0
    for clock in books.clocks:
        case = docs.get(clock["case"])
        if case is None or clock["kind"] not in ("response", "finish", "citizen"):
            continue
        doc = case["doc"]
        leg = next((x for x in doc["legs"] if x["id"] == clock["leg"]), None)
        start = parse(leg["offered_at"]) if leg else parse(doc["first_received_at"])
        limit = leg[f"{clock['kind']}_limit"] if leg else doc["citizen_limit"]
        spans = [
            (parse(p["start"]), parse(p["end"]) if p.get("end") else None) for p in doc.get("pauses") or ()
        ]
        looked += 1
        name = f"{case['number']} {clock['kind']} {clock['leg'][:8]}"
        if clock["limit_seconds"] != limit:
            limits.append(f"{name}: sla {clock['limit_seconds']} s, the case {limit} s")
            continue
        ends = due(start, limit, spans)
        if ends is not None and ends != clock["due_at"]:
            times.append(f"{name}: sla {clock['due_at']}, counted {ends}")
        wanted = _state(doc, leg, clock["kind"], ends, stopped)
        if wanted and clock["state"] not in wanted:
            states.append(f"{name}: sla {clock['state']}, counted {' or '.join(wanted)} (due {ends})")
    count = f"clocks {looked}"
    return [
        Check("every clock has its case's limit", count, "", tuple(limits)),
        Check("every deadline, counted again", count, "", tuple(times)),
        Check("every clock's state, counted again", count, "", tuple(states)),
    ]


# While a clock runs, between the moment it is due and the moment sla looks, both may be.
_SLACK: Final = timedelta(minutes=10)


def _state(doc: Row, leg: Row | None, kind: str, ends: datetime | None, stopped: datetime) -> tuple[str, ...]:
    """The states that a clock may be in; () for those of which nothing is said here."""

    def at(where: Row, key: str) -> datetime | None:
        return parse(where[key]) if where.get(key) else None

    over = at(doc, "resolved_at") or at(doc, "closed_at")
    if doc["state"] in ("merged", "voided"):
        over = at(doc, "closed_at")
    if leg is None:
        done = (
            over if doc["state"] in ("resolved", "closed") and doc.get("confirmed") != "withdrawn" else None
        )
        gone = over if done is None else None
    else:
        done = at(leg, "done_at")
        if kind == "response":
            done = min(filter(None, (at(leg, "answered_at"), done)), default=None)
        gone = at(leg, "ended_at") or over
    if done is not None and (gone is None or done <= gone):
        return ("met",) if ends is None or done <= ends else ("breached",)
    if gone is not None:
        return ("breached",) if ends is not None and gone > ends else ("cancelled",)
    if ends is None or ends > stopped:
        return ("armed", "warned")
    return ("breached",) if ends < stopped - _SLACK else ()


# -- the command -------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Runs a storm; exit code 1 when a check doesn't hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    defaults = Options()
    for name, words in (
        ("minutes", "business minutes that it lasts"),
        ("alert-at", "minute of the warning"),
        ("times", "times the normal rate"),
        ("speed", "how much faster the clock runs"),
    ):
        value = getattr(defaults, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=float, default=value, help=f"{words} ({value:g})")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    a = parser.parse_args(arguments)
    options = Options(a.minutes, a.alert_at, a.times, a.speed, seed=a.seed)
    folder = Path(tempfile.mkdtemp(prefix="jiayuan-storm-"))
    with provide() as servers:
        result = run(servers, folder, options, lambda line: print(f"  {line}", flush=True))
    print("\n".join(["", *result.lines(), ""]))
    if result.wrong:
        print(f"{len(result.wrong)} checks don't hold; logs in {folder}")
        return 1
    print("everything reconciles")
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
