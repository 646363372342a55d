"""A child that is forked in advance, so that no report waits for its fork.

It does nothing and knows nothing about a report until it is given one, for which alone it then lives. It ends with the
server that forked it.
"""

import contextlib
import os
import signal
import socket
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from shared.runtime.parent_death import end_with_parent

_TAKEN = b"t"


@dataclass(frozen=True, slots=True)
class Spare:
    """The child, as its server sees it."""

    pid: int
    _end: socket.socket

    def give(self, line: int, output: int) -> bool:
        """Start it with these two descriptors. False if it is dead. Either way, it is not a spare any more."""
        try:
            socket.send_fds(self._end, [_TAKEN], [line, output])
        except OSError:
            return False
        finally:
            self._end.close()
        return True

    def let_go(self) -> None:
        """End a child that was given nothing."""
        self._end.close()


class Spares:
    """The one spare child of a server. `forked` forks one, without the descriptors that it is passed."""

    def __init__(self, forked: Callable[..., Spare]) -> None:
        self._forked = forked
        self._waiting: Spare | None = None

    @property
    def pids(self) -> Sequence[int]:
        """The id of the waiting child, if there is one."""
        return [self._waiting.pid] if self._waiting else []

    def have_one(self) -> None:
        """Fork one unless one is waiting. If that fails, the next report waits for its fork."""
        if self._waiting is None:
            with contextlib.suppress(OSError):
                self._waiting = self._forked()

    def begin(self, line: int, output: int, *others: int) -> int:
        """Start a child, and return its id: the spare, or one that is forked now. Raises OSError."""
        child, self._waiting = self._waiting, None
        if child is None or not child.give(line, output):  # none, or it has just died
            child = self._forked(line, output, *others)
            if not child.give(line, output):
                raise ChildProcessError("a child ended before it began")
        return child.pid

    def ended(self, pid: int) -> None:
        """Record that this process has ended, which may be the spare."""
        if pid in self.pids:
            self.let_go()

    def let_go(self) -> None:
        """End the spare."""
        if self._waiting is not None:
            self._waiting.let_go()
            self._waiting = None


def fork(forget: Callable[[], None], become: Callable[[int, int], NoReturn]) -> Spare:
    """Fork a child. It calls `forget` at once, and `become` as soon as it receives its descriptors. Raises OSError."""
    servers_end, own_end = socket.socketpair()
    with own_end:
        try:
            pid = os.fork()
        except OSError:
            servers_end.close()
            raise
        if pid:
            return Spare(pid, servers_end)
        try:
            end_with_parent(signal.SIGKILL)  # a frozen child would not notice its closed socket
            servers_end.close()
            forget()
            _, descriptors, _, _ = socket.recv_fds(own_end, len(_TAKEN), 2)
            own_end.close()
            if descriptors:
                become(*descriptors)
            os._exit(0)  # not needed: its server is gone
        except BaseException:  # noqa: BLE001 - the worker logs it as output, if it has come so far
            traceback.print_exc()
        finally:
            os._exit(1)
