"""HTTP: JSON or forms in, JSON out, bearer tokens, problem documents (RFC 9457), W3C trace context."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import eventlet
import eventlet.wsgi
import orjson
from eventlet.event import Event as Signal
from marshmallow import Schema, fields
from nameko.extensions import Entrypoint
from nameko.web.server import WebServer
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge
from werkzeug.routing import Map, RequestRedirect, Rule
from werkzeug.wrappers import Request, Response

from jiayuan.contracts.check import FieldProblem, explain, instance

from . import forms, forwarded, metrics, pages, tokens, trace
from .errors import Problem, Transient, is_transient

log = logging.getLogger("jiayuan.web")

MAX_BODY = 1024 * 1024


class Call(Request):
    """A request with what a handler needs of it."""

    max_content_length: int | None = MAX_BODY
    who: tokens.Principal | None = None
    traceparent: str = ""
    proxies: str = ""
    """The networks of the settings' `trusted_proxies`."""

    @property
    def address(self) -> str:
        """The caller's address; `X-Forwarded-For` is believed as far as trusted proxies wrote it."""
        return forwarded.client(self.remote_addr or "", self.headers.get("X-Forwarded-For"), self.proxies)

    def json_body(self, schema: type[Schema]) -> dict[str, Any]:
        """The body, checked; Problem 400 or 422 naming each field, what is wrong and what is allowed.

        Times stay RFC 3339 text. Fields that the schema doesn't name are refused where it says RAISE.
        """
        document = self._json()
        found = explain(schema, document)
        if found:
            raise Problem(
                422,
                "The body breaks the schema",
                problems=[FieldProblem(p.field.removeprefix("data."), p.problem, p.allowed) for p in found],
            )
        assert isinstance(document, dict)
        return document

    def json_object(self) -> dict[str, Any]:
        """The body, of which nothing is checked but that it is a JSON object; Problem 400 or 422."""
        document = self._json()
        if not isinstance(document, dict):
            wrong = FieldProblem("body", "must be a JSON object", "object")
            raise Problem(422, "The body breaks the schema", problems=[wrong])
        return document

    def _json(self) -> Any:
        raw = self.get_data()
        if b"\\u0000" in raw:
            raise Problem(400, "The body is not usable", "it holds U+0000, which cannot be stored")
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise Problem(400, "The body is not JSON", f"{error}") from None

    def query(self, schema: type[Schema]) -> dict[str, Any]:
        """The query string, checked; Problem 422 as for a body. Texts, whole numbers, numbers and yes or no.

        What the schema has as a list may be given several times.
        """
        problems: list[FieldProblem] = []
        said: dict[str, Any] = {}
        for name, values in self.args.lists():
            field = instance(schema).fields.get(name)
            if isinstance(field, fields.List):
                said[name] = [_typed(value, field.inner) for value in values]
                continue
            if len(values) > 1:
                problems.append(FieldProblem(name, "is given more than once", "once"))
            said[name] = _typed(values[0], field)
        problems += [
            FieldProblem(_INDEX.sub("", p.field.removeprefix("data.")), p.problem, p.allowed)
            for p in explain(schema, said)
        ]
        if problems:
            raise Problem(422, "The query breaks the schema", problems=problems)
        return said

    def file_body(self) -> bytes:
        """The body, which is a file; Problem 400 when it is empty."""
        content = self.get_data()
        if not content:
            raise Problem(400, "The body is empty", "send the file itself")
        return content

    def form_body(self) -> forms.Form:
        """The body as a form, urlencoded or multipart; Problem 400 or 415 says what is wrong with it."""
        return forms.read(self.stream, self.headers.get("Content-Type", ""))

    def need(self, *roles: str) -> tokens.Principal:
        """The caller, who must have one of the roles."""
        if self.who is None:
            raise Problem(401, "Sign in", "this needs a bearer token")
        if roles and not set(roles) & set(self.who.roles):
            raise Problem(403, "Not allowed", f"this needs one of the roles {', '.join(roles)}")
        return self.who


_INDEX = re.compile(r"\.[0-9]+$")
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,3})?")


def _typed(text: str, field: Any) -> Any:
    """A value of a query as the field's type; what it can't be stays text, which the schema then refuses."""
    if isinstance(field, fields.Integer) and _WHOLE.fullmatch(text):
        return int(text)
    if isinstance(field, fields.Float) and _NUMBER.fullmatch(text):
        return float(text)
    if isinstance(field, fields.Boolean) and text in ("true", "false"):
        return text == "true"
    return text


