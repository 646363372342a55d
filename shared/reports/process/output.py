"""The output of a report's code: text in a field of the worker's log lines, limited in amount."""

import logging
import os
from typing import Self

log = logging.getLogger(__name__)

_MOST_BYTES, _MOST_LINES = 64 * 1024, 500
"""The limits per attempt. Anything beyond is read and dropped: a report must not wait for its log."""
_PIECE_BYTES = 1 << 18
_LAST_PIECES = 8
"""A pipe holds fewer pieces than this: a process that keeps writing after the end is not read any more."""


class Output:
    """The worker's end of a report's stdout and stderr. Closes the descriptor at the end of its block."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        os.set_blocking(descriptor, False)
        self._bytes_left, self._lines_left = _MOST_BYTES, _MOST_LINES
        self._rest = b""
        self._dropped = 0
        self.closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for _piece in range(_LAST_PIECES):
            if self.closed or not self.read():
                break
        self._tell(self._rest)
        if self._dropped:
            log.warning("report.output_dropped", extra={"bytes": self._dropped})
        os.close(self._descriptor)

    def fileno(self) -> int:
        """Return the descriptor, for `wait`."""
        return self._descriptor

    def read(self) -> bool:
        """Read what is available, at most one piece, and log its complete lines. False if nothing is left."""
        try:
            piece = os.read(self._descriptor, _PIECE_BYTES)
        except BlockingIOError:
            return False
        self.closed = not piece
        taken = piece[: self._bytes_left]
        self._bytes_left -= len(taken)
        self._dropped += len(piece) - len(taken)
        *lines, self._rest = (self._rest + taken).split(b"\n")
        for line in lines:
            self._tell(line)
        return bool(piece)

    def _tell(self, line: bytes) -> None:
        if self._lines_left == 0:
            self._dropped += len(line) + 1
        elif line:
            self._lines_left -= 1
            log.info("report.output", extra={"text": line.decode(errors="replace")})
