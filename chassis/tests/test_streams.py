"""Server-sent events: what is told when, and how many may listen."""

from __future__ import annotations

import itertools

import pytest
from werkzeug.test import EnvironBuilder

from jiayuan.chassis.errors import Problem, Transient
from jiayuan.chassis.streams import Listeners, State
from jiayuan.chassis.web import Call


def asked(last: str = "") -> Call:
    return Call(EnvironBuilder(path="/feed", headers={"Last-Event-ID": last} if last else {}).get_environ())


def states(*ids: str) -> object:
    """A look that sees these states one after another, and then the last one again and again."""
    found = itertools.chain(ids, itertools.repeat(ids[-1]))
    return lambda: State(next(found), "board", {"text": "一\n二"})


def listeners(**options: float) -> Listeners:
    return Listeners("test", 2, **{"every": 0.0, "heartbeat": 3600.0, **options})


def test_a_state_is_told_when_it_is_another_one() -> None:
    body = iter(listeners().stream(asked(), states("a", "a", "b")).response)
    assert next(body) == b"retry: 3000\n\n"
    assert next(body) == 'id: a\nevent: board\ndata: {"text":"一\\n二"}\n\n'.encode()
    assert next(body).startswith(b"id: b\n")


def test_whoever_comes_back_is_not_told_what_it_knows() -> None:
    body = iter(listeners().stream(asked("a"), states("a", "a", "b")).response)
    next(body)
    assert next(body).startswith(b"id: b\n")


def test_while_nothing_changes_a_comment_says_that_it_lives() -> None:
    body = iter(listeners(heartbeat=0.0).stream(asked("a"), states("a")).response)
    next(body)
    assert next(body) == next(body) == b": \n\n"


def test_it_ends_after_its_life() -> None:
    body = listeners(life=0.0).stream(asked(), states("a")).response
    assert list(body) == [b"retry: 3000\n\n"]


def test_a_database_that_is_away_is_waited_for_and_another_failure_ends_it() -> None:
    def transient() -> State:
        if next(turns) == 0:
            raise Transient("away")
        return State("a", "board", {})

    turns = itertools.count()
    body = iter(listeners().stream(asked(), transient).response)
    next(body)
    assert next(body).startswith(b"id: a\n")

    def broken() -> State:
        raise ZeroDivisionError

    assert list(listeners().stream(asked(), broken).response) == [b"retry: 3000\n\n"]


def test_one_too_many_is_refused_until_another_goes() -> None:
    of = listeners()
    first, _ = of.stream(asked(), states("a")), of.stream(asked(), states("a"))
    with pytest.raises(Problem) as refused:
        of.stream(asked(), states("a"))
    assert refused.value.status == 503
    assert refused.value.headers["Retry-After"]
    # Also of a listener to whom nothing was ever written, and once only.
    first.response.close()
    first.response.close()
    of.stream(asked(), states("a"))
    with pytest.raises(Problem):
        of.stream(asked(), states("a"))
