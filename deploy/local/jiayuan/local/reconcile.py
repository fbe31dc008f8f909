"""The reconciliation: every report accounted for in every service, and nothing twice.

`read` gathers what the five databases hold, as an operator would with SQL; `checks` is arithmetic on that and on
what the senders were told. Each check compares two independent accounts of the same thing and names what differs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg2

from jiayuan.contracts.names import SERVICES
from jiayuan.contracts.times import parse

from .replay import Account

Row = dict[str, Any]

OVER: Final = ("closed", "voided", "merged")
RUNNING: Final = ("armed", "warned")
# A notice in one of these has come to its end.
ENDED: Final = ("accepted", "delivered", "undelivered", "expired", "suppressed")
SENT: Final = ("accepted", "delivered")
WRITTEN_OFF: Final = ("satisfied", "lapsed", "withdrawn")
SHOWN: Final = 5


@dataclass
class Books:
    """What the services hold. Lists are rows as dictionaries; `delivery` and `queues` are counts that should be 0."""

    reports: list[Row] = field(default_factory=list)
    ratings: list[Row] = field(default_factory=list)
    case_reports: list[Row] = field(default_factory=list)
    cases: list[Row] = field(default_factory=list)
    legs: list[Row] = field(default_factory=list)
    steps: list[Row] = field(default_factory=list)
    entered_late: list[Row] = field(default_factory=list)
    """Cases that turned out to be livelihood matters, and the step at which they did."""
    clocks: list[Row] = field(default_factory=list)
    unread: list[Row] = field(default_factory=list)
    """Notices that had to be read and weren't in time."""
    seen: list[Row] = field(default_factory=list)
    progress: list[Row] = field(default_factory=list)
    entries: list[Row] = field(default_factory=list)
    postings: list[Row] = field(default_factory=list)
    calls: list[Row] = field(default_factory=list)
    notices: list[Row] = field(default_factory=list)
    messages: list[Row] = field(default_factory=list)
    dead: dict[str, int] = field(default_factory=dict)
    outbox: dict[str, int] = field(default_factory=dict)
    queues: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    """What commands that prove a service's own books had to say."""


QUERIES: Final[Mapping[str, tuple[str, str]]] = {
    "reports": (
        "intake",
        "SELECT id::text, channel, source_system, external_id, reporter, livelihood FROM report",
    ),
    "progress": ("intake", "SELECT id::text AS case, sequence, state FROM progress"),
    "ratings": ("intake", "SELECT report::text, sequence, solved FROM rating"),
    "case_reports": ("routing", "SELECT report_id AS report, case_id::text AS case FROM case_report"),
    "cases": (
        "routing",
        "SELECT id::text, number, sequence, state, livelihood, colour, level, street, confirmed, reopened, "
        'state_doc AS doc FROM "case"',
    ),
    "legs": ("routing", "SELECT id::text, case_id::text AS case, state FROM leg"),
    "steps": (
        "routing",
        "SELECT case_id::text AS case, sequence, action, at, leg::text FROM case_step ORDER BY case_id, id",
    ),
    "entered_late": (
        "routing",
        "SELECT case_id::text AS case, (more->>'livelihood_from')::int AS sequence FROM decision "
        "WHERE more->>'livelihood_from' IS NOT NULL",
    ),
    "calls": ("routing", "SELECT emergency::text, person FROM emergency_call"),
    "clocks": (
        "sla",
        "SELECT id::text, case_id AS case, leg_id AS leg, kind, round, state, street, assignee_type, assignee_id, "
        # Notices to be read and what units claimed have clocks too, under names of their own.
        "limit_seconds, due_at, warned_at, breached_at, stopped_at FROM clock WHERE kind NOT IN ('notice', 'claim')",
    ),
    "unread": (
        "sla",
        "SELECT case_id AS notice, street, due_at FROM clock WHERE kind = 'notice' AND breached_at IS NOT NULL",
    ),
    "seen": ("sla", "SELECT case_id AS case, sequence FROM case_seen WHERE case_id NOT LIKE '%:%'"),
    "entries": (
        "ledger",
        "SELECT id::text, case_id AS case, year, state, case_state, confirmed, case_sequence FROM entry",
    ),
    "postings": ("ledger", "SELECT entry_id::text AS entry, case_sequence AS sequence, kind FROM posting"),
    "notices": (
        "notify",
        "SELECT n.id::text, n.recipient_type AS type, n.recipient, n.role, n.matter, n.step, n.template, "
        "coalesce(s.state, 'lost') AS state, s.request_id::text AS request "
        "FROM notice n LEFT JOIN sending s ON s.notice_id = n.id",
    ),
    "messages": ("notify", "SELECT request_id::text AS request FROM sink_message"),
}


