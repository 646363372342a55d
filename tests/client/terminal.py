"""A process on its own terminal, which a test reads and types into."""

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence

from tests.support.eventually import eventually

LIMIT_S = 60
_AGAIN_S = 5.0
"""Until keys are pressed again."""


class Screen:
    """A pseudo-terminal, 100 columns wide. `slave` is the end that a process has; it is to be closed here then."""

    def __init__(self) -> None:
        self._master, self.slave = pty.openpty()
        self.resize(100)
        self.shown = ""

    def resize(self, columns: int) -> None:
        """As a person drags the window."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._master, keys)

    def until(self, pattern: str) -> None:
        """Read until this is shown."""
        eventually(lambda: re.search(pattern, self.read()), within_s=LIMIT_S, what=f"shows {pattern}")

    def read(self) -> str:
        """All that was shown so far."""
        with contextlib.suppress(OSError):
            while select.select([self._master], [], [], 0.02)[0]:
                piece = os.read(self._master, 65_536)
                if not piece:
                    break
                self.shown += piece.decode(errors="replace")
        return self.shown

    def close(self) -> None:
        """Take it away."""
        os.close(self._master)


class Terminal(Screen):
    """Starts the command on a terminal of its own."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        super().__init__()
        slave = self.slave

        def own() -> None:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            command, env=environment, stdin=slave, stdout=slave, stderr=slave, preexec_fn=own
        )
        os.close(slave)

    def leave(self, keys: bytes) -> int:
        """Press these keys until it ends, and return the exit code: a busy shell drops what it was not waiting for."""
        pressed_at = -_AGAIN_S

        def look() -> bool:
            nonlocal pressed_at
            if time.monotonic() - pressed_at > _AGAIN_S and self.process.poll() is None:
                with contextlib.suppress(OSError):  # it has ended since
                    self.type(keys)
                pressed_at = time.monotonic()
            self.read()
            return self.process.poll() is not None

        eventually(look, within_s=LIMIT_S, what="it ends")
        return self.end()

    def end(self) -> int:
        """Read all, and return the exit code."""
        eventually(lambda: (self.read(), self.process.poll() is not None)[1], within_s=LIMIT_S, what="it ends")
        self.read()
        self.close()
        return self.process.wait(LIMIT_S)
