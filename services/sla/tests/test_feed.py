"""The wallboard's feed: boards on PostgreSQL, and the stream through a real process."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from werkzeug.test import EnvironBuilder

from jiayuan.chassis import tokens
from jiayuan.chassis.errors import Problem
from jiayuan.chassis.testing import processes
from jiayuan.chassis.testing.brokers import Broker
from jiayuan.chassis.testing.databases import TOKEN_SECRET, Opened, WorkFor
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.web import Call
from jiayuan.contracts.times import iso
from jiayuan.sla import feed, handlers

Moment = Callable[[float], datetime]
STREET = "350921001"


@pytest.fixture
def open_work(work_for: WorkFor) -> Opened:
    return work_for("sla")


def take(opened: Opened, now: datetime, *events: Any) -> None:
    with opened(now=now) as work:
        handlers.case_changed(work, events)


@pytest.mark.store
def test_a_board_changes_with_what_is_on_it_and_not_with_the_time(
    open_work: Opened, life: Any, moment: Moment
) -> None:
    one = life("case-1", citizen=None, finish=None)
    take(open_work, moment(0), one.assign(0, "person-secret"))
    open_work.clock.time = moment(10)
    first = feed.board(open_work.runtime, STREET, 60)
    assert [(c["case"], c["kind"], c["light"]) for c in first.data["clocks"]] == [
        ("case-1", "response", "green")
    ]
    assert "person-secret" not in json.dumps(first.data)
    open_work.clock.time = moment(20)
    assert feed.board(open_work.runtime, STREET, 60).id == first.id
    assert feed.board(open_work.runtime, STREET, 1).data["clocks"] == []
    assert feed.board(open_work.runtime, "350921002", 60).data["clocks"] == []
    with open_work(now=moment(720)) as work:
        handlers.speak(work)
    open_work.clock.time = moment(721)
    yellow = feed.board(open_work.runtime, STREET, 60)
    assert yellow.data["clocks"][0]["light"] == "yellow"
    assert yellow.id != first.id
    take(open_work, moment(730), one.answer(725))
    assert feed.board(open_work.runtime, STREET, 60).data["clocks"] == []


@pytest.mark.store
def test_a_long_board_says_that_there_is_more(open_work: Opened, life: Any, moment: Moment) -> None:
    take(
        open_work,
        moment(0),
        *(life(f"c-{n}", citizen=None, finish=None).assign(0) for n in range(feed.SHOWN + 1)),
    )
    open_work.clock.time = moment(1)
    found = feed.board(open_work.runtime, STREET, 60)
    assert (len(found.data["clocks"]), found.data["more"]) == (feed.SHOWN, True)


@pytest.mark.store
def test_whose_board_it_is(open_work: Opened) -> None:
    def ask(who: Principal, **query: str) -> Any:
        call = Call(EnvironBuilder(path="/feed", query_string=query).get_environ())
        call.who = who
        answer = feed.feed(open_work.runtime, call)
        answer.response.close()
        return answer

    desk = Principal("d-1", ("desk",), STREET)
    assert ask(desk).content_type.startswith("text/event-stream")
    assert ask(Principal("c", ("county",)), street="350921002").status_code == 200
    for who, query, status in (
        (desk, {"street": "350921002"}, 403),
        (Principal("c", ("county",)), {}, 422),
        (desk, {"minutes": "0"}, 422),
    ):
        with pytest.raises(Problem) as refused:
            ask(who, **query)
        assert refused.value.status == status


# -- through a process -------------------------------------------------------------------------------


class Running(NamedTuple):
    address: str
    process: subprocess.Popen[bytes]
    opened: Opened


@pytest.fixture
def running(broker: Broker, open_work: Opened, tmp_path: Path) -> Iterator[Running]:
    settings = processes.settings("sla", broker, open_work.url)
    with processes.started("sla", settings, tmp_path / "sla.log") as it:
        yield Running(it.address, it.process, open_work)


def listen(address: str, last: str = "") -> Any:
    token = tokens.issue(TOKEN_SECRET, "wall-1", ("desk",), street=STREET)
    headers = {"Authorization": f"Bearer {token}", **({"Last-Event-ID": last} if last else {})}
    return urllib.request.urlopen(
        urllib.request.Request(f"{address}/feed?minutes=60", headers=headers), timeout=30
    )


def next_board(stream: Any) -> tuple[str, dict[str, Any]]:
    """The next event, whatever comments come before."""
    id_ = ""
    while line := stream.readline().decode():
        if line.startswith("id: "):
            id_ = line[4:].strip()
        elif line.startswith("data: "):
            return id_, json.loads(line[6:])
    raise AssertionError("the stream ended")


@pytest.mark.bus
def test_a_wallboard_sees_what_changes_while_it_listens(running: Running, life: Any) -> None:
    case = life("case-1", citizen=None, finish=None, response=1800)
    now = datetime.now(UTC)
    case.at = lambda second: iso(now + timedelta(seconds=second))
    with listen(running.address) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        empty, data = next_board(stream)
        assert data["clocks"] == []
        take(running.opened, now, case.assign(0))
        known, data = next_board(stream)
        assert [c["case"] for c in data["clocks"]] == ["case-1"]
        assert known != empty
        # Whoever comes back knowing it hears of the next change, and others are served meanwhile.
        with listen(running.address, known) as again:
            assert processes.ready(running.address)
            take(running.opened, now, case.answer(0.5))
            for one in (stream, again):
                gone, data = next_board(one)
                assert (gone, data["clocks"]) == (empty, [])
        # A process that is told to end doesn't wait for its listeners.
        running.process.terminate()
        assert running.process.wait(30) == 0