def rows(url: str, sql: str) -> list[Row]:
    """What a query finds in a database, as dictionaries."""
    conn = psycopg2.connect(url)
    try:
        with conn.cursor() as cursor:
            cursor.execute(sql)
            names = [c.name for c in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor]
    finally:
        conn.close()


def read(urls: Mapping[str, str], queues: Mapping[str, int]) -> Books:
    """The books of all services; `urls` are their databases', `queues` what is left in each queue."""
    books = Books(queues=dict(queues))
    for name, (service, sql) in QUERIES.items():
        setattr(books, name, rows(urls[service], sql))
    for service in SERVICES:
        (waiting,) = rows(
            urls[service],
            "SELECT (SELECT coalesce(sum(size), 0) FROM outbox) AS outbox, "
            "(SELECT count(*) FROM dead_letter WHERE state IN ('dead', 'replay')) AS dead",
        )
        books.outbox[service], books.dead[service] = waiting["outbox"], waiting["dead"]
    return books


# -- what the steps of a case must have led to -------------------------------------------------------

_EVENTS: Final = {
    "open": "case.opened",
    "assign": "case.assigned",
    "whistle": "case.whistled",
    "call": "case.whistled",
    "hand_over": "case.whistled",
    "uphold": "case.whistled",
    "name": "case.whistled",
    "meeting": "case.whistled",
    "refuse": "case.returned",
    "arrive": "case.changed",
    "unclaimed": "case.changed",
    "agenda": "case.changed",
    "raise": "case.assigned",
    "accept": "case.accepted",
    "answer": "case.answered",
    "return": "case.returned",
    "reopen": "case.reopened",
    "confirm": "case.closed",
    "lapse": "case.closed",
    "close": "case.closed",
    "withdraw": "case.closed",
    "merge": "case.merged",
    "separate": "case.separated",
    "pause": "case.paused",
    "resume": "case.resumed",
    "limits": "case.changed",
    "ask": "case.changed",
    "decide": "case.changed",
    "urge": "case.changed",
    "supervise": "case.changed",
    "unsupervise": "case.changed",
    "recolour": "case.changed",
    "recategorise": "case.changed",
    "relocate": "case.changed",
    "extend": "case.extended",
    "inspect": "case.inspected",
    "rework": "case.reopened",
    "unmerge": "case.reopened",
    "void": "case.voided",
}
_AFTER_RESOLUTION: Final = ("reopen", "confirm", "lapse", "close", "inspect")
# An emergency and its end come to cases whatever they are at: nothing follows from them for the step before.
_ANYWHERE: Final = ("limits", "pause", "resume", "ask", "decide", "unsupervise")
# Noted beside the steps: nothing that others must know, and no version of the case.
NOTED: Final = ("rated", "supplemented", "withdrawn")


