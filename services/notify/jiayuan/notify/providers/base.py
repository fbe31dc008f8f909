"""What a provider is. It knows nothing of notices, and holds no database transaction of ours during a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, Protocol, runtime_checkable

from jiayuan.notify.states import Outcome

Channel = Literal["sms", "mini_program", "webhook"]
ReceiptKind = Literal["delivered", "undelivered"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `request_id` is our key for it at the provider: the same one never sends twice.

    `to` is the address (a phone, an openid), which is never logged or stored; `recipient` is the pseudonym.
    `template` is our template's name, or an id that the provider has approved, with `parameters` in the order of the
    text (in the mini-program: WeChat's fields); `version` and `variant` say which of its texts it is. `text` is what
    a person would read, for providers that take whole texts. `page` opens in the mini-program.
    """

    request_id: str
    recipient: str
    channel: str
    to: str = field(repr=False)
    text: str = ""
    template: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    sign: str = ""
    version: int = 0
    variant: str = ""
    page: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose answer was lost: when it was sent and, where known, the provider's own id of it."""

    request_id: str
    provider_ref: str | None = None
    to: str = field(default="", repr=False)
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a provider says of a message afterwards. One of `request_id` and `provider_ref` says which.

    `kind` is final in itself; `receipts.merge` says what follows from several. `at`: when it happened, as the
    provider says. `code`: its delivery code. `unsubscribed`: it wasn't delivered because the person has unsubscribed
    there (退订).
    """

    kind: ReceiptKind
    request_id: str | None = None
    provider_ref: str | None = None
    at: datetime | None = None
    code: str | None = None
    unsubscribed: bool = False


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person of the mini-program decided about a template: each `accept` allows one message."""

    openid: str = field(repr=False)
    template: str
    status: Literal["accept", "reject"]
    at: datetime


@dataclass(frozen=True, slots=True)
class Heard:
    """What a callback brought and what the provider wants to hear."""

    receipts: Sequence[Receipt] = ()
    consents: Sequence[Consent] = ()
    status: int = 200
    body: bytes = b""
    content_type: str = "application/json; charset=utf-8"


class Provider(Protocol):
    """A way to send. `send` and `query` answer in the order of what they were given and never raise for one item."""

    name: str
    channel: Channel
    batch: int
    """How many messages one call of `send` or `query` takes at most."""
    concurrency: int
    """How many calls it makes at a time."""
    longest: float
    """How many seconds `send` or `query` of one message takes at most."""

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Send; blocks until every outcome is known or timed out."""
        ...

    def query(self, requests: Sequence[Asked]) -> list[Outcome]:
        """What became of earlier requests: accepted, delivered, refused, not_found, or still unknown."""
        ...

    def pull(self) -> list[Receipt]:
        """Receipts that the provider keeps for us until we ask; [] where it has no such thing."""
        ...

    def receipts(self, body: bytes, query: Mapping[str, str], /) -> Heard:
        """A callback's body and query string. ValueError for what this provider can't have sent."""
        ...


class NoReceipts:
    """For providers that tell nothing afterwards."""

    def pull(self) -> list[Receipt]:
        """Nothing is kept for us."""
        return []

    def receipts(self, _body: bytes, _query: Mapping[str, str], /) -> Heard:
        """No callback of this provider is known."""
        raise ValueError("this provider sends no receipts")


ListedState = Literal["accepted", "delivered", "undelivered"]


@dataclass(frozen=True, slots=True)
class Listed:
    """A message in a provider's own list. One of `request_id` and `provider_ref` says which."""

    request_id: str | None
    provider_ref: str | None
    state: ListedState


@runtime_checkable
class Lists(Protocol):
    """A provider that tells what it sent to some numbers on a day."""

    lists_unfinished: bool
    """Whether it lists what it has no receipt of yet."""

    def listed(self, day: date, numbers: Sequence[str]) -> list[Listed] | None:
        """All that it says it sent to these numbers on a day of China; None when it can't tell all of it now."""
        ...
