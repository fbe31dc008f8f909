"""Sign-in by an identity provider (OpenID Connect): its signed tokens, its keys, and what its claims mean here.

A token says which key signed it and how, and both are its sender's word. So the algorithm must be on our list, the
key must be one that the issuer publishes, and it must be of the kind that the algorithm needs; nothing else in the
header is followed (`jku`, `jwk`, `x5u`, `x5c`), and `crit` asks for what we don't do. No algorithm on the list shares
a key between who signs and who verifies, so that no public key can become the secret of an HMAC.
"""

from __future__ import annotations

import ipaddress
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import jwt
import orjson
import requests
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from .errors import Problem

log = logging.getLogger("jiayuan.oidc")

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
MAX_TOKEN: Final = 8192
FRESH: Final = 300.0
"""Seconds after which the issuer's keys are fetched again: how long a key that it has withdrawn is still taken."""
STALE: Final = 4 * 3600.0
"""Seconds that known keys serve on while the issuer can't be reached."""
REFETCH: Final = 30.0
"""Seconds between two fetches for the sake of a key id that isn't known: anybody can invent one."""
RETRY: Final = 5.0
"""Seconds after a fetch that failed in which none is tried."""
_MAX_DOCUMENT: Final = 256 * 1024
_TYPES: Final = (None, "jwt", "at+jwt", "application/at+jwt")


class Away(Exception):
    """The issuer's keys can't be had."""


@dataclass(frozen=True)
class Claims:
    """What claims of the issuer mean here.

    `roles` and `streets` map its words to ours; with no mapping, a word that is one of `allowed` means itself.
    Claims are named by a path with dots (`realm_access.roles`).
    """

    allowed: tuple[str, ...]
    subject_claim: str = "sub"
    roles_claim: str = "roles"
    street_claim: str = "street"
    unit_claim: str = "unit"
    roles: Mapping[str, str] = field(default_factory=dict)
    streets: Mapping[str, str] = field(default_factory=dict)

    def read(self, claims: Mapping[str, Any]) -> tuple[str, tuple[str, ...], str, str]:
        """Subject, roles, street and unit; Problem 401 when there is no subject."""
        subject = _at(claims, self.subject_claim)
        if not isinstance(subject, str) or not 0 < len(subject) <= 128:
            raise _invalid(f"it has no usable claim {self.subject_claim}")
        said = _at(claims, self.roles_claim)
        words = said.split() if isinstance(said, str) else said if isinstance(said, list) else []
        given = [w for w in words if isinstance(w, str)]
        mapped = [self.roles.get(w, "") for w in given] if self.roles else given
        street = _word(_at(claims, self.street_claim))
        return (
            subject,
            tuple(dict.fromkeys(r for r in mapped if r in self.allowed)),
            self.streets.get(street, "") if self.streets else street,
            _word(_at(claims, self.unit_claim)),
        )