def events_of(steps: Sequence[Row], state: str) -> list[tuple[str, Row]]:
    """The event that told of each step of one case, in order. Whether the end of a leg resolved the case follows from
    what came next, or from the state that the case is in."""
    taken = [s for s in steps if s["action"] not in NOTED]
    out: list[tuple[str, Row]] = []
    for i, step in enumerate(taken):
        action = step["action"]
        if action in ("resolve", "release"):
            after = next((s["action"] for s in taken[i + 1 :] if s["action"] not in _ANYWHERE), None)
            resolved = after in _AFTER_RESOLUTION or (after is None and state == "resolved")
            other = "case.answered" if action == "resolve" else "case.assigned"
            out.append(("case.resolved" if resolved else other, step))
        else:
            out.append((_EVENTS.get(action, f"case.{action}"), step))
    return out


NoticeKey = tuple[str, str, str, str]
"""Type and id of the recipient, matter, step."""


def expected_notices(books: Books) -> set[NoticeKey]:
    """Who must have been told what, by the steps of the cases and the clocks: computed without looking at notify."""
    out = set()
    for r in books.reports:
        out.add(("citizen", r["reporter"] or f"anonymous:{r['id']}", r["id"], "received"))
    by_case = _grouped(books.steps, "case")
    taken = _taken_in(books.cases)
    for case in books.cases:
        out |= set(_of_case(case, events_of(by_case.get(case["id"], []), case["state"]), taken))
    out |= {key for clock in books.clocks for key in _of_clock(clock)}
    out |= {
        ("desk", f"desk-{u['street']}", u["notice"], f"breached:{u['notice']}:{int(u['due_at'].timestamp())}")
        for u in books.unread
    }
    out |= {("person", c["person"], c["emergency"], "called") for c in books.calls}
    return out


Taken = Mapping[tuple[str, Any], list[int]]


def _taken_in(cases: Iterable[Row]) -> Taken:
    """How many reports came into a case, and when, with the cases that went up in it."""
    out: dict[tuple[str, Any], list[int]] = defaultdict(list)
    for case in cases:
        doc = case["doc"]
        if case["state"] == "merged" and doc.get("merged_into") and doc.get("closed_at"):
            out[doc["merged_into"], parse(doc["closed_at"])].append(len(doc["reports"]))
    return out


def _of_case(case: Row, events: Iterable[tuple[str, Row]], taken: Taken) -> Iterator[NoticeKey]:
    id_, doc = case["id"], case["doc"]
    events = list(events)
    merges = [step for event, step in events if event == "case.merged"]
    if case["state"] == "merged":
        merges.pop()  # it went up in another
    # Reports come into a case one by one, or with a case that went up in it, each time by a step: before that nobody
    # told their reporters anything.
    waiting = {key: list(sizes) for key, sizes in taken.items() if key[0] == id_}
    sizes = [(waiting.get((id_, step["at"])) or [1]).pop(0) for step in merges]
    inside = max(len(doc["reports"]) - sum(sizes), 0)
    more = iter(sizes)
    words = {"case.answered": "answered", "case.resolved": "resolved:{}", "case.closed": "closed"}
    for event, step in events:
        reporters = {r["reporter"] for r in doc["reports"][:inside] if r.get("reporter")}
        if event == "case.merged":
            count = next(more, 0)
            for came in doc["reports"][inside : inside + count]:
                if came.get("reporter"):
                    yield "citizen", came["reporter"], id_, "joined"
            inside += count
        elif event in words:
            for reporter in reporters:
                yield "citizen", reporter, id_, words[event].format(step["sequence"])
        elif event in ("case.paused", "case.resumed"):
            # Of an emergency's pause each reporter hears once an emergency, whatever number of matters he has.
            emergency = _paused_by(doc, step["at"])
            for reporter in reporters if emergency else ():
                yield "citizen", reporter, emergency, event.removeprefix("case.")
        elif event in ("case.returned", "case.reopened"):
            yield "desk", f"desk-{doc['street']}", id_, f"{event}:{step['sequence']}"
            for leg in doc["legs"]:
                if leg["kind"] == "convene" and parse(leg["offered_at"]) == step["at"]:
                    yield leg["assignee"]["type"], leg["assignee"]["id"], id_, f"offered:{leg['id']}"
        elif event in ("case.assigned", "case.whistled"):
            for leg in doc["legs"]:
                if parse(leg["offered_at"]) == step["at"]:
                    yield leg["assignee"]["type"], leg["assignee"]["id"], id_, f"offered:{leg['id']}"


