"""`make demo`: everything up, real reports through all five services, and at the end every one accounted for.

    python -m jiayuan.local.demo [--data FILE] [--reports N] [--speed N]
    python -m jiayuan.local.demo --down

It leaves the services running, to be looked at; `--down` ends them and their servers and deletes their folder.
Exit code 0 when everything reconciles, 1 when something doesn't (it says what) or could not be started, 130 after
Ctrl-C, which takes everything down.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import resources
from pathlib import Path
from types import FrameType
from typing import Any, Final

import yaml
from rich.console import Console

from jiayuan.chassis.clock import Clock
from jiayuan.chassis.errors import StartError
from jiayuan.chassis.management import Management
from jiayuan.contracts.names import SERVICES

from . import processes, reconcile, replay
from .cluster import Cluster, ServiceError
from .live import SHANGHAI, Screen, Snapshot, Watcher, clock_text, table
from .processes import Process
from .servers import Servers, ServersUnavailable, start_detached, take_down
from .simulation import PARTNER, People

FOLDER: Final = Path(".local/demo")
STATE: Final = "demo.json"
DIRECTORY: Final = "directory.json"
REAL: Final = Path("../shared/data/messages_unlabelled.jsonl")
REPORTS: Final = 400
# 15 minutes of business time take 0.8 seconds, 24 hours 79.
SPEED: Final = 1100.0
ARRIVALS: Final = 40.0
# After this many seconds no department lets a whole day pass any more.
LAST_DAY: Final = 7.0
# Shorter than the shipped ones, so that every clock runs out while somebody watches.
LIMITS: Final = {"citizen": "24h", "confirmation": "3h", "street_response": "2h"}
SEED: Final = 1


class DemoError(RuntimeError):
    """The demonstration can't go on; one sentence for whoever started it."""


@dataclass(frozen=True)
class Options:
    """How the demonstration is run. `data` None: real messages when they are there, else the bundled ones.

    `most`: seconds after the last arrival by which everything must have come to its end.
    """

    folder: Path = FOLDER
    data: Path | None = None
    reports: int = REPORTS
    speed: float = SPEED
    arrivals: float = ARRIVALS
    most: float = 180.0
    prefer: str | None = None
    limits: dict[str, str] = field(default_factory=lambda: dict(LIMITS))


@dataclass(frozen=True)
class Outcome:
    """What came of it. `code` is the exit code, `wrong` the checks that don't reconcile."""

    code: int
    checks: tuple[reconcile.Check, ...]
    figures: reconcile.Figures
    seconds: float

    @property
    def wrong(self) -> tuple[reconcile.Check, ...]:
        """The checks that don't reconcile."""
        return tuple(c for c in self.checks if not c.good)


# -- what is running ---------------------------------------------------------------------------------


def remember(folder: Path, cluster: Cluster | None, servers: Servers | None) -> None:
    """Writes down what runs, so that another process can take it down. Readable by the owner only."""
    state: dict[str, Any] = {"demo": _me()}
    if servers is not None:
        state["servers"] = {"chosen": servers.chosen, **servers.environment()}
    if cluster is not None:
        state["run"] = cluster.run
        state["vhost"] = cluster.broker.vhost if cluster.broker else None
        pids = [pid for found in cluster.pids().values() for pid in found]
        state["processes"] = [(p.pid, p.started) for p in map(Process.of, pids)]
    draft = folder / f"{STATE}.new"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(state, out)
    draft.replace(folder / STATE)


def _me() -> tuple[int, int]:
    me = Process.of(os.getpid())
    return me.pid, me.started


