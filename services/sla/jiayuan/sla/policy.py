"""The policy of clocks: versioned data, read from data/policy.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from jiayuan.contracts.schemas.common import CLOCK_KINDS


class PolicyError(ValueError):
    """The policy's data says something that can't be followed."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One version: where it warns, and which clocks pauses and extensions hold for."""

    version: str
    zone: ZoneInfo
    warn_percent: int
    pausing: frozenset[str]
    extending: frozenset[str]


def read(data: Mapping[str, Any]) -> Policy:
    """A policy from its data. PolicyError names the field, what is wrong and what is allowed."""
    version = data.get("version")
    if not isinstance(version, str) or not 0 < len(version) <= 40:
        raise PolicyError(f"version is {version!r}: text of 1 to 40 characters is allowed")
    if data.get("time") != "natural":
        raise PolicyError(f"time is {data.get('time')!r}: natural is allowed")
    return Policy(version, _zone(data), _warning(data), _kinds(data, "pauses"), _kinds(data, "extensions"))


def _zone(data: Mapping[str, Any]) -> ZoneInfo:
    try:
        return ZoneInfo(data.get("zone") or "")
    except (ValueError, TypeError, ZoneInfoNotFoundError):
        raise PolicyError(f"zone is {data.get('zone')!r}: a name like Asia/Shanghai is allowed") from None


def _warning(data: Mapping[str, Any]) -> int:
    points = data.get("warn_percent")
    if not (
        isinstance(points, list) and len(points) == 1 and type(points[0]) is int and 0 < points[0] <= 100
    ):
        raise PolicyError(f"warn_percent is {points!r}: a list of one whole number of 1 to 100 is allowed")
    return points[0]


def _kinds(data: Mapping[str, Any], field: str) -> frozenset[str]:
    kinds = data.get(field)
    if not isinstance(kinds, list) or not set(kinds) <= set(CLOCK_KINDS):
        raise PolicyError(f"{field} is {kinds!r}: a list of {', '.join(CLOCK_KINDS)} is allowed")
    return frozenset(kinds)


@cache
def current() -> Policy:
    """The policy that this release brings."""
    text = resources.files("jiayuan.sla").joinpath("data/policy.yaml").read_text(encoding="utf-8")
    return read(yaml.safe_load(text))