def _paused_by(doc: Row, at: Any) -> str:
    """The emergency whose pause of a case began or ended at a time, or ""."""
    for pause in doc.get("pauses") or ():
        moments = [parse(pause[end]) for end in ("start", "end") if pause.get(end)]
        if pause.get("emergency") and at in moments:
            return str(pause["emergency"])
    return ""


def _of_clock(clock: Row) -> Iterator[NoticeKey]:
    which = f"{clock['kind']}:{clock['leg']}:{int(clock['due_at'].timestamp())}"
    desk = ("desk", f"desk-{clock['street']}", clock["case"])
    if clock["kind"] in ("response", "finish", "report_in") and clock["warned_at"]:
        yield clock["assignee_type"], clock["assignee_id"], clock["case"], f"warned:{which}"
    if clock["kind"] == "citizen" and clock["warned_at"]:
        yield *desk, f"warned:{which}"
    if clock["kind"] == "citizen" and clock["breached_at"]:
        yield *desk, f"breached:{which}"


ClockKey = tuple[str, str, str]
"""Case, leg ("" for the case's own), kind."""


def expected_clocks(cases: Iterable[Row]) -> set[ClockKey]:
    """The clocks that the cases must have by their limits; those of resolutions aside, which repeat."""
    out: set[ClockKey] = set()
    for case in cases:
        doc = case["doc"]
        if doc.get("citizen_limit"):
            out.add((case["id"], "", "citizen"))
        for leg in doc["legs"]:
            if leg.get("response_limit"):
                out.add((case["id"], leg["id"], "response"))
            if leg.get("finish_limit"):
                out.add((case["id"], leg["id"], "finish"))
            if leg.get("report_in_limit"):
                out.add((case["id"], leg["id"], "report_in"))
        for approval in doc.get("approvals") or ():
            if approval.get("limit"):
                out.add((case["id"], approval["id"], "approval"))
    return out


def expected_confirmations(cases: Iterable[Row]) -> set[tuple[str, int]]:
    """Case and round of the confirmation clock of each resolution that still stands."""
    out = set()
    for case in cases:
        doc = case["doc"]
        if (
            doc.get("confirmation_limit")
            and doc.get("resolved_at")
            and case["state"] in ("resolved", "closed")
        ):
            out.add((case["id"], int(parse(doc["resolved_at"]).timestamp() * 1000)))
    return out


