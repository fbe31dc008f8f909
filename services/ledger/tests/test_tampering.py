"""The tamper matrix: what a superuser with silenced triggers does, and that the first bad entry is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from jiayuan.chassis import database
from jiayuan.chassis.clock import SetClock
from jiayuan.chassis.delivery import Message
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.chassis.transaction import Transaction
from jiayuan.chassis.work import Work
from jiayuan.contracts import names
from jiayuan.contracts.envelope import encode
from jiayuan.contracts.times import iso
from jiayuan.ledger import checkpoint as checkpoints
from jiayuan.ledger import closings, proving, store, verifying
from jiayuan.ledger.checkpoint import Signer
from jiayuan.ledger.closing import digest_of, period_of
from jiayuan.ledger.leaf import text_digest
from jiayuan.ledger.proving import ProofSettings
from jiayuan.ledger.store import inspection, leaves, tables, trees
from jiayuan.ledger.tree import grow
from jiayuan.ledger.verify import leaf_hash, root_of
from jiayuan.ledger.verifying import Finding, Trust

pytestmark = pytest.mark.store

SIGNER = Signer.new("jiayuan.example/ledger")
OTHER = Signer.new("jiayuan.example/ledger")
STORIES = 52
SIZES = (120, 240, 313)
"""Leaves at each checkpoint; the tiles end at 256."""


@pytest.fixture(scope="module")
def books(databases: Databases, stories: Any) -> Iterator[Opened]:
    """52 cases of six postings and one document, signed at three sizes."""
    opened = Opened("ledger", databases.fresh("ledger"))
    assert isinstance(opened.settings, ProofSettings)
    settings = replace(opened.settings, checkpoint_interval=0.0)
    told = [stories.usual(stories.Story(title=f"例{n}号楼路灯不亮")) for n in range(STORIES)]
    events = [e for s in told for e in s.events]
    size = 0
    for end in SIZES:
        part = events[size : min(end, len(events))]
        opened.deliveries.take(
            [Message(encode(e), names.CONTENT_TYPE, names.EVENTS_EXCHANGE, e.routing_key) for e in part]
        )
        if end == SIZES[-1]:
            with opened() as work:
                closings.ask(work, period_of("2025"), "county-1", "年终结账")
        with opened() as work:
            proving.turn(work, SIGNER, settings)
        opened.clock.time += timedelta(hours=1)
        size = end
    with opened() as work:
        assert tuple(s.size for s in trees.get_checkpoints(work, 1)) == SIZES
    yield opened
    opened.close()
    databases.forget(opened.url)


class Hand:
    """A superuser's hand in one copy."""

    def __init__(self, work: Work, clock: SetClock) -> None:
        self.work, self.clock = work, clock
        inspection.begin(work)
        for table in (*tables.APPEND_ONLY, tables.closing):
            work.execute(f"ALTER TABLE {table.name} DISABLE TRIGGER ALL")

    def do(self, *statements: str, **parameters: Any) -> None:
        for statement in statements:
            self.work.execute(statement, **parameters)

    def key_at(self, index: int) -> tuple[str, int]:
        row = self.work.execute("SELECT entry_id, number FROM leaf WHERE index = :index", index=index).one()
        return row[0], row[1]

    def edit(self, index: int, sets: str = "note = '办结（改）'") -> None:
        """Changes the posting that a leaf is of."""
        self.do(
            f"UPDATE posting SET {sets} WHERE (entry_id, number) = "
            f"(SELECT entry_id, number FROM leaf WHERE index = {index})"
        )

    def rehash(self, index: int) -> None:
        """Computes a leaf's hash again from what is stored."""
        key = self.key_at(index)
        stored = leaves.leaves_of(self.work, [key])[key]
        self.do(
            "UPDATE leaf SET hash = :hash WHERE index = :index",
            hash=leaf_hash(stored),
            index=index,
        )

    def rebuild(self) -> None:
        """Computes every hash above the leaves again: tiles and the roots in checkpoints' rows, but no signature."""
        hashes = [bytes(r[0]) for r in self.work.execute("SELECT hash FROM leaf ORDER BY index")]
        self.do("DELETE FROM tile")
        trees.add_tiles(self.work, 1, list(grow(0, hashes, {}, "sha256")))
        for size in SIZES:
            self.do(
                "UPDATE checkpoint SET root = :root WHERE size = :size",
                root=root_of(hashes[:size]),
                size=size,
            )

    def renumber(self) -> None:
        """Closes gaps of the leaves' indexes."""
        self.do(
            "UPDATE leaf SET index = -1 - l.n FROM "
            "(SELECT index, row_number() OVER (ORDER BY index) - 1 AS n FROM leaf) AS l WHERE leaf.index = l.index",
            "UPDATE leaf SET index = -1 - index",
        )

    def look(self, *, marked: bool = True, known: Sequence[str] = (), hours: int = 0) -> list[Finding]:
        self.work.now = self.clock.now() + timedelta(hours=hours)
        macs = SIGNER.macs() if marked else None
        return verifying.verify(self.work, Trust([SIGNER.key], macs, known)).findings


