"""Postings of the release before get into the tree, and their free texts out of what can't be erased."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alembic import command
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.engine import make_url

from jiayuan.chassis.database import driver_url
from jiayuan.chassis.migrations import alembic_config, grant
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.ledger import proving, store, verifying
from jiayuan.ledger.checkpoint import Signer
from jiayuan.ledger.verifying import Trust

pytestmark = pytest.mark.store

SIGNER = Signer.new("jiayuan.example/ledger")
ENTRY = "0198c692-3fe5-7396-ac6c-d9343e11af77"
OLD = (
    "INSERT INTO entry VALUES (:entry, :entry, 2026, 'case-1', 'XP-1', '350921001', NULL, '0102', '例路灯', 'open', "
    "'2026-03-02', NULL, 'assigned', NULL, 3, 1, 3)",
    "INSERT INTO posting VALUES (:entry, 1, 'opening', 1, NULL, NULL, 0, 1, 0, NULL, 'system', '2026-03-02', "
    '\'2026-03-02\', \'立案入账\', \'{"title": "例\\"路\\\\灯", "number": "XP-1"}\', \'e1\')',
    "INSERT INTO posting VALUES (:entry, 2, 'hand_over', 2, NULL, NULL, 0, 0, 0, NULL, 'desk', '2026-03-02', "
    "'2026-03-02', '派单', '{}', 'e2')",
    "INSERT INTO posting VALUES (:entry, 3, 'hand_over', 3, NULL, NULL, 0, 0, 0, NULL, 'worker', '2026-03-02', "
    "'2026-03-02', '退单：李主任说：不归我们', '{}', 'e3')",
)


@pytest.fixture
def admin(databases: Databases) -> Iterator[tuple[str, Connection]]:
    """A database of the release before with an entry, and its owner's connection."""
    url = databases.fresh("ledger")
    engine = create_engine(driver_url(databases.admin(url)), poolclass=NullPool)
    with engine.connect() as conn:
        with conn.begin():
            conn.execute(text("DROP SCHEMA public CASCADE"))
            conn.execute(text("CREATE SCHEMA public"))
        command.upgrade(alembic_config("ledger", conn), "0001")
        with conn.begin():
            for sql in OLD:
                conn.execute(text(sql.replace(": ", "\\: ").replace('":', '"\\:')), {"entry": ENTRY})
        yield url, conn
    engine.dispose()
    databases.forget(url)


def test_postings_that_were_there_get_into_the_tree(admin: tuple[str, Connection]) -> None:
    url, conn = admin
    command.upgrade(alembic_config("ledger", conn), "head")
    with conn.begin():
        grant(conn, store.metadata, str(make_url(url).username))
    opened = Opened("ledger", url)
    with opened() as work:
        postings = store.postings_of(work, ENTRY)
    assert [(p["note"], p["words"]) for p in postings] == [
        ("立案入账", {"title": '例"路\\灯'}),
        ("派单", None),
        ("退单", {"reason": "李主任说：不归我们"}),
    ]
    assert postings[0]["facts"] == {"number": "XP-1"}
    with opened() as work:
        proving.publish(work, SIGNER, "first")
    with opened() as work:
        result = verifying.verify(work, Trust([SIGNER.key], SIGNER.macs()))
    assert (result.leaves, result.postings, result.texts, result.findings) == (3, 3, 2, [])
    opened.close()
    with conn.begin():
        assert (
            conn.execute(
                text("SELECT tgenabled FROM pg_trigger WHERE tgname = 'posting_is_append_only'")
            ).scalar()
            == "A"
        )
