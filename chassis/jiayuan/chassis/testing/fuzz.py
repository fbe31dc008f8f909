"""schemathesis against the OpenAPI document of a service's own process (`processes.running`).

`FUZZ_EXAMPLES` (an operation), `FUZZ_SECONDS` and `FUZZ_SEED` of the environment are its settings; the short form of
them runs with the other tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "10")
SECONDS = int(os.environ.get("FUZZ_SECONDS", "900"))
SEED = os.environ.get("FUZZ_SEED", "20260302")


def schemathesis(
    document: Path, address: str, config: str, folder: Path, hooks: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs all of its checks; what it said is in `folder`/schemathesis.out as well."""
    settings = folder / "schemathesis.toml"
    settings.write_text(config, encoding="utf-8")
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        f"--config-file={settings}",
        "run",
        str(document),
        f"--url={address}",
        "--checks=all",
        f"--max-examples={EXAMPLES}",
        f"--seed={SEED}",
        "--request-timeout=20",
        "--no-color",
        "--continue-on-failure",
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        cwd=folder,
        env={**os.environ, **({"SCHEMATHESIS_HOOKS": str(hooks)} if hooks is not None else {})},
    )
    (folder / "schemathesis.out").write_text(done.stdout + done.stderr, encoding="utf-8")
    return done


def nothing_found(done: subprocess.CompletedProcess[str], log: Path) -> None:
    """Asserts that schemathesis found nothing, and that nothing failed inside the service."""
    assert done.returncode == 0, done.stdout[-12000:] + done.stderr[-2000:]
    written = log.read_text(errors="replace")
    assert "Traceback" not in written, written[-4000:]
