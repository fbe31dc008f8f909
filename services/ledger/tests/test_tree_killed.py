"""Processes that append and sign are killed in the middle of it, again and again: the tree is whole every time."""

from __future__ import annotations

import dataclasses
import itertools
import os
import signal
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from jiayuan.chassis.testing.databases import Opened
from jiayuan.chassis.testing.processes import until
from jiayuan.ledger import proving, verifying
from jiayuan.ledger.checkpoint import Signer
from jiayuan.ledger.proving import ProofSettings
from jiayuan.ledger.store import leaves, trees
from jiayuan.ledger.verify import root_of
from jiayuan.ledger.verifying import Trust

pytestmark = [pytest.mark.store, pytest.mark.filterwarnings("ignore:Using fork")]

SIGNER = Signer.new("jiayuan.example/ledger")
PROCESSES = 2


def _work(url: str) -> None:
    """Writes, appends and signs as fast as it can."""
    opened = Opened("ledger", url)
    assert isinstance(opened.settings, ProofSettings)
    settings = dataclasses.replace(opened.settings, checkpoint_interval=0.0)
    for n in itertools.count():
        count = 1 + n * 37 % 190
        with opened() as work:
            leaves.put(work, [{"leaf": "test/1", "by": os.getpid(), "n": n, "i": i} for i in range(count)])
        with opened() as work:
            proving.turn(work, SIGNER, settings)


class Child:
    """A process of its own, forked so that it is there at once; it has connections of its own."""

    def __init__(self, url: str, log: Path) -> None:
        self.pid = os.fork()
        if not self.pid:
            try:
                _work(url)
            except BaseException:  # noqa: BLE001  told to the test
                log.write_text(traceback.format_exc(), encoding="utf-8")
            finally:
                os._exit(1)

    def kill(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0


@pytest.fixture
def children(opened: Opened, tmp_path: Path) -> Iterator[list[Child]]:
    made = [Child(opened.url, tmp_path / "child.log") for _ in range(PROCESSES)]
    yield made
    for child in made:
        child.kill()


@pytest.mark.parametrize("kills", [6, pytest.param(300, marks=pytest.mark.chaos_long)])
def test_killed_while_it_appends_and_signs_the_tree_is_whole(
    opened: Opened, children: list[Child], tmp_path: Path, kills: int
) -> None:
    def one(sql: str) -> int:
        with opened.engine.connect() as conn:
            return int(conn.execute(text(sql)).scalar_one())

    # Whoever holds the tree's lock is in the middle of appending or signing; the last statement tells which.
    midway = (
        "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE locktype = 'advisory' AND granted "
        "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    caught = grown = 0
    for round_ in range(kills):
        before = grown
        grown = until(
            lambda b=before: (n := one("SELECT count(*) FROM leaf")) > b and n, "the tree has grown since"
        )
        caught += until(lambda: one(midway), "somebody is at the tree")
        victim = round_ % PROCESSES
        children[victim].kill()
        children[victim] = Child(opened.url, tmp_path / "child.log")
        if round_ % 5 == 4:
            _whole(opened)
    for child in children:
        child.kill()
    assert caught
    until(lambda: not one(midway), "nobody is at the tree any more")
    with opened() as work:
        proving.publish(work, SIGNER, "after the kills")
    _whole(opened)
    # Everything that was committed is in the tree, once, and nothing else.
    assert one("SELECT count(*) FROM waiting_leaf") == 0
    assert one("SELECT count(*) FROM leaf_document") == one("SELECT count(*) FROM leaf")
    assert one("SELECT count(DISTINCT entry_id) FROM leaf") == one("SELECT max(index) + 1 FROM leaf")
    assert not (tmp_path / "child.log").exists()
    with opened() as work:
        hashes = [bytes(r[0]) for r in work.execute("SELECT hash FROM leaf ORDER BY index")]
        last = trees.last_checkpoint(work)
    assert last
    assert last.root == root_of(hashes)


def _whole(opened: Opened) -> None:
    with opened() as work:
        result = verifying.verify(work, Trust([SIGNER.key], SIGNER.macs()))
    assert result.findings == []
