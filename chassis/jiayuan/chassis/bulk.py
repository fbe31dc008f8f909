"""Many rows in one statement: the rows travel as one JSON parameter and PostgreSQL unpacks them.

One round trip and one parse whatever the number of rows, instead of a parameter a value. Columns with
`info={"document": True}` travel beside it, each as an array of texts: PostgreSQL would read a document that stands in
another one three times.
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


def _documents(table: Table, columns: Sequence[str]) -> tuple[str, ...]:
    return tuple(c for c in columns if table.c[c].info.get("document"))


def _records(table: Table, columns: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The rows as a table `r`, and the types of the parameters that hold them."""
    types = {c: table.c[c].type.compile(_DIALECT) for c in columns}
    documents = _documents(table, columns)
    listed = ", ".join(f'"{c}" {types[c]}' for c in columns if c not in documents)
    rows = f"json_to_recordset(CAST($1 AS json)) AS {'' if documents else 'r'}({listed})"
    if not documents:
        return rows, ("text",)
    beside = ", ".join(f"unnest(CAST(${n} AS text[]))" for n in range(2, 2 + len(documents)))
    names = ", ".join(f'"{c}"' for c in (*(c for c in columns if c not in documents), *documents))
    return f"ROWS FROM ({rows}, {beside}) AS r({names})", ("text", *["text[]"] * len(documents))


def _value(table: Table, column: str, of: str = "") -> str:
    type_ = table.c[column].type.compile(_DIALECT)
    return f'CAST({of}"{column}" AS {type_})' if _documents(table, [column]) else f'{of}"{column}"'


@lru_cache(maxsize=512)
def _insert(
    table: Table, columns: tuple[str, ...], order: tuple[str, ...], conflict: str, returning: str
) -> Prepared:
    names = ", ".join(f'"{c}"' for c in columns)
    values = ", ".join(_value(table, c) for c in columns)
    by = f" ORDER BY {', '.join(order)}" if order else ""
    back = f" RETURNING {returning}" if returning else ""
    records, types = _records(table, columns)
    sql = f'INSERT INTO "{table.name}" ({names}) SELECT {values} FROM {records}{by} {conflict}{back}'
    return Prepared(sql, *types)


@lru_cache(maxsize=512)
def _update(
    table: Table, columns: tuple[str, ...], key: tuple[str, ...], where: str, returning: str
) -> Prepared:
    sets = ", ".join(f'"{c}" = {_value(table, c, "r.")}' for c in columns if c not in key)
    on = " AND ".join(f't."{c}" = r."{c}"' for c in key)
    extra = f" AND ({where})" if where else ""
    back = f" RETURNING {returning}" if returning else ""
    records, types = _records(table, columns)
    sql = f'UPDATE "{table.name}" AS t SET {sets} FROM {records} WHERE {on}{extra}{back}'
    return Prepared(sql, *types)


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
    return _run(transaction, _insert(table, columns, order, conflict, returning), table, rows, returning)


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
    statement = _update(table, tuple(rows[0]), tuple(key), where, returning)
    return _run(transaction, statement, table, rows, returning)


def _run(transaction: Transaction, statement: Prepared, table: Table, rows: Rows, returning: str) -> Result:
    values: list[Any] = []
    documents = _documents(table, tuple(rows[0]))
    if documents:
        values = [[None if r[d] is None else dumps(r[d]) for r in rows] for d in documents]
        rows = [{c: v for c, v in r.items() if c not in documents} for r in rows]
    if returning:
        return transaction.run(statement, dumps(rows), *values)
    transaction.later(statement, dumps(rows), *values)
    return Result()
