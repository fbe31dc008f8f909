"""Photos and sheets through a process of intake of its own, where all is cooperative: an S3 store, and sheets."""

from __future__ import annotations

import importlib.util
import io
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from jiayuan.chassis import tokens
from jiayuan.chassis.testing import processes
from jiayuan.chassis.testing.brokers import Broker
from jiayuan.chassis.testing.databases import TOKEN_SECRET

pytestmark = pytest.mark.bus
ROWS = 3000


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pictures, stores = _load("pictures"), _load("test_media_store")


@pytest.fixture
def s3() -> Iterator[Any]:
    handler = type("Handler", (stores.FakeS3,), {"objects": {}, "wrong": [], "fail": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def address(broker: Broker, database: Callable[[str], str], tmp_path: Path, s3: Any) -> Iterator[str]:
    settings = processes.settings(
        "intake",
        broker,
        database("intake"),
        JIAYUAN_LIMITS="off",
        JIAYUAN_MEDIA=f"s3+http://127.0.0.1:{s3.server_port}/{stores.BUCKET}?region={stores.REGION}",
        JIAYUAN_MEDIA_KEY=stores.KEY,
        JIAYUAN_MEDIA_SECRET=stores.SECRET,
    )
    with processes.running("intake", settings, tmp_path / "intake.log") as address:
        yield address


def _get(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def _post(url: str, data: bytes, **headers: str) -> Any:
    request = urllib.request.Request(url, data=data, headers=headers)
    return urllib.request.urlopen(request, timeout=300)


def test_photos_go_to_a_store_with_s3s_interface_and_come_back(address: str, s3: Any) -> None:
    fake = s3.RequestHandlerClass

    def upload(n: int) -> str:
        with _post(f"{address}/media", pictures.picture(size=(40 + n, 40), exif=pictures.exif())) as response:
            return str(json.loads(response.read())["media"][0]["digest"])

    with ThreadPoolExecutor(4) as pool:
        digests = list(pool.map(upload, range(8)))
    assert len(fake.objects) == 8
    assert fake.wrong == []
    body = json.dumps({"text": "路灯坏了", "attachments": digests}).encode()
    with _post(f"{address}/reports", body, **{"Content-Type": "application/json"}) as response:
        made = json.loads(response.read())
    url = f"{address}/media/{digests[3]}?report={made['id']}&code={made['tracking_code']}"
    with urllib.request.urlopen(url, timeout=30) as response:
        assert response.read() == fake.objects[f"{digests[3][:2]}/{digests[3][2:4]}/{digests[3]}"][0]
    # A store that is away is not a photo that isn't there, and nothing is lost: it is asked for again.
    fake.fail += [503] * 6
    assert _get(url) == 503
    fake.fail.clear()
    assert _get(url) == 200


def test_a_call_for_help_does_not_wait_behind_a_sheet(address: str) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(["内容", "地点"])
    for n in range(ROWS):
        sheet.append([f"第{n}盏路灯坏了", "龙津社区"])
    out = io.BytesIO()
    book.save(out)
    token = tokens.issue(TOKEN_SECRET, "desk-1", ("desk",), street="350921001")
    answered: list[int] = []

    def send() -> Any:
        with _post(f"{address}/sheets", out.getvalue(), Authorization=f"Bearer {token}") as response:
            return response.headers["Rows-Accepted"], response.read()

    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(send)
        while not sent.done():
            body = json.dumps({"text": f"三楼着火了{len(answered)}"}).encode()
            with _post(f"{address}/reports", body, **{"Content-Type": "application/json"}) as response:
                answered.append(response.status)
        accepted, answer = sent.result()
    assert accepted == str(ROWS)
    # Each batch of rows is its own transaction, between which others are served.
    assert len(answered) > 3
    assert set(answered) == {201}
    back = openpyxl.load_workbook(io.BytesIO(answer), read_only=True).worksheets[0]
    assert sum(str(row[-1]).startswith("已受理") for row in back.iter_rows(values_only=True)) == ROWS
