"""The machine: which moves there are, on what, in which states, by whom — one table, and the one place that says no.

A move is allowed when its row says so in all of these:

- **state**: of the leg (for moves on a leg) or of the case;
- **conditions**: what else must hold (`Need`), such as that a leg was not extended before;
- **right**: the actor stands to the leg or the case as one of those named (`Standing`), whatever way he came: HTTP,
  the command line and the bus hand in an `Actor`, and get the same answer;
- **duty**: whoever handled a case doesn't inspect it, whoever handled or inspected it doesn't close it, whoever asked
  for an approval doesn't grant it.

`permit` raises NotAllowed with why, and with the moves that the actor has instead; `allowed` lists those. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from jiayuan.contracts.times import parse

from .model import LIVE, OVER, Case, Ground, Leg, NotAllowed
from .terms import DEFAULT, Terms

Standing = Literal[
    "assignee", "desk", "county", "convener", "head", "inspector", "approver", "reporter", "routing"
]
STANDINGS: Final[Mapping[str, str]] = {
    "assignee": "承办人：环节的网格员、单位经办人或工作台",
    "desk": "本街道工作台",
    "county": "县级",
    "convener": "本街道大工委召集人",
    "head": "本社区总网格长、网格长",
    "inspector": "核查员",
    "approver": "审批人：请批事项所报的工作台或召集人",
    "reporter": "诉求人",
    "routing": "系统：时限、策略与并案",
}
# Roles whose people can hold a leg of their own.
PERSONS: Final = frozenset(
    ("grid_worker", "grid_leader", "grid_chief", "mediator", "volunteer", "cadre", "liaison", "convener")
)
_HEADS: Final = frozenset(("grid_leader", "grid_chief"))
UNRESOLVED: Final = frozenset(("open", "assigned", "accepted", "answered"))
NOT_OVER: Final = UNRESOLVED | {"resolved"}
# Every event has at most 64 KiB, and clocks need every one of these: no more than that.
MOST_SPANS: Final = 50


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: an id, the roles, and the unit, street or community acted for ("" for none)."""

    subject: str
    roles: tuple[str, ...]
    unit: str = ""
    street: str = ""
    community: str = ""


ROUTING: Final = Actor("routing", ("routing",))


def reporter(subject: str) -> Actor:
    """The reporter, as intake's events tell of him."""
    return Actor(subject, ("reporter",))


def sits(actor: Actor, assignee: str) -> bool:
    """Whether the actor sits at a desk (`desk-<street>`; the county's is that of the street 000) or is the convener
    of a street's joint committee (`convener-<street>`, or by his own id)."""
    if actor.subject == assignee and "convener" in actor.roles:
        return True
    kind, _, street = assignee.partition("-")
    if kind == "desk":
        if "county" in actor.roles and street.endswith("000"):
            return True
        return "desk" in actor.roles and actor.street == street
    return kind == "convener" and "convener" in actor.roles and actor.street == street


def holds(actor: Actor, leg: Leg) -> bool:
    """Whether the actor is a leg's assignee, or acts for it."""
    who = leg.assignee
    if who.type == "person":
        return who.id == actor.subject and not PERSONS.isdisjoint(actor.roles)
    if who.type == "unit":
        return "unit_clerk" in actor.roles and who.id == actor.unit
    return sits(actor, who.id)


def handled(actor: Actor, case: Case) -> bool:
    """Whether the actor had a hand in the handling, in this round or an earlier one: for a unit, all of its people."""
    for leg in case.legs:
        if leg.accepted_at is None and leg.done_at is None:
            continue
        who = leg.assignee
        if actor.subject in leg.hands or (who.type == "person" and who.id == actor.subject):
            return True
        if who.type == "unit" and actor.unit == who.id and "unit_clerk" in actor.roles:
            return True
    return False


def standings(actor: Actor, case: Case, leg: Leg | None) -> set[str]:
    """What the actor is to the case, and to the leg; without a leg, `assignee` of any that is live."""
    out = set()
    roles = actor.roles
    if (
        holds(actor, leg)
        if leg is not None
        else any(one.live and holds(actor, one) for one in reversed(case.legs))
    ):
        out.add("assignee")
    if "county" in roles:
        out.add("county")
    if actor.street == case.street:
        if "desk" in roles:
            out.add("desk")
        if "convener" in roles:
            out.add("convener")
    if "inspector" in roles and actor.street in ("", case.street):
        out.add("inspector")
    if actor.community and actor.community == case.community and not _HEADS.isdisjoint(roles):
        out.add("head")
    if "routing" in roles:
        out.add("routing")
    if "reporter" in roles:
        out.add("reporter")
    return out


