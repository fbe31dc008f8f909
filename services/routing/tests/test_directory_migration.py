"""The directory of the release before goes on: rows become entries, views stand for the tables, and back again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alembic import command
from sqlalchemy import Connection, NullPool, create_engine, text

from jiayuan.chassis.database import driver_url
from jiayuan.chassis.migrations import alembic_config
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.routing.store import directory as rows

pytestmark = pytest.mark.store

BEFORE = "0009"  # the revision that 0004 follows
OLD = (
    "INSERT INTO directory VALUES (1, 3, '2026-02-01 00:00Z', 'me')",
    "INSERT INTO place VALUES ('350921', '例县', 'county', '', 'k.county', true), "
    "('350921001', '例街道', 'street', '350921', 'k.street', true), "
    "('350921001001', '例社区', 'community', '350921001', NULL, true)",
    "INSERT INTO grid VALUES ('350921001001-G01', '例网格', 'compound', '350921001001', '350921001001', "
    "'350921001', '例党小组', '[\"党建\"]', true), "
    "('350921001001-G02', '例旧网格', 'compound', '350921001001', '350921001001', '350921001', '', '[]', false)",
    "INSERT INTO person VALUES ('p1', '例一', 'worker', '350921001001-G01', '350921001001', '350921001', "
    "'k.one', true), ('p2', '例二', 'worker', '350921001001-G01', '350921001001', '350921001', 'k.two', false)",
    "INSERT INTO unit (code, name, kind, member, duties, clerk, system, partner, contact, active) VALUES "
    "('U1', '例局', 'department', 'none', '[\"01\"]', '例员', 'bus', 'x', 'k.unit', true)",
)
TABLES = ("place", "grid", "person", "unit")


@pytest.fixture
def admin(databases: Databases) -> Iterator[tuple[str, Connection]]:
    """A database of the release before with a directory, and its owner's connection."""
    url = databases.fresh("routing")
    engine = create_engine(driver_url(databases.admin(url)), poolclass=NullPool)
    with engine.connect() as conn:
        command.downgrade(alembic_config("routing", conn), BEFORE)
        with conn.begin():
            for sql in OLD:
                conn.execute(text(sql))
        yield url, conn
    engine.dispose()


def rows_of(conn: Connection) -> dict[str, list[tuple[object, ...]]]:
    with conn.begin():
        return {t: [tuple(r) for r in conn.execute(text(f"SELECT * FROM {t} ORDER BY 1"))] for t in TABLES}


def test_rows_become_entries_and_come_back(admin: tuple[str, Connection]) -> None:
    url, conn = admin
    before = rows_of(conn)
    command.upgrade(alembic_config("routing", conn), "head")
    after = rows_of(conn)
    # Whoever is no more has no number any more.
    gone = [tuple(None if v == "k.two" else v for v in r) for r in before["person"]]
    assert {t: [set(map(str, r)) for r in rs] for t, rs in after.items()} == {
        t: [set(map(str, r)) for r in (gone if t == "person" else rs)] for t, rs in before.items()
    }
    opened = Opened("routing", url)
    with conn.begin():
        # As `jiayuan migrate` grants them; what is there now was made anew.
        conn.execute(text(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{opened.engine.url.username}"'))
    with opened() as work:
        known = rows.read_directory(work)
        contacts = rows.contacts(work)
    opened.close()
    assert known.version == 3
    assert known.workers("350921001001-G01") == ["p1"]
    assert (known.person("p2"), known.people["p2"].name) == (None, "例二")
    assert set(known.retired) == {"350921001001-G02"}
    assert known.grids["350921001001-G01"].functions == ("党建",)
    assert known.unit("U1").partner == "x"  # type: ignore[union-attr]
    assert contacts == {
        "desk-350921000": "k.county",
        "desk-350921001": "k.street",
        "p1": "k.one",
        "U1": "k.unit",
    }
    command.downgrade(alembic_config("routing", conn), BEFORE)
    again = rows_of(conn)
    assert {t: [set(map(str, r)) for r in rs] for t, rs in again.items()} == {
        t: [set(map(str, r)) for r in rs] for t, rs in after.items()
    }
