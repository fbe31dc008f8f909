"""A catalogue of matters as a file: reading and checking one, and making one of a table of levels (CSV)."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from .category import Catalogue
from .text import normal

MOST_LEVELS: Final = 5
_LONGEST: Final = 60
_OTHERS: Final = ("其他", "其它")
_PARTS: Final = re.compile(r"[、和与及（）()/]")
_CODE: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:\-]{0,63}\Z")


class BadCatalogue(ValueError):
    """A catalogue that can't be used; `problems` are sentences, each with its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(self.problems[:5]))


def read(path: Path) -> Catalogue:
    """The catalogue in a YAML file. BadCatalogue names everything that is wrong with it."""
    document = document_of(path)
    problems = wrong(document)
    if problems:
        raise BadCatalogue([f"{path}: {p}" for p in problems])
    return Catalogue(document)


def document_of(path: Path) -> Any:
    """The YAML of a file, unchecked. BadCatalogue when it can't be read."""
    try:
        return yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, yaml.YAMLError) as error:
        raise BadCatalogue([f"{path} can't be read: {error}"]) from None


def wrong(document: Any) -> list[str]:
    """What is wrong with a catalogue's document; empty when nothing is."""
    entries = document.get("categories") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not entries or "version" not in document:
        return ["needs `version` and a list `categories`"]
    out: list[str] = []
    codes: set[str] = set()
    words: dict[str, str] = {}
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict) or not isinstance(entry.get("code"), str):
            out.append(f"category {number}: code is missing or no text in quotes")
            continue
        code = entry["code"]
        if not _CODE.match(code):
            out.append(f"category {code}: code may have letters, digits and ._:- only, at most 64")
        if code in codes:
            out.append(f"category {code}: there are two of it")
        if entry.get("parent") and entry["parent"] not in codes:
            out.append(f"category {code}: its parent {entry['parent']} doesn't stand before it")
        codes.add(code)
        if not isinstance(entry.get("name"), str) or not 1 <= len(entry["name"]) <= _LONGEST:
            out.append(f"category {code}: name must have 1 to {_LONGEST} characters")
        for field in ("importance", "urgency"):
            if entry.get(field) not in (1, 2, 3):
                out.append(f"category {code}: {field} must be 1, 2 or 3")
        if not isinstance(entry.get("livelihood"), bool):
            out.append(f"category {code}: livelihood must be true or false")
        for keyword in entry.get("keywords") or ():
            word = keyword if isinstance(keyword, str) else (keyword or {}).get("word")
            if not isinstance(word, str) or normal(word) != word:
                out.append(f"category {code}: keyword {word!r} is not in normal form (simplified, one width)")
            elif words.setdefault(word, code) != code:
                out.append(f"category {code}: keyword {word} belongs to {words[word]} already")
    if document.get("other", "1599") not in codes:
        out.append(f"other: {document.get('other', '1599')} is no code of it; name one with `other`")
    for sign in document.get("danger_signs") or ():
        if not isinstance(sign, dict) or not all(sign.get(k) for k in ("code", "name", "any", "call")):
            out.append("danger_signs: each needs code, name, any and call")
    return out


def paths_of(path: Path) -> list[tuple[str, ...]]:
    """The rows of a CSV of levels (a header, then from the broadest to the narrowest name), as paths."""
    out: dict[tuple[str, ...], int] = {}
    problems = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            for number, row in enumerate(csv.reader(lines), start=1):
                names = [normal(cell) for cell in row]
                while names and not names[-1]:
                    names.pop()
                if number == 1 or not names:
                    continue
                if not all(names):
                    problems.append(f"{path}, line {number}: a level is empty before a narrower one")
                elif len(names) > MOST_LEVELS:
                    problems.append(f"{path}, line {number}: has {len(names)} levels; at most {MOST_LEVELS}")
                elif long := next((n for n in names if len(n) > _LONGEST), ""):
                    problems.append(f"{path}, line {number}: {long} is longer than {_LONGEST} characters")
                elif tuple(names) in out:
                    problems.append(f"{path}, line {number}: the same as line {out[tuple(names)]}")
                else:
                    out[tuple(names)] = number
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadCatalogue([f"{path} can't be read: {error}"]) from None
    if not out and not problems:
        problems.append(f"{path} holds no row under its header")
    if problems:
        raise BadCatalogue(problems)
    return list(out)


