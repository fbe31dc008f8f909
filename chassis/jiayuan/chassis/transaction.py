"""One transaction in as few round trips as its results need.

A round trip costs a turn of the event loop here and a wake-up of the server's process there; with small batches
that is most of what a hop costs. So statements whose result nobody waits for are kept back and travel with the
next one that has a result, BEGIN with the first, COMMIT with the last: libpq's simple protocol takes several in
one message and stops at the first that fails.
"""

from __future__ import annotations

import hashlib
import re
from collections import namedtuple
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any

from psycopg2 import extensions
from sqlalchemy import Engine
from sqlalchemy.pool import PoolProxiedConnection

from .errors import is_transient


class Prepared:
    """A statement that a connection plans once: with few rows, planning costs more than doing.

    `sql` has parameters `$1`, `$2` … of the given `types`. It finds its rows by keys: see `_BY_KEY`.
    """

    __slots__ = ("execute", "name", "prepare")

    def __init__(self, sql: str, *types: str) -> None:
        # psycopg2 has no prepared statements of its own; SQL's PREPARE belongs to the connection as well.
        self.name = "j_" + hashlib.sha256(sql.encode()).hexdigest()[:20]
        declared = f" ({', '.join(types)})" if types else ""
        self.prepare = f"PREPARE {self.name}{declared} AS {sql}"
        given = f" ({', '.join(['%s'] * len(types))})" if types else ""
        self.execute = f"EXECUTE {self.name}{given}"


class Result(list[Any]):
    """The rows of a statement, all of them read, each a tuple with names; the words are SQLAlchemy's. A uuid is text.

    `rowcount`: the rows that it touched.
    """

    def __init__(self, rows: Iterable[Any] = (), rowcount: int = 0) -> None:
        super().__init__(rows)
        self.rowcount = rowcount

    def all(self) -> list[Any]:
        """The rows."""
        return self

    def first(self) -> Any:
        """The first row, or None."""
        return self[0] if self else None

    def one(self) -> Any:
        """The only row; LookupError when there are more or less."""
        if len(self) != 1:
            raise LookupError(f"one row was expected, {len(self)} came")
        return self[0]

    def scalar(self) -> Any:
        """The first value of the first row, or None."""
        return self[0][0] if self else None

    def scalar_one(self) -> Any:
        """The first value of the only row."""
        return self.one()[0]

    def scalars(self) -> list[Any]:
        """The first value of each row."""
        return [row[0] for row in self]

    def mappings(self) -> Result:
        """The rows as dictionaries."""
        return Result((row._asdict() for row in self), self.rowcount)


@lru_cache(maxsize=512)
def _row_type(columns: tuple[str, ...]) -> Any:
    row = namedtuple("Row", columns, rename=True)  # type: ignore[misc]  # the names are known at run time only
    row._mapping = property(row._asdict)  # type: ignore[attr-defined]
    return row


# A connection keeps its plans, and makes them when a table may be empty still, or before anybody has counted its rows:
# reading all of it looked cheap then, and would go on with every batch while it grows. What is prepared goes by index,
# and from the first time on by the plan that holds for all values. It ends with the transaction.
_BY_KEY = b"SET LOCAL enable_seqscan = off;SET LOCAL plan_cache_mode = force_generic_plan"

# An id is text everywhere else: making an object of each, only to print it, took an eighth of intake's time.
_UUID = extensions.new_type((2950,), "UUID", lambda value, _cursor: value)
_IDS_AS_TEXT = (_UUID, extensions.new_array_type((2951,), "UUID[]", _UUID))

_NAMED = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")


@lru_cache(maxsize=1024)
def _pyformat(sql: str) -> str:
    """`:name` as psycopg2 writes it."""
    return _NAMED.sub(r"%(\1)s", sql.replace("%", "%%"))


