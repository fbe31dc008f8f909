"""What is put beside each posting, on a real PostgreSQL: the same bytes that the database gives back later."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from jiayuan.chassis.delivery import Message
from jiayuan.chassis.testing.databases import Opened, WorkFor, round_trips
from jiayuan.contracts import names
from jiayuan.contracts.envelope import Event, decode, encode
from jiayuan.ledger import leaf, store
from jiayuan.ledger.store import leaves
from jiayuan.ledger.store.leaves import PACKED
from jiayuan.ledger.verify import leaf_hash

pytestmark = pytest.mark.store

GOLDEN = Path(__file__).parents[3] / "contracts" / "golden"


@pytest.fixture
def opened(work_for: WorkFor) -> Opened:
    """A ledger with an empty account."""
    return work_for("ledger")


def take(opened: Opened, events: Sequence[Event]) -> None:
    """Delivers events as one batch."""
    messages = [Message(encode(e), names.CONTENT_TYPE, names.EVENTS_EXCHANGE, e.routing_key) for e in events]
    opened.deliveries.take(messages)


def waiting(opened: Opened) -> dict[tuple[str, int], bytes]:
    """The leaves that wait: their hashes by what they are of."""
    with opened() as work:
        packed = work.execute("SELECT hash_id, leaves FROM waiting_leaf ORDER BY id")
    assert {row.hash_id for row in packed} <= {"sha256"}
    found = [one for row in packed for one in PACKED.iter_unpack(bytes(row.leaves))]
    out = {(str(uuid.UUID(bytes=id_)), number): hash_ for id_, number, hash_ in found}
    assert len(out) == len(found)
    return out


def postings(opened: Opened) -> list[dict[str, Any]]:
    """All postings with their texts."""
    with opened() as work:
        rows = work.execute(
            "SELECT p.*, t.salt, t.words, t.reporters FROM posting p "
            "LEFT JOIN posting_text t USING (entry_id, number) ORDER BY entry_id, number"
        )
        return [dict(row) for row in rows.mappings()]


def test_every_posting_waits_with_the_hash_of_its_row(opened: Opened) -> None:
    events = [
        decode(path.read_bytes(), names.CONTENT_TYPE)
        for folder in sorted([*GOLDEN.glob("case.*"), GOLDEN / "clock.breached"])
        for path in sorted(folder.glob("*.json"))
    ]
    take(opened, events)
    rows = postings(opened)
    assert len(rows) > 10
    assert waiting(opened) == {
        (row["entry_id"], row["number"]): leaf_hash(leaves.leaf_of(row)) for row in rows
    }


def test_free_text_is_beside_the_leaf_with_its_salt(opened: Opened, stories: Any) -> None:
    story = stories.Story(title="找王师傅修灯")
    story.case["reports"][0]["reporter"] = "pseudonym-1"
    story.case["grid"] = "350921001001-07"
    story.step("case.opened")
    story.assign()
    take(opened, [*story.events, story.step("case.returned", reason="李主任说不归我们管")])
    opening, handed, returned = postings(opened)
    assert handed["words"] is handed["text_digest"] is None
    apart = {"title": "找王师傅修灯", "grid": "350921001001-07"}
    for row, words in ((opening, apart), (returned, {"reason": "李主任说不归我们管"})):
        assert (row["words"], row["reporters"]) == (words, ["pseudonym-1"])
        assert row["text_digest"] == leaf.text_digest(bytes(row["salt"]), words, "sha256")
        assert not any(said in leaves.leaf_of(row).decode() for said in words.values())
    assert opening["salt"] != returned["salt"]


def test_putting_leaves_is_no_round_trip_of_its_own(opened: Opened, stories: Any) -> None:
    take(opened, stories.usual(stories.Story()).events)
    with round_trips() as asked, opened() as work:
        leaves.put(work, [{"leaf": "closing/1", "period": "2026"}])
    assert len(asked) == 1


def test_documents_are_leaves_and_kept(opened: Opened) -> None:
    documents = [{"leaf": "closing/1", "period": "2026", "figures": {"open": 3}}, {"leaf": "erasure/1"}]
    with opened() as work:
        ids = leaves.put(work, documents)
    assert waiting(opened) == {
        (id_, 0): leaf_hash(leaf.encode(d)) for id_, d in zip(ids, documents, strict=True)
    }
    with opened.engine.connect() as conn:
        kept = {str(r[0]): r[1] for r in conn.execute(text("SELECT id, document FROM leaf_document"))}
    assert kept == dict(zip(ids, documents, strict=True))


def test_a_document_names_its_type(opened: Opened) -> None:
    with pytest.raises(ValueError, match="as in closing/1"), opened() as work:
        leaves.put(work, [{"period": "2026"}])
    assert waiting(opened) == {}


def test_what_is_rolled_back_leaves_nothing_waiting(opened: Opened) -> None:
    def fail() -> None:
        with opened() as work:
            leaves.put(work, [{"leaf": "closing/1"}])
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert waiting(opened) == {}
    with opened() as work:
        assert store.leaves.hash_of(work) == "sha256"
