"""The public account: what everybody may read of a year and a street, in one form for page, JSON, CSV and XLSX. Pure.

Nothing in it leads to a person. An entry that a case opened has no title, since citizens wrote it; its times are days.
It is known by a `ref`, a digest of its id, and not by the id, with which anybody could ask for its postings; whoever
has the tracking code learns the id and finds the line by it. Of a dispute the kind of matter is left out too, and of
its days all but the month: in a village of forty households they would be enough.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from .account import Figures
from .entry import SHANGHAI

FORMAT: Final = "jiayuan-account/1"
LEAF: Final = "publication/1"
FILES: Final = ("json", "csv", "xlsx")
WITHHELD: Final = ("dispute",)
ANSWERS: Final = ("satisfied", "unsatisfied", "lapsed", "withdrawn")
_NAME: Final = re.compile(r"(2[0-9]{3})(?:-([0-9A-Za-z_:-]{1,64}))?(?:\.([1-9][0-9]{0,8}))?")
COLUMNS: Final[Mapping[str, str]] = {
    "ref": "编号",
    "item_ref": "事项编号",
    "street": "街道",
    "unit": "责任单位",
    "category": "事项类别",
    "source": "来源",
    "title": "事项",
    "state": "状态",
    "opened_on": "入账日期",
    "due_on": "承诺日期",
    "written_off_on": "销账日期",
    "answer": "群众答复",
    "unsatisfied": "不满意未销账",
    "postings": "记账笔数",
    "opening": "期初",
    "entered": "入账",
    "reversed": "冲正",
    "written_off": "销账",
}


@dataclass(frozen=True, slots=True)
class Name:
    """How a publication is called: its year, street ("" for the county) and number (None: the newest)."""

    year: int
    street: str = ""
    number: int | None = None

    def __str__(self) -> str:
        street = f"-{self.street}" if self.street else ""
        return f"{self.year}{street}" + (f".{self.number}" if self.number else "")


def name_of(text: str) -> Name:
    """`2026`, `2026-350921001`, `2026-350921001.3`. ValueError for anything else."""
    found = _NAME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r:.40} is no account: 2026, 2026-STREET, or with a number, 2026-STREET.3")
    return Name(int(found[1]), found[2] or "", int(found[3]) if found[3] else None)


def ref(id_: str) -> str:
    """What an entry is called in public: 20 hexadecimal digits of SHA-256 of "jiayuan-account/" and its id."""
    return hashlib.sha256(f"jiayuan-account/{id_}".encode()).hexdigest()[:20]


def _day(at: datetime | None, *, month: bool = False) -> str | None:
    return at.astimezone(SHANGHAI).strftime("%Y-%m" if month else "%Y-%m-%d") if at is not None else None


def line(row: Any) -> dict[str, Any]:
    """An entry as everybody may read it. `row`: of `store.publications.entries`."""
    hidden = row.kind in WITHHELD
    return {
        "ref": ref(row.id),
        "item_ref": ref(row.item),
        "street": row.street,
        "unit": row.unit,
        "category": None if hidden else row.category,
        "source": row.source,
        "title": row.title if row.case_id is None else None,
        "state": row.state,
        "opened_on": _day(row.opened_at, month=hidden),
        "due_on": None if hidden else _day(row.due_at),
        "written_off_on": _day(row.written_off_at, month=hidden),
        "answer": row.confirmed if not hidden and row.confirmed in ANSWERS else None,
        "unsatisfied": row.state == "open"
        and row.case_state == "closed"
        and row.confirmed in (None, "unsatisfied"),
        "postings": row.postings,
        "opening": int(row.opening),
        "entered": int(row.entered),
        "reversed": int(row.reversed),
        "written_off": int(row.written_off),
    }


class Sums:
    """The figures of lines, by street and by unit, as they come."""

    def __init__(self) -> None:
        self._by: dict[str, dict[str | None, list[int]]] = {"street": {}, "unit": {}}
        self._total = [0] * 6

    def add(self, line: Mapping[str, Any]) -> None:
        """Counts a line."""
        moved = (line["opening"], line["entered"], line["written_off"])
        still = int(line["state"] in ("open", "carried_forward"))
        values = (*moved, still, line["reversed"], int(line["unsatisfied"]))
        into = [self._total, *(self._by[by].setdefault(line[by], [0] * 6) for by in self._by)]
        for sums in into:
            for n, value in enumerate(values):
                sums[n] += value

    def document(self) -> dict[str, Any]:
        """total, streets, units: as `account` has figures."""

        def lines(by: str) -> list[dict[str, Any]]:
            found = sorted(self._by[by].items(), key=lambda kv: (kv[0] is not None, kv[0]))
            return [{by: key, **Figures(key, *sums).document()} for key, sums in found]

        return {
            "total": Figures(None, *self._total).document(),
            "streets": lines("street"),
            "units": lines("unit"),
        }


def public_list(document: Mapping[str, Any]) -> dict[str, Any]:
    """A published list for everybody: no persons, no reports; of a demand list, whose lines citizens worded, how many
    there are of each category. `document`: of `views.whole`."""
    out = {
        name: document[name] for name in ("kind", "quarter", "street", "community", "state", "published_at")
    }
    match document["kind"]:
        case "demand":
            kept = [d["category"] for d in document["lines"] if d["kept"]]
            lines = [{"category": c, "demands": kept.count(c)} for c in sorted(set(kept))]
        case "problem":
            lines = [
                {**_problem(p), "demands": len(p["demands"])}
                for p in document["lines"]
                if p["state"] == "accepted"
            ]
        case _:
            lines = [{**_problem(p), "claims": list(_claims(p["claims"]))} for p in document["lines"]]
    return {**out, "lines": lines}


def _problem(p: Mapping[str, Any]) -> dict[str, Any]:
    return {name: p[name] for name in ("number", "category", "title", "takes")}


def _claims(found: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    for claim in found:
        if claim["state"] in ("claimed", "done"):
            yield {"unit": claim["unit"], "due_at": claim["due_at"], "standing": claim["standing"]}
