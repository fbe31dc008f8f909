"""The policy: which rule decides who handles a matter, its colour and its limits, and why. Pure.

`table` is the policy in memory, `reading` its documents, `catalogue` what there is to decide about, `analysis` what is
wrong with a table before any report meets it, `simulate` what another table would have
decided; `whistle` what it says of whistles.
"""

from .analysis import Domain, Finding, analyse, domain_of
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
from .table import LEVELS, OVERLAPS, Decision, Desk, Matter, Policy, Rule
from .whistle import CHIEF, GROUNDS, Ground, WhistleTerms
from .words import differences

__all__ = [
    "CHIEF",
    "GROUNDS",
    "LEVELS",
    "OVERLAPS",
    "Decision",
    "Desk",
    "Domain",
    "Finding",
    "Ground",
    "Matter",
    "Policy",
    "PolicyError",
    "Rule",
    "WhistleTerms",
    "analyse",
    "bundled",
    "bundled_document",
    "case_day",
    "differences",
    "domain_of",
    "load",
    "parse",
    "read",
    "seconds",
    "span",
]
