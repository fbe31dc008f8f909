"""The tree grows, is signed, and gives proofs: one transaction each.

Whoever holds the tree's lock is the sequencer; any replica may be. A posting waits in its own transaction's row until
then, so nothing that commits late is passed over, and what a killed sequencer took comes back with its rollback.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Protocol
from uuid import UUID

import orjson
from prometheus_client import Gauge

from jiayuan.chassis.config import Settings
from jiayuan.chassis.errors import EXIT_CONFIG, Problem, StartError
from jiayuan.chassis.work import Work

from . import checkpoint as checkpoints
from . import tree
from .checkpoint import Macs, Signer, origin_of
from .store import leaves, trees
from .store.trees import Signed, State, Tree, Waiting
from .verify import HASHES, Invalid, leaf_hash

log = logging.getLogger("jiayuan.ledger")

_LEDGER: Final = "ledger"
WAITING: Final = Gauge("jiayuan_ledger_waiting_leaves", "Postings that are not in the tree yet", ["service"])
LEAVES: Final = Gauge("jiayuan_ledger_leaves", "Leaves of the tree that grows", ["service"])
UNSIGNED: Final = Gauge(
    "jiayuan_ledger_unsigned_seconds",
    "Age of the newest checkpoint while there are leaves after it",
    ["service"],
)

_UNIQUE: Final = "23505"
AT_ONCE: Final = 5000
"""Leaves that are appended in one transaction, about: a tenth of a second under the lock."""
PROOF: Final = "jiayuan-ledger-proof/1"
INTERVAL: Final = "interval"


@dataclass(frozen=True)
class ProofSettings(Settings):
    """`signing_key`: signs checkpoints, see `jiayuan ledger key new`; only processes with the role `clock` need it.
    `tree_hash`: the algorithm of the first tree, sha256 or sm3. `checkpoint_interval`: seconds of the wall clock from
    a checkpoint to the next one, while there are new postings."""

    signing_key: str = field(default="", repr=False)
    tree_hash: str = "sha256"
    checkpoint_interval: float = 60.0


class Transactions(Protocol):
    """What opens a unit of work."""

    @property
    def settings(self) -> Settings:
        """The process's settings."""
        ...

    def work(self) -> AbstractContextManager[Work]:
        """A transaction: commits at the end of the block."""
        ...


def signer_of(settings: ProofSettings) -> Signer:
    """The key of the settings; StartError 3 when there is none, or it isn't one."""
    if settings.tree_hash not in HASHES:
        raise StartError(EXIT_CONFIG, f"tree_hash is {settings.tree_hash!r:.40}: {' or '.join(HASHES)}")
    if not settings.signing_key:
        raise StartError(
            EXIT_CONFIG,
            "signing_key is missing: make one with `jiayuan ledger key new NAME FILE` and set "
            "JIAYUAN_LEDGER_SIGNING_KEY_FILE",
        )
    try:
        return _parsed(settings.signing_key)
    except Invalid as error:
        raise StartError(EXIT_CONFIG, str(error)) from None


@lru_cache(maxsize=4)
def _parsed(text: str) -> Signer:
    return Signer.parse(text)


# -- growing ---------------------------------------------------------------------------------------------


def append(
    work: Work, signer: Signer, hash_id: str = "sha256", most: int = AT_ONCE, *, again: bool = False
) -> int:
    """Puts about `most` waiting leaves into the tree; how many it were. The transaction holds the tree's lock.

    `hash_id`: of the first tree, when there is none yet. `again`: look for leaves that are in a tree already, and leave
    them out; the ledger puts each once, but somebody who helps by hand may not.
    """
    into = trees.get_tree(work) or _begin(work, signer, hash_id)
    waiting: Sequence[Waiting] = trees.take_waiting(work, most)
    if again:
        waiting = trees.without_known(work, waiting)
    return _append(work, into, waiting, signer.macs()) if waiting else 0


