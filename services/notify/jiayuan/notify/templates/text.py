"""The little language of texts: `{fact}`, `{fact|otherwise}` and `[fact?with it|without it]`. Pure.

    您有新的工单{number}待签收，[due?请在{due}前|请尽快]签收：{link}

A conditional part holds no other one. What is missing and has no otherwise is an error when it is said, never a gap.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

from .facts import FACTS

Say = Callable[[str, str], str]
"""(name of a fact, its value) → what is written."""

_NAME: Final = re.compile(r"[a-z_]+")
_TOKEN: Final = re.compile(
    r"\{(?P<slot>[^{}]*)\}|\[(?P<choice>[^\[\]]*)\]|(?P<stray>[{}\[\]])|(?P<plain>[^{}\[\]]+)"
)


class BadData(ValueError):
    """A file of rules or templates is wrong; the text names the entry and what is wrong with it."""


class MissingFact(LookupError):
    """A text needs a fact that isn't known yet; `name` is the placeholder."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


@dataclass(frozen=True, slots=True)
class Slot:
    """A fact; `otherwise` is said where it is missing, None: it may not be missing."""

    name: str
    otherwise: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What is said with a fact, and what without it."""

    name: str
    yes: tuple[str | Slot, ...]
    no: tuple[str | Slot, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A parsed text."""

    source: str
    parts: tuple[str | Slot | Choice, ...]

    @property
    def names(self) -> frozenset[str]:
        """Every fact that it mentions."""
        return frozenset(_names(self.parts))

    @property
    def needed(self) -> frozenset[str]:
        """The facts without which it can't be said."""
        given = _musts(self.parts)
        for part in self.parts:
            if isinstance(part, Choice):
                given |= (_musts(part.yes) - {part.name}) & _musts(part.no)
        return frozenset(given)

    @property
    def conditions(self) -> tuple[str, ...]:
        """The facts that conditional parts ask for, in the order of the text, each once."""
        return tuple(dict.fromkeys(p.name for p in self.parts if isinstance(p, Choice)))

    def variants(self) -> Iterator[frozenset[str]]:
        """Every combination of conditions that hold."""
        for holds in product((True, False), repeat=len(self.conditions)):
            yield frozenset(c for c, yes in zip(self.conditions, holds, strict=True) if yes)

    def pieces(self, facts: Mapping[str, str]) -> Iterator[str | Slot]:
        """What is said with these facts: texts and slots in their order, conditions decided."""
        for part in self.parts:
            if isinstance(part, Choice):
                yield from part.yes if facts.get(part.name) else part.no
            else:
                yield part

    def say(self, facts: Mapping[str, str], how: Say) -> str:
        """The text. MissingFact names the first fact that is missing or empty."""
        out = []
        for piece in self.pieces(facts):
            if isinstance(piece, str):
                out.append(piece)
            elif value := facts.get(piece.name):
                out.append(how(piece.name, value))
            elif piece.otherwise is not None:
                out.append(piece.otherwise)
            else:
                raise MissingFact(piece.name)
        return "".join(out)


def parse(source: str, where: str) -> Text:
    """A text of a file; BadData says in which entry what is wrong."""
    parts: list[str | Slot | Choice] = []
    for kind, inside in _tokens(source, where):
        if kind == "plain":
            parts.append(inside)
        else:
            parts.append(_slot(inside, where) if kind == "slot" else _choice(inside, where))
    return Text(source, tuple(parts))


def _tokens(source: str, where: str) -> Iterator[tuple[str, str]]:
    for token in _TOKEN.finditer(source):
        kind = token.lastgroup or ""
        if kind == "stray":
            raise BadData(f"{where}: a {token[0]} without its other half, or one inside of another")
        yield kind, token[kind]


def _slot(inside: str, where: str) -> Slot:
    name, bar, otherwise = inside.partition("|")
    _known(name, where)
    if bar and not otherwise:
        raise BadData(
            f"{where}: {{{inside}}} says nothing where {name} is missing; leave out the | or say it"
        )
    return Slot(name, otherwise if bar else None)


def _choice(inside: str, where: str) -> Choice:
    name, asks, rest = inside.partition("?")
    if not asks:
        raise BadData(f"{where}: [{inside}] is no conditional part; it must be [fact?with it|without it]")
    _known(name, where)
    sides: list[list[str | Slot]] = [[]]
    for kind, text in _tokens(rest, where):
        if kind == "plain":
            before, *after = text.split("|")
            sides[-1].append(before)
            sides += [[side] for side in after]
        else:
            sides[-1].append(_slot(text, where))
    if len(sides) > 2:
        raise BadData(f"{where}: [{inside}] has more than two sides")
    yes, no = (tuple(p for p in side if p != "") for side in [*sides, []][:2])
    return Choice(name, yes, no)


def _known(name: str, where: str) -> None:
    if _NAME.fullmatch(name) is None or name not in FACTS:
        raise BadData(
            f"{where}: placeholder {{{name}}} is unknown or formatted; there are {', '.join(FACTS)}"
        )


def _musts(parts: tuple[str | Slot | Choice, ...]) -> set[str]:
    return {p.name for p in parts if isinstance(p, Slot) and p.otherwise is None}


def _names(parts: tuple[str | Slot | Choice, ...]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, Slot):
            yield part.name
        elif isinstance(part, Choice):
            yield part.name
            yield from _names(part.yes)
            yield from _names(part.no)
