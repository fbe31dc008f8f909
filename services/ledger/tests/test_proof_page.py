"""docs/ledger/proof.md is held to the code: the leaf's schema, the commands, the addresses, what verify finds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from jiayuan.contracts import names
from jiayuan.contracts.envelope import decode
from jiayuan.ledger.cli import ledger
from jiayuan.ledger.entry import enter
from jiayuan.ledger.interface.document import interface
from jiayuan.ledger.leaf import POSTING, posting_leaf
from jiayuan.ledger.store.leaves import COLUMNS
from jiayuan.ledger.store.tables import posting

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/ledger/proof.md").read_text(encoding="utf-8")
(_SCHEMA,) = re.findall(r"```json\n(.*?)```", PAGE, re.S)
SCHEMA: dict[str, Any] = json.loads(_SCHEMA)


def test_the_schema_has_every_column_and_nothing_else() -> None:
    assert SCHEMA["properties"].keys() == {"leaf", *COLUMNS}
    assert SCHEMA["properties"]["leaf"]["const"] == POSTING
    assert set(SCHEMA["required"]) == {"leaf", *(c.name for c in posting.columns if not c.nullable)}


def test_leaves_of_real_events_are_as_the_schema_says() -> None:
    validator = Draft202012Validator(SCHEMA)
    count = 0
    for path in sorted((ROOT / "contracts/golden").glob("case.*/*.json")):
        event = decode(path.read_bytes(), names.CONTENT_TYPE)
        for posted in enter([event])[1]:
            row = {**posted.row, "posted_at": event.time}
            leaf = json.loads(posting_leaf(row, COLUMNS))
            assert [e.message for e in validator.iter_errors(leaf)] == []
            count += 1
    assert count > 20


def test_every_command_and_address_of_the_page_exists() -> None:
    for line in set(re.findall(r"jiayuan ledger ([a-z-]+(?: [a-z-]+)?)", PAGE)):
        first, _, second = line.partition(" ")
        command: Any = ledger.commands[first]
        if hasattr(command, "commands") and second:
            assert second in command.commands, line
    there = {path for _, path, _, _ in interface().entrypoints()}
    for path in set(re.findall(r"`GET (/proof/[a-z]+)", PAGE)):
        assert any(p.startswith(path) for p in there), path
