"""Mapping files: which column of somebody else's file is which field of a report. YAML, checked when it is read.

name: boston-311                    # for people
source: boston-311                  # whose numbers `external_id` are; with it a line goes in once
time_zone: America/New_York         # of times without an offset; Asia/Shanghai when absent
dates: ["%m/%d/%Y %I:%M:%S %p"]     # forms of times, tried in order before the usual ones
crs: wgs84                          # of place.lat and place.long; also gcj02, bd09
fields:
  external_id: CASE_ENQUIRY_ID      # a column
  text: {template: "{TYPE}[, {Location}]"}      # columns joined; a part in brackets goes when it is empty
  channel: {column: Source, values: {Constituent Call: hotline}, otherwise: file_import}
  kind: {value: problem}            # the same for every line
only:                               # lines that go in; all conditions must hold
  - {column: STATUS, is: [Open, Closed]}
  - {column: TYPE, not: [Test]}
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import yaml

from . import coordinates
from .text import one_line

_KEYS: Final = ("name", "source", "time_zone", "dates", "crs", "fields", "only")
_RULE_KEYS: Final = ("column", "template", "value", "values", "otherwise")
_TEMPLATE: Final = re.compile(r"\{([^{}]*)\}|\[([^\[\]]*)\]|([^{}\[\]]+)")
_MOST: Final = 1024 * 1024
Get = Callable[[str], Any]


class BadMapping(ValueError):
    """A mapping file that can't be used; one sentence."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a template: plain text, a column, or an optional piece of further parts."""

    text: str = ""
    column: str = ""
    optional: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """Where the value of a field comes from."""

    column: str = ""
    parts: tuple[Part, ...] = ()
    value: Any = None
    values: Mapping[str, Any] = field(default_factory=dict)
    otherwise: Any = None

    @property
    def columns(self) -> set[str]:
        """The columns that it reads."""
        return {self.column} if self.column else _columns(self.parts)

    @property
    def called(self) -> str:
        """What errors call it: its column, where it is one."""
        return self.column

    def read(self, get: Get) -> Any:
        """The value of a line."""
        if self.parts:
            return _filled(self.parts, get)
        if not self.column:
            return self.value
        value = get(self.column)
        if not self.values:
            return self.otherwise if value in (None, "") and self.otherwise is not None else value
        plain = _word(value)
        if plain in self.values:
            return self.values[plain]
        return self.otherwise if self.otherwise is not None else value


@dataclass(frozen=True, slots=True)
class Condition:
    """A line goes in when the column's value is, or is not, one of these; "" is an empty cell."""

    column: str
    words: frozenset[str]
    wanted: bool

    def holds(self, get: Get) -> bool:
        """Whether a line goes in."""
        return (_word(get(self.column)) in self.words) is self.wanted


@dataclass(frozen=True, slots=True)
class Plan:
    """A mapping file."""

    name: str
    source: str
    zone: ZoneInfo
    dates: tuple[str, ...]
    fields: Mapping[str, Rule]
    only: tuple[Condition, ...]
    digest: str

    @property
    def columns(self) -> set[str]:
        """The columns that a file must have."""
        out = {c.column for c in self.only}
        for rule in self.fields.values():
            out |= rule.columns
        return out

    def wants(self, get: Get) -> bool:
        """Whether a line goes in."""
        return all(c.holds(get) for c in self.only)