def down(folder: Path = FOLDER) -> bool:
    """Ends what a demonstration left running and deletes its folder. False when there was nothing."""
    folder = folder.absolute()
    if not folder.exists():
        return False
    state = _state(folder)
    other = Process(*state["demo"]) if "demo" in state else None
    if other is not None and other.pid != os.getpid() and other.alive():
        # It is still at work, in another terminal: it takes itself down.
        processes.send([other], signal.SIGTERM)
        if not processes.wait_gone([other], 60):
            processes.kill_trees([other])
    services = [Process(*p) for p in state.get("processes", ())]
    processes.send(services, signal.SIGTERM)
    if not processes.wait_gone(services, 25):
        processes.kill_trees(services)
    if state.get("servers", {}).get("chosen") == "given":
        _drop(state)
    take_down(folder / "servers")
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.name == ".local" and not any(folder.parent.iterdir()):
        folder.parent.rmdir()
    return True


def _state(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / STATE).read_text())
    except FileNotFoundError:
        return {}
    return found


def _drop(state: dict[str, Any]) -> None:
    """Given servers stay; what the demonstration made on them goes."""
    servers = state["servers"]
    if not state.get("run"):
        return
    given = Servers("given", "", servers["AMQP_URI"], servers["AMQP_MANAGEMENT_URL"], servers["DATABASE_URL"])
    if state.get("vhost"):
        Management(given.management_url).delete_vhost(state["vhost"])
    cluster = Cluster(given, FOLDER, name=state["run"])
    cluster.database_urls = dict.fromkeys(SERVICES, "")
    cluster.drop()


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM is as good as Ctrl-C."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _ignoring(*numbers: signal.Signals) -> Iterator[None]:
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


# -- bringing up -------------------------------------------------------------------------------------


@dataclass
class Stage:
    """Everything that is up: the servers, the services, and the directory that they work with."""

    servers: Servers
    cluster: Cluster
    clock: Clock
    directory: dict[str, Any]

    @property
    def partner(self) -> Callable[[str], str]:
        """The address of the broker with the login of an outside system."""
        assert self.cluster.broker is not None
        return self.cluster.broker.uri


def bring_up(options: Options, say: Callable[[str], None]) -> Stage:
    """Servers, databases, services, directory and policy. Raises DemoError, ServersUnavailable or ServiceError."""
    folder = options.folder.absolute()
    folder.mkdir(parents=True)
    remember(folder, None, None)
    seeding = _start_seeding(folder / DIRECTORY)  # it needs no server, and takes seconds
    try:
        servers = start_detached(folder / "servers", prefer=options.prefer)
        return _bring_up(options, folder, servers, seeding, say)
    finally:
        if seeding.poll() is None:
            seeding.kill()
            seeding.wait()


def _bring_up(
    options: Options,
    folder: Path,
    servers: Servers,
    seeding: subprocess.Popen[str],
    say: Callable[[str], None],
) -> Stage:
    remember(folder, None, servers)
    clock = Clock(options.speed, float(int(time.time())))
    settings = {
        "JIAYUAN_CLOCK_SPEED": str(clock.speed),
        "JIAYUAN_CLOCK_EPOCH": str(clock.epoch),
        "JIAYUAN_LOG_LEVEL": "WARNING",
    }
    cluster = Cluster(servers, folder, settings=settings)
    cluster.prepare()
    remember(folder, cluster, servers)
    try:
        directory = _start_services(cluster, servers, options, seeding, say)
    except BaseException:
        cluster.kill()  # one of them may not be written down yet
        raise
    stage = Stage(servers, cluster, clock, directory)
    _wait_for_directory(stage)
    say("services: " + "  ".join(f"{s} {a}" for s, a in cluster.addresses().items()))
    return stage


