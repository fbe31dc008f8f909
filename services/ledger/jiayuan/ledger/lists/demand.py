"""The demand list 需求清单 of a community, drafted from what the account and intake's hotspots know. Pure.

A line keeps the reports behind it, and a report is behind one line of a list. Drafting again adds what came since, and
leaves alone what people made of the lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jiayuan.chassis.redact import mask

from .grouping import ALIKE, Group, Text, group, middle

SOURCES: Final = ("report", "hotspot", "grid_worker", "meeting")
SOURCE_NAMES: Final[Mapping[str, str]] = {
    "report": "诉求",
    "hotspot": "热点",
    "grid_worker": "网格走访",
    "meeting": "会议征集",
}
TITLE_LIMIT: Final = 200
_LEAST_OF_A_HOTSPOT: Final = 2


@dataclass(frozen=True, slots=True)
class Behind:
    """A report behind a line, with the case and the entry that it became, as far as there are any."""

    report: str
    case: str | None = None
    entry: str | None = None


@dataclass(frozen=True, slots=True)
class Matter:
    """A livelihood case of the community as the account knows it. `open`: it isn't written off."""

    case: str | None
    entry: str
    category: str
    title: str
    open: bool
    reports: tuple[str, ...]

    @property
    def behind(self) -> list[Behind]:
        """Its reports; a matter without any stands for itself by its entry."""
        return [Behind(r, self.case, self.entry) for r in self.reports]


@dataclass(frozen=True, slots=True)
class HotReport:
    """A report of a hotspot as intake tells it."""

    id: str
    title: str
    category: str


@dataclass(frozen=True, slots=True)
class Hotspot:
    """What many people of the community say about one thing: the words that name it, how many people say it."""

    words: tuple[str, ...]
    people: int
    reports: tuple[HotReport, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A line that the draft has already."""

    id: str
    category: str
    title: str
    reports: frozenset[str]


@dataclass(slots=True)
class Draft:
    """A new line: what it says, where it is from, and what is behind it. `people` None: nobody counted them."""

    category: str
    title: str
    sources: tuple[str, ...]
    behind: list[Behind]
    people: int | None = None
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Drafted:
    """What drafting adds: new lines, and reports to lines that there are (by their ids)."""

    lines: list[Draft] = field(default_factory=list)
    added: dict[str, list[Behind]] = field(default_factory=dict)

    @property
    def reports(self) -> int:
        """How many reports it adds."""
        return sum(len(d.behind) for d in self.lines) + sum(len(a) for a in self.added.values())


def draft(matters: Sequence[Matter], hotspots: Sequence[Hotspot], lines: Sequence[Line]) -> Drafted:
    """What a draft with these lines lacks of the matters and the hotspots.

    New lines come with the most reports first. A group none of whose matters is open any more makes no new line: it
    isn't asked for any more.
    """
    out = Drafted()
    placed = {report: line.id for line in lines for report in line.reports}
    by_report = {report: matter for matter in matters for report in matter.reports}
    for hotspot in hotspots:
        _place_hotspot(hotspot, by_report, placed, out)
    left: list[Matter] = []
    for matter in matters:
        home = next((placed[r] for r in matter.reports if r in placed), None)
        if home is None:
            left.append(matter)
            continue
        _add(out, home, [b for b in matter.behind if b.report not in placed], placed)
    _place_alike(left, _seeds(matters, lines, placed, out), placed, out)
    out.lines.sort(key=lambda d: -len(d.behind))
    return out


def _place_hotspot(
    hotspot: Hotspot, by_report: Mapping[str, Matter], placed: dict[str, str], out: Drafted
) -> None:
    found: dict[str, Behind] = {}
    for report in hotspot.reports:
        matter = by_report.get(report.id)
        for behind in matter.behind if matter else [Behind(report.id)]:
            found.setdefault(behind.report, behind)
    home = next((placed[r] for r in found if r in placed), None)
    fresh = [b for b in found.values() if b.report not in placed]
    if home is not None:
        _add(out, home, fresh, placed)
    elif len(hotspot.reports) >= _LEAST_OF_A_HOTSPOT:
        texts = [Text(r.id, "", r.title) for r in hotspot.reports if r.title]
        title = middle(Group(None, "", texts)).says if texts else "、".join(hotspot.words)
        category = Counter(r.category for r in hotspot.reports).most_common(1)[0][0]
        new = Draft(category, _title(title), ("hotspot", "report"), fresh, hotspot.people)
        new.evidence = {"words": [mask(w) for w in hotspot.words]}
        _new(out, new, placed)


def _seeds(
    matters: Sequence[Matter], lines: Sequence[Line], placed: Mapping[str, str], out: Drafted
) -> list[Text]:
    """What the lines say so far: their titles, which people may have changed, and those of the matters in them."""
    said = {line.id: (line.category, line.title) for line in lines}
    said |= {f"{_NEW}{i}": (d.category, d.title) for i, d in enumerate(out.lines)}
    seeds = [Text(f"line {home}", category, title, home) for home, (category, title) in said.items()]
    for matter in matters:
        home = next((placed[r] for r in matter.reports if r in placed), None)
        if home is not None:
            seeds.append(Text(f"in {matter.entry}", said[home][0], matter.title, home))
    return seeds


def _place_alike(
    matters: Sequence[Matter], seeds: Sequence[Text], placed: dict[str, str], out: Drafted
) -> None:
    """Matters that nothing else has placed: to the lines that they are like, or in lines of their own."""
    by_key = {m.entry: m for m in matters}
    texts = [Text(m.entry, m.category, m.title) for m in matters]
    for found in group([*seeds, *texts], ALIKE):
        mine = [by_key[t.key] for t in found.added]
        behind = [b for m in mine for b in m.behind if b.report not in placed]
        if not mine:
            continue
        if found.key is not None:
            _add(out, found.key, behind, placed)
        elif any(m.open for m in mine) and behind:
            _new(out, Draft(found.category, _title(middle(found).says), ("report",), behind), placed)


_NEW: Final = "+"  # no id begins so


def _new(out: Drafted, line: Draft, placed: dict[str, str]) -> None:
    placed |= {b.report: f"{_NEW}{len(out.lines)}" for b in line.behind}
    out.lines.append(line)


def _add(out: Drafted, home: str, behind: list[Behind], placed: dict[str, str]) -> None:
    """More reports to a line: one that there is, or one that this draft makes."""
    if not behind:
        return
    placed |= {b.report: home for b in behind}
    if home.startswith(_NEW):
        out.lines[int(home[1:])].behind.extend(behind)
    else:
        out.added.setdefault(home, []).extend(behind)


def _title(says: str) -> str:
    # The list is published: a phone number must never get in.
    return mask(says)[:TITLE_LIMIT]
