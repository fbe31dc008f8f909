"""Intake's commands about personal data: rotate keys, export and erase a person, show what is masked with two persons.

They import the database and the keys when they run, so that `jiayuan --help` stays quick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
import orjson

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.seal import SealError

BATCH: Final = 1000


def _runtime() -> tuple[Any, Any]:
    """The service's database and keys."""
    from jiayuan.chassis.config import load
    from jiayuan.chassis.service import Runtime

    from . import handlers, keys, store

    settings = load(keys.IntakeSettings, "intake", {"JIAYUAN_AMQP_URI": "", **os.environ})
    return Runtime(settings, store.metadata, handlers.HANDLERS), keys.keys_of(settings)


@contextmanager
def _refusals() -> Iterator[None]:
    """What is refused is one sentence and exit code 1."""
    try:
        yield
    except (Problem, SealError) as error:
        said = error if isinstance(error, SealError) else f"{error.title}: {error.detail}"
        click.echo(f"jiayuan intake: {said}", err=True)
        for p in getattr(error, "problems", []):
            click.echo(f"  {p.field}: {p.problem} ({p.allowed})", err=True)
        sys.exit(1)


def _print(document: Any) -> None:
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())


# -- keys ----------------------------------------------------------------------------------------------


@click.group("keys")
def keys_group() -> None:
    """The keys that seal personal data."""


@keys_group.command("new")
@click.option("--name", required=True, help="Its id, in front of all that it seals.")
@click.option("--cipher", type=click.Choice(["aes", "sm4"]), default="aes", show_default=True)
def new(name: str, cipher: str) -> None:
    """Print a fresh key; put it in front of the others in person_keys or seal_keys."""
    from jiayuan.chassis.seal import new_key

    click.echo(new_key(name, cipher))


@keys_group.command("rotate")
@click.option("--batch", default=BATCH, show_default=True, type=click.IntRange(1, 10_000))
def rotate(batch: int) -> None:
    """Wrap all keys of persons with the first key of the ring, so that older ones can be dropped.

    A transaction a batch; may be broken off and run again at any time, also while reports come in. Exit code 1: some
    keys are still wrapped with an older key, by replicas that don't know the new one yet; restart them and run again.
    """
    from . import vault
    from .store import people as stored

    runtime, keys = _runtime()
    ring = keys.ring.first.name
    with _refusals():
        with runtime.work() as work:
            total = stored.keys_to_rewrap(work, ring)
        click.echo(f"{total} keys of persons to wrap with {ring} ({keys.ring.first.algorithm})")
        told = _progress(total)
        done = vault.run(runtime, keys, vault.rewrap, "", batch, told)
        taken = vault.run(runtime, keys, vault.adopt, vault.NOBODY, batch)
        letters = vault.run(runtime, keys, vault.reseal_dead_letters, vault.NOBODY, batch)
        with runtime.work() as work:
            left = stored.keys_to_rewrap(work, ring)
    click.echo(
        f"{done} wrapped, {taken} older reports sealed anew, {letters} dead letters sealed anew, {left} left"
    )
    sys.exit(1 if left else 0)


def _progress(total: int) -> Callable[[int], None]:
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        click.echo(f"{done} of {max(total, done)} ({100 * done // max(total, done)} %)")

    return tell


# -- persons -------------------------------------------------------------------------------------------


@click.group("person")
def person_group() -> None:
    """What is kept of one person: export it, erase it."""


def _whom(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--why", required=True, help="For the log: the citizen's request, its number."),
        click.option("--who", required=True, help="For the log: the operator."),
        click.option("--person", default="", help="The pseudonym."),
        click.option("--code", default="", help="The tracking code of one of the reports."),
        click.option(
            "--phone", default="", help="The number that was reported with; - reads it from the input."
        ),
    ):
        command = option(command)
    return command


def _find(work: Any, keys: Any, phone: str, code: str, person: str) -> str:
    from . import persons, report
    from .store import people as stored

    if sum(map(bool, (phone, code, person))) != 1:
        raise click.UsageError("give one of --phone, --code, --person")
    found: str | None = person
    if phone:
        # A number on the command line stays in the shell's history.
        found = persons.by_phone(work, sys.stdin.readline().strip() if phone == "-" else phone, keys)
    elif code:
        row = stored.report_by_code(work, report.read_code(code))
        found = str(row.reporter or row.id) if row is not None else None
    if not found or not (stored.reports_of(work, found) if _is_person(found) else []):
        raise Problem(404, "Nobody", "nothing is kept of this person")
    return found


def _is_person(person: str) -> bool:
    from . import attachments

    return person.startswith("p") or attachments.is_id(person)


