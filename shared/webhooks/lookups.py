"""Looks up where the hosts of webhooks are, so that a name server that never answers delays only who named it.

libcurl would look names up in few threads, for all deliveries together. A thread cannot be called back from a look-up,
which the system's resolver gives up after half a minute, long after its delivery: with names of a silent server, one
tenant would hold all of them for as long as it likes.
"""

import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

MOST, MOST_OF_ONE = 128, 16
"""Look-ups at a time, of all tenants and of one. One that nobody waits for any more counts until its end."""
_MOST_ADDRESSES = 16
"""Of a host, that may be tried."""


def addresses_of(host: str) -> Sequence[str]:
    """The addresses of a host, in the order in which they are to be tried. Raises OSError."""
    found = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
    texts = (str(address[0]).partition("%")[0] for *_, address in found)
    return list(dict.fromkeys(texts))[:_MOST_ADDRESSES]


@dataclass(frozen=True, slots=True)
class _LookUp:
    """A host that is looked up, or waits for that, and whose letters want to know."""

    host: str
    tenant: str
    letters: set[UUID] = field(default_factory=set)


class Lookups:
    """Looks hosts up in threads that nobody waits for, not even at the end of the process. For one thread's use."""

    def __init__(self, look_up: Callable[[str], Sequence[str]] = addresses_of) -> None:
        """`look_up` returns the addresses of a host, or raises OSError."""
        self._look_up = look_up
        self._changed = threading.Condition()
        self._waiting: dict[tuple[str, str], _LookUp] = {}
        """By tenant and host, the oldest first: who waits for their turn makes nobody else wait for the same host."""
        self._at_work: dict[str, _LookUp] = {}
        self._found: dict[UUID, Sequence[str]] = {}

    def begin(self, letter: UUID, host: str, *, tenant: str) -> None:
        """Have the host looked up for this letter, unless that is being done already."""
        with self._changed:
            one = self._at_work.get(host) or self._waiting.setdefault((tenant, host), _LookUp(host, tenant))
            one.letters.add(letter)
            self._start()

    def take(self) -> dict[UUID, Sequence[str]]:
        """The addresses that were found since the last call, of each letter's host; none where it leads nowhere."""
        with self._changed:
            found, self._found = self._found, {}
            return found

    def wait(self, timeout_s: float) -> None:
        """Return when something has been found, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._found, timeout_s)

    def forget(self, letter: UUID) -> None:
        """Have the letter wait no more. A look-up that has not begun does not begin for it."""
        with self._changed:
            for one in (*self._waiting.values(), *self._at_work.values()):
                one.letters.discard(letter)
            self._found.pop(letter, None)
            self._waiting = {key: one for key, one in self._waiting.items() if one.letters}

    def _start(self) -> None:
        """Begin what may begin, the oldest first. The lock is held."""
        of = Counter(one.tenant for one in self._at_work.values())
        for one in list(self._waiting.values()):
            if (one.tenant, one.host) not in self._waiting:
                continue  # another tenant's turn came first, and took these letters along
            if len(self._at_work) < MOST and of[one.tenant] < MOST_OF_ONE:
                of[one.tenant] += 1
                for key in [key for key in self._waiting if key[1] == one.host]:
                    one.letters.update(self._waiting.pop(key).letters)
                self._at_work[one.host] = one
                try:
                    threading.Thread(target=self._work, args=(one,), name="webhook-look-up", daemon=True).start()
                except RuntimeError:  # no thread is to be had
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
        self._found.update(dict.fromkeys(one.letters, addresses))
        self._changed.notify_all()