def _begin(work: Work, signer: Signer, hash_id: str, id_: int = 1) -> Tree:
    begun = trees.add_tree(work, id_, hash_id, origin_of(signer.name, id_))
    leaves.refresh(work)
    return begun


def _append(work: Work, into: Tree, waiting: Sequence[Waiting], macs: Macs) -> int:
    known = _computed(work, waiting, into.hash_id)
    started = dict(tree.started(into.size, into.size + len(known)))
    begun = trees.read_tiles(work, into, list(started))
    hashes = [w.hash for w in known]
    full = list(tree.grow(into.size, hashes, begun, into.hash_id))
    marks = [macs.mark(into.id, into.size + n, w.id, w.number, w.hash) for n, w in enumerate(known)]
    trees.add_leaves(work, into, known, marks)
    trees.add_tiles(work, into.id, full)
    return len(known)


def _computed(work: Work, waiting: Sequence[Waiting], hash_id: str) -> Sequence[Waiting]:
    """The leaves with hashes of the tree's algorithm: those of another one, or of none, from what is stored."""
    other = [(str(UUID(bytes=w.id)), w.number) for w in waiting if w.hash_id != hash_id]
    if not other:
        return waiting
    stored = leaves.leaves_of(work, other)
    out = []
    for w in waiting:
        if w.hash_id != hash_id:
            id_ = str(UUID(bytes=w.id))
            leaf = stored.get((id_, w.number))
            if leaf is None:
                # Nobody of ours deletes it; `verify` names the gap in its entry. It must not hold up the others.
                log.error("a posting that waited is gone", extra={"entry": id_, "number": w.number})
                continue
            w = w._replace(hash=leaf_hash(leaf, hash_id), hash_id=hash_id)
        out.append(w)
    return out


def sign(work: Work, signer: Signer, why: str) -> Signed:
    """Signs the tree as it is. The transaction holds the tree's lock; there is a tree."""
    of = trees.get_tree(work)
    assert of is not None
    return _sign(work, signer, of, why)


def _sign(work: Work, signer: Signer, of: Tree, why: str) -> Signed:
    last = trees.last_checkpoint(work)
    number = last.number + 1 if last else 1
    root = tree.root(of.size, lambda tiles: trees.read_tiles(work, of, tiles), of.hash_id)
    made = checkpoints.checkpoint(of.origin, of.size, root, of.hash_id, number, work.now)
    signed = Signed(number, of.id, of.size, root, signer.sign(made), work.now, why)
    trees.add_checkpoint(work, signed)
    trees.add_key(work, str(signer.key))
    log.info("checkpoint", extra={"number": number, "tree": of.id, "size": of.size, "why": why})
    return signed


def publish(work: Work, signer: Signer, why: str, hash_id: str = "sha256") -> Signed:
    """Appends everything that waits, also what this transaction has put, and signs: for what is published with a
    checkpoint. Waits for the sequencer. `why` is what is published, as in "account 2026"."""
    if why == INTERVAL or not why:
        raise ValueError("why says what is published")
    trees.lock(work)
    while append(work, signer, hash_id) >= AT_ONCE:
        pass
    return sign(work, signer, why)


def turn(work: Work, signer: Signer, settings: ProofSettings, *, again: bool = False) -> bool:
    """One turn of the sequencer: appends what waits, signs when it is time; True when there is more to append.

    SQLSTATE 23505 when a leaf is in a tree already: then `again`, see `append`.
    """
    found = trees.state(work)
    if not found.waiting and not _is_due(work, found, settings):
        return False
    if not trees.try_lock(work):
        return False
    appended = append(work, signer, settings.tree_hash, again=again)
    if appended >= AT_ONCE:
        return True
    now = trees.state(work)
    if _is_due(work, now, settings):
        sign(work, signer, INTERVAL)
    return False


