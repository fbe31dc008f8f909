"""The tree on a real PostgreSQL: it grows by whoever holds its lock, is signed, and its proofs hold for outsiders."""

from __future__ import annotations

import dataclasses
import itertools
import random
import threading
import uuid
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from jiayuan.chassis import database
from jiayuan.chassis.delivery import Message
from jiayuan.chassis.errors import Problem, StartError
from jiayuan.chassis.testing.databases import Databases, Opened, round_trips
from jiayuan.chassis.transaction import Transaction
from jiayuan.chassis.work import Work
from jiayuan.contracts import names
from jiayuan.contracts.envelope import encode
from jiayuan.ledger import leaf, proving, store, tree
from jiayuan.ledger.checkpoint import Signer
from jiayuan.ledger.proving import ProofSettings
from jiayuan.ledger.store import leaves, trees
from jiayuan.ledger.store.trees import Waiting
from jiayuan.ledger.verify import (
    Invalid,
    check_checkpoint,
    check_consistency,
    check_inclusion,
    leaf_hash,
    root_of,
)

pytestmark = pytest.mark.store

SIGNER = Signer.new("jiayuan.example/ledger")
_COUNT = itertools.count()


@pytest.fixture
def other(opened: Opened) -> Iterator[Opened]:
    """Another replica on the same database."""
    replica = Opened("ledger", opened.url)
    yield replica
    replica.close()


def settings(opened: Opened, **changed: Any) -> ProofSettings:
    found = dataclasses.replace(opened.settings, **changed)
    assert isinstance(found, ProofSettings)
    return found


def put(opened: Opened, count: int) -> None:
    """Documents that wait, each another one."""
    with opened() as work:
        leaves.put(work, [{"leaf": "test/1", "n": next(_COUNT)} for _ in range(count)])


def turn(opened: Opened, **changed: Any) -> bool:
    with opened() as work:
        return proving.turn(work, SIGNER, settings(opened, **changed))


def hashes(opened: Opened, tree: int = 1) -> list[bytes]:
    """The leaves' hashes in their order; their indexes have no gap."""
    with opened() as work:
        rows = work.execute("SELECT index, hash FROM leaf WHERE tree = :tree ORDER BY index", tree=tree)
    assert [r.index for r in rows] == list(range(len(rows)))
    return [bytes(r.hash) for r in rows]


def signed(opened: Opened) -> list[trees.Signed]:
    with opened() as work:
        return trees.get_checkpoints(work, 1)


def test_what_waits_gets_into_the_tree_and_is_signed(opened: Opened, stories: Any) -> None:
    story = stories.usual(stories.Story())
    messages = [
        Message(encode(e), names.CONTENT_TYPE, names.EVENTS_EXCHANGE, e.routing_key) for e in story.events
    ]
    opened.deliveries.take(messages)
    put(opened, 2)
    assert turn(opened) is False
    with opened() as work:
        keys = work.execute("SELECT entry_id, number FROM leaf ORDER BY index")
        stored = leaves.leaves_of(work, [tuple(k) for k in keys])
        assert work.execute("SELECT count(*) FROM waiting_leaf").scalar() == 0
    assert [number for _, number in keys] == [1, 2, 3, 4, 5, 6, 0, 0]
    assert hashes(opened) == [leaf_hash(stored[tuple(k)]) for k in keys]
    (found,) = signed(opened)
    checkpoint = check_checkpoint(found.note, [SIGNER.key], "jiayuan.example/ledger")
    assert (checkpoint.size, checkpoint.root, checkpoint.hash_id) == (8, root_of(hashes(opened)), "sha256")
    assert (found.number, found.why) == (1, "interval")


def test_a_turn_without_work_is_one_round_trip(opened: Opened) -> None:
    put(opened, 1)
    turn(opened)
    with round_trips() as asked:
        turn(opened)
    assert len(asked) == 2  # with the end of its transaction


