"""Policies and calendars by the command line, on PostgreSQL; what a new version does to open clocks."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from prometheus_client import REGISTRY
from werkzeug.test import EnvironBuilder

from jiayuan.chassis.testing.databases import Opened, WorkFor
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.web import Call
from jiayuan.sla import api, books, handlers, policy, store, watching
from jiayuan.sla.cli import sla
from jiayuan.sla.cli.clocks import span

pytestmark = pytest.mark.store
Moment = Callable[[float], datetime]
Run = Callable[..., Result]

POLICY: dict[str, Any] = {
    **policy.document(),
    "version": "2026.2",
    "rules": [{"id": "work", "when": {"clock": ["finish"]}, "then": {"calendar": "county", "limit": "10wd"}}],
}


@pytest.fixture
def open_work(work_for: WorkFor) -> Opened:
    return work_for("sla")


@pytest.fixture
def run(open_work: Opened, tmp_path: Path) -> Run:
    """`run("policy", "import", document)`: a command of `jiayuan sla`, by the wall clock; documents become files."""
    environment = {"JIAYUAN_DATABASE_URL": open_work.url}

    def command(*words: Any) -> Result:
        given = []
        for word in words:
            if isinstance(word, dict):
                path = tmp_path / "document.yaml"
                path.write_text(yaml.safe_dump(word, allow_unicode=True), encoding="utf-8")
                word = path
            given.append(str(word))
        return CliRunner().invoke(sla, given, env=environment, catch_exceptions=False)

    return command


def clocks(open_work: Opened) -> dict[str, Any]:
    with open_work() as work:
        return {r.kind: r for r in work.execute("SELECT * FROM clock ORDER BY id")}


def start(open_work: Opened, life: Any, moment: Moment, *names: str) -> None:
    """Cases that begin today, by the wall clock, which the commands go by."""
    with open_work(now=moment(0)) as work:
        handlers.case_changed(work, [life(name).assign(0) for name in names])


def now_life(life: Any, name: str, **limits: int | None) -> Any:
    """A case whose times are those of the wall clock: commands read that."""
    case = life(name, **limits)
    shift = datetime.now(UTC).replace(microsecond=0) - datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
    case.at = lambda second: (
        datetime(2026, 3, 2, 1, 0, tzinfo=UTC) + shift + timedelta(seconds=second)
    ).isoformat()
    case.case |= {"first_received_at": case.at(0), "opened_at": case.at(0)}
    return case


def begin(open_work: Opened, *cases: Any) -> None:
    with open_work(now=datetime.now(UTC)) as work:
        handlers.case_changed(work, [case.assign(0) for case in cases])


def test_a_policy_is_imported_checked_shown_and_recomputes(open_work: Opened, run: Run, life: Any) -> None:
    begin(open_work, now_life(life, "case-1"), now_life(life, "case-2"))
    before = clocks(open_work)["finish"]
    assert (before.rule, before.policy) == ("", "2026.1")
    checked = run("policy", "check", POLICY)
    assert checked.exit_code == 0, checked.output
    assert "1 rules for 1 kinds of clocks, nothing wrong" in checked.output
    looked = run("policy", "check", POLICY, "--open")
    assert "6 open clocks: 2 due later, 0 earlier, 0 gone, 0 late at once" in looked.output
    imported = run("policy", "import", POLICY)
    assert imported.exit_code == 0, imported.output
    assert "2026.2 holds now" in imported.output
    assert "6 open clocks were computed again, 2 moved" in imported.output
    after = clocks(open_work)
    assert (after["finish"].rule, after["finish"].calendar, after["finish"].policy) == (
        "work",
        "county@0",
        "2026.2",
    )
    assert after["finish"].limit_seconds == 10 * 27000
    assert after["finish"].sequence == 2
    assert (after["response"].policy, after["response"].rule) == ("2026.2", "")
    listed = run("policy", "list").output
    assert "* 2026.2" in listed
    assert "  2026.1  comes with sla" in listed
    assert "recomputed for policy 2026.2: 6 open clocks, 2 moved" in listed
    assert yaml.safe_load(run("policy", "show").output)["version"] == "2026.2"
    assert yaml.safe_load(run("policy", "show", "2026.1").output)["version"] == "2026.1"
    assert run("policy", "show", "none").exit_code == 1
    again = run("policy", "import", POLICY)
    assert again.exit_code == 1
    assert "a change is a new version" in again.output
    assert run("policy", "import", policy.document()).exit_code == 1


def test_a_wrong_policy_says_what_is_wrong_and_does_not_go_in(open_work: Opened, run: Run) -> None:
    wrong = {**POLICY, "rules": [{"id": "x", "when": {"colour": ["pink"]}, "then": {"calendar": "mars"}}]}
    refused = run("policy", "import", wrong)
    assert refused.exit_code == 1
    assert "rules[0].when.colour: is ['pink']; allowed: a list of red, orange" in refused.output
    assert "rules[0].then.calendar: is 'mars'; allowed: one of county" in refused.output
    assert run("policy", "check", wrong).exit_code == 1
    with open_work() as work:
        assert store.signature(work) == (0, 0)


def test_a_policy_of_a_day_to_come_holds_from_then_on(open_work: Opened, run: Run, life: Any) -> None:
    day = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    begin(open_work, now_life(life, "case-1", finish=5 * 86400))
    imported = run("policy", "import", {**POLICY, "effective_from": day.isoformat()})
    assert imported.exit_code == 0, imported.output
    assert "holds from" in imported.output
    with open_work(now=day - timedelta(hours=1)) as work:
        books.refresh(work)
        assert handlers.recompute(work) is False
    assert clocks(open_work)["finish"].policy == "2026.1"
    with open_work(now=day) as work:
        assert handlers.recompute(work) is False  # one batch did it
    # Response was late long before: it keeps the version under which it was.
    found = clocks(open_work)
    assert (found["finish"].policy, found["response"].policy) == ("2026.2", "2026.1")


def test_a_year_is_imported_and_moves_what_reaches_into_it(
    open_work: Opened, run: Run, life: Any, tmp_path: Path
) -> None:
    run("policy", "import", POLICY)
    begin(open_work, now_life(life, "case-1"))
    due = clocks(open_work)["finish"].due_at.astimezone(policy.current().zone)
    sheet = tmp_path / "days.csv"
    year = due.year
    sheet.write_text(f"date,kind,name\n{due:%Y-%m-%d},holiday,例\n", encoding="utf-8")
    imported = run("calendar", "import", sheet, "--name", "county", "--note", "例〔1〕号")
    assert imported.exit_code == 0, imported.output
    assert f"remark: {year} has 1 holidays only" in imported.output
    assert "county@1:" in imported.output
    assert "3 open clocks were computed again, 1 moved" in imported.output
    moved = clocks(open_work)["finish"]
    assert moved.calendar == "county@1"
    assert moved.due_at > due
    assert f"'{year}': 例〔1〕号" in run("calendar", "show", "county").output
    listed = run("calendar", "list").output
    assert "* county@1" in listed
    assert "  county@0" in listed
    # The day is put right again: it moves back.
    back = run("calendar", "day", "county", f"{due:%Y-%m-%d}", "--regular")
    assert "1 moved" in back.output, back.output
    assert clocks(open_work)["finish"].due_at <= moved.due_at
    assert clocks(open_work)["finish"].calendar == "county@2"


def test_a_whole_calendar_and_the_package(open_work: Opened, run: Run) -> None:
    own = {
        "calendar": "fujian",
        "zone": "Asia/Shanghai",
        "week": {"mon-fri": ["08:00-12:00", "15:00-18:00"]},
        "holidays": "cn",
    }
    assert run("calendar", "import", own).exit_code == 0
    packaged = run("calendar", "import", "chinesecalendar", "--name", "fujian", "--year", "2026")
    assert packaged.exit_code == 0, packaged.output
    shown = run("calendar", "show", "fujian", "--year", "2026").output
    assert "2026-02-14 sat  workday  春节调休" in shown
    assert "2026: 248 working days" in shown
    assert "its holidays are not known" in run("calendar", "show", "fujian", "--year", "2031").output
    with open_work() as work:
        assert books.refresh(work) or True
        assert books.calendars(work)["fujian"].version == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("calendar", "import", "chinesecalendar"), "say which year"),
        (("calendar", "import", "chinesecalendar", "--year", "1999"), "doesn't know 1999"),
        (("calendar", "import", "nowhere.csv"), "that is there"),
        (("calendar", "import", {"calendar": "x", "zone": "UTC", "week": {}}), "week: is {}"),
        (("calendar", "day", "nobody", "2026-07-10", "--holiday", "x"), "no calendar nobody"),
        (("calendar", "day", "county", "2026-07-10", "--hours", "late"), "no kind of day"),
        (("calendar", "show", "nobody"), "no calendar nobody"),
        (("calendar", "day", "county", "2026-07-10"), "one of --holiday"),
    ],
)
def test_what_cannot_be_imported_says_why(run: Run, words: tuple[Any, ...], says: str) -> None:
    refused = run(*words)
    assert refused.exit_code in (1, 2)
    assert says in refused.output


def test_calendars_whose_holidays_end_are_said(open_work: Opened, run: Run, life: Any, caplog: Any) -> None:
    assert "no policy uses a calendar" in run("calendar", "check").output
    known = datetime.now(UTC).date() + timedelta(days=20)
    short = {
        "calendar": "short",
        "zone": "Asia/Shanghai",
        "week": {"mon-sun": ["09:00-12:00"]},
        "known_until": known.isoformat(),
    }
    run("calendar", "import", short)
    rule = {"id": "far", "when": {"clock": ["finish"]}, "then": {"calendar": "short", "limit": "30wd"}}
    run("policy", "import", {**POLICY, "rules": [rule]})
    begin(open_work, now_life(life, "case-1"))
    checked = run("calendar", "check")
    assert checked.exit_code == 1
    assert "! calendar short@1: holidays are known until" in checked.output
    assert "1 open clocks do already" in checked.output
    assert "finish of case case-1, due" in checked.output
    watching._said_at.clear()
    for _ in range(2):
        with open_work(now=datetime.now(UTC)) as work:
            books.refresh(work)
            watching.measure(work)
    assert [r.message for r in caplog.records if "short@1" in r.message] == [watching.look(work)[0].sentence]
    assert (
        REGISTRY.get_sample_value(
            "jiayuan_sla_clocks_beyond_calendar", {"service": "sla", "calendar": "short"}
        )
        == 1
    )
    left = REGISTRY.get_sample_value(
        "jiayuan_sla_calendar_days_left", {"service": "sla", "calendar": "short"}
    )
    assert left is not None
    assert -12 < left < 0


def test_a_recomputation_goes_on_where_it_was_and_finds_what_slow_replicas_did(
    open_work: Opened, life: Any, moment: Moment
) -> None:
    start(open_work, life, moment, *(f"case-{n:02}" for n in range(20)))
    with open_work(now=moment(10)) as work:
        store.add_policy(work, {"version": "2026.2", "effective_from": moment(10).isoformat(), "document": POLICY,
                                "digest": "x", "imported_at": moment(10).isoformat(), "imported_by": "t"})  # fmt: skip
        store.ask_recomputation(work, "policy 2026.2", moment(10), "t")
    with open_work(now=moment(11)) as work:
        assert handlers.recompute(work, 25) is True
    with pytest.raises(ZeroDivisionError), open_work() as work:  # noqa: PT012
        handlers.recompute(work, 25)
        raise ZeroDivisionError
    with open_work() as work:
        assert handlers.recompute(work, 25) is True
    with open_work() as work:
        assert handlers.recompute(work, 25) is False
        (job,) = store.recomputations(work)
    assert (job.turn, job.looked_at, job.moved) == (2, 60, 20)
    with open_work() as work:
        assert handlers.recompute(work) is False  # the second turn waits
        work.execute("UPDATE recomputation SET turn_after = NULL")
        # A replica that had not taken it up yet armed one by the old version meanwhile.
        work.execute("UPDATE clock SET policy = '2026.1', rule = '', calendar = '', given_seconds = NULL, "
                     "limit_seconds = 86400, due_at = started_at + interval '1 day' "
                     "WHERE kind = 'finish' AND case_id = 'case-07'")  # fmt: skip
    with open_work() as work:
        assert handlers.recompute(work) is False
        (job,) = store.recomputations(work)
        rest = work.execute("SELECT count(*) FROM clock WHERE policy = '2026.1'").scalar()
    assert (job.moved, rest) == (21, 0)
    assert job.done_at is not None


def test_two_replicas_share_a_recomputation(open_work: Opened, life: Any, moment: Moment) -> None:
    start(open_work, life, moment, "case-1")
    with open_work(now=moment(10)) as work:
        store.ask_recomputation(work, "calendar county@1", moment(10), "t")
        store.ask_recomputation(work, "calendar county@1", moment(10), "t")  # once
    with open_work() as one, open_work() as other:
        assert handlers.recompute(one) is False
        assert store.next_job(other) is None  # it is locked, and nobody waits


def test_unusual_clocks_are_stored_and_read_as_they_are(open_work: Opened, life: Any, moment: Moment) -> None:
    document = {
        **POLICY,
        "warn": ["50%", "80%"],
        "ladders": {"up": [{"at": "+30m", "whom": "desk", "do": "notify"}]},
        "ladder": "up",
    }
    with open_work(now=moment(0)) as work:
        store.add_policy(work, {"version": "2026.2", "effective_from": moment(0).isoformat(), "document": document,
                                "digest": "x", "imported_at": moment(0).isoformat(), "imported_by": "t"})  # fmt: skip
    case = life("case-1", citizen=None)
    with open_work(now=moment(0)) as work:
        books.refresh(work)
        handlers.case_changed(work, [case.assign(0)])
    told = []
    for second in (450, 720, 901, 2700):
        with open_work(now=moment(second)) as work:
            handlers.speak(work)
            told += [
                (e.name, e.data["clock"].get("point"), e.data["clock"].get("ladder")) for e in work.emitted
            ]
    up = {"name": "up", "step": 1, "whom": "desk", "do": "notify"}
    assert told == [
        ("clock.warned", "50%", None),
        ("clock.warned", "80%", None),
        ("clock.breached", None, None),
        ("clock.escalated", "+30m", up),
    ]
    response = clocks(open_work)["response"]
    assert (response.state, response.next_at) == ("breached", None)
    assert response.points == {"said": ["50%", "80%", "#1"], "todo": []}
    with open_work(now=moment(2800)) as work:
        handlers.case_changed(work, [case.answer(2800)])
    assert clocks(open_work)["response"].points is None


def test_explained_in_the_terminal_and_by_http(open_work: Opened, run: Run, life: Any) -> None:
    run("policy", "import", POLICY)
    case = now_life(life, "case-1")
    begin(open_work, case)
    with open_work(now=datetime.now(UTC)) as work:
        handlers.case_changed(work, [case.extend(1, 27000)])
    shown = run("explain", "case-1")
    assert shown.exit_code == 0, shown.output
    for words in (
        "by policy 2026.2, rule work, working time of county@0",
        "limit 3d 10h 30m (the case says 1d)",
        "+ 7h 30m at ",
        "granted in time",
        "-- now --",
        "will not: outside hours",
        "remaining",
        "at 80%: ",
    ):
        assert words in shown.output, words
    lines = [json.loads(line) for line in run("explain", "case-1", "--json").output.splitlines()]
    call = Call(EnvironBuilder(path="/clocks/explained", query_string={"case": "case-1"}).get_environ())
    call.who = Principal("c-1", ("county",))
    open_work.clock.time = datetime.now(UTC)
    with open_work() as work:
        books.refresh(work)
    found = api.explanation(open_work.runtime, call)["clocks"]
    assert [c["id"] for c in found] == [c["id"] for c in lines]
    assert json.dumps(found)
    assert found[0].keys() == lines[0].keys()


def test_spans_in_words() -> None:
    assert [span(s) for s in (0, 59, 3600, 90061, -60)] == ["0s", "59s", "1h", "1d 1h 1m 1s", "-1m"]


def test_files_come_by_the_standard_input_too(open_work: Opened) -> None:
    environment = {"JIAYUAN_DATABASE_URL": open_work.url}

    def given(text: str, *words: str) -> Result:
        return CliRunner().invoke(sla, list(words), input=text, env=environment, catch_exceptions=False)

    text = yaml.safe_dump(POLICY, allow_unicode=True)
    assert "nothing wrong" in given(text, "policy", "check", "-").output
    assert "2026.2 holds now" in given(text, "policy", "import", "-").output
    sheet = "date,kind,name\n2027-01-01,holiday,元旦\n"
    imported = given(sheet, "calendar", "import", "-", "--format", "csv")
    assert "county@1" in imported.output, imported.output
    assert "say what the standard input is" in given(sheet, "calendar", "import", "-").output