# -- the checks --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that two accounts say: `left` and `right` are their figures, `wrong` names what differs."""

    name: str
    left: str
    right: str
    wrong: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether it reconciles."""
        return not self.wrong


def checks(sent: Account, books: Books, faults: Sequence[str] = ()) -> list[Check]:
    """All checks, in the order in which a report travels. `faults` are those of the simulated people."""
    return [
        *_of_senders(sent, books),
        *_of_routing(books),
        *_of_clocks(books),
        *_of_ledger(books),
        *_of_notices(books),
        *_of_delivery(books),
        _once(books),
        Check("nobody met an error", "", "", tuple(dict.fromkeys((*sent.faults, *faults)))),
    ]


def same(name: str, left_name: str, left: Iterable[Any], right_name: str, right: Iterable[Any]) -> Check:
    """Two accounts hold the same things."""
    one, other = set(left), set(right)
    wrong = [*_missing(one - other, right_name), *_missing(other - one, left_name)]
    return Check(name, f"{left_name} {len(one)}", f"{right_name} {len(other)}", tuple(wrong))


def _missing(things: set[Any], where: str) -> list[str]:
    if not things:
        return []
    shown = ", ".join(_name(t) for t in sorted(things, key=str)[:SHOWN])
    more = f" and {len(things) - SHOWN} more" if len(things) > SHOWN else ""
    return [f"not in {where}: {shown}{more}"]


def _name(thing: Any) -> str:
    return "/".join(str(t) for t in thing if t != "") if isinstance(thing, tuple) else str(thing)


def _grouped(things: Iterable[Row], key: str) -> dict[str, list[Row]]:
    out: dict[str, list[Row]] = defaultdict(list)
    for thing in things:
        out[thing[key]].append(thing)
    return out


def _of_senders(sent: Account, books: Books) -> list[Check]:
    total = sum(sent.sent.values())
    wrong = () if total == sent.acknowledged else (f"{total - sent.acknowledged} were not acknowledged",)
    here = {r["id"] for r in books.reports}
    lost = {r.report for r in sent.receipts.values()} - here
    channels = Counter(r["channel"] for r in books.reports)
    differing = [
        f"{c}: {sent.sent[c]} sent, {channels[c]} in intake"
        for c in sorted({*sent.sent, *channels})
        if sent.sent[c] != channels[c]
    ]
    return [
        Check("sent = acknowledged", f"sent {total}", f"acknowledged {sent.acknowledged}", wrong),
        Check(
            "sent = reports in intake, by channel",
            f"sent {total}",
            f"in intake {len(books.reports)}",
            (*differing, *_missing(lost, "intake, though acknowledged")),
        ),
    ]


def _of_routing(books: Books) -> list[Check]:
    tied = {r["report"]: r["case"] for r in books.case_reports}
    # A case that went up in another one keeps its reports on paper; they are handled there.
    held = Counter(r["id"] for c in books.cases if c["state"] != "merged" for r in c["doc"]["reports"])
    cases = {c["id"] for c in books.cases if c["state"] != "merged"}
    twice = [f"{r} is in {n} cases" for r, n in held.items() if n > 1][:SHOWN]
    each = same("reports = reports in cases", "intake", (r["id"] for r in books.reports), "cases", held)
    legs = {(c["id"], leg["id"], leg["state"]) for c in books.cases for leg in c["doc"]["legs"]}
    open_ = [c["number"] for c in books.cases if c["state"] not in OVER]
    return [
        Check(each.name, each.left, each.right, (*each.wrong, *twice)),
        same("each report in exactly one case", "reports", tied, "cases' reports", held),
        same("every case has its reports", "cases", cases, "tied", (c for c in tied.values() if c)),
        same(
            "reporters read the newest of each case",
            "routing",
            ((c["id"], c["sequence"], c["state"]) for c in books.cases),
            "intake",
            ((c["case"], c["sequence"], c["state"]) for c in books.progress),
        ),
        same(
            "legs of the cases = legs owed",
            "cases",
            legs,
            "legs",
            ((x["case"], x["id"], x["state"]) for x in books.legs),
        ),
        Check(
            "every case came to its end",
            f"cases {len(books.cases)}",
            f"open {len(open_)}",
            tuple(_missing(set(open_), "the end")),
        ),
    ]


def _of_clocks(books: Books) -> list[Check]:
    armed = [c for c in books.clocks if c["kind"] not in ("confirmation", "callback")]
    whole = [c for c in books.clocks if c["kind"] == "citizen"]
    confirming = {(c["case"], c["round"]) for c in books.clocks if c["kind"] == "confirmation"}
    wanted = expected_confirmations(books.cases)
    over = {c["id"] for c in books.cases if c["state"] in OVER}
    # Somebody may have to be called back after his case is closed.
    running = {
        c["id"]
        for c in books.clocks
        if c["case"] in over and c["state"] in RUNNING and c["kind"] != "callback"
    }
    return [
        same(
            "cases = citizen clocks",
            "cases",
            (c["id"] for c in books.cases if c["doc"].get("citizen_limit")),
            "clocks",
            (c["case"] for c in whole),
        ),
        same(
            "cases and legs = response, finish and citizen clocks",
            "routing",
            expected_clocks(books.cases),
            "sla",
            ((c["case"], c["leg"], c["kind"]) for c in armed),
        ),
        Check(
            "results = confirmation clocks",
            f"results {len(wanted)}",
            f"clocks {len(wanted & confirming)}",
            tuple(_missing(wanted - confirming, "sla")),
        ),
        same(
            "sla knows the newest of each case",
            "routing",
            ((c["id"], c["sequence"]) for c in books.cases),
            "sla",
            ((c["case"], c["sequence"]) for c in books.seen),
        ),
        Check(
            "no clock runs on",
            "",
            f"running {len(running)}",
            tuple(_missing(running, "an end, though its case is over")),
        ),
    ]


def _borne_out(case: Row) -> bool:
    """Whether the ledger writes a closed case off by its events: silence needs an inspection that passed."""
    if case["confirmed"] == "lapsed":
        inspection = case["doc"].get("inspection")
        return bool(inspection and inspection["passed"])
    return case["confirmed"] in WRITTEN_OFF


def _of_ledger(books: Books) -> list[Check]:
    livelihood = [c for c in books.cases if c["livelihood"]]
    ours = {c["id"]: c for c in livelihood}
    due = {c["id"] for c in livelihood if c["state"] == "closed" and _borne_out(c)}
    since = {row["case"]: row["sequence"] for row in books.entered_late}
    # An entry's opening is its first posting, whichever step opened it.
    steps = {(c["id"], n) for c in livelihood for n in (1, *range(since.get(c["id"], 1), c["sequence"] + 1))}
    case_of = {e["id"]: e["case"] for e in books.entries}
    posted = {(case_of.get(p["entry"], p["entry"]), p["sequence"]) for p in books.postings if p["sequence"]}
    return [
        # Decisions of meetings and claimed problems have entries without a case.
        same("livelihood cases = entries", "routing", ours, "ledger", filter(None, case_of.values())),
        same("steps of livelihood cases = postings", "routing", steps, "ledger", posted),
        same(
            "closed and borne out = written off",
            "routing",
            due,
            "ledger",
            (e["case"] for e in books.entries if e["state"] == "written_off"),
        ),
        Check("the account balances", "", "", tuple(books.faults)),
    ]


def _dateless(step: str) -> str:
    """A warning's step without the time that was due then: pauses and limits move it, a clock says only the last."""
    return step.rpartition(":")[0] if step.startswith(("warned:", "breached:")) else step


