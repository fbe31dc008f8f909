"""Commands around categories: train and measure the classifier, take a catalogue over."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from . import catalogues, classifier, model
from . import category as categories
from .catalogues import BadCatalogue
from .model import SUFFIX, BadModel, Model

_SHOWN = 20
F = TypeVar("F", bound=Callable[..., Any])


def says_why(run: F) -> F:
    """What can't be used is said in one sentence; exit code 2."""

    @wraps(run)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return run(*args, **kwargs)
        except BadModel as error:
            click.echo(f"jiayuan intake: {error}", err=True)
            sys.exit(2)
        except BadCatalogue as error:
            for problem in error.problems[:_SHOWN]:
                click.echo(f"jiayuan intake: {problem}", err=True)
            if len(error.problems) > _SHOWN:
                click.echo(f"jiayuan intake: and {len(error.problems) - _SHOWN} more", err=True)
            sys.exit(2)

    return wrapped  # type: ignore[return-value]


def _catalogue() -> categories.Catalogue:
    """The catalogue that JIAYUAN_INTAKE_CATALOGUE or JIAYUAN_CATALOGUE names, else the one that comes with intake."""
    path = os.environ.get("JIAYUAN_INTAKE_CATALOGUE") or os.environ.get("JIAYUAN_CATALOGUE")
    return catalogues.read(Path(path)) if path else categories.bundled()


def _data(run: F) -> F:
    options = (
        click.argument("file", type=click.Path(path_type=Path)),
        click.option(
            "--groups", type=click.Path(path_type=Path), help="CSV of row and near-duplicate group."
        ),
        click.option("--title", default="", help="The column of the title, if its name isn't a usual one."),
        click.option("--text", default="", help="The column of the text."),
        click.option("--label", default="", help="The column of the label."),
        click.option("--folds", type=click.IntRange(3, 20), default=5, show_default=True),
        click.option("--seed", "seeds", type=int, multiple=True, default=(0,), show_default=True),
    )
    for option in reversed(options):
        run = option(run)
    return run


def _read(file: Path, title: str, text: str, label: str) -> list[tuple[str, str, str, int]]:
    from . import training

    columns = {k: v for k, v in (("title", title), ("text", text), ("label", label)) if v}
    return training.read_messages(file, columns=columns)


def _examples(messages: Sequence[tuple[str, str, str, int]], groups: Path | None) -> list[Any]:
    from . import training

    return training.with_groups([training.example(*m) for m in messages], groups)


@click.command("evaluate")
@_data
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON, nothing else.")
@says_why
def evaluate(
    file: Path,
    groups: Path | None,
    title: str,
    text: str,
    label: str,
    folds: int,
    seeds: tuple[int, ...],
    as_json: bool,
) -> None:
    """Measure the classifier on the labelled messages of FILE (JSONL, CSV) by grouped folds.

    Weights and calibration of a fold have seen nothing of it, and nothing that nearly says the same.
    """
    from . import training

    messages = _read(file, title, text, label)
    examples = _examples(messages, groups)
    say = (lambda _line: None) if as_json else click.echo
    figures = training.evaluate(examples, folds=folds, seeds=seeds, say=say).document()
    if as_json:
        click.echo(json.dumps(figures, ensure_ascii=False, indent=1))
        return
    show_figures(figures)
    click.echo(f"groups of near duplicates: {figures['groups']} ({groups.name if groups else 'found here'})")
    rate = training.speed(training.sketch(examples), messages)
    click.echo(f"{rate:.0f} messages a second on one core, text work included")


def show_figures(figures: dict[str, Any]) -> None:
    """Prints the figures of a model."""
    seeds = "seed" if len(figures["seeds"]) == 1 else "seeds"
    click.echo(
        f"macro-F1 {figures['macro_f1']:.4f}, accuracy {figures['accuracy']:.4f} "
        f"({figures['rows']} messages, {figures['folds']} grouped folds, {seeds} "
        f"{', '.join(map(str, figures['seeds']))})"
    )
    click.echo(
        f"the surest {figures['sure_share']:.0%}: accuracy {figures['sure_accuracy']:.4f} "
        f"(ahead of the next label by {figures['sure_threshold']:.3f} and more)"
    )
    click.echo(f"expected calibration error {figures['expected_calibration_error']:.4f}")
    click.echo("confidence  messages    said     was")
    for row in figures["reliability"]:
        click.echo(
            f"{row['from']:.1f} to {row['to']:.1f}  {row['messages']:8d}   {row['confidence']:.3f}   "
            f"{row['accuracy']:.3f}"
        )
    click.echo("precision   recall       F1  messages  label")
    for name, row in figures["by_label"].items():
        click.echo(
            f"{row['precision']:9.3f} {row['recall']:8.3f} {row['f1']:8.3f}  {row['messages']:8d}  {name}"
        )


