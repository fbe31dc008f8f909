"""A county's own rules, texts and preferences: all checked together, and said what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from jiayuan.chassis.errors import StartError
from jiayuan.notify import cascade, own, preferences, rules, templates
from jiayuan.notify.cli import notify

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def back() -> Iterator[None]:
    """The build's own data again, whatever a test did."""
    yield
    own.use("")


def bundled(name: str) -> str:
    """A file of the build."""
    return (files("jiayuan.notify") / "data" / name).read_text(encoding="utf-8")


def test_a_file_of_the_county_counts_and_what_it_lacks_is_the_builds(tmp_path: Path) -> None:
    text = bundled("templates.yaml").replace("【家园】", "【霞浦民情】")
    (tmp_path / "templates.yaml").write_text(text, encoding="utf-8")
    own.use(str(tmp_path))
    assert templates.bundled().signature == "【霞浦民情】"
    assert rules.bundled().version
    own.use("")
    assert templates.bundled().signature == "【家园】"


@pytest.mark.parametrize(
    ("name", "old", "new", "word"),
    [
        ("templates.yaml", "{tracking_code}", "{name}", "name"),
        ("rules.yaml", "template: received\n", "template: nothing\n", "nothing"),
        ("preferences.yaml", "citizen: 20", "citizen: 0", "cap.citizen"),
        ("cascade.yaml", "unread: 10m", "unread: soon", "unread"),
        ("rules.yaml", "rules:", "rules: [", "rules|flow|expected"),
    ],
)
def test_what_cannot_be_used_stops_the_start_and_the_old_data_stays(
    tmp_path: Path, name: str, old: str, new: str, word: str
) -> None:
    assert old in bundled(name)
    (tmp_path / name).write_text(bundled(name).replace(old, new, 1), encoding="utf-8")
    with pytest.raises(StartError, match=word):
        own.use(str(tmp_path))
    everything: Any = (rules.bundled(), templates.bundled(), preferences.bundled(), cascade.bundled())
    assert all(one.version for one in everything)


def test_texts_that_a_countys_rules_need_are_missed_when_it_starts(tmp_path: Path) -> None:
    (tmp_path / "templates.yaml").write_text(
        "version: x\nsignature: 【某县】\ntemplates: [{code: received, version: 1, text: 已受理}]",
        encoding="utf-8",
    )
    with pytest.raises(StartError, match="template"):
        own.use(str(tmp_path))


def test_a_folder_that_isnt_there_and_a_file_of_another_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="isn't there"):
        own.use(str(tmp_path / "nowhere"))
    (tmp_path / "rule.yaml").write_text("", encoding="utf-8")
    (tmp_path / "..data").mkdir()  # as Kubernetes mounts them
    with pytest.raises(StartError, match=r"holds rule\.yaml"):
        own.use(str(tmp_path))


def test_commands_read_the_countys_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = bundled("templates.yaml").replace("【家园】", "【霞浦民情】")
    (tmp_path / "templates.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("JIAYUAN_NOTIFY_DATA", str(tmp_path))
    assert "【霞浦民情】" in CliRunner().invoke(notify, ["preview", "received"]).output
    monkeypatch.setenv("JIAYUAN_NOTIFY_DATA", str(tmp_path / "nowhere"))
    assert CliRunner().invoke(notify, ["preview", "received"]).exit_code == 1
