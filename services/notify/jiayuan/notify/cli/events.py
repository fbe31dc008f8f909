"""Events that commands are given: a file, standard input, or a golden example of the contracts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from jiayuan.contracts import envelope, names
from jiayuan.contracts.envelope import BadEvent, Event

_GOLDEN: Final = "contracts/golden"


def find(name: str) -> Event | None:
    """The event of a file, of `-`, or of a golden example (`case.assigned`, `case.assigned/001-grid-worker`) of the
    checkout that the command runs in; None when there is no such file. ClickException: it isn't an event."""
    if name == "-":
        return _decoded(sys.stdin.buffer.read(), "standard input")
    path = _path(name)
    return None if path is None else _decoded(path.read_bytes(), str(path))


def _path(name: str) -> Path | None:
    here = Path(name)
    if here.is_file():
        return here
    for folder in (Path.cwd(), *Path.cwd().parents):
        golden = folder / _GOLDEN / name
        if golden.is_dir():
            return min(golden.glob("*.json"), default=None)
        if golden.with_name(golden.name + ".json").is_file():
            return golden.with_name(golden.name + ".json")
        if golden.is_file():
            return golden
    return None


def _decoded(raw: bytes, where: str) -> Event:
    try:
        return envelope.decode(raw, names.CONTENT_TYPE)
    except BadEvent as error:
        fields = "".join(f"\n  {p.field}: {p.problem}; allowed: {p.allowed}" for p in error.problems)
        raise click.ClickException(f"{where} is not an event: {error}{fields}") from None
