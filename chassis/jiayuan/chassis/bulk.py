"""Many rows in one statement: the rows travel as one JSON parameter and PostgreSQL unpacks them.

One round trip and one parse whatever the number of rows, instead of a parameter a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from .transaction import Prepared, Result, Transaction

_DIALECT = postgresql.dialect()
Rows = Sequence[dict[str, Any]]


def _default(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return "\\x" + bytes(value).hex()
    raise TypeError(f"no JSON form of {type(value).__name__}")


def dumps(rows: Any) -> str:
    """JSON text for a `json` parameter; bytes become bytea input."""
    return orjson.dumps(rows, default=_default).decode()


def _column_types(table: Table, columns: tuple[str, ...]) -> str:
    return ", ".join(f'"{c}" {table.c[c].type.compile(_DIALECT)}' for c in columns)


@lru_cache(maxsize=512)
def _insert(
    table: Table, columns: tuple[str, ...], order: tuple[str, ...], conflict: str, returning: str
) -> Prepared:
    names = ", ".join(f'"{c}"' for c in columns)
    by = f" ORDER BY {', '.join(order)}" if order else ""
    back = f" RETURNING {returning}" if returning else ""
    return Prepared(
        f'INSERT INTO "{table.name}" ({names}) SELECT {names} '
        f"FROM json_to_recordset(CAST($1 AS json)) AS r({_column_types(table, columns)}){by} {conflict}{back}",
        "text",
    )


@lru_cache(maxsize=512)
def _update(
    table: Table, columns: tuple[str, ...], key: tuple[str, ...], where: str, returning: str
) -> Prepared:
    sets = ", ".join(f'"{c}" = r."{c}"' for c in columns if c not in key)
    on = " AND ".join(f't."{c}" = r."{c}"' for c in key)
    extra = f" AND ({where})" if where else ""
    back = f" RETURNING {returning}" if returning else ""
    return Prepared(
        f'UPDATE "{table.name}" AS t SET {sets} '
        f"FROM json_to_recordset(CAST($1 AS json)) AS r({_column_types(table, columns)}) WHERE {on}{extra}{back}",
        "text",
    )


def insert(
    transaction: Transaction, table: Table, rows: Rows, *, conflict: str = "", returning: str = ""
) -> Result:
    """Inserts rows in one statement, in the order of the primary key so that replicas don't deadlock.

    `conflict`: an ON CONFLICT clause or ""; `returning`: a column list or "". All rows have the keys of the first.
    Without `returning` it travels with the next statement that has a result, or with the commit.
    """
    if not rows:
        return Result()
    columns = tuple(rows[0])
    order = tuple(f'"{c.name}"' for c in table.primary_key.columns if c.name in columns)
    return _run(transaction, _insert(table, columns, order, conflict, returning), rows, returning)


def update(
    transaction: Transaction,
    table: Table,
    rows: Rows,
    *,
    key: Sequence[str] = ("id",),
    where: str = "",
    returning: str = "",
) -> Result:
    """Updates rows by key in one statement; `where` may name the table as `t` and the new row as `r`.

    Lock the rows in key order first when replicas may meet. Without `returning` it travels as an insert does.
    """
    if not rows:
        return Result()
    return _run(transaction, _update(table, tuple(rows[0]), tuple(key), where, returning), rows, returning)


def _run(transaction: Transaction, statement: Prepared, rows: Rows, returning: str) -> Result:
    if returning:
        return transaction.run(statement, dumps(rows))
    transaction.later(statement, dumps(rows))
    return Result()