def _of_notices(books: Books) -> list[Check]:
    told = {(n["type"], n["recipient"], n["matter"], _dateless(n["step"])) for n in books.notices}
    owed = {(*who, _dateless(step)) for *who, step in expected_notices(books)}
    unended = {n["id"] for n in books.notices if n["state"] not in ENDED}
    states = Counter(n["state"] for n in books.notices)
    return [
        same("notices owed = notices", "owed", owed, "notify", told),
        Check(
            "every notice came to its end",
            f"notices {len(books.notices)}",
            ", ".join(f"{s} {n}" for s, n in sorted(states.items())),
            tuple(_missing(unended, "an end")),
        ),
        same(
            "notices sent = messages at the provider",
            "notify",
            (n["request"] for n in books.notices if n["state"] in SENT),
            "provider",
            (m["request"] for m in books.messages),
        ),
    ]


def _of_delivery(books: Books) -> list[Check]:
    def none(name: str, counts: Mapping[str, int]) -> Check:
        wrong = tuple(f"{where}: {n}" for where, n in counts.items() if n)
        return Check(name, "", f"{sum(counts.values())}", wrong)

    return [
        none("dead letters", books.dead),
        none("left in outboxes", books.outbox),
        none("left in queues", books.queues),
    ]


_KEYS: Final[Mapping[str, Callable[[Row], Any]]] = {
    "reports": lambda r: (r["source_system"], r["external_id"]) if r["external_id"] else r["id"],
    "case_reports": lambda r: r["report"],
    "cases": lambda r: r["number"],
    "clocks": lambda r: (r["case"], r["leg"], r["kind"], r["round"]),
    "entries": lambda r: (r["case"], r["year"]),
    "postings": lambda r: (r["entry"], r["sequence"], r["kind"]) if r["sequence"] else object(),
    "notices": lambda r: (r["type"], r["recipient"], r["matter"], r["step"], r["template"]),
    "messages": lambda r: r["request"],
}