def _start_services(
    cluster: Cluster,
    servers: Servers,
    options: Options,
    seeding: subprocess.Popen[str],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Five processes; while they start, the directory goes in, which is returned."""
    started = []
    for service in cluster.services:
        started.append(cluster.start(service, wait=False))
        remember(cluster.folder, cluster, servers)
    directory = _take_over(cluster, options, seeding, say)
    for process in started:
        process.wait_ready()
    cluster.save()
    return directory


def _command(cluster: Cluster, service: str, *arguments: str) -> str:
    done = cluster.command(service, *arguments)
    if done.returncode:
        words = (done.stderr or done.stdout).strip()[-600:]
        raise DemoError(f"jiayuan {' '.join(arguments[:3])} failed: {words}")
    return done.stdout


def _start_seeding(file: Path) -> subprocess.Popen[str]:
    """The directory at its real scale: real streets and communities, invented grids and people."""
    return subprocess.Popen(
        [sys.executable, "-m", "jiayuan.chassis.cli", "routing", "directory", "seed", "--out", str(file)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _take_over(
    cluster: Cluster, options: Options, seeding: subprocess.Popen[str], say: Callable[[str], None]
) -> dict[str, Any]:
    """Routing gets the directory, and a policy whose long limits are short enough to be watched."""
    words, _ = seeding.communicate(timeout=120)
    if seeding.returncode:
        raise DemoError(f"jiayuan routing directory seed failed: {words.strip()[-600:]}")
    file = cluster.folder / DIRECTORY
    _command(cluster, "routing", "routing", "directory", "import", str(file), "--who", "demo")
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    communities = sum(len(s["communities"]) for s in document["streets"])
    say(
        f"Xiapu: {len(document['streets'])} streets, {communities} communities and villages, "
        f"{len(document['grids'])} grids, {len(document['people'])} grid workers, leaders and chiefs, "
        f"{len(document['units'])} units, {len(document['cadres'])} cadres, "
        f"{len(document['volunteers'])} volunteers, {len(document['mediators'])} mediators, "
        f"{len(document['points'])} service points, rosters; all people are invented"
    )
    policy = yaml.safe_load((resources.files("jiayuan.routing") / "data/policy.yaml").read_text("utf-8"))
    policy["version"] = f"{policy['version']}-demo"
    policy["limits"] |= options.limits
    file = cluster.folder / "policy.yaml"
    file.write_text(yaml.safe_dump(policy, allow_unicode=True, sort_keys=False), encoding="utf-8")
    _command(cluster, "routing", "routing", "policy", "import", str(file), "--who", "demo")
    _command(cluster, "routing", "routing", "policy", "approve", policy["version"], "--who", "demo-second")
    return document


def _wait_for_directory(stage: Stage, timeout: float = 60.0) -> None:
    """Until notify knows everybody: the directory travels over the bus like everything else."""
    lists = ("people", "units", "cadres", "volunteers", "mediators", "committee")
    everybody = sum(len(stage.directory.get(k) or ()) for k in lists)
    until = time.monotonic() + timeout
    sql = "SELECT count(*) AS n FROM recipient WHERE type IN ('person', 'unit')"
    while reconcile.rows(stage.cluster.database_urls["notify"], sql)[0]["n"] < everybody:
        if time.monotonic() > until:
            raise DemoError(
                f"the directory did not reach notify in {timeout:g} s; see {stage.cluster.folder}"
            )
        time.sleep(0.2)


# -- playing -----------------------------------------------------------------------------------------


def choose_data(options: Options) -> tuple[Path, str]:
    """The file to replay, and what to say about it."""
    given = options.data or (Path(os.environ["DATA"]) if os.environ.get("DATA") else None)
    if given is not None:
        return given, str(given)
    if REAL.exists():
        return REAL, f"real messages ({REAL})"
    return replay.BUNDLED, f"the bundled reports, of our own writing ({REAL} is not there)"


def play(stage: Stage, options: Options, console: Console) -> tuple[replay.Account, People]:
    """Replays the messages while people work on the cases, until nobody owes anything any more."""
    cluster = stage.cluster
    path, words = choose_data(options)
    messages = replay.plan(replay.load(path, options.reports), stage.directory, options.arrivals, SEED)
    console.print(
        f"replaying {len(messages)} reports: {words}. Messages of elsewhere are given a place in Xiapu by a hash; "
        "their text stays as it is.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    minutes, day = (
        stage.clock.wall_seconds(timedelta(minutes=15)),
        stage.clock.wall_seconds(timedelta(days=1)),
    )
    console.print(
        f"the clock runs {options.speed:g} times as fast: 15 minutes take {minutes:.1f} s, 24 hours {day:.0f} s",
        highlight=False,
    )
    people = People(
        cluster.addresses(),
        cluster.token,
        stage.partner(PARTNER),
        stage.clock,
        seed=SEED,
        last_day=time.time() + LAST_DAY,
    )
    sender = replay.Replay(
        messages,
        cluster.address("intake"),
        stage.partner(replay.PARTNER),
        lambda file: _import(cluster, file),
        cluster.folder,
        lambda channel: cluster.token(f"demo-{channel}", "service"),
    )
    assert cluster.broker is not None
    watcher = Watcher(cluster.database_urls, cluster.broker.uri("admin"))
    try:
        people.start()
        sender.start(people.knows)
        with Screen(console) as screen:
            _watch(stage, options, sender, people, watcher, screen)
    finally:
        sender.stop()
        people.stop()
        watcher.close()
    return sender.account, people


def _watch(
    stage: Stage, options: Options, sender: replay.Replay, people: People, watcher: Watcher, screen: Screen
) -> None:
    began, quiet = time.monotonic(), 0
    while quiet < 3 and time.monotonic() - began < options.arrivals + options.most:
        snapshot = watcher.look()
        doing = _doing(sender, snapshot)
        screen.show(snapshot, clock_text(time.monotonic() - began, stage.clock.now()), doing)
        done = not sender.running and people.idle and snapshot.of("routing") and snapshot.quiet
        quiet = quiet + 1 if done else 0
        dead = [p.service for ps in stage.cluster.processes.values() for p in ps if not p.alive]
        if dead:
            raise DemoError(f"{', '.join(dead)} ended; see {stage.cluster.folder}")
        time.sleep(0.3 if quiet else 1.0)


def _doing(sender: replay.Replay, snapshot: Snapshot) -> str:
    sent, of = sum(sender.account.sent.values()), len(sender.messages)
    if sender.running:
        return f"sent {sent} of {of} reports"
    open_ = snapshot.of("routing") - snapshot.of("routing", "closed", "voided", "merged")
    if open_:
        return f"all {of} reports sent; {open_} cases on their way"
    return f"all {of} reports sent, all cases closed; waiting until nothing is under way"


_IMPORTED: Final = re.compile(r"(\d+) lines: (\d+) taken in")


def _import(cluster: Cluster, file: Path) -> tuple[int, str]:
    done = cluster.command("intake", "import", str(file))
    found = _IMPORTED.search(done.stdout)
    return (int(found[2]) if found else 0), (done.stdout + done.stderr).strip()[-400:]


# -- the end -----------------------------------------------------------------------------------------


def _decide_rejected(cluster: Cluster, rejected: int) -> list[str]:
    """Messages that came too late are dead letters; an operator says that nothing more will come of them."""
    if not rejected:
        return []
    decision = ("--reason", "refused", "--who", "demo", "--why", "it came too late, and its sender was told")
    said = _command(cluster, "routing", "dead-letters", "discard", "routing", *decision).strip()
    wanted = f"{rejected} of {rejected} dead letters: discarded"
    return [] if said == wanted else [f"{rejected} messages were rejected, but: {said}"]


def gather(cluster: Cluster, timeout: float = 20.0) -> reconcile.Books:
    """The books of all services, when the broker too says that nothing is under way (its counts lag by seconds)."""
    assert cluster.broker is not None
    until = time.monotonic() + timeout
    while any((left := _queues(cluster)).values()) and time.monotonic() < until:
        time.sleep(0.3)
    books = reconcile.read(cluster.database_urls, left)
    for year in reconcile.years(books):
        for verb in ("show", "check"):
            done = cluster.command("ledger", "ledger", verb, str(year))
            if done.returncode:
                books.faults.append(f"jiayuan ledger {verb} {year}: {done.stdout.strip()[-300:]}")
    return books


def _queues(cluster: Cluster) -> dict[str, int]:
    """Messages in each queue by the broker's own account: those that wait and those that are being handled."""
    assert cluster.broker is not None
    found = cluster.broker.management.call("GET", f"queues/{cluster.broker.vhost}")
    return {q["name"]: int(q.get("messages", 0)) for q in found}


def show(console: Console, figures: reconcile.Figures, checks: tuple[reconcile.Check, ...]) -> None:
    """The tables at the end."""
    colours = ("red", "orange", "yellow", "blue", "green")
    console.print()
    console.print(
        table(
            "Reports by channel",
            ("", "reports"),
            [*figures.channels.most_common(), ("all", figures.channels.total())],
        )
    )
    console.print()
    console.print(
        table(
            "Cases by level and colour",
            ("", *colours, "all"),
            [
                (level, *(counts[c] for c in colours), counts.total())
                for level, counts in sorted(figures.levels.items())
            ],
        )
    )
    console.print()
    console.print(
        table(
            "Answered (response limits of legs)",
            ("within", "in time", "late", "passed on before", "in time %"),
            [
                (
                    _span(limit),
                    n["met"],
                    n["breached"],
                    n["cancelled"],
                    _percent(n["met"], n["met"] + n["breached"]),
                )
                for limit, n in sorted(figures.answered.items())
            ],
        )
    )
    console.print()
    console.print(
        table(
            "Clocks",
            ("", "armed", "warned", "breached", "met"),
            [
                (kind, n["all"], n["warned"], n["breached"], n["met"])
                for kind, n in sorted(figures.clocks.items())
            ],
        )
    )
    console.print()
    console.print(table("Raised to", ("", "times"), figures.raised.most_common()))
    console.print()
    console.print(table("Cases at the end", ("", "cases"), figures.closed.most_common()))
    console.print()
    entered = figures.entries.total()
    off = figures.entries["written_off"]
    console.print(
        table("Livelihood account", ("entered", "written off", "open"), [(entered, off, entered - off)])
    )
    console.print()
    states = sorted({s for counts in figures.notices.values() for s in counts})
    console.print(
        table(
            "Notices by state",
            ("", *states, "all"),
            [(role, *(n[s] for s in states), n.total()) for role, n in sorted(figures.notices.items())],
        )
    )
    console.print()
    console.print("Reconciliation", style="bold")
    for check in checks:
        mark = "[green]✓[/]" if check.good else "[red]✗[/]"
        sides = " · ".join(filter(None, (check.left, check.right)))
        console.print(f" {mark} {check.name}" + (f"  [dim]{sides}[/]" if sides else ""), highlight=False)
        for words in check.wrong[:10]:
            console.print(f"     {words}", style="red", highlight=False, markup=False, soft_wrap=True)


def _span(seconds: int) -> str:
    return f"{seconds // 60} min" if seconds < 3600 else f"{seconds / 3600:g} h"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f}" if whole else "-"


