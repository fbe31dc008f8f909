"""Intake as a process of its own, on a real broker and database: by HTTP, by file and from the bus."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, NullPool, create_engine
from sqlalchemy import text as sql

from jiayuan.chassis.database import driver_url
from jiayuan.chassis.testing import processes
from jiayuan.chassis.testing.brokers import Broker
from jiayuan.chassis.testing.processes import until
from jiayuan.contracts.publisher import Publisher

pytestmark = pytest.mark.bus


class Running:
    """The process, its address and its database."""

    def __init__(self, address: str, environment: dict[str, str], engine: Engine, log: Path) -> None:
        self.address, self.environment, self.engine, self.log = address, environment, engine, log

    def call(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        request = urllib.request.Request(
            self.address + path,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Content-Type": "application/json", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def ready(self) -> bool:
        try:
            return self.call("/readyz")[0] == 200
        except OSError:
            return False

    def count(self, table: str) -> int:
        with self.engine.connect() as conn:
            return int(conn.execute(sql(f"SELECT count(*) FROM {table}")).scalar_one())


def _depths(broker: Broker, queues: Iterable[str]) -> dict[str, int]:
    return {queue: broker.queue(queue).get("messages", 0) for queue in queues}


@pytest.fixture
def running(broker: Broker, database: Callable[[str], str], tmp_path: Path) -> Iterator[Running]:
    url = database("intake")
    settings = processes.settings("intake", broker, url, JIAYUAN_MEDIA=f"file://{tmp_path}/media")
    log = tmp_path / "intake.log"
    engine = create_engine(driver_url(url), poolclass=NullPool)
    try:
        with processes.running("intake", settings, log) as address:
            yield Running(address, processes.environment(settings), engine, log)
    finally:
        engine.dispose()


def test_three_ways_in(running: Running, broker: Broker, tmp_path: Path) -> None:
    body = {"text": "龍津社區聽雨街路燈壞了", "contact": {"phone": "13800138000"}}
    status, made = running.call("/reports", body, **{"Idempotency-Key": "k"})
    assert status == 201
    assert running.call("/reports", body, **{"Idempotency-Key": "k"}) == (200, made)
    assert running.call(f"/reports/{made['id']}?code={made['tracking_code']}")[0] == 200
    assert running.call(f"/reports/{made['id']}")[0] == 404

    with Publisher(broker.uri("hotline-12345"), attempts=3) as partner:
        sent = {"external_id": "H1", "text": "西关社区井盖没了", "contact": {"phone": "13900139000"}}
        first = partner.report_submitted(sent)
        again = partner.report_submitted(sent)
        wrong = partner.report_submitted({"external_id": "H2", "text": "路灯", "category": "9999"})
        came: dict[str | None, Any] = {}
        for outcome in partner.outcomes(timeout=30):
            came[outcome.message] = outcome
            if len(came) == 3:
                break
    assert [came[r.id].outcome for r in (first, again, wrong)] == ["accepted", "duplicate", "rejected"]
    assert came[first.id].result == came[again.id].result
    assert came[wrong.id].problems[0].field == "data.category"

    file = tmp_path / "信箱.csv"
    file.write_text("内容\n东关社区停水\n东关村停电\n", encoding="utf-8-sig")
    for expected in ("2 taken in", "2 there already"):
        done = subprocess.run(
            [sys.executable, "-m", "jiayuan.chassis.cli", "import", str(file)],
            env=running.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout

    assert running.count("report") == 4
    # Everything is published, what the command line left in the outbox too, and nobody's number is in a log.
    until(lambda: running.count("outbox") == 0, "the outbox is empty")
    waiting = {"jiayuan.routing.live": 2, "jiayuan.routing.bulk": 2, "jiayuan.notify.live": 2}
    until(lambda: _depths(broker, waiting) == waiting, f"the queues hold {waiting}")
    assert "1380013" not in running.log.read_text()
    assert "1390013" not in running.log.read_text()


def _photo(size: tuple[int, int]) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", size, (10, 200, 30)).save(out, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")
    return out.getvalue()


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("var/media", "media: 'var/media' is no store"),
        ("s3+https://store/bucket", "media_key and media_secret are missing"),
    ],
)
def test_a_store_of_media_that_cannot_be_meant_stops_the_start(
    broker: Broker, database: Callable[[str], str], value: str, named: str
) -> None:
    settings = processes.settings("intake", broker, database("intake"), JIAYUAN_INTAKE_MEDIA=value)
    done = subprocess.run(
        [sys.executable, "-m", "jiayuan.chassis.cli", "run", "intake"],
        env=processes.environment(settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert named in (done.stdout + done.stderr).strip().splitlines()[-1]


def test_photos_come_in_while_others_are_served(running: Running) -> None:
    def upload(size: int) -> tuple[int, Any]:
        request = urllib.request.Request(running.address + "/media", data=_photo((size, 1000)))
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.loads(response.read())["media"][0]

    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(upload, 1000 + n) for n in range(16)]
        body = {"text": "龙津社区听雨街的路灯坏了"}
        assert running.call("/reports", body)[0] == 201
        kept = [f.result() for f in sent]
    assert [status for status, _ in kept] == [201] * 16
    assert sorted(m["width"] for _, m in kept) == [1000 + n for n in range(16)]
    digests = [m["digest"] for _, m in kept[:9]]
    status, made = running.call("/reports", {"text": "路灯坏了", "attachments": digests})
    assert status == 201
    _, seen = running.call(f"/reports/{made['id']}?code={made['tracking_code']}")
    with urllib.request.urlopen(running.address + seen["media"][0]["url"], timeout=10) as response:
        assert response.headers["Content-Type"] == "image/jpeg"
        assert hashlib.sha256(response.read()).hexdigest() == digests[0]

    # A body without a length comes in pieces; what is too large is refused without being read to its end.
    host, port = running.address.removeprefix("http://").split(":")
    for pieces, expected in (([_photo((500, 500))], 201), ([bytes(1 << 20)] * 33, 413)):
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", "/media", body=iter(pieces), encode_chunked=True)
        assert connection.getresponse().status == expected
        connection.close()


def test_a_running_process_takes_up_a_new_list_of_places(running: Running, tmp_path: Path) -> None:
    def found() -> Any:
        return running.call("/places/locate", {"text": "芹头村的路灯坏了"})[1]["community"]

    assert found() is None
    file = tmp_path / "places.csv"
    file.write_text("code,name\n350921103,溪南镇\n350921103206,芹头村委会\n", encoding="utf-8")
    command = [sys.executable, "-m", "jiayuan.chassis.cli", "intake", "gazetteer"]
    for arguments in (["import", str(file)], ["revoke", "1", "--reason", "试验"]):
        done = subprocess.run(
            [*command, *arguments], env=running.environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        expected = "350921103206" if "import" in arguments else None
        until(lambda e=expected: found() == e, f"the running process says {expected}")
