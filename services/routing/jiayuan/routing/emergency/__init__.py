"""Peace and emergency 平急轉化: modes as data, emergencies that are on, and what they do to cases. Pure.

`terms` reads the policy of emergencies, `model` says which emergency holds where and when, `effects` what that means
for a case, `calls` who is called in. Nothing here knows SQL, the bus or a clock.
"""

from __future__ import annotations

from .calls import Calling, to_call
from .effects import Kept, follow
from .model import NONE, Emergencies, Emergency
from .terms import EmergencyPolicy, EmergencyPolicyError, Terms, bundled, load, read, terms_of

__all__ = [
    "NONE",
    "Calling",
    "Emergencies",
    "Emergency",
    "EmergencyPolicy",
    "EmergencyPolicyError",
    "Kept",
    "Terms",
    "bundled",
    "follow",
    "load",
    "read",
    "terms_of",
    "to_call",
]
