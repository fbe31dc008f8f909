"""Sends reports by HTTP through the proxy and follows each into every service. For check.sh; stdlib only.

    JIAYUAN_PORT=… JIAYUAN_TOKENS="… …" python3 check_flow.py COUNT

Exit code 1 when a report is not in a case, or its case has no clock, entry or notice, or has more than one.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

BASE = f"http://127.0.0.1:{os.environ['JIAYUAN_PORT']}"
TOKENS = os.environ["JIAYUAN_TOKENS"].split()
"""One a sender, who take turns."""
PLACES = ("龙津社区", "东关社区", "府前社区", "俊贤社区", "西关社区")
MATTERS = (
    "楼道灯坏了，晚上看不见路",
    "路灯不亮，请维修",
    "小区垃圾没人清运",
    "井盖松动，很危险",
    "下水道堵了，污水外溢",
)
PATIENCE = 120.0


def call(method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    """One request; status and document."""
    request = urllib.request.Request(
        BASE + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Content-Type": "application/json",
            "Authorization": f"Bearer {TOKENS[0]}",
            **(headers or {}),
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, {"problem": error.read().decode(errors="replace")[:300]}


def persist(
    what: str, method: str, path: str, good: Any, *, retry: tuple[int, ...] = (404, 429), **kwargs: Any
) -> Any:
    """Calls until the answer is good; an operator's restarts in between are part of life."""
    until, status, document = time.monotonic() + PATIENCE, 0, None
    while time.monotonic() < until:
        try:
            status, document = call(method, path, **kwargs)
        except OSError as error:
            status, document = 0, str(error)
        if status // 100 == 2 and good(document):
            return document
        if status // 100 == 4 and status not in retry:
            break
        time.sleep(0.3)
    raise SystemExit(f"check: {what}: {method} {path} gave {status}: {json.dumps(document)[:400]}")


def one(number: int) -> str:
    """Sends one report, twice with the same key, and follows it; its case."""
    place, matter = PLACES[number % len(PLACES)], MATTERS[number % len(MATTERS)]
    text = f"{place}{number % 90 + 1}号楼{matter}（{uuid.uuid4().hex[:6]}）"
    body = {"text": text, "contact": {"name": "测试", "phone": "13900001234"}}
    token = TOKENS[number % len(TOKENS)]
    key = {"Idempotency-Key": uuid.uuid4().hex, "Authorization": f"Bearer {token}"}
    report = persist("sending", "POST", "/intake/reports", lambda d: "id" in d, body=body, headers=key)["id"]
    again = persist("sending again", "POST", "/intake/reports", lambda d: "id" in d, body=body, headers=key)[
        "id"
    ]
    if again != report:
        raise SystemExit(f"check: the same key made two reports, {report} and {again}")
    found = persist("case", "GET", f"/routing/cases?report={report}", lambda d: "case" in d)
    case = found["case"]["id"]
    clocks = persist("clocks", "GET", f"/sla/clocks?case={case}", lambda d: bool(d["clocks"]))["clocks"]
    notices = persist("notices", "GET", f"/notify/notices?report={report}", lambda d: bool(d["notices"]))[
        "notices"
    ]
    steps = [(n["recipient"], n["matter"], n["step"]) for n in notices]
    if sum(c["kind"] == "citizen" for c in clocks) != 1 or len(set(steps)) != len(steps):
        raise SystemExit(f"check: report {report}: clocks {clocks}, notices {notices}")
    if found["case"]["livelihood"]:
        entries = persist("entry", "GET", f"/ledger/entries?case={case}", lambda d: bool(d["entries"]))[
            "entries"
        ]
        if len(entries) != 1:
            raise SystemExit(f"check: case {case} has {len(entries)} entries")
    return str(case)


def main() -> None:
    """Send COUNT reports, eight at a time."""
    count, started = int(sys.argv[1]), time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        cases = list(pool.map(one, range(count)))
    sys.stdout.write(
        f"compose-check: {count} reports are in {len(set(cases))} cases with clocks, entries and notices, "
        f"{time.monotonic() - started:.0f} s\n"
    )


if __name__ == "__main__":
    main()
