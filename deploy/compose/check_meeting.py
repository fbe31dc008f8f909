"""A joint meeting through the proxy, from its agenda to published minutes and what it decided. For check.sh.

    JIAYUAN_PORT=… JIAYUAN_TOKENS=… CONVENER=… python3 check_meeting.py

Needs the tokens of the county and of the street's convener. Exit code 1, and why, when an answer isn't what it has to
be.
"""

from __future__ import annotations

import io
import os
import random
import sys
import zipfile
from datetime import datetime, timedelta, timezone
from typing import Any

from check_account import entered
from check_channels import MiB, document, fail, good
from check_flow import TOKENS, persist

STREET = "350921001"
NOW = datetime.now(timezone(timedelta(hours=8)))
COUNTY = f"Bearer {TOKENS[0]}"
CONVENER = f"Bearer {os.environ['CONVENER']}"


def post(path: str, body: Any, who: str = COUNTY) -> Any:
    """What a POST to the ledger answered."""
    return document("POST", f"/ledger/meetings{path}", body, Authorization=who)


def drafted() -> tuple[str, list[dict[str, Any]]]:
    """A meeting of this quarter, begun; its id and the street's units, which only routing knows."""
    found = post("", {"street": STREET, "quarter": f"{NOW.year}Q{(NOW.month + 2) // 3}"})
    if away := [n for n in found["notes"] if "未取得" in n]:
        fail(f"the draft lacks what routing knows: {away}")
    if not found["units"]:
        fail("the draft names no unit")
    post(
        f"/{found['id']}",
        {
            "organ": "例安街道大工委",
            "place": "街道三楼会议室",
            "chair": "例召集",
            "begins_at": (NOW - timedelta(minutes=5)).isoformat(),
            "minutes": "（一）关于路灯\n各单位汇报了进展。",
        },
    )
    unit = found["units"][0]["code"]
    post(f"/{found['id']}/attendance", {"people": [{"part": "attended", "unit": unit, "name": "例王明"}]})
    return found["id"], found["units"]


def sheet_and_back(meeting: str) -> None:
    """The workbook of decisions goes out and, larger than other bodies may be, in again: it changes nothing."""
    path = f"/ledger/meetings/{meeting}/workbook"
    book = io.BytesIO(good("GET", path, Authorization=COUNTY))
    with zipfile.ZipFile(book, "a") as archive:
        archive.writestr("xl/media/noise.png", random.randbytes(3 * MiB))
    good("POST", path, book.getvalue(), Authorization=COUNTY)


def held(meeting: str) -> None:
    """Two persons sign; the minutes are a document; it is published."""
    digest = document("GET", f"/ledger/meetings/{meeting}", Authorization=COUNTY)["digest"]
    post(f"/{meeting}/signatures", {"part": "recorder", "digest": digest})
    state = post(f"/{meeting}/signatures", {"part": "convener", "digest": digest}, CONVENER)["state"]
    if state != "held":
        fail(f"a meeting that two have signed is {state}")
    with zipfile.ZipFile(
        io.BytesIO(good("GET", f"/ledger/meetings/{meeting}/minutes", Authorization=COUNTY))
    ) as docx:
        if "路灯" not in docx.read("word/document.xml").decode():
            fail("the minutes don't hold what was said")
    state = post(f"/{meeting}/publication", {})["state"]
    if state != "published":
        fail(f"the published meeting is {state}")


def main() -> None:
    """All of it."""
    # Nobody's but the grid's: where a unit leads already, a whistle for another is refused.
    _, case, _ = entered("12号楼楼道灯坏了，晚上看不见路")
    meeting, units = drafted()
    lead = next(u["code"] for u in units if u["member"] != "none")
    post(
        f"/{meeting}/decisions",
        {
            "text": "听雨街步道路灯统一更换",
            "becomes": "entry",
            "unit": lead,
            "due_at": (NOW + timedelta(days=20)).isoformat(),
            "category": "0102",
        },
    )
    post(
        f"/{meeting}/decisions",
        {"text": "听雨街12号楼楼道灯由单位维修", "becomes": "whistle", "case": case, "unit": lead},
    )
    sheet_and_back(meeting)
    held(meeting)
    # Routing was told, carried it out, and answered: three queues and two services.
    done = persist(
        "decisions",
        "GET",
        f"/ledger/meetings/{meeting}",
        lambda d: all(x["outcome"] != "waiting" for x in d["decisions"]),
        headers={"Authorization": COUNTY},
    )["decisions"]
    if done[1]["outcome"] != "done" or not done[0]["entry"]:
        fail(f"the decisions became {done}")
    sys.stdout.write(
        f"compose-check: the meeting {meeting} was held, published, and its decisions were carried out\n"
    )


if __name__ == "__main__":
    main()
