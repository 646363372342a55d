"""Linux system calls for which Python's library has no functions. On other systems none of them is available."""

import ctypes
import errno
import os
import platform
import sys

LINUX = sys.platform == "linux"
MACHINE = platform.machine() if LINUX else ""
"""The processor, as Linux names it; empty on other systems."""

_libc = ctypes.CDLL(None, use_errno=True)
# prctl(2) and capset(2), from <linux/prctl.h> and <linux/capability.h>.
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_CAPABILITIES_V3 = 0x20080522


def call(number: int, *arguments: object) -> int:
    """Make the system call of this number. Raises OSError."""
    if not LINUX:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    given = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *given))


def collect_orphans() -> None:
    """Make this process the parent of descendants whose own parent ends."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def hide() -> None:
    """Keep other processes of the same user from reading this one's memory, environment and files in /proc.

    Disables core dumps.
    """
    _prctl(_PR_SET_DUMPABLE, 0)


def give_up_privileges() -> None:
    """Drop all capabilities, and keep started programs from gaining any."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if LINUX:
        header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
        _checked(_libc.capset(header, (ctypes.c_uint32 * 6)()))


def advise(address: int, length: int, advice: int) -> None:
    """Call madvise(2). Raises OSError."""
    if LINUX:
        _checked(_libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(length), advice))


def _prctl(option: int, value: int) -> None:
    if LINUX:
        _checked(_libc.prctl(option, *(ctypes.c_ulong(one) for one in (value, 0, 0, 0))))


def _checked(result: int) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
