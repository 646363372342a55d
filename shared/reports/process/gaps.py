"""Fills the gaps in this process's memory, so that the allocations of its forks are contiguous.

Freed objects leave gaps on thousands of pages. Allocators use those first, and a fork must copy each page before it
writes there. Without gaps it writes to new pages only, as many as its data needs. That saves a fifth of all page faults
of a small report (`python -m tests.benchmarks.small_case`, 2026-11-30).
"""

import ctypes
import sys
from collections.abc import Callable, Sequence
from mmap import PAGESIZE

_RUN_BYTES = 64 << 10
"""A contiguous run of this length is not a gap any more."""
_ONE_PIECE = 1.15
"""The most pages of a contiguous run, as a multiple of the least: it may begin within a page, or a pool."""
_POOLED = range(48, 512 + 1, 16)
"""The sizes for which CPython has pools (Objects/obmalloc.c of 3.11 to 3.13, read 2026-11-30), beginning with the
shortest bytes object that is newly created each time."""
_BYTES_HEADER = sys.getsizeof(b"")
_CHUNKED = range(2040, 8, -16)
"""What to request from glibc's malloc(3) to get each size of its chunks on 64 bits, largest first."""
_CHUNK_HEADER = 8
_MOST_BYTES = 8 << 20
"""More than a fork server ever needed, for each of the two. Elsewhere, memory may never become contiguous."""

_filling: list[Sequence[object]] = []


def fill() -> None:
    """Fill the gaps permanently with unused memory. Nothing else changes.

    Call it once everything that forks share is there.
    """
    _fill_pools()
    _fill_heap()


def _fill_pools() -> None:
    """Fill the gaps between small Python objects."""
    left = _MOST_BYTES
    for size in _POOLED:
        count, length = _RUN_BYTES // size, size - _BYTES_HEADER
        while left > 0:
            made = [bytes(length) for _ in range(count)]
            if _lie_side_by_side([id(one) for one in made], size):
                break
            _filling.append(made)
            left -= count * size


def _fill_heap() -> None:
    """Fill the gaps between all other memory, with the C library's own functions."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version") or sys.maxsize < 1 << 32:
        return
    libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_size_t
    libc.free.argtypes, libc.free.restype = [ctypes.c_size_t], None
    left = _MOST_BYTES
    for size in _CHUNKED:
        taken = [0] * (_RUN_BYTES // size)  # allocated at once: a growing list would take memory in between
        while left > 0:
            _fill_in(taken, libc.malloc, size)
            if _lie_side_by_side(taken, size + _CHUNK_HEADER):
                for one in taken:
                    libc.free(one)
                break
            left -= len(taken) * size


def _fill_in(taken: list[int], malloc: Callable[[int], int], size: int) -> None:
    for at in range(len(taken)):
        taken[at] = malloc(size)


def _lie_side_by_side(addresses: Sequence[int], size: int) -> bool:
    """True if they are on about as few pages as possible."""
    pages = len({one // PAGESIZE for one in addresses})
    return pages <= _ONE_PIECE * len(addresses) * size / PAGESIZE + 1
