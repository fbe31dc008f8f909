"""How often a person or an address may do something through a channel; `chassis.limits` counts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from jiayuan.chassis import limits
from jiayuan.chassis.errors import StartError
from jiayuan.chassis.limits import Rule, Wanted
from jiayuan.chassis.tokens import Principal

Deed = Literal["sign_in", "write", "add", "read"]
DEEDS: Final = ("sign_in", "write", "add", "read")
SUBJECTS: Final = ("person", "address", "staff")
OFF: Final = "off"

Rules = Mapping[str, Mapping[str, Mapping[str, tuple[Rule, ...]]]]
"""channel → deed → subject → rules."""


def wanted(rules: Rules, channel: str, deed: Deed, who: Principal | None, address: str) -> Wanted:
    """Under which rules a deed of somebody counts. `address`: a name of it that means nothing elsewhere."""
    mine = rules.get(channel, {}).get(deed) or rules.get("default", {}).get(deed) or {}
    out: list[tuple[str, Rule]] = []
    citizen = who is None or set(who.roles) <= {"citizen"}
    if who is not None:
        kind = "person" if citizen else "staff"
        out += [(f"{channel}:{deed}:{kind}:{who.subject}", r) for r in mine.get(kind, ())]
    if citizen:
        out += [(f"{channel}:{deed}:address:{address}", r) for r in mine.get("address", ())]
    return out


# -- the rules as data -------------------------------------------------------------------------------


def read(document: Any) -> Rules:
    """The rules of a document like `data/limits.yaml`. ValueError says where it is wrong."""
    channels = document.get("channels") if isinstance(document, dict) else None
    if not isinstance(channels, dict) or "default" not in channels:
        raise ValueError("channels must be a mapping that has a default")
    out: dict[str, dict[str, dict[str, tuple[Rule, ...]]]] = {}
    for channel, deeds in channels.items():
        for deed, subjects in _mapping(deeds, channel, DEEDS).items():
            where = f"{channel}.{deed}"
            for subject, pairs in _mapping(subjects, where, SUBJECTS).items():
                rules = tuple(_rule(pair, f"{where}.{subject}") for pair in pairs or ())
                if len({r.seconds for r in rules}) != len(rules):
                    raise ValueError(f"{where}.{subject} has two limits for the same seconds")
                out.setdefault(str(channel), {}).setdefault(deed, {})[subject] = rules
    return out


def _mapping(value: Any, where: Any, allowed: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or not value.keys() <= set(allowed):
        raise ValueError(f"{where} must be a mapping of {', '.join(allowed)}")
    return value


def _rule(pair: Any, where: str) -> Rule:
    good = isinstance(pair, list) and len(pair) == 2 and all(type(n) is int for n in pair)
    if not good or pair[0] < 0 or not 1 <= pair[1] <= 31 * 86400:
        raise ValueError(f"{where}: {pair!r} is not [most, seconds]")
    return Rule(*pair)


def load(setting: str) -> Rules:
    """The rules that the setting `limits` names: "" those that come with intake, a file, or `off`: none."""
    if setting == OFF:
        return {}
    if not setting:
        return read(yaml.safe_load(files("jiayuan.intake").joinpath("data/limits.yaml").read_text("utf-8")))
    return read(yaml.safe_load(Path(setting).read_text(encoding="utf-8")))


# -- the process's ------------------------------------------------------------------------------------

_rules: Rules = {}


def use(setting: str) -> Rules:
    """Makes these the limits of the process; StartError (exit code 3) when they are malformed."""
    global _rules
    try:
        _rules = load(setting)
    except (ValueError, OSError, yaml.YAMLError) as error:
        raise StartError(3, f"the limits of intake are wrong: {error}") from None
    return _rules


class Limited(limits.Limited):
    """`@http(…, before=limits.Limited("open311", "write"))`: an entrypoint that counts its callers."""

    def __init__(self, channel: str, deed: Deed) -> None:
        self.channel, self.deed = channel, deed

    def wanted(self, call: Any) -> Wanted:
        """The caller, and their address."""
        return wanted(_rules, self.channel, self.deed, call.who, limits.current().hidden(call.address))
