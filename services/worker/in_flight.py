"""The attempts this worker has under way."""

import contextlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from services.worker.held import Held
from shared.jobs.lease import Lease

_GATHER_S = 0.02
"""How long one free slot waits for more: at most this much is added to the start of a job on a worker that is busy."""


class InFlight:
    """All attempts from `start` until their outcome is written, and how many more there is room for."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        """Attempts that may work at the same time."""
        self._working = 0
        self._reserved = 0
        self._starting = 0
        self._held: dict[UUID, Held] = {}
        """By the lease's token."""
        self._lock = threading.Lock()
        # Apart: a poll that waits for room is not to be woken by every outcome that is written.
        self._room_made = threading.Condition(self._lock)
        self._emptied = threading.Condition(self._lock)

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Within the block, jobs become ours in the database and are not added yet: there is something to wait for."""
        with self._lock:
            self._starting += 1
        try:
            yield
        finally:
            with self._lock:
                self._starting -= 1
                self._tell_if_empty()

    def reserve(self, most: int, timeout_s: float) -> int:
        """Keep up to `most` free slots for messages that are asked for; waits up to `timeout_s` for the first one.

        Several polls may be under way, and together they bring no more than can start. With one slot free, the rest
        get a moment: a busy worker frees many at once, and a request that brings ten costs what one does for one.
        """
        most = min(most, self.slots)
        with self._room_made:
            if self._room < most and self._room_made.wait_for(lambda: self._room > 0, timeout_s):
                self._room_made.wait_for(lambda: self._room >= most, _GATHER_S)
            reserved = min(most, self._room)
            self._reserved += reserved
            return reserved

    def release(self, reserved: int) -> None:
        """These slots are not needed after all: fewer messages came, or fewer jobs could be started."""
        if not reserved:
            return  # and wake nobody in vain
        with self._room_made:
            self._reserved -= reserved
            self._room_made.notify_all()

    @property
    def _room(self) -> int:
        return self.slots - self._working - self._reserved

    def add(self, attempts: Sequence[Held]) -> None:
        """Hold attempts that this worker just started, in slots that were reserved."""
        with self._lock:
            self._held.update((held.lease.token, held) for held in attempts)
            self._working += len(attempts)
            self._reserved -= len(attempts)

    def work_ended(self, attempts: int = 1) -> None:
        """Attempts gave up their slots. They stay held, and their leases renewed, until their outcomes are written."""
        with self._room_made:
            self._working -= attempts
            self._room_made.notify_all()

    def remove(self, leases: Iterable[Lease]) -> None:
        """The outcomes of these are written, or no longer ours to write."""
        with self._lock:
            for lease in leases:
                self._held.pop(lease.token, None)
            self._tell_if_empty()

    def all(self) -> list[Held]:
        """Everything held now."""
        with self._lock:
            return list(self._held.values())

    def wait_until_empty(self, timeout_s: float) -> bool:
        """True once nothing is held or being started any more; False after `timeout_s`."""
        with self._emptied:
            return self._emptied.wait_for(lambda: self._empty, timeout_s)

    def _tell_if_empty(self) -> None:
        if self._empty:
            self._emptied.notify_all()

    @property
    def _empty(self) -> bool:
        return not self._held and not self._starting

    @property
    def working(self) -> int:
        """Attempts that occupy a slot."""
        return self._working
