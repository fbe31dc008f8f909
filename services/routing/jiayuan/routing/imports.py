"""Taking over a directory or a policy table: checked as a whole, then in one transaction with its events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jiayuan.chassis.seal import Sealer
from jiayuan.chassis.work import Work

from . import changes, policy
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
