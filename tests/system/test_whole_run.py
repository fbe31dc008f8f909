"""After everything that this folder's tests did (this file's name comes last): the five services agree about all
of it, and whoever a report was about is to be found in clear nowhere."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable

import pytest
from town import Town, everything_kept

from jiayuan.contracts.names import SERVICES

pytestmark = pytest.mark.system


_LIKELY = re.compile(r"(?=(1386719\d{4}|352225199\d{9}|000\d{8}|(?:欧阳|司徒|上官|诸葛)..))")


def _whose(town: Town) -> dict[str, str]:
    """What must not be found, and whose it is."""
    out = {}
    for n, person in enumerate(town.people):
        out |= {person.name: f"name {n}", person.phone: f"phone {n}", person.identity: f"identity {n}"}
        assert all(_LIKELY.fullmatch(v) or _LIKELY.match(v) for v in out)
    # Staff are known by name to staff, but nobody's number is.
    for person in (*town.directory["people"], *town.directory["units"]):
        out[person["phone"]] = f"phone of {person.get('id') or person['code']}"
    return out


def _found(town: Town, where: Iterable[tuple[str, str]]) -> set[str]:
    """Who was found where; never the value itself, since this is printed."""
    whose = _whose(town)
    found = set()
    for place, text in where:
        if "\\u" in text:
            text += re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text)
        found |= {f"{place}: {whose[v]}" for v in _LIKELY.findall(text) if v in whose}
    return found


def test_the_search_finds(town: Town) -> None:
    who = town.somebody()
    said = [
        ("a", f"请打{who.phone}"),
        ("b", json.dumps(who.name)),
        ("c", f'"{who.name}"'),
        ("d", who.identity),
    ]
    assert {f.partition(":")[0] for f in _found(town, said)} == set("abcd")


@pytest.fixture(scope="module")
def known(town: Town, towns: list[Town]) -> list[Town]:
    """The towns, after one more report in which everything is said that can be."""
    who = town.somebody()
    town.report(
        f"我叫{who.name}，龙津社区听雨街路灯坏了，请打 {who.phone} 或＋８６－{who.phone}，我的身份证是{who.identity}",
        title=f"{who.name}反映路灯坏了 {who.phone}",
        place={"text": f"听雨街3号，到了打{who.phone}"},
        contact=who.contact,
    )
    town.settled()
    return towns


def test_the_five_services_agree(known: list[Town]) -> None:
    for town in known:
        books = town.settled()
        assert len(books.reports) == sum(town.account.sent.values())
        assert len({r["report"] for r in books.case_reports}) == len(books.reports)


def test_no_person_in_a_log(known: list[Town]) -> None:
    for town in known:
        logs = sorted(town.folder.glob("*.log"))
        assert {log.name.split("-")[0] for log in logs} == set(SERVICES)
        read = [(log.name, log.read_text(errors="replace")) for log in logs]
        assert all(text for _, text in read)
        assert _found(town, read) == set()


def test_no_person_on_the_bus(known: list[Town]) -> None:
    for town in known:
        events = town.listener.events()
        assert len(events) > 10
        assert _found(town, ((e.name, e.body.decode()) for e in events)) == set()


@pytest.mark.parametrize("service", SERVICES)
def test_no_person_in_a_database(known: list[Town], service: str) -> None:
    for town in known:
        tables = Counter(table for table, _ in everything_kept(town.cluster.database_urls[service]))
        assert tables["alembic_version"] == 1
        assert _found(town, everything_kept(town.cluster.database_urls[service])) == set()
