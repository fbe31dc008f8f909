"""Commands of matters: the desk's questions about joins, how well joining does, and hotspots."""

from __future__ import annotations

import csv
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final, NoReturn

import click
import orjson

from . import report

_CHINA: Final = timezone(timedelta(hours=8))
_FORMS: Final = ("%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d", "%Y/%m/%d")
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
THRESHOLDS: Final = (0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9)


def _runtime() -> Any:
    from jiayuan.chassis.config import load
    from jiayuan.chassis.service import Runtime

    from . import handlers, keys, store

    settings = load(keys.IntakeSettings, "intake", {"JIAYUAN_AMQP_URI": "", **os.environ})
    keys.use(settings)
    return Runtime(settings, store.metadata, handlers.HANDLERS)


def _fail(said: str, code: int = 2) -> NoReturn:
    click.echo(said, err=True)
    sys.exit(code)


def _read(file: Path) -> list[dict[str, Any]]:
    """The lines of a JSONL file: id or row, user, time, title, detail or text."""
    out = []
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                row = json.loads(
                    line
                )  # not orjson: files of others write NaN for a time that they don't have
                if not isinstance(row, dict):
                    raise ValueError(f"line {number} is no JSON object")
                out.append(row)
    except (OSError, ValueError) as error:
        _fail(f"{file} can't be read: {error}")
    return out


def _text(row: dict[str, Any], *names: str) -> str:
    return next((v for n in names if isinstance(v := row.get(n), str) and v.strip()), "")


def _time(value: Any) -> datetime:
    """A time of a file, Chinese time where it names no offset; 1970 when there is none."""
    if not isinstance(value, str):
        return _EARLIEST
    try:
        at = datetime.fromisoformat(value.strip())
        return at if at.tzinfo else at.replace(tzinfo=_CHINA)
    except ValueError:
        pass
    for form in _FORMS:
        try:
            return datetime.strptime(value.strip(), form).replace(tzinfo=_CHINA)
        except ValueError:
            continue
    return _EARLIEST


# -- joins ---------------------------------------------------------------------------------------------


@click.group("joins")
def joins_group() -> None:
    """Reports about one matter: questions to the desk, decisions, and how well joining does."""


@joins_group.command("list")
@click.option(
    "--state",
    type=click.Choice(["asked", "joined", "declined", "separated"]),
    default="asked",
    show_default=True,
)
@click.option("--street", default="", help="Only with a report of this street.")
@click.option("--most", default=50, show_default=True)
def list_joins(state: str, street: str, most: int) -> None:
    """Show joins and questions, the oldest first."""
    from . import joins, store

    with _runtime().work() as work:
        rows = store.joins(work, state, street=street, most=most)
    for row in rows:
        told = joins.document(row)
        click.echo(f"{told['report']}  {told['score']:.2f}  {told['reason']}")
        for name in ("new", "first"):
            side = told[name]
            where = side["place"] or "地点未知"
            click.echo(f"    {side['received_at'][:16]} {where} {side['category']}：{side['title']}")
    click.echo(f"{len(rows)} {state}")


@joins_group.command("decide")
@click.argument("report_id", metavar="REPORT")
@click.option("--join/--leave", "join", required=True, help="One matter, or two.")
@click.option("--by", required=True, help="Who decides.")
@click.option("--note", default="")
def decide_join(report_id: str, join: bool, by: str, note: str) -> None:
    """Answer a question: --join or --leave. Exit code 1 when it can't be done, with the reason."""
    from . import joins

    _do(lambda work: joins.decide(work, report_id, join, by, note))


@joins_group.command("undo")
@click.argument("report_id", metavar="REPORT")
@click.option("--by", required=True, help="Who decides.")
@click.option("--reason", required=True)
def undo_join(report_id: str, by: str, reason: str) -> None:
    """Undo a join: the report gets a case of its own. Exit code 1 when it can't be done, with the reason."""
    from . import joins

    def act(work: Any) -> str:
        joins.undo(work, report_id, by, reason)
        return "separated"

    _do(act)


def _do(act: Callable[[Any], str]) -> None:
    from jiayuan.chassis.errors import Problem

    try:
        with _runtime().work() as work:
            said = act(work)
    except Problem as problem:
        why = "; ".join(f"{p.field} {p.problem}" for p in problem.problems) or problem.detail
        _fail(f"{problem.title}: {why}", 1)
    click.echo(said)


