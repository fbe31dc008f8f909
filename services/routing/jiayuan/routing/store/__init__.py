"""Routing's tables (`tables`) and its SQL: a module a word, whose names are those of this package."""

from __future__ import annotations

from .cases import (
    find_ids,
    insert_cases,
    known_handlings,
    lock_cases,
    note_steps,
    open_legs,
    read_case,
    remember_handlings,
    save_moves,
    steps,
)
from .directory import contacts, directory_version, next_directory_version, read_directory, replace_table
from .policies import add_policy, policies
from .reports import (
    Claimed,
    cases_of_reports,
    claim_reports,
    move_reports,
    newer_joins,
    numbers,
    wait_for_report,
)
from .rows import is_uuid
from .tables import (
    case_report,
    case_step,
    case_table,
    directory_table,
    grid,
    handling,
    leg_table,
    metadata,
    person,
    place,
    policy_table,
    turn,
    unit,
)
from .turns import add_turns, give_turns, turns

__all__ = [
    "Claimed",
    "add_policy",
    "add_turns",
    "case_report",
    "case_step",
    "case_table",
    "cases_of_reports",
    "claim_reports",
    "contacts",
    "directory_table",
    "directory_version",
    "find_ids",
    "give_turns",
    "grid",
    "handling",
    "insert_cases",
    "is_uuid",
    "known_handlings",
    "leg_table",
    "lock_cases",
    "metadata",
    "move_reports",
    "newer_joins",
    "next_directory_version",
    "note_steps",
    "numbers",
    "open_legs",
    "person",
    "place",
    "policies",
    "policy_table",
    "read_case",
    "read_directory",
    "remember_handlings",
    "replace_table",
    "save_moves",
    "steps",
    "turn",
    "turns",
    "unit",
    "wait_for_report",
]
