"""Reads a list of addresses and networks."""

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(given: str) -> Sequence[Network]:
    """The addresses and networks of a list with commas. Raises ValueError that names the one that is none."""
    found: list[Network] = []
    for part in given.replace(",", " ").split():
        try:
            found.append(ipaddress.ip_network(part))
        except ValueError as error:
            raise ValueError(f"{part[:60]!r} is not an address or network, such as 10.0.0.0/8: {error}") from None
    return found
