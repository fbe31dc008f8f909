"""The account and its proof at scale: `make bench-ledger`.

One process with one connection, its own database, fsync on; the database is on the same cores. No broker: what is
measured is the books.

- Posting: batches of 200 postings as cases make them (free text apart, six an entry), durable, in turns with the tree
  and as the same inserts without it, interleaved so that a noisy machine disturbs both. `with the tree` includes the
  sequencer: when its rounds end, every leaf is in the tree.
- Growth: at every size the cost of appending one leaf and 500 in a transaction, of a checkpoint, and the time of
  proofs of inclusion (random leaves) and consistency, as an API call would ask for them. Up to --real leaves are
  postings; beyond that leaves alone, since the tree does not look at what they are of.
- Verify: `jiayuan ledger verify` on all real postings, the export of them, and verify.py on the export.
- Publication: an account of so many entries is published (JSON, CSV and XLSX at once, signed), each size by a process
  of its own, whose memory is looked at before and at its peak: it must not grow with the account.

Options: --sizes 10000,1000000,10000000, --real 1000000, --rounds 40 (of 200 postings each way), --json FILE,
--published 10000,100000; with `--sizes ""` the publication alone.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import NullPool, create_engine, text

from bench.measure import cpu, percentile, yardstick
from jiayuan.chassis.database import driver_url
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso
from jiayuan.ledger import exporting, matter, proving, publishing, tree, verify, verifying
from jiayuan.ledger.checkpoint import Signer
from jiayuan.ledger.exporting import Wanted
from jiayuan.ledger.proving import ProofSettings
from jiayuan.ledger.store import leaves, tables, trees
from jiayuan.local.servers import provide

BATCH = 200
AN_ENTRY = 6
KINDS = ("opening", "hand_over", "progress", "progress", "progress", "write_off")
NOTES = ("立案入账", "派单", "签收", "应答", "办结", "诉求人确认，销账")
START = datetime(2026, 1, 5, tzinfo=UTC)
SIGNER = Signer.new("jiayuan.example/bench")
PROOFS = 300
ANY_LEAF = 500


class Books:
    """A ledger of its own that is filled."""

    def __init__(self, databases: Databases, hash_id: str) -> None:
        self.opened = Opened("ledger", databases.fresh("ledger"))
        self.hash_id = hash_id
        self.entries = 0
        self.chance = random.Random(1)
        admin = databases.admin(self.opened.url)
        self.admin = create_engine(driver_url(admin), poolclass=NullPool, isolation_level="AUTOCOMMIT")

    def close(self) -> None:
        """Gives the connections back."""
        self.admin.dispose()
        self.opened.close()

    def new_entries(self, count: int) -> list[str]:
        """Opens entries; their ids."""
        first, self.entries = self.entries, self.entries + count
        ids = [str(uuid.UUID(int=(n << 64) | (0x8 << 60) | (0b10 << 62))) for n in range(first, self.entries)]
        rows = [
            {
                "id": id_,
                "item": id_,
                "year": 2026,
                "case_id": f"case-{first + n}",
                "case_number": f"XP-2026-{first + n:06}",
                "street": f"35092100{(first + n) % 9}",
                "category": "0102",
                "title": f"例{first + n}号楼门口路灯不亮",
                "state": "written_off",
                "opened_at": iso(START),
                "written_off_at": iso(START),
                "case_state": "closed",
                "confirmed": "satisfied",
                "case_sequence": AN_ENTRY,
                "state_sequence": AN_ENTRY,
                "postings": AN_ENTRY,
            }
            for n, id_ in enumerate(ids)
        ]
        with self.opened() as work:
            work.insert(tables.entry, rows)
        return ids

    def rows(self, ids: list[str]) -> Iterator[list[dict[str, Any]]]:
        """Batches of postings of entries."""
        batch: list[dict[str, Any]] = []
        for id_ in ids:
            for n in range(AN_ENTRY):
                batch.append(posting(id_, n))
                if len(batch) == BATCH:
                    yield batch
                    batch = []
        if batch:
            yield batch

    def grow(self, most: int = proving.AT_ONCE) -> int:
        """Puts what waits into the tree."""
        total = 0
        while True:
            with self.opened() as work:
                trees.lock(work)
                count = proving.append(work, SIGNER, self.hash_id, most)
            total += count
            if count < most:
                return total

    def size(self) -> int:
        """Leaves of the tree."""
        with self.opened() as work:
            found = trees.get_tree(work)
        return found.size if found else 0

    def post(self, leaves_wanted: int) -> None:
        """Fills the account with real postings until the tree has so many leaves."""
        while (left := leaves_wanted - self.size()) > 0:
            ids = self.new_entries(min(5000, -(-left // AN_ENTRY)))
            for batch in self.rows(ids):
                with self.opened() as work:
                    leaves.put_postings(work, batch)
            self.grow()

    def pad(self, leaves_wanted: int) -> None:
        """Fills the tree with leaves of nothing, by COPY, until it has so many."""
        size = self.size()
        with self.opened() as work:
            of = trees.get_tree(work)
            assert of is not None
            begun = trees.read_tiles(work, of, [t for t, _ in tree.started(size, leaves_wanted)])
        raw = self.opened.engine.raw_connection()
        try:
            hashes = []
            cursor = raw.cursor()
            for start in range(size, leaves_wanted, 200_000):
                lines = io.StringIO()
                for n in range(start, min(start + 200_000, leaves_wanted)):
                    digest = hashlib.sha256(b"%d" % n).digest()
                    hashes.append(digest)
                    id_ = uuid.UUID(int=(n << 64) | (0x7 << 60) | (0b10 << 62) | 1)
                    mac = SIGNER_MACS.mark(of.id, n, id_.bytes, 1, digest)
                    lines.write(f"{of.id}\t{n}\t{id_}\t1\t\\\\x{digest.hex()}\t\\\\x{mac.hex()}\n")
                lines.seek(0)
                cursor.copy_expert('COPY leaf (tree, "index", entry_id, number, hash, mac) FROM STDIN', lines)
            raw.commit()
        finally:
            raw.close()
        tiles = list(tree.grow(size, hashes, begun, of.hash_id))
        for start in range(0, len(tiles), 2000):  # a statement holds less than a gigabyte
            with self.opened() as work:
                trees.add_tiles(work, of.id, tiles[start : start + 2000])

    def vacuum(self) -> None:
        """As autovacuum would by and by."""
        with self.admin.connect() as conn:
            conn.execute(text("VACUUM ANALYZE"))

    def bytes(self) -> dict[str, int]:
        """Size of the tables with their indexes."""
        names = ("posting", "posting_text", "leaf", "tile", "checkpoint")
        with self.opened() as work:
            rows = work.execute(
                "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relname = ANY(:names)",
                names=list(names),
            )
        return dict(rows)

    def backends(self) -> float:
        """CPU seconds of the database's processes for this database."""
        with self.opened() as work:
            pids = work.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            ).scalars()
        return cpu({"database": pids})["database"]


