"""Alembic's entry: routing's migrations."""

from jiayuan.chassis.migrations import run_env
from jiayuan.routing.store import metadata

run_env(metadata)
