"""Chooses and starts RabbitMQ and PostgreSQL for tests, the demo and benchmarks.

In this order: those given by AMQP_URI and DATABASE_URL; containers, where a Docker engine answers; private
native servers; else one sentence that says what to install. JIAYUAN_SERVERS=given|containers|native forces
one. It says on standard error what it chose and why.

    with provide() as servers:
        psycopg2.connect(servers.database_url)

    python -m jiayuan.local.servers run -- pytest     # servers for one command
    python -m jiayuan.local.servers up --folder .local/servers; ... down --folder .local/servers
"""

from __future__ import annotations

import argparse
import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType, TracebackType
from urllib.parse import urlsplit

from jiayuan.local import containers, native
from jiayuan.local.native import ServersUnavailable
from jiayuan.local.state import ServerSet, State, load_state, save_state, take_down_state

CHOICES = ("given", "containers", "native")
STATE_FILE = "servers.json"

__all__ = ["Servers", "ServersUnavailable", "attach", "provide", "start_detached", "take_down"]


@dataclass(frozen=True)
class Servers:
    """A broker and a database that serve. Usable as a context manager, which stops them at its end."""

    chosen: str
    """ "given", "containers" or "native"."""
    why: str
    """One sentence said to the user."""
    amqp_uri: str
    """amqp://user:pass@127.0.0.1:PORT/ of an administrator."""
    management_url: str
    """http://user:pass@127.0.0.1:PORT of the management API, the same administrator."""
    database_url: str
    """postgresql://postgres:pass@127.0.0.1:PORT/postgres: may create databases and roles."""
    _set: ServerSet | None = field(default=None, repr=False, compare=False)
    _stop: Callable[[], object] = field(default=lambda: None, repr=False, compare=False)

    def stop(self) -> None:
        """Leave nothing running and nothing on the disk; servers that were given are left alone."""
        self._stop()

    def kill_broker(self) -> None:
        """SIGKILL the broker. Raises ServersUnavailable when it was given, as do the four below.

        RabbitMQ writes the registration of a new quorum queue up to a second after it has confirmed it: a
        queue declared right before the kill may come back without a leader..
        """
        self._own().kill_broker()

    def start_broker(self) -> None:
        """Start a killed broker with its data on its port; wait until it serves."""
        self._own().start_broker()

    def restart_broker(self) -> None:
        """Stop the broker in good order and start it again."""
        self._own().restart_broker()

    def kill_database(self) -> None:
        """SIGKILL the database and all its backends."""
        self._own().kill_database()

    def start_database(self) -> None:
        """Start a killed database with its data on its port; wait until it serves."""
        self._own().start_database()

    def broker_pids(self) -> list[int]:
        """Process ids for the accounting of CPU time; empty when the broker was given."""
        return self._set.broker_pids() if self._set else []

    def database_pids(self) -> list[int]:
        """Process ids for the accounting of CPU time; empty when the database was given."""
        return self._set.database_pids() if self._set else []

    def environment(self) -> dict[str, str]:
        """The variables that make `provide` in another process use these servers."""
        return {
            "AMQP_URI": self.amqp_uri,
            "AMQP_MANAGEMENT_URL": self.management_url,
            "DATABASE_URL": self.database_url,
            "JIAYUAN_SERVERS": "given",
        }

    def _own(self) -> ServerSet:
        if self._set is None:
            raise ServersUnavailable("given servers (AMQP_URI, DATABASE_URL) are not ours to start or stop.")
        return self._set

    def __enter__(self) -> Servers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def provide(*, prefer: str | None = None, folder: Path | None = None) -> Servers:
    """Servers that live as long as this process, or until `stop`.

    `prefer` ("given", "containers", "native") is tried alone; JIAYUAN_SERVERS goes before it. `folder` holds
    the state, logs and data of a native set (a temporary folder when None) and is emptied of them by `stop`.
    Raises ServersUnavailable, whose message is one sentence for the user.
    """
    forced = _forced(prefer)
    if given := _given(forced):
        return _said(given)
    state_file = _state_file(folder)
    watch = _start_watch(state_file)
    owner = os.getpid()

    def stop() -> None:
        if os.getpid() != owner:  # a forked child ends: the servers are its parent's
            return
        atexit.unregister(stop)
        take_down_state(state_file)
        if folder is None:  # when nothing was started there is no state to take down, but a folder
            shutil.rmtree(state_file.parent, ignore_errors=True)
        if watch.stdin and not watch.stdin.closed:
            watch.stdin.close()
        watch.wait()

    atexit.register(stop)
    try:
        return _said(replace(_start(forced, state_file, temporary=folder is None), _stop=stop))
    except BaseException:
        stop()
        raise


