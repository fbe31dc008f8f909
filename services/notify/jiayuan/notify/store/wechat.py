"""The token of WeChat's interface, which all replicas share."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from jiayuan.chassis.work import Work

_LOCK: Final = "SELECT token, until, had_at, forced_at FROM wechat_token WHERE appid = :appid FOR UPDATE"


def lock_token(work: Work, appid: str) -> sa.Row[Any]:
    """The app's row (sealed token or None, until, had_at, forced_at), locked until the transaction ends."""
    work.execute("INSERT INTO wechat_token (appid) VALUES (:appid) ON CONFLICT DO NOTHING", appid=appid)
    return work.execute(_LOCK, appid=appid).one()


def put_token(
    work: Work, appid: str, token: str, until: datetime, had_at: datetime, forced_at: datetime | None
) -> None:
    """Keep another token, sealed; the row is locked by this transaction."""
    work.execute(
        "UPDATE wechat_token SET token = :token, until = :until, had_at = :had_at, forced_at = :forced_at "
        "WHERE appid = :appid",
        appid=appid,
        token=token,
        until=until,
        had_at=had_at,
        forced_at=forced_at,
    )
