"""Models in the database: added, in the shadow, compared, put in force, taken back; and what the desk corrects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sqlalchemy import text as sql
from werkzeug.test import EnvironBuilder

from jiayuan.chassis import tokens
from jiayuan.chassis.testing.databases import TOKEN_SECRET, Opened
from jiayuan.chassis.web import Call, dispatch
from jiayuan.contracts import envelope
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.times import parse
from jiayuan.intake import category, cli_category, corrections, handlers, model, models, report, store
from jiayuan.intake.model import BadModel
from jiayuan.intake.report import Submission

pytestmark = pytest.mark.store

BITS = 12
NAMES = {c.code: c.name for c in category.bundled().categories.values()}


def packed(version: str, words: dict[str, str], macro_f1: float = 0.9, **changes: Any) -> bytes:
    """A model that knows one word a label; labels are codes."""
    labels = sorted(words)
    keys = {
        int(k): c for c, w in enumerate(labels, 1) for f in (0, 1) for k in model.grams(words[w], f, BITS)
    }
    table = np.zeros((len(keys) + 1, 1 + len(labels)), np.float16)
    tags, slots = np.zeros(1 << BITS, np.uint16), np.full(1 << BITS, len(keys), np.uint32)
    for row, (key, column) in enumerate(keys.items()):
        tags[key >> model.TAG_BITS], slots[key >> model.TAG_BITS] = key & 0xFFFF, row
        table[row, 0], table[row, column] = 1, 4
    document = {
        "version": version,
        "labels": labels,
        "codes": {k: [k] for k in labels},
        "code_names": {k: NAMES[k] for k in labels},
        "bits": BITS,
        "field_weights": [0.5, 1.0],
        "training": {"messages": 10, "digest": "0" * 64},
        "figures": {
            "macro_f1": macro_f1,
            "sure_share": 0.85,
            "sure_accuracy": 0.97,
            "expected_calibration_error": 0.01,
        },
        **changes,
    }
    n = len(labels)
    return model.pack(
        document,
        {
            "tags": tags,
            "slots": slots,
            "table": table,
            "bias": np.zeros(n, np.float32),
            "scale": np.eye(n, dtype=np.float32),
            "shift": np.zeros(n, np.float32),
        },
    )


FIRST = packed("first", {"04": "快递", "06": "老师"})
SECOND = packed("second", {"04": "老师", "06": "快递"}, macro_f1=0.95)


@pytest.fixture(autouse=True)
def _no_model() -> Iterator[None]:
    """The process's classifier has no model before and after."""
    models.forget()
    yield
    report.rules().classifier.use(None)
    models.forget()


def take(intake: Opened, *texts: str) -> list[handlers.Receipt]:
    models.forget()  # as if seconds had passed
    with intake() as work:
        return handlers.receive(work, [Submission("hotline", t) for t in texts])


def put(intake: Opened, raw: bytes, state: str) -> str:
    with intake() as work:
        version = models.add(work, raw, "f", category.bundled(), "op", "tests").version
        if state == "current":
            models.promote(work, version, "op", "tests", worse=True)
        elif state == "shadow":
            models.shadow(work, version, "op", "tests")
    return version


def rows(intake: Opened, statement: str) -> list[Any]:
    with intake.engine.connect() as conn:
        return list(conn.execute(sql(statement)))


def test_keywords_decide_until_a_model_is_put_in_force(intake: Opened) -> None:
    put(intake, FIRST, "candidate")
    (before,) = take(intake, "老师丢了快递快递")
    assert before.clean is not None
    assert before.clean.guess.method == "keywords"
    put(intake, FIRST, "current")
    (after,) = take(intake, "老师丢了快递快递")
    assert after.clean is not None
    assert (after.clean.guess.method, after.clean.guess.label) == ("model", "04")
    assert after.clean.guess.category.code == "0410"
    stored = rows(intake, f"SELECT category, category_method FROM report WHERE id = '{after.report}'")
    assert [tuple(r) for r in stored] == [("0410", "model")]


def test_a_model_for_another_catalogue_is_not_added(intake: Opened) -> None:
    wrong = packed("wrong", {"04": "快递", "06": "老师"}, code_names={"04": "别的", "06": NAMES["06"]})
    with intake() as work, pytest.raises(BadModel, match="04 was 别的"):
        models.add(work, wrong, "f", category.bundled(), "op", "tests")
    assert rows(intake, "SELECT 1 FROM model") == []


