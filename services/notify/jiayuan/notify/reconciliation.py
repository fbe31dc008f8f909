"""Our calls of a day beside a provider's own list of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from .providers.base import Listed, ListedState

Kind = Literal["missing", "extra", "state"]


@dataclass(frozen=True, slots=True)
class Call:
    """A call of ours: `outcome` of it (accepted, delivered, unknown), `state` after all receipts that we had."""

    request_id: str
    provider_ref: str | None
    notice_id: str
    outcome: str
    state: str


@dataclass(frozen=True, slots=True)
class Difference:
    """missing: we had an answer that it was taken, and they don't list it. extra: they list what we never sent.
    state: both have it, and say something else of it. `key`: our request id; of an extra one, theirs of any kind."""

    kind: Kind
    key: str
    notice_id: str | None
    ours: str | None
    theirs: ListedState | None


def compare(calls: Sequence[Call], listed: Iterable[Listed], *, unfinished: bool) -> list[Difference]:
    """Differences of some calls and what the provider lists of the same numbers; extra ones are what matches no call.

    `unfinished`: the provider also lists what it has no receipt of yet. Where it doesn't, only what we know the end of
    can be missing.
    """
    by_request = {call.request_id: call for call in calls}
    by_ref = {call.provider_ref: call for call in calls if call.provider_ref}
    found: dict[str, Listed] = {}
    out = []
    for one in listed:
        call = by_request.get(one.request_id or "") or by_ref.get(one.provider_ref or "")
        if call is not None:
            # The same message may be there twice, once without its end.
            if call.request_id not in found or one.state != "accepted":
                found[call.request_id] = one
        elif key := one.request_id or one.provider_ref:
            out.append(Difference("extra", key[:128], None, None, one.state))
    for call in calls:
        theirs = found.get(call.request_id)
        if theirs is None:
            # A lost answer may as well mean that they never had it: that is what asking is for.
            if call.outcome != "unknown" and (unfinished or call.state != "accepted"):
                out.append(Difference("missing", call.request_id, call.notice_id, call.state, None))
        elif theirs.state not in ("accepted", call.state):
            out.append(Difference("state", call.request_id, call.notice_id, call.state, theirs.state))
    return list(dict.fromkeys(out))
