"""The account through the proxy: a report's entry, its publication, its proof; notify's pages for people. For check.sh.

    JIAYUAN_PORT=… JIAYUAN_TOKENS=… python3 check_account.py FOLDER

Writes what `verify.py` is to check into FOLDER: `key.txt`, `posting.json`, `publication.json`. Exit code 1, and why,
when an answer isn't what it has to be.
"""

from __future__ import annotations

import json
import sys
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from check_channels import call, document, fail, good
from check_flow import TOKENS, persist

YEAR = datetime.now(timezone(timedelta(hours=8))).year
AUTHORIZATION = f"Bearer {TOKENS[0]}"


def entered(matter: str) -> tuple[str, str, str]:
    """Reports a matter; its tracking code, its case's number and its entry, once the reporter was told."""
    report = document(
        "POST",
        "/intake/reports",
        {
            "text": f"龙津社区听雨街{matter}（{uuid.uuid4().hex[:6]}）",
            "contact": {"name": "例测试", "phone": "13900001234"},
        },
        Idempotency_Key=uuid.uuid4().hex,
    )
    found = persist("case", "GET", f"/routing/cases?report={report['id']}", lambda d: "case" in d)
    case, number = found["case"]["id"], found["case"]["number"]
    entries = persist("entry", "GET", f"/ledger/entries?case={case}", lambda d: bool(d["entries"]))["entries"]
    persist("notices", "GET", f"/notify/notices?report={report['id']}", lambda d: bool(d["notices"]))
    return report["tracking_code"], number, entries[0]["id"]


def proven(entry: str, folder: Path) -> None:
    """The proof of the entry's first posting, without a token."""
    path = f"/ledger/proof/inclusion?entry={entry}&number=1"
    proof = persist("proof", "GET", path, lambda d: "leaf" in d, retry=(404, 409, 429))
    (folder / "posting.json").write_text(json.dumps(proof), encoding="utf-8")
    (folder / "key.txt").write_text(document("GET", "/ledger/proof/keys")["keys"][0]["key"] + "\n")


def published(code: str, folder: Path) -> str:
    """Publishes the year; the page, the files and the matter behind the tracking code are there for everybody."""
    document("POST", f"/ledger/accounts/{YEAR}/publications", {}, Authorization=AUTHORIZATION)
    account = f"/ledger/public/accounts/{YEAR}"
    proof = persist("publication", "GET", account + "/proof", lambda d: bool(d))
    (folder / "publication.json").write_text(json.dumps(proof), encoding="utf-8")
    page(account, 200, "民生实事")
    for form in ("json", "csv", "xlsx"):
        good("GET", f"{account}/file/{form}")
    matters: list[Any] = document("POST", account + "/matters", {"code": code})["matters"]
    if len(matters) != 1:
        fail(f"the account of {YEAR} holds {len(matters)} matters for {code}, not one")
    if document("POST", account + "/matters", {"code": "XP-0000-0000"})["matters"]:
        fail("a code that nobody has leads to a matter")
    page(f"/ledger/public/reports/{YEAR}/page", 200, "报表")
    return account


def page(path: str, wanted: int, words: str = "") -> None:
    """A page has its status and its words."""
    status, form, answer = call("GET", path)
    if status != wanted or not form.startswith("text/html") or words not in answer.decode():
        fail(f"{path} gave {status} {form}: {answer[:300]!r}")


def told(code: str) -> None:
    """Notify's pages, which links in notices lead to, and the way of receipts, which only a secret path opens."""
    document("GET", f"/notify/preferences/code/{code}")
    page(f"/u/{code}", 200, "通知")
    page("/u/XP-0000-0000", 404)
    page("/r/AAAAAAAAAAAAAAAAAAAAAA", 404)
    status, form, answer = call(
        "POST", "/notify/receipts/nobody/0000", b"[]", Content_Type="application/json"
    )
    if status != 404 or not form.startswith("application/problem+json"):
        fail(f"receipts of nobody gave {status} {form}: {answer[:200]!r}")


def main() -> None:
    """All of it."""
    folder = Path(sys.argv[1])
    code, _, entry = entered("路灯坏了，晚上看不见路")
    proven(entry, folder)
    account = published(code, folder)
    told(code)
    sys.stdout.write(
        f"compose-check: entry {entry} is proven, {account} is published and holds the matter of {code}\n"
    )


if __name__ == "__main__":
    main()
