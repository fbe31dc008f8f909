"""分色: a person gives a case another colour, and the limits that go with it follow.

The colour says how much a matter weighs, never how late it is: that is the timeliness light, which is SLA's alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso

from . import deciding, store
from .case import Case, Moved
from .policy import Policy


def finish_limit(work: Work, policy: Policy, case: Case, colour: str) -> int:
    """The seconds that whoever handles a case has in all, from the start of their leg, if it had that colour."""
    last = store.last_decisions(work, [case.id]).get(case.id)
    if last is None:  # of before decisions were kept
        return policy.finish[colour]
    return policy.recoloured(last.rule, colour, last.importance, last.urgency)


def keep(work: Work, steps: Sequence[tuple[Case, Moved]]) -> None:
    """Keeps that persons gave cases other colours: the case before and the step, each."""
    if not steps:
        return
    last = store.last_decisions(work, [before.id for before, _ in steps])
    store.recast(work, [step.case for _, step in steps])
    rows = []
    for before, step in steps:
        case, change = step.case, step.change
        leg = next((one for one in case.live_legs if one.kind != "supervise" and one.finish_limit), None)
        finish = leg.finish_limit if leg is not None and leg.finish_limit else 0
        more = {"reason": change.reason, "before": {"colour": before.colour}}
        rows.append(
            deciding.recoloured_row(case, last.get(case.id), change.actor, iso(work.now), finish, more)
        )
    store.insert_decisions(work, rows)
