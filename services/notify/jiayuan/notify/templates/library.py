"""All templates by code and version: loading and checking, and what one comes to with a notice's facts. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from .. import own
from . import approvals, wechat
from .facts import FACTS, local
from .length import segments
from .text import BadData, MissingFact, Text, parse

_CODE: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_SIGNATURE: Final = re.compile(r"【[^【】]{2,16}】")
_LONGEST: Final = 300
_LONGEST_TITLE: Final = 6
_MOST_SEGMENTS: Final = 2
"""Parts of a text at most with the longest facts, unless the template says otherwise: each is paid for."""


@dataclass(frozen=True, slots=True)
class Template:
    """One version of a text, with what it is in the mini-program if it is sent there.

    `placeholders`: every fact that it mentions on any channel; `needed`: those without which it can't be said. `title`:
    what a digest calls notices of it.
    """

    code: str
    version: int
    text: Text
    fields: tuple[tuple[str, Text], ...] = ()
    page: Text | None = None
    placeholders: frozenset[str] = field(default_factory=frozenset)
    needed: frozenset[str] = field(default_factory=frozenset)
    title: str = ""


@dataclass(frozen=True, slots=True)
class Wording:
    """What a notice says on one channel. `text` has the signature 【…】 in front, `sign` is what is in the brackets.

    SMS: `parameters`, placeholder → value in the order of the text, and `variant`, which conditional parts are said.
    Mini-program: `fields` and `page`; no fields: the template isn't for it.
    """

    code: str
    version: int
    text: str
    sign: str
    parameters: dict[str, str] = field(default_factory=dict)
    variant: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    page: str = ""


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
            template = _template(entry, self.signature)
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
        """The newest version of a code. KeyError when there is none."""
        versions = self._by_code[code]
        return versions[max(versions)]

    def get(self, code: str, version: int) -> Template:
        """That version, or the newest where this build doesn't hold it any more. KeyError for an unknown code."""
        return self._by_code[code].get(version) or self.newest(code)

    def versions(self, code: str) -> list[int]:
        """The versions of a code that this build holds. KeyError for an unknown code."""
        return sorted(self._by_code[code])

    def all(self) -> Iterator[Template]:
        """Every version of every code."""
        for versions in self._by_code.values():
            yield from versions.values()

    def render(self, template: Template, facts: Mapping[str, str]) -> str:
        """The text with its signature. MissingFact names the first placeholder without a fact."""
        return self.signature + template.text.say(facts, _say)

    def wording(self, template: Template, facts: Mapping[str, str], channel: str = "sms") -> Wording:
        """What the notice says on a channel. MissingFact as `render`; Unfit: WeChat would refuse the fields.

        Facts are as events carry them; a time is RFC 3339 and is said as each channel wants it.
        """
        text, sign = self.render(template, facts), self.signature[1:-1]
        if channel == "mini_program":
            fields = {name: wechat.fit(name, value.say(facts, wechat.say)) for name, value in template.fields}
            page = template.page.say(facts, wechat.say) if template.page else ""
            return Wording(template.code, template.version, text, sign, fields=fields, page=page)
        return Wording(
            template.code,
            template.version,
            text,
            sign,
            approvals.parameters(template.text, facts, _say),
            approvals.variant(template.text, facts),
        )


def _say(name: str, value: str) -> str:
    return local(value) if FACTS[name].kind == "time" else value


# -- loading -----------------------------------------------------------------------------------------


