"""What assignees, desks and others do to a case: one address a move, all of them by `acting`.

A leg's moves are at /cases/<case>/legs/<leg>/<move>, those of the case at /cases/<case>/<move>; an assignment and a
decision have words of their own. Which move is whose, in which state, is `case.machine.TABLE`; here it only says which
roles may try.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import Runtime, http
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.web import Call
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem

from .. import acting, reads, store
from .. import book as books
from ..acting import Act, no_case
from ..book import Book
from ..case import Case
from ..case.machine import PERSONS, TABLE
from ..moving import Moving
from ..visibility import Sight
from .common import PRIVATE, caller, etag, sight, view

# Which roles may be what the table says (`case.machine.STANDINGS`) of a leg or a case.
_ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "assignee": (*sorted(PERSONS), "unit_clerk", "desk", "county"),
    "desk": ("desk",),
    "county": ("county",),
    "convener": ("convener",),
    "head": ("grid_leader", "grid_chief"),
    "inspector": ("inspector",),
    "approver": ("desk", "county", "convener"),
}
DESKS: Final = ("desk", "county")
_IF_MATCH: Final = re.compile(r'(?:W/)?"([1-9][0-9]{0,8})"')


def roles_of(move: str) -> tuple[str, ...]:
    """The roles that may try a move; whether it is theirs in this case is for the machine to say."""
    rule = TABLE[move]
    return tuple(dict.fromkeys(r for standing in sorted(rule.by) for r in _ROLES.get(standing, ())))


def on_leg(move: str, words: str) -> Callable[..., Any]:
    """The entrypoint of a move on a leg; `words` say what it is."""

    def run(self: Any, call: Call, case: str, leg: str) -> Any:
        return do(self.delivery, call, case, move, leg=leg)

    return _entrypoint(run, move, words, f"/cases/<string:case>/legs/<string:leg>/{move}")


def on_case(move: str, words: str, path: str = "") -> Callable[..., Any]:
    """The entrypoint of a move on a case, at `path` where that isn't the move's name."""

    def run(self: Any, call: Call, case: str) -> Any:
        return do(self.delivery, call, case, move)

    return _entrypoint(run, move, words, f"/cases/<string:case>/{path or move}")


def _entrypoint(run: Callable[..., Any], move: str, words: str, path: str) -> Callable[..., Any]:
    run.__doc__, run.__name__ = words, f"do_{move}"
    entrypoint: Callable[..., Any] = http("POST", path, roles=roles_of(move))(run)
    return entrypoint


class Handling:
    """The entrypoints."""

    delivery: Any

    do_accept = on_leg("accept", "签收: the assignee takes it on; for a whistled unit this is 报到.")
    do_answer = on_leg("answer", "应答: the assignee has spoken to the reporter, or to the place.")
    do_resolve = on_leg("resolve", "办结: the assignee's part is done.")
    do_return = on_leg("return", "退单: it isn't theirs; to the desk, at once or when it approves.")
    do_refuse = on_leg("refuse", "拒绝吹哨: a whistled unit says why it won't come; the convener decides.")
    do_arrive = on_leg("arrive", "到场: a whistled unit is on the spot.")
    do_extend = on_leg("extend", "延期: more time is asked for, once a leg.")
    do_pause = on_leg("pause", "挂账: clocks are asked to stand still until a day.")
    do_release = on_leg("release", "解除协办: the desk lets an assistant off.")
    do_assign = on_case(
        "assign", "派单、吹哨: the desk gives it to a person, or whistles units.", "assignments"
    )
    do_resume = on_case("resume", "恢复: a pause ends before its day.")
    do_urge = on_case("urge", "催办: whoever holds it is asked to get on with it.")
    do_supervise = on_case("supervise", "督办: somebody above looks over it.")
    do_unsupervise = on_case("unsupervise", "解除督办: whoever began it ends it.")
    do_recolour = on_case("recolour", "调整分色: another colour, with a reason.")
    do_inspect = on_case("inspect", "核查: somebody who had no hand in it looks at the result.")
    do_close = on_case("close", "归档: somebody who neither handled nor inspected it closes it.")
    do_reopen = on_case("reopen", "重新办理: back to the desk.")
    do_void = on_case("void", "作废: opened in error; the county decides.")

    @http(
        "POST",
        "/cases/<string:case>/approvals/<string:approval>/decision",
        roles=roles_of("decide"),
    )
    def do_decide(self, call: Call, case: str, approval: str) -> Any:
        """审批: what was asked for is granted or not."""
        return do(self.delivery, call, case, "decide", approval=approval)


def do(
    delivery: Runtime,
    call: Call,
    name: str,
    move: str,
    *,
    leg: str | None = None,
    approval: str | None = None,
) -> Any:
    """One move. 200 with the case as it is now and its version as ETag, also when it was done before.

    `sequence` in the body or If-Match: the version that was looked at. What the state forbids, or comes too late, is
    409 with the whole case as the caller may see it, and the moves that they have.
    """
    who, words = caller(call), call.json_object() if call.get_data() else {}
    sequence = _version(call, words.pop("sequence", None))
    what = Act(name, move, leg, approval, words, sequence)
    with delivery.work() as work:
        book = books.of(work)
        try:
            done = acting.act(work, book, acting.actor_of(who, book), what, traceparent=call.traceparent)
        except Problem as error:
            refused = with_current(work, who, book, name, error)
        else:
            # What they did may have taken it away from them; what they did stays theirs to see.
            seen = sight(who, book, done.case) or Sight("legs", "assignee", False, False)
            return 200, view(done.case, who, book, seen, at=work.now), {"ETag": etag(done.case), **PRIVATE}
    # Raised when its reading is stored.
    raise refused


def with_current(work: Work, who: Principal, book: Book, name: str, error: Problem, **read: str) -> Problem:
    """The refusal of a move with how the case stands, where the state is why; seeing it is a reading, which is kept."""
    if error.status != 409:
        return error
    case = store.read_case(work, name)
    seen = sight(who, book, case) if case is not None else None
    if case is not None and seen is not None:
        error.extra |= view(case, who, book, seen, at=work.now)
        error.headers |= {"ETag": etag(case), **PRIVATE}
        reads.note_case(work, who, case, seen, why="a move that was refused", **read)
    return error


def _version(call: Call, said: Any) -> int | None:
    """The version of the case that the caller looked at."""
    if said is not None and (type(said) is not int or not 1 <= said < 2**31):
        raise _wrong("sequence", "is no version", "a whole number from 1 on, as in `sequence` of the case")
    header = call.headers.get("If-Match", "*").strip()
    if header == "*":
        return said
    found = _IF_MATCH.fullmatch(header)
    if found is None:
        raise _wrong("If-Match", f"is {header[:40]!r}", 'the ETag of the case, such as "3"')
    if said is not None and said != int(found[1]):
        raise _wrong(
            "If-Match", f"is {header[:40]!r}, and sequence in the body is {said}", "the same version"
        )
    return int(found[1])


def _wrong(field: str, problem: str, allowed: str) -> Problem:
    return Problem(422, "The body breaks the schema", problems=[FieldProblem(field, problem, allowed)])


# -- for moves that have words and tables of their own ------------------------------------------------


def locked(moving: Moving, name: str) -> Case:
    """The one case that was locked; Problem 404 when there is none of that name."""
    if not moving.cases:
        raise no_case(name)
    return next(iter(moving.cases.values()))
