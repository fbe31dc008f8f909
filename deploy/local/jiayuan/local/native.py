"""Private RabbitMQ and PostgreSQL servers from the machine's own packages.

Each set has its own folder, free loopback ports, passwords, Erlang cookie, node name and epmd,
so any number of sets run side by side and none touches a server that the machine already has.
Nothing durable is switched off: fsync and synchronous_commit stay on.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pwd
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2

from jiayuan.local.processes import Process, kill_trees, send, tree, wait_gone

APT_PACKAGES = ("rabbitmq-server", "postgresql")
INSTALL_HINT = "apt-get install rabbitmq-server postgresql"
REQUIRED_FLAGS = ("quorum_queue", "stream_queue")
START_SECONDS = 90


# Erlang's schedulers spin for a while before they sleep, at the cost of whoever shares the cores with them.
QUIET_SCHEDULERS = "+sbwt none +sbwtdcpu none +sbwtdio none"


class ServersUnavailable(RuntimeError):
    """No server can be had; the message is one sentence that says what to do about it."""


@dataclass(frozen=True)
class Binaries:
    """Where the machine keeps the programs."""

    rabbitmq_server: Path
    epmd: Path
    postgres_bin: Path


def find_binaries() -> Binaries:
    """Find both servers' programs. Raises ServersUnavailable naming what is missing."""
    broker, epmd, postgres_bin = _find_rabbitmq(), shutil.which("epmd"), _find_postgres()
    if broker is None or epmd is None or postgres_bin is None:
        missing = ["RabbitMQ"] if broker is None or epmd is None else []
        missing += ["PostgreSQL"] if postgres_bin is None else []
        raise ServersUnavailable(_not_found(missing))
    return Binaries(broker, Path(epmd), postgres_bin)


def _not_found(missing: list[str]) -> str:
    return f"{' and '.join(missing)} not found: install with `{INSTALL_HINT}` as root."


def _find_rabbitmq() -> Path | None:
    # Debian's /usr/sbin/rabbitmq-server insists on the system's own node; the script behind it does not.
    candidates = [Path("/usr/lib/rabbitmq/bin/rabbitmq-server")]
    if on_path := shutil.which("rabbitmq-server"):
        candidates.append(Path(on_path).resolve())
    for candidate in candidates:
        if candidate.exists() and (candidate.parent / "rabbitmq-env").exists():
            return candidate
    return None


def _find_postgres() -> Path | None:
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    candidates = sorted(debian, key=lambda p: int(p.parent.name), reverse=True)
    if on_path := shutil.which("initdb"):
        candidates.append(Path(on_path).resolve().parent)
    for folder in candidates:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    return None


def ensure_installed() -> None:
    """Install both servers with apt-get where they are missing and we are root.

    The distribution's own daemons are not started, no default cluster is made and a server that is
    already there is left as it is. Raises ServersUnavailable with one sentence when it cannot be done.
    """
    missing = []
    if _find_rabbitmq() is None:
        missing.append("rabbitmq-server")
    if _find_postgres() is None:
        missing.append("postgresql")
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ServersUnavailable(_not_found(missing))
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    with _no_daemons_started():
        done = subprocess.run(install, env=environment, capture_output=True, text=True)
        if done.returncode != 0:  # the lists of packages may be old or empty
            subprocess.run(["apt-get", "update", "-qq"], env=environment, check=False)
            done = subprocess.run(install, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
        failed = f"`apt-get install {' '.join(missing)}` failed"
        raise ServersUnavailable(f"{failed} ({reason}): install them by hand.")
    if Path("/run/systemd/system").exists():
        units = [unit for name in missing for unit in (name, *(["epmd.socket"] if "rabbit" in name else []))]
        subprocess.run(["systemctl", "disable", "--quiet", *units], check=False)


@contextlib.contextmanager
def _no_daemons_started() -> Iterator[None]:
    """Keep apt-get from starting daemons and from making a cluster; put everything back afterwards."""
    policy, saved = Path("/usr/sbin/policy-rc.d"), Path("/usr/sbin/policy-rc.d.before-jiayuan")
    no_cluster = Path("/etc/postgresql-common/createcluster.d/jiayuan.conf")
    if policy.exists():
        policy.rename(saved)
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    no_cluster.parent.mkdir(parents=True, exist_ok=True)
    no_cluster.write_text("create_main_cluster = false\n")
    try:
        yield
    finally:
        policy.unlink()
        if saved.exists():
            saved.rename(policy)
        no_cluster.unlink(missing_ok=True)


def free_ports(count: int) -> list[int]:
    """Free loopback ports.

    Outside the range of outgoing connections, so that a killed server gets its own port back.
    """
    low = 15_000
    high = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]) - 1
    if high - low < 2_000:  # an unusual range: let the kernel choose
        low, high = 0, 0
    found: list[int] = []
    with contextlib.ExitStack() as sockets:
        for _ in range(2_000):
            if len(found) == count:
                return found
            probe = sockets.enter_context(socket.socket())
            try:
                probe.bind(("127.0.0.1", random.randint(low, high)))
            except OSError:
                continue
            found.append(probe.getsockname()[1])
    raise ServersUnavailable("no free loopback port found: stop some of the servers on this machine.")