def made_of(
    paths: Sequence[tuple[str, ...]], *, version: str, signs: Mapping[str, Any], before: Any = None
) -> dict[str, Any]:
    """A catalogue's document of paths of names.

    Codes are given in the order of appearance, two digits a level (more where 99 are not enough). `before`: an earlier
    document, whose codes, keywords and levels of importance stay with their paths: no code is ever given anew.
    `signs`: the document whose signs of danger are taken over. A leaf's name, and its parts, are its keywords where no
    other leaf has them.
    """
    nodes: dict[tuple[str, ...], dict[str, Any]] = {}
    known = _paths_in(before) if before else {}
    taken = {e["code"] for e in known.values()} | {"99"}
    for path in paths:
        for depth in range(1, len(path) + 1):
            here = path[:depth]
            if here in nodes:
                continue
            parent = nodes[here[:-1]]["code"] if depth > 1 else ""
            if here in known:
                entry = {**known[here]}
            else:
                number = 1
                while (code := f"{parent}{number:02d}") in taken:
                    number += 1
                taken.add(code)
                entry = {"code": code, "name": here[-1], "livelihood": False, "importance": 2, "urgency": 2}
            if parent:
                entry["parent"] = parent
            nodes[here] = entry
    leaves = [p for p in nodes if not any(o[: len(p)] == p and len(o) > len(p) for o in _next(nodes, p))]
    said = {p: _words(p[-1]) for p in leaves}
    often = Counter(w for words in said.values() for w in words)
    used = {_word(k) for e in known.values() for k in e.get("keywords") or ()}
    for path in leaves:
        entry = nodes[path]
        if "keywords" not in entry:
            entry["keywords"] = [
                {"word": w, "weight": 2 if w == path[-1] else 1}
                for w in said[path]
                if often[w] == 1 and w not in used
            ]
    other = {"code": "99", "name": "其他", "livelihood": False, "importance": 1, "urgency": 1}
    return {
        "version": version,
        "other": "99",
        "categories": [*nodes.values(), other],
        "danger_signs": signs["danger_signs"],
        "danger_context": signs.get("danger_context") or {},
    }


def _next(nodes: Mapping[tuple[str, ...], Any], path: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [o for o in nodes if len(o) == len(path) + 1 and o[:-1] == path]


def _word(keyword: Any) -> str:
    return str(keyword if isinstance(keyword, str) else keyword["word"])


def _words(name: str) -> list[str]:
    parts = [name, *(p for p in _PARTS.split(name) if p != name)]
    return [w for w in dict.fromkeys(parts) if len(w) >= 2 and w not in _OTHERS]


def _paths_in(document: Mapping[str, Any]) -> dict[tuple[str, ...], dict[str, Any]]:
    by_code: dict[str, tuple[str, ...]] = {}
    out = {}
    for entry in document["categories"]:
        path = (*by_code.get(entry.get("parent") or "", ()), entry["name"])
        by_code[entry["code"]] = path
        if entry["code"] != document.get("other"):
            out[path] = entry
    return out


def levels(document: Mapping[str, Any]) -> list[int]:
    """How many categories there are at each level, the top first; without `other` where it stands alone."""
    depth = Counter(len(p) for p in _paths_in(document))
    return [depth[d] for d in sorted(depth)]


def write(document: Mapping[str, Any], path: Path) -> None:
    """Writes a catalogue's document as YAML."""
    said = yaml.safe_dump(dict(document), allow_unicode=True, sort_keys=False, width=110)
    path.write_text(said, encoding="utf-8")
