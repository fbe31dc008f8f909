"""What a cluster leaves for whoever wants to use it by hand."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from jiayuan.local.cluster import Cluster
from jiayuan.local.servers import Servers

pytestmark = pytest.mark.unit


def test_a_shell_reads_what_a_service_s_command_needs(tmp_path: Path) -> None:
    servers = Servers("given", "for the test", "amqp://127.0.0.1/", "http://127.0.0.1/", "postgresql://db/")
    cluster = Cluster(servers, tmp_path, services=("intake", "ledger"), settings={"JIAYUAN_ODD": "a 'b' $c"})
    cluster.broker = SimpleNamespace(uri="amqp://{}".format)  # type: ignore[assignment]
    cluster.database_urls = {s: f"postgresql://{s}" for s in cluster.services}
    up = SimpleNamespace(alive=True, address="http://127.0.0.1:1", popen=None)
    cluster.processes["intake"].append(up)  # type: ignore[arg-type]
    cluster.save()
    file = tmp_path / "ledger.env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    shown = subprocess.run(
        [
            "sh",
            "-c",
            '. ./ledger.env && printf "%s|" "$JIAYUAN_ODD" "$JIAYUAN_DATABASE_URL" "$JIAYUAN_LEDGER_INTAKE_URL"',
        ],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown == "a 'b' $c|postgresql://ledger|http://127.0.0.1:1|"
    # Whom the ledger asks is known only where it runs.
    assert "ROUTING_URL" not in file.read_text()