def start_detached(folder: Path, *, prefer: str | None = None) -> Servers:
    """Servers that outlive this process, recorded in `folder`/servers.json.

    Those that run there already are used. Raises ServersUnavailable as `provide` does. `take_down(folder)` ends them.
    """
    forced = _forced(prefer)
    if given := _given(forced):
        return _said(given)
    if running := attach(folder):
        return running
    take_down(folder)
    state_file = _state_file(folder)
    try:
        servers = _start(forced, state_file, temporary=False)
    except BaseException:
        take_down(folder)
        raise
    return _said(replace(servers, _stop=lambda: take_down(folder)))


def attach(folder: Path) -> Servers | None:
    """The servers that `start_detached` left running in `folder`, or None."""
    state_file = folder.absolute() / STATE_FILE
    loaded = load_state(state_file)
    if loaded is None or not loaded.servers.alive():
        return None
    return replace(_servers(loaded, state_file), _stop=lambda: take_down(folder))


def take_down(folder: Path) -> bool:
    """End the servers recorded in `folder` and delete their data. False when there were none."""
    return take_down_state(folder.absolute() / STATE_FILE)


def _forced(prefer: str | None) -> str | None:
    forced = os.environ.get("JIAYUAN_SERVERS") or prefer
    if forced and forced not in CHOICES:
        raise ServersUnavailable(f"JIAYUAN_SERVERS is {forced!r}: use one of {', '.join(CHOICES)}.")
    return forced


def _given(forced: str | None) -> Servers | None:
    amqp, database = os.environ.get("AMQP_URI"), os.environ.get("DATABASE_URL")
    if forced not in (None, "given"):
        return None
    if not (amqp and database):
        if forced == "given" or amqp or database:
            missing = " and ".join(n for n in ("AMQP_URI", "DATABASE_URL") if not os.environ.get(n))
            raise ServersUnavailable(f"{missing} is not set: set AMQP_URI and DATABASE_URL both, or neither.")
        return None
    management = os.environ.get("AMQP_MANAGEMENT_URL")
    if not management:
        parts = urlsplit(amqp)
        login = f"{parts.username or 'guest'}:{parts.password or 'guest'}"
        management = f"http://{login}@{parts.hostname or '127.0.0.1'}:15672"
    return Servers("given", "AMQP_URI and DATABASE_URL are set", amqp, management, database)


def _state_file(folder: Path | None) -> Path:
    if folder is None:
        home = Path(tempfile.mkdtemp(prefix="jiayuan-servers-"))
        home.chmod(0o711)  # the servers' own users pass through it
    else:
        home = folder.absolute()
        home.mkdir(parents=True, exist_ok=True)
    return home / STATE_FILE


def _start(forced: str | None, state_file: Path, *, temporary: bool) -> Servers:
    if forced == "native":
        return _start_native("asked for", state_file, temporary)
    reason = containers.engine_trouble()
    if forced == "containers":
        if reason:
            raise ServersUnavailable(f"containers were asked for, but {reason}: start Docker.")
        return _start_containers("asked for", state_file, temporary)
    if reason is None:
        try:
            return _start_containers("a Docker engine answers", state_file, temporary)
        except ServersUnavailable as error:
            reason = str(error)
    return _start_native(reason, state_file, temporary)


