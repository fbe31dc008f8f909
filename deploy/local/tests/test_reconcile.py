"""The reconciliation finds what it is there for: books that agree pass, and every kind of mismatch is named."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jiayuan.contracts.times import iso
from jiayuan.local import reconcile
from jiayuan.local.reconcile import Books, Check
from jiayuan.local.replay import Account, Receipt

pytestmark = pytest.mark.unit

START = datetime(2026, 11, 24, 8, tzinfo=UTC)


def at(minutes: float) -> datetime:
    """A time of the story."""
    return START + timedelta(minutes=minutes)


def story() -> tuple[Account, Books]:
    """Two reports: one settled in the grid after it rose a step and confirmed; one that a department returned, the desk
    settled, and nobody confirmed, which was reopened before."""
    account, books = Account(), Books()
    _grid_case(books)
    _department_case(books)
    account.sent.update({"mini_program": 1, "file_import": 1})
    account.receipts["a"] = Receipt("r1", "XP1")
    account.imported = 1
    for service in ("intake", "routing", "sla", "ledger", "notify"):
        books.dead[service] = books.outbox[service] = 0
        books.queues[f"jiayuan.{service}.live"] = 0
    return account, books


def _leg(id_: str, type_: str, who: str, offered: float, response: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "kind": "handle",
        "level": "grid",
        "assignee": {"type": type_, "id": who},
        "state": "done",
        "response_limit": response,
        "finish_limit": 86400,
        "offered_at": iso(at(offered)),
        **fields,
    }


def _case(
    id_: str, report: str, reporter: str | None, legs: list[dict[str, Any]], **fields: Any
) -> dict[str, Any]:
    return {
        "id": id_,
        "number": f"N-{id_}",
        "state": "closed",
        "livelihood": True,
        "colour": "blue",
        "level": "grid",
        "street": "S1",
        "doc": {
            "street": "S1",
            "citizen_limit": 86400,
            "confirmation_limit": 14400,
            "reports": [{"id": report, "reporter": reporter}],
            "legs": legs,
            "resolved_at": iso(at(fields.pop("resolved"))),
        },
        **fields,
    }


def _steps(case: str, *steps: tuple[str, float, str | None]) -> list[dict[str, Any]]:
    return [
        {"case": case, "sequence": n, "action": action, "at": at(minutes), "leg": leg}
        for n, (action, minutes, leg) in enumerate(steps, 1)
    ]


def _clock(
    case: str, leg: str, kind: str, who: tuple[str | None, str | None], **fields: Any
) -> dict[str, Any]:
    return {
        "id": f"{case}-{leg}-{kind}",
        "case": case,
        "leg": leg,
        "kind": kind,
        "round": 0,
        "state": "met",
        "street": "S1",
        "assignee_type": who[0],
        "assignee_id": who[1],
        "limit_seconds": 900,
        "due_at": at(500),
        "warned_at": None,
        "breached_at": None,
        "stopped_at": None,
        **fields,
    }


def _notices(books: Books, *keys: tuple[str, str, str, str]) -> None:
    for type_, who, matter, step in keys:
        n = len(books.notices)
        silent = who.startswith("anonymous")
        books.notices.append(
            {
                "id": f"n{n}",
                "type": type_,
                "recipient": who,
                "role": "citizen",
                "matter": matter,
                "step": step,
                "template": "t",
                "state": "suppressed" if silent else "delivered",
                "request": None if silent else f"q{n}",
            }
        )
        if not silent:
            books.messages.append({"request": f"q{n}"})


def _enter(books: Books, case: dict[str, Any], state: str) -> None:
    entry = {
        "id": f"e-{case['id']}",
        "case": case["id"],
        "year": 2026,
        "state": state,
        "case_state": case["state"],
        "confirmed": case["confirmed"],
        "case_sequence": case["sequence"],
    }
    books.entries.append(entry)
    books.postings += [
        {"entry": entry["id"], "sequence": n, "kind": "progress"} for n in range(1, case["sequence"] + 1)
    ]
    books.postings.append({"entry": entry["id"], "sequence": None, "kind": "progress"})


def _add(books: Books, case: dict[str, Any], channel: str, external: str | None) -> None:
    report = case["doc"]["reports"][0]
    source = "file_import" if external else None
    books.reports.append(
        {
            "id": report["id"],
            "channel": channel,
            "source_system": source,
            "external_id": external,
            "reporter": report["reporter"],
            "livelihood": True,
        }
    )
    books.case_reports.append({"report": report["id"], "case": case["id"]})
    books.cases.append(case)
    books.legs += [{"id": x["id"], "case": case["id"], "state": x["state"]} for x in case["doc"]["legs"]]
    books.seen.append({"case": case["id"], "sequence": case["sequence"]})
    books.progress.append({"case": case["id"], "sequence": case["sequence"], "state": case["state"]})


def _grid_case(books: Books) -> None:
    legs = [
        _leg("l1", "person", "p1", 0, 900, state="reassigned"),
        _leg("l2", "person", "p2", 15, 900),
    ]
    case = _case("c1", "r1", "anna", legs, resolved=40, sequence=7, confirmed="satisfied", reopened=0)
    _add(books, case, "mini_program", None)
    books.steps += _steps(
        "c1", ("open", 0, None), ("assign", 0, "l1"), ("raise", 15, "l2"), ("accept", 16, "l2"),
        ("answer", 20, "l2"), ("resolve", 40, "l2"), ("confirm", 60, None),
    )  # fmt: skip
    books.clocks += [
        _clock("c1", "", "citizen", (None, None)),
        _clock(
            "c1", "l1", "response", ("person", "p1"), state="breached", warned_at=at(12), breached_at=at(15)
        ),
        _clock("c1", "l1", "finish", ("person", "p1"), state="cancelled"),
        _clock("c1", "l2", "response", ("person", "p2")),
        _clock("c1", "l2", "finish", ("person", "p2")),
        _clock("c1", "", "confirmation", (None, None), round=int(at(40).timestamp() * 1000)),
    ]
    due = int(at(500).timestamp())
    _notices(
        books,
        ("citizen", "anna", "r1", "received"),
        ("person", "p1", "c1", "offered:l1"),
        ("person", "p1", "c1", f"warned:response:l1:{due}"),
        ("person", "p2", "c1", "offered:l2"),
        ("citizen", "anna", "c1", "answered"),
        ("citizen", "anna", "c1", "resolved:6"),
        ("citizen", "anna", "c1", "closed"),
    )
    _enter(books, case, "written_off")


def _department_case(books: Books) -> None:
    legs = [
        _leg("l3", "unit", "U1", 0, 86400, kind="lead", level="department", state="returned"),
        _leg("l4", "desk", "desk-S1", 30, 7200, level="street"),
        _leg("l5", "desk", "desk-S1", 90, 7200, level="street"),
    ]
    case = _case("c2", "r2", None, legs, resolved=120, sequence=10, confirmed="lapsed", reopened=1)
    case["doc"]["inspection"] = {"at": iso(at(130)), "by": "p9", "passed": True}
    _add(books, case, "file_import", "f-1")
    books.steps += _steps(
        "c2", ("open", 0, None), ("whistle", 0, "l3"), ("return", 30, "l3"), ("accept", 35, "l4"),
        ("resolve", 60, "l4"), ("reopen", 90, "l5"), ("accept", 95, "l5"), ("answer", 100, "l5"),
        ("resolve", 120, "l5"), ("lapse", 400, None),
    )  # fmt: skip
    books.steps.append({"case": "c2", "sequence": 5, "action": "rated", "at": at(90), "leg": None})
    books.clocks += [
        _clock("c2", "", "citizen", (None, None), state="breached", warned_at=at(80), breached_at=at(110)),
        _clock("c2", "", "confirmation", (None, None), round=1, state="cancelled"),
        _clock(
            "c2", "", "confirmation", (None, None), round=int(at(120).timestamp() * 1000), state="breached"
        ),
    ]
    for leg, who in (("l3", ("unit", "U1")), ("l4", ("desk", "desk-S1")), ("l5", ("desk", "desk-S1"))):
        books.clocks += [_clock("c2", leg, kind, who) for kind in ("response", "finish")]
    due = int(at(500).timestamp())
    _notices(
        books,
        ("citizen", "anonymous:r2", "r2", "received"),
        ("unit", "U1", "c2", "offered:l3"),
        ("desk", "desk-S1", "c2", "case.returned:3"),
        ("desk", "desk-S1", "c2", "case.reopened:6"),
        ("desk", "desk-S1", "c2", f"warned:citizen::{due}"),
        ("desk", "desk-S1", "c2", f"breached:citizen::{due}"),
    )
    _enter(books, case, "written_off")


def wrong(account: Account, books: Books, *faults: str) -> dict[str, Check]:
    """The checks that don't reconcile, by name."""
    return {c.name: c for c in reconcile.checks(account, books, faults) if not c.good}


