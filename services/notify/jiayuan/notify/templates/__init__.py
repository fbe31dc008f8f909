"""What a notice says: versioned templates, checked when they are loaded, and what each is on each channel. Pure."""

from .approvals import approved
from .facts import FACTS, ZONE, local
from .length import segments, units
from .library import Template, Templates, Wording, bundled
from .text import BadData, MissingFact
from .wechat import Unfit

PLACEHOLDERS = tuple(FACTS)

__all__ = [
    "FACTS",
    "PLACEHOLDERS",
    "ZONE",
    "BadData",
    "MissingFact",
    "Template",
    "Templates",
    "Unfit",
    "Wording",
    "approved",
    "bundled",
    "local",
    "segments",
    "units",
]
