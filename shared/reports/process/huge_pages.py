"""Moves this process's memory into huge pages, so that its forks copy shorter page tables, and its children end faster.

A fork copies one entry for each page. With 85 MB in pages of 4 KB, that was a third of the cost of starting and ending
a child (`python -m tests.benchmarks.small_case`). If a child writes to a page, only a small page is copied.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from shared.reports.process import kernel

_HUGE_BYTES = 2 << 20
"""On x86-64, and on arm64 with pages of 4 KB. Elsewhere the kernel refuses, and nothing changes."""
_COLLAPSE = 25
"""MADV_COLLAPSE of Linux 6.1: now, and whatever `transparent_hugepage` says (madvise(2), read 2026-11-29)."""


def use() -> None:
    """Move the current memory. Without the kernel's support, everything stays as it is."""
    for begin, end in _own():
        begin, end = -(-begin // _HUGE_BYTES) * _HUGE_BYTES, end // _HUGE_BYTES * _HUGE_BYTES
        if begin < end:
            with contextlib.suppress(OSError):
                kernel.advise(begin, end - begin, _COLLAPSE)


def _own() -> Iterator[tuple[int, int]]:
    """Yield the ranges that are private, writable, and not backed by a file."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/maps").read_text().splitlines():
            addresses, rights, _, _, inode, *name = line.split(None, 5)
            if rights.startswith("rw-p") and inode == "0" and not (name and name[0].startswith("[stack")):
                begin, _, end = addresses.partition("-")
                yield int(begin, 16), int(end, 16)