def _once(books: Books) -> Check:
    wrong = []
    for name, key in _KEYS.items():
        counts = Counter(key(row) for row in getattr(books, name))
        wrong += [f"{name}: {_name(k)} is there {n} times" for k, n in counts.items() if n > 1][:SHOWN]
    steps = Counter((s["case"], s["sequence"]) for s in books.steps if s["action"] not in NOTED)
    wrong += [f"steps: {_name(k)} is there {n} times" for k, n in steps.items() if n > 1][:SHOWN]
    # A citizen is told of one result once, whatever the template.
    told = Counter((n["type"], n["recipient"], n["matter"], n["step"]) for n in books.notices)
    wrong += [f"notices: {_name(k)} was told {n} times" for k, n in told.items() if n > 1][:SHOWN]
    return Check("duplicates", "", str(len(wrong)), tuple(wrong))


# -- the figures -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Figures:
    """What the tables at the end show."""

    channels: Counter[str]
    levels: dict[str, Counter[str]]
    answered: dict[int, Counter[str]]
    clocks: dict[str, Counter[str]]
    raised: Counter[str]
    closed: Counter[str]
    entries: Counter[str]
    notices: dict[str, Counter[str]]


def figures(books: Books) -> Figures:
    """Counts of the books. `levels`: level at first → colour; `answered`: response limit in seconds → state;
    `clocks`: kind → warned, breached, met; `raised`: level that it rose to; `notices`: role → state."""
    levels: dict[str, Counter[str]] = defaultdict(Counter)
    raised: Counter[str] = Counter()
    starts = {(leg["id"]): leg for c in books.cases for leg in c["doc"]["legs"]}
    for case in books.cases:
        legs = case["doc"]["legs"]
        levels[legs[0]["level"] if legs else case["level"]][case["colour"]] += 1
    for step in books.steps:
        if step["action"] == "raise":
            leg = starts.get(step["leg"])
            raised["supervised" if leg and leg["kind"] == "supervise" else leg["level"] if leg else "?"] += 1
    answered: dict[int, Counter[str]] = defaultdict(Counter)
    clocks: dict[str, Counter[str]] = defaultdict(Counter)
    for clock in books.clocks:
        if clock["kind"] == "response":
            answered[clock["limit_seconds"]][clock["state"]] += 1
        told = clocks[clock["kind"]]
        told["all"] += 1
        told["warned"] += clock["warned_at"] is not None
        told["breached"] += clock["state"] == "breached"
        told["met"] += clock["state"] == "met"
    notices: dict[str, Counter[str]] = defaultdict(Counter)
    for notice in books.notices:
        notices[notice["role"]][notice["state"]] += 1
    return Figures(
        Counter(r["channel"] for r in books.reports),
        dict(levels),
        dict(answered),
        dict(clocks),
        raised,
        Counter(f"{c['state']} {c['confirmed'] or ''}".strip() for c in books.cases),
        Counter(e["state"] for e in books.entries),
        dict(notices),
    )


def years(books: Books) -> list[int]:
    """The years that have an account."""
    return sorted({e["year"] for e in books.entries})
