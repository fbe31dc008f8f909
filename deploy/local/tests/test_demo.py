"""The demonstration's own parts that need no server: what it replays, what it takes down, what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from jiayuan.local import demo, replay
from jiayuan.local.processes import Process

pytestmark = pytest.mark.unit


def test_given_data_goes_before_real_messages_and_those_before_the_bundled_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATA", raising=False)
    monkeypatch.setattr(demo, "REAL", tmp_path / "real.jsonl")
    assert demo.choose_data(demo.Options())[0] == replay.BUNDLED
    demo.REAL.write_text('{"text": "x"}', encoding="utf-8")
    assert demo.choose_data(demo.Options())[0] == demo.REAL
    monkeypatch.setenv("DATA", "mine.jsonl")
    assert demo.choose_data(demo.Options())[0] == Path("mine.jsonl")
    assert demo.choose_data(demo.Options(data=Path("theirs.jsonl")))[0] == Path("theirs.jsonl")


def test_bad_data_is_refused_before_anything_is_started_or_taken_down(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    options = demo.Options(folder=folder, data=tmp_path / "nowhere.jsonl")
    with pytest.raises(replay.DataError):
        demo.run(options, Console(file=StringIO()))
    assert folder.exists()


def test_down_ends_the_processes_and_deletes_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / ".local" / "demo"
    folder.mkdir(parents=True)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    known = Process.of(child.pid)
    state = {"demo": [2**22 + 1, 1], "processes": [[known.pid, known.started]]}
    (folder / demo.STATE).write_text(json.dumps(state), encoding="utf-8")
    assert demo.down(folder)
    assert not known.alive()
    assert not folder.parent.exists(), "nothing was left in it"


def test_down_leaves_a_stranger_alone_who_got_the_number_of_an_old_process(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        folder = tmp_path / "demo"
        folder.mkdir()
        state = {"processes": [[child.pid, Process.of(child.pid).started - 1]]}
        (folder / demo.STATE).write_text(json.dumps(state), encoding="utf-8")
        assert demo.down(folder)
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_down_says_when_there_was_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not demo.down(tmp_path / "demo")
    assert demo.main(["--down", "--folder", str(tmp_path / "demo")]) == 0
    assert "nothing was up" in capsys.readouterr().out


def test_what_cannot_go_on_is_one_sentence_and_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = demo.main(["--folder", str(tmp_path / "demo"), "--data", str(tmp_path / "nowhere.jsonl")])
    assert code == 1
    said = capsys.readouterr().err
    assert said.startswith("jiayuan: ")
    assert len(said.strip().splitlines()) == 1


def test_the_commands_of_this_package_are_found() -> None:
    from jiayuan.chassis.cli import cli

    assert "trace" in cli.list_commands(None)  # type: ignore[arg-type]
