"""A transaction in few round trips keeps every promise of one statement at a time, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg2
import pytest
from sqlalchemy import Engine, create_engine, text

from jiayuan.chassis.database import driver_url
from jiayuan.chassis.errors import is_transient
from jiayuan.chassis.testing.databases import Databases, round_trips
from jiayuan.chassis.transaction import Prepared, Transaction

pytestmark = pytest.mark.store

ADD = Prepared("INSERT INTO inbox (source, id) VALUES ($1, $2)", "text", "text")
BACK = Prepared(
    "INSERT INTO inbox (source, id) VALUES ($1, $2) RETURNING id, source AS whose", "text", "text"
)
COUNT = Prepared("SELECT count(*) AS n FROM inbox")


@pytest.fixture
def engine(database: Callable[[str], str]) -> Iterator[Engine]:
    """Any service's database has an inbox. One connection, so that what a test leaves behind is met by the next."""
    made = create_engine(driver_url(database("sla")), pool_size=1, max_overflow=0, pool_timeout=5)
    yield made
    made.dispose()


def kept(engine: Engine) -> list[str]:
    """What is in the table, as another reader sees it."""
    with engine.connect() as conn:
        return list(conn.execute(text("SELECT id FROM inbox ORDER BY id")).scalars())


def test_what_nobody_waits_for_travels_with_what_somebody_does(engine: Engine) -> None:
    with Transaction(engine) as transaction, round_trips() as asked:
        transaction.later(ADD, "s", "1")
        transaction.later(ADD, "s", "2")
        assert transaction.run(COUNT).scalar_one() == 2  # in the order in which it was asked
        row = transaction.run(BACK, "s", "引号'\"%:x").one()
        assert (row.id, row.whose, row[1]) == ("引号'\"%:x", "s", "s")
        assert transaction.execute("SELECT id FROM inbox WHERE id = :id", id_ := {"id": "1"}).first() == (
            id_["id"],
        )
        transaction.later(ADD, "s", "3")
        transaction.commit()
    assert len(asked) == 4
    assert kept(engine) == ["1", "2", "3", "引号'\"%:x"]


def test_nothing_asked_costs_nothing(engine: Engine) -> None:
    with round_trips() as asked, Transaction(engine):
        pass
    assert asked == []
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_all_or_nothing(engine: Engine) -> None:
    def fail() -> None:
        with Transaction(engine) as transaction:
            transaction.run(BACK, "s", "1")
            transaction.later(ADD, "s", "2")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert kept(engine) == []
    with Transaction(engine) as transaction:
        transaction.later(ADD, "s", "3")
    assert kept(engine) == ["3"]


def test_a_failure_of_what_was_kept_back_is_raised_by_the_commit_and_takes_all_back(engine: Engine) -> None:
    def twice() -> None:
        with Transaction(engine) as transaction:
            transaction.later(ADD, "s", "1")
            transaction.later(ADD, "s", "1")

    with pytest.raises(psycopg2.errors.UniqueViolation) as failure:
        twice()
    assert not is_transient(failure.value)
    assert kept(engine) == []


def test_a_failure_that_a_handler_swallowed_is_no_commit(engine: Engine) -> None:
    def swallow() -> None:
        with Transaction(engine) as transaction:
            transaction.later(ADD, "s", "1")
            with pytest.raises(psycopg2.errors.UndefinedTable):
                transaction.execute("SELECT * FROM nowhere", {})

    with pytest.raises(RuntimeError, match="rolled back"):
        swallow()
    assert kept(engine) == []


def test_a_prepared_statement_outlives_a_rollback(engine: Engine) -> None:
    for _ in range(3):
        transaction = Transaction(engine)
        transaction.run(BACK, "s", "1")
        transaction.rollback()
    assert kept(engine) == []


def test_others_get_the_connection_back_as_it_was(engine: Engine) -> None:
    with Transaction(engine) as transaction:
        transaction.later(ADD, "s", "1")
    with engine.connect() as conn:
        conn.execute(text("INSERT INTO inbox (source, id) VALUES ('s', '2')"))
        conn.rollback()
    assert kept(engine) == ["1"]


def test_a_killed_greenlet_leaves_no_half_transaction_in_the_pool(engine: Engine) -> None:
    class Killed(BaseException):
        pass

    def die() -> None:
        with Transaction(engine) as transaction:
            transaction.run(BACK, "s", "1")
            raise Killed

    with pytest.raises(Killed):
        die()
    with Transaction(engine) as transaction:
        assert transaction.run(COUNT).scalar_one() == 0


def test_a_connection_that_the_server_ended_is_transient_and_leaves_the_pool(
    engine: Engine, databases: Databases
) -> None:
    admin = create_engine(driver_url(databases.admin(str(engine.url.render_as_string(hide_password=False)))))

    def ended() -> None:
        with Transaction(engine) as transaction:
            transaction.run(BACK, "s", "1")
            with admin.connect() as conn:
                conn.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                )
            transaction.later(ADD, "s", "2")

    with pytest.raises(psycopg2.Error) as failure:
        ended()
    admin.dispose()
    assert is_transient(failure.value)
    with Transaction(engine) as transaction:
        assert transaction.run(COUNT).scalar_one() == 0


def test_what_is_prepared_goes_by_index_however_small_the_table_was(engine: Engine) -> None:
    find = Prepared("SELECT source FROM inbox WHERE source = ANY($1)", "text[]")
    with Transaction(engine) as transaction:
        assert transaction.run(find, ["s"]) == []  # the table is empty, and its plan is kept
        plan = transaction.execute(f"EXPLAIN {find.execute % 'ARRAY[:s]'}", {"s": "s"})
        shown = " ".join(row[0] for row in plan)
    assert "Index" in shown
    assert "Seq Scan" not in shown