def test_it_is_signed_at_its_interval_and_only_when_it_has_grown(opened: Opened) -> None:
    put(opened, 3)
    turn(opened, checkpoint_interval=60.0)
    put(opened, 3)
    turn(opened, checkpoint_interval=60.0)
    assert [s.size for s in signed(opened)] == [3]
    opened.clock.time += timedelta(seconds=60)
    turn(opened, checkpoint_interval=60.0)
    opened.clock.time += timedelta(seconds=600)
    turn(opened, checkpoint_interval=60.0)
    assert [s.size for s in signed(opened)] == [3, 6]


def test_tiles_are_kept_as_they_become_complete(opened: Opened) -> None:
    for count in (200, 56, 1, 300, 480):
        put(opened, count)
        turn(opened, checkpoint_interval=0.0)
    found = hashes(opened)
    with opened() as work:
        tiles = work.execute("SELECT level, number, hashes, root FROM tile ORDER BY level, number")
    assert [(t.level, t.number) for t in tiles] == [(0, n) for n in range(4)]
    assert b"".join(bytes(t.hashes) for t in tiles) == b"".join(found[:1024])
    assert [bytes(t.root) for t in tiles] == [root_of(found[n : n + 256]) for n in range(0, 1024, 256)]
    assert [s.size for s in signed(opened)] == [200, 256, 257, 557, 1037]
    for s in signed(opened):
        assert s.root == root_of(found[: s.size])


def test_a_proof_reads_the_tiles_it_needs_and_no_others(opened: Opened, databases: Databases) -> None:
    size = 70_000
    filling = [Waiting(uuid.UUID(int=n).bytes, 0, sha256(b"%d" % n).digest(), "sha256") for n in range(size)]
    with opened() as work:
        of = trees.add_tree(work, 1, "sha256", "jiayuan.example/ledger")
        trees.add_leaves(work, of, filling, [b"-"] * size)
        trees.add_tiles(work, 1, list(tree.grow(0, [w.hash for w in filling], {}, "sha256")))
    by_hand = dataclasses.replace(opened.settings, database_url=databases.admin(opened.url))
    with Transaction(database.create(by_hand)) as transaction:
        transaction.execute("ANALYZE tile, leaf", {})
    for index in (0, 65_535, size - 1):
        needed = tree.tiles_of(tree.inclusion_spans(index, size))
        complete = sum(tree.is_complete(tile, size) for tile in needed)
        below = sum(tree.width_of(tile, size) for tile in needed if not tree.is_complete(tile, size))
        with opened() as work:
            assert trees.get_tree(work) == of._replace(size=size)
            before = rows_read(work)
            proof = proving.inclusion(work, of._replace(size=size), index, size)
            assert rows_read(work) - before == complete + below
        check_inclusion(filling[index].hash, index, size, proof, root_of([w.hash for w in filling]), "sha256")


def rows_read(work: Work) -> int:
    """Rows of tiles and leaves that this transaction has read, by an index or without."""
    return int(
        work.execute(
            "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables "
            "WHERE relname IN ('tile', 'leaf')"
        ).scalar_one()
    )


def test_proofs_hold_for_whoever_has_the_public_key(opened: Opened) -> None:
    for count in (300, 400):
        put(opened, count)
        turn(opened, checkpoint_interval=0.0)
    found = hashes(opened)
    old, new = signed(opened)
    with opened() as work:
        of = trees.get_tree(work)
        assert of is not None
        for index in (0, 255, 256, 299, 300, 699):
            proof = proving.inclusion(work, of, index, new.size)
            check_inclusion(found[index], index, new.size, proof, new.root)
        early = proving.inclusion(work, of, 299, old.size)
        check_inclusion(found[299], 299, old.size, early, old.root)
        proof = proving.consistency(work, of, old.size, new.size)
    check_consistency(old.size, old.root, new.size, new.root, proof)


