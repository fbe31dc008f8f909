"""What an adapter says of itself.

An adapter is a module of this package that holds an `ADAPTER`. Its page in docs/channels begins with the same words,
which a test compares: what the page promises is what the code says.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache

from .claims import ANYBODY


@dataclass(frozen=True, slots=True)
class Adapter:
    """One way in.

    `roles`: who may use it: ANYBODY, roles of who is signed in, `partners` (systems with a broker user of their own)
    or `operators` (whoever may run commands on the machine).
    """

    name: str
    title: str
    channels: tuple[str, ...]
    ways: tuple[str, ...]
    roles: tuple[str, ...]
    trusts: str
    key: str
    wrong: str

    def block(self) -> str:
        """How its page begins, in Markdown."""
        who = "anybody" if self.roles == ANYBODY else ", ".join(f"`{role}`" for role in self.roles)
        rows = (
            ("channels", ", ".join(f"`{c}`" for c in self.channels)),
            ("ways in", ", ".join(f"`{w}`" for w in self.ways)),
            ("who may use it", who),
            ("what it trusts", self.trusts),
            ("idempotency key", self.key),
            ("wrong input", self.wrong),
        )
        head = f"# {self.title}\n\n| | |\n|---|---|\n"
        return head + "".join(f"| {left} | {right} |\n" for left, right in rows)


@cache
def adapters() -> tuple[Adapter, ...]:
    """Every adapter, by name."""
    package = __name__.rpartition(".")[0]
    folders = importlib.import_module(package).__path__
    modules = (importlib.import_module(f"{package}.{m.name}") for m in pkgutil.iter_modules(folders))
    found = [m.ADAPTER for m in modules if isinstance(getattr(m, "ADAPTER", None), Adapter)]
    return tuple(sorted(found, key=lambda a: a.name))
