"""What the ledger asks other services over HTTP, behind a time-out: intake's hotspots, routing's member units.

It only reads, with a token of the role `service`. Who is away, is not set up, or answers nonsense raises `Away` with a
reason for people; what was asked for goes on without it and says so.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import requests

from jiayuan.chassis import tokens

from .lists.demand import HotReport, Hotspot

MEMBERS: Final = ("convener", "full_time", "part_time")
_MOST_BYTES: Final = 16 * 1024 * 1024


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


def _get(at: Addresses, who: str, base: str, path: str, query: dict[str, str]) -> Any:
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
