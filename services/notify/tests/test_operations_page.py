"""The operators' page, the runbooks and the dashboard name what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client.metrics import MetricWrapperBase

from jiayuan.notify import metrics, receiving, reconciling, settings, spending
from jiayuan.notify.cli import notify
from jiayuan.notify.interface.document import interface

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/notify/operations.md").read_text(encoding="utf-8")
RUNBOOKS = sorted((ROOT / "deploy/runbooks").glob("provider-*.md"))


def test_every_command_is_told_of() -> None:
    rows = re.findall(r"^\| ((?:`[\w-]+`(?:, )?)+) \| ", PAGE, re.M)
    told = {name for row in rows for name in re.findall(r"`([\w-]+)`", row)}
    assert set(notify.commands) - {"try"} <= told
    assert "jiayuan notify try NUMBER" in PAGE


def test_every_address_is_there() -> None:
    paths = {path for _, path, _, _ in interface().entrypoints()}
    for path in re.findall(r"`(/[a-z/<>]+)`", PAGE):
        pattern = re.escape(path).replace("<id>", "<[^>]+>")
        assert any(re.fullmatch(pattern + "(/.*)?", there) for there in paths), path


def test_figures_are_those_of_the_code() -> None:
    assert f"`keep_days` ({settings.NotifySettings.keep_days})" in PAGE
    assert "80 % and once at 100 %" in PAGE
    assert spending.LEVELS == (80, 100)
    assert f"From {reconciling.FROM_HOUR} o'clock on" in PAGE
    assert (reconciling.PAGE, reconciling.AGAIN.total_seconds() * reconciling.TRIES) == (50, 12 * 3600)


@pytest.mark.parametrize("book", RUNBOOKS, ids=lambda p: p.stem)
def test_commands_of_runbooks_are_there(book: Path) -> None:
    text = book.read_text(encoding="utf-8")
    found = re.findall(r"jiayuan notify ([a-z]+)((?: [^`]*)?)`", text)
    assert found
    for name, rest in found:
        command = notify.commands[name]
        known = {option for p in _all(command) for option in p.opts}
        assert set(re.findall(r"--[a-z]+", rest)) <= known, (name, rest)
    assert f"deploy/runbooks/{book.name}" in PAGE


def _all(command: object) -> list[object]:
    inner = getattr(command, "commands", {})
    return [*command.params, *(p for c in inner.values() for p in c.params)]  # type: ignore[attr-defined]


def test_every_metric_of_the_dashboard_exists() -> None:
    dashboard = json.loads((ROOT / "deploy/dashboards/notify.json").read_text(encoding="utf-8"))
    used = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\bjiayuan_\w+", target["expr"])
    }
    made = [
        m
        for module in (metrics, receiving)
        for m in vars(module).values()
        if isinstance(m, MetricWrapperBase)
    ]
    described = [m.describe()[0] for m in made]
    assert used == {d.name + ("_total" if d.type == "counter" else "") for d in described}


def test_what_a_test_key_would_answer_is_told() -> None:
    said = CliRunner().invoke(notify, ["try", "13900000005"]).output
    assert "accepted" in said
    assert "undelivered after 1 s" in said
    assert "0900000005" not in said
    said = CliRunner().invoke(notify, ["try", "13900000008"]).output
    assert "throttled" in said
    assert CliRunner().invoke(notify, ["try", "12345"]).exit_code == 2