def test_books_that_agree_reconcile() -> None:
    account, books = story()
    assert wrong(account, books) == {}
    assert all(c.name for c in reconcile.checks(account, books))


def _drop(name: str, nth: int = 0) -> Callable[[Account, Books], object]:
    return lambda _a, b: getattr(b, name).pop(nth)


def _twice(name: str, nth: int = 0, **other: Any) -> Callable[[Account, Books], object]:
    return lambda _a, b: getattr(b, name).append({**copy.deepcopy(getattr(b, name)[nth]), **other})


def _set(name: str, nth: int, **values: Any) -> Callable[[Account, Books], object]:
    return lambda _a, b: getattr(b, name)[nth].update(values)


def _report_in_two_cases(_account: Account, books: Books) -> None:
    books.cases[0]["doc"]["reports"].append({"id": "r2", "reporter": None})


def _receipt_of_nothing(account: Account, _books: Books) -> None:
    account.receipts["a"] = Receipt("nowhere")


MISMATCHES: list[tuple[str, Callable[[Account, Books], object], str]] = [
    ("a message that was not acknowledged", lambda a, _b: a.receipts.clear(), "sent = acknowledged"),
    ("a line of the file that was not imported", lambda a, _b: setattr(a, "imported", 0), "sent = acknowledged"),
    ("a report that intake lost", _drop("reports"), "sent = reports in intake, by channel"),
    ("a report under another channel", _set("reports", 0, channel="hotline"), "sent = reports in intake, by channel"),
    ("an acknowledged report that is not there", _receipt_of_nothing, "sent = reports in intake, by channel"),
    ("a report that was taken in twice", _twice("reports", 1), "duplicates"),
    ("a report without a case", _drop("cases"), "reports = reports in cases"),
    ("a report in two cases", _report_in_two_cases, "reports = reports in cases"),
    ("a report tied to no case", _set("case_reports", 0, case=None), "every case has its reports"),
    ("a case for which no report is tied", _drop("case_reports"), "each report in exactly one case"),
    ("two cases of one number", _twice("cases", 0), "duplicates"),
    ("a leg that nobody finds", _drop("legs"), "legs of the cases = legs owed"),
    ("a leg in another state", _set("legs", 1, state="offered"), "legs of the cases = legs owed"),
    ("a case that is still open", _set("cases", 0, state="accepted"), "every case came to its end"),
    ("a step that was taken twice", _twice("steps", 2), "duplicates"),
    ("a case without its citizen's clock", _drop("clocks", 0), "cases = citizen clocks"),
    ("a leg without its response clock", _drop("clocks", 1), "cases and legs = response, finish and citizen clocks"),
    ("a leg without its finish clock", _drop("clocks", 2), "cases and legs = response, finish and citizen clocks"),
    ("a clock of no leg", _set("clocks", 2, leg="l9"), "cases and legs = response, finish and citizen clocks"),
    ("a clock that is there twice", _twice("clocks", 0, id="other"), "duplicates"),
    ("a result that nobody waits to be confirmed", _drop("clocks", 5), "results = confirmation clocks"),
    ("an old state told to reporters", _set("progress", 0, sequence=6), "reporters read the newest of each case"),
    ("a case that reporters don't hear of", _drop("progress"), "reporters read the newest of each case"),
    ("an old version of a case in sla", _set("seen", 0, sequence=6), "sla knows the newest of each case"),
    ("a case that sla never heard of", _drop("seen"), "sla knows the newest of each case"),
    ("a clock that runs on after the end", _set("clocks", 3, state="armed"), "no clock runs on"),
    ("a livelihood case that was not entered", _drop("entries"), "livelihood cases = entries"),
    ("an entry of no livelihood matter", _set("cases", 0, livelihood=False), "livelihood cases = entries"),
    ("an entry that is there twice", _twice("entries", 0, id="e2"), "duplicates"),
    ("a step that was not posted", _drop("postings", 2), "steps of livelihood cases = postings"),
    ("a step that was posted twice", _twice("postings", 2), "duplicates"),
    ("a closed case that was not written off", _set("entries", 0, state="open"), "closed and borne out = written off"),
    ("an unsatisfied one that was", _set("cases", 0, confirmed="unsatisfied"), "closed and borne out = written off"),
    ("an account that doesn't balance", lambda _a, b: b.faults.append("账目不平"), "the account balances"),
    ("somebody who was not told", _drop("notices", 1), "notices owed = notices"),
    ("somebody who was told what never was", _twice("notices", 1, id="x", step="offered:l9"), "notices owed = notices"),
    ("somebody who was told twice", _twice("notices", 1, id="x"), "duplicates"),
    ("told twice under another template", _twice("notices", 1, id="x", template="u"), "duplicates"),
    ("a notice still queued", _set("notices", 1, state="queued"), "every notice came to its end"),
    ("a notice whose end is unknown", _set("notices", 1, state="unknown"), "every notice came to its end"),
    ("a notice that never reached the provider", _drop("messages"), "notices sent = messages at the provider"),
    ("a message sent twice", _twice("messages", 0), "duplicates"),
    ("a dead letter", lambda _a, b: b.dead.update(sla=1), "dead letters"),
    ("an event left in an outbox", lambda _a, b: b.outbox.update(routing=2), "left in outboxes"),
    ("a message left in a queue", lambda _a, b: b.queues.update({"jiayuan.sla.live": 1}), "left in queues"),
    ("a sender that was told something else", lambda a, _b: a.faults.append("x"), "nobody met an error"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "check"), [m[1:] for m in MISMATCHES], ids=[m[0] for m in MISMATCHES])