def next_steps(console: Console, stage: Stage, books: reconcile.Books) -> None:
    """Where to look next."""
    folder = _shown(stage.cluster.folder)
    console.print()
    console.print("The services stay up until `make down`:", highlight=False)
    for service, address in stage.cluster.addresses().items():
        console.print(f"  {service:8} {address}", highlight=False)
    console.print("Follow one report through all five:", highlight=False)
    console.print(
        f"  {_shown(Path(sys.executable).parent)}/jiayuan trace {_interesting(books)}", highlight=False
    )
    console.print("An operator's commands, of any service:", highlight=False)
    command = f"{_shown(Path(sys.executable).parent)}/jiayuan ledger show {stage.clock.now().astimezone(SHANGHAI).year}"
    console.print(f"  (. {folder}/ledger.env && {command})", highlight=False)
    console.print(f"Logs, and how to reach everything: {folder} (cluster.json)", highlight=False)


def _shown(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _interesting(books: reconcile.Books) -> str:
    """A report whose case went a long way."""
    if not books.cases:
        return "REPORT"
    best = max(books.cases, key=lambda c: (c["livelihood"], c["reopened"], c["sequence"]))
    return str(best["doc"]["reports"][0]["id"])


def run(options: Options | None = None, console: Console | None = None) -> Outcome:
    """The whole demonstration; what it started stays up. Raises what `main` turns into a sentence: DemoError,
    ServersUnavailable, ServiceError, StartError, replay.DataError; then, as after Ctrl-C, nothing stays."""
    options, console = options or Options(), console or Console()
    began = time.monotonic()

    def say(words: str) -> None:
        console.print(words, highlight=False, markup=False, soft_wrap=True)

    path, _ = choose_data(options)
    replay.load(path, 1)  # better now than in half a minute
    if down(options.folder):
        say("what an earlier demonstration had left running is down")
    stage: Stage | None = None
    try:
        with _interruptible():
            stage = bring_up(options, say)
            console.print(f"up after {time.monotonic() - began:.0f} s", highlight=False)
            account, people = play(stage, options, console)
            faults = [*people.tally.faults, *_decide_rejected(stage.cluster, people.tally.rejected)]
            books = gather(stage.cluster)
            checks = tuple(reconcile.checks(account, books, faults))
            figures = reconcile.figures(books)
            show(console, figures, checks)
            outcome = Outcome(
                0 if all(c.good for c in checks) else 1, checks, figures, time.monotonic() - began
            )
            _say_result(console, outcome, people, account)
            next_steps(console, stage, books)
            remember(options.folder.absolute(), stage.cluster, stage.servers)
            return outcome
    except BaseException:
        with _ignoring(signal.SIGINT, signal.SIGTERM):  # once is enough
            down(options.folder)
        raise


def _say_result(console: Console, outcome: Outcome, people: People, account: replay.Account) -> None:
    done, late = people.tally.done.total(), people.tally.refused.total()
    console.print(
        f"people did {done} things ({late} came too late), citizens rated {people.tally.ratings.total()} results, "
        f"{account.resent} reports were sent twice",
        style="dim",
        highlight=False,
        soft_wrap=True,
    )
    if outcome.code:
        console.print(
            f"NOT reconciled: {', '.join(c.name for c in outcome.wrong)}", style="bold red", highlight=False
        )
    else:
        console.print(
            f"every report is accounted for in every service, after {outcome.seconds:.0f} s",
            style="bold green",
            highlight=False,
        )


def main(arguments: list[str] | None = None) -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m jiayuan.local.demo", description="The demonstration.")
    parser.add_argument("--down", action="store_true", help="end what a demonstration left running")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where everything of it is (%(default)s)")
    parser.add_argument("--data", type=Path, help="a JSONL file of messages; also DATA=path")
    parser.add_argument("--reports", type=int, default=REPORTS, help="at most so many (%(default)s)")
    parser.add_argument("--speed", type=float, default=SPEED, help="how fast the clock runs (%(default)s)")
    chosen = parser.parse_args(arguments)
    if chosen.down:
        print("jiayuan: everything is down" if down(chosen.folder) else "jiayuan: nothing was up")
        return 0
    options = Options(chosen.folder, chosen.data, max(1, chosen.reports), chosen.speed)
    try:
        return run(options).code
    except KeyboardInterrupt:
        print("\njiayuan: interrupted; everything is down", file=sys.stderr)
        return 130
    except (DemoError, ServersUnavailable, ServiceError, StartError, replay.DataError) as error:
        print(f"jiayuan: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
