"""Reads addresses, networks and origins."""

import ipaddress
import re
from collections.abc import Sequence

_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(given: str) -> Sequence[Network]:
    """Return the addresses and networks of a comma-separated list. Raises ValueError, which quotes none of them."""
    found: list[Network] = []
    for number, part in enumerate(given.replace(",", " ").split(), 1):
        try:
            found.append(ipaddress.ip_network(part))
        except ValueError:
            wrong = f"number {number} is not an address or a network such as 10.0.0.0/8 (no bits behind the mask)"
            raise ValueError(f"must be addresses and networks with commas between: {wrong}") from None
    return found


def is_loopback(host: str) -> bool:
    """True for the name `localhost`, or an address that only this machine can reach."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def origins(given: str) -> Sequence[str]:
    """Return the origins of a comma-separated list. Raises ValueError with the remedy."""
    found = given.replace(",", " ").split()
    for number, origin in enumerate(found, 1):
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(
                f"number {number} is not an origin as browsers send it: write scheme, host and port, in small letters "
                "and without a path, such as https://reports.example.com; there is no wildcard"
            )
    return found
