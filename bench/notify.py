"""Notify's sending: how fast and how dear, beside a bare loop that posts; under kills; in a storm: `make bench-notify`.

- Rate: so many notices are queued, then one process of notify sends them to two counting carriers on loopback. CPU is
  counted of notify and of the database (where servers were given: of notify's connections); the bare loop is one
  thread that posts the same documents with `requests` over one kept connection, and keeps no record of anything.
- Kills (--kills 20 --minutes 5 --rate 50): reports come over the bus at that rate to two processes, one of which is
  killed with SIGKILL again and again, while answers of the carriers get lost before and after a message was taken.
  Everything that was fed is compared with what was aired.
- Storm (--storm 200000): so many notices are queued, and an urgent one comes each second for a minute.

Options: --n 5000 (notices of the rate), --only rate|kills|storm, --replicas 2, --seed 1, --json FILE. Exit code 1 when
something was lost or sent twice, less than 95 % was in time, or an urgent one took longer than 10 s.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import requests

from bench.measure import cpu, yardstick
from jiayuan.local import sending
from jiayuan.local.sending import Providers, Stage
from jiayuan.local.servers import Servers, provide

MODES = ("rate", "kills", "storm")


def rate(servers: Servers, folder: Path, count: int) -> dict[str, float]:
    """Sends what is queued, as fast as one process does."""
    providers = Providers(folder, latency=0.0, concurrency=16)
    try:
        stage = Stage(servers, folder / "notify", providers)
        try:
            stage.cluster.start("notify", "serve", "relay")
            stage.feed(count)
            _wait(lambda: stage.states().get("queued", 0) == count, 120)
            stage.cluster.processes["notify"][0].terminate()
            process = stage.cluster.start("notify", wait=False)
            assert process.popen is not None
            groups = {
                "notify": [process.popen.pid],
                "providers": providers.pids(),
            }
            process.wait_ready()
            groups["database"] = servers.database_pids() or stage.backends()
            before, begun = cpu(groups), stage.states().get("accepted", 0)
            started = time.monotonic()
            _wait(lambda: stage.states().get("accepted", 0) == count, 300)
            spent, after = time.monotonic() - started, cpu(groups)
            done = count - begun
            found = {"notices": count, "per_s": done / spent}
            found |= {f"cpu_ms_{name}": 1e3 * (after[name] - before[name]) / done for name in groups}
            found |= bare(providers, min(count, 3000))
            found["ratio_per_s"] = found["per_s"] / found["bare_per_s"]
            found["ratio_cpu"] = found["cpu_ms_notify"] / found["bare_cpu_ms"]
            return found
        finally:
            stage.close()
    finally:
        providers.close()


def bare(providers: Providers, count: int) -> dict[str, float]:
    """What posting alone costs: one thread, one connection, no record."""
    session = requests.Session()
    session.trust_env = False
    address = f"{next(iter(providers.addresses.values()))}/messages"
    started, before = time.monotonic(), time.process_time()
    for number in range(count):
        body = {
            "request_id": f"bare-{number}",
            "to": "13900000000",
            "text": f"【家园】您反映的事项已受理，编号JY-B{number}",
        }
        session.post(address, json=body, timeout=5).raise_for_status()
    spent = time.monotonic() - started
    return {"bare_per_s": count / spent, "bare_cpu_ms": 1e3 * (time.process_time() - before) / count}


def _wait(condition: Any, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise SystemExit(f"not within {seconds:g} s")
        time.sleep(0.05)


def main() -> int:
    """Runs what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=MODES)
    parser.add_argument("--n", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--storm", type=int, default=200_000)
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    modes = (a.only,) if a.only else MODES
    out: dict[str, Any] = {"yardstick_ms": yardstick()}
    print(f"a fixed Python loop takes {out['yardstick_ms']:.0f} ms here, now", flush=True)
    good = True
    with provide() as servers, tempfile.TemporaryDirectory(prefix="jiayuan-bench-") as name:
        folder = Path(name)
        if "rate" in modes:
            out["rate"] = r = rate(servers, folder / "rate", a.n)
            print(
                f"rate: {r['per_s']:,.0f} notices/s, {r['cpu_ms_notify']:.2f} ms of CPU a notice in notify and "
                f"{r['cpu_ms_database']:.2f} in the database; a bare loop: {r['bare_per_s']:,.0f}/s, "
                f"{r['bare_cpu_ms']:.2f} ms; {r['ratio_per_s']:.2f} times its rate, {r['ratio_cpu']:.2f} times its CPU",
                flush=True,
            )
        if "kills" in modes:
            found = sending.campaign(
                servers,
                folder / "kills",
                seconds=60 * a.minutes,
                rate=a.rate,
                kills=a.kills,
                replicas=a.replicas,
                seed=a.seed,
            )
            out["kills"], good = dataclasses.asdict(found), good and found.good
            print("\n".join(found.lines()), flush=True)
        if "storm" in modes:
            storm = sending.storm(servers, folder / "storm", queued=a.storm)
            out["storm"], good = dataclasses.asdict(storm), good and storm.good
            print("\n".join(storm.lines()), flush=True)
    if a.json:
        a.json.write_text(json.dumps(out, indent=1, ensure_ascii=False))
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
