"""The proof, for everybody: checkpoints, keys, that a posting is in, that the tree only grew. Nothing is secret."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import fields
from werkzeug.wrappers import Response

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import http
from jiayuan.chassis.web import Call
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.schemas.common import Demand, a_number, said
from jiayuan.contracts.times import iso

from .. import proving
from ..store import trees
from ..store.trees import Signed
from ..verify import STEPS
from .common import uuid_of

_MOST: Final = 2**31 - 1


class CheckpointQuery(Demand):
    """Which checkpoint."""

    number = said(a_number(1, _MOST), "The checkpoint's number; the newest when absent.")


class InclusionQuery(Demand):
    """Which posting."""

    entry = said(fields.UUID(required=True), "The id of an entry, or of a document.")
    number = said(a_number(0, _MOST, required=True), "The number of the posting, from 1 on; 0: a document.")


class ConsistencyQuery(Demand):
    """Between which checkpoints."""

    old = said(a_number(1, _MOST, required=True), "The number of the older checkpoint.")
    new = said(a_number(1, _MOST), "The number of the newer one; the newest when absent.")


class Proofs:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/proof/checkpoint")
    def checkpoint(self, call: Call) -> Any:
        """A checkpoint as the signed note that it is."""
        query = call.query(CheckpointQuery)
        with self.delivery.work() as work:
            found = the_checkpoint(work, query.get("number"))
        return Response(found.note, content_type="text/plain; charset=utf-8")

    @http("GET", "/proof/keys")
    def proof_keys(self, _call: Call) -> Any:
        """The public keys that have signed."""
        with self.delivery.work() as work:
            return keys(work)

    @http("GET", "/proof/inclusion")
    def inclusion(self, call: Call) -> Any:
        """Proves that a posting is in the account."""
        query = call.query(InclusionQuery)
        with self.delivery.work() as work:
            return proving.proof_document(work, str(query["entry"]), query["number"])

    @http("GET", "/proof/consistency")
    def consistency(self, call: Call) -> Any:
        """Proves that the account only grew between two checkpoints."""
        query = call.query(ConsistencyQuery)
        with self.delivery.work() as work:
            before, after = the_checkpoint(work, query["old"]), the_checkpoint(work, query.get("new"))
            return steps(work, before, after)

    @http("GET", "/proof/entries/<string:entry>")
    def places(self, _call: Call, entry: str) -> Any:
        """Which leaves the postings of an entry are."""
        with self.delivery.work() as work:
            return places(work, entry)


def keys(work: Work) -> dict[str, Any]:
    """The public keys, each since when."""
    return {"keys": [{"key": key, "since": iso(since)} for key, since in trees.keys(work)]}


def the_checkpoint(work: Work, number: int | None) -> Signed:
    """A checkpoint by its number, or the newest. Problem 404."""
    found = trees.last_checkpoint(work) if number is None else trees.get_checkpoint(work, number)
    if found is None:
        last = trees.last_checkpoint(work)
        why = f"number: is {number} (allowed: 1 to {last.number})" if last else "nothing was signed yet"
        raise Problem(404, "There is no such checkpoint", why)
    return found


def steps(work: Work, before: Signed, after: Signed) -> dict[str, Any]:
    """The document that proves one checkpoint to continue another. Problem 422 when they are of two trees."""
    of = trees.get_tree(work, before.tree)
    if of is None or before.tree != after.tree or before.size > after.size:
        problem = f"is {after.size} leaves of tree {after.tree}, old {before.size} of {before.tree}"
        allowed = "a later checkpoint of the same tree"
        raise Problem(422, "The query is not usable", problems=[FieldProblem("new", problem, allowed)])
    proof = proving.consistency(work, of, before.size, after.size)
    return {
        "format": STEPS,
        "old": before.note,
        "new": after.note,
        "proof": [node.hex() for node in proof],
    }


def places(work: Work, entry: str) -> dict[str, Any]:
    """Tree and index of each posting of an entry that is in by now. Problem 404 when none is."""
    known = uuid_of(entry)
    found = trees.places_of(work, known) if known else []
    if not found:
        raise Problem(404, "Nothing of it is in the tree")
    return {
        "entry": known,
        "postings": [{"number": p.number, "tree": p.tree, "index": p.index} for p in found],
    }
