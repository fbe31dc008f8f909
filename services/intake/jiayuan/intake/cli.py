"""Intake's commands: import files, and explain what intake makes of a text."""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import click

from jiayuan.contracts.check import FieldProblem, problems
from jiayuan.contracts.names import Lane
from jiayuan.contracts.schemas.common import CHANNELS

from . import category, cli_category, cli_privacy, files, people, report, schemas, text
from .classifier import Classifier

BATCH: Final = 500
_SHOWN: Final = 20


@dataclass(slots=True)
class Summary:
    """What became of a file's lines."""

    read: int = 0
    accepted: int = 0
    known: int = 0
    wrong: int = 0


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--channel", type=click.Choice(CHANNELS), default="file_import", show_default=True)
@click.option("--lane", type=click.Choice(["bulk", "live"]), default="bulk", show_default=True)
@click.option("--source", default="file_import", show_default=True, help="Whose numbers the lines' ids are.")
@click.option("--sheet", default=None, help="Of a workbook; the first by default.")
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "csv", "xlsx"]), help="If the ending doesn't tell."
)
@click.option("--map", "mapped", multiple=True, metavar="COLUMN=FIELD", help="What a column means.")
@click.option("--check", is_flag=True, help="Only look for wrong lines; nothing goes in.")
def import_file(
    file: Path,
    channel: str,
    lane: Lane,
    source: str,
    sheet: str | None,
    form: str | None,
    mapped: tuple[str, ...],
    check: bool,
) -> None:
    """Take the reports of FILE in (JSON lines, CSV, XLSX).

    A line that is wrong is reported with its number, field and reason, here and in FILE.errors.csv; the others go in.
    Running it again adds nothing. Exit code 1: some line was wrong; 2: the file can't be read.
    """
    try:
        _check_source(source)
        lines = files.reader(file, columns=_columns(mapped), sheet=sheet, form=form or "")
        digest = files.digest(file)
        with _errors(file) as note, _progress(file, lines) as advance:
            take = _dry if check else _take(lane)
            summary = _run(lines, take, channel, source, f"file:{digest}", note, advance)
    except (files.Unreadable, click.BadParameter) as error:
        click.echo(f"jiayuan import: {error}", err=True)
        sys.exit(2)
    if lines.ignored:
        click.echo(f"columns that mean nothing here: {', '.join(lines.ignored)}")
    done = "would go in" if check else "taken in"
    click.echo(
        f"{summary.read} lines: {summary.accepted} {done}, {summary.known} there already, {summary.wrong} wrong"
        + (f" (see {_errors_file(file)})" if summary.wrong else "")
    )
    sys.exit(1 if summary.wrong else 0)


def _check_source(source: str) -> None:
    for p in problems(schemas.FileLine, {"text": "-", "source_system": source}):
        raise click.BadParameter(f"--source {source}: {p.problem}; {p.allowed}")


def _columns(mapped: tuple[str, ...]) -> dict[str, str]:
    out = {}
    for pair in mapped:
        column, sep, where = pair.rpartition("=")
        if not sep or not column:
            raise click.BadParameter(f"--map {pair}: must be COLUMN=FIELD")
        out[column] = where
    return out


Take = Callable[[list[report.Submission]], list[Any]]
Note = Callable[[int, list[FieldProblem]], None]


def _run(
    lines: files.Reader,
    take: Take,
    channel: str,
    source: str,
    file_source: str,
    note: Note,
    advance: Callable[[Summary], None],
) -> Summary:
    """Reads, takes in batches, notes what is wrong. Every batch is a transaction of its own."""
    summary = Summary()
    batch: list[tuple[int, report.Submission]] = []

    def flush() -> None:
        for (number, submission), receipt in zip(batch, take([s for _, s in batch]), strict=True):
            found = list(receipt.problems)
            if receipt.differs:
                found.append(
                    FieldProblem(
                        "external_id",
                        f"{submission.external_id} is another report's already",
                        "an id of its own, or another --source",
                    )
                )
            if found:
                summary.wrong += 1
                note(number, found)
            elif receipt.outcome == "duplicate":
                summary.known += 1
            else:
                summary.accepted += 1
        batch.clear()
        advance(summary)

    for line in lines:
        summary.read += 1
        if line.problems:
            summary.wrong += 1
            note(line.number, line.problems)
            continue
        document = line.document
        if document.get("external_id"):
            document.setdefault("source_system", source)
        else:
            # Nothing names the line but its place in this very file.
            document["source_system"], document["external_id"] = file_source, str(line.number)
        batch.append((line.number, report.from_document(document, channel=channel)))
        if len(batch) >= BATCH:
            flush()
    flush()
    return summary


def _take(lane: Lane) -> Take:
    """Takes submissions into the database; the running service publishes what comes of it."""
    from jiayuan.chassis.config import load
    from jiayuan.chassis.service import Runtime

    from . import handlers, keys, store

    settings = load(keys.IntakeSettings, "intake", {"JIAYUAN_AMQP_URI": "", **os.environ})
    runtime = Runtime(settings, store.metadata, handlers.HANDLERS)
    own = keys.keys_of(settings)

    def take(submissions: list[report.Submission]) -> list[Any]:
        if not submissions:
            return []
        with runtime.work(lane) as work:
            return handlers.receive(work, submissions, own)

    return take


