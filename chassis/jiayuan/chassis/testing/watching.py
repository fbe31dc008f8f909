"""Watches what is logged while tests run, by this process and by every process that a test starts, for personal data.

Numbers of phones and identity cards, openids and phones that tests have sealed as contacts, and tokens must never
stand in a log. Records of this process are formatted as a service does it; files that processes write to are read.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from .. import redact, seal
from ..logs import JsonFormatter

_JWT: Final = re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}")
_IN_ADDRESS: Final = re.compile(r"\b(?:access_token|secret|appsecret|phone|openid)=(?!\*)[^&\s\"']+", re.I)
_NEEDLES: Final = ("phone", "openid", "unionid")
_LEAST: Final = 8
"""Shorter values stand in any text."""


class Watch:
    """What was logged that must not be; `known` are values that tests have sealed."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.found: list[str] = []
        self._files: dict[Path, int] = {}
        self._lock = threading.Lock()

    def look(self, line: str, where: str) -> None:
        """Keep what is wrong with one line of a log."""
        for what in leaks(line, self.known):
            self.found.append(f"{where}: {what}: {line.strip()[:300]}")

    def note(self, file: Any) -> None:
        """A process writes to this file from here on."""
        name = getattr(file, "name", None)
        if isinstance(name, str) and os.path.isfile(name):
            with self._lock:
                self._files.setdefault(Path(name), 0)

    def read(self) -> None:
        """Look at what processes have written since the last time."""
        with self._lock:
            files = list(self._files.items())
        for path, at in files:
            try:
                with path.open("rb") as stream:
                    stream.seek(at)
                    new = stream.read()
            except OSError:
                continue  # its test has cleared up
            whole = new[: new.rfind(b"\n") + 1]
            self._files[path] = at + len(whole)
            for line in whole.decode(errors="replace").splitlines():
                self.look(line, path.name)

    def take(self) -> list[str]:
        """What was found since the last time."""
        self.read()
        found, self.found = self.found, []
        return found


def leaks(line: str, known: set[str]) -> Iterator[str]:
    """What in a line of a log must not be there."""
    for span in redact.find(line):
        number = re.sub(r"\D", "", line[span.start : span.end])
        # A landline's form is that of many an id; mobiles and identity numbers are not to be mistaken.
        if span.kind == "identity" or (len(number) in (11, 13) and number[-11] == "1"):
            yield f"a number ({span.kind})"
    if _JWT.search(line):
        yield "a token"
    if match := _IN_ADDRESS.search(line):
        yield f"in an address, {match[0].partition('=')[0]}"
    for value in known:
        if value in line:
            yield "a contact that was sealed"


class _Handler(logging.Handler):
    def __init__(self, watch: Watch) -> None:
        super().__init__(logging.DEBUG)
        self.watch = watch
        self.setFormatter(JsonFormatter("test"))

    def emit(self, record: logging.LogRecord) -> None:
        """Look at it as a service would write it."""
        if record.name.startswith("jiayuan"):
            self.watch.look(self.format(record), record.name)


def begin() -> Watch:
    """Watch from now on; once a process."""
    watch = Watch()
    logging.getLogger("jiayuan").addHandler(_Handler(watch))
    _wrap(seal.Key, "seal", lambda _key, plain, *_a, **_k: _keep(watch, plain))
    _wrap(subprocess.Popen, "__init__", lambda _p, *_a, **k: _note(watch, k))
    return watch


def _keep(watch: Watch, plain: Mapping[str, Any]) -> None:
    for name in _NEEDLES:
        value = plain.get(name)
        if isinstance(value, str) and len(value) >= _LEAST:
            watch.known.add(value)


def _note(watch: Watch, given: Mapping[str, Any]) -> None:
    for name in ("stdout", "stderr"):
        watch.note(given.get(name))


def _wrap(cls: Any, name: str, before: Any) -> None:
    run = getattr(cls, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        before(*args, **kwargs)
        return run(*args, **kwargs)

    setattr(cls, name, wrapped)
