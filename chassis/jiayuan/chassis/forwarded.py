"""Who is calling, when proxies stand between: `X-Forwarded-For` as far as it can be believed."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MOST_HOPS: Final = 20


@lru_cache(maxsize=16)
def networks(trusted: str) -> tuple[Network, ...]:
    """The networks of a setting such as `10.0.0.0/8, 192.168.1.7`. ValueError when one is malformed."""
    return tuple(ipaddress.ip_network(n, strict=False) for n in (p.strip() for p in trusted.split(",")) if n)


def client(peer: str, header: str | None, trusted: str) -> str:
    """The caller's address: the last one, read from the right, that no trusted proxy vouches for.

    `peer` is the other end of the connection. Whatever a caller writes into the header himself stands further
    left than what our proxies add, and is never reached.
    """
    if not trusted or not header:
        return peer
    nets = networks(trusted)
    at = _read(peer)
    for hop in reversed(header.split(",")[-_MOST_HOPS:]):
        if at is None or not any(at in net for net in nets):
            break
        before = _read(hop.strip())
        if before is None:
            break  # nonsense: the proxy that passed it on is the last one that we know
        at = before
    return peer if at is None else str(at)


def _read(text: str) -> Address | None:
    """An address, also with a port behind it; an IPv4 address in IPv6's clothes is the IPv4 address."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


@lru_cache(maxsize=4096)
def household(address: str) -> str:
    """What counts as one address: IPv4 as it is, of IPv6 the /64 that one connection is given."""
    at = _read(address)
    if at is None or at.version == 4:
        return str(at) if at is not None else address
    return str(ipaddress.ip_network((at, 64), strict=False).network_address) + "/64"