def load(path: Path, known: Sequence[str]) -> Plan:
    """The mapping of a file; `known` are the names of fields. BadMapping says what is wrong with it, and where."""
    try:
        if path.stat().st_size > _MOST:
            raise BadMapping(f"{path}: a mapping has at most {_MOST} bytes")
        raw = path.read_bytes()
        document = yaml.safe_load(raw)
    except OSError as error:
        raise BadMapping(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise BadMapping(f"{path} is not YAML: {' '.join(str(error).split())[:200]}") from None
    try:
        return _plan(document, known, hashlib.sha256(raw).hexdigest()[:24])
    except BadMapping as error:
        raise BadMapping(f"{path}: {error}") from None


def _plan(document: Any, known: Sequence[str], digest: str) -> Plan:
    _keys(document, "the mapping", _KEYS)
    rules = {where: _rule(said, f"fields.{where}") for where, said in _mapping(document, "fields").items()}
    unknown = sorted(str(w) for w in set(rules) - set(known))
    if unknown:
        raise BadMapping(f"fields: there is no field {', '.join(unknown)}; fields are {', '.join(known)}")
    if "text" not in rules:
        raise BadMapping("fields: text is missing")
    crs = document.get("crs", "wgs84")
    if crs not in coordinates.SYSTEMS:
        raise BadMapping(f"crs: {crs!r} is unknown; allowed: {', '.join(coordinates.SYSTEMS)}")
    if crs != "wgs84":
        rules.setdefault("place.crs", Rule(value=crs))
    try:
        zone = ZoneInfo(document.get("time_zone", "Asia/Shanghai"))
    except (KeyError, ValueError, TypeError, OSError):
        raise BadMapping(
            f"time_zone: {document['time_zone']!r} is unknown; for example Asia/Shanghai"
        ) from None
    only = document.get("only", [])
    dates = document.get("dates", [])
    if not isinstance(only, list):
        raise BadMapping("only: must be a list of conditions")
    if not isinstance(dates, list) or not all(isinstance(d, str) and "%" in d for d in dates):
        raise BadMapping('dates: must be a list of forms like "%m/%d/%Y %H:%M"')
    return Plan(
        name=str(document.get("name", "")),
        source=str(document.get("source", "")),
        zone=zone,
        dates=tuple(dates),
        fields=rules,
        only=tuple(_condition(c, f"only.{n}") for n, c in enumerate(only)),
        digest=digest,
    )


def _keys(value: Any, where: str, allowed: Sequence[str]) -> None:
    if not isinstance(value, dict):
        raise BadMapping(f"{where}: must be a mapping")
    unknown = [str(k) for k in value if k not in allowed]
    if unknown:
        raise BadMapping(f"{where}: {', '.join(unknown)} is unknown; allowed: {', '.join(allowed)}")


def _mapping(document: dict[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key)
    if not isinstance(value, dict) or not value:
        raise BadMapping(f"{key}: must be a mapping of fields")
    return value


def _rule(said: Any, where: str) -> Rule:
    if isinstance(said, str):
        return Rule(column=_name(said, where))
    _keys(said, where, _RULE_KEYS)
    given = [k for k in ("column", "template", "value") if k in said]
    if len(given) != 1:
        raise BadMapping(f"{where}: needs one of column, template, value")
    if given == ["template"]:
        return Rule(parts=_parts(str(said["template"]), where))
    if given == ["value"]:
        return Rule(value=_plain(said["value"], where))
    values = said.get("values", {})
    if not isinstance(values, dict):
        raise BadMapping(f"{where}.values: must be a mapping of a cell's content to a value")
    return Rule(
        column=_name(said["column"], where),
        values={_word(k): _plain(v, f"{where}.values") for k, v in values.items()},
        otherwise=_plain(said["otherwise"], where) if "otherwise" in said else None,
    )


def _condition(said: Any, where: str) -> Condition:
    _keys(said, where, ("column", "is", "not"))
    given = [k for k in ("is", "not") if k in said]
    if "column" not in said or len(given) != 1:
        raise BadMapping(f"{where}: needs a column and one of is, not")
    words = said[given[0]]
    listed = words if isinstance(words, list) else [words]
    return Condition(_name(said["column"], where), frozenset(_word(w) for w in listed), given == ["is"])


def _name(value: Any, where: str) -> str:
    name = str(value).strip()
    if not name:
        raise BadMapping(f"{where}: the column has no name")
    return name


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, dict | list):
        raise BadMapping(f"{where}: a value is a text or a number")
    return value


def _word(value: Any) -> str:
    """A cell's content as it is compared: a whole number is written without a point."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else one_line(str(value))


def _parts(template: str, where: str) -> tuple[Part, ...]:
    out, at = [], 0
    for match in _TEMPLATE.finditer(template):
        if match.start() != at:
            break
        at = match.end()
        column, optional, text = match.groups()
        if column is not None:
            out.append(Part(column=_name(column, where)))
        elif optional is not None:
            inner = _parts(optional, where)
            if not _columns(inner):
                raise BadMapping(f"{where}: a part in brackets needs a column")
            out.append(Part(optional=inner))
        else:
            out.append(Part(text=text))
    if at != len(template) or not _columns(out):
        raise BadMapping(f"{where}: {template!r} is no template; columns stand in {{}}, optional parts in []")
    return tuple(out)


def _columns(parts: Sequence[Part]) -> set[str]:
    out = set()
    for part in parts:
        if part.column:
            out.add(part.column)
        out |= _columns(part.optional)
    return out


def _filled(parts: Sequence[Part], get: Get) -> str:
    out = []
    for part in parts:
        if part.optional:
            if all(_word(get(c)) for c in _columns(part.optional)):
                out.append(_filled(part.optional, get))
        elif part.column:
            value = get(part.column)
            out.append(_word(value) if not isinstance(value, str) else value.strip())
        else:
            out.append(part.text)
    return "".join(out)
