"""What the policy says of whistles: who may blow one, on which grounds, and how soon who has to be where. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jiayuan.contracts.schemas.common import GROUNDS

# A grid chief blows it alone, asks the desk to, or has no whistle.
CHIEF: Final = ("blows", "asks", "no")
_GROUND: Final = ("report_in", "reason_least", "says", "response")
_MOST_UNITS: Final = 21


@dataclass(frozen=True, slots=True)
class Ground:
    """One of the three grounds. `report_in`: seconds from the call until a unit has to report in; `reason_least`: how
    long a reason has to be at least; `says`: what the ground means, in words for people; `response`: seconds to answer,
    where a unit hasn't as long as always."""

    report_in: int
    reason_least: int
    says: str
    response: int | None = None


@dataclass(frozen=True, slots=True)
class WhistleTerms:
    """`convener` is how long the convener of the joint committee has for a refusal, `ask` how long the desk has for a
    chief's wish to whistle (seconds); `most_units` how many units one case can call."""

    grounds: Mapping[str, Ground]
    convener: int
    ask: int
    chief: str
    most_units: int

    def report_in(self, ground: str, response: int | None = None) -> int:
        """How long a unit has to report in: never longer than it has to answer."""
        limit = self.grounds[ground].report_in
        return limit if response is None else min(limit, response)


# What holds where a policy of before says nothing of whistles.
DEFAULT: Final = WhistleTerms(
    {
        "public_matter": Ground(86400, 8, "街道自身无法解决、需要部门到场的公共事务"),
        "joint_enforcement": Ground(43200, 8, "需要几个部门一起到场的联合执法"),
        "emergency": Ground(600, 4, "突发应急，需要马上到场", 900),
    },
    convener=86400,
    ask=3600,
    chief="asks",
    most_units=12,
)


def read_terms(
    document: Any, wrong: Callable[[str, str, str], None], seconds: Callable[[str, Any], int]
) -> WhistleTerms:
    """The terms of a policy's section `whistle`; `wrong(field, problem, allowed)` is told of every fault, `seconds`
    reads the duration of a field."""
    if document is None:
        return DEFAULT
    keys = ("grounds", "convener", "ask", "chief", "most_units")
    if not isinstance(document, dict):
        wrong("whistle", f"is {document!r:.40}", "a mapping of " + ", ".join(keys))
        return DEFAULT
    for key in set(document) - set(keys):
        wrong(f"whistle.{key}", "is unknown", ", ".join(keys))
    given = document.get("grounds")
    if not isinstance(given, dict):
        wrong("whistle.grounds", "is missing", "a mapping of " + ", ".join(GROUNDS))
        given = {}
    for key in set(given) - set(GROUNDS):
        wrong(f"whistle.grounds.{key}", "is unknown", ", ".join(GROUNDS))
    grounds = {name: _ground(f"whistle.grounds.{name}", given.get(name), wrong, seconds) for name in GROUNDS}
    if given and grounds["emergency"].report_in > min(g.report_in for g in grounds.values()):
        wrong(
            "whistle.grounds.emergency.report_in",
            "is longer than that of another ground",
            "an emergency is the most urgent",
        )
    chief = document.get("chief", DEFAULT.chief)
    if chief not in CHIEF:
        wrong("whistle.chief", f"is {chief!r:.40}", ", ".join(CHIEF))
        chief = DEFAULT.chief
    most = document.get("most_units", DEFAULT.most_units)
    if type(most) is not int or not 2 <= most <= _MOST_UNITS:
        wrong("whistle.most_units", f"is {most!r:.40}", f"a whole number from 2 to {_MOST_UNITS}")
        most = DEFAULT.most_units
    return WhistleTerms(
        grounds,
        seconds("whistle.convener", document["convener"]) if "convener" in document else DEFAULT.convener,
        seconds("whistle.ask", document["ask"]) if "ask" in document else DEFAULT.ask,
        chief,
        most,
    )


def _ground(
    where: str,
    document: Any,
    wrong: Callable[[str, str, str], None],
    seconds: Callable[[str, Any], int],
) -> Ground:
    if not isinstance(document, dict):
        wrong(where, "is missing", "a mapping of " + ", ".join(_GROUND))
        return Ground(1, 1, "")
    for key in set(document) - set(_GROUND):
        wrong(f"{where}.{key}", "is unknown", ", ".join(_GROUND))
    least = document.get("reason_least")
    if type(least) is not int or not 1 <= least <= 200:
        wrong(f"{where}.reason_least", f"is {least!r:.40}", "a whole number from 1 to 200")
        least = 1
    says = document.get("says")
    if not isinstance(says, str) or not 0 < len(says) <= 100:
        wrong(f"{where}.says", "is missing or too long", "1 to 100 characters")
        says = ""
    response = seconds(f"{where}.response", document["response"]) if "response" in document else None
    return Ground(seconds(f"{where}.report_in", document.get("report_in")), least, says, response)
