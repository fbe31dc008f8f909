"""Why a case is where it is: a sentence, the decisions with what they looked at, and what nearly decided. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from jiayuan.contracts.times import iso, parse

from . import deciding
from .case import Assignee, Case
from .catalogue import Catalogue
from .directory import Directory
from .near import Names, near
from .policy import Policy, span

LANGUAGES: Final = ("zh", "en")
_COLOURS: Final = {"red": "红", "orange": "橙", "yellow": "黄", "blue": "蓝", "green": "绿"}
_LEVELS: Final = {"grid": "网格", "community": "社区", "street": "街道", "department": "部门"}
_STATES: Final = {
    "open": "尚未分派",
    "assigned": "待签收",
    "accepted": "已签收",
    "answered": "已应答",
    "resolved": "已办结、待评价",
    "closed": "已办结归档",
    "voided": "已作废",
    "merged": "已并案",
}
_CAUSES: Final = {
    "received": "首次决定",
    "separated": "拆分后决定",
    "corrected": "更正后重新决定",
    "triage": "街道研判",
    "recolour": "人工调整分色",
}
_DOUBTS: Final = {
    "confidence": "对事项分类的把握{is}低于政策要求的{least}，先交街道研判",
    "conflict": "适用的规则不止一条，先交街道研判",
    "place": "地点不明，先交县级核实",
    "accepted": "更正时已有人签收，只改记录，请街道留意",
}
_CAUSES_EN: Final = {
    "received": "decided first",
    "separated": "decided when it was separated",
    "corrected": "decided again after a correction",
    "triage": "decided by the desk",
    "recolour": "colour set by a person",
}
_DOUBTS_EN: Final = {
    "confidence": "{is} sure of the category, where the policy asks for {least}, so that the desk looks first",
    "conflict": "more than one rule applies, so that the desk looks first",
    "place": "nobody knows the place, so that the county's desk looks first",
    "accepted": "somebody had accepted it when it was put right: only the record was changed, the desk is to look",
}
_STATES_EN: Final = {
    "open": "nobody has it yet",
    "assigned": "waiting to be accepted",
    "accepted": "accepted",
    "answered": "answered",
    "resolved": "resolved, waiting to be rated",
    "closed": "closed",
    "voided": "voided",
    "merged": "merged into another case",
}
_CONFIRMED: Final = {
    "satisfied": "群众满意",
    "unsatisfied": "群众不满意",
    "lapsed": "到时未评价",
    "withdrawn": "群众撤回",
}


def sentence(
    case: Case,
    directory: Directory,
    zone: ZoneInfo,
    lang: str = "zh",
    shown: Collection[str] | None = None,
    catalogue: Catalogue | None = None,
) -> str:
    """Which rule of which policy decided what and why, who holds the case now, and how long they have.

    `shown`: the ids of the legs that may be named; None: all.
    """
    at = parse(case.opened_at).astimezone(zone)
    street = directory.places.get(case.street)
    where = street.name if street is not None else directory.county.name
    live = [leg for leg in case.live_legs if shown is None or leg.id in shown]
    limits = [leg.finish_limit for leg in live if leg.finish_limit]
    code = str(case.category["code"])
    category = case.category.get("name") or code
    why = str(case.decision["reason"]).rstrip("。")
    if lang == "en":
        holders = ", ".join(label(directory, leg.assignee, lang) for leg in live)
        held = f"; {holders} {'have' if len(live) > 1 else 'has'} it now" if holders else ""
        within = f", to be settled within {short(min(limits))}" if limits else ""
        again = f", reopened {case.reopened} times" if case.reopened else ""
        name = catalogue.name(code, "en") if catalogue is not None else category
        return (
            f"{case.number} ({where}, {name}) is {case.colour} and handled by the {case.level} since "
            f"{at:%Y-%m-%d %H:%M}, by rule {case.decision['rule']} of policy {case.decision['policy']}: “{why}”"
            f"{held}; {_STATES_EN[case.state]}{within}{again}."
        )
    holders = "、".join(label(directory, leg.assignee, lang) for leg in live)
    state = _STATES[case.state]
    if case.confirmed is not None:
        state = f"{state}（{_CONFIRMED[case.confirmed]}）"
    now = f"现由{holders}办理，{state}" if holders else f"现{state}"
    within = f"，限{span(min(limits))}办结" if limits else ""
    if any(not p.get("end") for p in case.pauses):
        now += "，暂缓办理"
    if case.emergency is not None:
        within = f"{within}（应急响应期间的时限）" if within else "，处于应急响应期间"
    again = f"，曾重办{case.reopened}次" if case.reopened else ""
    return (
        f"{case.number}（{where}，{category}）于{at:%Y年%m月%d日%H:%M}按政策{case.decision['policy']}的"
        f"{case.decision['rule']}条定为{_COLOURS[case.colour]}色，{_LEVELS[case.level]}级办理，因为：{why}；"
        f"{now}{within}{again}。"
    )


def explain(case: Case, directory: Directory, zone: ZoneInfo) -> str:
    """The sentence in Chinese."""
    return sentence(case, directory, zone)


def label(directory: Directory, assignee: Assignee, lang: str) -> str:
    """Who it is, in words; in English the code goes with the name, which has no translation."""
    name = directory.label(assignee)
    return name if lang == "zh" else f"{name} ({assignee.id})"


def short(seconds: int) -> str:
    """A limit in English: 15 minutes, 24 hours, 5 days."""
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds % size == 0 and (size < 86400 or seconds > size):
            count = seconds // size
            return f"{count} {word}{'s' * (count != 1)}"
    return f"{seconds} seconds"


def names_of(directory: Directory, catalogue: Catalogue, lang: str) -> Names:
    """What codes are called."""
    return Names(
        lang,
        {code: catalogue.name(code, lang) for code in catalogue.categories},
        {place.code: place.name for place in directory.places.values()},
        catalogue.signs if lang == "zh" else {},
    )


def explanation(
    case: Case,
    decisions: Sequence[Any],
    table_of: Callable[[str], Policy | None],
    directory: Directory,
    catalogue: Catalogue,
    zone: ZoneInfo,
    lang: str = "zh",
    shown: Collection[str] | None = None,
) -> dict[str, Any]:
    """Everything there is to say: `sentence`; `decisions`, each with its inputs, how sure, and what came of it; `near`,
    the rules that nearly made the last one, and why they didn't.

    `decisions`: rows of the table, `table_of`: the policy of a version, or None where that isn't known any more.
    """
    names = names_of(directory, catalogue, lang)
    out: dict[str, Any] = {
        "case": case.number,
        "sentence": sentence(case, directory, zone, lang, shown, catalogue),
        "decisions": [
            decision_document(row, table_of(row.policy), directory, names, zone) for row in decisions
        ],
        "near": [],
    }
    by_rule = [row for row in decisions if row.cause != deciding.RECOLOUR]
    if by_rule:
        last = by_rule[-1]
        table = table_of(last.policy)
        if table is not None:
            matter = deciding.matter_of_row(last)
            out["near"] = [
                {
                    "rule": n.rule.id,
                    "failed": n.failed or None,
                    "why": n.why,
                    "level": n.rule.level,
                    "lead": n.rule.lead,
                    "lead_name": _unit(directory, n.rule.lead),
                }
                for n in near(table, matter, last.rule, names)
            ]
    return out


def _unit(directory: Directory, code: str | None) -> str | None:
    unit = directory.units.get(code or "")
    return unit.name if unit is not None else code


def decision_document(
    row: Any, table: Policy | None, directory: Directory, names: Names, zone: ZoneInfo
) -> dict[str, Any]:
    """A stored decision: inputs, outcome, how sure, in doubt why, candidates, and all that in words."""
    more: Mapping[str, Any] = row.more or {}
    zh = names.lang == "zh"
    out: dict[str, Any] = {
        "sequence": row.sequence,
        "at": iso(row.at),
        "cause": row.cause,
        "by": row.by,
        "policy": row.policy,
        "rule": row.rule,
        "confidence": row.confidence,
        "doubt": row.doubt,
        "inputs": {
            "category": row.category,
            "kind": row.kind,
            "importance": row.importance,
            "urgency": row.urgency,
            "signs": row.signs.split(",") if row.signs else [],
            "street": row.street,
            "community": row.community,
        },
        "outcome": {
            "level": row.level,
            "lead": row.lead,
            "assistants": row.assistants.split(",") if row.assistants else [],
            "colour": row.colour,
            "response_limit": row.response_limit,
            "finish_limit": row.finish_limit,
        },
    }
    if more.get("candidates"):
        out["candidates"] = [candidate(c, row, table, directory) for c in more["candidates"]]
    if more.get("reason"):
        out["reason"] = more["reason"]
    if more.get("before"):
        # Who had it is in the case's legs, for those who may see them.
        out["before"] = {k: v for k, v in more["before"].items() if k != "assignees"}
    at = row.at.astimezone(zone)
    when = f"{at:%Y年%m月%d日%H:%M}" if zh else f"{at:%Y-%m-%d %H:%M}"
    words = [(_CAUSES if zh else _CAUSES_EN)[row.cause]]
    if row.doubt:
        least = table.desk.threshold(row.category) if table is not None else "?"
        words.append(
            (_DOUBTS if zh else _DOUBTS_EN)[row.doubt].format(**{"is": row.confidence, "least": least})
        )
    out["words"] = f"{when} " + ("，" if zh else ", ").join(words)
    return out


def candidate(
    given: Mapping[str, Any], row: Any, table: Policy | None, directory: Directory
) -> dict[str, Any]:
    """A category that was thought of, and where the case would go with it."""
    out = dict(given)
    if table is not None:
        matter = deciding.matter_of_row(row)
        decision = table.decide(deciding.of_category(matter, given["code"]))
        out |= {"rule": decision.rule, "level": decision.level, "lead": decision.lead}
        out["lead_name"] = _unit(directory, decision.lead)
    return out
