"""Processes that count together: each takes a free slot, and continues the counts of the slot's last process.

prometheus_client itself uses a file per process id: files of killed processes would stay, and every scrape would read
them all.
"""

import fcntl
import itertools
import os
from pathlib import Path

from prometheus_client import values

MULTIPROCESS_DIR = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder in which several processes count together. It must be set before they declare any
metric."""


def count_in_a_slot() -> None:
    """Let metrics that are declared from now on count in a slot of the folder that MULTIPROCESS_DIR names, if any."""
    if folder := os.environ.get(MULTIPROCESS_DIR):
        slot = take_slot(Path(folder))
        values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]


def take_slot(folder: Path) -> int:
    """Return the lowest number that no living process has.

    It belongs to this process until it ends, however it ends.
    """
    for number in itertools.count():
        # The file stays open: the lock is the kernel's, and ends with the process.
        descriptor = os.open(folder / f"slot-{number}", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return number
    raise AssertionError("there is always another number")
