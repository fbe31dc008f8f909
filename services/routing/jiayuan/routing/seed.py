"""An invented directory at a real scale: real streets and communities, invented grids and people. Pure.

Every invented name begins with 例 and every phone number with 000, which no line has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

_SURNAMES: Final = "陈林黄张吴李王郑刘苏叶杨蔡许谢郭何周徐邱曾洪江高方雷余罗赵钟"
_GIVEN: Final = "安平宁和清明远志诚信海山松竹梅兰春秋晓晴雨雪静芳秀英文武勇健康乐欣怡思源"
_FUNCTIONS: Final = ("党建", "综治", "民政", "应急", "城管", "人社", "卫健", "消防")
_SKILLS: Final = (
    "法律",
    "水电维修",
    "医护",
    "心理疏导",
    "消防",
    "电脑网络",
    "教育辅导",
    "渔业",
    "财会",
    "文体",
)
_LANGUAGES: Final = (("普通话", "霞浦话"), ("普通话", "霞浦话", "畲语"), ("普通话", "闽南话"), ("普通话",))
_HELP_HOURS: Final = (
    "周一至周五 18:30-21:00；周末 09:00-17:00",
    "周末 08:00-18:00",
    "周六 09:00-12:00、14:00-17:00",
)
_SERVICES: Final = (
    ("党员服务", "政务代办", "社保咨询", "法律咨询", "矛盾调解"),
    ("老年食堂", "儿童托管", "健康小屋", "图书阅览", "矛盾调解"),
    ("饮水休息", "手机充电", "应急药箱", "骑手服务"),
)
_KIND_NAMES: Final = ("党群服务中心", "近邻中心", "驿站")
_KINDS: Final = ("party_centre", "neighbour_centre", "station")
_POINT_HOURS: Final = (
    "周一至周五 08:00-12:00、14:30-17:30；周六 09:00-12:00",
    "每天 08:00-20:00",
    "每天 07:00-22:00",
)
# Three shifts, so that where a grid has three workers somebody is there at any time; a fourth has office hours.
_SHIFTS: Final = (
    ("早班", ["06:00-14:00"]),
    ("中班", ["14:00-22:00"]),
    ("夜班", ["22:00-06:00"]),
    ("行政班", ["08:00-12:00", "14:30-18:00"]),
)
# Where the three streets of the county's seat are, roughly (WGS-84); the points themselves are invented.
_SEATS: Final = ((26.886, 120.001), (26.878, 120.012), (26.862, 120.028))


@dataclass(frozen=True, slots=True)
class More:
    """What a directory has beside its grids and units: how many helpers; whether there are rosters of shifts.

    With any of it come joint committees, mediation teams, service points and escalation lines.
    """

    cadres: int = 0
    volunteers: int = 0
    mediators: int = 0
    roster: tuple[str, str] | None = None


def seed(
    places: Mapping[str, Any],
    units: Sequence[Mapping[str, Any]],
    grids: int,
    workers: int,
    number: int = 1,
    more: More | None = None,
) -> dict[str, Any]:
    """A directory document. `grids`: compounds and buildings together; `workers`: all people of the grids.

    Every community has a chief, every compound grid a leader, and the others are the workers, spread evenly.
    The same `number` gives the same document. ValueError when there are too few for that.
    """
    document = _basic(places, units, grids, workers, number)
    if more is not None:
        document |= _Helpers(document, Random(f"{number} more"), more).lists()
    return document


def _basic(
    places: Mapping[str, Any], units: Sequence[Mapping[str, Any]], grids: int, workers: int, number: int
) -> dict[str, Any]:
    random = Random(number)
    communities = [c for s in places["streets"] for c in s["communities"]]
    compounds = max(len(communities), grids // 3)
    hands = workers - len(communities) - compounds
    if grids < len(communities):
        raise ValueError(f"{len(communities)} communities need at least as many grids, not {grids}")
    if hands < grids:
        least = grids + len(communities) + compounds
        raise ValueError(f"{grids} grids need at least {least} people (chiefs, leaders, one worker a grid)")
    tree = list(_grids(communities, compounds, grids, random))
    people = _People(random)
    for community in communities:
        people.add("chief", community["code"])
    for grid in tree:
        if grid["kind"] == "compound":
            people.add("leader", grid["code"])
    for grid, count in zip(tree, _shares(hands, len(tree)), strict=True):
        for _ in range(count):
            people.add("worker", grid["code"])
    return {
        "county": {**places["county"], "phone": _phone(900_000)},
        "streets": [{**s, "phone": _phone(900_001 + i)} for i, s in enumerate(places["streets"])],
        "grids": tree,
        "people": people.rows,
        "units": [{**u, "phone": _phone(800_000 + i)} for i, u in enumerate(units)],
    }


def _shares(total: int, parts: int) -> list[int]:
    """`total` in `parts` nearly equal whole parts."""
    return [(i + 1) * total // parts - i * total // parts for i in range(parts)]


def _grids(
    communities: Sequence[Mapping[str, Any]], compounds: int, grids: int, random: Random
) -> Iterator[dict[str, Any]]:
    buildings = iter(_shares(grids - compounds, compounds))
    for community, count in zip(communities, _shares(compounds, len(communities)), strict=True):
        for i in range(1, count + 1):
            code, name = f"{community['code']}-G{i:02d}", f"{community['name']}第{i}小区网格"
            yield _grid(code, name, "compound", community["code"], random)
            for j in range(1, next(buildings) + 1):
                yield _grid(f"{code}-B{j:02d}", f"{name[:-2]}{j}号楼网格", "building", code, random)


def _grid(code: str, name: str, kind: str, parent: str, random: Random) -> dict[str, Any]:
    return {
        "code": code,
        "name": name,
        "kind": kind,
        "parent": parent,
        "party_group": f"{name}党小组",
        "functions": [_FUNCTIONS[0], *random.sample(_FUNCTIONS[1:], 3)],
    }


class _People:
    def __init__(self, random: Random) -> None:
        self.rows: list[dict[str, Any]] = []
        self._random = random

    def add(self, role: str, grid: str) -> None:
        number = len(self.rows) + 1
        name = _name(self._random)
        row = {"id": f"p{number:05d}", "name": name, "role": role, "grid": grid, "phone": _phone(number)}
        self.rows.append(row)


def _name(random: Random) -> str:
    given = "".join(random.sample(_GIVEN, random.choice((1, 2))))
    return f"例{random.choice(_SURNAMES)}{given}"


class _Helpers:
    """Who and what there is beside the grids, drawn by chance of its own."""

    def __init__(self, document: Mapping[str, Any], random: Random, more: More) -> None:
        self._document, self._random, self._more = document, random, more
        self._streets = document["streets"]
        self._communities = [(s["code"], c) for s in self._streets for c in s["communities"]]

    def lists(self) -> dict[str, Any]:
        """The lists that a document may have beside the basic ones, and people and units with what they lacked."""
        mediators = list(self._mediators())
        out: dict[str, Any] = {
            "people": [self._with_means(p) for p in self._document["people"]],
            "units": [self._with_line(i, u) for i, u in enumerate(self._document["units"])],
            "committee": list(self._committee()),
            "cadres": list(self._cadres()),
            "volunteers": list(self._volunteers()),
            "mediators": mediators,
            "teams": list(self._teams(mediators)),
            "points": list(self._points()),
            "leave": [],
        }
        if self._more.roster:
            out["roster"] = list(self._roster(*self._more.roster))
        return out

    def _with_means(self, person: Mapping[str, Any]) -> dict[str, Any]:
        languages = self._random.choices(_LANGUAGES, (80, 8, 7, 5))[0]
        skills = self._random.sample(_SKILLS, self._random.choices((0, 1, 2), (60, 30, 10))[0])
        return {**person, "languages": list(languages)} | ({"skills": skills} if skills else {})

    def _with_line(self, i: int, unit: Mapping[str, Any]) -> dict[str, Any]:
        line = [
            {"name": _name(self._random), "post": post, "phone": _phone(700_000 + 2 * i + j)}
            for j, post in enumerate(("分管负责人", "主要负责人"))
        ]
        return {**unit, "escalation": line}

    def _committee(self) -> Iterator[dict[str, Any]]:
        units = [u for u in self._document["units"] if u["member"] != "none"]
        heads = [u for u in units if u["kind"] != "association"]
        groups = [u for u in self._document["units"] if u["kind"] == "association"]
        number = 0
        for street in self._streets:
            seats = [("convener", "", "街道党工委书记"), ("full_time", "", "街道党工委副书记")]
            seats += [("full_time", "", "街道组织委员")]
            seats += [
                ("part_time", u["code"], "主要负责人") for u in self._random.sample(heads, min(8, len(heads)))
            ]
            seats += [
                ("organisation", u["code"], "会长") for u in self._random.sample(groups, min(3, len(groups)))
            ]
            for seat, unit, post in seats:
                number += 1
                row = {
                    "id": f"dgw{number:03d}",
                    "name": _name(self._random),
                    "seat": seat,
                    "street": street["code"],
                    "post": post,
                    "phone": _phone(600_000 + number),
                }
                yield row | ({"unit": unit} if unit else {})

    def _helper(self, prefix: str, number: int, base: int, grid: str) -> dict[str, Any]:
        return {
            "id": f"{prefix}{number:05d}",
            "name": _name(self._random),
            "grid": grid,
            "phone": _phone(base + number),
            "skills": self._random.sample(_SKILLS, self._random.choice((1, 1, 2))),
            "languages": list(self._random.choices(_LANGUAGES, (80, 8, 7, 5))[0]),
            "hours": self._random.choice(_HELP_HOURS),
        }

    def _cadres(self) -> Iterator[dict[str, Any]]:
        """Spread over all grids, from all units in turn."""
        grids, units = self._document["grids"], self._document["units"]
        for i in range(self._more.cadres):
            row = self._helper("c", i + 1, 100_000, grids[i % len(grids)]["code"])
            yield row | ({"unit": units[i % len(units)]["code"]} if units else {})

    def _volunteers(self) -> Iterator[dict[str, Any]]:
        for i in range(self._more.volunteers):
            yield self._helper("v", i + 1, 200_000, self._communities[i % len(self._communities)][1]["code"])

    def _mediators(self) -> Iterator[dict[str, Any]]:
        for i in range(self._more.mediators):
            community = self._communities[i % len(self._communities)][1]["code"]
            row = self._helper("m", i + 1, 300_000, community)
            yield {**row, "skills": ["评理", *row["skills"]], "hours": "周一至周六 08:30-12:00、14:30-21:00"}

    def _teams(self, mediators: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        for street in self._streets:
            mine = [m["id"] for m in mediators if m["grid"].startswith(street["code"])][:9]
            if mine:
                name = f"例{street['name']}人民调解队"
                yield {
                    "code": f"T{street['code']}",
                    "name": name,
                    "place": street["code"],
                    "lead": mine[0],
                    "members": mine,
                    "skills": ["评理", "法律"],
                    "hours": "周一至周五 08:30-12:00、14:30-17:30",
                }

    def _points(self) -> Iterator[dict[str, Any]]:
        number = 0
        for i, street in enumerate(self._streets):
            number += 1
            yield self._point(number, i, 0, street["name"], street["code"], "")
            for j, community in enumerate(street["communities"]):
                if community["kind"] == "community":
                    number += 1
                    kind = 1 if j % 3 else 2
                    yield self._point(number, i, kind, community["name"], street["code"], community["code"])

    def _point(
        self, number: int, street: int, kind: int, name: str, street_code: str, community: str
    ) -> dict[str, Any]:
        lat, long = _SEATS[street % len(_SEATS)]
        row = {
            "code": f"SP{number:03d}",
            "name": f"例{name}{_KIND_NAMES[kind]}",
            "kind": _KINDS[kind],
            "lat": round(lat + self._random.uniform(-0.012, 0.012), 5),
            "long": round(long + self._random.uniform(-0.012, 0.012), 5),
            "services": list(_SERVICES[kind]),
            "hours": _POINT_HOURS[kind],
            "capacity": (6, 4, 8)[kind],
            "street": street_code,
            "address": f"例街{number}号",
        }
        return row | ({"community": community} if community else {})

    def _roster(self, first: str, last: str) -> Iterator[dict[str, Any]]:
        """The workers of each grid take the shifts in turn; leaders and chiefs are always to be reached."""
        taken: dict[str, int] = {}
        for person in self._document["people"]:
            if person["role"] == "worker":
                i = taken.get(person["grid"], 0)
                taken[person["grid"]] = i + 1
                name, spans = _SHIFTS[i % len(_SHIFTS)]
                yield {"who": person["id"], "from": first, "to": last, "spans": spans, "name": name}


def _phone(number: int) -> str:
    return f"000{number:08d}"
