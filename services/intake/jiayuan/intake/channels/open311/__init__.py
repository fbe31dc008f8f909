"""Open311 GeoReport v2: discovery, services, requests, tokens, updates, in XML and JSON. docs/channels/open311.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from jiayuan.chassis.errors import EXIT_CONFIG, StartError
from jiayuan.chassis.service import every, http
from jiayuan.chassis.work import Work, on
from jiayuan.contracts.envelope import Event

from ... import limits
from ...store import open311 as listed
from ..adapter import Adapter
from ..claims import ANYBODY
from . import api_keys, records, requests, updates
from .answers import refusal
from .places import load

PREFIX: Final = "/open311/"
REFUSALS: Final = {PREFIX: refusal, "/discovery.": refusal}
_V2: Final = requests.PATH
_FORM: Final = ".<any(xml,json):form>"
_READ: Final = limits.Limited("open311", "read")
_WRITE: Final = limits.Limited("open311", "write")
_MAX_POST: Final = 32 * 1024 * 1024  # photos; each has its own, smaller limit

ADAPTER: Final = Adapter(
    name="open311",
    title="Open311 GeoReport v2",
    channels=("open311",),
    ways=(
        f"GET /open311/discovery{_FORM}",
        f"GET {_V2}/services{_FORM}",
        f"POST {_V2}/requests{_FORM}",
        f"GET {_V2}/requests{_FORM}",
        f"GET {_V2}/tokens/<string:code>{_FORM}",
        f"GET {_V2}/servicerequestupdates{_FORM}",
        f"POST {_V2}/servicerequestupdates{_FORM}",
    ),
    roles=ANYBODY,
    trusts="to read, nobody; to post, an `api_key`, and what its client says of who sends; `service_code` is believed; "
    "a key updates only what it sent itself",
    key="none in the standard: the same content from the same key, device, account, e-mail, phone and name within ten "
    "minutes is the same report; an update is known by its `update_id` for `idempotency_days`",
    wrong="the standard's own errors, every mistake at once: 403 for keys only, 404 for what isn't there, else 400; "
    "below it 405, 413, 415, 429, 500 and 503 in the same form",
)


class Open311:
    """The entrypoints."""

    delivery: Any

    @http("GET", f"/discovery{_FORM}", before=_READ)
    def open311_discovery(self, call: Any, form: str) -> Any:
        """Where the endpoint is."""
        return requests.discovery(self.delivery, call, form)

    @http("GET", f"/open311/discovery{_FORM}", before=_READ)
    def open311_discovery_below(self, call: Any, form: str) -> Any:
        """The same; clients look for it at several places."""
        return requests.discovery(self.delivery, call, form)

    @http("GET", f"{_V2}/discovery{_FORM}", before=_READ)
    def open311_discovery_inside(self, call: Any, form: str) -> Any:
        """The same."""
        return requests.discovery(self.delivery, call, form)

    @http("GET", f"{_V2}/services{_FORM}", before=_READ)
    def open311_services(self, call: Any, form: str) -> Any:
        """What may be reported."""
        return requests.services(self.delivery, call, form)

    @http("GET", f"{_V2}/services/<string:code>{_FORM}", before=_READ)
    def open311_definition(self, call: Any, code: str, form: str) -> Any:
        """What a service asks for."""
        return requests.definition(self.delivery, call, code, form)

    @http("POST", f"{_V2}/requests{_FORM}", before=_WRITE, max_body=_MAX_POST)
    def open311_create(self, call: Any, form: str) -> Any:
        """A new request."""
        return requests.create(self.delivery, call, form)

    @http("GET", f"{_V2}/requests{_FORM}", before=_READ)
    def open311_list(self, call: Any, form: str) -> Any:
        """Requests."""
        return requests.listing(self.delivery, call, form)

    @http("GET", f"{_V2}/requests/<string:request>{_FORM}", before=_READ)
    def open311_single(self, call: Any, request: str, form: str) -> Any:
        """A request."""
        return requests.single(self.delivery, call, request, form)

    @http("GET", f"{_V2}/tokens/<string:code>{_FORM}", before=_READ)
    def open311_token(self, call: Any, code: str, form: str) -> Any:
        """The request behind a token."""
        return requests.token(self.delivery, call, code, form)

    @http("GET", f"{_V2}/servicerequestupdates{_FORM}", before=_READ)
    def open311_updates(self, call: Any, form: str) -> Any:
        """What happened to requests."""
        return updates.listing(self.delivery, call, form)

    @http("POST", f"{_V2}/servicerequestupdates{_FORM}", before=_WRITE, max_body=_MAX_POST)
    def open311_update(self, call: Any, form: str) -> Any:
        """What the sender of a request adds to it."""
        return updates.create(self.delivery, call, form)

    @every(seconds=3600.0, role="relay")
    def open311_forget_use(self) -> bool:
        """Forgets how often keys were used long ago; True while there is more."""
        with self.delivery.work() as work:
            return api_keys.forget(work) > 0


def check(setting: str) -> None:
    """StartError when the file of the setting `open311` can't be used."""
    try:
        load(setting)
    except (ValueError, OSError) as error:
        raise StartError(EXIT_CONFIG, f"the setting open311 is wrong: {error}") from None


# -- what is heard ---------------------------------------------------------------------------------------


def _wanted(event: Event) -> bool:
    """Only cases with a report that is listed cost a statement."""
    shown = _channels()
    return any(r["channel"] in shown for r in event.data["case"]["reports"])


def _channels() -> frozenset[str]:
    return _listed or load().channels


_listed: frozenset[str] = frozenset()


def use(setting: str) -> None:
    """Makes the setting's channels those whose cases are followed; StartError when it can't be used."""
    global _listed
    check(setting)
    _listed = load(setting).channels


def case_changed(work: Work, events: Sequence[Event]) -> None:
    """`case.*`: when a listed request changed last, and whether it is closed. What is older changes nothing."""
    shown = _channels()
    newest: dict[str, tuple[str, int, bool]] = {}
    for event in events:
        case = event.data["case"]
        if case["state"] == "merged":
            continue  # its reports go on in another case, which says how
        for one in case["reports"]:
            state = (event.data["change"]["at"], event.sequence, records.is_closed(case))
            if one["channel"] in shown and state > newest.get(one["id"], ("", 0, False)):
                newest[one["id"]] = state
    listed.change(
        work,
        [{"report": id_, "updated_at": at, "closed": closed} for id_, (at, _, closed) in newest.items()],
    )


HANDLERS: Final = [on("case.*", case_changed, wants=_wanted, repeatable=True)]
