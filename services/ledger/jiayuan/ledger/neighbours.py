"""What the ledger asks other services over HTTP, behind a time-out: intake's hotspots, which report has a
tracking code, what places, units and categories are called, routing's member units
and the cases that nobody takes.

It only reads, with a token of the role `service`. Who is away, is not set up, or answers nonsense raises `Away` with a
reason for people; what was asked for goes on without it and says so.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import requests

from jiayuan.chassis import tokens

from .lists.demand import HotReport, Hotspot

log = logging.getLogger("jiayuan.ledger.neighbours")

MEMBERS: Final = ("convener", "full_time", "part_time")
_MOST_BYTES: Final = 16 * 1024 * 1024
# GB/T 2260: province, city and county have two digits each.
_COUNTY_DIGITS: Final = 6


class Away(Exception):
    """A neighbour didn't tell; the message says which and why, in one sentence."""


class Addresses(NamedTuple):
    """Where the neighbours are ("" where nobody said), how long to wait for them, and what to sign with."""

    intake: str
    routing: str
    timeout: float
    secret: str
    issuer: str


def addresses(settings: Any) -> Addresses:
    """Those of the service's settings."""
    s = settings
    return Addresses(s.intake_url, s.routing_url, s.neighbour_timeout, s.token_secret, s.token_issuer)


def hotspots(at: Addresses, street: str) -> dict[str, list[Hotspot]]:
    """Intake's newest hotspots of a street, by community: each with its reports in that community. Away."""
    document = _get(at, "intake", at.intake, "/hotspots", {"street": street})
    found: dict[str, list[Hotspot]] = {}
    try:
        for spot in document["hotspots"]:
            by_community: dict[str, list[HotReport]] = {}
            for m in spot["messages"]:
                if m["community"]:
                    report = HotReport(m["id"], m["title"], m["category"])
                    by_community.setdefault(m["community"], []).append(report)
            for community, reports in by_community.items():
                spot_here = Hotspot(tuple(spot["words"]), int(spot["people"]), tuple(reports))
                found.setdefault(community, []).append(spot_here)
    except (KeyError, TypeError, ValueError) as error:
        raise Away(f"intake 的热点无法识别（{type(error).__name__}）") from None
    return found


def units(at: Addresses) -> list[dict[str, str]]:
    """The member units 成员单位 as routing's directory has them now: `{code, name, member}`. Away."""
    document = _get(at, "routing", at.routing, "/directory/units", {})
    try:
        return [
            {"code": u["code"], "name": u["name"], "member": u["member"]}
            for u in document["units"]
            if u["member"] in MEMBERS
        ]
    except (KeyError, TypeError) as error:
        raise Away(f"routing 的单位名册无法识别（{type(error).__name__}）") from None


def unclaimed(at: Addresses, street: str) -> list[dict[str, Any]]:
    """The cases of a street that nobody takes, the oldest first: `{case, number, title, why, refused_by}`. Away."""
    document = _get(at, "routing", at.routing, "/whistles/unclaimed", {"street": street})
    try:
        return [
            {
                **{name: str(c[name]) for name in ("case", "number", "title", "why")},
                "refused_by": [str(u) for u in c["refused_by"]],
            }
            for c in document["cases"]
        ]
    except (KeyError, TypeError) as error:
        raise Away(f"routing 的无人应哨工单无法识别（{type(error).__name__}）") from None


def names(at: Addresses) -> dict[str, dict[str, str]]:
    """What streets, units and categories are called, by code; without those that nobody tells now."""
    found: dict[str, dict[str, str]] = {}
    for of, ask in (("street", _streets), ("unit", _units), ("category", _categories)):
        try:
            found[of] = ask(at)
        except (Away, KeyError, TypeError) as error:
            log.warning("names are not known", extra={"of": of, "why": str(error)})
            found[of] = {}
    found["street"] |= _counties(at, found["street"])
    return found


def _streets(at: Addresses) -> dict[str, str]:
    found: dict[str, str] = {}
    for kind in ("街道", "镇", "乡"):
        document = _get(at, "intake", at.intake, "/places/search", {"q": kind, "limit": "50"})
        found |= {str(p["code"]): str(p["name"]) for p in document["places"] if p["kind"] == "street"}
    return found


def _counties(at: Addresses, streets: Iterable[str]) -> dict[str, str]:
    """What stands for the street where none is known: as routing has it, the county's code and 000."""
    found: dict[str, str] = {}
    for county in sorted({code[:_COUNTY_DIGITS] for code in streets if len(code) > _COUNTY_DIGITS}):
        try:
            place = _get(at, "routing", at.routing, f"/directory/grids/{county}", {}, missing=None)
            if place is not None and place["kind"] == "county":
                found[f"{county}000"] = f"{place['name']}（未定街道）"
        except (Away, KeyError, TypeError) as error:
            log.warning("names are not known", extra={"of": "county", "why": str(error)})
    return found


def _units(at: Addresses) -> dict[str, str]:
    document = _get(at, "routing", at.routing, "/directory/units", {})
    return {str(u["code"]): str(u["name"]) for u in document["units"]}


def _categories(at: Addresses) -> dict[str, str]:
    services = _get(at, "intake", at.intake, "/open311/v2/services.json", {})
    return {str(s["service_code"]): str(s["service_name"]) for s in services}


def report_of(at: Addresses, code: str) -> tuple[str, str | None] | None:
    """The report with a tracking code and the case that it is handled in; None where there is no such code. Away."""
    try:
        document = _get(at, "intake", at.intake, "/reports", {"tracking_code": code}, missing=None)
        return None if document is None else (str(document["id"]), document.get("case"))
    except (KeyError, TypeError) as error:
        raise Away(f"intake 的回答无法识别（{type(error).__name__}）") from None


_NEEDED: Final = object()


def _get(
    at: Addresses, who: str, base: str, path: str, query: dict[str, str], *, missing: Any = _NEEDED
) -> Any:
    """`missing`: what is answered where there is nothing of the kind; else that is Away."""
    if not base:
        raise Away(f"没有设置 {who} 的地址（{who}_url）")
    token = tokens.issue(at.secret, "ledger", ("service",), hours=0.1, issuer=at.issuer)
    try:
        answer = requests.get(
            base.rstrip("/") + path,
            params=query,
            headers={"Authorization": f"Bearer {token}"},
            timeout=at.timeout,
            stream=True,
        )
        with answer:
            if answer.status_code == 404 and missing is not _NEEDED:
                return missing
            if answer.status_code == 404:
                raise Away(f"{who} 还没有可用的数据")
            if answer.status_code != 200:
                raise Away(f"{who} 回答 {answer.status_code}")
            body = answer.raw.read(_MOST_BYTES + 1, decode_content=True)
            if len(body) > _MOST_BYTES:
                raise Away(f"{who} 的回答过大")
            answer._content = body
            return answer.json()
    except (requests.RequestException, OSError) as error:
        raise Away(f"{who} 未应答（{type(error).__name__}）") from None
    except ValueError:
        raise Away(f"{who} 的回答不是 JSON") from None
