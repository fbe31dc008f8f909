"""Whom this endpoint serves and what each service asks for: configuration as data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

import yaml

from jiayuan.contracts.schemas.common import CHANNELS
from jiayuan.contracts.times import parse

from ... import report

DATATYPES: Final = ("string", "number", "datetime", "text", "singlevaluelist", "multivaluelist")
LISTS: Final = ("singlevaluelist", "multivaluelist")
LOCATIONS: Final = ("coarse", "exact")
TYPES: Final = ("realtime", "batch")
ENDPOINT_TYPES: Final = ("production", "test")


@dataclass(frozen=True, slots=True)
class Jurisdiction:
    """A jurisdiction_id and its rules; `streets` empty: the whole county. See data/open311.yaml."""

    id: str
    name: str
    streets: tuple[str, ...]
    channels: tuple[str, ...]
    location: str
    show_notes: bool
    show_media: bool
    type: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """A question that a service asks; `values` is key → name, for lists."""

    code: str
    datatype: str
    required: bool
    datatype_description: str
    description: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Service:
    """A leaf of the catalogue of matters as Open311 offers it."""

    code: str
    name: str
    description: str
    group: str
    keywords: str
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True, slots=True)
class Directory:
    """All of it."""

    contact: str
    key_service: str
    changeset: str
    endpoint_type: str
    zipcode: str
    default: str
    jurisdictions: Mapping[str, Jurisdiction]
    services: Mapping[str, Service]

    @property
    def channels(self) -> frozenset[str]:
        """The channels that any jurisdiction lists."""
        return frozenset(c for j in self.jurisdictions.values() for c in j.channels)


def read(document: Any, catalogue: Mapping[str, Any], *, bundled: bool = False) -> Directory:
    """The directory of a document like data/open311.yaml; ValueError says where it is wrong.

    `catalogue` is the parsed catalogue of matters: its leaves are the services. Of the document that comes with
    intake, jurisdictions of streets that aren't in the list of places are left out: another county has others.
    """
    nodes = report.rules().gazetteer.nodes
    jurisdictions = {}
    for entry in _list(document, "jurisdictions"):
        one = _jurisdiction(entry)
        unknown = [s for s in one.streets if s not in nodes or nodes[s].kind != "street"]
        if unknown and bundled:
            continue
        if unknown:
            raise ValueError(
                f"jurisdiction {one.id}: streets {', '.join(unknown)} are not in the list of places"
            )
        jurisdictions[one.id] = one
    default = _text(document, "default")
    if default not in jurisdictions:
        raise ValueError(f"default: {default} is none of the jurisdictions")
    attributes = document.get("attributes") or {}
    services = _services(catalogue, attributes)
    strange = [c for c in map(str, attributes) if c not in services]
    if strange:
        raise ValueError(f"attributes: {', '.join(strange)} are no leaves of the catalogue")
    changeset = _text(document, "changeset")
    parse(changeset)
    return Directory(
        contact=_text(document, "contact"),
        key_service=_text(document, "key_service"),
        changeset=changeset,
        endpoint_type=_one_of(document, "endpoint_type", ENDPOINT_TYPES),
        zipcode=str(document.get("zipcode") or ""),
        default=default,
        jurisdictions=jurisdictions,
        services=services,
    )


def _jurisdiction(entry: Any) -> Jurisdiction:
    channels = tuple(entry.get("channels") or ()) if isinstance(entry, dict) else ()
    if not channels or not set(channels) <= set(CHANNELS):
        raise ValueError(f"jurisdictions: channels must be some of {', '.join(CHANNELS)}")
    return Jurisdiction(
        id=_text(entry, "id"),
        name=_text(entry, "name"),
        streets=tuple(map(str, entry.get("streets") or ())),
        channels=channels,
        location=_one_of(entry, "location", LOCATIONS),
        show_notes=_yes_no(entry, "show_notes"),
        show_media=_yes_no(entry, "show_media"),
        type=_one_of(entry, "type", TYPES),
    )


def _services(catalogue: Mapping[str, Any], attributes: Mapping[Any, Any]) -> dict[str, Service]:
    names = {str(c["code"]): c for c in catalogue["categories"]}
    asked = {str(code): tuple(map(_attribute, entries)) for code, entries in attributes.items()}
    out = {}
    for code, entry in names.items():
        if not entry.get("parent"):
            continue
        group = names[str(entry["parent"])]
        words = [k if isinstance(k, str) else k["word"] for k in entry.get("keywords") or ()]
        english = entry.get("name_en") or ""
        out[code] = Service(
            code,
            entry["name"],
            f"{group['name']}：{entry['name']}" + (f"（{english}）" if english else ""),
            group["name"],
            ",".join(dict.fromkeys([entry["name"], *words])),
            asked.get(code, ()),
        )
    return out


def _attribute(entry: Any) -> Attribute:
    datatype = _one_of(entry, "datatype", DATATYPES)
    values = {str(v["key"]): str(v["name"]) for v in entry.get("values") or ()}
    code = _text(entry, "code")
    if (datatype in LISTS) != bool(values):
        raise ValueError(f"attribute {code}: lists have values, and only lists")
    return Attribute(
        code,
        datatype,
        _yes_no(entry, "required"),
        str(entry.get("datatype_description") or ""),
        _text(entry, "description"),
        values,
    )


def _list(entry: Any, name: str) -> list[Any]:
    found = entry.get(name) if isinstance(entry, dict) else None
    if not isinstance(found, list) or not found:
        raise ValueError(f"{name} must be a list with something in it")
    return found


def _text(entry: Any, name: str) -> str:
    found = entry.get(name) if isinstance(entry, dict) else None
    if not isinstance(found, str) or not found.strip():
        raise ValueError(f"{name} must be a text")
    return found.strip()


def _one_of(entry: Any, name: str, allowed: tuple[str, ...]) -> str:
    found = _text(entry, name)
    if found not in allowed:
        raise ValueError(f"{name}: {found} is none of {', '.join(allowed)}")
    return found


def _yes_no(entry: Any, name: str) -> bool:
    found = entry.get(name)
    if not isinstance(found, bool):
        raise ValueError(f"{name} must be true or false")
    return found


@lru_cache(maxsize=8)
def load(file: str = "") -> Directory:
    """The directory of the setting `open311`: a file, or "" for the one that comes with intake.

    ValueError or OSError when it is malformed or missing.
    """
    data = resources.files("jiayuan.intake").joinpath("data")
    source = Path(file).read_bytes() if file else data.joinpath("open311.yaml").read_bytes()
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    catalogue = yaml.load(data.joinpath("catalogue.yaml").read_bytes(), Loader=loader)
    try:
        return read(yaml.load(source, Loader=loader), catalogue, bundled=not file)
    except yaml.YAMLError as error:
        raise ValueError(f"it is not YAML: {error}") from None
