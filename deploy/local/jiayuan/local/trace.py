"""`jiayuan trace REPORT`: one report through all five services, as a timeline, by their HTTP interfaces alone."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from jiayuan.chassis import tokens
from jiayuan.chassis.errors import StartError
from jiayuan.contracts.names import SERVICES
from jiayuan.contracts.times import parse

from .calls import Client, Unanswered

CLUSTER: Final = Path(".local/demo/cluster.json")
SHANGHAI: Final = timezone(timedelta(hours=8))
# In the order in which one thing follows from another, where times are the same.
RANK: Final = {service: i for i, service in enumerate(SERVICES)}

ACTIONS: Final = {
    "open": "立案",
    "assign": "派单",
    "whistle": "吹哨",
    "accept": "签收",
    "answer": "应答",
    "return": "退单",
    "resolve": "办结",
    "release": "免除协办",
    "raise": "上升",
    "reopen": "重新办理",
    "confirm": "评价结案",
    "lapse": "到时结案",
    "close": "结案",
    "withdraw": "撤回结案",
    "rated": "收到评价",
    "supplemented": "收到补充",
    "withdrawn": "收到撤回",
}
CASE_STATES: Final = {
    "open": "尚未分派",
    "assigned": "待签收",
    "accepted": "已签收",
    "answered": "已应答",
    "resolved": "已办结，待评价",
    "closed": "已结案",
    "voided": "已作废",
    "merged": "已并案",
}
COLOURS: Final = {"red": "红色", "orange": "橙色", "yellow": "黄色", "blue": "蓝色", "green": "绿色"}
CLOCKS: Final = {
    "response": "响应",
    "finish": "办理",
    "citizen": "群众",
    "confirmation": "确认",
    "report_in": "报到",
    "approval": "审批",
    "callback": "回访",
    "claim": "认领",
    "notice": "阅知",
}
POSTINGS: Final = {
    "opening": "入账",
    "progress": "进展",
    "hand_over": "转手",
    "extension": "延期",
    "evidence": "核查",
    "write_off": "销账",
    "reopening": "重新打开",
    "reversal": "冲正",
    "carry_forward": "结转",
}
ROLES: Final = {"citizen": "群众", "assignee": "承办人", "supervisor": "督办人"}
STATES: Final = {
    "delivered": "已送达",
    "accepted": "已发出",
    "suppressed": "未发送",
    "undelivered": "未送达",
    "expired": "已过期",
    "queued": "待发送",
    "submitted": "发送中",
    "deferred": "稍后再发",
    "unknown": "结果不明",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened."""

    at: datetime
    service: str
    what: str
    who: str = ""
    why: str = ""


@dataclass(frozen=True)
class Known:
    """What the five services say of one report: their documents as they are. None: nothing, or not yet."""

    report: Mapping[str, Any]
    case: Mapping[str, Any] | None = None
    clocks: list[Mapping[str, Any]] = field(default_factory=list)
    entries: list[Mapping[str, Any]] = field(default_factory=list)
    notices: list[Mapping[str, Any]] = field(default_factory=list)


# -- asking ------------------------------------------------------------------------------------------


class Services:
    """The five services, asked with one token."""

    def __init__(self, addresses: Mapping[str, str], token: str) -> None:
        self._clients = {s: Client(a, 1) for s, a in addresses.items()}
        self._token = token

    def get(self, service: str, path: str) -> Any:
        """The answer of a service, None when there is none such. Unanswered when it can't be had."""
        return self._clients[service].get(path, token=self._token)


