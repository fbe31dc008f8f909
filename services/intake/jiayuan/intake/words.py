"""Finding many words in a text at once (Aho-Corasick).

pyahocorasick keeps the edges of a node in a list that it searches from the front. The first characters of a Chinese
word list are hundreds, so every step from the root would cost hundreds of comparisons. Words and text are therefore
given to it as UTF-8 bytes: never more than 64 edges, six times as fast, and no match can begin inside a character.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import ahocorasick


def encoded(text: str) -> str:
    """The bytes of a text in UTF-8, each as one character: the form that `Words` reads."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


class Words:
    """A set of words, each with a value. Offsets are those of the encoded text."""

    def __init__(self, entries: dict[str, Any]) -> None:
        self._automaton: Final = ahocorasick.Automaton()
        for word, value in entries.items():
            form = encoded(word)
            self._automaton.add_word(form, (len(form), value))
        self._automaton.make_automaton()
        self._empty = not entries

    def all(self, form: str) -> Iterator[tuple[int, int, Any]]:
        """Every occurrence: (start, end, value), end exclusive; they may overlap."""
        if not self._empty:
            for last, (length, value) in self._automaton.iter(form):
                yield last - length + 1, last + 1, value

    def longest(self, form: str) -> Iterator[tuple[int, int, Any]]:
        """Occurrences from left to right, at each place the longest word, without overlaps."""
        if not self._empty:
            for last, (length, value) in self._automaton.iter_long(form):
                yield last - length + 1, last + 1, value
