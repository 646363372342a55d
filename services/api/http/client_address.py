"""Where a request came from, behind proxies that are trusted to report it."""

import ipaddress
from collections.abc import Sequence

from starlette.requests import HTTPConnection

from services.api.networks import Network

_LONGEST = 2_000
"""How many characters of X-Forwarded-For are read, from its end."""


def client_address(request: HTTPConnection, trusted: Sequence[Network]) -> str:
    """Return the client's address: that of the connection, or the one reported by the nearest trusted proxies; empty if
    unknown.

    X-Forwarded-For is read from its end: each trusted proxy has appended the address that it spoke with, and the first
    address that is not trusted is the client. Anyone may have written what precedes it.
    """
    peer = request.client.host if request.client else ""
    if not trusted or not _in(peer, trusted):
        return peer
    lines = ",".join(request.headers.getlist("x-forwarded-for"))[-_LONGEST:]
    nearest = peer
    for hop in reversed(lines.split(",")):
        address = _address(hop.strip())
        if address is None:
            return nearest
        nearest = address
        if not _in(address, trusted):
            return nearest
    return nearest


def comes_from(request: HTTPConnection, trusted: Sequence[Network]) -> bool:
    """Return True if the connection comes from one of these networks."""
    return request.client is not None and _in(request.client.host, trusted)


def _in(address: str, trusted: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return any(parsed.version == network.version and parsed in network for network in trusted)


def _address(hop: str) -> str | None:
    """Return the address in one element, with or without a port; None if it is not an address."""
    bare = hop[1 : hop.index("]")] if hop.startswith("[") and "]" in hop else hop
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return None
