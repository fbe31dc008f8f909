"""`jiayuan routing rotation`: whose turn it is in a place, and how fair the turns are."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from .common import opened_runtime

_PASSED = {"": "轮值", "off duty": "不在岗", "busy": "手头工单过多", "lacks": "不具备所需条件"}


@click.group()
def rotation() -> None:
    """Whose turn it is among the workers of a grid (輪轉交辦)."""


@rotation.command()
@click.argument("place")
@click.option(
    "--simulate", type=click.IntRange(1, 1_000_000), help="Hand out that many invented cases instead."
)
@click.option("--replicas", type=click.IntRange(1, 50), default=1, show_default=True)
@click.option("--restarts", type=click.IntRange(0, 50), default=0, show_default=True)
@click.option(
    "--away", type=click.FloatRange(0, 0.9), default=0.0, help="Share of the time that each is off duty."
)
@click.option("--hours", help="Hours that a case takes; `8,16`: one half of the workers, and the other half.")
@click.option(
    "--every", type=click.FloatRange(0.01), default=1.0, show_default=True, help="Minutes between cases."
)
@click.option("--seed", default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def show(
    place: str,
    simulate: int | None,
    replicas: int,
    restarts: int,
    away: float,
    hours: str | None,
    every: float,
    seed: int,
    as_json: bool,
) -> None:
    """The workers of a grid, community or street in their order, the next one first.

    With --simulate: how many turns each gets of so many cases, and the worst that came between any two of them. Exit
    code 1 when that is more than the bound, or somebody off duty was handed a case.
    """
    with opened_runtime() as runtime, runtime.work() as work:
        from .. import book as books
        from .. import store

        book = books.of(work)
        directory = book.directory
        if place not in directory.grids and place not in directory.places:
            raise click.ClickException(f"there is no grid, community or street {place}")
        workers = directory.workers(place)
        if not workers:
            raise click.ClickException(f"{place} has no active workers")
        names = {w: directory.people[w].name for w in workers}
        if simulate is None:
            counts = store.turn_counts(work, workers)
            rows = [
                {
                    "worker": s.person,
                    "name": names[s.person],
                    "turns": counts.get(s.person, (0, 0))[1],
                    "last_given": _time(s.last),
                    "open_cases": s.load,
                    "passed_over": s.passed or None,
                    "stand_in": book.staff.stand_in(s.person, work.now) if s.passed == "off duty" else None,
                }
                for s in book.rotation.order(place, work.now)
            ]
            _say_order(rows, as_json)
            return
    _simulate(workers, names, simulate, replicas, restarts, away, hours, every, seed, as_json)


def _time(micros: int) -> str | None:
    return datetime.fromtimestamp(micros / 1_000_000, UTC).isoformat(timespec="seconds") if micros else None


def _say_order(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    for n, row in enumerate(rows, 1):
        instead = f"，由{row['stand_in']}代" if row["stand_in"] else ""
        click.echo(
            f"{n:4}  {row['worker']}  {row['name']}  累计{row['turns']}件  在手{row['open_cases']}件  "
            f"上次{row['last_given'] or '无'}  {_PASSED[row['passed_over'] or '']}{instead}"
        )


def _simulate(
    workers: Any,
    names: dict[str, str],
    cases: int,
    replicas: int,
    restarts: int,
    away: float,
    hours: str | None,
    every: float,
    seed: int,
    as_json: bool,
) -> None:
    from .. import fairness

    start, step = datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=every)
    found = fairness.simulate(
        workers,
        cases,
        start=start,
        every=step,
        replicas=replicas,
        away=fairness.leaves(workers, away, start, cases * step, seed) if away else None,
        hours=_hours(workers, hours),
        restarts=restarts,
        seed=seed,
    )
    most, least = max(found.turns.values()), min(found.turns.values())
    result = {
        "cases": cases,
        "turns": found.turns,
        "most": most,
        "least": least,
        "spread": found.spread,
        "apart": found.apart,
        "bound": found.bound,
        "open_cases": found.hands,
        "nobody_on_duty": found.nobody,
        "off_duty_handed": found.off_duty,
    }
    if as_json:
        click.echo(json.dumps(result, ensure_ascii=False))
    else:
        for worker, turns in sorted(found.turns.items(), key=lambda t: (-t[1], t[0])):
            click.echo(f"{worker}  {names[worker]}  {turns}件")
        click.echo(f"共{cases}件：最多{most}，最少{least}，相差{found.spread}")
        click.echo(f"任意两人同时可接单期间，件数最多相差{found.apart}，保证不超过{found.bound}")
        if hours:
            click.echo(f"结束时在手工单：最多{found.hands[0]}，最少{found.hands[1]}")
        click.echo(f"无人在岗而上交的{found.nobody}件；派给不在岗的人{found.off_duty}件")
    if found.apart > found.bound or found.off_duty:
        sys.exit(1)


def _hours(workers: Any, given: str | None) -> dict[str, float] | None:
    if given is None:
        return None
    try:
        parts = [float(part) for part in given.split(",")]
    except ValueError:
        parts = []
    if not parts or any(not 0 < part <= 1000 for part in parts):
        raise click.BadParameter(
            f"{given!r}: one or more numbers of hours, such as 8 or 8,16", param_hint="--hours"
        )
    return {worker: parts[n % len(parts)] for n, worker in enumerate(workers)}