def test_adding_the_same_file_again_changes_nothing_and_another_of_its_name_is_refused(
    intake: Opened,
) -> None:
    put(intake, FIRST, "candidate")
    put(intake, FIRST, "candidate")
    assert len(rows(intake, "SELECT 1 FROM model")) == len(rows(intake, "SELECT 1 FROM model_step")) == 1
    other = packed("first", {"04": "出租", "06": "老师"})
    with intake() as work, pytest.raises(BadModel, match="another model first"):
        models.add(work, other, "f", category.bundled(), "op", "tests")


def test_a_stored_model_that_can_not_be_used_stops_nobody(intake: Opened) -> None:
    put(intake, FIRST, "current")
    with intake.engine.begin() as conn:
        conn.execute(sql("UPDATE model SET content = 'broken'"))
    (receipt,) = take(intake, "快递丢了")
    assert receipt.clean is not None
    assert (receipt.outcome, receipt.clean.guess.method) == ("accepted", "keywords")


def test_what_the_shadow_says_is_recorded_and_changes_nothing(intake: Opened) -> None:
    put(intake, FIRST, "current")
    put(intake, SECOND, "shadow")
    receipts = take(intake, "快递丢了", "老师收费", "没有标题的老师")
    assert [r.clean.guess.label for r in receipts if r.clean] == ["04", "06", "06"]
    found = rows(
        intake,
        "SELECT report, version, label, current_version, current_label FROM shadow_guess ORDER BY report",
    )
    assert {str(r.report) for r in found} == {r.report for r in receipts}
    assert {(r.version, r.label, r.current_version, r.current_label) for r in found} == {
        ("second", "06", "first", "04"),
        ("second", "04", "first", "06"),
    }


def test_the_shadow_reads_a_bounded_part_of_a_batch(intake: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "MOST_SHADOWED", 3)
    put(intake, SECOND, "shadow")
    take(intake, *(f"快递丢了{n}次" for n in range(8)))
    assert len(rows(intake, "SELECT 1 FROM shadow_guess WHERE current_version IS NULL")) == 3


def test_models_are_compared_by_what_they_said_and_by_what_the_desk_said(intake: Opened) -> None:
    put(intake, FIRST, "current")
    third = packed("third", {"04": "快递", "06": "幼儿园", "08": "老师"})
    put(intake, third, "shadow")
    receipts = take(intake, "快递丢了", "老师说要加班", "老师收费")
    desk(intake, receipts[1].report, code="0802")
    with intake() as work:
        found = models.compare(work, "third", category.bundled())
    assert (found.reports, found.same) == (3, 1)
    assert found.apart == {("06", "08"): 2}
    assert (found.corrected, found.decided_right, found.shadow_right) == (1, 0, 1)


def test_promotion_and_the_way_back(intake: Opened) -> None:
    put(intake, FIRST, "candidate")
    put(intake, SECOND, "candidate")
    with intake() as work:
        assert models.promote(work, "second", "op", "better") is None
        with pytest.raises(BadModel, match="second in force has"):
            models.promote(work, "first", "op", "try")
        assert models.promote(work, "first", "op", "try", worse=True) == "second"
        with pytest.raises(BadModel, match="in force already"):
            models.promote(work, "first", "op", "again")
        with pytest.raises(BadModel, match="its own shadow"):
            models.shadow(work, "first", "op", "try")
        with pytest.raises(BadModel, match="no model nothing; there are: "):
            models.shadow(work, "nothing", "op", "try")
        assert models.rollback(work, "op", "worse indeed") == ("first", "second")
        assert store.models_in_use(work) == {"current": "second"}
        assert models.rollback(work, "op", "none at all") == ("second", None)
        with pytest.raises(BadModel, match="nothing to undo"):
            models.rollback(work, "op", "again")
    said = rows(intake, "SELECT action, version, who, reason FROM model_step ORDER BY number DESC LIMIT 1")
    assert [tuple(r) for r in said] == [("rollback", "second", "op", "none at all")]


def test_one_model_in_force_whatever_two_commands_do(intake: Opened) -> None:
    put(intake, FIRST, "current")
    put(intake, SECOND, "candidate")
    with pytest.raises(Exception, match="model_one_current"), intake() as work:
        store.model_state(work, "second", "current")


# -- corrections -------------------------------------------------------------------------------------


def desk(
    intake: Opened, report_id: str, *, roles: tuple[str, ...] = ("county",), street: str = "", **body: Any
) -> Any:
    headers = {}
    if roles:
        token = tokens.issue(TOKEN_SECRET, "desk-1", roles, street=street)
        headers["Authorization"] = f"Bearer {token}"
    document = {"reason": "是快递，不是路灯", **body}
    builder = EnvironBuilder(
        method="PUT", path=f"/reports/{report_id}/category", json=document, headers=headers
    )
    call = Call(builder.get_environ())
    return dispatch(
        {},
        call,
        lambda c: corrections.correct(intake.runtime, c, report_id),
        intake.settings,
        corrections.DESK,
        "/reports/<report>/category",
        "intake",
    )


