"""Landlock: this process and what it starts can reach the given files and TCP ports, and no others.

Any process may use it, without privileges, and none can undo it. A confined process cannot trace a process outside
either, which covers memory, environment and open files in /proc (landlock(7), read 2026-11-28).
"""

import ctypes
import os
import stat
from collections.abc import Iterable, Sequence

from shared.reports.process import kernel

USABLE, PORTS, SIGNALS = 2, 4, 6
"""The versions that can restrict files (version 1 cannot allow hard links between two folders), ports and signals."""
# The numbers are the same on every processor.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION, _PATH_BENEATH, _NET_PORT = 1, 1, 2
# LANDLOCK_ACCESS_FS_… of <linux/landlock.h>.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_SOCK, _MAKE_BLOCK = 1 << 6, 1 << 9, 1 << 11
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_NO_WRITER_NEEDS = _EXECUTE | _MAKE_CHAR | _MAKE_SOCK | _MAKE_BLOCK
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_BIND_TCP, _CONNECT_TCP = 1, 2
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2
_RIGHTS = ((5, 16), (3, 15), (USABLE, 14))
"""Kernel version of Landlock → how many of the rights to files it knows."""


def version() -> int:
    """Return the kernel's version of Landlock; 0 if there is none, or it is disabled or forbidden."""
    try:
        return kernel.call(_CREATE_RULESET, 0, 0, _ASK_VERSION)
    except OSError:
        return 0


class _Rule(ctypes.Structure):
    """`struct landlock_path_beneath_attr`."""

    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("descriptor", ctypes.c_int32))


_kept: dict[str, _Rule | None] = {}
"""Path → the rule that lets a process read it, with an open descriptor; None if the path does not exist."""


def keep_open(paths: Iterable[str]) -> None:
    """Open what every report may read once, for all processes forked from this one.

    A path that does not exist now is not looked for again.
    """
    for path in paths:
        if path not in _kept:
            _kept[path] = _rule(path, _READ)


def restrict(known: int, *, readable: Iterable[str], writable: Iterable[str], ports: Sequence[int] | None) -> None:
    """Restrict this thread, and everything that it starts, to these paths with everything below, and to these ports for
    connecting.

    `known` is the kernel's version; None for `ports` allows all. Missing paths are skipped. Raises OSError.
    """
    files = (1 << next(bits for since, bits in _RIGHTS if known >= since)) - 1
    net = _BIND_TCP | _CONNECT_TCP if known >= PORTS and ports is not None else 0
    scopes = _ABSTRACT_SOCKETS | _SIGNALS if known >= SIGNALS else 0
    attributes = (ctypes.c_uint64 * 3)(files, net, scopes)
    ruleset = kernel.call(_CREATE_RULESET, ctypes.byref(attributes), ctypes.sizeof(attributes), 0)
    try:
        for path in readable:
            if path in _kept:
                _add(ruleset, _kept[path])
            else:
                _allow(ruleset, path, _READ)
        for path in writable:
            _allow(ruleset, path, files & ~_NO_WRITER_NEEDS)
        for port in ports or () if net else ():
            rule = (ctypes.c_uint64 * 2)(_CONNECT_TCP, port)
            kernel.call(_ADD_RULE, ruleset, _NET_PORT, ctypes.byref(rule), 0)
        kernel.call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    rule = _rule(path, rights)
    if rule is not None:
        try:
            _add(ruleset, rule)
        finally:
            os.close(rule.descriptor)


def _add(ruleset: int, rule: _Rule | None) -> None:
    if rule is not None:
        kernel.call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)


def _rule(path: str, rights: int) -> _Rule | None:
    """Return the rule for a path, which is opened; None if the path does not exist."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
    return _Rule(rights if is_folder else rights & _OF_A_FILE, descriptor)
