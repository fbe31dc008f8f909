"""Typed settings from a TOML file and the environment; secrets from files too.

Where a value comes from, the later winning: default, `[common]` and `[<service>]` of the file named by
`JIAYUAN_CONFIG`, `JIAYUAN_<FIELD>`, `JIAYUAN_<SERVICE>_<FIELD>`. With `_FILE` appended to a variable, its
value is read from that file (Docker and Kubernetes secrets).
"""

from __future__ import annotations

import os
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from . import forwarded
from .errors import EXIT_CONFIG, StartError


@dataclass(frozen=True)
class Settings:
    """What every service needs. Durations are seconds of the wall clock unless said otherwise.

    `oidc_*`: an identity provider that signs staff in, see docs/sign-in.md. `trusted_proxies`: addresses and
    networks, separated by commas, whose `X-Forwarded-For` is believed.
    """

    service: str
    amqp_uri: str = field(repr=False)
    database_url: str = field(repr=False)
    http_host: str = "127.0.0.1"
    http_port: int = 0
    trusted_proxies: str = ""
    batch_size: int = 200
    linger_ms: float = 60.0
    heartbeat: int = 20
    database_pool: int = 8
    max_workers: int = 32
    startup_timeout: float = 60.0
    stop_timeout: float = 20.0
    outbox_grace: float = 3.0
    outbox_in_flight: int = 2000
    outbox_retry_most: float = 60.0
    inbox_days: float = 14.0
    clock_speed: float = 1.0
    clock_epoch: float = 0.0
    log_level: str = "INFO"
    token_secret: str = field(default="", repr=False)
    token_issuer: str = "jiayuan"
    oidc_issuer: str = ""
    oidc_audience: str = ""
    oidc_jwks_uri: str = ""
    oidc_algorithms: str = "RS256,ES256,EdDSA"
    oidc_subject_claim: str = "sub"
    oidc_roles_claim: str = "roles"
    oidc_roles: str = ""
    oidc_street_claim: str = "street"
    oidc_streets: str = ""
    oidc_unit_claim: str = "unit"
    seal_keys: str = field(default="", repr=False)
    topology_check: bool = True


S = TypeVar("S", bound=Settings)


def load(cls: type[S], service: str, environ: Mapping[str, str] | None = None) -> S:
    """The settings of a service. StartError (exit code 3) names every field that is missing or malformed."""
    env = os.environ if environ is None else environ
    from_file = _file(env.get("JIAYUAN_CONFIG"), service)
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {"service": service}
    wrong: list[str] = []
    for f in fields(cls):
        if f.name == "service":
            continue
        try:
            raw = _variable(env, service, f.name)
            if raw is None:
                raw = from_file.get(f.name)
            if raw is None:
                if f.default is MISSING and f.default_factory is MISSING:
                    wrong.append(f"{f.name} is missing (set JIAYUAN_{f.name.upper()})")
                continue
            values[f.name] = _convert(raw, hints[f.name])
            if f.name == "trusted_proxies":
                forwarded.networks(values[f.name])
        except (ValueError, OSError) as error:
            wrong.append(f"{f.name}: {error}")
    if wrong:
        raise StartError(EXIT_CONFIG, f"the settings of {service} are wrong: " + "; ".join(wrong))
    return cls(**values)


def _file(name: str | None, service: str) -> dict[str, Any]:
    if not name:
        return {}
    try:
        document = tomllib.loads(Path(name).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise StartError(EXIT_CONFIG, f"JIAYUAN_CONFIG {name} can't be read: {error}") from None
    return {**document.get("common", {}), **document.get(service, {})}


def _variable(env: Mapping[str, str], service: str, name: str) -> str | None:
    for key in (f"JIAYUAN_{service.upper()}_{name.upper()}", f"JIAYUAN_{name.upper()}"):
        if key in env:
            return env[key]
        if key + "_FILE" in env:
            return Path(env[key + "_FILE"]).read_text(encoding="utf-8").strip()
    return None


def _convert(raw: Any, kind: Any) -> Any:
    if isinstance(kind, types.UnionType):
        kind = next(k for k in typing.get_args(kind) if k is not type(None))
    if kind is bool:
        if isinstance(raw, bool):
            return raw
        if str(raw).lower() in ("1", "true", "yes", "on"):
            return True
        if str(raw).lower() in ("0", "false", "no", "off"):
            return False
        raise ValueError(f"{raw!r} is neither true nor false")
    if kind in (int, float):
        return kind(raw)
    if kind is str:
        return str(raw)
    if kind is Path:
        return Path(str(raw))
    raise ValueError(f"no way to read a {kind} from text")
