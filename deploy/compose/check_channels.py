"""Intake's other ways in through the proxy: photos, tracking codes, what is public, Open311, sheets. For check.sh.

    JIAYUAN_PORT=… JIAYUAN_TOKENS=… OPEN311_KEY=… python3 check_channels.py
    JIAYUAN_PORT=… python3 check_channels.py LINK      that a photo is still there, after restarts

Prints the link of the photo as its last line. Exit code 1, and why, when an answer isn't what it has to be.
"""

from __future__ import annotations

import json
import os
import random
import struct
import sys
import urllib.error
import urllib.parse
import urllib.request
import uuid
import zlib
from typing import Any

BASE = f"http://127.0.0.1:{os.environ['JIAYUAN_PORT']}"
TOKENS = os.environ.get("JIAYUAN_TOKENS", "").split()
SIDE = 1300
"""Pixels; a picture of noise of this size has 5 MB."""
MiB = 1024 * 1024


def call(method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str, bytes]:
    """One request; status, type and bytes."""
    request = urllib.request.Request(BASE + path, body, method=method)
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, response.headers.get("Content-Type", ""), response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("Content-Type", ""), error.read()


def good(method: str, path: str, body: bytes | None = None, **headers: str) -> bytes:
    """The bytes of a 2xx."""
    status, _, answer = call(method, path, body, **headers)
    if status // 100 != 2:
        fail(f"{method} {path} gave {status}: {answer[:400]!r}")
    return answer


def document(method: str, path: str, body: Any = None, **headers: str) -> Any:
    """The JSON of a 2xx."""
    raw = None if body is None else json.dumps(body).encode()
    return json.loads(good(method, path, raw, Content_Type="application/json", **headers))


def fail(why: str) -> None:
    """Says why, and ends."""
    raise SystemExit(f"check: {why}")


def noise() -> bytes:
    """A PNG that doesn't compress."""
    rows = b"".join(b"\0" + random.randbytes(SIDE * 3) for _ in range(SIDE))

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 1))
        + chunk(b"IEND", b"")
    )


def photos() -> tuple[str, str]:
    """Uploads one, refuses one that is too large, reports with it; the tracking code and the photo's link."""
    kept = json.loads(good("POST", "/intake/media", noise()))["media"][0]
    if kept["type"] != "image/png" or kept["width"] != SIDE:
        fail(f"the photo became {kept}")
    status, form, answer = call("POST", "/media", bytes(12 * MiB))
    if status not in (413, 422) or not form.startswith("application/problem+json"):
        fail(f"12 MiB at /media gave {status} {form}: {answer[:200]!r}")
    status, _, _ = call("POST", "/intake/reports", bytes(3 * MiB), Content_Type="application/json")
    if status != 413:
        fail(f"3 MiB at /intake/reports gave {status}, not 413")
    report = document(
        "POST",
        "/intake/reports",
        {"text": f"龙津社区听雨街路灯坏了（{uuid.uuid4().hex[:6]}）", "attachments": [kept["digest"]]},
        Idempotency_Key=uuid.uuid4().hex,
    )
    code = report["tracking_code"]
    followed = document("GET", f"/track/{code}")
    link = str(followed["media"][0]["url"])
    still(link)
    return code, link


def still(link: str) -> None:
    """The photo behind a link is whole."""
    size = len(good("GET", link))
    if size < SIDE * SIDE * 3:
        fail(f"the photo has {size} bytes")


def open311() -> str:
    """Discovery, a request, that request; its id."""
    found = document("GET", "/discovery.json")
    endpoint = found["endpoints"][0]["url"]
    if not endpoint.startswith(BASE):
        fail(f"discovery names {endpoint}, which is not behind {BASE}")
    path = endpoint.removeprefix(BASE)
    service = document("GET", f"{path}/services.json")[0]["service_code"]
    if b"<services>" not in good("GET", f"{path}/services.xml"):
        fail("services.xml holds no <services>")
    form = {
        "api_key": os.environ["OPEN311_KEY"],
        "service_code": service,
        "lat": "26.888",
        "long": "119.998",
        "description": f"龙津社区听雨街，请来看看（{uuid.uuid4().hex[:6]}）",
    }
    made = json.loads(
        good(
            "POST",
            f"{path}/requests.json",
            urllib.parse.urlencode(form).encode(),
            Content_Type="application/x-www-form-urlencoded",
        )
    )
    request = made[0]["service_request_id"]
    shown = document("GET", f"{path}/requests/{request}.json")
    if shown[0]["service_request_id"] != request:
        fail(f"request {request} is shown as {shown}")
    return str(request)


def sheet() -> None:
    """A sheet larger than other bodies may be, answered with a tracking code or a word in each row."""
    rows = [f"{n},府前社区{n}号楼道灯坏了{'，请尽快' * 500}" for n in range(1, 401)]
    raw = "\r\n".join(["编号,内容", *rows]).encode()
    if len(raw) < 2 * MiB:
        fail(f"the sheet has only {len(raw)} bytes")
    answer = good(
        "POST",
        "/intake/sheets?channel=suggestion_box",
        raw,
        Content_Type="text/csv",
        Authorization=f"Bearer {TOKENS[0]}",
    ).decode()
    codes = sum("XP" in line for line in answer.splitlines())
    if codes != len(rows):
        fail(f"{codes} of {len(rows)} rows of the sheet have a code: {answer[:300]}")


def main() -> None:
    """All of it, or the photo alone."""
    if len(sys.argv) > 1:
        still(sys.argv[1])
        return
    code, link = photos()
    document("GET", "/public/reports")
    request = open311()
    sheet()
    for path in ("/intake/metrics", "/metrics", "/reports"):
        if (status := call("GET", path)[0]) != 404:
            fail(f"{path} is open: {status}")
    sys.stderr.write(
        f"compose-check: photo and report {code}, Open311 request {request}, a sheet of 400 rows\n"
    )
    sys.stdout.write(link + "\n")


if __name__ == "__main__":
    main()