class KeySet:
    """An issuer's public keys, fetched when needed and kept for a while."""

    def __init__(
        self,
        issuer: str,
        uri: str = "",
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        for address in filter(None, (issuer, uri)):
            check_address(address)
        self.issuer, self._uri, self._now = issuer, uri, now
        self._keys: dict[str | None, list[jwt.PyJWK]] = {}
        self._fetched = self._tried = self._asked = float("-inf")
        self._failed = False
        self._lock = threading.Lock()

    def key(self, kid: str | None, algorithm: str) -> jwt.PyJWK:
        """The key that `kid` names and `algorithm` needs; without `kid`, the only one there is.

        Problem 401: there is none. Problem 503: the issuer can't be reached and no keys are known.
        """
        now = self._now()
        if now - self._fetched > FRESH:
            self._refresh(wait=not self._known(now))
        found = self._find(kid, algorithm)
        if found is None and now - self._asked > REFETCH:
            # The issuer may have taken a new key into use since we looked.
            self._asked = now
            self._refresh(wait=True, force=True)
            found = self._find(kid, algorithm)
        if not self._known(self._now()):
            raise Problem(
                503, "Sign-in is not available right now", "the keys of the issuer can't be fetched"
            )
        if found is None:
            raise _invalid("it is signed with a key that the issuer doesn't publish")
        return found

    def _known(self, now: float) -> bool:
        return bool(self._keys) and now - self._fetched <= STALE

    def _find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        candidates = (
            [k for keys in self._keys.values() for k in keys] if kid is None else self._keys.get(kid, [])
        )
        fitting = [k for k in candidates if _fits(k, algorithm)]
        return fitting[0] if len(fitting) == 1 else None

    def _refresh(self, *, wait: bool, force: bool = False) -> None:
        """Fetches the keys, one at a time; who needn't wait goes on with the ones that are known."""
        before = self._fetched
        if not self._lock.acquire(blocking=wait):
            return
        try:
            if self._fetched != before and not force:
                return  # somebody else has, while we waited
            now = self._now()
            if self._failed and now - self._tried < RETRY:
                return
            self._tried = now
            try:
                self._keys, self._failed = self._fetch(), False
                self._fetched = now
            except Away as error:
                self._failed = True
                log.warning("the keys of the issuer can't be fetched", extra={"why": str(error)[:300]})
        finally:
            self._lock.release()

    def _fetch(self) -> dict[str | None, list[jwt.PyJWK]]:
        uri = self._uri or self._discover()
        found: dict[str | None, list[jwt.PyJWK]] = {}
        keys = _get(uri).get("keys")
        if not isinstance(keys, list):
            raise Away(f"{uri} holds no keys")
        for item in keys:
            key = _public(item)
            if key is not None:
                found.setdefault(key.key_id, []).append(key)
        if not found:
            raise Away(f"{uri} holds no key that can be used")
        return found

    def _discover(self) -> str:
        document = _get(self.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if document.get("issuer") != self.issuer:
            raise Away("the issuer says that it is another")
        uri = document.get("jwks_uri")
        if not isinstance(uri, str):
            raise Away("the issuer names no jwks_uri")
        try:
            check_address(uri)
        except ValueError as error:
            raise Away(str(error)) from None
        return uri


class Verifier:
    """Reads the tokens of one issuer."""

    def __init__(
        self,
        keys: KeySet,
        audience: str,
        claims: Claims,
        algorithms: tuple[str, ...] = ALGORITHMS,
        leeway: float = 30.0,
    ) -> None:
        unknown = [a for a in algorithms if a not in ALGORITHMS]
        if unknown or not algorithms:
            raise ValueError(
                f"oidc_algorithms: {', '.join(unknown) or 'none'}; allowed: {', '.join(ALGORITHMS)}"
            )
        if not audience:
            raise ValueError("oidc_audience is empty: tokens for somebody else would be taken")
        self.keys, self.audience, self.claims = keys, audience, claims
        self.algorithms, self.leeway = algorithms, leeway

    def read(self, token: str, header: Mapping[str, Any]) -> tuple[str, tuple[str, ...], str, str]:
        """Subject, roles, street and unit; Problem 401 when the token is forged, expired or not for us."""
        algorithm = header.get("alg")
        if algorithm not in self.algorithms:
            raise _invalid("it is signed in a way that is not allowed")
        kid = header.get("kid")
        if kid is not None and (not isinstance(kid, str) or len(kid) > 256):
            raise _invalid("its key id can't be one")
        key = self.keys.key(kid, algorithm)
        try:
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=self.audience,
                issuer=self.keys.issuer,
                leeway=self.leeway,
                options={"require": ["exp", "iat", "iss", "aud"]},
            )
        except jwt.InvalidTokenError as error:
            raise _invalid(str(error)) from None
        return self.claims.read(claims)


def header_of(token: str) -> Mapping[str, Any]:
    """A token's header, which nobody has vouched for yet; Problem 401 when there is none, or it asks for too much."""
    if len(token) > MAX_TOKEN:
        raise _invalid(f"it is longer than {MAX_TOKEN} characters")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError as error:
        raise _invalid(str(error)) from None
    if "crit" in header:
        raise _invalid("it asks for extensions (crit) that nobody here knows")
    kind = header.get("typ")
    if (kind.lower() if isinstance(kind, str) else kind) not in _TYPES:
        raise _invalid("it is a token of another kind (typ)")
    return header


def check_address(address: str) -> None:
    """ValueError unless it is https, or http to this machine."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme == "https" and host:
        return
    try:
        near = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = False
    if parts.scheme != "http" or not near:
        raise ValueError(f"{address} must begin with https://")


def pairs(text: str, what: str) -> dict[str, str]:
    """`theirs=ours,…` as a mapping; ValueError when it isn't of that form."""
    out = {}
    for item in filter(None, (i.strip() for i in text.split(","))):
        theirs, equals, ours = (p.strip() for p in item.partition("="))
        if not equals or not theirs or not ours:
            raise ValueError(f"{what}: {item!r} is not of the form theirs=ours")
        out[theirs] = ours
    return out


def _public(item: Any) -> jwt.PyJWK | None:
    """A published key, if it is one that can verify signatures."""
    if not isinstance(item, dict) or item.get("use", "sig") != "sig" or item.get("kty") == "oct":
        return None
    if not isinstance(item.get("kid"), str | None) or "verify" not in item.get("key_ops", ["verify"]):
        return None
    try:
        key = jwt.PyJWK.from_dict(item)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    return key if any(_fits(key, a) for a in ALGORITHMS) else None


def _fits(key: jwt.PyJWK, algorithm: str) -> bool:
    public = key.key
    if key._jwk_data.get("alg", algorithm) != algorithm:
        return False
    if algorithm == "RS256":
        return isinstance(public, rsa.RSAPublicKey) and public.key_size >= 2048
    if algorithm == "ES256":
        return isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1)
    return isinstance(public, ed25519.Ed25519PublicKey)


def _get(uri: str) -> dict[str, Any]:
    """A JSON document; no redirects, since the address that was configured is the one that is trusted."""
    try:
        with requests.get(uri, timeout=(3, 5), allow_redirects=False, stream=True) as response:
            if response.status_code != 200:
                raise Away(f"{uri} answers {response.status_code}")
            raw = response.raw.read(_MAX_DOCUMENT + 1, decode_content=True)
    except (requests.RequestException, OSError) as error:
        raise Away(f"{uri}: {type(error).__name__}") from None
    try:
        document = orjson.loads(raw) if len(raw) <= _MAX_DOCUMENT else None
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise Away(f"{uri} answers with something else than a JSON document")
    return document


def _at(claims: Mapping[str, Any], path: str) -> Any:
    # A claim's name may itself hold dots (a URL): the whole comes first.
    if path in claims:
        return claims[path]
    at: Any = claims
    for part in path.split("."):
        at = at.get(part) if isinstance(at, Mapping) else None
    return at


def _word(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= 64 else ""


def _invalid(why: str) -> Problem:
    return Problem(401, "The token is not valid", why)
