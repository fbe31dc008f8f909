"""Database, role, migrations and grants of a service.

The service's role owns nothing: an administrator migrates, the role gets the rights that `Table.info["grants"]`
names (by default SELECT, INSERT, UPDATE, DELETE).
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, NullPool, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import OperationalError

from . import tables
from .database import driver_url
from .errors import EXIT_SCHEMA, EXIT_UNREACHABLE, StartError

_LINKS = re.compile(r'^revision = "(\w+)"$.*?^down_revision = (None|"(\w+)")$', re.MULTILINE | re.DOTALL)
DEFAULT_GRANTS = "SELECT, INSERT, UPDATE, DELETE"


def database_name(service: str) -> str:
    """`jiayuan_routing`; the service's role has the same name."""
    return f"jiayuan_{service}"


@cache
def folder(service: str) -> Path:
    """Where the service's migrations are: beside the package in a checkout, inside it when installed."""
    spec = importlib.util.find_spec(f"jiayuan.{service}")
    if spec is None or not spec.submodule_search_locations:
        raise StartError(EXIT_SCHEMA, f"the package jiayuan.{service} is not installed")
    package = Path(next(iter(spec.submodule_search_locations)))
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent.parent / "migrations"


@cache
def head(service: str) -> str:
    """The newest revision of this build: the one that no other follows. Numbers name revisions, they don't order them.

    The files are read, not run: a service looks at its start, and Alembic is the migrator's business.
    """
    versions = folder(service) / "versions"
    before: dict[str, str] = {}
    for path in sorted(versions.glob("[0-9][0-9][0-9][0-9]_*.py")):
        before |= {m[1]: m[3] or "" for m in [_LINKS.search(path.read_text(encoding="utf-8"))] if m}
    newest = sorted(before.keys() - set(before.values()))
    if not newest:
        raise StartError(EXIT_SCHEMA, f"{service} has no migrations in {versions}")
    if len(newest) > 1:
        raise StartError(
            EXIT_SCHEMA,
            f"the migrations of {service} end in {' and '.join(newest)}: one must follow the other",
        )
    return newest[0]


def current(conn: Connection) -> str:
    """The revision that a database is at, or `none`."""
    if conn.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return "none"
    return conn.execute(text("SELECT version_num FROM alembic_version")).scalar() or "none"


def check(conn: Connection, service: str) -> None:
    """StartError 5 unless the database is at this build's revision."""
    now, wanted = current(conn), head(service)
    if now != wanted:
        raise StartError(
            EXIT_SCHEMA,
            f"the database of {service} is at migration {now}, this build needs {wanted}: "
            f"run `jiayuan migrate {service}`",
        )


def delivery_tables(op: Any) -> None:
    """For a service's first migration: inbox, outbox and dead letters.

    It follows `tables` as it stands. From the first release on, `tables` is changed together with a migration of
    every service, and this function is frozen at what it made until then.
    """
    _create(op, tables.add)


def limit_table(op: Any) -> None:
    """For a migration of a service that has limits: what they count. It follows `tables`, as `delivery_tables` does."""
    _create(op, tables.add_limits)


def _create(op: Any, add: Callable[[MetaData], None]) -> None:
    metadata = MetaData()
    add(metadata)
    metadata.create_all(op.get_bind(), checkfirst=False)


def run_env(metadata: MetaData) -> None:
    """The body of every service's `migrations/env.py`."""
    from alembic import context

    attributes = context.config.attributes
    with attributes["connection"].begin():
        context.configure(
            connection=attributes["connection"], target_metadata=metadata, transactional_ddl=True
        )
        context.run_migrations()


def alembic_config(service: str, conn: Connection) -> Any:
    """Alembic's configuration for a service; there is no ini file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(folder(service)).replace("%", "%%"))
    config.attributes["connection"] = conn
    return config


def upgrade(url: str, service: str, metadata: MetaData, role: str | None = None) -> str:
    """Brings a database to this build's revision, as its owner, and grants `role` its rights."""
    from alembic import command

    engine = create_engine(driver_url(url), poolclass=NullPool)
    try:
        with engine.connect() as conn:
            # One at a time: replicas of a migration job wait for each other.
            conn.execute(text("SELECT pg_advisory_lock(hashtext('jiayuan.migrate'))"))
            conn.commit()
            command.upgrade(alembic_config(service, conn), "head")
            if role:
                with conn.begin():
                    grant(conn, metadata, role)
            conn.execute(text("SELECT pg_advisory_unlock(hashtext('jiayuan.migrate'))"))
            conn.commit()
            return current(conn)
    finally:
        engine.dispose()


def grant(conn: Connection, metadata: MetaData, role: str) -> None:
    """Gives the service's role exactly the rights that the tables name."""
    quoted = _quote(role)
    conn.execute(text(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {quoted}"))
    conn.execute(text(f"GRANT USAGE ON SCHEMA public TO {quoted}"))
    conn.execute(text(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {quoted}"))
    conn.execute(text(f"GRANT SELECT ON alembic_version, {tables.OUTBOX_VIEW} TO {quoted}"))
    for table in metadata.sorted_tables:
        rights = table.info.get("grants", DEFAULT_GRANTS)
        conn.execute(text(f'GRANT {rights} ON "{table.name}" TO {quoted}'))


def prepare(admin_url: str, service: str, metadata: MetaData, password: str, database: str = "") -> URL:
    """Creates the service's role and database where missing, migrates, grants; gives the service's address.

    May be run again and again. StartError 6 when the database can't be reached.
    """
    name = database or database_name(service)
    admin = make_url(admin_url)
    engine = create_engine(driver_url(admin_url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as conn:
            conn.execute(text("SELECT pg_advisory_lock(hashtext('jiayuan.prepare'))"))
            if not conn.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :n"), {"n": name}).scalar():
                conn.execute(text(f"CREATE ROLE {_quote(name)} LOGIN"))
            conn.execute(text(f"ALTER ROLE {_quote(name)} PASSWORD {_literal(password)}"))
            if not conn.execute(text("SELECT 1 FROM pg_database WHERE datname = :n"), {"n": name}).scalar():
                conn.execute(text(f"CREATE DATABASE {_quote(name)} TEMPLATE template0 ENCODING 'UTF8'"))
                conn.execute(text(f"REVOKE ALL ON DATABASE {_quote(name)} FROM PUBLIC"))
            conn.execute(text(f"GRANT CONNECT ON DATABASE {_quote(name)} TO {_quote(name)}"))
    except OperationalError as error:
        why = " ".join(str(error.orig).split())
        raise StartError(EXIT_UNREACHABLE, f"the database can't be reached: {why}") from None
    finally:
        engine.dispose()
    upgrade(admin.set(database=name).render_as_string(hide_password=False), service, metadata, role=name)
    return admin.set(database=name, username=name, password=password, drivername="postgresql")


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: str) -> str:
    # text() reads a colon as a parameter; both it and the backslash are escaped.
    return "'" + value.replace("'", "''").replace(":", "\\:") + "'"


def environment_password(service: str) -> str:
    """The password of a service's role from JIAYUAN_<SERVICE>_DATABASE_PASSWORD or its _FILE."""
    key = f"JIAYUAN_{service.upper()}_DATABASE_PASSWORD"
    if key + "_FILE" in os.environ:
        return Path(os.environ[key + "_FILE"]).read_text(encoding="utf-8").strip()
    return os.environ.get(key, "")
