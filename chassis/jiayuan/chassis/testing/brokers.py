"""A virtual host for each test, with the real topology, users and rights."""

from __future__ import annotations

import hashlib
import secrets
from urllib.parse import quote, urlsplit

from jiayuan.contracts import names, topology

from ..management import Management


class Broker:
    """A virtual host on a real broker."""

    def __init__(self, amqp_uri: str, management_url: str, vhost: str | None = None) -> None:
        self._uri = urlsplit(amqp_uri)
        self.vhost = vhost or f"jy-{secrets.token_hex(4)}"
        self.management = Management(management_url)
        self.management_url = management_url
        users = [topology.service_user(s) for s in names.SERVICES] + [p.name for p in topology.PARTNERS]
        # Users belong to the whole broker, and several runs may share one: the password follows from the
        # administrator's, so that they agree.
        self.passwords = {u: self._password(u) for u in users}
        self.management.import_topology(self.vhost, self.passwords)
        self.admin_user = self._uri.username or "guest"
        self.management.call(
            "PUT",
            f"permissions/{self.vhost}/{self.admin_user}",
            json={"configure": ".*", "write": ".*", "read": ".*"},
        )

    def _password(self, user: str) -> str:
        return hashlib.sha256(f"{self._uri.password}:{user}".encode()).hexdigest()[:24]

    def uri(self, user: str) -> str:
        """The address with the login of a service, a partner, or `admin`."""
        if user == "admin":
            login = f"{self.admin_user}:{self._uri.password}"
        else:
            name = topology.service_user(user) if user in names.SERVICES else user
            login = f"{name}:{self.passwords[name]}"
        return f"amqp://{login}@{self._uri.hostname}:{self._uri.port or 5672}/{quote(self.vhost, safe='')}"

    def queue(self, name: str) -> dict[str, int]:
        """What the management API says of a queue. Its counts lag by seconds: for depth use `depth`."""
        return self.management.call("GET", f"queues/{self.vhost}/{quote(name, safe='')}")

    def purge(self, name: str) -> None:
        """Empties a queue."""
        self.management.call("DELETE", f"queues/{self.vhost}/{quote(name, safe='')}/contents")

    def limit(self, service: str, **definition: object) -> None:
        """Lays a policy of higher priority over a service's queues, e.g. max-length."""
        base = next(
            p for p in topology.definitions(self.vhost)["policies"] if p["name"] == f"jiayuan-{service}"
        )
        merged = {**base["definition"], **{k.replace("_", "-"): v for k, v in definition.items()}}
        self.management.call(
            "PUT",
            f"policies/{self.vhost}/test-{service}",
            json={
                "pattern": base["pattern"],
                "apply-to": "queues",
                "priority": 99,
                "definition": merged,
            },
        )

    def unlimit(self, service: str) -> None:
        """Takes the policy away."""
        self.management.call("DELETE", f"policies/{self.vhost}/test-{service}")

    def delete(self) -> None:
        """Deletes the virtual host."""
        self.management.delete_vhost(self.vhost)
