"""Makes a process end with its parent, whatever ends the parent."""

import ctypes
import sys

if sys.platform == "linux":
    _libc = ctypes.CDLL(None)  # once: each call makes a class, in memory that a forked process must copy first

_PR_SET_PDEATHSIG = 1
"""Of prctl(2), from <linux/prctl.h>."""


def end_with_parent(number: int) -> None:
    """Make the kernel send signal `number` to this process when the thread that started it ends.

    Works on Linux only; elsewhere it does nothing. Call it after the fork: the setting is not inherited.
    """
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, number)
