"""An operator at a service's commands: what was wrong is said in a sentence, with what is allowed, never as a trace."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .. import cli
from ..errors import EXIT_UNREACHABLE

AWAY = "postgresql://u:secret@127.0.0.1:1/none"


class Operator:
    """Types `jiayuan SERVICE …`, in a folder with files that are none: bad.yaml, bin.yaml, empty.yaml."""

    def __init__(
        self,
        service: str,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.service, self.monkeypatch, self.capsys = service, monkeypatch, capsys
        (folder / "bad.yaml").write_text("[1, 2", encoding="utf-8")
        (folder / "bin.yaml").write_bytes(b"\xff\xfe\x00")
        (folder / "empty.yaml").write_text("", encoding="utf-8")
        monkeypatch.chdir(folder)

    def __call__(self, words: str, url: str) -> tuple[int, str]:
        """Exit code, and what was said of what is wrong."""
        self.monkeypatch.setenv("JIAYUAN_DATABASE_URL", url)
        self.monkeypatch.setattr(sys, "argv", ["jiayuan", self.service, *words.split()])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return int(end.value.code or 0), self.capsys.readouterr().err

    def is_told(self, words: str, url: str, code: int, says: str) -> None:
        """AssertionError unless it ends with that code, says that, and shows no trace."""
        found, said = self(words, url)
        assert (found, says in said) == (code, True), said
        assert "Traceback" not in said, said

    def is_told_of_no_database(self, words: str) -> None:
        """AssertionError unless a database that is away is a sentence, without its password."""
        code, said = self(words, AWAY)
        assert code == EXIT_UNREACHABLE == 6, said
        assert said.startswith("jiayuan: "), said
        assert "does not answer" in said, said
        assert "Connection refused" in said, said
        assert "secret" not in said
