"""Acknowledgements delete the messages of written outcomes, ten at a time."""

import logging
import queue
import threading
import time
from collections.abc import Sequence

from shared.queues.interface import MAX_BATCH_ENTRIES, Queue, QueueUnavailable

log = logging.getLogger(__name__)

THREADS = 8
"""Delete requests at once. A request within a region takes about 8 ms, so eight threads delete 10,000 messages per
second."""
MOST_WAITING = 5_000
"""Half a second's worth of deletions. While more receipts wait, polling pauses: otherwise receipts would grow old, and
the heap would grow."""
_GATHER_S = 0.1
"""How long a group waits to reach ten. Deleting one message costs a request as deleting ten does, and a copy of an
ended job does no harm."""
_LOOK_EVERY_S = 0.5
"""How long a pass waits for its first receipt before the loop checks whether it should stop."""


class Acknowledgements:
    """Takes receipts from the finisher and deletes their messages. `run_once` may run in several threads."""

    def __init__(self, message_queue: Queue) -> None:
        self._queue = message_queue
        self._added: queue.SimpleQueue[Sequence[str]] = queue.SimpleQueue()
        self._waiting: list[str] = []
        self._gathering = threading.Lock()
        self._ever_added = 0
        self._ever_taken = 0
        self._look_every_s = _LOOK_EVERY_S

    def add(self, receipts: Sequence[str]) -> None:
        """Delete these messages soon: the outcomes of their jobs are committed. Called from one thread only."""
        self._ever_added += len(receipts)
        self._added.put(receipts)

    @property
    def behind(self) -> bool:
        """True while SQS deletes more slowly than jobs end."""
        return self._ever_added - self._ever_taken > MOST_WAITING

    def run_once(self) -> int:
        """Delete up to ten messages and return how many. Waits half a second for the first, a tenth for the others."""
        with self._gathering:
            group = self._group(self._look_every_s, _GATHER_S)
        self._delete(group)
        return len(group)

    def end(self) -> None:
        """Release every thread that waits for a receipt: no more will be added.

        Otherwise each thread in turn would wait for a first receipt.
        """
        self._look_every_s = 0.0
        self._added.put(())

    def flush(self) -> None:
        """Delete all messages that wait, and wait for no more."""
        while group := self._group(0, 0):
            self._delete(group)

    def _group(self, first_s: float, others_s: float) -> list[str]:
        try:
            if not self._waiting:
                self._waiting += self._added.get(timeout=first_s)
            give_up_at = time.monotonic() + others_s
            while len(self._waiting) < MAX_BATCH_ENTRIES:
                self._waiting += self._added.get(timeout=max(0.0, give_up_at - time.monotonic()))
        except queue.Empty:
            pass
        group, self._waiting = self._waiting[:MAX_BATCH_ENTRIES], self._waiting[MAX_BATCH_ENTRIES:]
        self._ever_taken += len(group)
        return group

    def _delete(self, receipts: list[str]) -> None:
        if not receipts:
            return
        try:
            self._queue.delete(receipts)
        except QueueUnavailable as error:
            # These messages become visible again, and are deleted as copies of jobs that have ended.
            log.warning("queue.delete_failed", extra={"reason": str(error), "messages": len(receipts)})