def test_the_proof_of_a_posting_is_one_document(opened: Opened, stories: Any) -> None:
    story = stories.usual(stories.Story())
    opened.deliveries.take(
        [Message(encode(e), names.CONTENT_TYPE, names.EVENTS_EXCHANGE, e.routing_key) for e in story.events]
    )
    with opened() as work:
        (entry,) = store.find_entries(work, case=story.id, street=None, year=None, after=None, limit=1)
        with pytest.raises(Problem) as raised:
            proving.proof_document(work, entry.id, 2)
        assert raised.value.status == 409
    turn(opened)
    with opened() as work:
        document = proving.proof_document(work, entry.id, 2)
        with pytest.raises(Problem) as raised:
            proving.proof_document(work, entry.id, 7)
        assert raised.value.status == 404
    checkpoint = check_checkpoint(document["checkpoint"], [SIGNER.key])
    hash_ = leaf_hash(leaf.encode(document["leaf"]))
    proof = [bytes.fromhex(p) for p in document["proof"]]
    check_inclusion(hash_, document["index"], checkpoint.size, proof, checkpoint.root)
    assert (document["leaf"]["entry_id"], document["leaf"]["number"]) == (entry.id, 2)
    assert orjson.loads(orjson.dumps(document)) == document


def test_a_leaf_without_a_hash_or_with_another_algorithms_is_computed_again(opened: Opened) -> None:
    """As the migration leaves postings that were there before, and a process that doesn't know of the new tree."""
    with opened() as work:
        ids = leaves.put(work, [{"leaf": "test/1"}, {"leaf": "test/2"}])
    turn(opened, tree_hash="sm3")
    with opened() as work:
        stored = leaves.leaves_of(work, [(i, 0) for i in ids])
    assert hashes(opened) == [leaf_hash(stored[i, 0], "sm3") for i in ids]
    assert check_checkpoint(signed(opened)[0].note, [SIGNER.key]).hash_id == "sm3"


def test_what_somebody_put_twice_by_hand_holds_up_nothing(opened: Opened) -> None:
    with opened() as work:
        (first,) = leaves.put(work, [{"leaf": "test/1", "n": 1}])
        leaves._wait(
            work, "", [(leaves.Key(first, 0), bytes(32)), (leaves.Key(str(uuid.uuid4()), 0), bytes(32))]
        )
    opened.runtime.settings = settings(opened, signing_key=SIGNER.text())
    assert proving.grow(opened.runtime) is False
    put(opened, 2)
    with opened() as work:
        leaves._wait(work, "", [(leaves.Key(first, 0), bytes(32))])
    assert proving.grow(opened.runtime) is False
    assert len(hashes(opened)) == 3
    with opened() as work:
        assert trees.backlog(work) == 0


def test_one_sequencer_at_a_time(opened: Opened, other: Opened) -> None:
    put(opened, 5)
    with opened() as work:
        assert trees.try_lock(work)
        assert turn(other) is False
        assert hashes(other) == []
    turn(other)
    assert len(hashes(opened)) == 5


