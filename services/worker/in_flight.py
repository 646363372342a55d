"""All attempts that this worker holds, and how many more it has room for."""

import contextlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from services.worker.held import Held
from shared.jobs.lease import Lease

_GATHER_S = 0.02
"""How long one free slot waits for more. On a busy worker the start of a job is delayed by at most this."""


class InFlight:
    """The attempts from `jobs.start` until their outcome is written, and the slots.

    A slot is taken while a message is asked for and while its attempt works. Safe to use from several threads.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        """Attempts that may work at the same time."""
        self._working = 0
        self._reserved = 0
        self._starting = 0
        self._held: dict[UUID, Held] = {}
        """Lease token → attempt."""
        self._lock = threading.Lock()
        # Two conditions: a poll that waits for room need not wake for every outcome that is written.
        self._room_made = threading.Condition(self._lock)
        self._emptied = threading.Condition(self._lock)

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Within the block, `wait_until_empty` waits: jobs become ours in the database that are not added here yet."""
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

        So several polls together never bring more than can start. When only some are free, it waits a moment for the
        rest: a busy worker frees many at once, and a request for ten messages costs as much as one for one.
        """
        most = min(most, self.slots)
        with self._room_made:
            if self._room < most and self._room_made.wait_for(lambda: self._room > 0, timeout_s):
                self._room_made.wait_for(lambda: self._room >= most, _GATHER_S)
            reserved = min(most, self._room)
            self._reserved += reserved
            return reserved

    def release(self, reserved: int) -> None:
        """Free slots that were reserved in vain: fewer messages came, or fewer jobs could be started."""
        if not reserved:
            return  # and wake nobody for nothing
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
        """Free the slots of attempts that are done. They stay held, and their leases renewed, until `remove`."""
        with self._room_made:
            self._working -= attempts
            self._room_made.notify_all()

    def remove(self, leases: Iterable[Lease]) -> None:
        """Take these leases out, and free their slots: their outcome is written, or another worker writes it."""
        with self._lock:
            for lease in leases:
                self._held.pop(lease.token, None)
            self._wake_if_empty()

    def all(self) -> list[Held]:
        """Every attempt held now."""
        with self._lock:
            return list(self._held.values())

    def job_ids(self) -> frozenset[UUID]:
        """The jobs of every attempt held now."""
        with self._lock:
            return frozenset(held.lease.job_id for held in self._held.values())

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until nothing is held or being started. Returns False if that takes longer than `timeout_s`."""
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
        """Attempts that occupy a slot."""
        return self._working