def _start_containers(why: str, state_file: Path, temporary: bool) -> Servers:
    fresh = containers.ContainerSet.new()
    servers = _servers(State("containers", why, fresh, temporary), state_file)
    fresh.changed()  # on record before anything runs
    try:
        fresh.start()
    except BaseException:
        fresh.stop()
        raise
    return servers


def _start_native(why: str, state_file: Path, temporary: bool) -> Servers:
    try:
        native.find_binaries()
    except ServersUnavailable as error:
        raise ServersUnavailable(f"{why}, and {error}") from None
    data = state_file.parent / "native"
    if native.reachable_folder(state_file.parent):
        shutil.rmtree(data, ignore_errors=True)  # what a crash may have left
        data.mkdir()
    else:  # as root, the servers' own users cannot enter, say, a checkout below /root
        data = Path(tempfile.mkdtemp(prefix="jiayuan-servers-data-"))
    data.chmod(0o755)  # passed through and listed by the servers' own users; what is below is private
    fresh = native.NativeSet.new(data)
    servers = _servers(State("native", why, fresh, temporary), state_file)
    fresh.changed()
    fresh.start()
    return servers


def _servers(state: State, state_file: Path) -> Servers:
    """The user's view of a set that records every change in the state file."""
    lock = threading.Lock()  # broker and database start in two threads

    def save() -> None:
        with lock:
            save_state(state_file, state)

    state.servers.on_change(save)
    own = state.servers
    return Servers(state.chosen, state.why, own.amqp_uri, own.management_url, own.database_url, own)


def _said(servers: Servers) -> Servers:
    print(f"jiayuan: {servers.chosen} RabbitMQ and PostgreSQL ({servers.why})", file=sys.stderr, flush=True)
    return servers


def _start_watch(state_file: Path) -> subprocess.Popen[bytes]:
    """The process that clears away when this one ends without having done so: SIGKILL, SIGTERM, a crash."""
    path = [str(Path(__file__).resolve().parents[2]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path))}
    return subprocess.Popen(
        [sys.executable, "-m", "jiayuan.local.watch", str(state_file), str(os.getpid())],
        stdin=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )


def _run(command: list[str]) -> int:
    """Run `command` with servers in its environment; its exit code. SIGTERM is passed on to it."""
    with provide() as servers:
        child = subprocess.Popen(command, env=os.environ | servers.environment())

        def pass_on(number: int, _frame: FrameType | None) -> None:
            child.send_signal(number)

        signal.signal(signal.SIGTERM, pass_on)
        signal.signal(signal.SIGINT, lambda *_: None)  # the terminal sends it to the child itself
        return child.wait()


def _install() -> None:
    """Make sure that `provide` will find servers: given ones, images to run, or installed programs."""
    forced = _forced(None)
    if _given(forced) is None and (forced == "native" or containers.trouble()):
        native.ensure_installed()


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code; 1 with one sentence when no servers can be had."""
    parser = argparse.ArgumentParser(
        prog="python -m jiayuan.local.servers", description="Servers for Jiayuan."
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="run a command with servers, stop them after it")
    run.add_argument("command", nargs="+", metavar="COMMAND")
    for verb, text in (("up", "start servers that stay"), ("down", "end those that `up` started")):
        verb_parser = verbs.add_parser(verb, help=text)
        verb_parser.add_argument("--folder", type=Path, default=Path(".local/servers"))
    verbs.add_parser(
        "install", help="install native servers where they are missing and containers cannot be had"
    )
    chosen = parser.parse_args(arguments)
    try:
        if chosen.verb == "run":
            return _run(chosen.command)
        if chosen.verb == "up":
            for name, value in start_detached(chosen.folder).environment().items():
                print(f"export {name}='{value}'")
        elif chosen.verb == "down":
            take_down(chosen.folder)
        else:
            _install()
    except ServersUnavailable as error:
        print(f"jiayuan: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