def test_two_replicas_and_many_writers_leave_no_gap_and_lose_nothing(opened: Opened, other: Opened) -> None:
    chance = random.Random(3)
    sizes = {o: [chance.randint(1, 90) for _ in range(15)] for o in (opened, other)}
    failed: list[BaseException] = []
    done = threading.Event()

    def write(replica: Opened) -> None:
        try:
            for size in sizes[replica]:
                put(replica, size)
        except BaseException as error:  # noqa: BLE001  told to the test
            failed.append(error)

    def grow(replica: Opened) -> None:
        try:
            while not done.is_set():
                turn(replica, checkpoint_interval=0.0)
        except BaseException as error:  # noqa: BLE001  told to the test
            failed.append(error)

    writers = [threading.Thread(target=write, args=(o,)) for o in sizes]
    growers = [threading.Thread(target=grow, args=(o,)) for o in sizes]
    for thread in writers + growers:
        thread.start()
    for thread in writers:
        thread.join(timeout=60)
    done.set()
    for thread in growers:
        thread.join(timeout=60)
    turn(opened, checkpoint_interval=0.0)
    assert failed == []
    found = hashes(opened)
    assert len(found) == len(set(found)) == sum(map(sum, sizes.values()))
    checkpoints = signed(opened)
    assert [s.number for s in checkpoints] == list(range(1, len(checkpoints) + 1))
    for s in checkpoints:
        assert s.root == root_of(found[: s.size])
    with opened() as work:
        tiles = work.execute("SELECT hashes FROM tile WHERE level = 0 ORDER BY number")
    assert b"".join(bytes(t.hashes) for t in tiles) == b"".join(found[: len(found) // 256 * 256])


def test_a_late_commit_is_not_passed_over(opened: Opened, other: Opened) -> None:
    with opened() as work:
        leaves.put(work, [{"leaf": "test/1", "late": True}])
        work.execute("SELECT 1")
        put(other, 3)
        turn(other)
        assert len(hashes(other)) == 3
    turn(other)
    assert len(hashes(other)) == 4


def test_a_publication_signs_what_it_has_just_put(opened: Opened) -> None:
    put(opened, 4)
    with opened() as work:
        leaves.put(work, [{"leaf": "closing/1", "period": "2026"}])
        made = proving.publish(work, SIGNER, "account 2026")
    assert (made.size, made.why) == (5, "account 2026")
    assert [s.note for s in signed(opened)] == [made.note]
    with pytest.raises(ValueError, match="what is published"), opened() as work:
        proving.publish(work, SIGNER, "interval")


def test_another_algorithm_is_another_tree_that_names_the_old_ones_end(opened: Opened) -> None:
    put(opened, 3)
    turn(opened, checkpoint_interval=3600.0)
    put(opened, 2)
    with pytest.raises(Invalid), opened() as work:
        proving.change_hash(work, SIGNER, "sha256")
    with opened() as work:
        new = proving.change_hash(work, SIGNER, "sm3")
    assert (new.id, new.hash_id, new.origin) == (2, "sm3", "jiayuan.example/ledger/2")
    end = signed(opened)[-1]
    assert (end.size, len(hashes(opened, 1))) == (5, 5)
    put(opened, 2)
    turn(opened)
    with opened() as work:
        (last,) = trees.get_checkpoints(work, 2)
        first = work.execute(
            "SELECT document FROM leaf_document d JOIN leaf l ON l.entry_id = d.id WHERE tree = 2 AND index = 0"
        ).scalar()
    assert first == {"leaf": "tree/1", "tree": 2, "previous": {"tree": 1, "checkpoint": end.note}}
    checkpoint = check_checkpoint(last.note, [SIGNER.key], "jiayuan.example/ledger/2")
    assert checkpoint.root == root_of(hashes(opened, 2), "sm3")
    assert (checkpoint.hash_id, checkpoint.size) == ("sm3", 3)


def test_without_a_key_nothing_starts_that_should_sign(opened: Opened) -> None:
    for changed, said in (
        ({}, "signing_key is missing"),
        ({"signing_key": "nothing"}, "a signing key is"),
        ({"signing_key": SIGNER.text(), "tree_hash": "md5"}, "sha256 or sm3"),
    ):
        with pytest.raises(StartError, match=said) as raised:
            proving.signer_of(settings(opened, **changed))
        assert raised.value.code == 3
    assert proving.signer_of(settings(opened, signing_key=SIGNER.text())) == SIGNER


def test_the_gauges_tell_what_waits_and_what_is_unsigned(opened: Opened) -> None:
    def told() -> list[float]:
        with opened() as work:
            proving.measure(work)
        gauges = (proving.WAITING, proving.LEAVES, proving.UNSIGNED)
        return [gauge.labels("ledger")._value.get() for gauge in gauges]

    assert told() == [0, 0, 0]
    put(opened, 5)
    assert told() == [5, 0, 0]
    turn(opened)
    opened.clock.time += timedelta(seconds=30)
    assert told() == [0, 5, 0]
    put(opened, 2)
    turn(opened, checkpoint_interval=3600.0)
    assert told() == [0, 7, 30]


def test_the_public_key_is_told(opened: Opened) -> None:
    put(opened, 1)
    turn(opened)
    with opened() as work:
        assert [key for key, _ in trees.keys(work)] == [str(SIGNER.key)]
    with opened.engine.connect() as conn:
        everything = conn.execute(text("SELECT string_agg(note, '') FROM checkpoint")).scalar()
    assert SIGNER.seed.hex() not in everything
