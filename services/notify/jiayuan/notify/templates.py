"""Templates: versioned texts with placeholders, checked when they are loaded. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any, Final
from zoneinfo import ZoneInfo

import yaml

from jiayuan.contracts.times import parse

PLACEHOLDERS: Final = ("tracking_code", "number", "link", "call", "due")
ZONE: Final = ZoneInfo("Asia/Shanghai")
_CODE: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_SIGNATURE: Final = re.compile(r"【[^【】]{2,16}】")
_LONGEST: Final = 300


class BadData(ValueError):
    """rules.yaml or templates.yaml is wrong; the text names the entry and what is wrong with it."""


class MissingFact(LookupError):
    """A text needs a fact that isn't known yet; `name` is the placeholder."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


@dataclass(frozen=True, slots=True)
class Template:
    """One version of a text; `placeholders` are the names in it."""

    code: str
    version: int
    text: str
    placeholders: frozenset[str]


class Templates:
    """All templates by code and version. `version` names the state of the file."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.version = _text(document, "version", "templates.yaml")
        self.signature = _text(document, "signature", "templates.yaml")
        if _SIGNATURE.fullmatch(self.signature) is None:
            raise BadData(
                f"templates.yaml: the signature {self.signature!r} isn't 【…】 of 2 to 16 characters"
            )
        self._by_code: dict[str, dict[int, Template]] = {}
        for entry in document.get("templates") or ():
            template = _template(entry)
            versions = self._by_code.setdefault(template.code, {})
            if template.version in versions:
                raise BadData(f"template {template.code}: version {template.version} is there twice")
            versions[template.version] = template
        if not self._by_code:
            raise BadData("templates.yaml: there are no templates")

    def __contains__(self, code: str) -> bool:
        return code in self._by_code

    @property
    def codes(self) -> frozenset[str]:
        """Every code."""
        return frozenset(self._by_code)

    def newest(self, code: str) -> Template:
        """The newest version; KeyError when the code is unknown."""
        versions = self._by_code[code]
        return versions[max(versions)]

    def get(self, code: str, version: int) -> Template:
        """That version, or the newest when this build doesn't hold it any more."""
        return self._by_code[code].get(version) or self.newest(code)

    def render(self, template: Template, facts: Mapping[str, str]) -> str:
        """The text with signature. MissingFact names the first placeholder without a fact."""
        for name in template.placeholders:
            if not facts.get(name):
                raise MissingFact(name)
        return self.signature + template.text.format_map(facts)


def _text(entry: Mapping[str, Any], key: str, where: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise BadData(f"{where}: {key} is missing or not text")
    return value


def _template(entry: Any) -> Template:
    if not isinstance(entry, Mapping):
        raise BadData(f"templates.yaml: {entry!r:.60} is not a template")
    code = _text(entry, "code", "templates.yaml")
    where = f"template {code}"
    if _CODE.fullmatch(code) is None:
        raise BadData(f"{where}: a code is small letters, digits and hyphens, at most 40")
    version, text = entry.get("version"), _text(entry, "text", where)
    if type(version) is not int or version < 1:
        raise BadData(f"{where}: the version must be a whole number from 1")
    if unknown := set(entry) - {"code", "version", "text"}:
        raise BadData(f"{where}: unknown {', '.join(sorted(unknown))}")
    if len(text) > _LONGEST:
        raise BadData(f"{where}: {len(text)} characters, at most {_LONGEST}")
    return Template(code, version, text, _placeholders(where, text))


def _placeholders(where: str, text: str) -> frozenset[str]:
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise BadData(f"{where}: {error}") from None
    names = [name for _, name, _, _ in parts if name is not None]
    for _, name, spec, conversion in parts:
        if name is not None and (name not in PLACEHOLDERS or spec or conversion):
            raise BadData(
                f"{where}: placeholder {{{name}}} is unknown or formatted; there are {', '.join(PLACEHOLDERS)}"
            )
    return frozenset(names)


def local(at: str) -> str:
    """An RFC 3339 time as people in Xiapu read it: `3月5日14:05`."""
    when: datetime = parse(at).astimezone(ZONE)
    return f"{when.month}月{when.day}日{when:%H:%M}"


@cache
def bundled() -> Templates:
    """The templates of this build."""
    text = files("jiayuan.notify").joinpath("data/templates.yaml").read_text(encoding="utf-8")
    return Templates(yaml.safe_load(text))
