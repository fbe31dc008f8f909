"""Alembic's environment of notify."""

from jiayuan.chassis.migrations import run_env
from jiayuan.notify.store import metadata

run_env(metadata)