@dataclass
class NativeSet:
    """A private broker and database in one folder.

    The fields are the whole state, so that another process can take the set up, or down.
    """

    folder: Path
    amqp_port: int
    management_port: int
    metrics_port: int
    dist_port: int
    epmd_port: int
    database_port: int
    password: str = field(repr=False)
    node: str
    processes: dict[str, Process] = field(default_factory=dict)
    changed: Callable[[], None] = field(default=lambda: None, repr=False)

    @classmethod
    def new(cls, folder: Path) -> NativeSet:
        """Choose ports, password and node name; nothing runs yet. `folder` must exist."""
        amqp, management, metrics, dist, epmd, database = free_ports(6)
        return cls(
            folder=folder,
            amqp_port=amqp,
            management_port=management,
            metrics_port=metrics,
            dist_port=dist,
            epmd_port=epmd,
            database_port=database,
            password=secrets.token_hex(12),
            node=f"jiayuan-{secrets.token_hex(4)}@localhost",
        )

    @classmethod
    def load(cls, state: dict[str, Any]) -> NativeSet:
        """The set that `dump` described."""
        processes = {name: Process(*pair) for name, pair in state["processes"].items()}
        return cls(**state | {"folder": Path(state["folder"]), "processes": processes})

    def on_change(self, callback: Callable[[], None]) -> None:
        """Have `callback` called whenever what `dump` returns has changed."""
        self.changed = callback

    def dump(self) -> dict[str, Any]:
        """The state as JSON types."""
        special = ("changed", "processes", "folder")
        plain = {name: value for name, value in vars(self).items() if name not in special}
        pairs = {name: [process.pid, process.started] for name, process in dict(self.processes).items()}
        return plain | {"folder": str(self.folder), "processes": pairs}

    @property
    def amqp_uri(self) -> str:
        return f"amqp://jiayuan-admin:{self.password}@127.0.0.1:{self.amqp_port}/"

    @property
    def management_url(self) -> str:
        return f"http://jiayuan-admin:{self.password}@127.0.0.1:{self.management_port}"

    @property
    def database_url(self) -> str:
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.database_port}/postgres"

    # --- both -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start both at once and wait until both serve. Raises ServersUnavailable with the end of the log."""
        find_binaries()
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(self.start_broker), pool.submit(self.start_database)]:
                done.result()

    def stop(self) -> None:
        """End every process of the set, epmd included, and delete the folder."""
        kill_trees(self.processes.values())
        self.processes.clear()
        self.changed()
        shutil.rmtree(self.folder, ignore_errors=True)

    def alive(self) -> bool:
        """True while broker and database run."""
        return all(n in self.processes and self.processes[n].alive() for n in ("broker", "database"))

    def _spawn(self, name: str, command: list[str], user: str, environment: dict[str, str]) -> None:
        # A session of its own: Ctrl-C in the terminal must not reach the servers before their user is done.
        # Its own folder is the working one: Erlang lists it, and the one above.
        log, home = self.folder / f"{name}.log", self.folder / name
        path = os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        with log.open("ab") as output:
            child = subprocess.Popen(
                ["/bin/sh", "-c", 'ulimit -n "$(ulimit -Hn)"; exec "$0" "$@"', *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={"PATH": path, "LANG": "C.UTF-8", "TZ": "UTC"} | environment,
                cwd=home,
                start_new_session=True,
                **_as_user(user),
            )
        self.processes[name] = Process.of(child.pid)
        child.returncode = 0  # reaped by Process.alive, not by Popen
        self.changed()

    def _await(self, name: str, ready: Callable[[], bool], log: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if not self.processes[name].alive():
                raise ServersUnavailable(f"the private {name} ended while it started: {_tail(log)}")
            if time.monotonic() > deadline:
                raise ServersUnavailable(
                    f"the private {name} is not ready in {START_SECONDS} s: {_tail(log)}"
                )
            time.sleep(0.05)

    def _kill(self, name: str) -> None:
        process = self.processes.get(name)
        if process is None or not process.alive():
            raise RuntimeError(f"the {name} is not running")
        kill_trees([process])

    # --- broker -----------------------------------------------------------------------------------

    def start_broker(self) -> None:
        """Start the broker (again), on the same port with the same data, and wait until it serves."""
        if (running := self.processes.get("broker")) and running.alive():
            return
        binaries, home = find_binaries(), self.folder / "broker"
        if not home.exists():
            self._write_broker_files(home)
        erlang = {"HOME": str(home), "ERL_EPMD_PORT": str(self.epmd_port), "ERL_EPMD_ADDRESS": "127.0.0.1"}
        if not ((epmd := self.processes.get("epmd")) and epmd.alive()):
            epmd_command = [str(binaries.epmd), "-port", str(self.epmd_port), "-address", "127.0.0.1"]
            (self.folder / "epmd").mkdir(exist_ok=True)
            self._spawn("epmd", epmd_command, "rabbitmq", erlang)
            self._await("epmd", lambda: _listens(self.epmd_port), self.folder / "epmd.log")
        environment = erlang | {
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_CONF_ENV_FILE": str(home / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(home / "data"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_PID_FILE": str(home / "broker.pid"),
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} "
            + QUIET_SCHEDULERS,
            "ERL_CRASH_DUMP": str(home / "erl_crash.dump"),
        }
        self._spawn("broker", [str(binaries.rabbitmq_server)], "rabbitmq", environment)
        self._await("broker", self._broker_serves, self.folder / "broker.log")
        self._enable_feature_flags()

    def _write_broker_files(self, home: Path) -> None:
        home.mkdir(mode=0o700)
        cookie = home / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(20))
        cookie.chmod(0o400)
        (home / "rabbitmq-env.conf").write_text("")
        (home / "advanced.config").write_text("[].\n")
        (home / "enabled_plugins").write_text("[rabbitmq_management,rabbitmq_prometheus].\n")
        settings = {
            "listeners.tcp.1": f"127.0.0.1:{self.amqp_port}",
            "management.tcp.ip": "127.0.0.1",
            "management.tcp.port": self.management_port,
            "prometheus.tcp.ip": "127.0.0.1",
            "prometheus.tcp.port": self.metrics_port,
            "default_user": "jiayuan-admin",
            "default_pass": self.password,
            "disk_free_limit.absolute": "200MB",
            "log.console": "true",
            "log.console.level": "info",
            "log.file": "false",
        }
        lines = [f"{key} = {value}\n" for key, value in settings.items()]
        (home / "rabbitmq.conf").write_text("".join(lines))
        (home / "rabbitmq.conf").chmod(0o600)
        _give_to("rabbitmq", home)

    def _broker_serves(self) -> bool:
        if not _listens(self.amqp_port):
            return False
        try:
            self._management("GET", "/api/overview")
        except (urllib.error.URLError, OSError):
            return False
        return True

    def _management(self, method: str, path: str, body: bytes | None = None) -> Any:
        url = f"http://127.0.0.1:{self.management_port}{path}"
        request = urllib.request.Request(url, method=method, data=body)
        token = base64.b64encode(f"jiayuan-admin:{self.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
        request.add_header("Content-Type", "application/json")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def _enable_feature_flags(self) -> None:
        flags = {flag["name"]: flag for flag in self._management("GET", "/api/feature-flags")}
        for name, flag in flags.items():
            if flag["state"] == "disabled" and flag.get("stability") in ("stable", "required"):
                self._management("PUT", f"/api/feature-flags/{name}/enable", b"{}")
        if lacking := [name for name in REQUIRED_FLAGS if name not in flags]:
            raise ServersUnavailable(f"this RabbitMQ has no {', '.join(lacking)}: install 3.10 or newer.")

    def stop_broker(self) -> None:
        """Stop the broker as an operator would (SIGTERM) and wait; SIGKILL when it takes over 30 seconds."""
        everyone = tree([self.processes["broker"]])
        send([p for p in everyone if _name(p) == "beam.smp"], signal.SIGTERM)
        if not wait_gone(everyone, 30):
            kill_trees(everyone)

    def restart_broker(self) -> None:
        """An orderly restart."""
        self.stop_broker()
        self.start_broker()

    def kill_broker(self) -> None:
        """SIGKILL. Raises RuntimeError when it is not running."""
        self._kill("broker")

    def broker_pids(self) -> list[int]:
        """The broker's processes, its children and epmd."""
        return [p.pid for p in tree(self.processes[n] for n in ("broker", "epmd") if n in self.processes)]

    # --- database ---------------------------------------------------------------------------------

    def start_database(self) -> None:
        """Start the database (again), on the same port with the same data, and wait until it serves."""
        if (running := self.processes.get("database")) and running.alive():
            return
        bin_folder, home = find_binaries().postgres_bin, self.folder / "database"
        if not home.exists():
            self._make_cluster(bin_folder, home)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.database_port,
            "unix_socket_directories": "",
            "max_connections": 300,
            "timezone": "UTC",
            "log_timezone": "UTC",
            # The benchmark reads from it when something was committed, instead of asking all the time.
            "track_commit_timestamp": "on",
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        command = [str(bin_folder / "postgres"), "-D", str(home / "data"), *options]
        self._spawn("database", command, "postgres", {"HOME": str(home)})
        self._await("database", self._database_serves, self.folder / "database.log")

    def _make_cluster(self, bin_folder: Path, home: Path) -> None:
        home.mkdir(mode=0o700)
        password_file = home / "password"
        password_file.write_text(self.password)
        password_file.chmod(0o600)
        _give_to("postgres", home)
        # --no-sync skips flushing the empty cluster only; the server itself runs with fsync on.
        options = "-U postgres -A scram-sha-256 --pwfile=password -E UTF8 --locale=C.UTF-8 --no-sync"
        made = subprocess.run(
            [str(bin_folder / "initdb"), "-D", str(home / "data"), *options.split(" ")],
            capture_output=True,
            text=True,
            cwd=home,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8", "TZ": "UTC"},
            **_as_user("postgres"),
        )
        password_file.unlink()
        if made.returncode != 0:
            raise ServersUnavailable(f"initdb failed: {made.stderr.strip() or made.stdout.strip()}")

    def _database_serves(self) -> bool:
        try:
            psycopg2.connect(self.database_url, connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True

    def kill_database(self) -> None:
        """SIGKILL to the server and every backend. Raises RuntimeError when it is not running."""
        self._kill("database")

    def database_pids(self) -> list[int]:
        """The server's processes, one a backend included."""
        return [p.pid for p in tree(self.processes[n] for n in ("database",) if n in self.processes)]


def reachable_folder(folder: Path) -> bool:
    """True when the servers' own users can reach `folder`: as root they do not run as root."""
    if os.geteuid() != 0:
        return True
    return all(parent.stat().st_mode & 0o001 for parent in [folder, *folder.parents] if parent.exists())


def _as_user(name: str) -> dict[str, Any]:
    """Arguments of subprocess to run as the server's own user when we are root (PostgreSQL refuses root)."""
    if os.geteuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise ServersUnavailable(f"the user {name} is missing: install with `{INSTALL_HINT}`.") from None
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _give_to(name: str, folder: Path) -> None:
    if os.geteuid() != 0:
        return
    entry = pwd.getpwnam(name)
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _name(process: Process) -> str:
    try:
        return Path(f"/proc/{process.pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _tail(log: Path) -> str:
    """The last lines of a log on one line, without terminal colours."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return " | ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).strip().splitlines()[-5:]) or "its log is empty."
