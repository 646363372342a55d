"""Looks up the hosts of webhooks, so that a name server that never answers delays only the tenant that uses it.

libcurl would look names up in few threads, shared by all deliveries. A look-up in progress cannot be cancelled; the
system's resolver gives up after half a minute, long after its delivery. So with names of a silent name server, one
tenant could occupy all threads for as long as it likes.
"""

import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

MOST, MOST_OF_ONE = 128, 16
"""Look-ups at a time, for all tenants and for one. One that nobody waits for any more counts until it ends."""
_MOST_ADDRESSES = 16
"""How many addresses of a host may be tried."""


def addresses_of(host: str) -> Sequence[str]:
    """Return the addresses of a host, in the order in which they should be tried. Raises OSError."""
    found = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
    texts = (str(address[0]).partition("%")[0] for *_, address in found)
    return list(dict.fromkeys(texts))[:_MOST_ADDRESSES]


@dataclass(frozen=True, slots=True)
class _LookUp:
    """A host whose look-up is running or waiting, and the requests that need it."""

    host: str
    tenant: str
    requests: set[UUID] = field(default_factory=set)


class Lookups:
    """Looks hosts up in threads that nobody waits for, not even at the end of the process. Used from one thread."""

    def __init__(self, look_up: Callable[[str], Sequence[str]] = addresses_of) -> None:
        """`look_up` returns the addresses of a host, or raises OSError."""
        self._look_up = look_up
        self._changed = threading.Condition()
        self._waiting: dict[tuple[str, str], _LookUp] = {}
        """By tenant and host, the oldest first: a waiting host does not delay others."""
        self._at_work: dict[str, _LookUp] = {}
        self._found: dict[UUID, Sequence[str]] = {}

    def begin(self, request: UUID, host: str, *, tenant: str) -> None:
        """Start looking the host up for this request, unless that is in progress already."""
        with self._changed:
            one = self._at_work.get(host) or self._waiting.setdefault((tenant, host), _LookUp(host, tenant))
            one.requests.add(request)
            self._start()

    def take(self) -> dict[UUID, Sequence[str]]:
        """Return the addresses found since the last call, for each request's host; empty if the host has none."""
        with self._changed:
            found, self._found = self._found, {}
            return found

    def wait(self, timeout_s: float) -> None:
        """Return when something has been found, or when the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._found, timeout_s)

    def forget(self, request: UUID) -> None:
        """Stop waiting for the request. A look-up for it that has not begun does not begin."""
        with self._changed:
            for one in (*self._waiting.values(), *self._at_work.values()):
                one.requests.discard(request)
            self._found.pop(request, None)
            self._waiting = {key: one for key, one in self._waiting.items() if one.requests}

    def _start(self) -> None:
        """Begin what may begin, the oldest first. The lock must be held."""
        of = Counter(one.tenant for one in self._at_work.values())
        for one in list(self._waiting.values()):
            if (one.tenant, one.host) not in self._waiting:
                continue  # another tenant's turn came first, and took these requests along
            if len(self._at_work) < MOST and of[one.tenant] < MOST_OF_ONE:
                of[one.tenant] += 1
                for key in [key for key in self._waiting if key[1] == one.host]:
                    one.requests.update(self._waiting.pop(key).requests)
                self._at_work[one.host] = one
                try:
                    threading.Thread(target=self._work, args=(one,), name="webhook-look-up", daemon=True).start()
                except RuntimeError:  # no thread is available
                    self._end(one, ())

    def _work(self, one: _LookUp) -> None:
        addresses: Sequence[str] = ()
        with contextlib.suppress(OSError, UnicodeError):
            addresses = self._look_up(one.host)
        with self._changed:
            self._end(one, addresses)
            self._start()

    def _end(self, one: _LookUp, addresses: Sequence[str]) -> None:
        del self._at_work[one.host]
        self._found.update(dict.fromkeys(one.requests, addresses))
        self._changed.notify_all()
