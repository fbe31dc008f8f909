"""`jiayuan trace`: one report's timeline from what five services answer, found by any of its names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from jiayuan.chassis.errors import StartError
from jiayuan.local import trace

pytestmark = pytest.mark.unit

REPORT = "01890000-0000-7000-8000-000000000001"
CASE = "01890000-0000-7000-8000-000000000002"
LEG = "01890000-0000-7000-8000-000000000003"

ANSWERS: dict[tuple[str, str], Any] = {
    ("intake", "/reports?tracking_code=XP1"): {"id": REPORT},
    ("intake", f"/reports/{REPORT}"): {
        "id": REPORT,
        "kind": "problem",
        "channel": "hotline",
        "title": "路灯不亮",
        "category": {"code": "0102", "name": "路灯", "method": "keywords"},
        "place": {"name": "松城街道", "evidence": "代码"},
        "received_at": "2026-11-24T00:00:00Z",
        "withdrawn_at": None,
        "supplements": [],
        "ratings": [{"solved": True, "satisfaction": 5, "words": None, "at": "2026-11-24T03:00:00Z"}],
    },
    ("routing", f"/cases?report={REPORT}"): {
        "sequence": 3,
        "assignees": {"p1": "网格员例陈安"},
        "case": {
            "id": CASE,
            "number": "350921001-261124-000001",
            "state": "closed",
            "colour": "blue",
            "decision": {"reason": "网格员到现场就能解决。"},
            "reports": [{"id": REPORT}],
            "legs": [{"id": LEG, "assignee": {"type": "person", "id": "p1"}}],
        },
        "steps": [
            {"action": "open", "actor": "routing", "at": "2026-11-24T00:00:01Z", "leg": None, "reason": "按规则"},
            {"action": "assign", "actor": "routing", "at": "2026-11-24T00:00:01Z", "leg": LEG, "reason": "按规则"},
            {"action": "accept", "actor": "p1", "at": "2026-11-24T00:05:00Z", "leg": LEG, "reason": None},
        ],
    },
    ("sla", f"/clocks?case={CASE}"): {
        "clocks": [
            {
                "kind": "response",
                "assignee": {"type": "person", "id": "p1"},
                "limit": 900,
                "started_at": "2026-11-24T00:00:01Z",
                "due_at": "2026-11-24T00:15:01Z",
                "warned_at": None,
                "breached_at": None,
                "met_at": "2026-11-24T00:06:00Z",
                "percent": 40,
            }
        ]
    },
    ("ledger", f"/entries?case={CASE}"): {"entries": [{"id": "e1"}]},
    ("ledger", "/entries/e1"): {
        "year": 2026,
        "postings": [{"kind": "opening", "number": 1, "at": "2026-11-24T00:00:01Z", "note": "立案入账"}],
    },
    ("notify", f"/notices?case={CASE}"): {
        "notices": [
            {
                "id": "n2",
                "state": "delivered",
                "role": "assignee",
                "template": "assigned",
                "recipient": "p***",
                "at": "2026-11-24T00:00:02Z",
                "reason": None,
            }
        ]
    },
}  # fmt: skip
RECEIVED = {
    "id": "n1",
    "state": "delivered",
    "role": "citizen",
    "template": "received",
    "recipient": "p***",
    "at": "2026-11-24T00:00:01Z",
    "reason": None,
}
# What was told before there was a case is found by the report, and perhaps by the case too.
ANSWERS["notify", f"/notices?report={REPORT}"] = {"notices": [RECEIVED]}
ANSWERS["routing", "/cases/350921001-261124-000001"] = ANSWERS["routing", f"/cases?report={REPORT}"]


class Stub:
    """Answers as the five services do; None for what there isn't."""

    def __init__(self, *without: str) -> None:
        self.without = without

    def get(self, service: str, path: str) -> Any:
        """The document of a path."""
        return None if service in self.without else ANSWERS.get((service, path))


@pytest.mark.parametrize("name", [REPORT, "XP1", "350921001-261124-000001"])
def test_a_report_is_found_by_each_of_its_names(name: str) -> None:
    known = trace.find(Stub(), name)  # type: ignore[arg-type]
    assert known.report["id"] == REPORT
    assert known.case is not None
    assert len(known.clocks) == len(known.entries) == 1
    assert [n["id"] for n in known.notices] == ["n1", "n2"]


@pytest.mark.parametrize("name", ["XP404", "01890000-0000-7000-8000-00000000ffff", "1-2-3"])
def test_what_there_is_not_is_said_in_one_sentence(name: str) -> None:
    with pytest.raises(StartError, match="there is no report"):
        trace.find(Stub(), name)  # type: ignore[arg-type]


def test_the_timeline_goes_through_all_five_in_the_order_of_time() -> None:
    lines = trace.timeline(trace.find(Stub(), REPORT))  # type: ignore[arg-type]
    assert [x.at for x in lines] == sorted(x.at for x in lines)
    assert {x.service for x in lines} == {"intake", "routing", "sla", "ledger", "notify"}
    said = [(x.service, x.what, x.who) for x in lines]
    assert said[0] == ("intake", "收到诉求：路灯不亮", "hotline")
    assert ("routing", "派单给网格员例陈安", "系统") in said
    assert ("routing", "签收", "网格员例陈安") in said
    assert ("sla", "响应时钟按时", "网格员例陈安") in said
    assert ("ledger", "2026 年账本第 1 笔：入账", "") in said
    assert ("notify", "通知承办人（assigned）已送达", "p***") in said
    assert said[-1] == ("intake", "群众评价：已解决，5 星", "群众")


def test_a_report_that_has_not_gone_far_is_shown_as_far_as_it_went() -> None:
    class OnlyIntake(Stub):
        def get(self, service: str, path: str) -> Any:
            """Notify knows of no notice yet."""
            return {"notices": []} if service == "notify" else super().get(service, path)

    known = trace.find(OnlyIntake("routing", "sla", "ledger"), REPORT)  # type: ignore[arg-type]
    assert {x.service for x in trace.timeline(known)} == {"intake"}
    assert "尚无记录：routing, sla, notify" in trace.heading(known)


def test_without_a_demonstration_it_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JIAYUAN_TOKEN", *(f"JIAYUAN_{s.upper()}_ADDRESS" for s in trace.SERVICES)):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(StartError, match=r"JIAYUAN_INTAKE_ADDRESS.*JIAYUAN_TOKEN"):
        trace.connect(tmp_path / "cluster.json")


def test_the_environment_goes_before_the_demonstration_s_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = {s: f"http://127.0.0.1:1/{s}" for s in trace.SERVICES}
    secret = {"intake": {"JIAYUAN_TOKEN_SECRET": "s" * 40}}
    file = tmp_path / "cluster.json"
    file.write_text(json.dumps({"addresses": addresses, "environment": secret}), encoding="utf-8")
    monkeypatch.setenv("JIAYUAN_SLA_ADDRESS", "http://127.0.0.1:2/")
    services = trace.connect(file)
    assert services._clients["sla"].address == "http://127.0.0.1:2"
    assert services._clients["intake"].address == addresses["intake"]


def test_the_command_says_what_is_missing(tmp_path: Path) -> None:
    done = CliRunner().invoke(trace.trace, [REPORT, "--cluster", str(tmp_path / "none.json")])
    assert isinstance(done.exception, StartError)
