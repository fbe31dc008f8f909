"""What is published, for everybody: accounts with their files and proofs, "is my matter in it?", and the pages.

Nobody needs a token to read, and nothing tells a person. Whoever asks by a tracking code gets the same form of answer
after the same time, whatever there is; an address may ask so often (`Limit`).
"""

from __future__ import annotations

import tempfile
import time
from importlib import resources
from typing import Any, Final

from werkzeug.wrappers import Response

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.limits import Limit
from jiayuan.chassis.pages import answer, words_for
from jiayuan.chassis.service import http
from jiayuan.chassis.web import Call
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.schemas.common import Demand, a_code, a_text
from jiayuan.contracts.times import iso

from .. import matter, neighbours, pages, publishing
from ..publication import Name, name_of
from ..reports import BY
from ..sheeting import TYPES
from ..store import publications, trees
from .closings import SEES
from .common import period_of, pieces, year_of
from .reports import REPORTS, report_of

PUBLISHERS: Final = ("county",)
# Fifty bits can't be tried out; whoever tries is slowed down all the same.
CODES: Final = Limit("codes", most=10, seconds=60)
FILES_READ: Final = Limit("files", most=60, seconds=60)
PAGES_READ: Final = Limit("pages", most=120, seconds=60)
ANSWER_SECONDS: Final = 0.4
_DAY: Final = 86_400
_FOREVER: Final = "public, max-age=31536000, immutable"


class PublicationBody(Demand):
    """Whose account is to be published."""

    street = a_code()


class CodeBody(Demand):
    """Whose matter."""

    code = a_text(40, required=True, least=4)


class Public:
    """The entrypoints."""

    delivery: Any

    @http("POST", "/accounts/<int:year>/publications", roles=PUBLISHERS)
    def order_publication(self, call: Call, year: int) -> Any:
        """公布: orders the account of a year to be published, of the county or of a street."""
        who, body = call.need(*PUBLISHERS), call.json_body(PublicationBody)
        street = body.get("street") or ""
        names = neighbours.names(neighbours.addresses(self.delivery.settings))
        with self.delivery.work() as work:
            id_ = publishing.order(work, year_of(year), street, who.subject, names)
        return 202, {"id": id_, "name": str(Name(year, street)), "state": "ordered"}

    @http("GET", "/accounts/<int:year>/publications", roles=SEES)
    def publications(self, _call: Call, year: int) -> Any:
        """What was ordered to be published of a year, and what has been."""
        with self.delivery.work() as work:
            return {"publications": [_order(o) for o in publications.orders(work, year_of(year))]}

    @http("GET", "/public/accounts", before=PAGES_READ)
    def public_accounts(self, _call: Call) -> Any:
        """The newest publication of each year and street."""
        with self.delivery.work() as work:
            return {"accounts": [matter.about(p) for p in publications.newest(work)]}

    @http("GET", "/public/accounts/<string:name>", before=PAGES_READ)
    def public_account(self, call: Call, name: str) -> Any:
        """The page of an account; `?lang=en`."""
        with self.delivery.work() as work:
            found = _found(work, name)
        words = words_for("ledger", call)
        page = pages.account(words, _name(found), found.document, found.files, found.entries)
        return answer(page, cache=60)

    @http("GET", "/public/accounts/<string:name>/file/<any(json,csv,xlsx):form>", before=FILES_READ)
    def public_file(self, call: Call, name: str, form: str) -> Any:
        """The account as it was published: JSON, CSV or XLSX."""
        file = tempfile.SpooledTemporaryFile(1 << 20)  # noqa: SIM115  read after this, by the answer
        with self.delivery.work() as work:
            found = _found(work, name)
            tag = f'"{found.files[form]["digest"]}"'
            headers = {"ETag": tag, "Cache-Control": _cache(name)}
            if call.headers.get("If-None-Match") == tag:
                return Response(status=304, headers=headers)
            publishing.written(work, found, form, file)
        headers["Content-Disposition"] = f'attachment; filename="account-{_name(found)}.{form}"'
        headers["Content-Length"] = str(found.files[form]["bytes"])
        return Response(pieces(file), headers=headers, content_type=TYPES[form])

    @http("GET", "/public/accounts/<string:name>/checkpoint", before=PAGES_READ)
    def public_checkpoint(self, _call: Call, name: str) -> Any:
        """The signed checkpoint that a publication is proven against."""
        with self.delivery.work() as work:
            signed = trees.get_checkpoint(work, _found(work, name).checkpoint)
        assert signed is not None
        headers = {"Cache-Control": _cache(name)}
        return Response(signed.note, headers=headers, content_type="text/plain; charset=utf-8")

    @http("GET", "/public/accounts/<string:name>/proof", before=PAGES_READ)
    def public_proof(self, _call: Call, name: str) -> Any:
        """Proves that the digests of the files are in the signed account; verify.py checks it."""
        with self.delivery.work() as work:
            document = matter.publication_proof(work, _found(work, name))
        return 200, document, {"Cache-Control": _cache(name)}

    @http("POST", "/public/accounts/<string:name>/matters", before=CODES)
    def public_matters(self, call: Call, name: str) -> Any:
        """Is my matter in it? By tracking code, with the proof of its postings."""
        started = time.monotonic()
        body = call.json_body(CodeBody)
        try:
            found, matters, _ = looked(self.delivery, name, body["code"])
        except neighbours.Away:
            raise Problem(503, "Not available right now", "ask again in a few minutes") from None
        finally:
            _even(started)
        return {"account": matter.about(found), "matters": matters}

    @http("POST", "/public/accounts/<string:name>/mine", before=CODES)
    def public_mine(self, call: Call, name: str) -> Any:
        """Is my matter in it? The same, for the page."""
        started, words = time.monotonic(), words_for("ledger", call)
        code = dict(call.form_body().fields).get("code", "")
        if not 4 <= len(code) <= 40 or "\x00" in code:
            raise Problem(
                422,
                "The body breaks the schema",
                problems=[FieldProblem("code", "is none", "4 to 40 characters")],
            )
        status = 200
        try:
            found, matters, keys = looked(self.delivery, name, code)
        except neighbours.Away:
            with self.delivery.work() as work:
                found, matters, keys, status = _found(work, name), None, [], 503
        _even(started)
        heading = pages.title(words, found.document)
        return answer(pages.mine(words, heading, name, matters, keys), status=status, scripts=True)

    @http("GET", "/public/reports/<string:period>/page", before=REPORTS)
    def report_page(self, call: Call, period: str) -> Any:
        """The page of a report; `?lang=en`."""
        words, of = words_for("ledger", call), period_of(period)
        by, street = call.args.get("by") or "street", call.args.get("street") or None
        if by not in BY or (street is not None and len(street) > 64):
            raise Problem(
                422,
                "The query breaks the schema",
                problems=[FieldProblem("by", f"is {by!r:.40}", ", ".join(BY))],
            )
        document = report_of(self.delivery, of, {"by": by, "street": street})
        with self.delivery.work() as work:
            known = publications.find(work, of.year, "", None)
        names = known.document["names"].get(by, {}) if known is not None else {}
        return answer(pages.report(words, of, document, names), cache=60)

    @http("GET", "/public/verify.js", before=PAGES_READ)
    def verify_script(self, _call: Call) -> Any:
        """The script by which a browser checks proofs."""
        return _bundled("verify.js", "text/javascript; charset=utf-8")

    @http("GET", "/public/account.schema.json", before=PAGES_READ)
    def account_schema(self, _call: Call) -> Any:
        """The JSON Schema of a public account."""
        return _bundled("account.schema.json", "application/schema+json")


