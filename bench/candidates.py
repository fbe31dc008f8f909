"""What it costs to look for a report's matter among 10,000, 100,000 and 1,000,000 open reports, on real PostgreSQL.

    DATABASE_URL=… .venv/bin/python -m bench.candidates [--sizes 10000,100000,1000000] [--rounds 60]

Makes a database of its own with intake's tables, fills it with invented reports (a few hot communities and categories
that many of them are about, one text sent by thousands) and times `store.candidates`, the one statement that intake
adds to a batch, rolled back each time: for single reports, and for batches of 200. `found again`: of reports that say
an earlier one again, of any age within the window, in part and with no place, those that find it. The database is
dropped at the end.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import statistics
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import NullPool, create_engine
from sqlalchemy import text as sql

from jiayuan.chassis import bulk
from jiayuan.chassis.database import driver_url
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.chassis.transaction import Transaction
from jiayuan.intake import joins, matters, store

WHAT = "路灯坏了 垃圾没人收 井盖不见了 下水道堵了 电梯停了 夜里施工很吵 车停在消防通道 树枝挡住了路"
STOCK = (
    "希望有关部门尽快处理 请政府给老百姓一个说法 已经反映过很多次了 严重影响居民的正常生活 打了很多电话都没有人管 "
    "晚上根本没有办法睡觉 老人和小孩出门很不方便 请领导重视这个问题 每天都是这样子 物业公司说不归他们管"
)
ROADS = [f"{a}{b}{c}" for a in "听松东海龙福" for b in "雨涛海晏津宁" for c in ("路", "街", "巷")]
COMMUNITIES = [f"35092100{s}{n:03}" for s in (1, 2, 3) for n in range(1, 21)]
CATEGORIES = [f"{n:04}" for n in range(100, 200)]
COLUMNS = (
    "id, tracking_code, kind, channel, title, text, category, category_name, category_confidence, category_method, "
    "livelihood, importance, urgency, street, community, place_evidence, place_confidence, signs, reporter, "
    "received_at, lane, original"
)


def words(rng: random.Random, count: int) -> str:
    """Invented words of two characters, as unevenly frequent as those of a language (the nth word 1/n as often)."""
    out = []
    for _ in range(count):
        number = int(60_000 ** rng.random()) * 7919 % 4_000_000
        out.append(chr(0x4E00 + number % 2000) + chr(0x5600 + number // 2000))
    return "".join(out)


def invented(rng: random.Random, at: datetime) -> matters.Matter:
    """A report. Some places and matters are much hotter than others; one in fifty is the same text as many others."""
    community = COMMUNITIES[min(int(rng.expovariate(0.12)), 59)]
    text = "全县都停水了，什么时候恢复供水，请给个答复"
    if rng.random() >= 0.02:
        stock = rng.sample(STOCK.split(), 2)
        what = f"{rng.choice(ROADS)}{rng.choice(WHAT.split())}"
        text = f"{what}，{words(rng, 12)}，{words(rng, 8)}，{stock[0]}，{words(rng, 8)}，{stock[1]}"
    category = CATEGORIES[min(int(rng.expovariate(0.1)), 99)]
    person = f"p{rng.randrange(300_000)}"
    id_ = new_id(at, rng)
    return matters.Matter(id_, "problem", text[:8], text, category, community[:9], community, "", person, at)


def new_id(at: datetime, rng: random.Random) -> str:
    """A UUIDv7 of that time."""
    return str(uuid.UUID(int=int(at.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62 | rng.getrandbits(62)))


def again(matter: matters.Matter, rng: random.Random, at: datetime) -> matters.Matter:
    """The same matter by another person: a sixth left out, another ending, no title and no community."""
    cut = rng.randrange(8, max(len(matter.text) - 16, 9))
    text = matter.text[:cut] + matter.text[cut + len(matter.text) // 6 :] + "，谢谢"
    return replace(
        matter, id=new_id(at, rng), text=text, title="", reporter="", community="", street="", at=at
    )


def fill(opened: Opened, there: int, size: int, rng: random.Random) -> list[matters.Matter]:
    """Adds reports with their keys, by COPY, up to `size`, of the last 50 days; returns some of them, of every age."""
    now, some = datetime.now(UTC), []
    raw = opened.engine.raw_connection()
    try:
        cursor: Any = raw.cursor()
        for start in range(there, size, 20_000):
            reports, keys = io.StringIO(), io.StringIO()
            for n in range(start, min(start + 20_000, size)):
                matter = invented(rng, now - timedelta(days=50 * (size - n) / size, seconds=60))
                if rng.random() < 300 / (size - there):
                    some.append(matter)
                reports.write("\t".join(_columns(matter)) + "\n")
                for _, key in matters.keys(matters.read(matter)):
                    keys.write(f"{key}\t{matter.id}\n")
            reports.seek(0)
            keys.seek(0)
            cursor.copy_expert(f"COPY report ({COLUMNS}) FROM STDIN", reports)
            cursor.copy_expert("COPY matter_key (key, report) FROM STDIN", keys)
            raw.commit()
    finally:
        raw.close()
    return some


def _columns(m: matters.Matter) -> Iterator[str]:
    yield from (m.id, m.id, m.kind, "hotline", m.title, m.text, m.category, "-", "0.5", "keywords")
    yield from (
        "t",
        "2",
        "2",
        m.street,
        m.community,
        "-",
        "0.9",
        "[]",
        m.reporter,
        m.at.isoformat(),
        "live",
        "-",
    )


class _Bare:
    """As much of a unit of work as the statement needs."""

    def __init__(self, transaction: Transaction) -> None:
        self.run = transaction.run


def keys_of(reports: list[matters.Matter]) -> list[dict[str, Any]]:
    """The rows that `store.candidates` takes."""
    out, since = [], joins.first_id(matters.WINDOW)
    for matter in reports:
        keys = matters.keys(matters.read(matter))
        weights = [joins.WEIGHTS[kind] for kind, _ in keys]
        out.append({"id": matter.id, "since": since, "keys": [key for _, key in keys], "weights": weights})
    return out


def look(opened: Opened, reports: list[matters.Matter], *, keep: bool) -> tuple[float, list[Any]]:
    """Milliseconds of the statement for a batch, rolled back, and the candidates."""
    rows = keys_of(reports)
    transaction = Transaction(opened.engine)
    work: Any = _Bare(transaction)
    begun = time.perf_counter()
    found = store.candidates(work, rows, keep=keep)
    took = (time.perf_counter() - begun) * 1000
    transaction.rollback()
    return took, list(found)


def measure(opened: Opened, size: int, rounds: int, rng: random.Random, *, keep: bool) -> list[float]:
    """Milliseconds of the statement for batches of `size`, sorted."""
    batches = ([invented(rng, datetime.now(UTC)) for _ in range(size)] for _ in range(rounds + 10))
    return sorted([look(opened, batch, keep=keep)[0] for batch in batches][10:])


def pages(opened: Opened, rng: random.Random) -> float:
    """Pages that looking for a report's candidates touches, in memory or not: what it costs whoever else is busy."""
    rows = bulk.dumps(keys_of([invented(rng, datetime.now(UTC)) for _ in range(200)]))
    transaction = Transaction(opened.engine)
    transaction.run(store.LOOK, rows)
    sql_ = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {store.LOOK.name} (:rows)"
    ((plan,),) = transaction.execute(sql_, {"rows": rows})
    transaction.rollback()
    top = (plan if isinstance(plan, list) else orjson.loads(plan))[0]["Plan"]
    return float(top["Shared Hit Blocks"] + top["Shared Read Blocks"]) / 200