# -- what the table is made of -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Situation:
    """What a condition looks at; `at` is the time of the move."""

    case: Case
    leg: Leg | None
    actor: Actor
    at: datetime
    terms: Terms
    approval: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Need:
    """A condition; `why` says what is wrong when it doesn't hold, `words` what must hold (for the documents)."""

    holds: Callable[[Situation], bool]
    why: str
    words: str
    ground: Ground = "state"


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table. `on`: what `states` are of. `by`: who may, by what they are to the leg or the case."""

    name: str
    chinese: str
    on: Literal["leg", "case"]
    states: frozenset[str]
    by: frozenset[str]
    leads_to: str
    needs: tuple[Need, ...] = ()


def paused(case: Case, at: datetime) -> bool:
    """Whether a pause of the case lasts at a time; a dated one ends by itself."""
    return bool(case.pauses) and any(_lasts(span, at) for span in case.pauses)


def _lasts(span: Mapping[str, Any], at: datetime) -> bool:
    end = span.get("end")
    return parse(span["start"]) <= at and (end is None or parse(end) > at)


def pending(case: Case, kind: str, leg: str | None = None) -> Mapping[str, Any] | None:
    """The open approval of a kind, of a leg or of the case."""
    return next(
        (a for a in case.approvals if a["kind"] == kind and a.get("leg") == leg and not a.get("decided_at")),
        None,
    )


def inspected(case: Case) -> bool:
    """Whether the result as it is now has passed an inspection."""
    seen = case.inspection
    return bool(seen and seen["passed"] and case.resolved_at and parse(seen["at"]) >= parse(case.resolved_at))


def _not_pending(kind: str, on_leg: bool = True) -> Need:
    def holds_(s: Situation) -> bool:
        return pending(s.case, kind, s.leg.id if on_leg and s.leg else None) is None

    return Need(holds_, f"a {kind} has been asked for already and is not decided yet", "没有同类待批事项")


def _reopen_in_time(s: Situation) -> bool:
    if s.case.state != "closed" or s.case.closed_at is None:
        return True
    return s.at <= parse(s.case.closed_at) + timedelta(days=s.terms.reopen_days)


_OWN_LEG: Final = Need(
    lambda s: s.leg is not None and s.leg.kind != "supervise",
    "a supervisor has nothing to return or to put off: resolve it, or assign the case to somebody",
    "不是督办环节",
)
_RETURNABLE: Final = Need(
    lambda s: s.leg is not None and s.leg.assignee.type != "desk",
    "the desk is the last to turn to: assign the case to a person or a unit",
    "不是工作台的环节",
)
_WHISTLED: Final = Need(
    lambda s: s.leg is not None and s.leg.assignee.type == "unit" and s.leg.kind in ("lead", "assist"),
    "only a unit that was whistled",
    "吹哨单位的环节",
)
_NOT_ARRIVED: Final = Need(
    lambda s: s.leg is not None and s.leg.arrived_at is None, "it has arrived already", "尚未到场"
)
_NOT_BOUND: Final = Need(
    lambda s: s.leg is None or s.leg.assignee.id not in (s.case.whistle or {}).get("bound", ()),
    "the convener held the call up, or a meeting named the unit: it can't refuse any more",
    "召集人未维持吹哨、例会未点名该单位",
)
_CONVENING: Final = Need(
    lambda s: s.leg is not None and s.leg.kind == "convene",
    "there is no refusal to decide on this leg",
    "召集人的环节",
)
_HAS_LIMIT: Final = Need(
    lambda s: s.leg is not None and bool(s.leg.finish_limit),
    "the leg has no finish limit that could be extended",
    "环节有办结时限",
)
_ONCE: Final = Need(
    lambda s: s.leg is not None and not any(e["leg"] == s.leg.id for e in s.case.extensions),
    "the leg was extended before: once a leg",
    "该环节未延期过（每环节一次）",
)
_NOT_PAUSED: Final = Need(
    lambda s: not any(_lasts(p, s.at) and not p.get("emergency") for p in s.case.pauses),
    "the case is paused already",
    "未在挂账中",
)
_ROOM: Final = Need(
    lambda s: len(s.case.pauses) < MOST_SPANS, f"a case has at most {MOST_SPANS} pauses", "挂账次数未满"
)
_PAUSED: Final = Need(lambda s: paused(s.case, s.at), "the case is not paused", "正在挂账")
_ASSISTANT: Final = Need(
    lambda s: s.leg is not None and s.leg.kind == "assist",
    "only an assistant can be released; give the case to somebody else instead",
    "协办环节",
)
_NOT_SUPERVISED: Final = Need(
    lambda s: not any(o["by"] == s.actor.subject and not o.get("ended_at") for o in s.case.supervised),
    "you supervise it already",
    "本人未在督办",
)
_SUPERVISED: Final = Need(
    lambda s: any(
        not o.get("ended_at") and (o["by"] == s.actor.subject or "county" in s.actor.roles)
        for o in s.case.supervised
    ),
    "nobody supervises it, or somebody else does: whoever began it ends it, or the county",
    "正由本人督办（县级可解除任何督办）",
)
_HANDLED_BY_OTHERS: Final = Need(
    lambda s: not handled(s.actor, s.case),
    "you had a hand in the handling: somebody else has to",
    "本人（本单位）未参与办理",
    "duty",
)
_INSPECTED_BY_OTHERS: Final = Need(
    lambda s: s.case.inspection is None or s.case.inspection["by"] != s.actor.subject,
    "you inspected it: somebody who neither handled nor inspected it has to",
    "本人不是核查人",
    "duty",
)
_NOT_INSPECTED: Final = Need(
    lambda s: not inspected(s.case), "it has passed an inspection already", "本次办结尚未核查通过"
)
_INSPECTED: Final = Need(
    lambda s: not s.terms.inspect_before_close or inspected(s.case),
    "it has not passed an inspection yet",
    "核查已通过（策略 moves.inspect_before_close 可免）",
)
_IN_TIME: Final = Need(
    _reopen_in_time, "it was closed too long ago", "办结归档未超过策略 moves.reopen_days 天"
)
_UNDECIDED: Final = Need(
    lambda s: s.approval is not None and not s.approval.get("decided_at"),
    "there is no such approval, or it is decided",
    "待批",
)
_BY_DECISION: Final = Need(
    lambda s: s.approval is None or s.approval["kind"] != "refusal",
    "a refusal is decided on the convener's leg",
    "不是拒绝吹哨（convene）",
)
_ASKED_BY_OTHERS: Final = Need(
    lambda s: s.approval is None or s.approval["asked_by"] != s.actor.subject,
    "you asked for it: somebody else has to decide",
    "本人不是请批人",
    "duty",
)


def _rule(
    name: str,
    chinese: str,
    on: Literal["leg", "case"],
    states: Iterable[str],
    by: Iterable[str],
    leads_to: str,
    *needs: Need,
) -> Rule:
    return Rule(name, chinese, on, frozenset(states), frozenset(by), leads_to, needs)


_DESKS: Final = ("desk", "county")
_ABOVE: Final = ("desk", "county", "convener", "head")

TABLE: Final[Mapping[str, Rule]] = {
    r.name: r
    for r in (
        # -- on a leg
        _rule("accept", "签收（单位：报到）", "leg", ("offered",), ("assignee",), "accepted"),
        _rule("answer", "应答", "leg", ("accepted",), ("assignee",), "answered"),
        _rule("resolve", "办结", "leg", ("accepted", "answered"), ("assignee",), "done"),
        _rule(
            "return",
            "退单",
            "leg",
            LIVE,
            ("assignee",),
            "returned，或待工作台批",
            _OWN_LEG,
            _RETURNABLE,
            _NOT_BOUND,
            _not_pending("return"),
        ),
        _rule(
            "refuse",
            "拒绝吹哨",
            "leg",
            ("offered", "accepted"),
            ("assignee",),
            "refused；召集人得一环节",
            _WHISTLED,
            _NOT_ARRIVED,
            _NOT_BOUND,
        ),
        _rule(
            "arrive",
            "到场报到",
            "leg",
            LIVE,
            ("assignee",),
            "环节记到场时间；未签收的即签收",
            _WHISTLED,
            _NOT_ARRIVED,
        ),
        _rule(
            "convene",
            "召集人裁定",
            "leg",
            LIVE,
            ("assignee", "convener"),
            "done；维持、解除或另点单位",
            _CONVENING,
        ),
        _rule(
            "extend",
            "延期",
            "leg",
            ("accepted", "answered"),
            ("assignee",),
            "待工作台批，准则加时",
            _OWN_LEG,
            _HAS_LIMIT,
            _ONCE,
            _not_pending("extension"),
        ),
        _rule(
            "pause",
            "挂账",
            "leg",
            ("accepted", "answered"),
            ("assignee",),
            "待工作台批，准则停表",
            _OWN_LEG,
            _NOT_PAUSED,
            _ROOM,
            _not_pending("pause"),
        ),
        _rule("release", "解除协办", "leg", LIVE, (*_DESKS, "convener"), "released", _ASSISTANT),
        # -- on the case
        _rule("assign", "派单、改派、吹哨", "case", UNRESOLVED, _DESKS, "assigned，原环节 reassigned"),
        _rule(
            "whistle",
            "吹哨",
            "case",
            UNRESOLVED,
            (*_DESKS, "head"),
            "assigned，牵头与协办各得一环节；总网格长按策略请工作台吹哨",
        ),
        _rule("call", "加哨", "case", UNRESOLVED, (*_DESKS, "convener"), "再加协办单位"),
        _rule("hand_over", "改任牵头", "case", UNRESOLVED, (*_DESKS, "convener"), "原牵头 reassigned"),
        _rule("agenda", "列入例会", "case", UNRESOLVED, ("county", "convener"), "记例会"),
        _rule("meeting", "例会议定", "case", UNRESOLVED, ("county", "convener"), "议定单位得一环节"),
        _rule("resume", "恢复", "case", UNRESOLVED, ("assignee", *_DESKS, "routing"), "停表结束", _PAUSED),
        _rule("urge", "催办", "case", UNRESOLVED, _ABOVE, "加催办记录"),
        _rule("supervise", "督办", "case", UNRESOLVED, _DESKS, "加督办", _NOT_SUPERVISED),
        _rule("unsupervise", "解除督办", "case", NOT_OVER, _DESKS, "督办结束", _SUPERVISED),
        _rule("recolour", "调整分色", "case", UNRESOLVED, ("desk", "county", "convener"), "换色"),
        _rule(
            "inspect",
            "核查",
            "case",
            ("resolved",),
            ("inspector", *_ABOVE),
            "记核查；不通过则返工，回到 assigned",
            _NOT_INSPECTED,
            _HANDLED_BY_OTHERS,
        ),
        _rule(
            "close",
            "归档",
            "case",
            ("resolved",),
            ("desk", "county", "convener"),
            "closed",
            _INSPECTED,
            _HANDLED_BY_OTHERS,
            _INSPECTED_BY_OTHERS,
        ),
        _rule("reopen", "重新办理", "case", ("resolved", "closed"), _DESKS, "assigned，交工作台", _IN_TIME),
        _rule("void", "作废", "case", NOT_OVER, _DESKS, "待县级批，准则 voided", _not_pending("void", False)),
        _rule(
            "decide",
            "审批",
            "case",
            NOT_OVER,
            ("approver",),
            "准或不准",
            _UNDECIDED,
            _BY_DECISION,
            _ASKED_BY_OTHERS,
        ),
        # -- what comes by itself
        _rule("rate", "评价", "case", NOT_OVER | {"closed"}, ("reporter",), "closed，或一次重办"),
        _rule("withdraw", "撤回", "case", NOT_OVER, ("reporter",), "closed"),
        _rule("lapse", "逾期未评价", "case", ("resolved",), ("routing",), "closed"),
        _rule("raise", "逾期上升", "case", UNRESOLVED, ("routing",), "上一级，或工作台督办"),
        _rule("merge", "并案", "case", UNRESOLVED, ("routing",), "诉求并入；被并者 merged"),
        _rule("separate", "拆案", "case", NOT_OVER, ("routing",), "诉求拆出"),
        _rule("unmerge", "撤销并案", "case", ("merged",), ("routing",), "assigned，按策略重新派单"),
    )
}

_LEG_WHY: Final = {
    "offered": "the leg has not been accepted yet",
    "accepted": "the leg is accepted already",
    "answered": "the leg is answered already",
    "done": "the leg is done",
    "returned": "the leg was returned",
    "refused": "the leg was refused",
    "reassigned": "the leg was passed on to somebody else",
    "released": "the leg was released: nothing is owed on it any more",
}


# -- the one place that says no ----------------------------------------------------------------------


def why_state(rule: Rule, case: Case, leg: Leg | None) -> str | None:
    """Why the state of the leg or the case forbids the move; None when it doesn't."""
    if rule.on == "case":
        if case.state in rule.states:
            return None
        return f"the case is {case.state}; {rule.name} needs it to be {' or '.join(sorted(rule.states))}"
    assert leg is not None
    if case.state in OVER or (case.state == "resolved" and leg.live):
        return f"the case is {case.state}"
    if leg.kind == "convene" and leg.live and rule.name not in _OF_CONVENER:
        return "a refusal is to be decided: uphold, release or name another unit"
    return None if leg.state in rule.states else _LEG_WHY[leg.state]