def find(services: Services, name: str) -> Known:
    """What is known of a report by its id, its tracking code or its case's number. StartError when there is none."""
    case = None
    if _is_uuid(name):
        report_id = name
    elif "-" in name and (case := services.get("routing", f"/cases/{quote(name, safe='')}")) is not None:
        report_id = case["case"]["reports"][0]["id"]
    else:
        found = services.get("intake", f"/reports?tracking_code={quote(name, safe='')}")
        if found is None:
            raise StartError(1, f"there is no report, tracking code or case {name}")
        report_id = found["id"]
    report = services.get("intake", f"/reports/{report_id}")
    if report is None:
        raise StartError(1, f"there is no report {name}")
    case = case or services.get("routing", f"/cases?report={report_id}")
    if case is None:
        return Known(report, notices=services.get("notify", f"/notices?report={report_id}")["notices"])
    id_ = case["case"]["id"]
    clocks = services.get("sla", f"/clocks?case={id_}") or {"clocks": []}
    entries = services.get("ledger", f"/entries?case={id_}")["entries"]
    return Known(
        report,
        case,
        clocks["clocks"],
        [services.get("ledger", f"/entries/{e['id']}") for e in entries],
        _notices(services, report_id, id_),
    )


def _notices(services: Services, report_id: str, case_id: str) -> list[Mapping[str, Any]]:
    """Those on the report and those on its case, each once."""
    found = [
        services.get("notify", f"/notices?{of}")["notices"]
        for of in (f"report={report_id}", f"case={case_id}")
    ]
    return list({n["id"]: n for notices in found for n in notices}.values())


def _is_uuid(name: str) -> bool:
    try:
        uuid.UUID(name)
    except ValueError:
        return False
    return True


# -- telling -----------------------------------------------------------------------------------------


def timeline(known: Known) -> list[Line]:
    """Everything that happened to a report, in the order of time."""
    lines = [*_intake(known.report)]
    if known.case is not None:
        lines += _routing(known.case)
        for clock in known.clocks:
            lines += _sla(clock, known.case["assignees"])
    for entry in known.entries:
        lines += _ledger(entry)
    lines += [_notice(n) for n in known.notices]
    return sorted(lines, key=lambda x: (x.at, RANK[x.service]))


def _intake(report: Mapping[str, Any]) -> Iterator[Line]:
    category, place = report["category"], report["place"]
    where = place.get("name") or place.get("street") or "地点不明"
    yield Line(
        parse(report["received_at"]),
        "intake",
        f"收到诉求：{report['title']}",
        report["channel"],
        f"{category['name']}（{category['code']}，{category['method']}）；{where}"
        + (f"（{place['evidence']}）" if place.get("evidence") else ""),
    )
    for extra in report["supplements"]:
        yield Line(parse(extra["at"]), "intake", "群众补充")
    for rating in report["ratings"]:
        words = "已解决" if rating["solved"] else "未解决"
        stars = f"，{rating['satisfaction']} 星" if rating.get("satisfaction") else ""
        yield Line(
            parse(rating["at"]), "intake", f"群众评价：{words}{stars}", "群众", rating.get("words") or ""
        )
    if report.get("withdrawn_at"):
        yield Line(parse(report["withdrawn_at"]), "intake", "群众撤回", "群众")


def _routing(view: Mapping[str, Any]) -> Iterator[Line]:
    names, legs = view["assignees"], {leg["id"]: leg for leg in view["case"]["legs"]}
    for step in view["steps"]:
        leg = legs.get(step["leg"])
        holder = names.get(leg["assignee"]["id"], "") if leg else ""
        what = ACTIONS.get(step["action"], step["action"])
        if step["action"] in ("assign", "whistle", "raise") and holder:
            what += f"给{holder}"
        actor = names.get(step["actor"]) or _actor(step["actor"], holder)
        yield Line(parse(step["at"]), "routing", what, actor, step.get("reason") or "")


def _actor(actor: str, holder: str) -> str:
    if actor == "routing":
        return "系统"
    if actor.startswith("report:"):
        return "群众"
    return holder or actor


