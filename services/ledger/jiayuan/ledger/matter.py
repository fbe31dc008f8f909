"""Is my matter in it? From a tracking code to the entry's line in a publication, and the proof of its postings.

Intake says whose report a code is of; nothing of the code is kept or logged here.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso

from . import lineage, proving, publishing
from .proving import PROOF
from .publication import Name
from .store import leaves, publications, trees

MOST_POSTINGS: Final = 50
"""Of an entry with more, the first and the newest ones are proven here; the others by `GET /proof/inclusion`."""


def about(found: Any) -> dict[str, Any]:
    """What a publication is, without its entries."""
    name = Name(found.year, found.street, found.number)
    return {
        "name": str(name),
        "year": found.year,
        "street": found.street or None,
        "number": found.number,
        "at": iso(found.at),
        "entries": found.entries,
        "files": found.files,
        "checkpoint": found.checkpoint,
    }


def matters(work: Work, found: Any, report: str, case: str | None) -> list[dict[str, Any]]:
    """The entries of a publication's year (and street) that a report has led to: of its case, and of problems that the
    lines behind it went into. Each with its line as it was published (None: it came later) and its proof."""
    known: dict[str, dict[str, Any]] = {}
    for by, value in (("case", case), ("report", report)):
        if value is not None:
            known |= {e["id"]: e for e in lineage.of(work, by, value)["entries"]}
    return [
        _matter(work, found, e["id"])
        for e in known.values()
        if e["year"] == found.year and found.street in ("", e["street"])
    ]


def _matter(work: Work, found: Any, entry: str) -> dict[str, Any]:
    line = publishing.line_of(work, found, entry)
    proofs = proofs_of(work, found, entry) if line is not None else []
    return {"entry": entry, "published": line, "proofs": proofs}


def proofs_of(work: Work, found: Any, id_: str) -> list[dict[str, Any]]:
    """Proofs that postings (or a document) are in the account, all against the checkpoint of a publication."""
    signed = trees.get_checkpoint(work, found.checkpoint)
    of = trees.get_tree(work, signed.tree) if signed is not None else None
    assert signed is not None
    assert of is not None
    places = [p for p in trees.places_of(work, id_) if p.tree == of.id and p.index < signed.size]
    if len(places) > MOST_POSTINGS:
        places = [places[0], *places[1 - MOST_POSTINGS :]]
    stored = leaves.leaves_of(work, [(id_, p.number) for p in places])
    return [
        {
            "format": PROOF,
            "leaf": orjson.loads(stored[id_, p.number]),
            "index": p.index,
            "proof": [node.hex() for node in proving.inclusion(work, of, p.index, signed.size)],
            "checkpoint": signed.note,
        }
        for p in places
    ]


def publication_proof(work: Work, found: Any) -> dict[str, Any]:
    """The proof that the digests of a publication's files are in the account that its checkpoint signs."""
    (proof,) = proofs_of(work, found, found.leaf)
    return proof


def find(work: Work, name: Name) -> Any:
    """A publication by its name, or None."""
    return publications.find(work, name.year, name.street, name.number)