def leg_why(leg: Leg) -> str:
    """What the state of a leg means for whoever wants something else of it."""
    return _LEG_WHY[leg.state]


def needs_of(move: str, s: Situation, ground: Ground) -> Need | None:
    """The first condition of a ground that doesn't hold."""
    return next((n for n in TABLE[move].needs if n.ground == ground and not n.holds(s)), None)


def has_right(rule: Rule, s: Situation) -> bool:
    """Whether the actor stands so to the leg, the case or the approval that the move is his."""
    if "approver" in rule.by:
        return s.approval is not None and sits(s.actor, s.approval["of"])
    return not rule.by.isdisjoint(standings(s.actor, s.case, s.leg))


def refusal(move: str, s: Situation) -> tuple[Ground, str] | None:
    """Why the move isn't allowed, or None. First the right, so that nobody learns more than is his."""
    rule = TABLE[move]
    if not has_right(rule, s):
        return "right", f"{move} is for {' or '.join(sorted(rule.by))} of {_of(rule, s)}"
    why = why_state(rule, s.case, s.leg)
    if why is not None:
        return "state", why
    need = needs_of(move, s, "state")
    if need is not None:
        return "state", need.why
    need = needs_of(move, s, "duty")
    return ("duty", need.why) if need is not None else None


def _of(rule: Rule, s: Situation) -> str:
    if "approver" in rule.by:
        return f"the approval ({s.approval['of']})" if s.approval is not None else "an approval"
    return "the leg" if rule.on == "leg" else f"the case (street {s.case.street})"


