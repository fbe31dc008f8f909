"""Spans of a tree that are scanned apart come to what one pass over all of it finds."""

from __future__ import annotations

import dataclasses
import itertools
from datetime import timedelta
from typing import Any

import pytest

from jiayuan.chassis import database
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.chassis.transaction import Transaction
from jiayuan.chassis.work import Work
from jiayuan.ledger import proving, scanning, verifying
from jiayuan.ledger.checkpoint import Signer
from jiayuan.ledger.scanning import Scan, Span
from jiayuan.ledger.store import inspection, leaves, trees
from jiayuan.ledger.verifying import Trust

pytestmark = pytest.mark.store

SIGNER = Signer.new("jiayuan.example/ledger")
_COUNT = itertools.count()


@pytest.fixture
def signed(opened: Opened) -> list[tuple[int, Any]]:
    """A tree of 1,400 leaves, signed at 300, 512, 1000 and 1400."""
    for count in (300, 212, 488, 400):
        with opened() as work:
            leaves.put(work, [{"leaf": "test/1", "n": next(_COUNT)} for _ in range(count)])
        with opened() as work:
            proving.publish(work, SIGNER, "test")
        opened.clock.time += timedelta(minutes=1)
    with opened() as work:
        return [(s.size, s.signed_at) for s in trees.get_checkpoints(work, 1)]


def scanned(opened: Opened, signed: list[tuple[int, Any]], parts: int) -> Scan:
    """All spans, put together."""
    whole = Scan()
    with opened() as work:
        tree = trees.get_tree(work)
        assert tree
        for span in scanning.spans(tree, signed, timedelta(minutes=15), SIGNER.macs(), parts):
            one = scanning.scan(work, span)
            whole.findings += one.findings
            whole.roots += one.roots
            whole.parts.update(one.parts)
            whole.leaves += one.leaves
            whole.size = one.size
    return whole


@pytest.mark.parametrize("spoilt", ["", "tile", "leaf", "gap"])
def test_parts_come_to_the_whole(
    opened: Opened, databases: Databases, signed: list[tuple[int, Any]], spoilt: str
) -> None:
    if spoilt:
        settings = dataclasses.replace(opened.settings, database_url=databases.admin(opened.url))
        changes = {
            "tile": (
                "tile",
                "UPDATE tile SET hashes = overlay(hashes PLACING '\\x00' FROM 65) WHERE number = 2",
            ),
            "leaf": ("leaf_document", "UPDATE leaf_document SET document = '{}'"),
            "gap": ("leaf", "DELETE FROM leaf WHERE index BETWEEN 500 AND 530"),
        }
        table, change = changes[spoilt]
        with Transaction(database.create(settings)) as transaction:
            work = Work(transaction, "ledger", opened.clock)
            work.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
            work.execute(change)
    one = scanned(opened, signed, 1)
    assert one.leaves == (1369 if spoilt == "gap" else 1400)
    assert bool(one.findings) is bool(spoilt)
    for parts in (2, 3, 6, 50):
        several = scanned(opened, signed, parts)
        if spoilt != "gap":  # one that crosses spans is told in each
            assert several == one


def test_processes_see_the_snapshot_and_nothing_later(opened: Opened, signed: list[tuple[int, Any]]) -> None:
    with opened() as work:
        inspection.begin(work)
        snapshot = inspection.export_snapshot(work)
        tree = trees.get_tree(work)
        assert tree
        with opened() as later:
            leaves.put(later, [{"leaf": "test/1", "n": next(_COUNT)}])
            proving.publish(later, SIGNER, "later")
        span = Span(tree, 0, 2000, signed, timedelta(), SIGNER.macs())
        assert scanning.scan_apart(opened.settings, snapshot, span).leaves == 1400


@pytest.mark.usefixtures("signed")
def test_several_processes_verify_what_one_does(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "_WORTH_IT", 100)
    trust = Trust([SIGNER.key], SIGNER.macs())
    with opened() as work:
        one = verifying.verify(work, trust)
    with opened() as work:
        two = verifying.verify(work, trust, opened.settings, 2)
    assert one == two
    assert (one.leaves, one.checkpoints, one.findings) == (1400, 4, [])
