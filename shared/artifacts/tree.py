"""A folder that is walked by open descriptors: below its root, no symbolic link is followed.

Otherwise an attacker who takes over a process that writes to a shared volume could make the others read and serve files
of their own machines.
"""

import contextlib
import errno
import os
import stat as modes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from shared.errors import TodokeError

MISSING = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_INSIDE = os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Without O_NONBLOCK, opening a pipe in place of a file would wait; for files the flag means nothing.
_READ = os.O_RDONLY | os.O_NONBLOCK | _INSIDE


class NotAPlainFile(TodokeError):
    """Something other than a file is there: a link, a folder, a pipe, a device."""


@dataclass(frozen=True, slots=True)
class Found:
    """One plain file of the tree."""

    path: str
    status: os.stat_result


class Tree:
    """The files below `root`, by paths such as `a/b/c.csv`.

    The root itself may be a link: that is the operator's choice.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextlib.contextmanager
    def walk(
        self, names: Sequence[str], *, make: bool = False, as_far_as_they_are: bool = False
    ) -> Iterator[list[int]]:
        """Yield descriptors of the root and of each folder in `names` below it, open until the block ends.

        `make` creates missing folders; `as_far_as_they_are` stops before the first missing one. Raises OSError: for a
        link, ELOOP or ENOTDIR.
        """
        with contextlib.ExitStack() as stack:
            opened = [_closed_by(stack, self._opened_root(make=make))]
            for name in names:
                try:
                    descriptor = _opened_folder(name, opened[-1], make=make)
                except MISSING:
                    if not as_far_as_they_are:
                        raise
                    break
                opened.append(_closed_by(stack, descriptor))
            yield opened

    def _opened_root(self, *, make: bool) -> int:
        try:
            return os.open(self.root, _FOLDER)
        except FileNotFoundError:
            if not make:
                raise
        self.root.mkdir(parents=True, exist_ok=True)
        return os.open(self.root, _FOLDER)

    def open(self, path: str) -> BufferedReader:
        """The plain file at `path`, opened for reading. Raises OSError, or NotAPlainFile."""
        *folders, name = path.split("/")
        with self.walk(folders) as opened:
            return open_inside(name, opened[-1])

    def files(self, folder: str) -> Iterator[Found]:
        """Yield every plain file below `folder`, by name; files that vanish meanwhile are left out."""
        names = folder.split("/") if folder else []
        try:
            with self.walk(names) as opened:
                yield from _files(opened[-1], folder)
        except MISSING:
            return


def open_inside(name: str, folder: int) -> BufferedReader:
    """The plain file `name` of the folder behind the descriptor. Raises OSError, or NotAPlainFile."""
    try:
        descriptor = os.open(name, _READ, dir_fd=folder)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO}:  # a link; a socket
            raise NotAPlainFile(f"{name} is not a plain file") from None
        raise
    if not modes.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotAPlainFile(f"{name} is not a plain file")
    return os.fdopen(descriptor, "rb")


def _opened_folder(name: str, above: int, *, make: bool) -> int:
    """Open the folder, creating it if it is missing.

    Usually it is there: for a job's second file, and a tenant's second job.
    """
    try:
        return os.open(name, _FOLDER | _INSIDE, dir_fd=above)
    except FileNotFoundError:
        if not make:
            raise
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, dir_fd=above)
    return os.open(name, _FOLDER | _INSIDE, dir_fd=above)


def _closed_by(stack: contextlib.ExitStack, descriptor: int) -> int:
    stack.callback(os.close, descriptor)
    return descriptor


def _files(folder: int, path: str) -> Iterator[Found]:
    for name in sorted(os.listdir(folder)):
        below = f"{path}/{name}" if path else name
        with contextlib.suppress(*MISSING):
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if modes.S_ISREG(status.st_mode):
                yield Found(below, status)
            elif modes.S_ISDIR(status.st_mode):
                yield from _below(name, folder, below)


def _below(name: str, folder: int, path: str) -> Iterator[Found]:
    descriptor = os.open(name, _FOLDER | _INSIDE, dir_fd=folder)
    try:
        yield from _files(descriptor, path)
    finally:
        os.close(descriptor)