def recall(opened: Opened, earlier: list[matters.Matter], rng: random.Random) -> float:
    """How many of the reports that say an earlier one again find it, or one with the same text."""
    found = 0
    for matter in earlier:
        _, candidates = look(opened, [again(matter, rng, datetime.now(UTC))], keep=False)
        found += any(row.text == matter.text for row in candidates)
    return found / len(earlier)


def main() -> None:
    """Fills and measures at each size, and prints a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--rounds", type=int, default=60)
    asked = parser.parse_args()
    rng = random.Random(350921)
    databases = Databases(os.environ["DATABASE_URL"])
    opened = Opened("intake", databases.fresh("intake"))
    admin = create_engine(
        driver_url(databases.admin(opened.url)), poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    print("              one report, ms     of a batch of 200, µs each      pages      ")
    print("open reports    p50     p99       looked   looked and kept  a report  found again")
    there = 0
    try:
        for size in map(int, asked.sizes.split(",")):
            earlier = fill(opened, there, size, rng)
            there = size
            with admin.connect() as conn:
                conn.execute(sql("VACUUM ANALYZE report, matter_key"))
            one = measure(opened, 1, asked.rounds * 5, rng, keep=True)
            looked = measure(opened, 200, asked.rounds, rng, keep=False)
            kept = measure(opened, 200, asked.rounds, rng, keep=True)
            found, touched = recall(opened, earlier, rng), pages(opened, rng)
            line = f"{size:>12,}  {statistics.median(one):>5.2f}  {one[int(0.99 * len(one))]:>6.2f}  "
            line += f"{statistics.median(looked) * 5:>11.0f}  {statistics.median(kept) * 5:>16.0f}  {touched:>8.1f}"
            print(f"{line}  {found:>11.1%}", flush=True)
    finally:
        opened.close()
        databases.drop()


if __name__ == "__main__":
    main()
