"""A service's HTTP interface without a service: its routes, refusals and limits as they are, on a test's database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nameko.extensions import ENTRYPOINT_EXTENSIONS_ATTR
from werkzeug.routing import Map
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import Client
from werkzeug.wrappers import Response

from ..host import service_class
from ..web import App, Call, Http, dispatch, refusal_of
from .databases import Opened


class _Entry:
    """An entrypoint that runs in the caller's thread."""

    def __init__(self, http: Http, method: Callable[..., Any], opened: Opened, refuse: Any) -> None:
        self.http, self.method, self.opened, self.refuse = http, method, opened, refuse

    def handle(self, call: Call, values: Mapping[str, Any]) -> Response:
        """As `web.Http.handle` does."""
        call.max_content_length = self.http.max_body
        return dispatch(
            values,
            call,
            self.method,
            self.opened.settings,
            self.http.roles,
            self.http.url,
            self.opened.service,
            self.refuse,
            self.http.before,
        )


def app(opened: Opened) -> App:
    """A service's interface as a WSGI application."""
    cls = service_class(opened.service)
    service = object.__new__(cls)
    service.delivery = opened.runtime
    refuse = refusal_of(cls)
    url_map = Map()
    for name in dir(cls):
        for extension in getattr(getattr(cls, name), ENTRYPOINT_EXTENSIONS_ATTR, ()):
            if isinstance(extension, Http):
                rule = extension.get_url_rule()
                rule.endpoint = _Entry(extension, getattr(service, name), opened, refuse)
                url_map.add(rule)
    return App(url_map, refuse)


def client(opened: Opened) -> Client:
    """A client of a service's interface; `client(opened).get("/healthz")` gives werkzeug's test response."""
    return Client(app(opened), Response)


class _Quiet(WSGIRequestHandler):
    """Writes no access log, as addresses hold tracking codes."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing."""


@contextmanager
def served(application: Any) -> Iterator[str]:
    """Serves a WSGI application on the loopback address, a thread a request; gives where."""
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