def test_every_kind_of_mismatch_is_found_and_named(
    change: Callable[[Account, Books], object], check: str
) -> None:
    account, books = story()
    change(account, books)
    found = wrong(account, books)
    assert check in found
    assert all(found[check].wrong)


def test_every_check_has_a_mismatch_that_it_finds() -> None:
    assert {c.name for c in reconcile.checks(*story())} == {check for _, _, check in MISMATCHES}


def test_the_people_s_errors_count() -> None:
    assert "nobody met an error" in wrong(*story(), "a message was rejected")


def test_what_differs_is_named_up_to_a_few() -> None:
    check = reconcile.same("x", "here", range(20), "there", range(3))
    assert check.wrong == ("not in there: 10, 11, 12, 13, 14 and 12 more",)


def test_whether_the_end_of_a_leg_resolved_the_case_follows_from_what_came_next() -> None:
    steps = _steps("c", ("resolve", 1, "a"), ("resolve", 2, "b"), ("reopen", 3, "d"), ("release", 4, "e"))
    names = [name for name, _ in reconcile.events_of(steps, "resolved")]
    assert names == ["case.answered", "case.resolved", "case.reopened", "case.resolved"]
    assert [n for n, _ in reconcile.events_of(steps, "answered")][-1] == "case.assigned"