def _dry(submissions: list[report.Submission]) -> list[Any]:
    from .handlers import ACCEPTED, REFUSED, Receipt

    out = []
    for submission in submissions:
        try:
            out.append(Receipt(ACCEPTED, clean=report.clean(submission, report.rules())))
        except report.BadSubmission as error:
            out.append(Receipt(REFUSED, problems=error.problems))
    return out


def _errors_file(file: Path) -> Path:
    return file.with_name(file.name + ".errors.csv")


@contextmanager
def _errors(file: Path) -> Iterator[Note]:
    """Writes wrong lines beside the file (and says the first ones); the file is there only if one was wrong."""
    path = _errors_file(file)
    path.unlink(missing_ok=True)
    opened: list[Any] = []
    writer: Any = None
    count = 0

    def note(number: int, found: list[FieldProblem]) -> None:
        nonlocal writer, count
        if writer is None:
            opened.append(path.open("w", encoding="utf-8-sig", newline=""))
            writer = csv.writer(opened[0])
            writer.writerow(("line", "field", "problem", "allowed"))
        count += 1
        for p in found:
            writer.writerow((number, p.field, p.problem, p.allowed))
            if count <= _SHOWN:
                click.echo(
                    f"line {number}: {p.field}: {p.problem}" + (f" ({p.allowed})" if p.allowed else "")
                )
        if count == _SHOWN + 1:
            click.echo(f"more wrong lines are in {path}")

    try:
        yield note
    finally:
        for handle in opened:
            handle.close()


@contextmanager
def _progress(file: Path, lines: files.Reader) -> Iterator[Callable[[Summary], None]]:
    """A bar on a terminal, a plain line every few seconds elsewhere."""
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[said]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console()) as bar:
            task = bar.add_task(file.name, total=lines.total or None, said="")

            def show(summary: Summary) -> None:
                bar.update(task, completed=lines.done, said=f"{summary.read} lines, {summary.wrong} wrong")

            yield show
        return
    last = time.monotonic()

    def say(summary: Summary) -> None:
        nonlocal last
        if time.monotonic() - last >= 5:
            last = time.monotonic()
            part = f" ({100 * lines.done // lines.total} %)" if lines.total else ""
            click.echo(f"{file.name}: {summary.read} lines{part}, {summary.wrong} wrong")

    yield say


@click.group("intake")
def intake() -> None:
    """What intake makes of reports."""


@intake.command("explain")
@click.argument("words")
@click.option("--title", default="", help="The report's title.")
@click.option("--place", default="", help="What the reporter said of the place.")
@click.option("--code", default="", help="A division or grid code.")
@click.option("--model", "model_file", type=click.Path(path_type=Path), help="A trained model's file.")
@cli_category.says_why
def explain(words: str, title: str, place: str, code: str, model_file: Path | None) -> None:
    """Show normal form, masks, place, category and danger signs of a text, and why."""
    trained = cli_category.load_for(model_file, report.rules().catalogue) if model_file else None
    rules = replace(report.rules(), classifier=Classifier(report.rules().catalogue, trained))
    submission = report.Submission("mini_program", words, title=title, place_text=place, place_code=code)
    try:
        clean = report.clean(submission, rules)
    except report.BadSubmission as error:
        for p in error.problems:
            click.echo(f"{p.field}: {p.problem} ({p.allowed})")
        sys.exit(1)
    hidden = people.mask(text.normal(words)) != text.normal(words)
    click.echo(f"标题     {clean.title}")
    click.echo(f"正文     {clean.text}")
    click.echo(f"脱敏     {'有姓名或号码被遮盖' if hidden else '未发现姓名和号码'}")
    click.echo(f"类型     {clean.kind}")
    names = [
        rules.gazetteer.nodes[c].name for c in (clean.place.street, clean.place.community) if c is not None
    ]
    where = "".join(names) or "未知"
    if clean.place.grid:
        where += f"（网格 {clean.place.grid}）"
    click.echo(f"地点     {where}，把握 {clean.place.confidence:.0%}")
    click.echo(f"依据     {clean.place.evidence or '没有提到名录中的地点'}")
    guess = clean.guess
    click.echo(
        f"类别     {guess.category.code} {guess.category.name}，把握 {guess.confidence:.0%}（{guess.method}）"
    )
    if trained is not None:
        cli_category.show_reasons(
            trained, text.shorten(people.mask(text.one_line(title)), text.MAX_TITLE), clean.text
        )
    if guess.why:
        click.echo("关键词   " + "、".join(f"{word}×{weight:g}" for word, weight in guess.why))
    if guess.runner_up:
        second = rules.catalogue.categories[guess.runner_up]
        click.echo(f"其次     {second.code} {second.name}")
    click.echo(f"重要紧急 {clean.importance}/{clean.urgency}{'，民生实事' if clean.livelihood else ''}")
    for sign in clean.signs:
        click.echo(f"危险     {sign.name}（{'、'.join(sign.words)}）→ {sign.call}")
    if clean.signs:
        click.echo(f"提示     {category.advice(clean.signs)}")


for command in (*cli_category.COMMANDS, *cli_privacy.COMMANDS):
    intake.add_command(command)

COMMANDS: list[click.Command] = [import_file, intake]
