"""The base of every service: what all five have in common, hosted by nameko.

A service's own `service.py` adds its entrypoints and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import eventlet
from eventlet.event import Event as Signal
from nameko.extensions import ENTRYPOINT_EXTENSIONS_ATTR, DependencyProvider, Entrypoint
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import Engine, MetaData, text
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response

from jiayuan.contracts import names

from . import database, dead_letters, limits, migrations, tokens
from .broker import Publisher
from .clock import Clock
from .config import Settings
from .delivery import Deliveries, Message
from .errors import Problem, Transient, is_transient
from .relay import Relay, Sweeper
from .seal import Sealer
from .subscribe import Subscribe, subscribe
from .web import Call, Refusal, http
from .work import Handler, Outgoing, Work

__all__ = ["Delivery", "Limiting", "Runtime", "Service", "every", "http", "subscribe"]

log = logging.getLogger("jiayuan.service")

ROLES = ("serve", "bulk", "relay", "clock", "send")


class Runtime:
    """What entrypoints get as `self.delivery`: transactions, settings, the clock, the sealer."""

    def __init__(
        self,
        settings: Settings,
        metadata: MetaData,
        handlers: Sequence[Handler],
        publish: Callable[[list[Outgoing]], None] | None = None,
        engine: Engine | None = None,
    ) -> None:
        tokens.provider_of(settings)  # what is set up wrong is said now, not to the first who signs in
        self.settings = settings
        self.metadata = metadata
        self.clock = Clock(settings.clock_speed, settings.clock_epoch)
        self.engine = engine or database.create(settings)
        self.deliveries = Deliveries(
            settings.service,
            self.engine,
            self.clock,
            metadata,
            handlers,
            publish or _leave_to_the_sweeper,
            grace=settings.outbox_grace,
            sealer=(lambda: self.sealer) if settings.seal_keys else None,
        )
        self.sweeper: Sweeper | None = None
        self.lanes: Callable[[], dict[str, bool]] = dict
        self.at_stop: list[Callable[[float], None]] = []
        """Called when the service stops, before its database is closed, with how many seconds each may take."""
        self._sealer: Sealer | None = None

    def missing(self) -> dict[str, str]:
        """What is not ready, by name; empty when the process can do its work."""
        missing = {queue: "not consuming" for queue, consuming in self.lanes().items() if not consuming}
        try:
            with self.engine.connect() as conn:
                conn.execute(text("SET statement_timeout = 2000"))
                now, wanted = migrations.current(conn), migrations.head(self.settings.service)
                if now != wanted:
                    missing["migrations"] = f"the database is at {now}, this build needs {wanted}"
        except SQLAlchemyError as error:
            missing["database"] = f"not reachable ({type(error).__name__})"
        return missing

    def prune_inbox(self, limit: int = 20000) -> int:
        """Deletes inbox rows older than `inbox_days`; returns how many."""
        with self.engine.begin() as conn:
            return conn.execute(
                text(
                    "DELETE FROM inbox WHERE ctid = ANY(ARRAY(SELECT ctid FROM inbox "
                    "WHERE seen_at < clock_timestamp() - make_interval(secs => :age) LIMIT :n))"
                ),
                {"age": self.settings.inbox_days * 86400, "n": limit},
            ).rowcount

    @property
    def sealer(self) -> Sealer:
        """Seals and opens personal data with the keys of the settings."""
        if self._sealer is None:
            self._sealer = Sealer(self.settings.seal_keys)
        return self._sealer

    def work(self, lane: names.Lane = "live") -> AbstractContextManager[Work]:
        """A transaction outside of a handler: commits at the end of the block, then publishes."""
        return self.deliveries.work(lane)


def _leave_to_the_sweeper(_rows: list[Outgoing]) -> None:
    """Without a relay at hand (command line, tests) the running service publishes what is in the outbox."""


class Delivery(DependencyProvider):
    """Gives a service its `Runtime`, with a relay that publishes what was committed."""

    def __init__(self, metadata: MetaData, handlers: Sequence[Handler]) -> None:
        self.metadata, self.handlers = metadata, handlers

    def setup(self) -> None:
        """Makes the engine and the relay; called once a process."""
        settings = self.container.config["settings"]
        limits.use(limits.Counts(limits.secret_of(settings)))
        self.publisher = Publisher(settings.amqp_uri, heartbeat=settings.heartbeat)
        self.runtime = Runtime(settings, self.metadata, self.handlers, self._publish)
        self.relay = Relay(settings.service, self.runtime.engine, self.publisher, settings.outbox_in_flight)
        self.runtime.sweeper = Sweeper(
            settings.service,
            self.runtime.engine,
            Publisher(settings.amqp_uri, heartbeat=settings.heartbeat),
            settings.outbox_retry_most,
        )
        self.runtime.lanes = self._lanes
        self.thread: Any = None

    def _lanes(self) -> dict[str, bool]:
        return {e.queue: e.consuming for e in self.container.entrypoints if isinstance(e, Subscribe)}

    def start(self) -> None:
        """Starts the relay's greenlet."""
        self.thread = self.container.spawn_managed_thread(self.relay.run, identifier="relay")

    def stop(self) -> None:
        """Publishes what is held, then closes."""
        for end in self.runtime.at_stop:
            end(self.runtime.settings.stop_timeout / 2)
        self.relay.stop()
        if self.thread is not None:
            with eventlet.Timeout(self.runtime.settings.stop_timeout, False):
                self.thread.wait()
        self.publisher.close()
        assert self.runtime.sweeper is not None
        self.runtime.sweeper.publisher.close()
        self.runtime.engine.dispose()

    def _publish(self, rows: list[Outgoing]) -> None:
        self.relay.put(rows)

    def get_dependency(self, worker_ctx: Any) -> Runtime:  # noqa: ARG002  nameko's hook
        """The same runtime for every worker."""
        return self.runtime


