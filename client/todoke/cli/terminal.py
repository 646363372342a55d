"""Where output goes: data to stdout, messages to stderr, both without a server's control characters."""

import os
import re
import sys
from collections.abc import Mapping
from typing import IO

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def plain(text: object) -> str:
    """Remove what would move a terminal's cursor or reverse the text. Line ends stay."""
    return _CONTROL.sub("�", str(text))


def one_line(text: object) -> str:
    """Return the text as a cell of a table: tabs and line ends become spaces."""
    return plain(re.sub(r"[\t\r\n]+", " ", str(text)))


def is_terminal(stream: IO[str], environment: Mapping[str, str] = os.environ) -> bool:
    """True if a person sees the stream. TODOKE_FORCE_TTY makes a pipe count as one."""
    if environment.get("TODOKE_FORCE_TTY"):
        return True
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def moves(stream: IO[str], environment: Mapping[str, str] = os.environ) -> bool:
    """True if lines may be redrawn, as a progress bar does."""
    return is_terminal(stream, environment) and environment.get("TERM") != "dumb"


def colours(stream: IO[str], environment: Mapping[str, str] = os.environ) -> bool:
    """True if colours may be used: NO_COLOR forbids them, CLICOLOR_FORCE enables them in a pipe, too."""
    if environment.get("NO_COLOR"):
        return False
    if environment.get("CLICOLOR_FORCE", "0") not in {"", "0"}:
        return True
    return moves(stream, environment)


def say(text: object) -> None:
    """Write a message to stderr."""
    sys.stderr.write(plain(text) + "\n")
    sys.stderr.flush()
