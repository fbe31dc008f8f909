"""Pins every member's dependencies, and the development environment's, with hashes.

    python tools/lock.py [--upgrade]

Writes requirements/dev.txt (all members, their extras, the tools of requirements/dev.in), from it
requirements/build.txt and a requirements.txt beside each member's pyproject.toml, so that a package has one
version everywhere; the benchmark's peers have an environment, and a lock, of their own. A lock names
versions and hashes only: no registry, no path. Without --upgrade a pin that still fits is kept.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from workspace import ROOT, members, outside_requirements, with_dependencies

DEV_IN = ROOT / "requirements/dev.in"
DEV = ROOT / "requirements/dev.txt"
BUILD = ROOT / "requirements/build.txt"
BUILD_BACKEND = ["hatchling"]
PEERS = ROOT / "bench/peers"


def compile_lock(requirements: list[str], target: Path, *, constraint: Path | None, upgrade: bool) -> None:
    """Resolve `requirements` for every Python from 3.11 on and write `target`."""
    options = ["--universal", "--python-version=3.11", "--generate-hashes", "--no-header", "--no-annotate"]
    options += ["--no-emit-index-url", "--no-emit-find-links", "--no-config", "--quiet"]
    if upgrade:
        options.append("--upgrade")
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "requirements.in")
        wanted.write_text("\n".join(requirements) + "\n", encoding="utf-8")
        if constraint:
            options.append(f"--constraint={constraint}")
        output = Path(folder, "requirements.txt")
        if target.exists() and not upgrade:
            output.write_bytes(target.read_bytes())
        command = [
            sys.executable,
            "-m",
            "uv",
            "pip",
            "compile",
            *options,
            f"--output-file={output}",
            str(wanted),
        ]
        subprocess.run(command, check=True, env=os.environ | {"UV_NATIVE_TLS": "1"})
        text = output.read_text(encoding="utf-8")
    if "://" in text or text.startswith(("-i", "--")):
        raise SystemExit(f"{target}: the lock would name an address; look at uv's settings")
    target.write_text(text, encoding="utf-8")
    print(f"{target.relative_to(ROOT)}: {text.count('==')} packages")


def read_lines(path: Path) -> list[str]:
    """The requirement lines of a file, without blanks and comments."""
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]


def main() -> None:
    """Write all locks."""
    upgrade, everyone = "--upgrade" in sys.argv[1:], members()
    tools = read_lines(DEV_IN)
    extras = [line for member in everyone.values() for line in member.extras]
    every_requirement = [*tools, *extras, *outside_requirements(list(everyone.values()), everyone)]
    compile_lock(every_requirement, DEV, constraint=None, upgrade=upgrade)
    compile_lock(BUILD_BACKEND, BUILD, constraint=DEV, upgrade=upgrade)
    for member in everyone.values():
        needed = outside_requirements(with_dependencies(member, everyone), everyone)
        compile_lock(needed, member.folder / "requirements.txt", constraint=DEV, upgrade=upgrade)
    peers = read_lines(PEERS / "requirements.in")  # exact versions already: those that were measured
    compile_lock(peers, PEERS / "requirements.txt", constraint=None, upgrade=upgrade)


if __name__ == "__main__":
    main()
