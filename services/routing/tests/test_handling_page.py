"""The commands of docs/routing/handling.md do what the page says, against a process of routing."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jiayuan.chassis import tokens
from jiayuan.chassis.testing import processes
from jiayuan.chassis.testing.brokers import Broker
from jiayuan.chassis.testing.databases import SEAL_KEYS, TOKEN_SECRET, Opened
from jiayuan.routing.imports import import_directory

from .conftest import Routing, small_directory

pytestmark = pytest.mark.bus

PAGE = Path(__file__).parents[3] / "docs/routing/handling.md"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)


def test_the_page_works(broker: Broker, database: Callable[[str], str], tmp_path: Path) -> None:
    url = database("routing")
    opened = Opened("routing", url)
    with opened() as work:
        import_directory(work, opened.runtime.sealer, small_directory(), "test")
    routing = Routing(opened)
    case = routing.open(signs=[{"code": "fire", "call": "119"}])  # U05 leads, U03 and U06 assist
    leg = {leg["assignee"]["id"]: leg["id"] for leg in case["legs"]}["U05"]
    settings = processes.settings("routing", broker, url)
    clean = processes.environment()
    with processes.running("routing", settings, tmp_path / "routing.log") as address:
        environment = {
            **clean,
            "PATH": f"{Path(sys.executable).parent}:{clean['PATH']}",
            "ROUTING": address,
            "TOKEN": tokens.issue(TOKEN_SECRET, "clerk-U05", ("unit_clerk",), unit="U05"),
            "CASE": case["number"],
            "LEG": leg,
            "JIAYUAN_ROUTING_DATABASE_URL": url,
            "JIAYUAN_SEAL_KEYS": SEAL_KEYS,
        }
        said = []
        for block in _blocks("sh"):
            done = subprocess.run(
                ["bash", "-euc", block],
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, (block, done.stdout, done.stderr)
            said.append(done.stdout)
        mine, accepted, late, rest, lines = said
        assert leg in mine
        assert '"sequence":3' in accepted
        assert '"status":409' in late
        assert "you saw 1, it is at 3" in late
        assert '"case_moves":' in late
        assert '"kind":"extension"' in rest
        assert "已派人" not in lines
        assert "for clerk-1 [unit_clerk]  accept" in lines
        assert "clerk-1 [unit_clerk] by" in lines
        uri = broker.uri("department-systems")
        names = {
            "uri": uri,
            "case": case["number"],
            "sequence": routing.rows('SELECT sequence FROM "case"')[0][0],
        }
        [program] = _blocks("python")
        code = "".join(f"{name} = {value!r}\n" for name, value in names.items()) + program
        done = subprocess.run(
            [sys.executable, "-c", code], env=clean, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("accepted"), done.stdout
    states = {leg["assignee"]["id"]: leg["state"] for leg in routing.case(case["id"])["legs"]}
    assert states == {"U05": "done", "U06": "accepted", "U03": "accepted"}
    opened.close()