def test_an_emergency_that_comes_to_a_case_says_nothing_of_the_step_before() -> None:
    steps = _steps("c", ("resolve", 1, "a"), ("resolve", 2, "b"), ("limits", 3, None))
    names = [name for name, _ in reconcile.events_of(steps, "resolved")]
    assert names == ["case.answered", "case.resolved", "case.changed"]


def test_an_emergencys_pause_is_told_to_each_reporter_once_and_people_are_called_once() -> None:
    books = Books(calls=[{"emergency": "e1", "person": "v1"}])
    for id_ in ("c1", "c2"):
        case = _case(id_, f"r-{id_}", "p1", [], resolved=99)
        pauses = [
            {"start": iso(at(1)), "end": iso(at(2)), "emergency": "e1"},
            {"start": iso(at(3)), "end": None},
        ]
        books.cases.append({**case, "state": "assigned", "doc": {**case["doc"], "pauses": pauses}})
        books.steps += _steps(id_, ("pause", 1, None), ("resume", 2, None), ("pause", 3, None))
    assert reconcile.expected_notices(books) == {
        ("citizen", "p1", "e1", "paused"),
        ("citizen", "p1", "e1", "resumed"),
        ("person", "v1", "e1", "called"),
    }


def test_the_figures_count_what_the_tables_show() -> None:
    figures = reconcile.figures(story()[1])
    assert figures.channels == {"mini_program": 1, "file_import": 1}
    assert figures.levels == {"grid": {"blue": 1}, "department": {"blue": 1}}
    assert figures.answered == {900: {"breached": 1, "met": 7 - 3}}
    assert figures.clocks["response"]["warned"] == 1
    assert figures.clocks["citizen"]["breached"] == 1
    assert figures.raised == {"grid": 1}
    assert figures.closed == {"closed satisfied": 1, "closed lapsed": 1}
    assert figures.entries == {"written_off": 2}
    assert figures.notices == {"citizen": {"delivered": 12, "suppressed": 1}}
