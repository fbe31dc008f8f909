"""`/u/<code>`: a page where a citizen says by the tracking code what he does not wish to be told (退订).

The code is the proof, as for asking how a report stands. The page works without scripts and on old phones. Looking
changes nothing, so that a mail program that follows links refuses nothing for anybody.
"""

from __future__ import annotations

from typing import Any, Final

from jiayuan.chassis.limits import Limit
from jiayuan.chassis.pages import answer, words_for
from jiayuan.chassis.service import http
from jiayuan.chassis.web import Call
from jiayuan.chassis.work import Work

from .. import preferences, store, wishing
from ..pages import unsubscribe as page
from ..preferences import ALL, Wishes
from .preferences import WishesBody

# A code is one of a billion. Only wrong ones count: behind one address is a whole village.
WRONG_CODES: Final = Limit("wrong-codes", most=20, seconds=3600)
_PRIVATE: Final = {"Cache-Control": "no-store"}


class Unsubscribing:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/u/<string(maxlength=40):code>")
    def unsubscribe_page(self, call: Call, code: str) -> Any:
        """The page: what is told, and what of it may be refused."""
        words = words_for("notify", call)
        with self.delivery.work() as work:
            ref = _citizen(work, call, code)
            if ref is None:
                return answer(page.unknown(words), status=404)
            return answer(page.form(words, wishing.show(work, "citizen", ref)))

    @http("POST", "/u/<string(maxlength=40):code>")
    def unsubscribe(self, call: Call, code: str) -> Any:
        """Keeps what the page's form says."""
        fields, words = call.form_body().fields, words_for("notify", call)
        with self.delivery.work() as work:
            ref = _citizen(work, call, code)
            if ref is None:
                return answer(page.unknown(words), status=404)
            now = Wishes.of((store.wishes(work, "citizen", ref) or {}).get("preferences"))
            said = wishing.change(work, "citizen", ref, _wishes(fields, now), "page")
            return answer(page.done(words, said))

    @http("GET", "/preferences/code/<string(maxlength=40):code>")
    def preferences_by_code(self, call: Call, code: str) -> Any:
        """What the reporter of a report wishes to be told; the tracking code is the proof."""
        with self.delivery.work() as work:
            return 200, wishing.show(work, "citizen", _known(work, call, code)), _PRIVATE

    @http("PUT", "/preferences/code/<string(maxlength=40):code>")
    def change_preferences_by_code(self, call: Call, code: str) -> Any:
        """What the reporter of a report wishes from now on; the tracking code is the proof."""
        wishes = wishing.checked(preferences.bundled(), "citizen", call.json_body(WishesBody))
        with self.delivery.work() as work:
            ref = _known(work, call, code)
            return 200, wishing.change(work, "citizen", ref, wishes, "code"), _PRIVATE


def _citizen(work: Work, call: Call, code: str) -> str | None:
    """The citizen of a tracking code; Problem 429 for an address that has tried too many wrong ones."""
    WRONG_CODES.ask(call)
    ref = store.of_code(work, code.strip().upper())
    if ref is None:
        WRONG_CODES.count(call)
    return ref


def _known(work: Work, call: Call, code: str) -> str:
    ref = _citizen(work, call, code)
    if ref is None:
        raise wishing.unknown()
    return ref


def _wishes(fields: list[tuple[str, str]], now: Wishes) -> Wishes:
    """The wishes of the page's form: `do` is stop (refuse all), all (nothing refused) or save (all but each `keep`)."""
    said = dict(fields)
    if said.get("do") == "stop":
        return Wishes(frozenset({ALL}), now.unwanted, now.quiet)
    if said.get("do") == "all":
        return Wishes(frozenset(), now.own, now.quiet)
    may = preferences.bundled().refusable("citizen")
    asked: dict[str, Any] = {
        "refused": sorted(set(may) - {value for name, value in fields if name == "keep"}),
        "unwanted": sorted(now.unwanted),
    }
    if said.get("from") and said.get("until"):
        asked["quiet"] = page.hours(said["from"], said["until"])
    return wishing.checked(preferences.bundled(), "citizen", asked)