def _sla(clock: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[Line]:
    kind = CLOCKS.get(clock["kind"], clock["kind"])
    assignee = clock.get("assignee")
    who = names.get(assignee["id"], assignee["id"]) if assignee else ""
    limit = f"时限 {_span(clock['limit'])}，到 {_time(parse(clock['due_at']))}"
    yield Line(parse(clock["started_at"]), "sla", f"{kind}时钟开始", who, limit)
    said = (
        ("warned_at", "预警", "已用 80%"),
        ("breached_at", "超时", limit),
        ("met_at", "按时", f"用了 {clock['percent']}%"),
    )
    for field_, word, why in said:
        if clock.get(field_):
            yield Line(parse(clock[field_]), "sla", f"{kind}时钟{word}", who, why)


def _ledger(entry: Mapping[str, Any]) -> Iterator[Line]:
    for posting in entry["postings"]:
        kind = POSTINGS.get(posting["kind"], posting["kind"])
        what = f"{entry['year']} 年账本第 {posting['number']} 笔：{kind}"
        yield Line(parse(posting["at"]), "ledger", what, "", posting.get("note") or "")


def _notice(notice: Mapping[str, Any]) -> Line:
    state = STATES.get(notice["state"], notice["state"])
    what = f"通知{ROLES.get(notice['role'], notice['role'])}（{notice['template']}）{state}"
    return Line(parse(notice["at"]), "notify", what, notice["recipient"], notice.get("reason") or "")


def _span(seconds: int) -> str:
    if seconds < 3600:
        return f"{seconds // 60} 分钟"
    return f"{seconds / 3600:g} 小时" if seconds <= 172800 else f"{seconds / 86400:g} 天"


def _time(at: datetime) -> str:
    return f"{at.astimezone(SHANGHAI):%m-%d %H:%M:%S}"


def heading(known: Known) -> str:
    """Which report, case and entry it is, in two or three lines."""
    report, case = known.report, known.case
    out = [f"诉求 {report['id']}（{report['channel']}，{report['kind']}）"]
    if case is not None:
        c = case["case"]
        state, colour = CASE_STATES.get(c["state"], c["state"]), COLOURS.get(c["colour"], c["colour"])
        out.append(
            f"工单 {c['number']}：{state}，{colour}，共 {case['sequence']} 步。{c['decision']['reason']}"
        )
    missing = [
        name
        for name, there in (("routing", case), ("sla", known.clocks), ("notify", known.notices))
        if not there
    ]
    if missing:
        out.append(f"尚无记录：{', '.join(missing)}")
    return "\n".join(out)


# -- the command -------------------------------------------------------------------------------------


def connect(cluster: Path = CLUSTER) -> Services:
    """The services by JIAYUAN_<SERVICE>_ADDRESS and JIAYUAN_TOKEN, and what isn't set by the demonstration's
    cluster.json. StartError says what is missing."""
    state = json.loads(cluster.read_text(encoding="utf-8")) if cluster.exists() else {}
    addresses, missing = {}, []
    for service in SERVICES:
        address = os.environ.get(f"JIAYUAN_{service.upper()}_ADDRESS") or state.get("addresses", {}).get(
            service
        )
        if address:
            addresses[service] = address.rstrip("/")
        else:
            missing.append(f"JIAYUAN_{service.upper()}_ADDRESS")
    token = os.environ.get("JIAYUAN_TOKEN")
    secret = state.get("environment", {}).get("intake", {}).get("JIAYUAN_TOKEN_SECRET")
    if not token and not secret:
        missing.append("JIAYUAN_TOKEN")
    if missing:
        raise StartError(3, f"no demonstration is up ({cluster}); start one, or set {', '.join(missing)}")
    return Services(addresses, token or tokens.issue(secret, "trace", ("county", "operator")))


@click.command()
@click.argument("report")
@click.option(
    "--cluster", type=click.Path(path_type=Path), default=CLUSTER, show_default=True, help="Of a demo."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def trace(report: str, cluster: Path, as_json: bool) -> None:
    """Follow one report through all five services.

    REPORT is its id, its tracking code, or the number of its case.
    """
    services = connect(cluster)
    try:
        known = find(services, report)
    except Unanswered as error:
        raise StartError(1, str(error)) from None
    lines = timeline(known)
    if as_json:
        for line in lines:
            row = {"at": line.at.isoformat(), "service": line.service, "what": line.what}
            click.echo(json.dumps({**row, "who": line.who, "why": line.why}, ensure_ascii=False))
        return
    click.echo(heading(known))
    for line in lines:
        rest = "，".join(filter(None, (line.who, line.why)))
        click.echo(f"{_time(line.at)}  {line.service:8} {line.what}" + (f" — {rest}" if rest else ""))
