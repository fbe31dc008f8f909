"""Calling a channel's entrypoints through the chassis' dispatch, on a real database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder

from jiayuan.chassis import tokens
from jiayuan.chassis.testing.databases import TOKEN_SECRET, Opened
from jiayuan.chassis.web import Call, dispatch

Send = Callable[..., Any]


@pytest.fixture
def send(intake: Opened) -> Send:
    """`send(handler, *path, json=…, roles=("agent",), subject="a")` → the response."""

    def send(
        handler: Any,
        *path: str,
        method: str = "POST",
        json: Any = None,
        roles: tuple[str, ...] = (),
        subject: str = "someone",
        **how: Any,
    ) -> Any:
        headers = dict(how.get("headers") or {})
        if roles:
            token = tokens.issue(
                TOKEN_SECRET, subject, roles, street=how.get("street", ""), unit=how.get("unit", "")
            )
            headers["Authorization"] = f"Bearer {token}"
        builder = EnvironBuilder(
            method=method, path="/", json=json, headers=headers, query_string=how.get("query")
        )
        call = Call(builder.get_environ())
        return dispatch(
            {}, call, lambda c: handler(intake.runtime, c, *path), intake.settings, (), "/", "intake"
        )

    return send
