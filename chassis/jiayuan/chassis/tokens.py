"""Bearer tokens: our own JWTs (HS256 with a secret of at least 32 bytes), and those of an identity provider."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import jwt

from . import oidc
from .config import Settings
from .errors import EXIT_CONFIG, Problem, StartError

ROLES: Final = (
    "citizen",
    "grid_worker",
    "grid_leader",
    "grid_chief",
    "desk",
    "unit_clerk",
    "agent",
    "liaison",
    "rider",
    "cadre",
    "county",
    "operator",
    "service",
    "privacy_officer",
    "auditor",
    "convener",
    "inspector",
    "mediator",
    "volunteer",
    "organisation",
)
_OWN: Final = "HS256"
# An identity provider signs staff in: citizens come by their own way, and machines with our own tokens, unless the
# settings map one of its roles to these.
_NOT_BY_ITSELF: Final = ("citizen", "operator", "service")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: an id, roles, and the street or unit they act for.

    `sealed` is what the token carries for its issuer alone.
    """

    subject: str
    roles: tuple[str, ...]
    street: str = ""
    unit: str = ""
    sealed: str = field(default="", repr=False)


def issue(
    secret: str,
    subject: str,
    roles: tuple[str, ...],
    *,
    street: str = "",
    unit: str = "",
    sealed: str = "",
    hours: float = 12.0,
    issuer: str = "jiayuan",
) -> str:
    """A signed token. ValueError when the secret is short or a role is unknown."""
    if len(secret) < 32:
        raise ValueError("token_secret must have at least 32 characters")
    unknown = [r for r in roles if r not in ROLES]
    if unknown:
        raise ValueError(f"unknown roles {unknown}; known: {', '.join(ROLES)}")
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": "jiayuan",
        "sub": subject,
        "roles": list(roles),
        "street": street,
        "unit": unit,
        "iat": now,
        "exp": now + int(hours * 3600),
    }
    if sealed:
        claims["sealed"] = sealed
    return jwt.encode(claims, secret, algorithm="HS256")


def read(secret: str, token: str, issuer: str = "jiayuan") -> Principal:
    """The principal of a token of our own; Problem 401 when it is expired, forged or not for us."""
    if len(secret) < 32:
        raise Problem(503, "Sign-in is not set up", "token_secret is missing or shorter than 32 characters")
    oidc.header_of(token)
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=[_OWN],
            audience="jiayuan",
            issuer=issuer,
            options={"require": ["exp", "sub", "iat"]},
        )
    except jwt.InvalidTokenError as error:
        raise Problem(401, "The token is not valid", str(error)) from None
    roles = claims.get("roles")
    if not isinstance(roles, list) or not all(isinstance(r, str) for r in roles):
        raise Problem(401, "The token is not valid", "it names no roles")
    return Principal(
        str(claims["sub"]),
        tuple(roles),
        str(claims.get("street") or ""),
        str(claims.get("unit") or ""),
        str(claims.get("sealed") or ""),
    )


def verify(settings: Settings, token: str) -> Principal:
    """The principal of a token, our own or the identity provider's; Problem 401 when it is neither.

    The way it is signed decides which it has to be: the two never share a key.
    """
    provider = provider_of(settings)
    if provider is not None:
        header = oidc.header_of(token)
        if header.get("alg") != _OWN:
            return Principal(*provider.read(token, header))
    return read(settings.token_secret, token, settings.token_issuer)


@lru_cache(maxsize=16)
def provider_of(settings: Settings) -> oidc.Verifier | None:
    """The identity provider of the settings, if they name one. StartError 3 when they are wrong."""
    if not settings.oidc_issuer:
        return None
    try:
        roles = oidc.pairs(settings.oidc_roles, "oidc_roles")
        unknown = sorted(set(roles.values()) - set(ROLES))
        if unknown:
            raise ValueError(f"oidc_roles: {', '.join(unknown)}; known: {', '.join(ROLES)}")
        claims = oidc.Claims(
            allowed=ROLES if roles else tuple(r for r in ROLES if r not in _NOT_BY_ITSELF),
            subject_claim=settings.oidc_subject_claim,
            roles_claim=settings.oidc_roles_claim,
            street_claim=settings.oidc_street_claim,
            unit_claim=settings.oidc_unit_claim,
            roles=roles,
            streets=oidc.pairs(settings.oidc_streets, "oidc_streets"),
        )
        algorithms = tuple(filter(None, (a.strip() for a in settings.oidc_algorithms.split(","))))
        keys = oidc.KeySet(settings.oidc_issuer, settings.oidc_jwks_uri)
        return oidc.Verifier(keys, settings.oidc_audience, claims, algorithms)
    except ValueError as error:
        raise StartError(EXIT_CONFIG, f"sign-in by {settings.oidc_issuer} is set up wrong: {error}") from None