@joins_group.command("evaluate")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--groups", type=click.Path(path_type=Path), help="CSV: row, group of near-duplicates.")
@click.option("--shown", default=0, help="So many pairs that were joined without being in one group.")
def evaluate(file: Path, groups: Path | None, shown: int) -> None:
    """Join the messages of FILE (JSON lines) in memory, as they come in, and say how well it went by threshold.

    The window isn't applied: such files have old messages and messages without a time. Places are names in the texts
    only. With --groups, precision is the part of the pairs found that are in one group, recall the part of such pairs
    that were found.
    """
    from .matters import ASKED, JOINED

    begun = time.process_time()
    prints = [p for number, row in enumerate(_read(file)) if (p := _print(number, row)) is not None]
    cleaned, begun = time.process_time() - begun, time.process_time()
    pairs = _pairs(prints)
    looked, count = time.process_time() - begun, max(len(prints), 1)
    click.echo(f"{len(prints)} messages, {len(pairs)} pairs compared, {len(pairs) / count:.1f} a message")
    click.echo(
        f"CPU a message: {cleaned / count * 1e6:.0f} µs to clean and read, "
        f"{looked / count * 1e6:.0f} µs to look and compare"
    )
    truth = _truth(prints, groups) if groups else None
    if truth is not None:
        found = len(truth & pairs.keys()) / max(len(truth), 1)
        click.echo(f"{len(truth)} pairs are in one group; {found:.1%} of them were compared at all")
    click.echo("threshold  pairs" + ("  precision  recall" if truth is not None else ""))
    for threshold in THRESHOLDS:
        taken = {p for p, likeness in pairs.items() if likeness.score >= threshold}
        line = f"{threshold:>9.2f}  {len(taken):>5}"
        if truth is not None:
            right = len(taken & truth)
            line += f"  {right / max(len(taken), 1):>9.3f}  {right / max(len(truth), 1):>6.3f}"
        click.echo(line + {JOINED: "  ← joined from here", ASKED: "  ← asked from here"}.get(threshold, ""))
    _repeated(prints, pairs)
    if truth is not None and shown:
        _show(prints, {p: s for p, s in pairs.items() if s.certain and p not in truth}, shown)


def _print(number: int, row: dict[str, Any]) -> Any:
    """What is compared of a message; None when there is nothing to read in it."""
    from . import matters

    said, title = _text(row, "detail", "text") or _text(row, "title"), _text(row, "title")
    try:
        clean = report.clean(report.Submission("file_import", said, title=title), report.rules())
    except report.BadSubmission:
        return None
    return matters.read(
        matters.Matter(
            str(row.get("row", row.get("id", number))),
            clean.kind,
            clean.title,
            clean.text,
            clean.guess.category.code,
            clean.place.street or "",
            clean.place.community or "",
            clean.place.grid or "",
            _text(row, "user"),
            _time(row.get("time")),
            bool(clean.signs),
        )
    )


def _pairs(prints: Sequence[Any]) -> dict[tuple[int, int], Any]:
    """What each message is compared with: the newest of its buckets, the four with most in common, as SQL does it."""
    from . import joins, matters

    buckets: dict[int, list[int]] = defaultdict(list)
    out = {}
    for i, print_ in enumerate(prints):
        shared: Counter[int] = Counter()
        for kind, key in matters.keys(print_):
            for j in buckets[key][-6:]:
                shared[j] += joins.WEIGHTS[kind]
            buckets[key].append(i)
        shared.pop(i, None)
        for j, _ in sorted(shared.items(), key=lambda s: (-s[1], -s[0]))[:4]:
            out[(j, i)] = matters.compare(print_, prints[j])
    return out


def _truth(prints: Sequence[Any], groups: Path) -> set[tuple[int, int]]:
    try:
        with groups.open(encoding="utf-8-sig", newline="") as lines:
            group = {row[0]: row[1] for row in csv.reader(lines) if len(row) > 1}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        _fail(f"{groups} can't be read: {error}")
    together: dict[str, list[int]] = defaultdict(list)
    for i, print_ in enumerate(prints):
        if print_.matter.id in group:
            together[group[print_.matter.id]].append(i)
    return {(j, i) for members in together.values() for n, j in enumerate(members) for i in members[n + 1 :]}


