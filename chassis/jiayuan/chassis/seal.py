"""Sealing of personal data: authenticated encryption with a key id in front, so that keys can be rotated.

AES-256-GCM, or SM4-GCM (GB/T 32907, RFC 8998) where the rules ask for it: a key says which it is for.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

AES: Final = "aes"
SM4: Final = "sm4"
KEY_BYTES: Final = {AES: 32, SM4: 16}
_NONCE: Final = 12
_TAG: Final = 16


class SealError(ValueError):
    """A sealed value can't be opened, or the keys are malformed. Never holds the value."""


class _Sm4Gcm:
    """SM4-GCM with the interface of `AESGCM`, which cryptography has for AES only."""

    def __init__(self, key: bytes) -> None:
        self._cipher = algorithms.SM4(key)

    def encrypt(self, nonce: bytes, plain: bytes, aad: bytes) -> bytes:
        """Ciphertext and tag."""
        sealing = Cipher(self._cipher, modes.GCM(nonce)).encryptor()
        sealing.authenticate_additional_data(aad)
        return sealing.update(plain) + sealing.finalize() + sealing.tag

    def decrypt(self, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
        """The plain bytes; InvalidTag, or ValueError when it is too short."""
        if len(sealed) < _TAG:
            raise ValueError("shorter than its tag")
        opening = Cipher(self._cipher, modes.GCM(nonce, sealed[-_TAG:])).decryptor()
        opening.authenticate_additional_data(aad)
        return opening.update(sealed[:-_TAG]) + opening.finalize()


class Key:
    """One key: seals small documents and bytes, and opens what it sealed.

    `name` goes in front of each value; `aad` binds a value to whom it belongs to.
    """

    def __init__(self, name: str, raw: bytes, algorithm: str = AES) -> None:
        if algorithm not in KEY_BYTES:
            raise SealError(f"there is no way to seal with {algorithm!r}; allowed: {', '.join(KEY_BYTES)}")
        if len(raw) != KEY_BYTES[algorithm]:
            raise SealError(f"a key for {algorithm} has {KEY_BYTES[algorithm]} bytes")
        self.name, self.algorithm = name, algorithm
        self._aead: Final[Any] = AESGCM(raw) if algorithm == AES else _Sm4Gcm(raw)
        self._digesting: Final = hmac.digest(raw, b"jiayuan digest", "sha256")

    def __repr__(self) -> str:
        return f"Key({self.name!r}, …, {self.algorithm!r})"

    def seal(self, plain: Mapping[str, Any], aad: str) -> str:
        """`keyid.base64(nonce + ciphertext)`."""
        sealed = self._encrypt(orjson.dumps(plain), aad)
        return f"{self.name}.{base64.urlsafe_b64encode(sealed).decode()}"

    def seal_bytes(self, plain: bytes, aad: str) -> bytes:
        """`keyid.` and nonce + ciphertext, for values of any length."""
        return self.name.encode() + b"." + self._encrypt(plain, aad)

    def open(self, sealed: str, aad: str) -> dict[str, Any]:
        """The document again; SealError when another key sealed it or it was changed or moved."""
        _, _, encoded = self._of(sealed, ".")
        try:
            raw = base64.urlsafe_b64decode(encoded)
        except ValueError:  # not base64, or not even ASCII
            raise _broken() from None
        try:
            document = orjson.loads(self._decrypt(raw, aad))
        except orjson.JSONDecodeError:
            raise _broken() from None
        if not isinstance(document, dict):
            raise SealError("the sealed value is not a document")
        return document

    def open_bytes(self, sealed: bytes, aad: str) -> bytes:
        """The bytes again; SealError when another key sealed them or they were changed or moved."""
        _, _, raw = self._of(sealed, b".")
        return self._decrypt(raw, aad)

    def digest(self, text: str, purpose: str) -> str:
        """What stands for a text where it is only compared: without the key nothing leads from one to the other."""
        return hmac.new(self._digesting, f"{purpose}\0{text}".encode(), hashlib.sha256).hexdigest()[:32]

    def _of(self, sealed: Any, dot: Any) -> Any:
        if key_name(sealed) != self.name:
            raise SealError(f"sealed with key {key_name(sealed)!r:.40}, not with {self.name!r}")
        return sealed.partition(dot)

    def _encrypt(self, plain: bytes, aad: str) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + bytes(self._aead.encrypt(nonce, plain, aad.encode()))

    def _decrypt(self, raw: bytes, aad: str) -> bytes:
        try:
            return bytes(self._aead.decrypt(raw[:_NONCE], raw[_NONCE:], aad.encode()))
        except (InvalidTag, ValueError):
            raise _broken() from None


class Sealer:
    """A ring of keys: the first one seals, all open.

    `keys` is `id:key[,id:key…]`, a key being base64 of 32 bytes (AES-256-GCM) or `sm4:` and base64 of 16 (SM4-GCM).
    """

    def __init__(self, keys: str) -> None:
        ring: dict[str, Key] = {}
        for item in filter(None, (k.strip() for k in keys.split(","))):
            name, _, rest = item.partition(":")
            kind, colon, encoded = rest.partition(":")
            algorithm, encoded = (kind, encoded) if colon else (AES, rest)
            try:
                raw = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                raw = b""
            if not name or "." in name or algorithm not in KEY_BYTES or len(raw) != KEY_BYTES[algorithm]:
                raise SealError(
                    "keys must be id:base64 of 32 bytes or id:sm4:base64 of 16 bytes, separated by commas"
                )
            if name in ring:
                raise SealError(
                    f"two keys are called {name!r:.40}: what either sealed says no more than that"
                )
            ring[name] = Key(name, raw, algorithm)
        if not ring:
            raise SealError("seal_keys is empty: no key to seal personal data with")
        self._ring: Mapping[str, Key] = ring
        self.first: Final = next(iter(ring.values()))
        self._oldest: Final = list(ring.values())[-1]

    @property
    def names(self) -> tuple[str, ...]:
        """The ids of the keys, the one that seals first."""
        return tuple(self._ring)

    def seal(self, plain: Mapping[str, Any], aad: str) -> str:
        """`Key.seal` with the first key."""
        return self.first.seal(plain, aad)

    def seal_bytes(self, plain: bytes, aad: str) -> bytes:
        """`Key.seal_bytes` with the first key."""
        return self.first.seal_bytes(plain, aad)

    def digest(self, text: str, purpose: str) -> str:
        """`Key.digest` with the oldest key, so that a new one in front changes no digest."""
        return self._oldest.digest(text, purpose)

    def open(self, sealed: str, aad: str) -> dict[str, Any]:
        """The document again; SealError when the key is unknown or the value was changed or moved."""
        return self._key(sealed).open(sealed, aad)

    def open_bytes(self, sealed: bytes, aad: str) -> bytes:
        """The bytes again; SealError when the key is unknown or the value was changed or moved."""
        return self._key(sealed).open_bytes(sealed, aad)

    def _key(self, sealed: str | bytes) -> Key:
        name = key_name(sealed)
        key = self._ring.get(name)
        if key is None:
            raise SealError(f"sealed with key {name!r:.40}, which is not in seal_keys")
        return key


def key_name(sealed: str | bytes) -> str:
    """The id of the key that sealed a value."""
    if isinstance(sealed, str):
        return sealed.partition(".")[0]
    return bytes(sealed).partition(b".")[0].decode("ascii", "replace")


def _broken() -> SealError:
    return SealError("the sealed value was changed or belongs to somebody else")


def new_key(name: str = "k1", algorithm: str = AES) -> str:
    """A fresh key in the form that `seal_keys` takes."""
    raw = base64.b64encode(os.urandom(KEY_BYTES[algorithm])).decode()
    return f"{name}:{raw}" if algorithm == AES else f"{name}:{algorithm}:{raw}"