@click.command("train")
@_data
@click.option(
    "--labels", type=click.Path(path_type=Path), help="What labels stand for; see data/labels.yaml."
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="The model's file; by default named by its version."
)
@click.option(
    "--corrections", is_flag=True, help="Learn from the desk's corrections too, of intake's database."
)
@says_why
def train(
    file: Path,
    groups: Path | None,
    title: str,
    text: str,
    label: str,
    folds: int,
    seeds: tuple[int, ...],
    labels: Path | None,
    out: Path | None,
    corrections: bool,
) -> None:
    """Train a model on the labelled messages of FILE (JSONL, CSV) and write its file.

    The file carries the digest of what it learned from, and the figures of `evaluate`. It is not in force by that: see
    `jiayuan intake models`.
    """
    from . import training

    catalogue = _catalogue()
    mapped = classifier.read_labels(labels) if labels else classifier.bundled_labels()
    messages = _read(file, title, text, label)
    codes = classifier.codes_of({m[2] for m in messages}, mapped, catalogue)
    learned = _corrections(codes, catalogue) if corrections else []
    examples = training.with_groups([*(training.example(*m) for m in messages), *learned], groups)
    figures = training.evaluate(examples, folds=folds, seeds=seeds, say=click.echo)
    packed = training.train(
        examples,
        codes,
        {c.code: c.name for c in catalogue.categories.values()},
        figures=figures,
        origin={"file": file.name, "corrections": len(learned), "catalogue": catalogue.version},
    )
    made = model.unpack(packed, "the new model")
    path = out or Path(f"intake-{made.version}{SUFFIX}")
    path.write_bytes(packed)
    show_figures(figures.document())
    click.echo(f"{path}: model {made.version}, {len(packed) / 1e6:.1f} MB, digest {made.digest[:16]}")


def _corrections(codes: Mapping[str, tuple[str, ...]], catalogue: categories.Catalogue) -> list[Any]:
    """What the desk put right, as examples; those of a category that no label stands for can't be."""
    from . import store, training

    with _runtime().work() as work:
        rows = store.corrected_reports(work)
    out = []
    for number, row in enumerate(rows, start=1):
        label = classifier.label_of(row.code, codes, catalogue)
        if label is not None:
            out.append(training.example(row.title, row.text, label, -number))
    left = len(rows) - len(out)
    click.echo(
        f"{len(out)} corrections"
        + (f"; {left} more are of categories that are no single label's" if left else "")
    )
    return out


def _runtime() -> Any:
    from jiayuan.chassis.config import load
    from jiayuan.chassis.service import Runtime

    from . import keys, store

    settings = load(keys.IntakeSettings, "intake", {"JIAYUAN_AMQP_URI": "", **os.environ})
    return Runtime(settings, store.metadata, [])


def load_for(path: Path, catalogue: categories.Catalogue) -> Model:
    """The model in a file, made sure to fit the catalogue."""
    found = model.load(path)
    model.check_codes(found, {c.code: c.name for c in catalogue.categories.values()})
    return found


def show_reasons(found: Model, title: str, text: str) -> None:
    """Prints what a trained model makes of a text, and which of its n-grams spoke for and against."""
    guess = found.guess(title, text)
    ranked = sorted(guess.probabilities.items(), key=lambda p: -p[1])[:3]
    click.echo(f"模型     {found.version}：" + "，".join(f"{name} {p:.1%}" for name, p in ranked))
    pro, contra = found.reasons(title, text)
    for name, reasons in ((f"支持{guess.label}", pro), (f"支持{guess.second}", contra)):
        said = "、".join(f"{r.words!r} {abs(r.weight):.3f}" for r in reasons)
        click.echo(f"{name}  {said or '没有'}")


@click.group("models")
def models() -> None:
    """The trained models that intake's database holds: which is in force, which runs in its shadow."""


_WHO = click.option("--who", default=getpass.getuser, show_default="your login", help="Kept with the step.")
_REASON = click.option("--reason", required=True, help="Why; kept with the step.")


@models.command("list")
def models_list() -> None:
    """Every model with its state and figures, then who did what."""
    from . import store

    with _runtime().work() as work:
        rows, steps = store.model_list(work), store.model_steps(work)
    if not rows:
        click.echo("no model: the catalogue's keywords decide")
    for r in rows:
        figures, data = r.document["figures"], r.document["training"]
        click.echo(
            f"{r.version}  {r.state:9}  macro-F1 {figures['macro_f1']:.4f}  "
            f"surest {figures['sure_share']:.0%} {figures['sure_accuracy']:.4f}  "
            f"calibration error {figures['expected_calibration_error']:.4f}  {data['messages']} messages, "
            f"{data.get('corrections', 0)} corrections  {r.bytes / 1e6:.1f} MB  digest {r.digest[:12]}"
        )
    for s in steps:
        before = f" (before: {s.before})" if s.before else ""
        click.echo(f"{s.at:%Y-%m-%d %H:%M} {s.who}: {s.action} {s.version}{before}: {s.reason}")


