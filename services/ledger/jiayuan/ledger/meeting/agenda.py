"""The agenda 議題: drafted from what nobody claimed, what stands still, what was refused and who claimed nothing. Pure.

People put it in order, add to it and leave things out; drafting again adds what has come since and no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from jiayuan.chassis.redact import mask
from jiayuan.contracts.ids import new_id

from .stage import Refused

KINDS: Final = ("unclaimed", "stalled", "refused", "idle", "other")
KIND_NAMES: Final = {
    "unclaimed": "无人认领的问题",
    "stalled": "停滞或逾期的账目",
    "refused": "被拒或无人应哨的哨令",
    "idle": "本季度未认领服务的单位",
    "other": "其他议题",
}
MOST_ITEMS: Final = 200
STALLED_DAYS: Final = 30
TITLE_LIMIT: Final = 200
DETAIL_LIMIT: Final = 500
_REFUSED: Final = {
    "refuse": "单位拒绝，待召集人裁定",
    "uphold": "单位曾拒绝，召集人维持",
    "unclaimed": "无人应哨",
    "agenda": "已列入例会",
}
_UNCLAIMED: Final = {"released": "各单位均已解除", "undecided": "召集人到时未裁定"}


@dataclass(frozen=True, slots=True)
class Found:
    """Something for the agenda. `key`: the problem, the item of the account, the case, the unit that it is about."""

    kind: str
    key: str
    title: str
    detail: str = ""
    unit: str | None = None
    case: str | None = None
    entry: str | None = None


def draft(there: Sequence[Mapping[str, Any]], found: Iterable[Found]) -> tuple[list[dict[str, Any]], int]:
    """The agenda with what is new, by kind and in the order found, and how much that is."""
    known = {(i["kind"], i["key"]) for i in there}
    out, new = [dict(i) for i in there], 0
    for f in sorted(found, key=lambda one: KINDS.index(one.kind)):
        if (f.kind, f.key) in known or len(out) >= MOST_ITEMS:
            continue
        known.add((f.kind, f.key))
        out.append(_item(f.kind, f.key, f.title, f.detail, f.unit, f.case, f.entry))
        new += 1
    return out, new


def arrange(there: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The agenda as people want it, in their order: items that are there by `id`, new ones by `title` and `detail`.

    What isn't named is left out, and stays left out when it is drafted again. Refused for an unknown or repeated id.
    """
    by_id = {i["id"]: dict(i) for i in there}
    out: list[dict[str, Any]] = []
    named: set[str] = set()
    for n, item in enumerate(wanted):
        id_ = item.get("id")
        if id_ is None:
            new = new_id()
            out.append(
                _item("other", new, item.get("title") or "", item.get("detail") or "", None, None, None)
            )
            continue
        if id_ not in by_id or id_ in named:
            raise Refused(f"items.{n}.id", "is named twice" if id_ in named else "is no item of the agenda")
        named.add(id_)
        kept = by_id[id_] | {"left_out": False}
        for name, most in (("title", TITLE_LIMIT), ("detail", DETAIL_LIMIT)):
            if item.get(name) is not None:
                kept[name] = mask(item[name])[:most]
        out.append(kept)
    return [*out, *({**i, "left_out": True} for id_, i in by_id.items() if id_ not in named)]


def _item(
    kind: str, key: str, title: str, detail: str, unit: str | None, case: str | None, entry: str | None
) -> dict[str, Any]:
    # The minutes are published: a phone number must never get in.
    said = {"title": mask(title)[:TITLE_LIMIT], "detail": mask(detail)[:DETAIL_LIMIT]}
    id_ = new_id()
    return {
        "id": id_,
        "kind": kind,
        "key": key,
        **said,
        "unit": unit,
        "case": case,
        "entry": entry,
        "left_out": False,
    }


def from_service_list(document: Mapping[str, Any]) -> list[Found]:
    """Problems that nobody claimed and units that claimed nothing, from a service list as `views.whole` tells it."""
    lines = {line["id"]: line for line in document["lines"]}
    names = {u["code"]: u["name"] for u in document["units"]}
    out = [
        Found(
            "unclaimed",
            i,
            lines[i]["title"],
            f"服务清单第{lines[i]['number']}项",
            entry=lines[i].get("entry"),
        )
        for i in document["unclaimed"]
    ]
    return out + [
        Found("idle", code, f"{names[code]}本季度未认领服务", unit=code) for code in document["idle"]
    ]


def from_stalled(rows: Iterable[Any], now: datetime) -> list[Found]:
    """Entries that stand still or are past their limit: item, id, title, unit, case_id, last, due_at, breached."""
    out = []
    for r in rows:
        said = [f"{(now - r.last).days}天无进展"]
        if (r.due_at is not None and r.due_at < now) or r.breached:
            said.append("已逾期")
        out.append(Found("stalled", str(r.item), r.title, "，".join(said), r.unit, r.case_id, str(r.id)))
    return out


def from_unclaimed_cases(cases: Iterable[Mapping[str, Any]]) -> list[Found]:
    """What nobody takes, as routing tells it (`GET /whistles/unclaimed`)."""
    return [
        Found(
            "refused",
            c["case"],
            c["title"],
            f"工单{c['number']}：{_UNCLAIMED.get(c['why'], '无人应哨')}"
            + (f"；拒绝单位 {'、'.join(c['refused_by'])}" if c["refused_by"] else ""),
            case=c["case"],
        )
        for c in cases
    ]


def from_refused(rows: Iterable[Any]) -> list[Found]:
    """Entries whose case's newest word on its whistle is a refusal: id, title, case_id, case_number, action, unit."""
    return [
        Found(
            "refused",
            r.case_id,
            r.title,
            f"工单{r.case_number}：{_REFUSED[r.action]}" + (f"；拒绝单位 {r.unit}" if r.unit else ""),
            case=r.case_id,
            entry=str(r.id),
        )
        for r in rows
    ]


REFUSING: Final = tuple(_REFUSED)
# After these a refusal is no matter for the meeting any more.
SETTLING: Final = ("release", "name", "meeting", "whistle", "convene", "resolve", "close")