class Every(Entrypoint):
    """`@every(seconds=1, role="relay")`: calls the method again and again, never twice at a time.

    When the method returns True there is more to do and it is called again at once. Transient failures are
    waited for; others are logged, and the next turn comes all the same.
    """

    def __init__(self, seconds: float, *, role: str = "serve", **kwargs: Any) -> None:
        self.seconds, self.role = seconds, role
        self._stopping = False
        super().__init__(expected_exceptions=(Transient,), **kwargs)

    def start(self) -> None:
        """Starts the timer."""
        self.thread = self.container.spawn_managed_thread(self._run, identifier=f"every {self.method_name}")

    def stop(self) -> None:
        """Ends after the turn that is running."""
        self._stopping = True

    def _run(self) -> None:
        pause = self.seconds
        while not self._stopping:
            done: Signal = Signal()
            self.container.spawn_worker(
                self, (), {}, handle_result=lambda _c, r, e, d=done: (d.send((r, e)), (None, None))[1]
            )
            more, failure = done.wait()
            if failure is None:
                pause = self.seconds
            elif is_transient(failure[1]):
                log.warning("waiting", extra={"timer": self.method_name, "why": str(failure[1])[:200]})
                pause = min(5.0, max(self.seconds, pause * 2))
            else:
                log.error("timer failed", extra={"timer": self.method_name}, exc_info=failure[1])
                pause = min(30.0, max(1.0, pause * 2))
            eventlet.sleep(0 if more is True and failure is None else pause)


every = Every.decorator


def _is_entrypoint(method: Any) -> bool:
    return bool(getattr(method, ENTRYPOINT_EXTENSIONS_ATTR, None))


class Service:
    """Subclass it, name it, give it a `Delivery`; see any `services/*/jiayuan/*/service.py`."""

    name: ClassVar[str]
    delivery: Any
    settings_class: ClassVar[type[Settings]] = Settings
    # Refusals in another form than problem documents, by the prefix of their paths.
    refusals: ClassVar[Mapping[str, Refusal]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuses a service in which one entrypoint would quietly replace another: of the chassis, or of a mixin."""
        super().__init_subclass__(**kwargs)
        owners: dict[str, type] = {}
        for owner in cls.__mro__:
            for name, value in vars(owner).items():
                first = owners.get(name)
                if first is not None and _is_entrypoint(value):
                    raise TypeError(
                        f"{cls.__name__}: {name} of {first.__name__} would replace the entrypoint of {owner.__name__}"
                    )
                if first is None and (_is_entrypoint(value) or not name.startswith("__")):
                    owners[name] = owner

    @subscribe("live", role="serve")
    def on_live(self, batch: list[Message]) -> None:
        """Takes a batch of the live lane."""
        self.delivery.deliveries.take(batch, "live")

    @subscribe("bulk", role="bulk")
    def on_bulk(self, batch: list[Message]) -> None:
        """Takes a batch of the bulk lane."""
        self.delivery.deliveries.take(batch, "bulk")

    @subscribe(None, role="relay", queue="dead")
    def on_dead(self, batch: list[Message]) -> None:
        """Keeps what the broker dead-lettered."""
        dead_letters.from_broker(self.delivery.deliveries, batch)

    @every(seconds=1.0, role="relay")
    def sweep(self) -> None:
        """Publishes what the relays left in the outbox."""
        self.delivery.sweeper.sweep()

    @every(seconds=1.0, role="relay")
    def replay(self) -> None:
        """Replays the dead letters that operators asked for."""
        dead_letters.replay_asked(self.delivery.deliveries)

    @every(seconds=5.0, role="relay")
    def measure(self) -> None:
        """Sets the gauges that need a look into the database."""
        self.delivery.sweeper.measure()
        dead_letters.measure(self.delivery.engine, self.name)

    @every(seconds=600.0, role="relay")
    def prune(self) -> bool:
        """Forgets messages taken longer ago than any redelivery can be; True while there are more."""
        return self.delivery.prune_inbox() > 0

    @http("GET", "/healthz", role="any")
    def healthz(self, _call: Call) -> Any:
        """The process is alive."""
        return {"status": "alive", "service": self.name}

    @http("GET", "/readyz", role="any")
    def readyz(self, _call: Call) -> Any:
        """Consuming, database reachable, migrations current; 503 says what isn't."""
        missing = self.delivery.missing()
        if missing:
            raise Problem(503, "Not ready", missing=missing)
        return {"status": "ready", "service": self.name}

    @http("GET", "/metrics", role="any")
    def metrics(self, _call: Call) -> Any:
        """Prometheus metrics."""
        return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)


class Limiting:
    """The timers of a service that has limits, see `limits`."""

    delivery: Any

    @every(seconds=2.0)
    def share_limits(self) -> None:
        """Tells the other replicas what callers used of their limits here, and hears what they used there."""
        limits.share(limits.current(), self.delivery)

    @every(seconds=60.0, role="relay")
    def forget_limits(self) -> bool:
        """Forgets what was used in windows that are past; True while there are more."""
        with self.delivery.work() as work:
            return limits.forget(work, limits.current().clock()) > 0