def _repeated(prints: Sequence[Any], pairs: dict[tuple[int, int], Any]) -> None:
    """How far one person's repetitions count once: of the one who writes most."""
    writers = Counter(p.matter.reporter for p in prints if p.matter.reporter)
    if not writers:
        return
    most, count = writers.most_common(1)[0]
    again = {
        i
        for (j, i), likeness in pairs.items()
        if likeness.certain and prints[j].matter.reporter == prints[i].matter.reporter == most
    }
    click.echo(
        f"one person wrote {count} messages: {count - len(again)} matters, {len(again)} repetitions counted once"
    )


def _show(prints: Sequence[Any], odd: dict[tuple[int, int], Any], shown: int) -> None:
    click.echo(f"joined, in no group: {len(odd)}")
    for (j, i), likeness in sorted(odd.items(), key=lambda o: -o[1].score)[:shown]:
        click.echo(f"  {prints[j].matter.title}\n  {prints[i].matter.title}")
        click.echo(f"    {likeness.score:.2f} {likeness.reason}")


# -- hotspots ------------------------------------------------------------------------------------------


@click.command("hotspots")
@click.option("--since", help="From this day or time on (Chinese time).")
@click.option("--until", help="Before this day or time.")
@click.option(
    "--file", type=click.Path(path_type=Path), help="JSON lines instead of the reports that intake has."
)
@click.option("--street", default="", help="Only reports of this street.")
@click.option("--most", default=5, show_default=True)
@click.option("--least", default=5, show_default=True, help="People that a hotspot has at least.")
@click.option("--keep", is_flag=True, help="For GET /hotspots.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of words.")
def hotspots_command(
    since: str | None,
    until: str | None,
    file: Path | None,
    street: str,
    most: int,
    least: int,
    keep: bool,
    as_json: bool,
) -> None:
    """What many people say about one thing at one place, by people and growth, with the messages."""
    from . import hotspots

    if file is not None and keep:
        raise click.UsageError("--keep is for the reports that intake has")
    if file is None and not since:
        raise click.UsageError("--since is needed, for instance --since 2026-01-01")
    begin, end = _bound("--since", since, _EARLIEST), _bound("--until", until, datetime.now(UTC))
    runtime: Any = None if file is not None else _runtime()
    messages = list(_messages(file, runtime, begin, end, street))
    begun = time.process_time()
    found = hotspots.find(messages, least=least, most=most)
    took = time.process_time() - begun
    documents = [hotspots.document(h, messages) for h in found]
    if keep:
        from . import store

        with runtime.work() as work:
            store.keep_hotspots(work, begin, end, street, len(messages), documents)
    if as_json:
        click.echo(orjson.dumps(documents, option=orjson.OPT_INDENT_2))
        return
    for rank, (hotspot, document) in enumerate(zip(found, documents, strict=True), 1):
        click.echo(
            f"{rank}. {'、'.join(hotspot.words)}：{hotspot.people}人，{len(hotspot.members)}件，"
            f"{document['first'][:10]}至{document['last'][:10]}，最密集时为平均的{hotspot.growth:.1f}倍"
        )
        for member in document["messages"]:
            click.echo(f"   {member['at'][:10]} {member['title']}")
    click.echo(f"{len(messages)} messages, {len(found)} hotspots, {took:.1f} s of CPU")


def _bound(name: str, given: str | None, default: datetime) -> datetime:
    if not given:
        return default
    at = _time(given)
    if at == _EARLIEST:
        raise click.BadParameter(f"{name} {given}: must be a day or time, like 2026-01-31")
    return at


def _messages(
    file: Path | None, runtime: Any, since: datetime, until: datetime, street: str
) -> Iterator[Any]:
    from .hotspots import Message

    if file is None:
        from . import store

        with runtime.work() as work:
            for said in store.said(work, since, until, street):
                where = frozenset(c for c in (said.community,) if c)
                at = said.received_at.timestamp()
                yield Message(str(said.id), said.reporter or "", at, said.title, said.text, where)
        return
    from . import people, text

    for number, row in enumerate(_read(file)):
        when = _time(row.get("time"))
        if since <= when < until:
            yield Message(
                str(row.get("id", row.get("row", number))),
                _text(row, "user"),
                when.timestamp(),
                people.mask(text.one_line(_text(row, "title"))),
                people.mask(text.normal(_text(row, "detail", "text"))),
            )


COMMANDS: Final[list[click.Command]] = [joins_group, hotspots_command]