@pytest.fixture(scope="module")
def admin(books: Opened, databases: Databases) -> Iterator[Engine]:
    """The same database in the hands of a superuser."""
    engine = database.create(replace(books.settings, database_url=databases.admin(books.url)))
    yield engine
    engine.dispose()


@pytest.fixture
def hand(books: Opened, admin: Engine) -> Iterator[Hand]:
    """A superuser's transaction, in which everything is undone at the end."""
    with Transaction(admin) as transaction:
        yield Hand(Work(transaction, "ledger", books.clock), books.clock)
        transaction.rollback()


def delete_posting(hand: Hand, index: int) -> None:
    hand.do(
        f"DELETE FROM posting WHERE (entry_id, number) = (SELECT entry_id, number FROM leaf WHERE index = {index})"
    )


def swap(hand: Hand, one: int, two: int) -> None:
    """Two leaves change places, with what they are of."""
    hand.do(
        f"UPDATE leaf SET index = -1 WHERE index = {one}",
        f"UPDATE leaf SET index = {one} WHERE index = {two}",
        f"UPDATE leaf SET index = {two} WHERE index = -1",
    )


# -- each way of tampering -------------------------------------------------------------------------------


def test_untouched_books_are_as_they_were_signed(hand: Hand) -> None:
    assert hand.look() == []
    assert hand.look(marked=False, hours=99) == []
    result = verifying.verify(hand.work, Trust([SIGNER.key], SIGNER.macs()))
    assert (result.leaves, result.postings, result.checkpoints, result.texts) == (313, 312, 3, 52)


@dataclass(frozen=True)
class Tamper:
    """What is done, which leaf must be the first that is named, and how."""

    name: str
    do: Callable[[Hand], None]
    kind: str
    index: int


def both(*steps: Callable[[Hand], None]) -> Callable[[Hand], None]:
    def run(hand: Hand) -> None:
        for step in steps:
            step(hand)

    return run


def forge(hand: Hand) -> None:
    """A posting with an old date, its leaf in the middle, everything behind it moved and computed again."""
    insert(hand)
    hand.do(
        "UPDATE leaf SET index = -2 - index WHERE index >= 100",
        "UPDATE leaf SET index = -1 - index WHERE index < 0",
        "INSERT INTO leaf SELECT 1, 100, entry_id, number, hash, mac FROM "
        "(SELECT p.entry_id, p.number, l.hash, l.mac FROM posting p, leaf l "
        "WHERE p.note = '补记' AND l.index = 99) AS x",
    )
    hand.rehash(100)
    hand.rebuild()


def insert(hand: Hand, cause: str = "old") -> None:
    """A posting that nobody posted, a day before everything else, under the first entry of the tree."""
    hand.do(
        "INSERT INTO posting "
        "(entry_id, number, kind, opening, entered, written_off, at, posted_at, note, facts, cause) "
        "SELECT e.id, e.postings + 1, 'progress', 0, 0, 0, now(), TIMESTAMPTZ '2026-03-01', '补记', '{}', :cause "
        "FROM entry e JOIN leaf l ON l.entry_id = e.id WHERE l.index = 3",
        "UPDATE entry SET postings = postings + 1 WHERE id = (SELECT entry_id FROM leaf WHERE index = 3)",
        cause=cause,
    )


