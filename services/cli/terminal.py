"""What may be written to a terminal, and how a command ends when the reader of its output has gone."""

import os
import signal
import sys
from typing import TextIO

HUNG_UP = 128 + signal.SIGPIPE
INTERRUPTED = 128 + signal.SIGINT


def takes_colours(stream: TextIO) -> bool:
    """True if colours may be written to the stream: NO_COLOR, CLICOLOR_FORCE and TERM=dumb are respected."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("CLICOLOR_FORCE", "0") != "0":
        return True
    return moves_the_cursor(stream)


def moves_the_cursor(stream: TextIO) -> bool:
    """True if a line on the stream can be overwritten."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def hang_up() -> int:
    """Discard further output to a stdout that nobody reads. Returns the exit code that a shell then expects."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.__stdout__.fileno() if sys.__stdout__ else 1)
    os.close(nowhere)
    return HUNG_UP
