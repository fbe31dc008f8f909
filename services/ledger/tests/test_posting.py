"""What staff does with entries, pure: what is possible, what it moves, and that the postings alone say the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jiayuan.ledger import entry as entries
from jiayuan.ledger import posting, replay, write_off
from jiayuan.ledger.entry import Entry, Posted
from jiayuan.ledger.posting import Act, NotPossible, Opening

pytestmark = pytest.mark.unit

DIGEST = "sha256:" + "ab" * 32


class Book:
    """One entry and its postings; every act is checked by reading the postings again."""

    def __init__(self, **terms: Any) -> None:
        what = Opening("meeting", "decision-1", "350921001", "0102", "例家巷路灯", "十二月前装好", **terms)
        self.days = 0
        self.entry, first = posting.open_entry(what, self.act("desk-1"))
        self.rows: list[dict[str, Any]] = []
        self.take(first)

    def act(self, who: str) -> Act:
        self.days += 1
        return Act(who, f"2026-03-{self.days:02d}T01:00:00.000000Z", f"act:{self.days}")

    def take(self, posted: Posted) -> None:
        self.rows.append({"clock_id": None, **posted.row})
        (*_, (_, now)) = replay.states(self.rows)
        assert (now.state, now.unit) == (self.entry.state, self.entry.unit)
        assert now.opening + now.entered - now.written_off + now.reversed == (self.entry.state == "open")

    def __call__(self, who: str, do: Callable[..., Posted], *args: Any, **more: Any) -> None:
        self.take(do(self.entry, *args, self.act(who), **more))

    def with_history(self, who: str, do: Callable[..., Posted], *args: Any, **more: Any) -> None:
        self.take(do(self.entry, [self.rows], *args, self.act(who), **more))

    def shown(self) -> Book:
        """With everything that a write-off needs."""
        self("clerk-1", posting.evidence, DIGEST, "照片")
        self.with_history("inspector-1", posting.inspect, True, "亮了")
        self.with_history("desk-1", posting.answer, "satisfied", "")
        return self


def problem(do: Callable[[], Any]) -> str:
    """The field that a refusal names."""
    with pytest.raises(NotPossible) as raised:
        do()
    return raised.value.problems[0].field


def test_an_entry_opens_with_source_street_unit_person_promise_and_limit() -> None:
    book = Book(
        unit="unit-lamp", person="clerk-1", due_at="2026-12-01T00:00:00Z", since="2024-05-01T00:00:00Z"
    )
    said = book.entry.data()
    assert {k: said[k] for k in ("source", "source_id", "street", "unit", "person", "promise", "due_at")} == {
        "source": "meeting",
        "source_id": "decision-1",
        "street": "350921001",
        "unit": "unit-lamp",
        "person": "clerk-1",
        "promise": "十二月前装好",
        "due_at": "2026-12-01T00:00:00Z",
    }
    assert (said["year"], said["opened_at"]) == (2026, "2024-05-01T00:00:00Z")
    assert problem(lambda: Book(since="2027-01-01T00:00:00Z")) == "since"


def test_progress_hand_over_extension_money_and_evidence_move_nothing() -> None:
    book = Book(unit="unit-lamp", due_at="2026-06-01T00:00:00Z")
    book("clerk-1", posting.progress, "灯杆到了")
    book("desk-1", posting.hand_over, "unit-power", None, "归供电所")
    book("desk-1", posting.extend, "2026-09-01T00:00:00Z", "等材料")
    book("desk-1", posting.money, 123_45, "灯头")
    book("clerk-1", posting.evidence, DIGEST, "照片")
    assert [r["kind"] for r in book.rows[1:]] == ["progress", "hand_over", "extension", "money", "evidence"]
    assert all(r["entered"] == r["written_off"] == r["opening"] == 0 for r in book.rows[1:])
    assert (book.entry.unit, book.entry.due_at) == ("unit-power", "2026-09-01T00:00:00Z")
    assert (book.rows[4]["amount"], book.rows[4]["note"]) == (12345, "资金123.45元")
    assert book.rows[5]["evidence"] == DIGEST
    for do, field in (
        (lambda: book("x", posting.extend, "2026-08-01T00:00:00Z", ""), "due_at"),
        (lambda: book("x", posting.hand_over, "unit-power", None, ""), "unit"),
        (lambda: book("x", posting.money, 0, ""), "amount"),
        (lambda: book("x", posting.evidence, "sha256:AB", ""), "evidence"),
    ):
        assert problem(do) == field


@pytest.mark.parametrize("left_out", ["evidence", "inspection", "answer"])
def test_a_write_off_needs_evidence_an_inspection_and_an_answer(left_out: str) -> None:
    book = Book()
    if left_out != "evidence":
        book("clerk-1", posting.evidence, DIGEST, "照片")
    if left_out != "inspection":
        book.with_history("inspector-1", posting.inspect, True, "亮了")
    if left_out != "answer":
        book.with_history("desk-1", posting.answer, "satisfied", "")
    assert problem(lambda: book.with_history("desk-1", posting.write_off, "")) == left_out
    assert book.entry.state == "open"
    if left_out == "evidence":
        book("clerk-1", posting.evidence, DIGEST, "照片")
    elif left_out == "inspection":
        book.with_history("inspector-1", posting.inspect, True, "亮了")
    else:
        book.with_history("desk-1", posting.answer, "satisfied", "")
    book.with_history("desk-1", posting.write_off, "")
    assert (book.entry.state, book.rows[-1]["written_off"]) == ("written_off", 1)


def test_who_handled_it_does_not_inspect_it() -> None:
    book = Book(person="clerk-1")
    book("desk-1", posting.hand_over, None, "clerk-2", "换人")
    book("grid-1", posting.progress, "去看过")
    for who in ("clerk-1", "clerk-2", "desk-1", "grid-1"):
        assert problem(lambda who=who: book.with_history(who, posting.inspect, True, "")) == "inspector"
    book.with_history("inspector-1", posting.inspect, True, "")


def test_what_was_shown_and_shown_wrong_does_not_count() -> None:
    book = Book().shown()
    book.with_history("inspector-1", posting.inspect, False, "又灭了")
    assert problem(lambda: book.with_history("desk-1", posting.write_off, "")) == "inspection"
    book.with_history("inspector-1", posting.inspect, True, "好了")
    book.with_history("county-1", posting.reverse, 2, "照片不是这里的")
    assert problem(lambda: book.with_history("desk-1", posting.write_off, "")) == "evidence"
    book("clerk-1", posting.evidence, DIGEST, "重拍")
    book.with_history("desk-1", posting.answer, "unsatisfied", "")
    assert problem(lambda: book.with_history("desk-1", posting.write_off, "")) == "answer"


def test_an_answer_lapses_only_after_the_citizen_was_asked_and_had_the_time() -> None:
    book = Book()
    assert problem(lambda: book.with_history("desk-1", posting.answer, "lapsed", "")) == "answer"
    book.with_history("desk-1", posting.answer, "asked", "", days=3)
    assert problem(lambda: book.with_history("desk-1", posting.answer, "lapsed", "")) == "answer"
    book.days += 3
    book.with_history("desk-1", posting.answer, "lapsed", "")
    assert write_off.missing([book.rows]) == ("evidence", "inspection")


def test_a_reversed_write_off_is_open_again_and_needs_everything_anew() -> None:
    book = Book().shown()
    book.with_history("desk-1", posting.write_off, "")
    for number in (2, 3, 4):
        assert problem(lambda n=number: book.with_history("county-1", posting.reverse, n, "错")) == "number"
    book.with_history("county-1", posting.reverse, 5, "灯没装")
    row = book.rows[-1]
    assert (row["kind"], row["written_off"], row["corrects"]) == ("reversal", -1, 5)
    assert row["words"] == {"reason": "灯没装"}
    assert (book.entry.state, book.entry.written_off_at) == ("open", None)
    assert write_off.missing([book.rows]) == ("evidence", "inspection", "answer")
    assert problem(lambda: book.with_history("county-1", posting.reverse, 5, "再来")) == "number"
    assert problem(lambda: book.with_history("county-1", posting.reverse, 6, "再来")) == "number"


def test_a_reversal_takes_back_money_hand_over_extension_and_the_opening() -> None:
    book = Book(unit="unit-lamp", due_at="2026-06-01T00:00:00Z")
    book("desk-1", posting.money, 500, "")
    book("desk-1", posting.hand_over, "unit-power", "clerk-9", "")
    book("desk-1", posting.extend, "2026-09-01T00:00:00Z", "")
    book("desk-1", posting.extend, "2026-10-01T00:00:00Z", "")
    assert problem(lambda: book.with_history("county-1", posting.reverse, 4, "错")) == "number"
    for number in (5, 4, 3, 2):
        book.with_history("county-1", posting.reverse, number, "错")
    assert (book.entry.unit, book.entry.person, book.entry.due_at) == (
        "unit-lamp",
        None,
        "2026-06-01T00:00:00Z",
    )
    assert sum(r["amount"] or 0 for r in book.rows) == 0
    book.with_history("county-1", posting.reverse, 1, "重复入账")
    assert (book.entry.state, book.rows[-1]["entered"]) == ("reversed", -1)
    assert problem(lambda: book("desk-1", posting.progress, "")) == "entry"


def test_of_a_case_staff_takes_back_a_write_off_and_leaves_the_rest_to_routing(stories: Any) -> None:
    story = stories.usual(stories.Story())
    entry, posted = entries.enter(story.events)
    rows = [{**OF_EVENTS, **p.row} for p in posted]
    act = Act("county-1", "2026-03-05T01:00:00Z", "act:1")
    assert problem(lambda: posting.reverse(entry, [rows], 1, "错", act)) == "number"
    assert problem(lambda: posting.hand_over(entry, "u", None, "错", act)) == "entry"
    taken = posting.reverse(entry, [rows], entry.postings, "诉求人是被冒名的", act)
    assert (entry.state, taken.row["written_off"], taken.row["corrects"]) == ("open", -1, 6)
    (reopened,) = entries.post(entry, [story.step("case.reopened", confirmed=None)], set())
    assert (entry.state, reopened.row["written_off"]) == ("open", 0)
    assert_follows(entry, [*rows, {"clock_id": None, **taken.row}, {**OF_EVENTS, **reopened.row}])


OF_EVENTS = {"amount": None, "evidence": None, "corrects": None}


def assert_follows(entry: Entry, rows: list[dict[str, Any]]) -> None:
    """The postings alone say what the entry says."""
    (*_, (_, now)) = replay.states(rows)
    assert (now.state, now.unit, now.street) == (entry.state, entry.unit, entry.street)


@pytest.mark.parametrize(
    ("number", "change", "word"),
    [
        (5, {"written_off": 0}, "had to move"),
        (3, {"entered": 1}, "had to move"),
        (1, {"kind": "progress"}, "opens with posting 1"),
        (4, {"number": 6}, "is missing"),
        (6, {"corrects": 9}, "not there before it"),
    ],
)
def test_reading_again_names_the_first_posting_that_does_not_follow(
    number: int, change: dict[str, Any], word: str
) -> None:
    book = Book().shown()
    book.with_history("desk-1", posting.write_off, "")
    book.with_history("county-1", posting.reverse, 5, "错")
    book.rows[number - 1] |= change
    with pytest.raises(replay.Wrong, match=word) as raised:
        list(replay.states(book.rows))
    assert raised.value.number == number


def test_a_carried_entry_keeps_its_item_and_age_and_what_was_shown() -> None:
    book = Book(since="2023-01-01T00:00:00Z").shown()
    item, opened_at = book.entry.item, book.entry.opened_at
    left, new, opening = entries.carry_forward(
        book.entry, 2027, closing="closing-1", at="2027-01-05T01:00:00Z", actor="auditor-1"
    )
    assert (book.entry.state, left.row["kind"], left.row["number"]) == ("carried_forward", "carry_forward", 5)
    assert (new.item, new.opened_at, new.year, new.state) == (item, opened_at, 2027, "open")
    assert (new.source, new.source_id) == ("carried_forward", book.entry.id)
    assert (opening.row["opening"], opening.row["entered"], opening.name) == (1, 0, "entry.opened")
    done = posting.write_off(
        new,
        [book.rows, [{"clock_id": None, **opening.row}]],
        "",
        Act("desk-1", "2027-02-01T01:00:00Z", "act:x"),
    )
    assert_follows(new, [{"clock_id": None, **p.row} for p in (opening, done)])