@person_group.command("export")
@_whom
@click.option("--page", is_flag=True, help="A page to read instead of JSON.")
@click.option("--out", type=click.Path(path_type=Path), help="A file, readable for its owner only.")
def export(phone: str, code: str, person: str, who: str, why: str, page: bool, out: Path | None) -> None:
    """Write all that is kept of a person, in clear. It is logged."""
    from jiayuan.chassis.pages import Words

    from . import persons

    runtime, keys = _runtime()
    with _refusals(), runtime.work() as work:
        found = persons.export(
            work, _find(work, keys, phone, code, person), keys, asked_by=f"operator {who}", why=why
        )
    raw = (
        persons.page(Words("intake"), found).encode()
        if page
        else orjson.dumps(found, option=orjson.OPT_INDENT_2)
    )
    if out is None:
        click.echo(raw.decode())
        return
    with open(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(raw)
    click.echo(f"{len(found['reports'])} reports of {found['person']} in {out}")


@person_group.command("erase")
@_whom
@click.option("--yes", is_flag=True, help="Don't ask; it can't be taken back.")
def erase(phone: str, code: str, person: str, who: str, why: str, yes: bool) -> None:
    """Erase a person: key, words, files, and the copies of others. Figures stay. It is logged; again does no harm."""
    from . import persons

    runtime, keys = _runtime()
    with _refusals():
        with runtime.work() as work:
            found = _find(work, keys, phone, code, person)
        if not yes:
            click.confirm(f"Erase {found}? It can't be taken back.", abort=True)
        with runtime.work() as work:
            done = persons.erase(work, found, asked_by=f"operator {who}", why=why)
    click.echo(
        f"{done['person']} was erased at {done['at']}: {done['reports']} reports keep their figures only"
    )


@person_group.command("log")
def log() -> None:
    """The newest exports and erasures."""
    from .channels.privacy import line_document
    from .store import people as stored

    runtime, _ = _runtime()
    with runtime.work() as work:
        _print([line_document(r) for r in stored.person_log_lines(work)])


# -- reveals -------------------------------------------------------------------------------------------


@click.group("reveal")
def reveal_group() -> None:
    """See what is masked: one person asks, another allows it. Both prove who they are by their tokens."""


_TOKEN: Final = click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Your bearer token; or set JIAYUAN_TOKEN.",
)


def _signed_in(runtime: Any, token_file: Path | None, *roles: str) -> Any:
    from jiayuan.chassis import tokens

    token = token_file.read_text().strip() if token_file else os.environ.get("JIAYUAN_TOKEN", "")
    if not token:
        raise Problem(401, "Sign in", "give --token-file or JIAYUAN_TOKEN")
    who = tokens.verify(runtime.settings, token)
    if not set(roles) & set(who.roles):
        raise Problem(403, "Not allowed", f"this needs one of the roles {', '.join(roles)}")
    return who


@reveal_group.command("ask")
@click.argument("report")
@click.option("--why", required=True)
@_TOKEN
def ask(report: str, why: str, token_file: Path | None) -> None:
    """Ask to see REPORT as it arrived."""
    from . import api, reveals

    runtime, _ = _runtime()
    with _refusals(), runtime.work() as work:
        who = _signed_in(runtime, token_file, *api.STAFF)
        api.staff_may_see(work, who, report)
        _print(reveals.ask(work, report, who, why))


@reveal_group.command("approve")
@click.argument("reveal")
@click.option("--minutes", default=30, show_default=True, type=click.IntRange(1, 240))
@click.option("--why", default="")
@_TOKEN
def approve(reveal: str, minutes: int, why: str, token_file: Path | None) -> None:
    """Allow what somebody else has asked, for a while."""
    from . import reveals

    runtime, _ = _runtime()
    with _refusals(), runtime.work() as work:
        who = _signed_in(runtime, token_file, *reveals.APPROVERS)
        _print(reveals.decide(work, reveal, who, allow=True, minutes=minutes, why=why))


@reveal_group.command("refuse")
@click.argument("reveal")
@click.option("--why", required=True)
@_TOKEN
def refuse(reveal: str, why: str, token_file: Path | None) -> None:
    """Refuse what somebody has asked."""
    from . import reveals

    runtime, _ = _runtime()
    with _refusals(), runtime.work() as work:
        who = _signed_in(runtime, token_file, *reveals.APPROVERS)
        _print(reveals.decide(work, reveal, who, allow=False, why=why))


@reveal_group.command("show")
@click.argument("reveal")
@_TOKEN
def show(reveal: str, token_file: Path | None) -> None:
    """Show what arrived, if it is allowed. The reading is logged first."""
    from . import api, reveals

    runtime, keys = _runtime()
    with _refusals():
        with runtime.work() as work:
            who = _signed_in(runtime, token_file, *api.STAFF)
            found = reveals.read(work, reveal, who, keys)
        _print(found)


@reveal_group.command("log")
@click.option("--report", default="")
@click.option("--waiting", is_flag=True, help="Only those that nobody has decided yet.")
@_TOKEN
def reveal_log(report: str, waiting: bool, token_file: Path | None) -> None:
    """Who asked, who allowed it, and each reading: all of it for auditors, one's own for others."""
    from . import api, reveals

    runtime, _ = _runtime()
    with _refusals(), runtime.work() as work:
        who = _signed_in(runtime, token_file, *api.STAFF, *reveals.AUDITORS)
        _print(reveals.listing(work, who, report=api.id_or_none(report, "report"), waiting=waiting))


COMMANDS: Final[list[click.Command]] = [keys_group, person_group, reveal_group]
