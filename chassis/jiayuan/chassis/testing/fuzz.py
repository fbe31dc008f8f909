"""A service's own process, and schemathesis against its OpenAPI document.

`FUZZ_EXAMPLES` (an operation), `FUZZ_SECONDS` and `FUZZ_SEED` of the environment are its settings; the short form of
them runs with the other tests.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "10")
SECONDS = int(os.environ.get("FUZZ_SECONDS", "900"))
SEED = os.environ.get("FUZZ_SEED", "20260302")


@contextmanager
def running(service: str, settings: Mapping[str, str], log: Path) -> Iterator[str]:
    """A process of the service with these settings (`JIAYUAN_…`); gives its address once it is ready.

    Afterwards the process must still have been alive.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("JIAYUAN_")},
        **settings,
        "JIAYUAN_HTTP_PORT": str(port),
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "jiayuan.chassis.cli", "run", service],
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            _ready(process, address, log)
            yield address
            assert process.poll() is None, log.read_text()[-4000:]
        finally:
            process.terminate()
            process.wait(30)


def _ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(address + "/readyz", timeout=5).close()
            return
        except (OSError, urllib.error.HTTPError):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, "the service is not ready"
            time.sleep(0.05)


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
