"""Alembic's entry: sla's migrations."""

from jiayuan.chassis.migrations import run_env
from jiayuan.sla.store import metadata

run_env(metadata)