def _text(entry: Mapping[str, Any], key: str, where: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise BadData(f"{where}: {key} is missing or not text")
    return value


def _template(entry: Any, signature: str) -> Template:
    if not isinstance(entry, Mapping):
        raise BadData(f"templates.yaml: {entry!r:.60} is not a template")
    code = _text(entry, "code", "templates.yaml")
    where = f"template {code}"
    if _CODE.fullmatch(code) is None:
        raise BadData(f"{where}: a code is small letters, digits and hyphens, at most 40")
    version, source = entry.get("version"), _text(entry, "text", where)
    if type(version) is not int or version < 1:
        raise BadData(f"{where}: the version must be a whole number from 1")
    if unknown := set(entry) - {"code", "version", "text", "segments", "title", "mini_program"}:
        raise BadData(f"{where}: unknown {', '.join(sorted(unknown))}")
    if len(source) > _LONGEST:
        raise BadData(f"{where}: {len(source)} characters, at most {_LONGEST}")
    text = parse(source, where)
    _short_enough(text, signature, entry.get("segments", _MOST_SEGMENTS), where)
    fields, page = _mini_program(entry.get("mini_program"), where)
    every = (text, *(value for _, value in fields), *([page] if page else []))
    return Template(
        code,
        version,
        text,
        fields,
        page,
        frozenset[str]().union(*(t.names for t in every)),
        frozenset[str]().union(*(t.needed for t in every)),
        _title(entry, where),
    )


def _title(entry: Mapping[str, Any], where: str) -> str:
    title = entry.get("title", "")
    if not isinstance(title, str) or len(title) > _LONGEST_TITLE or set(title) & set("{}[]"):
        raise BadData(f"{where}: a title is at most {_LONGEST_TITLE} characters and has no placeholders")
    return title


def longest(text: Text, holds: frozenset[str]) -> dict[str, str]:
    """The longest facts for a text when of its conditions just these hold."""
    return {n: FACTS[n].longest for n in text.names if n in holds or n not in text.conditions}


def _short_enough(text: Text, signature: str, most: Any, where: str) -> None:
    if type(most) is not int or not 1 <= most <= 5:
        raise BadData(f"{where}: segments must be a whole number from 1 to 5")
    for holds in text.variants():
        try:
            needs = segments(signature + text.say(longest(text, holds), _say))
        except MissingFact as missing:
            raise BadData(f"{where}: it says {missing.name} where it knows that there is none") from None
        if needs > most:
            raise BadData(
                f"{where}: {needs} parts with its longest facts, at most {most}; shorten it, or say segments: {needs}"
            )


def _mini_program(entry: Any, where: str) -> tuple[tuple[tuple[str, Text], ...], Text | None]:
    if entry is None:
        return (), None
    if not isinstance(entry, Mapping) or set(entry) - {"fields", "page"}:
        raise BadData(f"{where}: mini_program has fields and a page")
    fields = entry.get("fields")
    if not isinstance(fields, Mapping) or not fields:
        raise BadData(f"{where}: mini_program.fields must name WeChat's fields, as thing1")
    parsed = []
    for name, source in fields.items():
        if wechat.kind_of(str(name)) is None:
            raise BadData(
                f"{where}: WeChat has no field {name}; a field is a kind and a number, "
                f"and the kinds are {', '.join(wechat.KINDS)}"
            )
        text = parse(str(source), f"{where}, {name}")
        for holds in text.variants():
            _fits(name, text, holds, where)
        parsed.append((str(name), text))
    page = entry.get("page")
    if page is not None and (not isinstance(page, str) or len(page) > 128 or page.startswith("/")):
        raise BadData(f"{where}: page is a path of the mini-program without a leading /, at most 128")
    return tuple(parsed), parse(page, f"{where}, page") if page else None


def _fits(name: str, text: Text, holds: frozenset[str], where: str) -> None:
    try:
        value = text.say(longest(text, holds), wechat.say)
    except MissingFact as missing:
        raise BadData(f"{where}: {name} says {missing.name} where it knows that there is none") from None
    try:
        fitted = wechat.fit(name, value)
    except wechat.Unfit as error:
        raise BadData(f"{where}: {error}, and this may become {value!r}") from None
    if fitted != value and not text.names:
        kind = wechat.kind_of(name)
        assert kind is not None
        raise BadData(f"{where}: {name} takes at most {kind.longest}, this has {len(value)}")


@cache
def bundled() -> Templates:
    """The templates of this build."""
    return Templates(own.document("templates.yaml"))
