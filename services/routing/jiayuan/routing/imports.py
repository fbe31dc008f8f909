"""Taking over a directory or a policy table: checked as a whole, then in one transaction with its events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jiayuan.chassis.seal import Sealer
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem

from . import book, changes, policy, store
from .changes import Imported
from .directory import Directory


def import_directory(
    work: Work, sealer: Sealer, document: Mapping[str, Any], by: str, effective: datetime | None = None
) -> Imported:
    """Makes the directory exactly what the document says, from now or a later time on; whoever is not in it any more
    becomes inactive then, and lists that it leaves out stay as they are.

    Emits directory.changed for those whose contact, role, place or activity changed. DirectoryError when the
    document is wrong; then nothing has changed.
    """
    return changes.change(work, sealer, document, by, effective)


def unknown_units(directory: Directory) -> tuple[str, ...]:
    """Units that the bundled policy names and the directory doesn't have: their cases would go to the desk."""
    return tuple(sorted(policy.bundled().units() - {u.code for u in directory.units.values() if u.active}))


def import_policy(work: Work, document: Mapping[str, Any], by: str) -> policy.Policy:
    """Adds a policy table, which holds from its `effective_from`. PolicyError when it is wrong or not new.

    Cases that are open keep what was decided; a version is never changed, since decisions name it.
    """
    directory = store.read_directory(work)
    units = {u.code for u in directory.units.values() if u.active}
    table = policy.read(document, units or None)
    if not store.add_policy(work, table.version, table.effective_from, plain(document), by):
        raise policy.PolicyError(
            [
                FieldProblem(
                    "version", f"{table.version} was imported before", "a new version for a changed table"
                )
            ]
        )
    store.next_directory_version(work, by)
    book.forget(work)
    return table


def plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """The table in words that JSON has: times as text, colours with keys that can be read back."""
    out = dict(document)
    since = out["effective_from"]
    out["effective_from"] = since if isinstance(since, str) else since.isoformat()
    out["colours"] = {str(i): {str(u): c for u, c in row.items()} for i, row in out["colours"].items()}
    return out