SIGNER_MACS = SIGNER.macs()


def posting(entry: str, n: int) -> dict[str, Any]:
    """The n-th posting of an entry as a case makes it."""
    at = iso(START + timedelta(minutes=n))
    return {
        "entry_id": entry,
        "number": n + 1,
        "kind": KINDS[n],
        "case_sequence": n + 1,
        "clock_id": None,
        "clock_sequence": None,
        "opening": 0,
        "entered": int(n == 0),
        "written_off": int(n == AN_ENTRY - 1),
        "unit": None,
        "actor": "worker-7" if n else "system",
        "at": at,
        "note": NOTES[n],
        "facts": {
            "step": "case.accepted",
            "action": "accept",
            "state": "accepted",
            "leg": f"{entry[:18]}-0000-000000000000",
            "assignee": {"type": "person", "id": "worker-7"},
        },
        "cause": f"{entry[:18]}-{n:04}-000000000000",
        "words": {"title": f"{entry[:8]}号楼门口路灯不亮"} if n == 0 else None,
        "reporters": [f"p{entry[:8]}"] if n == 0 else (),
    }


def without(work: Work, batch: list[dict[str, Any]]) -> None:
    """The same inserts without the tree: rows and free texts."""
    made, kept = [], []
    for given in batch:
        row = {**given, "posted_at": work.now, "text_digest": None}
        words, reporters = row.pop("words"), row.pop("reporters")
        made.append(row)
        if words:
            kept.append(
                {
                    "entry_id": row["entry_id"],
                    "number": row["number"],
                    "salt": b"0" * 16,
                    "words": words,
                    "reporters": list(reporters),
                }
            )
    work.insert(tables.posting, made)
    work.insert(tables.posting_text, kept)


