"""`jiayuan routing policy …`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from jiayuan.chassis.config import Settings, load
from jiayuan.contracts.check import FieldProblem

from ..policy import PolicyError, differences, parse, read
from ..policy.words import rule_line
from .common import FILE, WHO, environment, fail, opened_runtime


@contextmanager
def problems() -> Iterator[None]:
    """Says everything that is wrong with a table; exit code 1."""
    try:
        yield
    except PolicyError as error:
        fail(error.problems)


@click.group()
def policy() -> None:
    """The table that decides who handles a matter."""


def _text(file: Path) -> Any:
    try:
        return parse(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise PolicyError([FieldProblem(file.name, "is no text in UTF-8", ".yaml or .json")]) from None


def _warn(warnings: Any) -> None:
    for w in warnings:
        click.echo(
            f"warning: {w.field}: {w.problem}" + (f" (allowed: {w.allowed})" if w.allowed else ""), err=True
        )


@policy.command("check")
@FILE
@click.option(
    "--directory",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A directory document whose places and units count; by default the bundled ones.",
)
@click.option("--live", is_flag=True, help="Against the directory in the database.")
def policy_check(file: Path, directory: Path | None, live: bool) -> None:
    """Check a policy table: rules that can never match, overlaps, holes, what there is no such thing of, limits.

    Exit code 1 when it is wrong; warnings leave it at 0.
    """
    from .. import catalogue, enacting
    from .. import directory as directories
    from .. import policy as policies

    with problems():
        document = _text(file)
        if live:
            from jiayuan.chassis.work import reading

            with reading(load(Settings, "routing", environment())) as work:
                done = enacting.check(work, document)
        else:
            known = (
                directories.parse(directory.read_text(encoding="utf-8"))
                if directory is not None
                else {
                    **directories.bundled("places"),
                    "units": directories.bundled("units")["units"],
                    "grids": [],
                    "people": [],
                }
            )
            domain = policies.domain_of(directories.read(known), catalogue.current())
            done = enacting.analysed(document, domain)
        _warn(done.warnings)
        table = done.table
        click.echo(f"policy {table.version} from {table.effective_from}: {len(table.rules)} rules: good")


@policy.command("import")
@FILE
@WHO
def policy_import(file: Path, who: str) -> None:
    """Hand in a policy table. It waits for another person's `approve`, and then holds from its effective_from."""
    from .. import enacting

    with problems(), opened_runtime() as runtime, runtime.work() as work:
        done = enacting.import_policy(work, _text(file), who)
        _warn(done.warnings)
        table = done.table
        click.echo(
            f"policy {table.version} from {table.effective_from}: {len(table.rules)} rules; it waits for another "
            f"person: jiayuan routing policy approve {table.version}"
        )


def _verdict(version: str, verdict: str, who: str, reason: str | None) -> None:
    from .. import enacting

    with problems(), opened_runtime() as runtime, runtime.work() as work:
        done = enacting.judge(work, version, verdict, who, reason)
        _warn(done.warnings)
        from_ = max(done.table.effective_from, work.now)
        when = f", in force from {from_.astimezone(done.table.zone)}" if verdict == enacting.APPROVED else ""
        click.echo(f"policy {version}: {verdict} by {who}{when}")


@policy.command("approve")
@click.argument("version")
@WHO
def policy_approve(version: str, who: str) -> None:
    """Approve a table that somebody else handed in; every replica takes it up when its time comes."""
    _verdict(version, "approved", who, None)


@policy.command("reject")
@click.argument("version")
@click.option("--reason", required=True, help="Why.")
@WHO
def policy_reject(version: str, reason: str, who: str) -> None:
    """Reject a table that somebody else handed in."""
    _verdict(version, "rejected", who, reason)


@policy.command("withdraw")
@click.argument("version")
@click.option("--reason", required=True, help="Why.")
@WHO
def policy_withdraw(version: str, reason: str, who: str) -> None:
    """Take back a table, also one in force: the one before holds again. Cases keep what was decided."""
    _verdict(version, "withdrawn", who, reason)


@policy.command("list")
@click.option("--json", "as_json", is_flag=True, help="A JSON document a line.")
def policy_list(as_json: bool) -> None:
    """All tables: from when on, in which state, who handed them in and who judged them."""
    from jiayuan.chassis.work import reading

    from .. import enacting

    with reading(load(Settings, "routing", environment())) as work:
        found = enacting.listing(work)
    for line in found:
        if as_json:
            click.echo(json.dumps(line, ensure_ascii=False, default=str))
            continue
        by = f"  by {line['imported_by']}" if line["imported_by"] else ""
        judged = f", {line['verdict_by']}" if line["verdict_by"] else ""
        reason = f": {line['reason']}" if line["reason"] else ""
        click.echo(
            f"{line['version']:24} {line['effective_from']!s:26} {line['state']:10}{by}{judged}{reason}"
        )


def _document(work: Any, name: str) -> Any:
    """The document of a file or of a version in the database."""
    from .. import enacting

    path = Path(name)
    if path.suffix in (".yaml", ".yml", ".json") and path.exists():
        return _text(path)
    document = enacting.document_of(work, name)
    if document is None:
        allowed = "a file .yaml or .json, or a version of: jiayuan routing policy list"
        raise click.ClickException(f"there is neither a file nor a policy {name}; allowed: {allowed}")
    return document


@policy.command("show")
@click.argument("version", required=False)
@click.option("--json", "as_json", is_flag=True, help="The document.")
def policy_show(version: str | None, as_json: bool) -> None:
    """Show a table in the order in which its rules are tried; by default the one in force."""
    from jiayuan.chassis.work import reading

    from .. import enacting, store

    with problems(), reading(load(Settings, "routing", environment())) as work:
        document = _document(work, version or enacting.in_force(work))
        if as_json:
            click.echo(json.dumps(document, ensure_ascii=False, indent=1, default=str))
            return
        table, directory = read(document), store.read_directory(work)
    click.echo(f"policy {table.version} from {table.effective_from}, zone {table.zone}")
    units = {u.code: u.name for u in directory.units.values()}
    for rule in table.rules:
        click.echo(rule_line(rule, units))


@policy.command("diff")
@click.argument("before")
@click.argument("after")
def policy_diff(before: str, after: str) -> None:
    """Show what differs between two tables, each a version or a file; exit code 1 when anything does."""
    from jiayuan.chassis.work import reading

    with problems(), reading(load(Settings, "routing", environment())) as work:
        found = differences(read(_document(work, before)), read(_document(work, after)))
    for line in found:
        click.echo(line)
    sys.exit(1 if found else 0)


@policy.command("export")
@click.argument("version", required=False)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="A file instead of the terminal."
)
def policy_export(version: str | None, out: Path | None) -> None:
    """Write a table as YAML that can be edited and imported again; by default the one in force."""
    import yaml

    from jiayuan.chassis.work import reading

    from .. import enacting

    with reading(load(Settings, "routing", environment())) as work:
        document: dict[str, Any] = _document(work, version or enacting.in_force(work))
    text = yaml.safe_dump(enacting.readable(document), allow_unicode=True, sort_keys=False, width=110)
    if out is None:
        click.echo(text, nl=False)
        return
    out.write_text(text, encoding="utf-8")
    click.echo(f"{out}: policy {document['version']}, {len(document['rules'])} rules")