def test_the_desk_puts_a_category_right(intake: Opened) -> None:
    (receipt,) = take(intake, "路灯不亮")
    response = desk(intake, receipt.report, code="0410", reason="例张三说的，电话13800138000")
    assert response.status_code == 200
    assert response.get_json()["category"] == {
        "code": "0410",
        "name": NAMES["0410"],
        "confidence": 1.0,
        "method": "desk",
    }
    (stored,) = rows(intake, "SELECT category, category_method, urgency FROM report")
    assert (stored.category, stored.category_method) == ("0410", "desk")
    (kept,) = rows(intake, "SELECT before_code, before_method, code, who, reason FROM correction")
    assert (kept.before_code, kept.before_method, kept.code, kept.who) == (
        "0102",
        "keywords",
        "0410",
        "desk-1",
    )
    assert "13800138000" not in kept.reason


def test_the_same_correction_again_is_one(intake: Opened) -> None:
    (receipt,) = take(intake, "路灯不亮")
    first = desk(intake, receipt.report, code="0410").get_json()
    again = desk(intake, receipt.report, code="0410").get_json()
    assert {**first, "at": ""} == {**again, "at": ""}
    assert len(rows(intake, "SELECT 1 FROM correction")) == 1


def test_routing_hears_of_a_correction(intake: Opened) -> None:
    (receipt,) = take(intake, "路灯不亮")
    desk(intake, receipt.report, code="0410")
    desk(intake, receipt.report, code="0410")
    (told,) = rows(intake, "SELECT body FROM outbox_event WHERE routing_key LIKE 'report.supplemented%'")
    assert told.body["sequence"] == 2
    assert told.body["data"] | {"at": ""} == {
        "report": receipt.report,
        "text": f"分类：{NAMES['0410']}（街道更正）",
        "at": "",
        "category": {"code": "0410", "name": NAMES["0410"], "confidence": 1.0, "method": "desk"},
        "livelihood": False,
        "importance": 1,
        "urgency": 1,
        "by": "desk-1",
    }


def heard(
    intake: Opened, report: str, code: str, sequence: int, *, at: str, method: str = "desk", event: str = ""
) -> Event:
    """What routing's desk decided on the case of a report."""
    case = {
        "id": "c1",
        "category": {"code": code, "name": code, "confidence": 1.0, "method": method},
        "reports": [{"id": report}],
    }
    change = {"action": "recategorise", "actor": "desk-9", "at": at, "reason": "看过现场"}
    made = envelope.make(
        "case.changed", "/jiayuan/routing", {"case": case, "change": change}, sequence=sequence, at=parse(at)
    )
    told = replace(made, id=event or made.id)
    if corrections.wanted(told):
        with intake() as work:
            corrections.heard(work, [told])
    return told


def test_what_the_desk_decides_on_the_case_becomes_training_data(intake: Opened) -> None:
    (receipt,) = take(intake, "路灯不亮")
    for _ in range(2):  # the same event again
        heard(intake, receipt.report, "0410", 3, at="2026-03-02T02:00:00Z", event="e1")
    heard(intake, receipt.report, "0410", 3, at="2026-03-02T02:00:00Z")  # what the report is already
    heard(intake, receipt.report, "1505", 2, at="2026-03-02T01:00:00Z")  # what was said before
    heard(intake, receipt.report, "1302", 4, at="2026-03-02T03:00:00Z", method="keywords")  # nobody's word
    heard(intake, receipt.report, "9999", 5, at="2026-03-02T03:00:00Z")  # of another catalogue
    heard(intake, "01990000-0000-7000-8000-000000000000", "0410", 5, at="2026-03-02T03:00:00Z")  # unknown
    (stored,) = rows(intake, "SELECT category, category_method FROM report")
    assert (stored.category, stored.category_method) == ("0410", "desk")
    kept = rows(intake, "SELECT before_code, code, who, reason FROM correction ORDER BY at")
    assert [tuple(k) for k in kept] == [
        ("0410", "1505", "desk-9", "看过现场"),
        ("0102", "0410", "desk-9", "看过现场"),
    ]
    with intake() as work:
        assert [r.code for r in store.corrected_reports(work)] == ["0410"]
    assert rows(intake, "SELECT 1 FROM outbox_event WHERE routing_key LIKE 'report.supplemented%'") == []


def test_danger_stays_urgent_whatever_routings_desk_calls_it(intake: Opened) -> None:
    (receipt,) = take(intake, "路灯着火了，快来")
    heard(intake, receipt.report, "1505", 3, at="2026-03-02T02:00:00Z")
    (stored,) = rows(intake, "SELECT category, importance, urgency FROM report")
    assert tuple(stored) == ("1505", 3, 3)


