"""Alembic's entry: ledger's migrations."""

from jiayuan.chassis.migrations import run_env
from jiayuan.ledger.store import metadata

run_env(metadata)
