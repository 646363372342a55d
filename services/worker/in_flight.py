"""All attempts that this worker holds, and its free slots."""

import contextlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from services.worker.held import Held
from shared.jobs.lease import Lease

_GATHER_S = 0.02
"""How long one free slot waits for others. On a busy worker this delays the start of a job by at most as long."""


class InFlight:
    """Holds attempts from `jobs.start` until their outcome is written, and counts the slots.

    A slot is taken while a poll asks for a message for it and while its attempt works. Safe to use from several
    threads.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        """How many attempts may work at the same time."""
        self._working = 0
        self._reserved = 0
        self._starting = 0
        self._held: dict[UUID, Held] = {}
        """Lease token → attempt."""
        self._lock = threading.Lock()
        # Two conditions: a poll that waits for a slot need not wake for every outcome that is written.
        self._room_made = threading.Condition(self._lock)
        self._emptied = threading.Condition(self._lock)

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Make `wait_until_empty` wait for the whole block, in which the database gives this worker jobs that are not
        added yet.
        """
        with self._lock:
            self._starting += 1
        try:
            yield
        finally:
            with self._lock:
                self._starting -= 1
                self._wake_if_empty()

    def reserve(self, most: int, timeout_s: float) -> int:
        """Reserve up to `most` free slots for messages, waiting up to `timeout_s` for the first. Returns how many.

        Reserving keeps concurrent polls from bringing more jobs than can start. When only some slots are free, this
        waits a moment for the rest: a busy worker frees many at once, and a request for ten messages costs as much as
        one for one.
        """
        most = min(most, self.slots)
        with self._room_made:
            if self._room < most and self._room_made.wait_for(lambda: self._room > 0, timeout_s):
                self._room_made.wait_for(lambda: self._room >= most, _GATHER_S)
            reserved = min(most, self._room)
            self._reserved += reserved
            return reserved

    def release(self, reserved: int) -> None:
        """Free slots that were reserved but not used: fewer messages came, or fewer jobs could be started."""
        if not reserved:
            return  # and wake nobody for nothing
        with self._room_made:
            self._reserved -= reserved
            self._room_made.notify_all()

    @property
    def _room(self) -> int:
        return self.slots - self._working - self._reserved

    def add(self, attempts: Sequence[Held]) -> None:
        """Hold attempts that this worker has just started, in slots that were reserved for them."""
        with self._lock:
            self._held.update((held.lease.token, held) for held in attempts)
            self._working += len(attempts)
            self._reserved -= len(attempts)

    def work_ended(self, attempts: int = 1) -> None:
        """Free the slots of attempts that have finished.

        The attempts stay held, and their leases are renewed, until `remove`.
        """
        with self._room_made:
            self._working -= attempts
            self._room_made.notify_all()

    def remove(self, leases: Iterable[Lease]) -> None:
        """Remove the attempts of these leases, and free their slots: their outcome is written, or another worker writes
        it.
        """
        with self._lock:
            for lease in leases:
                self._held.pop(lease.token, None)
            self._wake_if_empty()

    def all(self) -> list[Held]:
        """Return every attempt held now."""
        with self._lock:
            return list(self._held.values())

    def job_ids(self) -> frozenset[UUID]:
        """Return the jobs of all attempts held now."""
        with self._lock:
            return frozenset(held.lease.job_id for held in self._held.values())

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until nothing is held and nothing is being started.

        Returns False if that takes longer than `timeout_s`.
        """
        with self._emptied:
            return self._emptied.wait_for(lambda: self._empty, timeout_s)

    def _wake_if_empty(self) -> None:
        if self._empty:
            self._emptied.notify_all()

    @property
    def _empty(self) -> bool:
        return not self._held and not self._starting

    @property
    def working(self) -> int:
        """How many attempts occupy a slot."""
        return self._working
