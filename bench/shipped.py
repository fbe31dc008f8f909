"""PostgreSQL with the settings that we ship for it (deploy/compose/postgresql.conf), for what is measured at size.

The private servers of tests run with PostgreSQL's own: a checkpoint each gigabyte of log, and after each of them whole
pages in the log, uncompressed. That is nothing for a test, and no way to run a million rows.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from sqlalchemy import NullPool, create_engine, text

from jiayuan.chassis.database import driver_url
from jiayuan.local.servers import Servers

FILE: Final = Path(__file__).parent.parent / "deploy/compose/postgresql.conf"
_OURS: Final = (
    "shared_buffers",
    "effective_cache_size",
    "work_mem",
    "maintenance_work_mem",
    "max_wal_size",
    "checkpoint_timeout",
    "wal_compression",
    "default_toast_compression",
    "random_page_cost",
    "jit",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "autovacuum_naptime",
    "autovacuum_vacuum_scale_factor",
    "autovacuum_vacuum_cost_limit",
)


def settings() -> dict[str, str]:
    """What the file says of them; LookupError when one is missing."""
    found = dict(re.findall(r"^(\w+) = '?([^'\n]+)'?$", FILE.read_text(encoding="utf-8"), re.MULTILINE))
    return {name: found[name] for name in _OURS}


def as_shipped(servers: Servers) -> str:
    """Sets them on servers of our own, which are started again; what was done, in words."""
    if servers.chosen == "given":
        return "PostgreSQL as it was given"
    engine = create_engine(driver_url(servers.database_url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        for name, value in settings().items():
            conn.execute(text(f"ALTER SYSTEM SET {name} = '{value}'"))
        conn.execute(text("CHECKPOINT"))
    servers.kill_database()
    servers.start_database()
    with engine.connect() as conn:
        for name, value in settings().items():
            same = conn.execute(
                text(
                    "SELECT setting = boot_val OR source = 'configuration file' FROM pg_settings WHERE name = :n"
                ),
                {"n": name},
            ).scalar()
            if not same:
                raise SystemExit(f"PostgreSQL doesn't take {name} = {value}")
    engine.dispose()
    said = ", ".join(f"{name} {value}" for name, value in settings().items())
    return f"PostgreSQL as deploy/compose/postgresql.conf has it ({said})"
