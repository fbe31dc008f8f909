"""Packages of npm that tests run: pinned by a lock beside them, installed where they are missing."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
from pathlib import Path

import pytest

MISSING = "node and npm were not found: `tools/programs.sh` says what to install."


def installed(folder: Path, package: str) -> Path:
    """The folder of a package that `folder`'s package.json names, at that version; one process installs at a time."""
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        pytest.fail(MISSING)
    wanted = json.loads((folder / "package.json").read_text())["dependencies"][package]
    found = folder / "node_modules" / package
    with (folder / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        about = found / "package.json"
        if not about.exists() or json.loads(about.read_text())["version"] != wanted:
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            if done.returncode:
                pytest.fail(
                    f"`npm ci` in {folder.name} failed, is a registry reachable? {done.stderr.strip()[-300:]}"
                )
    return found
