"""Alembic's entry: intake's migrations."""

from jiayuan.chassis.migrations import run_env
from jiayuan.intake.store import metadata

run_env(metadata)
