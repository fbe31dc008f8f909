"""What `jiayuan import` does: takes in batch by batch, notes what is wrong, and goes on where it was broken off."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from jiayuan.chassis.config import load
from jiayuan.chassis.errors import Transient
from jiayuan.chassis.service import Runtime
from jiayuan.contracts.check import problems
from jiayuan.contracts.names import Lane

from . import answers, files, handlers, imports, keys, places, report, schemas, store
from . import mapping as mappings
from .store import imports as rows
from .store.imports import Progress

BATCH: Final = 500
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    file: Path
    mapping: Path | None = None
    channel: str = "file_import"
    lane: Lane = "bulk"
    source: str | None = None
    sheet: str | None = None
    form: str | None = None
    mapped: tuple[str, ...] = ()
    answer: Path | None = None
    restart: bool = False
    check: bool = False


def run(options: Options) -> int:
    """Takes a file in; the exit code."""
    file, answer = options.file, options.answer
    try:
        plan = mappings.load(options.mapping, tuple(files.COLUMNS)) if options.mapping else None
        source = options.source or (plan.source if plan else "") or "file_import"
        _check_source(source)
        columns, sheet, form = _columns(options.mapped), options.sheet, options.form or ""
        reading: dict[str, Any] = {"columns": columns, "plan": plan, "sheet": sheet, "form": form}
        lines = files.reader(file, **reading)
        digest = files.digest(file)
        origin = imports.Origin(options.channel, source, f"file:{digest}")
        told = [
            digest,
            plan.digest if plan else "",
            sorted(columns.items()),
            sheet,
            form,
            options.channel,
            options.lane,
            source,
        ]
        id_ = hashlib.sha256(repr(told).encode()).hexdigest()
        importer = _Dry() if options.check else _Importer(options.lane, id_, file)
        # An answer tells of every row, so every row is looked at again.
        before = importer.begin(afresh=options.restart or answer is not None)
        if before.line:
            click.echo(f"continuing behind line {before.line}: {before.read} lines were dealt with before")
            lines = files.reader(file, **reading, start=files.Position(before.line, before.offset))
        words: dict[int, str] | None = {} if answer is not None else None
        with _errors(file, before.errors) as notes, _progress(file, lines) as advance:
            summary = _run(lines, importer, origin, before, notes, advance, words)
        if answer is not None:
            answers.write(lines, file, answer, words or {})
    except (files.Unreadable, mappings.BadMapping, click.BadParameter) as error:
        click.echo(f"jiayuan import: {error}", err=True)
        return 2
    except OSError as error:
        click.echo(f"jiayuan import: {error.filename}: {error.strerror}", err=True)
        return 2
    except Transient:
        click.echo("jiayuan import: the database doesn't answer; run it again to go on from here", err=True)
        return 2
    if lines.ignored:
        click.echo(f"columns that mean nothing here: {', '.join(lines.ignored)}")
    done = "would go in" if options.check else "taken in"
    click.echo(
        f"{summary.read} lines: {summary.accepted} {done}, {summary.known} there already, {summary.wrong} wrong"
        + (f" (see {_errors_file(file)})" if summary.wrong else "")
        + (f", {summary.left_out} left out by the mapping" if summary.left_out else "")
    )
    return 1 if summary.wrong else 0


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


def _run(
    lines: files.Reader,
    importer: _Dry | _Importer,
    origin: imports.Origin,
    progress: Progress,
    notes: _Notes,
    advance: Callable[[Progress], None],
    words: dict[int, str] | None,
) -> Progress:
    """Reads and takes in batches, each a transaction of its own with the place that it reaches."""
    for batch in imports.batches(lines, BATCH):
        progress, outcomes = importer.take(batch, origin, progress, notes)
        if words is not None:
            words.update((o.line.number, o.words) for o in outcomes)
        advance(progress)
    importer.finish(progress)
    return progress


class _Importer:
    """Takes lines into the database; the running service publishes what comes of it."""

    def __init__(self, lane: Lane, id_: str, file: Path) -> None:
        settings = load(keys.IntakeSettings, "intake", {"JIAYUAN_AMQP_URI": "", **os.environ})
        self._runtime = Runtime(settings, store.metadata, handlers.HANDLERS)
        self._keys = keys.keys_of(settings)
        report.use_catalogue(settings.catalogue)
        self._lane: Lane = lane
        self._id, self._name = id_, file.name

    def begin(self, *, afresh: bool) -> Progress:
        with self._runtime.work(self._lane) as work:
            places.refresh(work)  # the list in force, not the one that comes with this build
            before = rows.begin(work, self._id, self._name)
            if afresh and before.line:
                rows.advance(work, self._id, before.line, Progress())
                before = Progress()
        return before

    def take(
        self, batch: list[files.Line], origin: imports.Origin, progress: Progress, notes: _Notes
    ) -> tuple[Progress, list[imports.Outcome]]:
        with self._runtime.work(self._lane) as work:
            outcomes = imports.take(work, batch, origin, self._keys)
            after = imports.count(progress, batch, outcomes)
            after.errors = notes.take(outcomes)
            if not rows.advance(work, self._id, progress.line, after):
                raise files.Unreadable("another process is taking the same file in; let it finish")
        return after, outcomes

    def finish(self, progress: Progress) -> None:
        with self._runtime.work(self._lane) as work:
            rows.advance(work, self._id, progress.line, progress, finished=True)


class _Dry:
    """Says what would become of lines."""

    def begin(self, *, afresh: bool) -> Progress:  # noqa: ARG002  as _Importer has it
        return Progress()

    def take(
        self, batch: list[files.Line], origin: imports.Origin, progress: Progress, notes: _Notes
    ) -> tuple[Progress, list[imports.Outcome]]:
        outcomes = []
        for line in batch:
            if line.left_out:
                continue
            receipt = handlers.Receipt(handlers.REFUSED, problems=line.problems)
            made = report.Submission(origin.channel, "")
            if not line.problems:
                made = imports.submission(line, origin)
                try:
                    receipt = handlers.Receipt(handlers.ACCEPTED, clean=report.clean(made, report.rules()))
                except report.BadSubmission as error:
                    receipt = handlers.Receipt(handlers.REFUSED, problems=error.problems)
            outcomes.append(imports.outcome(line, made, receipt))
        notes.take(outcomes)
        return imports.count(progress, batch, outcomes), outcomes

    def finish(self, progress: Progress) -> None:
        """Nothing is kept."""


def _errors_file(file: Path) -> Path:
    """Beside the file; where nobody may write there, in the working directory."""
    folder = file.parent if os.access(file.parent, os.W_OK) else Path()
    return folder / f"{file.name}.errors.csv"


class _Notes:
    """Writes wrong lines beside the file (and says the first ones); the file is there only if one was wrong."""

    def __init__(self, path: Path, size: int) -> None:
        self.path, self._count = path, 0
        self._out: Any = None
        if size and path.exists():
            # What was written behind the last transaction belongs to lines that come again.
            self._out = path.open("r+b")
            self._out.truncate(min(size, path.stat().st_size))
            self._out.seek(0, os.SEEK_END)
        else:
            path.unlink(missing_ok=True)

    def take(self, outcomes: Sequence[imports.Outcome]) -> int:
        """Notes what was wrong; gives the bytes that the file has then, which are on the disk."""
        wrong = [o for o in outcomes if o.became == "wrong"]
        if wrong:
            text = io.StringIO()
            writer = csv.writer(text)
            if self._out is None:
                self._out = self.path.open("wb")
                self._out.write(codecs.BOM_UTF8)
                writer.writerow(("line", "field", "problem", "allowed"))
            for o in wrong:
                self._count += 1
                for p in o.problems:
                    writer.writerow((o.line.number, p.field, p.problem, p.allowed))
                    if self._count <= _SHOWN:
                        allowed = f" ({p.allowed})" if p.allowed else ""
                        click.echo(f"line {o.line.number}: {p.field}: {p.problem}{allowed}")
                if self._count == _SHOWN + 1:
                    click.echo(f"more wrong lines are in {self.path}")
            self._out.write(text.getvalue().encode("utf-8", "replace"))
            self._out.flush()
            os.fsync(self._out.fileno())
        return int(self._out.tell()) if self._out is not None else 0

    def close(self) -> None:
        if self._out is not None:
            self._out.close()


@contextmanager
def _errors(file: Path, size: int) -> Iterator[_Notes]:
    notes = _Notes(_errors_file(file), size)
    try:
        yield notes
    finally:
        notes.close()


@contextmanager
def _progress(file: Path, lines: files.Reader) -> Iterator[Callable[[Progress], None]]:
    """A bar on a terminal, a plain line every few seconds elsewhere."""
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[said]}"),
            TimeRemainingColumn(),
        )
        with Bar(*columns, console=Console()) as bar:
            task = bar.add_task(file.name, total=lines.total or None, said="")

            def show(summary: Progress) -> None:
                bar.update(task, completed=lines.done, said=f"{summary.read} lines, {summary.wrong} wrong")

            yield show
        return
    last = time.monotonic()

    def say(summary: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= 5:
            last = time.monotonic()
            part = f" ({100 * lines.done // lines.total} %)" if lines.total else ""
            click.echo(f"{file.name}: {summary.read} lines{part}, {summary.wrong} wrong")

    yield say
