"""A client that speaks to a service's routes without a server."""

from __future__ import annotations

from typing import Any

import orjson
from werkzeug.routing import Map, Rule
from werkzeug.test import EnvironBuilder

from jiayuan.chassis import tokens
from jiayuan.chassis.host import service_class
from jiayuan.chassis.web import Call, dispatch

from .databases import Opened


class Client:
    """Calls the service's routes with tokens, as the web server would; `headers`, `content`: of the last answer."""

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self.headers: dict[str, str] = {}
        self.content = b""
        cls = service_class(opened.service)
        self.service = cls()
        self.service.delivery = opened.runtime
        entrypoints = [
            (e, method)
            for name in dir(cls)
            for method in [getattr(self.service, name)]
            for e in getattr(method, "nameko_entrypoints", ())
            if hasattr(e, "get_url_rule")
        ]
        self._methods = {id(e): (e, method) for e, method in entrypoints}
        self.map = Map([Rule(e.url, methods=[e.method], endpoint=id(e)) for e, _ in entrypoints])

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        who: str = "",
        role: str = "",
        headers: Any = None,
        **claims: str,
    ) -> tuple[int, dict[str, Any]]:
        """The status and the JSON document, {} for other content. `claims`: street, unit of the token."""
        headers = list((headers or {}).items())
        if role:
            secret = self.opened.settings.token_secret
            token = tokens.issue(secret, who or role, (role,), **claims)  # type: ignore[arg-type]
            headers.append(("Authorization", f"Bearer {token}"))
        path, _, query = path.partition("?")
        data = body if isinstance(body, bytes) else orjson.dumps(body) if body is not None else None
        builder = EnvironBuilder(path=path, query_string=query, method=method, headers=headers, data=data)
        call = Call(builder.get_environ())
        endpoint, values = self.map.bind("localhost").match(path, method=method)
        entrypoint, run = self._methods[endpoint]
        response = dispatch(
            values,
            call,
            run,
            self.opened.settings,
            entrypoint.roles,
            entrypoint.url,
            self.opened.service,
        )
        self.headers, self.content = dict(response.headers), response.get_data()
        is_json = "json" in self.headers.get("Content-Type", "")
        return response.status_code, orjson.loads(self.content) if is_json else {}
