"""What reporters agree to: texts by version, as data. A report keeps the version that it was given with. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib import resources
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Consent:
    """A text that reporters agree to, and since when it is asked for."""

    version: str
    since: date
    title: str
    text: str

    def document(self) -> dict[str, str]:
        """As it is told by HTTP."""
        return {
            "version": self.version,
            "since": self.since.isoformat(),
            "title": self.title,
            "text": self.text,
        }


@lru_cache(maxsize=1)
def versions() -> Mapping[str, Consent]:
    """All texts that were ever in use, the oldest first."""
    path = resources.files(__package__) / "data" / "consent.yaml"
    return read(yaml.safe_load(path.read_text(encoding="utf-8")))


def read(data: Mapping[str, Any]) -> Mapping[str, Consent]:
    """The texts of a document like `consent.yaml`; ValueError says what is wrong with it."""
    out: dict[str, Consent] = {}
    for version, given in data["versions"].items():
        if not isinstance(version, str) or not 0 < len(version) <= 40:
            raise ValueError(f"consent {version!r}: a version is a text of 1 to 40 characters")
        title, text, since = given.get("title"), given.get("text"), given.get("since")
        if not isinstance(since, date) or not title or not text:
            raise ValueError(f"consent {version}: needs since (a date), title and text")
        out[version] = Consent(version, since, title, text.strip())
    if not out:
        raise ValueError("there is no consent to give")
    if [c.since for c in out.values()] != sorted(c.since for c in out.values()):
        raise ValueError("consents must stand in the order of their dates")
    return out


def newest() -> Consent:
    """The text that is asked for today."""
    return list(versions().values())[-1]
