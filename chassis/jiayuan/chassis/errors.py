"""Errors that the chassis tells apart. Each says what is done about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import psycopg2
from sqlalchemy import exc

from jiayuan.contracts.check import FieldProblem


class Transient(Exception):
    """The same thing may work later (database or broker away): wait and try again, fail no message."""

    reason = "transient"


class Refused(Exception):
    """A handler refuses one event for good; it becomes a dead letter (and a rejection, if it came from outside)."""

    reason = "refused"

    def __init__(self, problems: Iterable[FieldProblem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"{p.field}: {p.problem}" for p in self.problems))


class Problem(Exception):
    """A refusal of an HTTP request, sent as a problem document (RFC 9457).

    `extra` are further members of the document (`type` among them), `headers` go with the answer.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str = "",
        problems: Iterable[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        self.status, self.title, self.detail = status, title, detail
        self.problems, self.headers, self.extra = list(problems), dict(headers or {}), extra
        super().__init__(f"{status} {title} {detail}".strip())


class StartError(Exception):
    """The process can't start; `code` is its exit code, the text is one sentence for the operator."""

    def __init__(self, code: int, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


EXIT_CONFIG: Final = 3
EXIT_TOPOLOGY: Final = 4
EXIT_SCHEMA: Final = 5
EXIT_UNREACHABLE: Final = 6

# Classes and codes of SQLSTATE after which the same transaction may succeed: connection exceptions, resources,
# operator intervention, system errors; serialization failure, deadlock, lock not available, read-only standby.
_TRANSIENT_CLASSES: Final = ("08", "53", "57", "58")
_TRANSIENT_CODES: Final = ("40001", "40P01", "55P03", "25006", "25P03")


def is_transient(error: BaseException) -> bool:
    """Whether a failure is the infrastructure's, not the message's."""
    if isinstance(error, Transient | ConnectionError | TimeoutError | exc.TimeoutError):
        return True
    if isinstance(error, exc.DBAPIError):
        if error.connection_invalidated:
            return True
        original = error.orig
        return isinstance(original, Exception) and is_transient(original)
    if isinstance(error, psycopg2.Error):
        state = error.pgcode
        if state is None:
            # No SQLSTATE: libpq lost or never had the connection; a bad statement always carries one.
            return isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
        return state[:2] in _TRANSIENT_CLASSES or state in _TRANSIENT_CODES
    return False