def test_who_is_not_sure_says_what_else_was_thought_of(intake: Opened) -> None:
    take(intake, "灯杆旁边的破损和积水")
    (told,) = rows(intake, "SELECT body FROM outbox_event WHERE routing_key LIKE 'report.received%'")
    said = told.body["data"]["report"]
    assert said["candidates"][0]["code"] == said["category"]["code"]
    assert len({c["code"] for c in said["candidates"]}) == len(said["candidates"]) >= 2
    assert all(c["name"] == NAMES[c["code"]] and c["why"] for c in said["candidates"])


def test_danger_stays_urgent_whatever_it_is_called(intake: Opened) -> None:
    (receipt,) = take(intake, "路灯着火了，快来")
    said = desk(intake, receipt.report, code="1505").get_json()
    assert (said["importance"], said["urgency"]) == (3, 3)
    (stored,) = rows(intake, "SELECT importance, urgency FROM report")
    assert (stored.importance, stored.urgency) == (3, 3)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"code": "9999"}, 422, "code"),
        ({}, 422, "code"),
        ({"code": "0410", "reason": ""}, 422, "reason"),
        ({"code": "0410", "reason": " \u200b "}, 422, "reason"),
        ({"code": "0410", "colour": "red"}, 422, "colour"),
    ],
)
def test_a_wrong_correction_says_what_is_wrong(
    intake: Opened, body: dict[str, Any], status: int, field: str
) -> None:
    (receipt,) = take(intake, "路灯不亮")
    response = desk(intake, receipt.report, **body)
    assert response.status_code == status
    assert [e["field"] for e in response.get_json()["errors"]] == [field]
    assert rows(intake, "SELECT 1 FROM correction") == []


def test_only_the_desk_of_the_street_may(intake: Opened) -> None:
    with intake() as work:
        (receipt,) = handlers.receive(work, [Submission("hotline", "路灯不亮", place_code="350921001001")])
    id_ = receipt.report
    assert desk(intake, id_, code="0410", roles=()).status_code == 401
    assert desk(intake, id_, code="0410", roles=("grid_worker",)).status_code == 403
    assert desk(intake, id_, code="0410", roles=("desk",), street="350921002").status_code == 403
    assert desk(intake, id_, code="0410", roles=("desk",), street="350921001").status_code == 200
    assert desk(intake, "01990000-0000-7000-8000-000000000000", code="0410").status_code == 404
    assert desk(intake, "no-id", code="0410").status_code == 404


def test_corrections_become_training_data(intake: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    receipts = take(intake, "路灯不亮", "渔船进港", "公园长椅")
    desk(intake, receipts[0].report, code="0410")
    desk(intake, receipts[0].report, code="0601")  # the last word counts
    desk(intake, receipts[1].report, code="1302")
    desk(intake, receipts[2].report, code="0409")
    monkeypatch.setattr(cli_category, "_runtime", lambda: intake.runtime)
    run = CliRunner()
    codes = {"04": ("04",), "06": ("06",)}
    with run.isolation() as (out, *_):
        found = cli_category._corrections(codes, category.bundled())
        said = out.getvalue().decode()
    assert {(e.text, e.label) for e in found} == {("路灯不亮", "06"), ("公园长椅", "04")}
    assert all(e.row < 0 for e in found)
    assert "2 corrections; 1 more are of categories" in said


def test_models_by_command(intake: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cli_category, "_runtime", lambda: intake.runtime)
    for name, raw in (("first", FIRST), ("second", SECOND)):
        (tmp_path / name).write_bytes(raw)

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(cli_category.models, list(arguments))
        assert done.exit_code == code, done.output
        return done.output

    why = ("--who", "op", "--reason", "tests")
    assert "keywords decide" in run("list")
    assert run("add", str(tmp_path / "first"), *why) == "first\n"
    run("add", str(tmp_path / "second"), *why)
    assert "instead of keywords" in run("promote", "first", *why)
    assert "no model runs in the shadow" in run("compare", code=2)
    run("shadow", "second", *why)
    assert "no report in the shadow yet" in run("compare")
    take(intake, "快递丢了", "老师收费")
    said = run("compare")
    assert "2 reports, the same in 0" in said
    assert "decided 04, shadow 06" in said
    assert "instead of first" in run("promote", "second", *why)
    assert "first instead of second" in run("rollback", *why)
    listed = run("list")
    assert "first  current" in listed
    assert "op: rollback second (before: first): tests" in listed
    assert "can't be read" in run("add", str(tmp_path / "none"), *why, code=2)
    assert "Missing option '--reason'" in run("promote", "second", "--who", "op", code=2)
