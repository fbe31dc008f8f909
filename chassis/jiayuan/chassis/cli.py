"""The `jiayuan` command."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from jiayuan.contracts.names import SERVICES

from .errors import EXIT_CONFIG, EXIT_UNREACHABLE, StartError, is_transient
from .seal import Sealer, SealError


class _Commands(click.Group):
    """The chassis' commands and those of the packages that are installed; found when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._of_services()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) or self._of_services().get(cmd_name)

    def _of_services(self) -> dict[str, click.Command]:
        found: dict[str, click.Command] = {}
        for package in (*SERVICES, "local"):
            try:
                present = importlib.util.find_spec(f"jiayuan.{package}.cli")
            except ModuleNotFoundError:
                continue
            if present:
                for command in importlib.import_module(f"jiayuan.{package}.cli").COMMANDS:
                    assert command.name
                    found[command.name] = command
        return found


def _from_environment(name: str) -> str | None:
    """A variable's value, or that of the file named by `<name>_FILE`, or None; StartError 3 when unreadable."""
    path = os.environ.get(f"{name}_FILE")
    if name in os.environ or path is None:
        return os.environ.get(name)
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise StartError(3, f"{name}_FILE can't be read: {error}") from None


def _address(name: str) -> Callable[[], str]:
    """The default of an option that holds an administrator's login: from the environment."""

    def default() -> str:
        value = _from_environment(name)
        if not value:
            raise StartError(3, f"set {name} or {name}_FILE, or give the option")
        return value

    return default


@click.group(cls=_Commands)
@click.version_option(package_name="jiayuan-chassis")
def cli() -> None:
    """Jiayuan 數智家園: reports in, answers out."""


@cli.command()
@click.argument("service", type=click.Choice(SERVICES))
@click.option(
    "--role",
    "roles",
    multiple=True,
    help="Only these roles (serve, bulk, relay, clock, send); all by default.",
)
def run(service: str, roles: tuple[str, ...]) -> None:
    """Run a service in this process."""
    from . import host
    from .service import ROLES

    sys.exit(host.run(service, frozenset(roles or ROLES)))


@cli.command()
@click.argument("services", nargs=-1, type=click.Choice(SERVICES))
@click.option(
    "--admin-url",
    default=_address("DATABASE_ADMIN_URL"),
    help="PostgreSQL as an administrator; by default DATABASE_ADMIN_URL or …_FILE.",
)
def migrate(services: tuple[str, ...], admin_url: str) -> None:
    """Create database and role of services, bring them to this build's migration, set the grants.

    The role's password comes from JIAYUAN_<SERVICE>_DATABASE_PASSWORD or …_FILE.
    """
    from . import migrations
    from .host import service_class

    for service in services or SERVICES:
        password = migrations.environment_password(service)
        if not password:
            raise StartError(3, f"set JIAYUAN_{service.upper()}_DATABASE_PASSWORD or …_FILE")
        cls = service_class(service)
        metadata = cls.delivery.metadata
        url = migrations.prepare(admin_url, service, metadata, password)
        click.echo(f"{service}: {url.host}:{url.port}/{url.database} is at {migrations.head(service)}")


@cli.group()
def broker() -> None:
    """The broker's topology."""


_MANAGEMENT = click.option(
    "--management-url",
    default=_address("AMQP_MANAGEMENT_URL"),
    help="With an administrator's login; by default AMQP_MANAGEMENT_URL or …_FILE.",
)


@broker.command("import")
@_MANAGEMENT
@click.option("--vhost", default="jiayuan", show_default=True)
@click.option("--passwords", type=click.Path(path_type=Path, exists=True), help="JSON: user → password.")
def broker_import(management_url: str, vhost: str, passwords: Path | None) -> None:
    """Import exchanges, queues, policies, users and rights; may be repeated.

    Passwords also come from JIAYUAN_BROKER_PASSWORD_<USER> (dashes as underscores) or …_FILE.
    """
    from .management import Management, user_passwords

    known = json.loads(passwords.read_text(encoding="utf-8")) if passwords else {}
    management = Management(management_url)
    management.wait()
    management.import_topology(vhost, {**known, **user_passwords(os.environ)})
    click.echo(f"imported into virtual host {vhost} at {management.where}")


@broker.command("check")
@_MANAGEMENT
@click.option("--vhost", default="jiayuan", show_default=True)
def broker_check(management_url: str, vhost: str) -> None:
    """Compare the broker with the definitions; exit code 4 when something is missing or differs."""
    from .management import Management

    differences = Management(management_url).differences(vhost)
    for line in differences:
        click.echo(line)
    if differences:
        raise StartError(4, f"{len(differences)} differences")
    click.echo("the broker is as defined")


