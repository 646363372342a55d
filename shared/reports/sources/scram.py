"""Saves the thousands of hashing rounds of a SCRAM-SHA-256 log-in, which took a tenth of a small CSV's time.

The rounds make two keys from a password, a salt and an iteration count (RFC 5802), and the last two stay the same until
the role's password is changed. So a report's process reports the salt to its worker, which makes the keys once and
passes them to later processes. libpq accepts them as `scram_client_key` and `scram_server_key` from release 18 on, and
its trace of a log-in shows the salt.
"""

import base64
import contextlib
import hashlib
import hmac
import os
import re
import select
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import ConnStatus, PGconn, PollingStatus
from psycopg.pq.abc import PGconn as AnyPGconn

from shared.database.libpq import written

_TAKES_KEYS = 180_000
"""The first release of libpq that accepts keys."""
_TRACES = sys.platform == "linux"
"""psycopg can trace on no other system."""
_MOST_ITERATIONS = 1_000_000
"""0.6 s of hashing in the worker. A server uses 4,096 by default."""
_OTHERWISE = frozenset({"service", "scram_client_key", "scram_server_key"})
"""Parameters that supply another password, or the user's own keys."""
_TRACED_BYTES = 1 << 16
_CHALLENGE = re.compile(rb"AuthenticationSASLContinue\t 'r=[^,]*,s=([A-Za-z0-9+/=]{1,400}),i=([0-9]{1,10})'")


@dataclass(frozen=True, slots=True)
class Salt:
    """What a server adds to a role's password."""

    base64: str
    iterations: int


@dataclass(frozen=True, slots=True)
class Keys:
    """What a client needs instead of the password. Secret."""

    client: str = field(repr=False)
    server: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Login:
    """How a report's process logs in to its source."""

    keys: Keys | None = None
    tells_salt: bool = False
    """True if the worker wants to know the salt after the process has logged in with the password."""


AS_EVER = Login()


def has_use_for_keys(url: str, environment: Mapping[str, str]) -> bool:
    """True if the URL has a password that SCRAM may use, and from which libpq would make the same keys."""
    if pq.version() < _TAKES_KEYS or not _TRACES:
        return False
    try:
        told = conninfo_to_dict(url)
    except psycopg.Error:
        return False  # another kind of source
    # libpq prepares a password (SASLprep, RFC 4013) unless it is ASCII.
    password = str(told.get("password") or "")
    places = [str(told.get(name) or environment.get(f"PG{name.upper()}", "")) for name in ("host", "hostaddr", "port")]
    otherwise = "PGSERVICE" in environment or not _OTHERWISE.isdisjoint(told)
    return bool(password) and password.isascii() and not otherwise and not any("," in one for one in places)


def keys_of(url: str, salt: Salt) -> Keys | None:
    """Make the keys of the URL's password. None if the salt is invalid, or requires too many rounds."""
    if not 1 <= salt.iterations <= _MOST_ITERATIONS:
        return None
    try:
        salted = base64.b64decode(salt.base64, validate=True)
    except ValueError:
        return None
    password = str(conninfo_to_dict(url)["password"])
    salted_password = hashlib.pbkdf2_hmac("sha256", password.encode(), salted, salt.iterations)
    client, server = (
        base64.b64encode(hmac.digest(salted_password, name, "sha256")).decode()
        for name in (b"Client Key", b"Server Key")
    )
    return Keys(client, server)


_told: list[tuple[Keys | None, Callable[[Salt | None], object]]] = []


def log_in_by(keys: Keys | None, tell: Callable[[Salt | None], object]) -> None:
    """Make this process log in to its one source with the keys, or with the password and report the salt.

    `tell` receives None if the server requested the password in another way, or not at all.
    """
    _told.append((keys, tell))


def log_in(conninfo: str, *, timeout_s: float) -> AnyPGconn:
    """Return the connection, established or failed. Raises psycopg.Error."""
    if not _told:
        return PGconn.connect(conninfo.encode())
    keys, tell = _told[-1]
    if keys is not None:
        with_keys = {"scram_client_key": keys.client, "scram_server_key": keys.server}
        libpq = PGconn.connect(f"{conninfo} {written(with_keys)}".encode())
        if libpq.status == ConnStatus.OK or not libpq.used_password:
            return libpq
        libpq.finish()  # most likely the password was changed, and has another salt
    libpq, trace = _traced(conninfo, timeout_s)
    if libpq.status == ConnStatus.OK:
        tell(_salt_in(trace))
    return libpq


def _traced(conninfo: str, timeout_s: float) -> tuple[AnyPGconn, bytes]:
    """Connect, and return libpq's trace of that. It is kept in a pipe, which no other process sees."""
    addresses = str(conninfo_to_dict(conninfo).get("hostaddr") or "").count(",") + 1
    libpq = PGconn.connect_start(conninfo.encode())
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        libpq.trace(writing)
        _finish_connecting(libpq, time.monotonic() + timeout_s * addresses)
        libpq.untrace()
        with contextlib.suppress(BlockingIOError):  # nothing was traced
            return libpq, os.read(reading, _TRACED_BYTES)
        return libpq, b""
    except BaseException:
        libpq.finish()
        raise
    finally:
        os.close(reading)
        os.close(writing)


def _finish_connecting(libpq: AnyPGconn, end_at: float) -> None:
    events: Mapping[int, int] = {PollingStatus.READING: select.POLLIN, PollingStatus.WRITING: select.POLLOUT}
    while (status := libpq.connect_poll()) in events:
        waiting = select.poll()
        waiting.register(libpq.socket, events[status])
        if not waiting.poll(max(0.0, end_at - time.monotonic()) * 1000):
            raise psycopg.OperationalError("timeout expired")


def _salt_in(trace: bytes) -> Salt | None:
    """Return the salt of the only exchange. None if there was no exchange, or several with different salts."""
    found = set(_CHALLENGE.findall(trace))
    if len(found) != 1:
        return None
    [(salt, iterations)] = found
    return Salt(salt.decode(), int(iterations))
