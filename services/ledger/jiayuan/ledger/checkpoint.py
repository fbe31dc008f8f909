"""Checkpoint 檢查點: a tree's size and root, signed (C2SP tlog-checkpoint in a signed-note, Ed25519). Pure.

The private key is text of one line, as Go's `note` package writes it: `PRIVATE+KEY+name+hash+base64`, the base64 of 1
and the 32 bytes of the seed; or `name:base64` of the seed alone, which a shell script can make. It is never in the
database: whoever writes only there can sign nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jiayuan.contracts.times import iso

from .verify import ED25519, Checkpoint, Invalid, Key

_PREFIX: Final = "PRIVATE+KEY+"
_PLACE: Final = struct.Struct(">Hq16si")
MAC_BYTES: Final = 16


_FORMS: Final = (
    "a signing key is PRIVATE+KEY+name+hash+base64, as `jiayuan ledger key new` makes it, or name:base64"
)


def _raw(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid(_FORMS) from None


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key and its name, which is the origin of the log's first tree."""

    name: str
    seed: bytes = field(repr=False)

    @classmethod
    def new(cls, name: str) -> Signer:
        """A new key. `Invalid` for a name with a space or a plus sign."""
        signer = cls(name, Ed25519PrivateKey.generate().private_bytes_raw())
        Key.parse(str(signer.key))
        return signer

    @classmethod
    def parse(cls, text: str) -> Signer:
        """A key of either form; `Invalid` says what is wrong, never what is in it."""
        text = text.strip()
        if text.startswith(_PREFIX):
            name, hash_, last = (*text.removeprefix(_PREFIX).split("+", 2), "", "")[:3]
            raw = _raw(last)
            if raw[:1] != bytes((ED25519,)):
                raise Invalid("the signing key is not Ed25519 (33 bytes that begin with 1)")
            raw = raw[1:]
        else:
            name, _, last = text.rpartition(":")
            hash_, raw = "", _raw(last)
        if len(raw) != 32:
            raise Invalid(_FORMS)
        signer = cls(name, raw)
        Key.parse(str(signer.key))
        if hash_ and signer.key.hash.hex() != hash_:
            raise Invalid("the signing key's hash is another key's")
        return signer

    def text(self) -> str:
        """The private key as a line: for a file that only the ledger can read."""
        raw = base64.b64encode(bytes((ED25519,)) + self.seed).decode()
        return f"{_PREFIX}{self.name}+{self.key.hash.hex()}+{raw}"

    @property
    def key(self) -> Key:
        """Its public part."""
        return Key(self.name, self._private().public_key().public_bytes_raw())

    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    def sign(self, checkpoint: Checkpoint) -> str:
        """The checkpoint as a signed note."""
        text = checkpoint.text()
        signature = self.key.hash + self._private().sign(text.encode())
        return f"{text}\n\u2014 {self.name} {base64.b64encode(signature).decode()}\n"

    def macs(self) -> Macs:
        """What marks leaves."""
        return Macs(hashlib.sha256(b"jiayuan.ledger leaf mac\x00" + self.seed).digest())


@dataclass(frozen=True, slots=True)
class Macs:
    """Marks of leaves by a key that is not in the database (keyed BLAKE2b, 16 bytes).

    Checkpoints alone prove that something was changed; where it was, when all hashes after it were computed again, only
    something can tell that cannot be computed again.
    """

    key: bytes = field(repr=False)

    def mark(self, tree: int, index: int, id_: bytes, number: int, hash_: bytes) -> bytes:
        """The mark of a leaf at its place; `id_`: the 16 bytes of what it is of."""
        place = _PLACE.pack(tree, index, id_, number)
        return hashlib.blake2b(place + hash_, digest_size=MAC_BYTES, key=self.key).digest()


def origin_of(name: str, tree: int) -> str:
    """The origin of a key's n-th tree: each has one of its own, as each is a log of its own."""
    return name if tree == 1 else f"{name}/{tree}"


def checkpoint(origin: str, size: int, root: bytes, hash_id: str, number: int, at: datetime) -> Checkpoint:
    """A checkpoint to be signed: behind size and root the algorithm, its number and the time."""
    return Checkpoint(origin, size, root, (f"hash {hash_id}", f"number {number}", f"time {iso(at)}"))