def answer(result: Any) -> Response:
    """A handler's result as a response: a document, (status, document), or a Response."""
    if isinstance(result, Response):
        return result
    status, document = 200, result
    headers: dict[str, str] = {}
    if isinstance(result, tuple):
        status, document = result[0], result[1]
        headers = result[2] if len(result) > 2 else {}
    body = orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS, default=str)
    return Response(body, status=status, headers=headers, content_type="application/json; charset=utf-8")


def download(content: bytes, name: str, kind: str, rows: Mapping[str, int] | None = None) -> Response:
    """A file for the caller alone, of a media type, with the name that it is kept by. `rows`: what became of the rows
    of a file that was sent, by what happened to them; told in headers such as `Rows-Added`."""
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        **{f"Rows-{what.title()}": str(count) for what, count in (rows or {}).items()},
    }
    return Response(content, content_type=kind, headers=headers)


def problem(error: Problem) -> Response:
    """A problem document."""
    document: dict[str, Any] = {"type": "about:blank", "title": error.title, "status": error.status}
    if error.detail:
        document["detail"] = error.detail
    if error.problems:
        document["errors"] = [
            {"field": p.field, "problem": p.problem, "allowed": p.allowed} for p in error.problems
        ]
    document |= error.extra
    headers = dict(error.headers)
    if error.status == 401:
        headers.setdefault("WWW-Authenticate", "Bearer")
    if error.status == 503:
        headers.setdefault("Retry-After", "2")
    return Response(
        orjson.dumps(document, default=str),
        status=error.status,
        headers=headers,
        content_type="application/problem+json",
    )


# What a refusal looks like: to the caller of a path that has a form of its own, and to any.
Refusal = Callable[[str, Problem], Response]
Refuse = Callable[[Call, Problem], Response]


def problem_document(call: Call, error: Problem) -> Response:
    """The refusal of every path that has no form of its own; a page for a browser, which would rather have one."""
    if call.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html":
        return pages.refusal(call, error)
    return problem(error)


def problem_of(error: Exception, most: int = MAX_BODY) -> Problem:
    """What a caller is told of any failure; details of ours stay in the log. `most`: bytes that a body may have."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestEntityTooLarge):
        return Problem(413, "The body is too large", f"at most {most} bytes")
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        return Problem(405, error.name, f"allowed here: {allowed}", headers={"Allow": allowed})
    if isinstance(error, HTTPException):
        return Problem(error.code or 500, error.name, error.description or "")
    if isinstance(error, Transient) or is_transient(error):
        log.warning("request put off", extra={"why": str(error)[:300]})
        return Problem(503, "Not available right now", "nothing was changed; send it again shortly")
    log.error("request failed", exc_info=error)
    return Problem(500, "Something went wrong here", "nothing was changed; the operators can see why")


def dispatch(
    rules: Mapping[str, Any],
    call: Call,
    run: Any,
    settings: Any,
    roles: tuple[str, ...],
    route: str,
    service: str,
    refuse: Refuse = problem_document,
    before: Callable[[Call], None] | None = None,
) -> Response:
    """Signs in, asks `before`, which may refuse, runs `run(call, **rules)`, answers, measures."""
    started = time.monotonic()
    call.proxies = settings.trusted_proxies
    call.traceparent = trace.traceparent(call.headers.get("traceparent"))
    context = trace.current.set({"trace": trace.trace_id(call.traceparent)})
    try:
        if "%00" in call.environ.get("QUERY_STRING", "") or "\0" in call.path:
            raise Problem(400, "The address is not usable", "it holds U+0000, which cannot be stored")
        header = call.headers.get("Authorization", "")
        if header[:7].lower() == "bearer ":
            call.who = tokens.verify(settings, header[7:].strip())
        if roles:
            call.need(*roles)
        if before is not None:
            before(call)
        response = answer(run(call, **rules))
    except Exception as error:  # noqa: BLE001  every failure becomes an answer
        response = refuse(call, problem_of(error, call.max_content_length or MAX_BODY))
    finally:
        trace.current.reset(context)
    response.headers["traceparent"] = call.traceparent
    metrics.HTTP_SECONDS.labels(service, call.method, route, str(response.status_code)).observe(
        time.monotonic() - started
    )
    return response


def refusal_of(service_class: Any) -> Refuse:
    """The refusal of a service: what its `refusals` say for the path's prefix, else `problem_document`."""
    refusals: Mapping[str, Refusal] = getattr(service_class, "refusals", {})
    prefixes = sorted(refusals, key=len, reverse=True)

    def refuse(call: Call, error: Problem) -> Response:
        for prefix in prefixes:
            if call.path.startswith(prefix):
                return refusals[prefix](call.path, error)
        return problem_document(call, error)

    return refuse