MATRIX = [
    Tamper("a field edited", lambda h: h.edit(100), "edited", 100),
    Tamper("a time edited", lambda h: h.edit(101, "at = at - interval '1 microsecond'"), "edited", 101),
    Tamper("a fact edited", lambda h: h.edit(102, 'facts = facts || \'{"state": "x"}\''), "edited", 102),
    Tamper("a movement edited", lambda h: h.edit(5, "written_off = 0"), "edited", 5),
    Tamper("a document edited", lambda h: h.do("UPDATE leaf_document SET document = '{}'"), "edited", 312),
    Tamper("that row's hash recomputed", both(lambda h: h.edit(100), lambda h: h.rehash(100)), "mark", 100),
    Tamper(
        "all later hashes recomputed",
        both(lambda h: h.edit(100), lambda h: h.rehash(100), Hand.rebuild),
        "mark",
        100,
    ),
    Tamper(
        "the same behind the last tile",
        both(lambda h: h.edit(300), lambda h: h.rehash(300), Hand.rebuild),
        "mark",
        300,
    ),
    Tamper("a row deleted in the middle", lambda h: delete_posting(h, 100), "gone", 100),
    Tamper(
        "with its leaf",
        both(lambda h: delete_posting(h, 100), lambda h: h.do("DELETE FROM leaf WHERE index = 100")),
        "gap",
        100,
    ),
    Tamper(
        "with its leaf, the gap closed, all hashes recomputed",
        both(
            lambda h: delete_posting(h, 100),
            lambda h: h.do("DELETE FROM leaf WHERE index = 100"),
            Hand.renumber,
            Hand.rebuild,
        ),
        "mark",
        100,
    ),
    Tamper("a row deleted at the end", lambda h: delete_posting(h, 311), "gone", 311),
    Tamper(
        "with its leaf and everything after it",
        both(lambda h: delete_posting(h, 311), lambda h: h.do("DELETE FROM leaf WHERE index >= 311")),
        "tail",
        311,
    ),
    Tamper(
        "and the entry set back to one posting less",
        both(
            lambda h: h.do(
                "UPDATE entry SET postings = postings - 1 WHERE id = (SELECT entry_id FROM leaf WHERE index = 311)"
            ),
            lambda h: delete_posting(h, 311),
            lambda h: h.do("DELETE FROM leaf WHERE index >= 311", "DELETE FROM leaf_document"),
            Hand.rebuild,
        ),
        "tail",
        311,
    ),
    Tamper("two swapped", lambda h: swap(h, 100, 130), "mark", 100),
    Tamper(
        "two swapped, all hashes recomputed", both(lambda h: swap(h, 100, 130), Hand.rebuild), "mark", 100
    ),
    Tamper(
        "two rows' contents swapped",
        lambda h: h.do(
            "UPDATE posting SET note = CASE note WHEN '签收' THEN '应答' ELSE '签收' END "
            "WHERE (entry_id, number) IN (SELECT entry_id, number FROM leaf WHERE index IN (62, 63))"
        ),
        "edited",
        62,
    ),
    Tamper("one inserted with an old date, its leaf and all hashes too", forge, "mark", 100),
    Tamper("a sequence gap", lambda h: h.do("DELETE FROM leaf WHERE index = 257"), "gap", 257),
    Tamper(
        "a sequence gap over a whole tile",
        lambda h: h.do("DELETE FROM leaf WHERE index BETWEEN 50 AND 300"),
        "gap",
        50,
    ),
    Tamper("a tile edited", lambda h: h.do("UPDATE tile SET root = hashes"), "tile", 0),
    Tamper("a tile deleted", lambda h: h.do("DELETE FROM tile"), "tile", 0),
    Tamper(
        "a tile's node edited",
        lambda h: h.do("UPDATE tile SET hashes = overlay(hashes PLACING '\\x00' FROM 32 * 77 + 1)"),
        "hash",
        77,
    ),
    Tamper("a mark edited", lambda h: h.do("UPDATE leaf SET mac = '\\x00' WHERE index = 200"), "mark", 200),
]


@pytest.mark.parametrize("tamper", MATRIX, ids=lambda t: t.name)
def test_the_first_bad_entry_is_named(hand: Hand, tamper: Tamper) -> None:
    entry, number = hand.key_at(tamper.index)
    tamper.do(hand)
    found = hand.look()
    assert found
    kinds = {f.kind for f in found if f.index == tamper.index}
    assert (found[0].index, tamper.kind in kinds) == (tamper.index, True), [str(f) for f in found[:5]]
    moved = any(word in tamper.name for word in ("swapped", "gap closed", "inserted"))
    if tamper.kind in ("edited", "gone", "mark") and not moved:
        assert (found[0].id, found[0].number or 0) == (entry, number)


@pytest.mark.parametrize("index", [100, 130, 300])
def test_without_the_key_it_is_named_between_two_checkpoints(hand: Hand, index: int) -> None:
    """All hashes recomputed: only the signatures are left as witnesses."""
    hand.edit(index)
    hand.rehash(index)
    hand.rebuild()
    found = [f for f in hand.look(marked=False) if f.kind == "root"]
    before = max(s for s in (0, *SIZES) if s <= index)
    after = min(s for s in SIZES if s > index)
    assert found[0].index == before
    assert f"第 {before} 至 {after - 1} 叶中有改动" in found[0].said


