"""The ledger's tables and all of its SQL, a module a theme."""

from . import leaves, trees
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
from .tables import (
    checkpoint,
    entry,
    leaf,
    leaf_document,
    log_key,
    metadata,
    posting,
    posting_text,
    tile,
    tree,
    waiting_breach,
    waiting_leaf,
)

__all__ = [
    "Fault",
    "breaches_posted",
    "cases_entered",
    "checkpoint",
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
    "leaf",
    "leaf_document",
    "leaves",
    "lock_entries",
    "log_key",
    "metadata",
    "posting",
    "posting_text",
    "postings_of",
    "steps_posted",
    "take_breaches",
    "tile",
    "tree",
    "trees",
    "update_entries",
    "waiting_breach",
    "waiting_leaf",
]
