"""Intake's commands: import files, and explain what intake makes of a text."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from jiayuan.contracts.names import Lane
from jiayuan.contracts.schemas.common import CHANNELS

from . import (
    category,
    cli_category,
    cli_matters,
    cli_privacy,
    coordinates,
    gazetteer_cli,
    people,
    report,
    text,
)
from .channels.open311.cli import open311
from .classifier import Classifier


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--mapping", type=click.Path(path_type=Path), help="A mapping file: which column is which field."
)
@click.option("--channel", type=click.Choice(CHANNELS), default="file_import", show_default=True)
@click.option("--lane", type=click.Choice(["bulk", "live"]), default="bulk", show_default=True)
@click.option(
    "--source", default=None, help="Whose numbers the lines' ids are; file_import if nothing says it."
)
@click.option("--sheet", default=None, help="Of a workbook; by default the first that has a header.")
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "csv", "xlsx"]), help="If the ending doesn't tell."
)
@click.option("--map", "mapped", multiple=True, metavar="COLUMN=FIELD", help="What a column means.")
@click.option(
    "--answer", type=click.Path(path_type=Path), help="Write the same sheet with what became of each row."
)
@click.option(
    "--restart", is_flag=True, help="From the first line, also where an earlier run was broken off."
)
@click.option("--check", is_flag=True, help="Only look for wrong lines; nothing goes in.")
def import_file(
    file: Path,
    mapping: Path | None,
    channel: str,
    lane: Lane,
    source: str | None,
    sheet: str | None,
    form: str | None,
    mapped: tuple[str, ...],
    answer: Path | None,
    restart: bool,
    check: bool,
) -> None:
    """Take the reports of FILE in (JSON lines, CSV, XLSX).

    A line that is wrong is reported with its number, field and reason, here and in FILE.errors.csv; the others go in.
    Broken off, it goes on where it was when it is run again; finished, it adds nothing. Exit code 1: some line was
    wrong; 2: the file can't be read, or not now.
    """
    from . import importing  # what it needs no other command should wait for

    sys.exit(
        importing.run(
            importing.Options(
                file,
                mapping,
                channel,
                lane,
                source,
                sheet,
                form,
                mapped,
                answer,
                restart=restart,
                check=check,
            )
        )
    )


_POINTS: Final = {"inside": "在县内", "outside": "在县外", "fallback": "默认点", "swapped": "经纬度颠倒"}


@click.group("intake")
def intake() -> None:
    """What intake makes of reports."""


@intake.command("explain")
@click.argument("words")
@click.option("--title", default="", help="The report's title.")
@click.option("--place", default="", help="What the reporter said of the place.")
@click.option("--code", default="", help="A division or grid code.")
@click.option("--lat", type=float)
@click.option("--long", type=float)
@click.option("--crs", type=click.Choice(coordinates.SYSTEMS), default=coordinates.WGS84, show_default=True)
@click.option(
    "--in-force", is_flag=True, help="With the places in force in the database, not those of this build."
)
@click.option("--model", "model_file", type=click.Path(path_type=Path), help="A trained model's file.")
@cli_category.says_why
def explain(
    words: str,
    title: str,
    place: str,
    code: str,
    lat: float | None,
    long: float | None,
    crs: str,
    in_force: bool,
    model_file: Path | None,
) -> None:
    """Show normal form, masks, place, category and danger signs of a text, and why."""
    if in_force:
        gazetteer_cli.use_in_force()
    trained = cli_category.load_for(model_file, report.rules().catalogue) if model_file else None
    rules = replace(report.rules(), classifier=Classifier(report.rules().catalogue, trained))
    submission = report.Submission(
        "mini_program",
        words,
        title=title,
        place_text=place,
        place_code=code,
        lat=lat,
        long=long,
        crs=crs,
    )
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
    for choice in clean.place.candidates:
        full = rules.gazetteer.full_name(choice.code)
        click.echo(f"候选     {choice.code} {full}，把握 {choice.confidence:.0%}（{choice.why}）")
    if clean.place.point:
        click.echo(
            f"坐标     {clean.place.lat:.6f}, {clean.place.long:.6f}（WGS-84），{_POINTS[clean.place.point]}"
        )
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


for command in (
    *cli_category.COMMANDS,
    *cli_matters.COMMANDS,
    *cli_privacy.COMMANDS,
    gazetteer_cli.gazetteer,
):
    intake.add_command(command)
intake.add_command(open311)

COMMANDS: list[click.Command] = [import_file, intake]