def test_one_inserted_without_a_leaf_is_named(hand: Hand) -> None:
    entry, _ = hand.key_at(3)
    insert(hand)
    assert [(f.kind, f.id, f.number) for f in hand.look()] == [("unlisted", entry, 7)]


def test_one_inserted_with_an_old_date_that_was_let_into_the_tree_is_named(hand: Hand) -> None:
    """Whoever may write to the database can let it wait, and the ledger itself takes it in; its date tells."""
    entry, _ = hand.key_at(3)
    insert(hand)
    stored = leaves.leaves_of(hand.work, [(entry, 7)])[entry, 7]
    leaves._wait(hand.work, "sha256", [(leaves.Key(entry, 7), leaf_hash(stored))])
    proving.publish(hand.work, SIGNER, "test")
    found = hand.look()
    assert [(f.kind, f.index, f.id, f.number) for f in found] == [("old_date", 313, entry, 7)]


def test_a_gap_in_an_entrys_numbers_is_named(hand: Hand) -> None:
    entry, number = hand.key_at(100)
    hand.do(
        "UPDATE posting SET number = 77 "
        "WHERE (entry_id, number) = (SELECT entry_id, number FROM leaf WHERE index = 100)"
    )
    found = hand.look()
    assert (found[0].kind, found[0].index) == ("gone", 100)
    assert ("numbers", entry, number) in {(f.kind, f.id, f.number) for f in found}


def test_an_older_checkpoint_put_back_is_seen_by_whoever_kept_the_newer_one(hand: Hand) -> None:
    newest = trees.largest_checkpoint(hand.work, 1)
    assert newest
    # Everything since then is undone: the books are those of an hour ago, and only a witness can tell.
    hand.do(
        "DELETE FROM checkpoint WHERE number = 3",
        "DELETE FROM posting WHERE (entry_id, number) IN (SELECT entry_id, number FROM leaf WHERE index >= 240)",
        "DELETE FROM posting_text WHERE (entry_id, number) IN (SELECT entry_id, number FROM leaf WHERE index >= 240)",
        "DELETE FROM closing",
        "DELETE FROM leaf_document",
        "DELETE FROM leaf WHERE index >= 240",
        "DELETE FROM tile",
        "DELETE FROM entry e WHERE NOT EXISTS (SELECT FROM posting p WHERE p.entry_id = e.id)",
        "UPDATE entry e SET postings = (SELECT count(*) FROM posting p WHERE p.entry_id = e.id)",
    )
    assert hand.look() == []
    assert [f.kind for f in hand.look(known=[newest.note])] == ["known"]


def test_an_older_checkpoint_put_back_alone_is_seen_by_its_number_or_its_age(hand: Hand) -> None:
    old = trees.get_checkpoint(hand.work, 2)
    assert old
    hand.do(
        "UPDATE checkpoint SET note = :note, size = :size, root = :root WHERE number = 3",
        note=old.note,
        size=old.size,
        root=old.root,
    )
    assert "checkpoint" in {f.kind for f in hand.look()}
    hand.do("DELETE FROM checkpoint WHERE number = 3")
    assert hand.look(hours=-1) == []  # the next one isn't due yet
    assert [(f.kind, f.index) for f in hand.look()] == [("stale", 240)]
    hand.do("DELETE FROM checkpoint WHERE number = 1")
    assert "checkpoint" in {f.kind for f in hand.look()}


def test_two_roots_for_one_size_are_seen_even_when_both_are_signed(hand: Hand) -> None:
    one = trees.get_checkpoint(hand.work, 3)
    assert one
    two = checkpoints.checkpoint(SIGNER.name, one.size, b"x" * 32, "sha256", 4, one.signed_at)
    hand.do(
        "INSERT INTO checkpoint SELECT 4, tree, size, :root, :note, signed_at, why FROM checkpoint WHERE number = 3",
        root=b"x" * 32,
        note=SIGNER.sign(two),
    )
    said = [f.said for f in hand.look()]
    assert any("313 叶有两个根" in s for s in said)
    assert [f.kind for f in hand.look(known=[SIGNER.sign(two)])].count("known") == 1


def test_a_checkpoint_that_somebody_else_signed_is_none(hand: Hand) -> None:
    one = trees.get_checkpoint(hand.work, 3)
    assert one
    made = checkpoints.checkpoint(OTHER.name, one.size, one.root, "sha256", 3, one.signed_at)
    hand.do("UPDATE checkpoint SET note = :note WHERE number = 3", note=OTHER.sign(made))
    assert [f.kind for f in hand.look()] == ["checkpoint"]