@cli.command()
@click.option("--sub", required=True, help="Whose token: a person's, unit clerk's or operator's id.")
@click.option("--role", "roles", multiple=True, required=True)
@click.option("--street", default="")
@click.option("--unit", default="")
@click.option("--hours", default=12.0, show_default=True)
def token(sub: str, roles: tuple[str, ...], street: str, unit: str, hours: float) -> None:
    """Issue a staff token, signed with JIAYUAN_TOKEN_SECRET or …_FILE."""
    from . import tokens

    secret = _from_environment("JIAYUAN_TOKEN_SECRET") or ""
    try:
        click.echo(tokens.issue(secret, sub, roles, street=street, unit=unit, hours=hours))
    except ValueError as error:
        raise StartError(3, str(error)) from None


@cli.command()
@click.argument("service", type=click.Choice(SERVICES))
@click.option("--batch", default=1000, show_default=True, type=click.IntRange(1, 10_000))
def reseal(service: str, batch: int) -> None:
    """Seal anew, with the first key of seal_keys, what older keys sealed in SERVICE, so that these can be dropped.

    A transaction a batch; may be broken off and run again. Keys of persons: `jiayuan intake keys rotate`. Exit code 1:
    something is still sealed with an older key; all processes that seal have to know the new one first.
    """
    from . import reseal as sealing
    from .host import service_class

    sealer, engine = _sealer(service), _engine(service)
    if sealer is None:
        raise StartError(3, "seal_keys is empty: set JIAYUAN_SEAL_KEYS or …_FILE")
    ring, metadata = sealer(), service_class(service).delivery.metadata
    done = 0

    def tell(what: str, more: int) -> None:
        nonlocal done
        done += more
        click.echo(f"{what}: {more} ({done} so far)")

    try:
        sealing.run(engine, metadata, ring, batch, tell)
    except SealError as error:
        raise StartError(1, str(error)) from None
    still = sealing.left(engine, metadata, ring)
    click.echo(f"{done} sealed anew with {ring.first.name}, {still} left")
    sys.exit(1 if still else 0)


@cli.group("dead-letters")
def dead_letters() -> None:
    """Messages that could not be handled: list, show, replay, discard."""


def _engine(service: str) -> Any:
    from . import database
    from .config import Settings, load

    return database.create(load(Settings, service, {"JIAYUAN_AMQP_URI": "", **os.environ}))


def _sealer(service: str) -> Callable[[], Sealer] | None:
    from .config import Settings, load

    keys = load(Settings, service, {"JIAYUAN_AMQP_URI": "", **os.environ}).seal_keys
    return (lambda: Sealer(keys)) if keys else None


_SERVICE = click.argument("service", type=click.Choice(SERVICES))


