"""Bearer tokens of staff: signed JWTs (HS256 with a secret of at least 32 bytes)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import jwt

from .errors import Problem

ROLES: Final = (
    "citizen",
    "grid_worker",
    "grid_leader",
    "grid_chief",
    "desk",
    "unit_clerk",
    "county",
    "operator",
    "service",
)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: an id, roles, and the street or unit they act for."""

    subject: str
    roles: tuple[str, ...]
    street: str = ""
    unit: str = ""


def issue(
    secret: str,
    subject: str,
    roles: tuple[str, ...],
    *,
    street: str = "",
    unit: str = "",
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
    return jwt.encode(claims, secret, algorithm="HS256")


def read(secret: str, token: str, issuer: str = "jiayuan") -> Principal:
    """The principal of a token; Problem 401 when it is expired, forged or not for us."""
    if len(secret) < 32:
        raise Problem(503, "Sign-in is not set up", "token_secret is missing or shorter than 32 characters")
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
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
        str(claims["sub"]), tuple(roles), str(claims.get("street") or ""), str(claims.get("unit") or "")
    )
