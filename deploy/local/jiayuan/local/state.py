"""The state file of a set of servers: enough to take it up again, or down, from another process."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from jiayuan.local.containers import ContainerSet
from jiayuan.local.native import NativeSet


class ServerSet(Protocol):
    """What a native set and a set of containers have in common."""

    def on_change(self, callback: Callable[[], None]) -> None: ...
    def dump(self) -> dict[str, Any]: ...
    def stop(self) -> None: ...
    def alive(self) -> bool: ...
    def kill_broker(self) -> None: ...
    def start_broker(self) -> None: ...
    def restart_broker(self) -> None: ...
    def kill_database(self) -> None: ...
    def start_database(self) -> None: ...
    def broker_pids(self) -> list[int]: ...
    def database_pids(self) -> list[int]: ...

    @property
    def amqp_uri(self) -> str: ...
    @property
    def management_url(self) -> str: ...
    @property
    def database_url(self) -> str: ...


@dataclass(frozen=True)
class State:
    """A set, how it was chosen, and whether the folder of its state file is temporary (goes with it)."""

    chosen: str
    why: str
    servers: ServerSet
    temporary: bool


def save_state(path: Path, state: State) -> None:
    """Write the state file in one step, readable by its owner only: it holds passwords."""
    content = {
        "chosen": state.chosen,
        "why": state.why,
        "temporary": state.temporary,
        "amqp_uri": state.servers.amqp_uri,
        "management_url": state.servers.management_url,
        "database_url": state.servers.database_url,
        "set": state.servers.dump(),
    }
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(content, out, indent=1)
    draft.replace(path)


def load_state(path: Path) -> State | None:
    """The state as saved; None when there is no file."""
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    kind: type[ContainerSet | NativeSet] = ContainerSet if content["chosen"] == "containers" else NativeSet
    return State(content["chosen"], content["why"], kind.load(content["set"]), content["temporary"])


def take_down_state(path: Path) -> bool:
    """Stop and delete the set that the file lists, then the file. False when there was none."""
    state = load_state(path)
    if state is None:
        return False
    state.servers.stop()
    path.unlink(missing_ok=True)
    if state.temporary:
        shutil.rmtree(path.parent, ignore_errors=True)
    return True
