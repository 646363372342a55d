"""A child that is forked before anybody asks for one, so that no report waits for its fork.

It has done nothing and knows of no report until it is given one, for which alone it lives. It ends with the server that
forked it.
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
        """Have it begin, with these two descriptors. False if it is dead. It is no spare any more, either way."""
        try:
            socket.send_fds(self._end, [_TAKEN], [line, output])
        except OSError:
            return False
        finally:
            self._end.close()
        return True

    def let_go(self) -> None:
        """Have it end, which was given nothing."""
        self._end.close()


class Spares:
    """The one spare child of a server. `forked` forks one, without the descriptors that it is told."""

    def __init__(self, forked: Callable[..., Spare]) -> None:
        self._forked = forked
        self._waiting: Spare | None = None

    @property
    def pids(self) -> Sequence[int]:
        """The id of the child that waits, if there is one."""
        return [self._waiting.pid] if self._waiting else []

    def have_one(self) -> None:
        """Fork one unless one waits. If that fails, the next report waits for its fork."""
        if self._waiting is None:
            with contextlib.suppress(OSError):
                self._waiting = self._forked()

    def begin(self, line: int, output: int, *others: int) -> int:
        """Have a child begin, and return its id: the spare, or one that is forked now. Raises OSError."""
        child, self._waiting = self._waiting, None
        if child is None or not child.give(line, output):  # none, or it has just died
            child = self._forked(line, output, *others)
            if not child.give(line, output):
                raise ChildProcessError("a child ended before it began")
        return child.pid

    def ended(self, pid: int) -> None:
        """Take note that this process has ended, which may be the spare."""
        if pid in self.pids:
            self.let_go()

    def let_go(self) -> None:
        """Have the spare end."""
        if self._waiting is not None:
            self._waiting.let_go()
            self._waiting = None


def fork(forget: Callable[[], None], become: Callable[[int, int], NoReturn]) -> Spare:
    """Fork a child. It calls `forget` at once, and `become` as soon as it is given its descriptors. Raises OSError."""
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
            end_with_parent(signal.SIGKILL)  # also while it is frozen, and would not see its socket closed
            servers_end.close()
            forget()
            _, descriptors, _, _ = socket.recv_fds(own_end, len(_TAKEN), 2)
            own_end.close()
            if descriptors:
                become(*descriptors)
            os._exit(0)  # nobody needs it: its server is gone
        except BaseException:  # noqa: BLE001 - the worker logs it as output, if it has come so far
            traceback.print_exc()
        finally:
            os._exit(1)
