"""The sockets, ports and files that a connection to PostgreSQL needs, according to its connection string.

Host names are looked up here, before the process is confined: a look-up sends UDP to servers that the system chooses,
and a process that may do that can send data to anyone.
"""

import contextlib
import functools
import ipaddress
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from shared.database.libpq import written
from shared.reports.process.seccomp import Sockets

_PORT = "5432"
# libpq's parameters that name files, and their variables (PostgreSQL 18, "Parameter Key Words", read 2026-11-28).
_FILES = {"sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY", "sslcrl": "PGSSLCRL",
          "sslcrldir": "PGSSLCRLDIR", "passfile": "PGPASSFILE", "servicefile": "PGSERVICEFILE"}  # fmt: skip
_AT_HOME = (".postgresql", ".pgpass", ".pg_service.conf")


@dataclass(frozen=True, slots=True)
class Reach:
    """What a connection needs, and the connection string with the addresses of its hosts."""

    sockets: Sockets
    ports: Sequence[int] | None
    files: Sequence[str]
    conninfo: str


class _NameToLookUp(Exception):
    """A host is given by its name."""


def told_by(conninfo: str, environment: Mapping[str, str]) -> Reach | None:
    """Return the same as `reach_of` if that needs no look-up; else None."""
    return _told_by(conninfo, tuple(sorted(environment.items())))


@functools.lru_cache(maxsize=64)
def _told_by(conninfo: str, environment: tuple[tuple[str, str], ...]) -> Reach | None:
    try:
        return _reach(conninfo, dict(environment), look_up=False)
    except _NameToLookUp:
        return None


def reach_of(conninfo: str, environment: Mapping[str, str]) -> Reach:
    """Look up the hosts of `conninfo`. A host that is not found is left for libpq to report."""
    return _reach(conninfo, environment, look_up=True)


def _reach(conninfo: str, environment: Mapping[str, str], *, look_up: bool) -> Reach:
    """Return what the connection needs, following libpq's rules for hosts, addresses and ports."""
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(conninfo).items() if value is not None}
    except psycopg.Error:
        return Reach(Sockets.NONE, [], [], conninfo)  # libpq reports what is wrong with it
    named = [given.get(name) or environment.get(variable, "") for name, variable in _FILES.items()]
    files = [*(str(Path.home() / name) for name in _AT_HOME), *(one for one in named if one.startswith("/"))]
    if "service" in given or "PGSERVICE" in environment:
        return Reach(Sockets.ANY, None, files, conninfo)  # the hosts are in a file that only libpq reads
    hosts = _list(given, "host", environment)
    addresses = _list(given, "hostaddr", environment)
    ports = [one or _PORT for one in _list(given, "port", environment)]
    if any(addresses):
        return Reach(Sockets.TCP, _numbers(ports), files, conninfo)
    if len(ports) == 1:
        ports *= len(hosts)
    places = [place for host, port in zip(hosts, ports, strict=False) for place in _places(host, port, look_up=look_up)]
    by_path = [not host or host.startswith(("/", "@")) for host, _, _ in places]
    sockets = (Sockets.UNIX if any(by_path) else Sockets.NONE) | (Sockets.NONE if all(by_path) else Sockets.TCP)
    if any(address for _, address, _ in places):
        found = zip(("host", "hostaddr", "port"), zip(*places, strict=True), strict=True)
        conninfo = written({**given, **{name: ",".join(values) for name, values in found}})
    return Reach(sockets, _numbers(ports), files, conninfo)


def _list(given: Mapping[str, str], name: str, environment: Mapping[str, str]) -> list[str]:
    return [one.strip() for one in (given.get(name) or environment.get(f"PG{name.upper()}", "")).split(",")]


def _numbers(ports: Sequence[str]) -> Sequence[int]:
    return sorted({int(port) for port in ports if port.isdecimal()})


def _places(host: str, port: str, *, look_up: bool) -> Sequence[tuple[str, str, str]]:
    """Return host, address and port for each address of the host, in the order in which they would be tried."""
    if not host or host.startswith(("/", "@")):
        return [(host, "", port)]
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return [(host, "", port)]
    if not look_up:
        raise _NameToLookUp
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return [(host, "", port)]
    return [(host, address, port) for address in dict.fromkeys(str(one[4][0]) for one in found)]
