"""The directory: the tree of grids with its people, units, committees, helpers, service points, rosters.

`model` is what a process keeps in memory, `documents` reads and checks, `duty` says who is there, `points` what is
near.
"""

from __future__ import annotations

from .documents import DirectoryError, bundled, parse, phones, read
from .duty import Leave, Shift
from .model import (
    EMPTY,
    GRID_KINDS,
    GRID_ROLES,
    HELPER_ROLES,
    MEMBERS,
    MODES,
    POINT_KINDS,
    ROLE_NAMES,
    ROLES,
    SEATS,
    SYSTEMS,
    UNIT_KINDS,
    Committee,
    Directory,
    Grid,
    Person,
    Place,
    Retired,
    Seat,
    ServicePoint,
    Superior,
    Team,
    Unit,
)

__all__ = [
    "EMPTY",
    "GRID_KINDS",
    "GRID_ROLES",
    "HELPER_ROLES",
    "MEMBERS",
    "MODES",
    "POINT_KINDS",
    "ROLES",
    "ROLE_NAMES",
    "SEATS",
    "SYSTEMS",
    "UNIT_KINDS",
    "Committee",
    "Directory",
    "DirectoryError",
    "Grid",
    "Leave",
    "Person",
    "Place",
    "Retired",
    "Seat",
    "ServicePoint",
    "Shift",
    "Superior",
    "Team",
    "Unit",
    "bundled",
    "parse",
    "phones",
    "read",
]