def test_texts_are_held_by_what_was_signed_of_them(hand: Hand) -> None:
    entry, number = hand.key_at(0)
    hand.do(
        'UPDATE posting_text SET words = \'{"title": "别的"}\' WHERE entry_id = :e AND number = :n',
        e=entry,
        n=number,
    )
    assert [(f.kind, f.id, f.number) for f in hand.look()] == [("text", entry, number)]
    hand.do("DELETE FROM posting_text WHERE entry_id = :e", e=entry)
    assert [(f.kind, f.id, f.number) for f in hand.look()] == [("text_gone", entry, number)]


@pytest.mark.parametrize(
    "change",
    [
        "SET actor = 'somebody-else'",
        "SET figures = '{}'",
        "SET reason = '别的'",
        "SET period = '2024'",
        "SET salt = NULL",
        "SET salt = '0123456789abcdef'",
    ],
)
def test_a_closing_is_held_by_its_leaf(hand: Hand, change: str) -> None:
    hand.do(f"UPDATE closing {change}")
    assert [f.kind for f in hand.look()] == ["closing"]
    hand.do("DELETE FROM closing")
    assert [f.kind for f in hand.look()] == ["closing"]


def test_a_closing_from_before_there_was_a_salt_is_held_by_its_leaf(hand: Hand) -> None:
    hand.do("UPDATE closing SET salt = NULL")
    (act,) = store.all_acts(hand.work)
    old = closings.leaf_of(act._replace(at=iso(act.at)), "sha256")
    assert (old["leaf"], old["reason"]) == ("closing/1", digest_of({"reason": act.reason}))
    hand.do("UPDATE leaf_document SET document = CAST(:old AS jsonb)", old=json.dumps(old))
    assert "closing" not in {f.kind for f in hand.look()}
    hand.do("UPDATE closing SET reason = '别的'")
    assert "closing" in {f.kind for f in hand.look()}


def test_the_leaf_of_a_closing_gives_no_hint_of_its_reason(books: Opened) -> None:
    with books() as work:
        (act,) = store.all_acts(work)
        (leaf,) = inspection.documents(work, "closing/2")
    assert act.salt is not None
    assert leaf["reason"] == text_digest(act.salt, {"reason": act.reason}, "sha256")
    assert leaf["reason"] != digest_of({"reason": act.reason})
    assert "salt" not in closings.document(act)


def test_a_leaf_that_waits_is_held_by_its_posting(hand: Hand) -> None:
    (id_,) = leaves.put(hand.work, [{"leaf": "test/1", "n": 1}])
    assert hand.look() == []
    hand.do('UPDATE leaf_document SET document = \'{"leaf": "test/1"}\' WHERE id = :id', id=id_)
    assert [(f.kind, f.id) for f in hand.look()] == [("waiting", id_)]
    hand.do("DELETE FROM leaf_document WHERE id = :id", id=id_)
    assert [(f.kind, f.id) for f in hand.look()] == [("gone", id_)]
    hand.do("DELETE FROM waiting_leaf")
    assert hand.look() == []


# -- what nobody may do ----------------------------------------------------------------------------------


def _refused(engine: Engine, statement: str) -> str | None:
    with engine.connect() as conn, conn.begin() as transaction:
        try:
            conn.execute(text(statement))
        except DBAPIError as error:
            return getattr(error.orig, "pgcode", None)
        finally:
            transaction.rollback()
    return None


CHANGES = ("UPDATE {table} SET {column} = {column}", "DELETE FROM {table}", "TRUNCATE {table} CASCADE")


@pytest.mark.parametrize("table", tables.APPEND_ONLY, ids=lambda t: t.name)
def test_neither_the_service_nor_its_owner_changes_what_is_signed(
    books: Opened, admin: Engine, table: Any
) -> None:
    for change in CHANGES:
        statement = change.format(table=table.name, column=next(iter(table.primary_key.columns)).name)
        assert _refused(books.engine, statement) == "42501", statement  # insufficient privilege
        assert _refused(admin, statement) == "23001", statement  # restrict violation
    with books() as work:
        granted = work.execute(
            "SELECT privilege_type FROM information_schema.role_table_grants "
            "WHERE table_name = :name AND grantee = current_user ORDER BY 1",
            name=table.name,
        ).scalars()
    assert granted == ["INSERT", "SELECT"]
