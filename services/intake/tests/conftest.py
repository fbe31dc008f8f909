"""Fixtures of intake's tests."""

from __future__ import annotations

from typing import Any

import pytest

from jiayuan.chassis.testing.databases import Opened
from jiayuan.intake import keys, places


@pytest.fixture
def intake(work_for: Any) -> Opened:
    """Intake's database, with its keys in force."""
    opened = work_for("intake")
    keys.use(opened.settings)
    places.forget()  # each test has a database of its own, all have one process
    return opened
