"""Where the services may connect on behalf of tenants, so that nobody can use them to reach internal addresses (SSRF).

The address of a socket decides, checked as the socket is opened: a name may have led elsewhere a moment ago, and a URL
can be written in many ways. Everything that a tenant may name is checked here. Sources: IANA's registries of
special-purpose addresses for IPv4 and IPv6; RFC 6052 (NAT64), RFC 3056 (6to4), RFC 4380 (Teredo); read 2026-11-29.
Python's `is_global` follows the registries with exceptions, which are listed here.
"""

import ipaddress
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shared.errors import TodokeError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAMES = {
    "loopback": ("127.0.0.0/8", "::1/128"),
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
}
"""Networks that have a name in the settings."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(text)
    for text in (
        "192.0.0.0/24",  # 192.0.0.192 gives away the secrets of a machine at Oracle
        "192.88.99.0/24",  # relays of 6to4
        "224.0.0.0/4", "ff00::/8",  # multicast
        "fec0::/10",  # site-local, obsolete
        # Addresses that contain an IPv4 address.
        "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32",
    )
)  # fmt: skip
"""What `is_global` takes for public, in some or all versions of Python."""


class WrongNetworks(TodokeError, ValueError):
    """A text does not list networks or ports. The message says which part, and how to write it."""


class Egress(NamedTuple):
    """Where connections may go. Public addresses are open at `ports`; all others are closed unless they are listed."""

    opened: Sequence[Network] = ()
    """Networks that are open besides public ones: the operator's own, where webhooks have internal receivers."""
    closed: Sequence[Network] = ()
    """Networks that are closed although they are public. These take precedence."""
    ports: Sequence[range] = (range(443, 444), range(8443, 8444))

    def lets(self, address: str, port: int, *, encrypted: bool = True) -> bool:
        """True if a connection to that address and port may be opened; without encryption, only to `opened`."""
        if not any(port in some for some in self.ports):
            return False
        try:
            forms = list(_forms(ipaddress.ip_address(address.partition("%")[0])))
        except ValueError:
            return False
        if any(form in network for form in forms for network in self.closed if form.version == network.version):
            return False
        # Every form, including the embedded one: opening NAT64 must open no private network behind it.
        return all(self._opens(form) or (encrypted and _is_public(form)) for form in forms)

    def _opens(self, address: Address) -> bool:
        return any(address in network for network in self.opened if address.version == network.version)


def read_networks(text: str) -> Sequence[Network]:
    """Return the networks of a text: addresses, networks, or the names `loopback` and `private`.

    Raises WrongNetworks.
    """
    found: list[Network] = []
    for number, part in enumerate(text.replace(",", " ").split(), 1):
        for one in _NAMES.get(part, (part,)):
            try:
                found.append(ipaddress.ip_network(one))
            except ValueError:
                raise WrongNetworks(
                    f"number {number} is not a network: write 10.1.0.0/16, 2001:db8::/32, `loopback` or `private`, "
                    "with commas between"
                ) from None
    return found


def read_ports(text: str) -> Sequence[range]:
    """Return the ports of a text such as `443, 1024-65535`. Raises WrongNetworks."""
    found = []
    for number, part in enumerate(text.replace(",", " ").split(), 1):
        first, to, last = part.partition("-")
        last = last if to else first
        bounds = (int(first), int(last)) if part.isascii() and first.isdigit() and last.isdigit() else (0, 0)
        if not 1 <= bounds[0] <= bounds[1] <= 65_535:
            raise WrongNetworks(f"number {number} is not a port: write 443 or 1024-65535, with commas between")
        found.append(range(bounds[0], bounds[1] + 1))
    if not found:
        raise WrongNetworks("must name a port: 443")
    return found


def _forms(address: Address) -> Iterator[Address]:
    """Yield the address, or what an IPv4-mapped one means; and the IPv4 address embedded in it, if there is one."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
    elif address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    else:
        yield address
        if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        elif address.sixtofour is not None:
            yield address.sixtofour
        elif address.teredo is not None:
            yield from address.teredo


def _is_public(address: Address) -> bool:
    if any(address in network for network in _NOT_PUBLIC if address.version == network.version):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved
