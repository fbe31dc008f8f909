"""Sealing anew, with the first key of `seal_keys`, what older keys sealed, so that these can be dropped.

A table says in `Table.info["sealed"]` which columns hold sealed values and, as SQL, whom each is bound to:
`{"contact": "id"}`. Messages of outside systems that are kept as dead letters are sealed in every service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from sqlalchemy import Engine, MetaData, Table

from . import bulk
from .seal import Sealer
from .transaction import Transaction


def run(
    engine: Engine, metadata: MetaData, sealer: Sealer, batch: int, tell: Callable[[str, int], None]
) -> int:
    """Seals everything anew, a transaction a batch; how many values. May be broken off and run again at any time.

    `tell` hears of each batch: the column and how many. SealError names a key that the ring lacks; what was done stays.
    """
    total = 0
    for table in metadata.sorted_tables:
        for column, whom in table.info.get("sealed", {}).items():
            for done in _column(engine, table, column, whom, sealer, batch):
                total += done
                tell(f"{table.name}.{column}", done)
    for done in _letters(engine, sealer, batch):
        total += done
        tell("dead_letter.body", done)
    return total


def left(engine: Engine, metadata: MetaData, sealer: Sealer) -> int:
    """How many values another key than the first sealed."""
    total = 0
    with Transaction(engine) as transaction:
        for table in metadata.sorted_tables:
            for column in table.info.get("sealed", {}):
                sql = f'SELECT count(*) FROM "{table.name}" WHERE split_part("{column}", \'.\', 1) <> :first'
                total += transaction.execute(sql, {"first": sealer.first.name}).scalar_one()
        letters = f"SELECT count(*) FROM dead_letter WHERE {_OLD_LETTER}"
        return total + int(transaction.execute(letters, {"mark": _mark(sealer)}).scalar_one())


def _column(
    engine: Engine, table: Table, column: str, whom: str, sealer: Sealer, batch: int
) -> Iterator[int]:
    keys = [str(c.name) for c in table.primary_key.columns]
    names = ", ".join(f'"{k}"' for k in keys)
    after: dict[str, Any] = {}
    while True:
        past = f"AND ({names}) > ({', '.join(f':{k}' for k in keys)})" if after else ""
        sql = (
            f'SELECT {names}, "{column}" AS sealed, {whom} AS whom FROM "{table.name}" '
            f"WHERE split_part(\"{column}\", '.', 1) <> :first {past} ORDER BY {names} LIMIT :most FOR UPDATE"
        )
        with Transaction(engine) as transaction:
            rows = transaction.execute(sql, {"first": sealer.first.name, "most": batch, **after})
            again = [
                {
                    **{k: getattr(r, k) for k in keys},
                    column: sealer.seal(sealer.open(r.sealed, r.whom), r.whom),
                }
                for r in rows
            ]
            bulk.update(transaction, table, again, key=keys)
        if not rows:
            return
        after = {k: getattr(rows[-1], k) for k in keys}
        yield len(rows)


_OLD_LETTER: Final = "sealed AND position(CAST(:mark AS bytea) IN body) <> 1"


def _letters(engine: Engine, sealer: Sealer, batch: int) -> Iterator[int]:
    sql = (
        f"SELECT id::text AS id, body FROM dead_letter WHERE {_OLD_LETTER} ORDER BY id LIMIT :most FOR UPDATE"
    )
    while True:
        with Transaction(engine) as transaction:
            rows = transaction.execute(sql, {"mark": _mark(sealer), "most": batch})
            for row in rows:
                body = sealer.seal_bytes(sealer.open_bytes(bytes(row.body), row.id), row.id)
                transaction.execute(
                    "UPDATE dead_letter SET body = :body WHERE id = CAST(:id AS uuid)",
                    {"id": row.id, "body": body},
                )
        if not rows:
            return
        yield len(rows)


def _mark(sealer: Sealer) -> bytes:
    return sealer.first.name.encode() + b"."