def looked(delivery: Any, name: str, code: str) -> tuple[Any, list[dict[str, Any]], list[str]]:
    """A publication, the matters in it that a tracking code leads to, and the public keys. Problem 404, Away."""
    with delivery.work() as work:
        found = _found(work, name)
    whose = neighbours.report_of(neighbours.addresses(delivery.settings), code)
    with delivery.work() as work:
        matters = matter.matters(work, found, *whose) if whose is not None else []
        return found, matters, [key for key, _ in trees.keys(work)]


def _even(started: float) -> None:
    """Answers no earlier than ANSWER_SECONDS after the question, so that time doesn't tell what there is."""
    time.sleep(max(0.0, started + ANSWER_SECONDS - time.monotonic()))


def _found(work: Any, name: str) -> Any:
    try:
        found = matter.find(work, name_of(name))
    except ValueError as error:
        raise Problem(404, "There is no such account", str(error)) from None
    if found is None:
        raise Problem(404, "There is no such account", "nothing of this year and street was published")
    return found


def _name(found: Any) -> str:
    return str(Name(found.year, found.street, found.number))


def _cache(name: str) -> str:
    # With its number it is the same for ever; without, the newest.
    return _FOREVER if name_of(name).number else "public, max-age=60"


def _bundled(name: str, content_type: str) -> Response:
    data = resources.files("jiayuan.ledger").joinpath("data/public", name).read_bytes()
    return Response(data, headers={"Cache-Control": f"public, max-age={_DAY}"}, content_type=content_type)


def _order(o: Any) -> dict[str, Any]:
    done = o.number is not None
    return {
        "id": o.id,
        "name": str(Name(o.year, o.street, o.number)),
        "state": "published" if done else "ordered",
        "street": o.street or None,
        "ordered_at": iso(o.ordered_at),
        "ordered_by": o.ordered_by,
        "published_at": iso(o.at) if done else None,
        "files": o.files,
    }
