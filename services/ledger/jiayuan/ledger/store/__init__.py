"""The ledger's tables and all of its SQL, a module a theme."""

from .breaches import drop_breaches, keep_breaches, take_breaches
from .entries import (
    cases_entered,
    entry_of,
    find_entries,
    get_entry,
    insert_entries,
    lock_entries,
    update_entries,
)
from .figures import Fault, faults, figures
from .postings import breaches_posted, insert_postings, postings_of, steps_posted
from .tables import entry, metadata, posting, waiting_breach

__all__ = [
    "Fault",
    "breaches_posted",
    "cases_entered",
    "drop_breaches",
    "entry",
    "entry_of",
    "faults",
    "figures",
    "find_entries",
    "get_entry",
    "insert_entries",
    "insert_postings",
    "keep_breaches",
    "lock_entries",
    "metadata",
    "posting",
    "postings_of",
    "steps_posted",
    "take_breaches",
    "update_entries",
    "waiting_breach",
]