class App:
    """The WSGI application: finds the entrypoint of a request and lets it answer."""

    def __init__(self, url_map: Map, refuse: Refuse) -> None:
        self.url_map, self.refuse = url_map, refuse

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
            # eventlet ends such a body by itself; without being told, werkzeug takes it for empty.
            environ["wsgi.input_terminated"] = True
        try:
            endpoint, values = self.url_map.bind_to_environ(environ).match()
            response = endpoint.handle(Call(environ), values)
        except RequestRedirect as redirect:
            # A doubled slash, as when a base address that ends in one is joined.
            return redirect.get_response(environ)(environ, start_response)
        except Exception as error:  # noqa: BLE001  a server answers
            response = self.refuse(Call(environ), problem_of(error))
        return response(environ, start_response)


class Server(WebServer):
    """Nameko's web server, bound to the settings' address; a client that goes away costs nothing."""

    @property
    def bind_addr(self) -> tuple[str, int]:
        """Host and port of the settings; port 0 takes a free one."""
        settings = self.container.config["settings"]
        return settings.http_host, settings.http_port

    @property
    def address(self) -> str:
        """Where it listens, once started."""
        host, port = self._sock.getsockname()[:2]
        return f"http://{host}:{port}"

    def get_wsgi_app(self) -> Any:
        """The application."""
        return App(self.make_url_map(), refusal_of(self.container.service_cls))

    def get_wsgi_server(self, sock: Any, wsgi_app: Any, **_: Any) -> Any:
        """A server that writes no access log (ours is metrics) and drops idle connections."""
        return eventlet.wsgi.Server(
            sock,
            sock.getsockname(),
            wsgi_app,
            log=log,
            log_output=False,
            socket_timeout=60,
            keepalive=30,
            url_length_limit=8192,
            debug=False,
        )

    def process_request(self, sock: Any, address: Any) -> None:
        """Serves one connection."""
        try:
            super().process_request(sock, address)
        except OSError as error:
            log.debug("client went away: %s", error)


class Http(Entrypoint):
    """`@http("POST", "/reports", roles=("desk",))`: calls the method with (call, **path values).

    `before` is asked first and refuses by raising a Problem.
    `max_body`: bytes that a body may have, where a photo or more must fit into it.
    """

    server = Server()

    def __init__(
        self,
        method: str,
        url: str,
        *,
        roles: tuple[str, ...] = (),
        role: str = "serve",
        max_body: int = MAX_BODY,
        before: Callable[[Call], None] | None = None,
        **kwargs: Any,
    ) -> None:
        self.method, self.url, self.roles, self.role = method, url, roles, role
        self.max_body, self.before = max_body, before
        super().__init__(**kwargs)

    def get_url_rule(self) -> Rule:
        """The rule of the URL map."""
        return Rule(self.url, methods=self.method.split(","))

    def setup(self) -> None:
        """Registers with the server."""
        self.refuse = refusal_of(self.container.service_cls)
        self.server.register_provider(self)

    def stop(self) -> None:
        """Unregisters; the server stops accepting when the last one has."""
        self.server.unregister_provider(self)
        super().stop()

    def handle(self, call: Call, values: Mapping[str, Any]) -> Response:
        """Runs the method as a worker and gives its answer."""
        call.max_content_length = self.max_body
        return dispatch(
            values,
            call,
            self._run,
            self.container.config["settings"],
            self.roles,
            self.url,
            self.container.service_name,
            self.refuse,
            self.before,
        )

    def _run(self, call: Call, **values: Any) -> Any:
        done: Signal = Signal()

        def settle(_context: Any, result: Any, failure: Any) -> tuple[None, None]:
            # The pair is sent as a value: an exception sent as one would be raised with this greenlet's frames.
            done.send((result, failure[1] if failure else None))
            return None, None

        self.container.spawn_worker(self, (call,), values, handle_result=settle)
        result, failure = done.wait()
        if failure is not None:
            raise failure
        return result


http = Http.decorator
