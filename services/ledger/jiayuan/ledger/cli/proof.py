"""The proof at the command line: keys, checkpoints, proofs, exports, and whether the books are as they were signed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jiayuan.chassis.config import load
from jiayuan.chassis.work import Work

from ..checkpoint import Signer
from ..verify import HASHES, Invalid, Key, read_keys
from .common import Id, OutFile, Year, echo_json, known_street, known_year, read_text, reading, refusals

if TYPE_CHECKING:
    from ..proving import ProofSettings

_SHOWN = 20


def _settings() -> ProofSettings:
    from ..proving import ProofSettings

    return load(ProofSettings, "ledger", {"JIAYUAN_AMQP_URI": "", **os.environ})


def _works() -> Callable[[], AbstractContextManager[Work]]:
    from jiayuan.chassis.service import Runtime

    from .. import handlers, store

    return Runtime(_settings(), store.metadata, handlers.HANDLERS).work


# -- keys --------------------------------------------------------------------------------------------------


@click.group()
def key() -> None:
    """The key that signs the account."""


@key.command("new")
@click.argument("name")
@click.argument("file", type=OutFile())
def key_new(name: str, file: Path) -> None:
    """Make a key called NAME (as in jiayuan.example/ledger: the account's name for good) and keep it in FILE.

    FILE is readable by its owner alone and must not exist. The public key, to be published, is printed.
    """
    try:
        signer = Signer.new(name)
    except Invalid:
        raise click.BadParameter(
            "a name of 1 to 200 characters without spaces and +", param_hint="NAME"
        ) from None
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        click.echo(f"{file}: {error.strerror}", err=True)
        sys.exit(1)
    with os.fdopen(handle, "w") as out:
        out.write(signer.text() + "\n")
    click.echo(str(signer.key))


@key.command("public")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
def key_public(file: Path) -> None:
    """Print the public part of the key in FILE, as verifiers take it."""
    try:
        click.echo(str(Signer.parse(read_text(file, "FILE")).key))
    except Invalid as error:
        click.echo(f"{file}: {error}", err=True)
        sys.exit(1)


# -- checkpoints and proofs --------------------------------------------------------------------------------


@click.group()
def proof() -> None:
    """Checkpoints, and proofs that a posting is in, or that the account only grew."""


@proof.command("checkpoint")
@click.option("--number", type=click.IntRange(1), help="Its number; the newest when absent.")
@click.option("--sign", "why", metavar="WHY", help="Sign the account as it is now; WHY is kept.")
def proof_checkpoint(number: int | None, why: str | None) -> None:
    """Print a checkpoint, for whoever keeps it: verifiers take it as --known."""
    from .. import proving
    from ..api.proof import the_checkpoint

    with refusals():
        if why:
            settings = _settings()
            with _works()() as work:
                note = proving.publish(work, proving.signer_of(settings), why, settings.tree_hash).note
        else:
            with reading() as work:
                note = the_checkpoint(work, number).note
    click.echo(note, nl=False)


@proof.command("inclusion")
@click.argument("entry", type=Id())
@click.argument("number", type=click.IntRange(0))
def proof_inclusion(entry: str, number: int) -> None:
    """Print the proof that posting NUMBER of ENTRY is in the account: for verify.py."""
    from .. import proving

    with refusals(), reading() as work:
        echo_json(proving.proof_document(work, entry, number))


@proof.command("consistency")
@click.argument("old", type=click.IntRange(1))
@click.argument("new", type=click.IntRange(1), required=False)
def proof_consistency(old: int, new: int | None) -> None:
    """Print the proof that checkpoint NEW (the newest when absent) continues checkpoint OLD: for verify.py."""
    from ..api.proof import steps, the_checkpoint

    with refusals(), reading() as work:
        echo_json(steps(work, the_checkpoint(work, old), the_checkpoint(work, new)))


@proof.command("trees")
def proof_trees() -> None:
    """List the trees, each with its algorithm, size and last checkpoint."""
    from ..store import trees

    with reading() as work:
        for tree in trees.get_trees(work):
            last = trees.largest_checkpoint(work, tree.id)
            signed = f"checkpoint {last.number} of {last.size} leaves" if last else "no checkpoint yet"
            click.echo(f"{tree.id}  {tree.hash_id}  {tree.origin}  {tree.size} leaves  {signed}")


@proof.command("change-hash")
@click.argument("hash_id", type=click.Choice(HASHES))
@click.confirmation_option(prompt="The tree ends here and another one begins. Go on?")
def proof_change_hash(hash_id: str) -> None:
    """Begin a new tree with another algorithm; its first leaf names the last checkpoint of the old one.

    A tree keeps its algorithm for life. Needs the signing key.
    """
    from .. import proving

    try:
        with _works()() as work:
            new = proving.change_hash(work, proving.signer_of(_settings()), hash_id)
    except Invalid as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    click.echo(f"tree {new.id}, {new.origin}, {new.hash_id}")


@click.command("export")
@click.argument("file", type=OutFile())
@click.option("--year", type=Year())
@click.option("--street", help="Only this street (its code).")
@click.option("--entry", type=Id(), help="Only this entry.")
@click.option("--tree", type=click.IntRange(1), help="The newest when absent.")
@click.option("--texts", is_flag=True, help="With free texts, which may name persons: not for the public.")
def export(
    file: Path, year: int | None, street: str | None, entry: str | None, tree: int | None, texts: bool
) -> None:
    """Export the account with its proof to FILE (a zip), for verify.py; all of it, unless less is asked for."""
    from .. import exporting
    from ..store import trees

    wanted = exporting.Wanted(year, street, entry, texts)
    with refusals(), reading() as work:
        if year is not None:
            known_year(work, year)
        known_street(work, street)
        there = [t.id for t in trees.get_trees(work)]
        if tree is not None and tree not in there:
            allowed = "、".join(map(str, there)) or "none, as nothing was posted yet"
            raise click.BadParameter(f"there is no tree {tree} (allowed: {allowed})", param_hint="--tree")
        if entry is not None and not trees.places_of(work, entry):
            raise click.BadParameter(f"nothing of {entry} is in the tree", param_hint="--entry")
        manifest = exporting.export(work, file, wanted, tree)
    click.echo(f"{file}：{manifest['leaves']} 叶，检查点 {manifest['size']} 叶，{manifest['origin']}")


# -- verifying ---------------------------------------------------------------------------------------------


@click.command()
@click.option(
    "--key",
    "keys",
    multiple=True,
    help="Public key that you trust, or a file of them; with the signing key at hand its public part.",
)
@click.option(
    "--known",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A checkpoint that you kept: the account must continue it.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=lambda: os.cpu_count() or 1,
    help="Processes; one a core when absent.",
)
@click.option("--json", "as_json", is_flag=True)
def verify(keys: tuple[str, ...], known: tuple[Path, ...], jobs: int, as_json: bool) -> None:
    """Look whether every row of the account is still as it was signed; exit code 1 and the first that isn't.

    With the signing key at hand (JIAYUAN_LEDGER_SIGNING_KEY_FILE) each leaf's mark is looked at too, so that the first
    one at fault is named even where all hashes after it were computed again. Nothing is changed.
    """
    from .. import verifying
    from ..proving import signer_of

    settings = _settings()
    signer = signer_of(settings) if settings.signing_key else None
    trusted = _trusted(keys) or ([signer.key] if signer else [])
    if not trusted:
        raise click.UsageError("whom to trust? Give --key, or set JIAYUAN_LEDGER_SIGNING_KEY_FILE.")
    trust = verifying.Trust(
        trusted,
        signer.macs() if signer else None,
        [read_text(path, "--known") for path in known],
        settings.clock_speed,
        settings.checkpoint_interval,
    )
    with reading() as work:
        result = verifying.verify(work, trust, settings, jobs)
    if as_json:
        echo_json(result.document())
    else:
        for line in result.lines(_SHOWN):
            click.echo(line)
    sys.exit(1 if result.findings else 0)


def _trusted(keys: tuple[str, ...]) -> list[Key]:
    try:
        return read_keys(keys)
    except (Invalid, OSError, UnicodeDecodeError) as error:
        why = "a file of keys is text in UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise click.BadParameter(why, param_hint="--key") from None
