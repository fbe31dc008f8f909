"""The policy: which rule decides who handles a matter, its colour and its limits, and why. Pure.

`table` is the policy in memory, `reading` its documents, `catalogue` what there is to decide about, `analysis` what is
wrong with a table before any report meets it, `simulate` what another table would have decided.
"""

from .reading import (
    PolicyError,
    bundled,
    bundled_document,
    case_day,
    load,
    parse,
    read,
    seconds,
    span,
)
from .table import GROUNDS, LEVELS, OVERLAPS, Decision, Desk, Matter, Policy, Rule

__all__ = [
    "GROUNDS",
    "LEVELS",
    "OVERLAPS",
    "Decision",
    "Desk",
    "Matter",
    "Policy",
    "PolicyError",
    "Rule",
    "bundled",
    "bundled_document",
    "case_day",
    "load",
    "parse",
    "read",
    "seconds",
    "span",
]
