"""The queue as the worker uses it: a call that the queue denies makes the worker unfit."""

from collections.abc import Callable, Sequence

from services.worker.fitness import Fitness
from shared.queues.interface import Depth, Outgoing, Queue, QueueDenied, Received, SendResult


class WatchedQueue:
    """A queue that reports each denied deletion and extension to the worker's fitness, and when the call is allowed
    again.

    A worker that may receive messages but not delete them would receive each one until the queue dead-letters it.
    """

    def __init__(self, queue: Queue, fitness: Fitness) -> None:
        self._queue = queue
        self._fitness = fitness

    def delete(self, receipts: Sequence[str]) -> frozenset[str]:
        """See `Queue.delete`."""
        return self._watched("delete", lambda: self._queue.delete(receipts))

    def extend(self, receipts: Sequence[str], *, visibility_s: float) -> frozenset[str]:
        """See `Queue.extend`."""
        return self._watched("extend", lambda: self._queue.extend(receipts, visibility_s=visibility_s))

    def dead_letter(self, message: Received, *, reason: str) -> bool:
        """See `Queue.dead_letter`, which ends with a deletion."""
        try:
            return self._queue.dead_letter(message, reason=reason)
        except QueueDenied as denied:
            self._fitness.denied("delete", str(denied), again=lambda: self.delete([message.receipt]))
            raise

    def _watched(self, what: str, call: Callable[[], frozenset[str]]) -> frozenset[str]:
        try:
            done = call()
        except QueueDenied as denied:
            # The same call is the probe: it is allowed or denied whether or not its receipt has gone stale.
            self._fitness.denied(what, str(denied), again=lambda: self._watched(what, call))
            raise
        self._fitness.allowed(what)
        return done

    def send(self, messages: Sequence[Outgoing], *, deadline_s: float) -> SendResult:
        """See `Queue.send`."""
        return self._queue.send(messages, deadline_s=deadline_s)

    def receive(self, most: int, *, wait_s: float, visibility_s: float) -> list[Received]:
        """See `Queue.receive`."""
        return self._queue.receive(most, wait_s=wait_s, visibility_s=visibility_s)

    def depth(self) -> Depth:
        """See `Queue.depth`."""
        return self._queue.depth()

    def dead_letters(self) -> int | None:
        """See `Queue.dead_letters`."""
        return self._queue.dead_letters()

    def check(self) -> None:
        """See `Queue.check`."""
        self._queue.check()