@models.command("add")
@click.argument("file", type=click.Path(path_type=Path))
@_WHO
@_REASON
@says_why
def models_add(file: Path, who: str, reason: str) -> None:
    """Take the model of FILE into the database, as a candidate; nothing else changes."""
    from . import models as domain

    try:
        raw = file.read_bytes()
    except OSError as error:
        raise BadModel(f"{file} can't be read: {error}") from None
    with _runtime().work() as work:
        added = domain.add(work, raw, str(file), _catalogue(), who, reason)
    click.echo(added.version)


@models.command("shadow")
@click.argument("version")
@_WHO
@_REASON
@says_why
def models_shadow(version: str, who: str, reason: str) -> None:
    """Let a model read new reports beside the one in force; what it says is recorded and changes nothing."""
    from . import models as domain

    with _runtime().work() as work:
        domain.shadow(work, version, who, reason)
    click.echo(f"{version} runs in the shadow within {domain.LOOK_SECONDS:.0f} seconds")


@models.command("compare")
@click.argument("version", required=False)
@says_why
def models_compare(version: str | None) -> None:
    """Set a model's guesses in the shadow beside what was decided, and both beside the desk's corrections."""
    from . import models as domain
    from . import store

    with _runtime().work() as work:
        chosen = version or store.models_in_use(work).get(store.SHADOW)
        if chosen is None:
            raise BadModel("no model runs in the shadow; name one that did")
        found = domain.compare(work, chosen, _catalogue())
    if not found.reports:
        click.echo(f"{chosen} has read no report in the shadow yet")
        return
    click.echo(
        f"{chosen}: {found.reports} reports, the same in {found.same} ({found.same / found.reports:.1%})"
    )
    for (decided, said), n in found.apart.most_common(10):
        click.echo(f"{n:7d}  decided {decided}, shadow {said}")
    if found.corrected:
        click.echo(
            f"of {found.corrected} that the desk looked at and put right: what was decided meant its category in "
            f"{found.decided_right}, the shadow in {found.shadow_right}"
        )


@models.command("promote")
@click.argument("version")
@click.option("--worse", is_flag=True, help="Although its macro-F1 is lower than that of the one in force.")
@_WHO
@_REASON
@says_why
def models_promote(version: str, worse: bool, who: str, reason: str) -> None:
    """Put a model in force."""
    from . import models as domain

    with _runtime().work() as work:
        before = domain.promote(work, version, who, reason, worse=worse)
    click.echo(
        f"{version} is in force within {domain.LOOK_SECONDS:.0f} seconds, instead of {before or 'keywords'}"
    )


@models.command("rollback")
@_WHO
@_REASON
@says_why
def models_rollback(who: str, reason: str) -> None:
    """Undo the promotion of the model in force: the one before it comes back, or keywords."""
    from . import models as domain

    with _runtime().work() as work:
        was, now = domain.rollback(work, who, reason)
    click.echo(f"{now or 'keywords'} instead of {was} within {domain.LOOK_SECONDS:.0f} seconds")


@click.group("catalogue")
def catalogue() -> None:
    """The catalogue of matters: check one, or make one of a table of levels."""


@catalogue.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@says_why
def catalogue_check(file: Path) -> None:
    """Say what FILE (a catalogue in YAML, or a CSV of levels) holds; or what is wrong with it, with exit code 2."""
    if file.suffix.lower() == ".csv":
        paths = catalogues.paths_of(file)
        document = catalogues.made_of(paths, version="check", signs=categories.document())
    else:
        catalogues.read(file)
        document = catalogues.document_of(file)
    _say_levels(document)


@catalogue.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The catalogue to write (YAML).")
@click.option("--version", required=True, help="Of the catalogue, like 2027.1.")
@says_why
def catalogue_import(file: Path, out: Path, version: str) -> None:
    """Make a catalogue of FILE, a CSV whose columns are levels, the broadest first.

    Where --out is a catalogue already, its codes, keywords and importance stay with their names. Put it in force by the
    setting `catalogue`.
    """
    paths = catalogues.paths_of(file)
    before = None
    if out.exists():
        catalogues.read(out)
        before = catalogues.document_of(out)
    document = catalogues.made_of(paths, version=version, signs=categories.document(), before=before)
    problems = catalogues.wrong(document)
    if problems:
        raise BadCatalogue(problems)
    catalogues.write(document, out)
    _say_levels(document)


def _say_levels(document: dict[str, Any]) -> None:
    keywords = sum(len(e.get("keywords") or ()) for e in document["categories"])
    levels = "/".join(map(str, catalogues.levels(document)))
    click.echo(
        f"{levels} categories by level, {keywords} keywords, {len(document['danger_signs'])} danger signs"
    )


COMMANDS: list[click.Command] = [catalogue, evaluate, train, models]
