"""What every test of the suite is watched for: personal data in logs."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from jiayuan.chassis.seal import Sealer, new_key
from jiayuan.chassis.testing.watching import Watch, leaks


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('{"message": "139****1234 is told"}', []),
        ('{"to": "13900001234"}', ["a number (phone)"]),
        ('{"to": "+86 139 0000 1234"}', ["a number (phone)"]),
        ('{"id": "110101199001011234"}', ["a number (identity)"]),
        ('{"notice": "01a21cdf-1797-7fe2-8313-021234567890", "count": 1764246000000}', []),
        ("GET /cgi-bin/message?access_token=71_abc HTTP/1.1", ["in an address, access_token"]),
        ("Authorization: Bearer eyJhbGciOiJI.eyJpc3MiOiJ4.c2lnbmF0dXJl", ["a token"]),
        ('{"who": "oExampleOpenid0001"}', ["a contact that was sealed"]),
    ],
)
def test_what_must_not_stand_in_a_log(line: str, found: list[str]) -> None:
    assert list(leaks(line, {"oExampleOpenid0001"})) == found


@pytest.mark.leaks
def test_what_this_process_logs_is_watched(watch: Watch) -> None:
    Sealer(new_key("k")).seal({"openid": "oExampleOpenid0002"}, "citizen-1")
    logging.getLogger("jiayuan.example").error("told", extra={"to": "oExampleOpenid0002"})
    logging.getLogger("jiayuan.example").error("masked", extra={"to": "13900001234"})
    assert ["a contact that was sealed" in one for one in watch.take()] == [True]


@pytest.mark.leaks
def test_what_another_process_writes_is_watched(watch: Watch, tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    with log.open("wb") as out:
        child = subprocess.Popen([sys.executable, "-c", "print('13900001234')"], stdout=out)
        assert child.wait(30) == 0
    assert watch.take()[0].startswith("service.log: a number (phone)")
    assert watch.take() == []
