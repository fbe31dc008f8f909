"""Open311 as others use it: public clients, unmodified, against intake as a process of its own.

civicbot 0.4 and georeport 0.3 are installed from the index as they are. three 0.8, the best known one, was written for
Python 2 and can't be imported any more (`from itertools import ifilter`): what it sends is sent here by the library
that it stands on. FixMyStreet is Perl: its requests are those of its Open311.pm.
"""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import requests
from civicbot.http import HttpError, HttpTransport, RateLimiter
from civicbot.open311 import Open311Client
from civicbot.registry import Endpoint
from georeport import GeoReport
from PIL import Image

from jiayuan.chassis.testing import processes
from jiayuan.chassis.testing.brokers import Broker

pytestmark = pytest.mark.bus


class Running:
    """The process: the address of its endpoint, and a key that the command line made."""

    def __init__(self, address: str, environment: dict[str, str]) -> None:
        self.address, self.environment = address, environment
        self.endpoint = f"{address}/open311/v2"
        self.key = self.command("keys", "add", "测试应用", "--jurisdiction", "xiapu.gov.cn").strip()

    def command(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "jiayuan.chassis.cli", "intake", "open311", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def running(broker: Broker, database: Callable[[str], str], tmp_path: Path) -> Iterator[Running]:
    settings = processes.settings(
        "intake", broker, database("intake"), JIAYUAN_MEDIA=f"file://{tmp_path}/media"
    )
    log = tmp_path / "intake.log"
    with processes.running("intake", settings, log) as address:
        yield Running(address, processes.environment(settings))
    assert "1380013" not in log.read_text()


def test_public_clients_unmodified(running: Running) -> None:
    made = _civicbot(running)
    for form in ("json", "xml"):
        _georeport(running, form, made)
    _as_three(running)
    _as_fixmystreet(running)
    _as_the_validator(running)
    shown = running.command("keys", "list")
    assert running.key not in shown
    id_ = running.key.split("-")[1]
    assert f"{id_}  " in shown
    running.command("keys", "revoke", id_, "--reason", "测试")
    refused = requests.post(f"{running.endpoint}/requests.json", {"api_key": running.key}, timeout=30)
    assert (refused.status_code, refused.json()[0]["code"]) == (403, 403)


def _civicbot(running: Running) -> str:
    endpoint = Endpoint("xiapu", "霞浦", running.endpoint, write=True, geo_scoped=True)
    client = Open311Client(
        endpoint, HttpTransport(rate_limiter=RateLimiter(0.0)), jurisdiction_id="xiapu.gov.cn"
    )
    sent = client.create_request(
        "0204",
        dry_run=False,
        confirm="SEND",
        validate_remote=True,
        api_key=running.key,
        lat=26.888,
        lng=119.998,
        description="龙津社区向阳豪庭电梯停了，电话13800138000",
        attributes={"TRAPPED": "NO"},
        first_name="Jane",
        last_name="Example",
        email="jane@example.org",
    )
    id_ = str(sent.response[0]["service_request_id"])
    found = client.get_request(id_)
    assert found is not None
    assert found["status"] == "open"
    assert [r["service_request_id"] for r in client.list_requests(service_request_ids=[id_])] == [id_]
    assert client.list_requests(service_code="0204", status="open", page_size=5)
    code = next(
        w for w in sent.response[0]["service_notice"].replace("，", " ").split() if w.startswith("XP")
    )
    assert client.get_token(code)[0]["service_request_id"] == id_
    with pytest.raises(HttpError) as caught:
        client.get_request("nothing")
    assert caught.value.status == 404
    return id_


def _georeport(running: Running, form: str, id_: str) -> None:
    client = GeoReport(running.endpoint, jurisdiction="xiapu.gov.cn", output_format=form)
    services = {s["service_code"]: s for s in client.get_service_list()}
    assert services["0102"]["service_name"] == "路灯照明"
    definition = client.get_service_definition("0204")
    attributes = definition["attributes"]
    if form == "xml":
        attributes = attributes["attribute"]
    assert [a["code"] for a in attributes] == ["TRAPPED", "LIFT"]
    record: Any = client.get_service_request(id_)
    assert record["service_code"] == "0204"
    assert "13800138000" not in record["description"]
    listed: Any = client.get_service_requests(service_code="0204", status="open")
    assert (listed if isinstance(listed, list) else [listed])[0]["service_request_id"] == id_


def _as_three(running: Running) -> None:
    """three 0.8's `post(…, media=open(…))`, `requests(…, count=…, start=…)`, `services()`, `discovery()`."""
    session = requests.Session()
    photo = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(photo, "JPEG")
    data = {
        "jurisdiction_id": "xiapu.gov.cn",
        "address_string": "霞浦县松城街道龙津社区听雨街",
        "first_name": "Zach",
        "last_name": "Williams",
        "phone": "555-5555",
        "description": "路灯坏了",
        "service_code": "0102",
        "api_key": running.key,
    }
    answer = session.post(
        f"{running.endpoint}/requests.json",
        data=data,
        files={"media": ("photo.jpg", photo.getvalue())},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    (made,) = answer.json()
    assert made["service_request_id"]
    wrong = session.post(
        f"{running.endpoint}/requests.json", data=data, files={"media": ("photo.jpg", b"GIF89a")}, timeout=60
    )
    assert wrong.status_code == 400
    assert "media" in wrong.json()[0]["description"]
    page = session.get(
        f"{running.endpoint}/requests.json",
        params={
            "jurisdiction_id": "xiapu.gov.cn",
            "page_size": 1,
            "start_date": time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime()),
        },
        timeout=30,
    ).json()
    assert [r["service_request_id"] for r in page] == [made["service_request_id"]]
    assert session.get(f"{running.endpoint}/discovery.json", timeout=30).json()["endpoints"]


def _as_fixmystreet(running: Running) -> None:
    """Open311.pm: send_service_request, post_service_request_update, get_service_request_updates."""
    data = {
        "jurisdiction_id": "xiapu.gov.cn",
        "api_key": running.key,
        "description": "Street light\n\nDark for a week\n\nhttp://fms.example.org/report/1\n",
        "service_code": "0102",
        "first_name": "Test",
        "last_name": "User",
        "email": "user@example.org",
        "lat": "26.888",
        "long": "119.998",
        "media_url": ["http://fms.example.org/photo/1.0.jpeg", "http://fms.example.org/photo/1.1.jpeg"],
        "attribute[POLE]": "A-1",
        "attribute[fixmystreet_id]": "1",
        "deviceid": "iOS",
    }
    made = ElementTree.fromstring(
        requests.post(f"{running.endpoint}/requests.xml", data=data, timeout=30).content
    )
    assert made.tag == "service_requests"
    id_ = made.findtext("request/service_request_id")
    assert id_
    update = {
        "jurisdiction_id": "xiapu.gov.cn",
        "api_key": running.key,
        "updated_datetime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "service_request_id": id_,
        "status": "CANCELLED",
        "description": "It works again",
        "last_name": "-",
        "first_name": "Test",
        "email": "user@example.org",
        "update_id": "42",
    }
    done = ElementTree.fromstring(
        requests.post(f"{running.endpoint}/servicerequestupdates.xml", data=update, timeout=30).content
    )
    assert done.findtext("request_update/update_id")
    window = {
        "jurisdiction_id": "xiapu.gov.cn",
        "api_key": running.key,
        "start_date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 7200)),
        "end_date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60)),
    }
    told = ElementTree.fromstring(
        requests.get(f"{running.endpoint}/servicerequestupdates.xml", params=window, timeout=30).content
    )
    assert told.tag == "service_request_updates"
    assert [u.findtext("status") for u in told if u.findtext("service_request_id") == id_] == ["closed"]


def _as_the_validator(running: Running) -> None:
    """What SeeClickFix's open311-validator and validopen311 look for, beyond what the clients above did."""
    for where in ("discovery", "open311/discovery"):
        for form, kind in (("xml", "text/xml"), ("json", "application/json")):
            answer = requests.get(f"{running.address}/{where}.{form}", timeout=30)
            assert (answer.status_code, answer.headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
    naive = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 2 * 86400))
    for query in (
        "service_request_id=3,5",
        "service_code=0102",
        f"start_date={naive}.123456",
        f"end_date={naive}",
        "status=closed",
    ):
        answer = requests.get(f"{running.endpoint}/requests.xml?{query}", timeout=30)
        assert answer.status_code == 200, (query, answer.text)
        assert answer.encoding == "utf-8"
        assert ElementTree.fromstring(answer.content).tag == "service_requests"
    # A base address that ends in a slash, joined with one.
    assert requests.get(f"{running.endpoint}//services.xml", timeout=30).status_code == 200
