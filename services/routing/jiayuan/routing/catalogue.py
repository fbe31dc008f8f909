"""What a matter can be: the codes of categories with their names and weights, and the signs of danger. Pure.

The catalogue is intake's; routing keeps the codes and names beside it, since the policy table, the desk and `explain`
speak of them. A county that has a catalogue of its own gives both services the same file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

import yaml

from jiayuan.chassis.config import Settings
from jiayuan.chassis.errors import EXIT_CONFIG, StartError

# Commands that need no service read the same setting from the environment.
SETTINGS: Final = ("JIAYUAN_ROUTING_CATALOGUE", "JIAYUAN_CATALOGUE")
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


LEAST_READS_DAYS: Final = 183
"""Half a year, as the Cybersecurity Law (网络安全法, art. 21) has it for logs; the database keeps to it as well."""


@dataclass(frozen=True)
class RoutingSettings(Settings):
    """Settings of routing. `catalogue`: a file in the form of intake's, whose categories the policy, the desk and
    explanations name; empty: the one that comes with the service. `reads_days`: after how many days lines of the read
    log are forgotten; three years are what 个人信息保护法 (art. 56) asks for records of processing."""

    catalogue: str = ""
    reads_days: int = 1096

    def __post_init__(self) -> None:
        """StartError (exit code 3) for what the log must not be cut down to."""
        if self.reads_days < LEAST_READS_DAYS:
            raise StartError(
                EXIT_CONFIG, f"reads_days is {self.reads_days}, it must be {LEAST_READS_DAYS} or more"
            )


@dataclass(frozen=True, slots=True)
class Category:
    """A leaf or a top category."""

    code: str
    name: str
    name_en: str
    livelihood: bool
    importance: int
    urgency: int


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Categories by code, and the names of the signs of danger by code."""

    version: str
    categories: Mapping[str, Category]
    signs: Mapping[str, str]

    def name(self, code: str, lang: str = "zh") -> str:
        """What a category is called; its code where it is unknown."""
        known = self.categories.get(code)
        if known is None:
            return code
        return (known.name_en or known.name) if lang == "en" else known.name


def read(document: Mapping[str, Any]) -> Catalogue:
    """The catalogue of a document in intake's form (keywords are left alone). ValueError when it isn't one."""
    try:
        categories = {
            str(c["code"]): Category(
                str(c["code"]),
                str(c["name"]),
                str(c.get("name_en") or ""),
                bool(c["livelihood"]),
                int(c["importance"]),
                int(c["urgency"]),
            )
            for c in document["categories"]
        }
        signs = {str(s["code"]): str(s["name"]) for s in document.get("danger_signs") or ()}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"is no catalogue: {error!r}") from None
    return Catalogue(str(document.get("version", "")), categories, signs)


@lru_cache(maxsize=4)
def load(path: str) -> Catalogue:
    """The catalogue of a file; "" is the one that comes with the service. StartError when it can't be used.

    A county's own catalogue has no signs where it names none: they are those that come with the service then.
    """
    bundled = resources.files("jiayuan.routing") / "data" / "matters.yaml"
    try:
        text = Path(path).read_text(encoding="utf-8") if path else bundled.read_text(encoding="utf-8")
        found = read(yaml.load(text, Loader=_LOADER))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError) as error:
        raise StartError(EXIT_CONFIG, f"the catalogue of routing can't be used: {path}: {error}") from None
    return found if found.signs or not path else Catalogue(found.version, found.categories, load("").signs)


def current() -> Catalogue:
    """The catalogue that the environment names, else the one that comes with the service."""
    return load(next((os.environ[s] for s in SETTINGS if os.environ.get(s)), ""))