class Transaction:
    """A transaction of an engine's database; a context manager that commits at its end, or rolls back.

    Nothing is taken from the pool before the first statement. A failure of a statement that was kept back is raised
    by the one it travels with, at the latest by `commit`.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._connection: PoolProxiedConnection | None = None
        self._cursor: Any = None
        self._kept: list[bytes] = []
        self._begun = self._keyed = False

    # -- statements --------------------------------------------------------------------------------

    def run(self, statement: Prepared, *values: Any) -> Result:
        """Runs a prepared statement and gives its rows."""
        return self._send(*self._by_key(), self._prepared(statement, values))

    def later(self, statement: Prepared, *values: Any) -> None:
        """Runs a prepared statement whose result nobody needs, at the latest with the commit."""
        self._kept += (*self._by_key(), self._prepared(statement, values))

    def execute(self, sql: str, parameters: Mapping[str, Any]) -> Result:
        """Runs a statement with `:name` parameters and gives its rows."""
        self._connect()
        return self._send(self._cursor.mogrify(_pyformat(sql), parameters))

    def _by_key(self) -> tuple[bytes, ...]:
        if self._keyed:
            return ()
        self._keyed = True
        return (_BY_KEY,)

    def _prepared(self, statement: Prepared, values: tuple[Any, ...]) -> bytes:
        connection = self._connect()
        known: set[str] = connection.info.setdefault("jiayuan.prepared", set())
        if statement.name not in known:
            # On its own, before the transaction or inside it: it outlives a rollback either way.
            self._cursor.execute(statement.prepare)
            known.add(statement.name)
        made: bytes = self._cursor.mogrify(statement.execute, values)
        return made

    def _send(self, *last: bytes) -> Result:
        parts, self._kept = [*self._kept, *last], []
        if not self._begun:
            parts.insert(0, b"BEGIN")
            self._begun = True
        cursor = self._cursor
        cursor.execute(b";".join(parts))
        if cursor.description is None:
            return Result((), cursor.rowcount)
        make = _row_type(tuple(d.name for d in cursor.description))._make
        return Result(map(make, cursor.fetchall()), cursor.rowcount)

    # -- its end -----------------------------------------------------------------------------------

    def commit(self) -> None:
        """Commits; a transaction without a statement needs none."""
        if self._begun or self._kept:
            self._send(b"COMMIT")
            if self._cursor.statusmessage != "COMMIT":
                raise RuntimeError("the transaction had failed before, and was rolled back")
        self._give_back()

    def rollback(self) -> None:
        """Takes everything back."""
        self._kept = []
        if self._begun and self._connection is not None:
            self._cursor.execute("ROLLBACK")
        self._give_back()

    def __enter__(self) -> Transaction:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.commit()
            elif isinstance(error, Exception):
                self.rollback()
            else:
                self._drop()  # a greenlet that was killed: nobody knows what the connection is at
        except Exception as failure:
            self._drop()
            if self._engine_is_stale(failure):
                # The server went away: what else is in the pool is as dead as this one.
                self.engine.dispose()
            if error is None:
                raise

    @staticmethod
    def _engine_is_stale(failure: Exception) -> bool:
        return is_transient(failure) and getattr(failure, "pgcode", None) is None

    # -- the connection ----------------------------------------------------------------------------

    def _connect(self) -> PoolProxiedConnection:
        if self._connection is None:
            self._connection = connection = self.engine.raw_connection()
            # BEGIN and COMMIT are ours: psycopg2 would send each in a round trip of its own.
            connection.dbapi_connection.autocommit = True  # type: ignore[union-attr]
            self._cursor = cursor = connection.cursor()
            for type_ in _IDS_AS_TEXT:
                extensions.register_type(type_, cursor)  # type: ignore[arg-type]  # psycopg2's own
        return self._connection

    def _give_back(self) -> None:
        connection, self._connection = self._connection, None
        self._begun = self._keyed = False
        if connection is not None:
            self._cursor.close()
            connection.dbapi_connection.autocommit = False  # type: ignore[union-attr]
            connection.close()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._begun = self._keyed = False
        if connection is not None:
            connection.invalidate()
