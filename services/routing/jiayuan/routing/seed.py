"""An invented directory at a real scale: real streets and communities, invented grids and people. Pure.

Every invented name begins with 例 and every phone number with 000, which no line has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, Final

_SURNAMES: Final = "陈林黄张吴李王郑刘苏叶杨蔡许谢郭何周徐邱曾洪江高方雷余罗赵钟"
_GIVEN: Final = "安平宁和清明远志诚信海山松竹梅兰春秋晓晴雨雪静芳秀英文武勇健康乐欣怡思源"
_FUNCTIONS: Final = ("党建", "综治", "民政", "应急", "城管", "人社", "卫健", "消防")


def seed(
    places: Mapping[str, Any], units: Sequence[Mapping[str, Any]], grids: int, workers: int, number: int = 1
) -> dict[str, Any]:
    """A directory document. `grids`: compounds and buildings together; `workers`: all people of the grids.

    Every community has a chief, every compound grid a leader, and the others are the workers, spread evenly.
    The same `number` gives the same document. ValueError when there are too few for that.
    """
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
        given = "".join(self._random.sample(_GIVEN, self._random.choice((1, 2))))
        name = f"例{self._random.choice(_SURNAMES)}{given}"
        row = {"id": f"p{number:05d}", "name": name, "role": role, "grid": grid, "phone": _phone(number)}
        self.rows.append(row)


def _phone(number: int) -> str:
    return f"000{number:08d}"
