"""Puts this process's memory into huge pages, so that its forks copy, and its children end with, shorter page tables.

A fork copies one entry for each page. With 85 MB in pages of 4 KB that was a third of what starting and ending a child
cost (`python -m tests.benchmarks.small_case`). A page that a child writes is copied alone, whatever its size was.
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
    """Do it with what this process has by now. Without the kernel's help everything stays as it is."""
    for begin, end in _own():
        begin, end = -(-begin // _HUGE_BYTES) * _HUGE_BYTES, end // _HUGE_BYTES * _HUGE_BYTES
        if begin < end:
            with contextlib.suppress(OSError):
                kernel.advise(begin, end - begin, _COLLAPSE)


def _own() -> Iterator[tuple[int, int]]:
    """The ranges that are private, writable, and of no file."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/maps").read_text().splitlines():
            addresses, rights, _, _, inode, *name = line.split(None, 5)
            if rights.startswith("rw-p") and inode == "0" and not (name and name[0].startswith("[stack")):
                begin, _, end = addresses.partition("-")
                yield int(begin, 16), int(end, 16)