def grow(delivery: Transactions) -> bool:
    """A turn in a transaction of its own; once more with more care when a leaf is in a tree already."""
    settings = delivery.settings
    assert isinstance(settings, ProofSettings)
    signer = signer_of(settings)
    try:
        with delivery.work() as work:
            return turn(work, signer, settings)
    except Exception as error:
        if getattr(error, "pgcode", None) != _UNIQUE:
            raise
        log.warning("a leaf was put twice", extra={"why": str(error).partition("\n")[2].strip()[:200]})
    with delivery.work() as work:
        return turn(work, signer, settings, again=True)


def _is_due(work: Work, found: State, settings: ProofSettings) -> bool:
    if found.tree is None or found.tree.size <= found.signed:
        return False
    if found.signed_at is None:
        return True
    passed = (work.now - found.signed_at).total_seconds() / settings.clock_speed
    return passed >= settings.checkpoint_interval or passed < 0


def change_hash(work: Work, signer: Signer, hash_id: str) -> Tree:
    """Ends the tree and begins another one with another algorithm; its first leaf names the last checkpoint of the old
    one. `Invalid` when the tree has that algorithm."""
    trees.lock(work)
    while append(work, signer) >= AT_ONCE:
        pass
    old = trees.get_tree(work)
    assert old is not None
    if old.hash_id == hash_id:
        raise Invalid(f"the tree's algorithm is {hash_id}")
    last = _sign(work, signer, old, f"end of tree {old.id}")
    new = _begin(work, signer, hash_id, old.id + 1)
    leaves.put(
        work, [{"leaf": "tree/1", "tree": new.id, "previous": {"tree": old.id, "checkpoint": last.note}}]
    )
    append(work, signer)
    return new


def measure(work: Work) -> None:
    """Sets the gauges: what waits, what there is, and how long ago it was signed while there is more to sign."""
    WAITING.labels(_LEDGER).set(trees.backlog(work))
    found = trees.state(work)
    size = found.tree.size if found.tree else 0
    LEAVES.labels(_LEDGER).set(size)
    age = (work.now - found.signed_at).total_seconds() if found.signed_at and size > found.signed else 0.0
    UNSIGNED.labels(_LEDGER).set(age)


# -- proofs ----------------------------------------------------------------------------------------------


def inclusion(work: Work, of: Tree, index: int, size: int) -> list[bytes]:
    """The proof that a leaf is in the tree when it had `size` leaves."""
    return tree.inclusion(index, size, lambda tiles: trees.read_tiles(work, of, tiles), of.hash_id)


def consistency(work: Work, of: Tree, old: int, new: int) -> list[bytes]:
    """The proof that the tree of `new` leaves begins with that of `old`."""
    return tree.consistency(old, new, lambda tiles: trees.read_tiles(work, of, tiles), of.hash_id)


def proof_document(work: Work, entry: str, number: int) -> dict[str, Any]:
    """What proves a posting (number 0: a document) to whoever has the key: leaf, index, proof, checkpoint.

    Problem 404 when there is no such posting, 409 while no checkpoint covers it.
    """
    place = next((p for p in trees.places_of(work, entry) if p.number == number), None)
    stored = leaves.leaves_of(work, [(entry, number)])
    if place is None:
        if not stored:
            raise Problem(404, "There is no such posting")
        raise Problem(409, "Not in the tree yet", "it was posted a moment ago; ask again in a minute")
    of = trees.get_tree(work, place.tree)
    signed = trees.largest_checkpoint(work, place.tree)
    if signed is None or of is None or signed.size <= place.index:
        raise Problem(409, "Not in a checkpoint yet", "it was posted a moment ago; ask again in a minute")
    proof = inclusion(work, of, place.index, signed.size)
    leaf = stored.get((entry, number))
    if leaf is None:
        raise Problem(500, "The posting is gone", "its leaf is in the tree: run jiayuan ledger verify")
    return {
        "format": PROOF,
        "leaf": orjson.loads(leaf),
        "index": place.index,
        "proof": [node.hex() for node in proof],
        "checkpoint": signed.note,
    }
