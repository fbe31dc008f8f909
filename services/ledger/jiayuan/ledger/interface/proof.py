"""The proof: what is asked and what is answered."""

from __future__ import annotations

from typing import Final

from marshmallow import fields

from jiayuan.chassis.operation import Operation, Operations, at, many, told, whole
from jiayuan.chassis.operation import text as a_text

from ..api import proof

_NOTE: Final = "A signed note (C2SP signed-note) with a checkpoint (C2SP tlog-checkpoint)."
_HASHES: Final = {"description": "Nodes from below, each 64 hexadecimal digits."}

PublicKey = told("PublicKey", "A key that has signed: name+hash+base64.", key=a_text(), since=at())
PublicKeys = told("PublicKeys", "The public keys of the account's log.", keys=many(PublicKey))
Inclusion = told(
    "Inclusion",
    "Proves a posting to whoever has the public key; verify.py checks it.",
    format=a_text(),
    leaf=fields.Dict(required=True, metadata={"description": "See docs/ledger/proof.md."}),
    index=whole(),
    proof=fields.List(fields.String(), required=True, metadata=_HASHES),
    checkpoint=a_text(metadata={"description": _NOTE}),
)
Consistency = told(
    "Consistency",
    "Proves that the newer checkpoint's tree begins with all of the older one's.",
    format=a_text(),
    old=a_text(metadata={"description": _NOTE}),
    new=a_text(metadata={"description": _NOTE}),
    proof=fields.List(fields.String(), required=True, metadata=_HASHES),
)
PostingPlace = told("PostingPlace", "Which leaf a posting is.", number=whole(), tree=whole(), index=whole())
Places = told(
    "Places", "Which leaves the postings of an entry are.", entry=a_text(), postings=many(PostingPlace)
)

OPERATIONS: Final[Operations] = {
    ("GET", "/proof/checkpoint"): Operation(
        "proof",
        {200: {"text/plain": {"schema": {"type": "string"}}}},
        query=proof.CheckpointQuery,
        refuses=(404,),
        described=_NOTE,
    ),
    ("GET", "/proof/keys"): Operation("proof", {200: PublicKeys}),
    ("GET", "/proof/inclusion"): Operation(
        "proof", {200: Inclusion}, query=proof.InclusionQuery, refuses=(404, 409)
    ),
    ("GET", "/proof/consistency"): Operation(
        "proof", {200: Consistency}, query=proof.ConsistencyQuery, refuses=(404,)
    ),
    ("GET", "/proof/entries/<string:entry>"): Operation("proof", {200: Places}, refuses=(404,)),
}