@dead_letters.command("list")
@_SERVICE
@click.option("--state", default="dead", show_default=True, help="dead, replay, replayed, discarded or all")
@click.option("--reason", default=None)
@click.option("--limit", default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def dead_list(service: str, state: str, reason: str | None, limit: int, as_json: bool) -> None:
    """The newest first."""
    from . import dead_letters as letters

    rows = letters.listing(
        _engine(service), state=None if state == "all" else state, reason=reason, limit=limit
    )
    if as_json:
        for r in rows:
            keys = ("id", "at", "state", "reason", "error", "event_name", "event_id", "source", "subject")
            click.echo(json.dumps({k: str(getattr(r, k)) for k in keys}, ensure_ascii=False))
        return
    if not rows:
        click.echo("none")
    for r in rows:
        click.echo(
            f"{r.id}  {r.at:%Y-%m-%d %H:%M:%S}  {r.state:9} {r.reason:18} "
            f"{r.event_name or r.routing_key:20} {r.error[:90]}"
        )


@dead_letters.command("show")
@_SERVICE
@click.argument("letter")
@click.option("--unmasked", is_flag=True, help="Show numbers of persons; it is logged who asked.")
@click.option("--who", default=lambda: os.environ.get("USER", ""), help="Who is looking.")
def dead_show(service: str, letter: str, unmasked: bool, who: str) -> None:
    """One letter: why it is dead, what was decided, the message itself."""
    from . import dead_letters as letters

    engine = _engine(service)
    row = letters.show(engine, letter)
    if row is None:
        raise StartError(1, f"{service} has no dead letter {letter}")
    for key in (
        "id",
        "at",
        "state",
        "reason",
        "error",
        "exchange",
        "routing_key",
        "user_id",
        "event_id",
        "event_name",
        "source",
        "subject",
    ):
        value = getattr(row, key)
        if value not in (None, ""):
            click.echo(f"{key:12} {value}")
    for p in row.problems:
        click.echo(
            f"problem      {p['field']}: {p['problem']}"
            + (f" (allowed: {p['allowed']})" if p["allowed"] else "")
        )
    for h in row.history:
        click.echo(f"history      {h['at']} {h['who']}: {h['action']} — {h['why']}")
    if row.trace:
        click.echo(row.trace)
    if unmasked:
        letters.note_reading(engine, row.id, who)
    try:
        click.echo(letters.body_text(row, _sealer(service), masked=not unmasked))
    except SealError as error:
        raise StartError(3, str(error)) from None


def _decide(
    service: str, letters: tuple[str, ...], state: str, who: str, why: str, reason: str | None
) -> list[str]:
    from . import dead_letters as module

    engine = _engine(service)
    ids = [r.id for r in module.listing(engine, reason=reason, limit=100000)] if reason else []
    for letter in letters:
        row = module.show(engine, letter)
        if row is None:
            raise StartError(1, f"{service} has no dead letter {letter}")
        ids.append(row.id)
    changed = module.decide(engine, ids, state, who, why)
    click.echo(f"{changed} of {len(ids)} dead letters: {state}")
    return ids


_WHO = click.option("--who", required=True, help="Your name; it is kept with the letter.")
_WHY = click.option("--why", required=True, help="Your reason; it is kept with the letter.")


@dead_letters.command("replay")
@_SERVICE
@click.argument("letters", nargs=-1)
@click.option("--reason", default=None, help="All dead letters of this reason.")
@_WHO
@_WHY
@click.option("--wait", default=15.0, show_default=True, help="Seconds to wait for the service to do it.")
def dead_replay(
    service: str, letters: tuple[str, ...], reason: str | None, who: str, why: str, wait: float
) -> None:
    """Handle letters again, by the running service; exit code 1 when one is dead again."""
    import time

    from . import dead_letters as module

    ids = _decide(service, letters, "replay", who, why, reason)
    engine, until = _engine(service), time.monotonic() + wait
    waiting = set(ids)
    dead = 0
    while waiting and time.monotonic() < until:
        for id_ in list(waiting):
            row = module.show(engine, id_)
            if row is None or row.state != "replay":
                waiting.discard(id_)
                state = row.state if row is not None else "gone"
                dead += state == "dead"
                click.echo(f"{id_}  {state}  {row.history[-1]['why'] if row is not None else ''}")
        time.sleep(0.2)
    if waiting:
        click.echo(f"{len(waiting)} are still waiting: is {service} running with the role relay?")
    sys.exit(1 if waiting or dead else 0)


@dead_letters.command("discard")
@_SERVICE
@click.argument("letters", nargs=-1)
@click.option("--reason", default=None, help="All dead letters of this reason.")
@_WHO
@_WHY
def dead_discard(service: str, letters: tuple[str, ...], reason: str | None, who: str, why: str) -> None:
    """Decide that letters will never be handled; they stay visible."""
    _decide(service, letters, "discarded", who, why, reason)


def main() -> None:
    """Entry point; start errors, and what an operator can put right, are one sentence and an exit code."""
    if len(sys.argv) > 1 and sys.argv[1] == "run":
        from . import patch  # noqa: F401  before anything else that opens sockets
    try:
        cli(standalone_mode=True)
    except StartError as error:
        click.echo(f"jiayuan: {error}", err=True)
        sys.exit(error.code)
    except Exception as error:
        # What a running service dies of is a bug with its trace; a command's wrong file or database is the operator's.
        said = _said(error) if sys.argv[1:2] != ["run"] else None
        if said is None:
            raise
        click.echo(f"jiayuan: {said[1]}", err=True)
        sys.exit(said[0])


def _said(error: Exception) -> tuple[int, str] | None:
    """Exit code and sentence for what an operator can put right; None for a bug."""
    if isinstance(error, SealError):
        return EXIT_CONFIG, f"{error}; set JIAYUAN_SEAL_KEYS or JIAYUAN_SEAL_KEYS_FILE"
    if isinstance(error, OSError) and error.filename is not None:
        return 1, f"{error.filename}: {error.strerror}"
    if is_transient(error):
        return (
            EXIT_UNREACHABLE,
            f"what this needs does not answer, and the step changed nothing: {' '.join(str(error).split())}",
        )
    return None


if __name__ == "__main__":
    main()
