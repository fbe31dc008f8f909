"""The broker's management API: importing the topology and comparing it. For operators and tests, not services."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from jiayuan.contracts import names, topology

from .errors import EXIT_TOPOLOGY, EXIT_UNREACHABLE, StartError

_PREFIX = "JIAYUAN_BROKER_PASSWORD_"


def user_passwords(environ: Mapping[str, str]) -> dict[str, str]:
    """Broker passwords from JIAYUAN_BROKER_PASSWORD_<USER> and …_FILE."""
    users = [topology.service_user(s) for s in names.SERVICES] + [p.name for p in topology.PARTNERS]
    out: dict[str, str] = {}
    for user in users:
        key = _PREFIX + user.upper().replace("-", "_")
        if key + "_FILE" in environ:
            out[user] = Path(environ[key + "_FILE"]).read_text(encoding="utf-8").strip()
        elif key in environ:
            out[user] = environ[key]
    return out


class Management:
    """A client of the management API; the address holds an administrator's login."""

    def __init__(self, url: str) -> None:
        u = urlsplit(url)
        self._base = f"{u.scheme}://{u.hostname}:{u.port or 15672}/api"
        self.where = f"{u.hostname}:{u.port or 15672}"
        self._session = requests.Session()
        self._session.auth = (u.username or "guest", u.password or "guest")

    def call(self, method: str, path: str, **kwargs: Any) -> Any:
        """One call; the parsed answer or None. StartError when it is refused."""
        response = self._session.request(method, f"{self._base}/{path}", timeout=30, **kwargs)
        if response.status_code >= 400:
            raise StartError(
                EXIT_TOPOLOGY,
                f"the broker refuses {method} {path}: {response.status_code} {response.text[:300]}",
            )
        return response.json() if response.content else None

    def wait(self, timeout: float = 60.0) -> None:
        """Waits until the broker answers; StartError 6 when it doesn't."""
        until = time.monotonic() + timeout
        while True:
            try:
                self.call("GET", "overview")
                return
            except requests.RequestException as error:
                if time.monotonic() > until:
                    raise StartError(
                        EXIT_UNREACHABLE,
                        f"no broker management answers at {self.where}: {type(error).__name__}",
                    ) from None
                time.sleep(0.5)

    def import_topology(self, vhost: str, passwords: Mapping[str, str]) -> None:
        """Imports the definitions into a virtual host, made where missing; existing passwords are kept."""
        document = topology.definitions(vhost, passwords=passwords)
        known = {u["name"] for u in self.call("GET", "users")}
        # A user without a given password keeps the one it has; a new one can't log in.
        document["users"] = [u for u in document["users"] if "password" in u or u["name"] not in known]
        self.call("PUT", f"vhosts/{quote(vhost, safe='')}", json={"default_queue_type": "quorum"})
        self.call("POST", "definitions", json=document)

    def delete_vhost(self, vhost: str) -> None:
        """Deletes a virtual host and all in it."""
        self.call("DELETE", f"vhosts/{quote(vhost, safe='')}")

    def differences(self, vhost: str) -> list[str]:
        """What the broker lacks or has otherwise; one line each."""
        wanted = topology.definitions(vhost)
        v = quote(vhost, safe="")
        out = []
        for kind in ("exchanges", "queues", "policies"):
            have = {x["name"]: x for x in self.call("GET", f"{kind}/{v}")}
            for item in wanted[kind]:
                got = have.get(item["name"])
                if got is None:
                    out.append(f"{kind[:-1]} {item['name']} is missing")
                    continue
                for key, value in item.items():
                    if key in ("vhost", "name") or got.get(key) == value:
                        continue
                    if key == "arguments" and {**got[key]} == value:
                        continue
                    out.append(f"{kind[:-1]} {item['name']}: {key} is {got.get(key)!r}, must be {value!r}")
        have_bindings = {
            (b["source"], b["destination"], b["routing_key"]) for b in self.call("GET", f"bindings/{v}")
        }
        for b in wanted["bindings"]:
            if (b["source"], b["destination"], b["routing_key"]) not in have_bindings:
                out.append(f"binding {b['source']} → {b['destination']} ({b['routing_key']}) is missing")
        for kind in ("permissions", "topic-permissions"):
            have_rights = {
                (p["user"], p.get("exchange", "")): p for p in self.call("GET", f"vhosts/{v}/{kind}")
            }
            for p in wanted[kind.replace("-", "_")]:
                got = have_rights.get((p["user"], p.get("exchange", "")))
                if got is None or any(got.get(k) != p[k] for k in ("configure", "write", "read") if k in p):
                    out.append(f"{kind}: those of {p['user']} are missing or differ")
        return out