def posting_rates(books: Books, rounds: int) -> dict[str, Any]:
    """Postings a second with the tree and without, in turns; CPU of this process and the database a posting."""
    seconds = {"with": 0.0, "without": 0.0}
    spent = {"with": [0.0, 0.0], "without": [0.0, 0.0]}
    waited = 0.0
    for n in range(rounds):
        for way in ("with", "without") if n % 2 else ("without", "with"):
            batches = list(books.rows(books.new_entries(5 * BATCH // AN_ENTRY)))
            here, there = time.process_time(), books.backends()
            started = time.perf_counter()
            for batch in batches:
                with books.opened() as work:
                    leaves.put_postings(work, batch) if way == "with" else without(work, batch)
            if way == "with":
                before = time.perf_counter()
                books.grow()
                waited += time.perf_counter() - before
            seconds[way] += time.perf_counter() - started
            spent[way][0] += time.process_time() - here
            spent[way][1] += books.backends() - there
    count = rounds * sum(map(len, books.rows(["x"] * (5 * BATCH // AN_ENTRY))))
    out: dict[str, Any] = {"postings": count, "sequencer_us": 1e6 * waited / count}
    for way in seconds:
        out[way] = {
            "per_s": count / seconds[way],
            "here_us": 1e6 * spent[way][0] / count,
            "database_us": 1e6 * spent[way][1] / count,
        }
    out["ratio"] = out["with"]["per_s"] / out["without"]["per_s"]
    for way in ("without", "with"):
        o = out[way]
        print(
            f"  {way:7} the tree: {o['per_s']:8,.0f} postings/s, "
            f"{o['here_us']:.0f} + {o['database_us']:.0f} µs of CPU a posting",
            flush=True,
        )
    print(
        f"  ratio {out['ratio']:.2f}; the sequencer takes {out['sequencer_us']:.0f} µs a posting", flush=True
    )
    return out


def timed(count: int, run: Callable[[], Any]) -> list[float]:
    """Milliseconds of each of `count` runs, sorted."""
    out = []
    for _ in range(count):
        started = time.perf_counter()
        run()
        out.append(1e3 * (time.perf_counter() - started))
    return sorted(out)


def growth(books: Books) -> dict[str, Any]:
    """What appending, signing and proving cost at the size that the tree has."""
    chance = books.chance
    size = books.size()

    def put(count: int) -> None:
        with books.opened() as work:
            leaves.put(work, [{"leaf": "bench/1", "n": chance.random()} for _ in range(count)])

    one: list[float] = []
    many: list[float] = []
    for n in range(40):
        put(ANY_LEAF if n % 4 == 0 else 1)
        (milliseconds,) = timed(1, books.grow)
        (many if n % 4 == 0 else one).append(milliseconds)

    def sign() -> None:
        with books.opened() as work:
            trees.lock(work)
            proving.sign(work, SIGNER, "interval")

    signing = timed(20, sign)
    with books.opened() as work:
        of = trees.get_tree(work)
        signed = trees.largest_checkpoint(work, 1)
    assert of is not None
    assert signed is not None

    def inclusion() -> None:
        with books.opened() as work:
            proving.inclusion(work, of, chance.randrange(signed.size), signed.size)

    def consistency() -> None:
        with books.opened() as work:
            proving.consistency(work, of, chance.randrange(1, signed.size), signed.size)

    out: dict[str, Any] = {
        "size": size,
        "append_one_ms": percentile(sorted(one), 0.5),
        "append_500_us_a_leaf": 1e3 * percentile(sorted(many), 0.5) / ANY_LEAF,
        "sign_ms": percentile(signing, 0.5),
    }
    for name, run in (("inclusion", inclusion), ("consistency", consistency)):
        times = timed(PROOFS, run)
        out[name] = {"p50_ms": percentile(times, 0.5), "p99_ms": percentile(times, 0.99)}
    print(
        f"  {size:>10,} leaves: append {out['append_one_ms']:.1f} ms for one, "
        f"{out['append_500_us_a_leaf']:.0f} µs a leaf of 500; checkpoint {out['sign_ms']:.1f} ms; "
        f"inclusion {out['inclusion']['p50_ms']:.1f} ms (p99 {out['inclusion']['p99_ms']:.1f}), "
        f"consistency {out['consistency']['p50_ms']:.1f} ms (p99 {out['consistency']['p99_ms']:.1f})",
        flush=True,
    )
    return out


def verification(books: Books, folder: Path) -> dict[str, Any]:
    """Verifying all postings in the database, exporting them, verifying the export by verify.py on its own."""
    out: dict[str, Any] = {}
    with books.opened() as work:
        started = time.perf_counter()
        trust = verifying.Trust([SIGNER.key], SIGNER_MACS)
        result = verifying.verify(work, trust, books.opened.settings, os.cpu_count() or 1)
        out["verify_s"] = time.perf_counter() - started
    if result.findings:
        raise SystemExit(f"what was posted is not what was signed: {result.findings[:3]}")
    out["leaves"] = result.leaves
    print(
        f"  verify of {result.leaves:,} leaves and {result.texts:,} texts: {out['verify_s']:.1f} s",
        flush=True,
    )
    file = folder / "account.zip"
    with books.opened() as work:
        started = time.perf_counter()
        exporting.export(work, file, Wanted())
        out["export_s"] = time.perf_counter() - started
    out["export_mb"] = file.stat().st_size / 1e6
    started = time.perf_counter()
    command = [sys.executable, str(Path(verify.__file__)), str(file), "--key", str(SIGNER.key)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    out["verify_export_s"] = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    print(
        f"  export: {out['export_s']:.1f} s, {out['export_mb']:.0f} MB; verify.py on it: "
        f"{out['verify_export_s']:.1f} s",
        flush=True,
    )
    return out


def published(databases: Databases, size: int) -> dict[str, Any]:
    """Publishes an account of that many entries, two postings each, in a process of its own."""
    books = Books(databases, "sha256")
    try:
        while books.entries < size:
            ids = books.new_entries(min(5000, size - books.entries))
            for n in range(0, len(ids), BATCH):
                with books.opened() as work:
                    leaves.put_postings(
                        work, [posting(id_, k) for id_ in ids[n : n + BATCH] for k in (0, AN_ENTRY - 1)]
                    )
        books.grow()
        books.vacuum()
        done = subprocess.run(
            [sys.executable, "-m", "bench.ledger", "--publish", books.opened.url],
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        books.close()
    found: dict[str, Any] = json.loads(done.stdout)
    print(
        f"  {found['entries']:,} entries: {found['seconds']:.1f} s, {found['cpu_seconds']:.1f} s of CPU, "
        f"{found['bytes'] / 1e6:.1f} MB of files; "
        f"memory {found['before_mb']:.0f} MB before, {found['peak_mb']:.0f} MB at the peak",
        flush=True,
    )
    return found


def _peak_mb() -> float:
    """The most memory that this program has had; `ru_maxrss` would have its parent's, whoever started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def publish_here(url: str) -> int:
    """What that process does: one publication, and what it took."""
    import openpyxl  # noqa: F401  its code is no memory that the account takes

    opened = Opened("ledger", url)
    with opened() as work:
        id_ = publishing.order(work, START.year, "", "bench", {})
    before = _peak_mb()
    started, used = time.perf_counter(), time.process_time()
    with opened() as work:
        name = publishing.publish(work, SIGNER, id_=id_)
    assert name is not None
    seconds, spent = time.perf_counter() - started, time.process_time() - used
    with opened() as work:
        found = matter.find(work, name)
    out = {
        "entries": found.entries,
        "seconds": seconds,
        "cpu_seconds": spent,
        "bytes": sum(f["bytes"] for f in found.files.values()),
        "before_mb": before,
        "peak_mb": _peak_mb(),
    }
    print(json.dumps(out))
    opened.close()
    return 0


def main() -> int:
    """Runs what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="10000,1000000,10000000")
    parser.add_argument("--real", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--hash", default="sha256", choices=verify.HASHES)
    parser.add_argument("--published", default="10000,100000")
    parser.add_argument("--publish", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    if a.publish:
        return publish_here(a.publish)
    out: dict[str, Any] = {"yardstick_ms": yardstick(), "growth": []}
    print(f"a fixed Python loop takes {out['yardstick_ms']:.0f} ms here, now", flush=True)
    with provide() as servers, tempfile.TemporaryDirectory(prefix="jiayuan-bench-") as folder:
        databases = Databases(servers.database_url)
        if a.published:
            print("publication", flush=True)
            out["published"] = [published(databases, int(size)) for size in a.published.split(",")]
        if not a.sizes:
            databases.drop()
            return 0
        books = Books(databases, a.hash)
        try:
            assert isinstance(books.opened.settings, ProofSettings)
            if a.rounds:
                print("posting", flush=True)
                other = Books(databases, a.hash)
                out["posting"] = posting_rates(other, a.rounds)
                other.close()
            print("growth", flush=True)
            verified = False
            for size in sorted(map(int, a.sizes.split(","))):
                if size > a.real and not verified:
                    books.post(a.real)
                    out["verification"], verified = signed_and_verified(books, Path(folder)), True
                (books.post if size <= a.real else books.pad)(size)
                books.vacuum()
                out["growth"].append(growth(books))
            if not verified:
                out["verification"] = signed_and_verified(books, Path(folder))
            out["bytes"] = books.bytes()
            print("  " + ", ".join(f"{k} {v / 1e6:,.0f} MB" for k, v in out["bytes"].items()), flush=True)
            out["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        finally:
            books.close()
            databases.drop()
    if a.json:
        a.json.write_text(json.dumps(out, indent=1, ensure_ascii=False))
    return 0


def signed_and_verified(books: Books, folder: Path) -> dict[str, Any]:
    """Signs what there is, and verifies it."""
    with books.opened() as work:
        proving.publish(work, SIGNER, "bench", books.hash_id)
    books.vacuum()
    return verification(books, folder)


if __name__ == "__main__":
    raise SystemExit(main())
