"""Explains a failed start, and what helps."""

import errno
import shutil
from pathlib import Path

from deploy.local.processes import LocalFailure
from shared.errors import TodokeError

NEEDED_MB = 300
"""For a first start: 140 are PostgreSQL's with the sample data, 45 the first reports (`du -sm .todoke/*` after
`make run ARGS=--once`); the rest is for what comes next."""


def require_room(folder: Path) -> None:
    """Raise LocalFailure if a first start in `folder` would fill its disk."""
    if (free := free_mb(folder)) < NEEDED_MB:
        raise LocalFailure(
            f"{folder} has room for {free} MB, and a first start needs {NEEDED_MB}: make room, or choose a folder on "
            f'another disk with `make run ARGS="--data /another/folder"`'
        )


def free_mb(folder: Path) -> int:
    """Return the megabytes that can still be written below `folder`."""
    return shutil.disk_usage(folder).free >> 20


def remedy(error: BaseException, folder: Path) -> str:
    """Return the error's message, and what helps if a full disk is the reason."""
    # The first line: SQLAlchemy appends the statement, psycopg the position in the data.
    words = str(error) if isinstance(error, TodokeError) else str(error).strip().partition("\n")[0]
    message = words or type(error).__name__
    if not _is_disk_full(error, message, folder):
        return message
    return (
        f"{message}\nThe disk of {folder} is full ({free_mb(folder)} MB are free): make room, or choose a folder on "
        f'another disk with `make run ARGS="--data /another/folder"`'
    )


def _is_disk_full(error: BaseException, message: str, folder: Path) -> bool:
    """True if the disk is full: by the error number, by the words that every program uses for it, or by a check,
    because a service that could write nothing could not write the reason either.
    """
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return True
    if any(words in message for words in ("No space left on device", "Disk quota exceeded")):
        return True
    return folder.is_dir() and free_mb(folder) < 1
