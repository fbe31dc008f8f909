"""Sealing of personal data: AES-256-GCM with a key id in front, so that keys can be rotated."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class SealError(ValueError):
    """A sealed value can't be opened, or the keys are malformed. Never holds the value."""


class Sealer:
    """Seals small documents. `keys` is `id:base64(32 bytes)[,id:base64…]`; the first one seals, all open."""

    def __init__(self, keys: str) -> None:
        ring: dict[str, AESGCM] = {}
        for item in filter(None, (k.strip() for k in keys.split(","))):
            name, _, encoded = item.partition(":")
            try:
                raw = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                raw = b""
            if not name or len(raw) != 32:
                raise SealError("seal_keys must be id:base64 of 32 bytes, separated by commas")
            ring[name] = AESGCM(raw)
        if not ring:
            raise SealError("seal_keys is empty: no key to seal personal data with")
        self._ring: Mapping[str, AESGCM] = ring
        self._first = next(iter(ring))

    def seal(self, plain: Mapping[str, Any], aad: str) -> str:
        """`keyid.base64(nonce + ciphertext)`; `aad` binds the value to whom it belongs to."""
        nonce = os.urandom(12)
        sealed = self._ring[self._first].encrypt(nonce, orjson.dumps(plain), aad.encode())
        return f"{self._first}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def seal_bytes(self, plain: bytes, aad: str) -> bytes:
        """`keyid.` and nonce + ciphertext, for values of any length."""
        nonce = os.urandom(12)
        return (
            self._first.encode() + b"." + nonce + self._ring[self._first].encrypt(nonce, plain, aad.encode())
        )

    def open_bytes(self, sealed: bytes, aad: str) -> bytes:
        """The bytes again; SealError when the key is unknown or the value was changed or moved."""
        name, _, raw = sealed.partition(b".")
        key = self._ring.get(name.decode("ascii", "replace"))
        if key is None:
            raise SealError(f"sealed with key {name!r:.40}, which is not in seal_keys")
        try:
            return key.decrypt(raw[:12], raw[12:], aad.encode())
        except (InvalidTag, ValueError):
            raise SealError("the sealed value was changed or belongs to somebody else") from None

    def open(self, sealed: str, aad: str) -> dict[str, Any]:
        """The document again; SealError when the key is unknown or the value was changed or moved."""
        name, _, encoded = sealed.partition(".")
        key = self._ring.get(name)
        if key is None:
            raise SealError(f"sealed with key {name!r}, which is not in seal_keys")
        try:
            raw = base64.urlsafe_b64decode(encoded)
            document = orjson.loads(key.decrypt(raw[:12], raw[12:], aad.encode()))
        except (InvalidTag, binascii.Error, ValueError):
            raise SealError("the sealed value was changed or belongs to somebody else") from None
        if not isinstance(document, dict):
            raise SealError("the sealed value is not a document")
        return document


def new_key(name: str = "k1") -> str:
    """A fresh key in the form that `seal_keys` takes."""
    return f"{name}:{base64.b64encode(os.urandom(32)).decode()}"
