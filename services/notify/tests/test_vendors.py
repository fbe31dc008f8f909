"""Notices through the engine to vendors on loopback: whatever goes wrong on the way, each is on the air once."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes import Fake, FakeAliyun, FakeTencent
from sqlalchemy import text

from jiayuan.notify import handlers, routes
from jiayuan.notify.receiving import Receiving
from jiayuan.notify.sending import Sender

pytestmark = pytest.mark.store

ENTRIES: dict[str, dict[str, Any]] = {
    "aliyun": {
        "key_id": {"env": "V_ID"},
        "secret": {"env": "V_KEY"},
        "templates": {"received": {"id": "SMS_1", "parameters": {"code": "tracking_code"}}},
        "settle_seconds": 10,
    },
    "tencent": {
        "secret_id": {"env": "V_ID"},
        "secret_key": {"env": "V_KEY"},
        "app_id": "1400006666",
        "templates": {"received": {"id": "1110", "parameters": {"1": "tracking_code"}}},
        "settle_seconds": 10,
    },
}


class Rig:
    """One vendor, and a sender whose calls are made in the test's own thread."""

    def __init__(self, opened: Any, events: Any, wall: Any, fake: Fake, path: Path) -> None:
        self.opened, self.events, self.wall, self.fake = opened, events, wall, fake
        self.vendor = "aliyun" if isinstance(fake, FakeAliyun) else "tencent"
        entry = {"kind": self.vendor, "sign": "家园", "address": fake.url, "read_timeout": 0.3}
        path.write_text(yaml.safe_dump({"providers": [entry | ENTRIES[self.vendor]]}), encoding="utf-8")
        runtime = opened.runtime
        runtime.settings = dataclasses.replace(runtime.settings, providers=str(path))
        self.found = routes.of(runtime)
        self.sender = Sender(runtime, self.found, inline=True)
        self.receiving = Receiving(runtime, self.found)

    def reports(self, count: int) -> None:
        """So many citizens, each with a notice of receipt to be sent."""
        seal = self.opened.runtime.sealer.seal
        with self.opened() as work:
            handlers.report_received(
                work,
                [
                    self.events.report(
                        f"r{n}", reporter=f"c{n}", contact=seal({"phone": f"1390000{n:04}"}, f"c{n}")
                    )
                    for n in range(count)
                ],
            )

    def pass_(self, seconds: float) -> None:
        """Let time pass, at the vendor too, and work."""
        self.wall.pass_(seconds=seconds)
        self.fake.skew = self.wall().timestamp() - time.time()
        while self.sender.turn():
            pass
        self.sender.sweep()

    def states(self) -> list[str]:
        """The notices' states."""
        with self.opened.engine.connect() as conn:
            return [r.state for r in conn.execute(text("SELECT state FROM sending ORDER BY notice_id"))]


@pytest.fixture(params=["aliyun", "tencent"])
def rig(
    request: pytest.FixtureRequest,
    work_for: Any,
    events: Any,
    wall: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Rig:
    """The rig of each vendor, on the clock of the test."""
    fake: Any = request.getfixturevalue(request.param)
    ours = ("key-id", "key-secret") if request.param == "aliyun" else ("secret-id", "secret-key")
    monkeypatch.setenv("V_ID", ours[0])
    monkeypatch.setenv("V_KEY", ours[1])
    made = Rig(work_for("notify"), events, wall, fake, tmp_path / "providers.yaml")
    for route in made.found:
        route.provider._clock = lambda: wall()  # type: ignore[attr-defined]
    return made


def test_each_notice_is_on_the_air_once_whatever_went_wrong(rig: Rig) -> None:
    words = [
        "hang_taken",
        "hang",
        "cut_taken",
        "cut",
        "garbage_taken",
        "garbage",
        "down_taken",
        "down",
        "no_id",
        "drip",
        "limit",
        "ok",
    ]
    rig.fake.script = list(words)
    rig.reports(len(words))
    for seconds in (0, 5, 10, 20, 40, 90, 180, 400):
        rig.pass_(seconds)
        if isinstance(rig.fake, FakeTencent):
            # Tencent lists a message when its carrier has spoken.
            rig.fake.statuses = dict.fromkeys(rig.fake.taken, "SUCCESS")
    assert {t.to.removeprefix("+86") for t in rig.fake.taken.values()} == {
        f"1390000{n:04}" for n in range(len(words))
    }
    assert [t.times for t in rig.fake.taken.values()] == [1] * len(words)
    assert set(rig.states()) <= {"accepted", "delivered"}
    assert rig.fake.refused == []