def allowed(
    case: Case, leg: Leg | None, actor: Actor, at: datetime, terms: Terms = DEFAULT
) -> tuple[str, ...]:
    """The moves that the actor has: on the leg when one is given, on the case otherwise; `decide` where one of the
    open approvals (of the leg, of the case) is his to decide."""
    on = "leg" if leg is not None else "case"
    s = Situation(case, leg, actor, at, terms)
    out = [
        name
        for name, rule in TABLE.items()
        if rule.on == on and name != "decide" and refusal(name, s) is None
    ]
    for approval in case.approvals:
        if leg is not None and approval.get("leg") != leg.id:
            continue
        if refusal("decide", Situation(case, None, actor, at, terms, approval)) is None:
            out.append("decide")
            break
    return tuple(out)


def permit(move: str, s: Situation) -> None:
    """Raises NotAllowed unless the table allows the move: why, and which moves the actor has instead."""
    no = refusal(move, s)
    if no is not None:
        ground, why = no
        raise NotAllowed(move, why, allowed(s.case, s.leg, s.actor, s.at, s.terms), ground)


def require(move: str, case: Case, leg: Leg | None = None) -> None:
    """Raises NotAllowed when the state alone forbids the move to everybody: what the functions that move a case rely
    on, whoever called them. `allowed` are then the moves of an assignee in that state."""
    why = why_state(TABLE[move], case, leg)
    if why is None and leg is not None:
        if move == "return" and leg.kind == "supervise":
            why = _OWN_LEG.why
        elif move == "return" and leg.assignee.type == "desk":
            why = _RETURNABLE.why
        elif move == "return" and leg.assignee.id in (case.whistle or {}).get("bound", ()):
            why = _NOT_BOUND.why
    if why is not None:
        raise NotAllowed(move, why, _of_assignee(case, leg) if leg is not None else ())


# A convener has seen it, and decides: nothing else can be done with a refusal.
_OF_CONVENER: Final = ("accept", "convene")
# What an assignee is told that he can do, by the state of the leg: the moves by which a matter goes on.
_ORDINARY: Final = ("accept", "answer", "return", "resolve")


def _of_assignee(case: Case, leg: Leg) -> tuple[str, ...]:
    return moves_of(leg) if case.state not in OVER and case.state != "resolved" else ()


def moves_of(leg: Leg) -> tuple[str, ...]:
    """The ordinary moves of the assignee of a leg, while its case is being handled."""
    if leg.kind == "convene":
        return tuple(m for m in _OF_CONVENER if leg.state in TABLE[m].states)
    own = leg.kind != "supervise" and leg.assignee.type != "desk"
    return tuple(m for m in _ORDINARY if leg.state in TABLE[m].states and (own or m != "return"))
