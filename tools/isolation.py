"""Builds each service in a clean environment with only its own dependencies, and imports it there.

For every service: a new virtual environment, its requirements.txt (exact versions, hashes), the wheels of
contracts, chassis and the service itself; then `pip check`, the import of jiayuan.<service>.service, a look for
everything that any of its modules imports, also inside functions, and one that no other member of the workspace is
to be found. Exits with 1 and the reasons when one fails.
JIAYUAN_WHEELS names a folder of wheels to install from instead of an index.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from workspace import Member, members, with_dependencies

PROBE = """
import ast, importlib, importlib.util, pathlib, sys
own, others = sys.argv[1], sys.argv[2:]
service = importlib.import_module(f"jiayuan.{own}.service")
# Of an extra, and imported where its absence is told: scikit-learn for training, chinesecalendar for a year's days.
# `testing` is for tests alone.
wanted, extra = {}, {"sklearn", "chinese_calendar"}
folder = pathlib.Path(service.__file__).parent
for path in folder.rglob("*.py"):
    if "testing" in path.relative_to(folder).parts:
        continue
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module]
        else:
            continue
        wanted.update((name.split(".")[0], path.name) for name in names)
missing = [f"{n} ({wanted[n]})" for n in sorted(wanted.keys() - extra) if importlib.util.find_spec(n) is None]
if missing:
    sys.exit(f"imports what it doesn't depend on: {', '.join(missing)}")
seen = [name for name in others if importlib.util.find_spec(f"jiayuan.{name}")]
sys.exit(f"can also import {', '.join(seen)}" if seen else 0)
"""


def run(*command: str | Path) -> None:
    """Run a command; its output is shown only when it fails."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tempfile.gettempdir(),
    )
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        shown = " ".join(str(part) for part in command if "\n" not in str(part))
        raise RuntimeError(f"`{shown}` failed:\n{last}")


def pip(python: Path | None, *arguments: str | Path) -> None:
    """pip of this environment, working on `python`'s."""
    target = ["--python", python] if python else []
    run(sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *target, *arguments)


def source() -> list[str]:
    """Where wheels come from, when not from the configured index."""
    wheels = os.environ.get("JIAYUAN_WHEELS")
    return ["--no-index", "--find-links", wheels] if wheels else []


def build(member: Member, folder: Path) -> Path:
    """The member's wheel, in a folder of its own."""
    target = folder / member.name
    pip(None, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", target, member.folder)
    return next(target.glob("*.whl"))


def check(service: Member, wheels: dict[str, Path], folder: Path) -> None:
    """Raise RuntimeError unless the service installs and imports alone."""
    everyone = members()
    venv = folder / f"venv-{service.name}"
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    python = venv / "bin/python"
    requirements = service.folder / "requirements.txt"
    pip(python, "install", *source(), "--require-hashes", "--no-compile", "-r", requirements)
    own = with_dependencies(service, everyone)
    pip(
        python, "install", "--no-deps", "--no-index", "--no-compile", *(wheels[member.name] for member in own)
    )
    pip(python, "check")
    others = [name.removeprefix("jiayuan-") for name in everyone if everyone[name] not in own]
    run(python, "-I", "-c", PROBE, service.name.removeprefix("jiayuan-"), *others)


def main() -> int:
    """Check all services, two at a time. The number of failures is the exit code."""
    started, everyone = time.monotonic(), members()
    services = [member for member in everyone.values() if member.is_service]
    failures = 0
    with tempfile.TemporaryDirectory(prefix="jiayuan-isolation-") as name, ThreadPoolExecutor(2) as pool:
        folder = Path(name)
        needed = {member.name: member for one in services for member in with_dependencies(one, everyone)}
        wheels = dict(
            zip(needed, pool.map(lambda member: build(member, folder), needed.values()), strict=True)
        )
        for service, done in [(service, pool.submit(check, service, wheels, folder)) for service in services]:
            try:
                done.result()
                print(f"isolation: {service.name} stands alone", flush=True)
            except RuntimeError as error:
                failures += 1
                print(f"isolation: {service.name}: {error}", file=sys.stderr, flush=True)
    print(f"isolation: {len(services) - failures} of {len(services)} in {time.monotonic() - started:.0f} s")
    return failures


if __name__ == "__main__":
    sys.exit(main())
