"""SQS in memory, with AWS's rules and knobs for its moods. It passes the same contract suite as a real endpoint."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shared.queues.batching import by_count, by_count_and_size, refusal
from shared.queues.interface import Depth, Outgoing, QueueUnavailable, Received, SendFailure, SendResult


@dataclass
class Faults:
    """What the queue does wrong from now on."""

    away: bool = False
    """Every call fails."""
    refuse: Callable[[Outgoing], SendFailure | None] = lambda _: None
    """Entries that fail, and how."""
    lose_reply: bool = False
    """Sends are applied, and reported as failed."""
    lose: bool = False
    """Sends are accepted, and the messages vanish."""
    copies: int = 1
    """How often each sent message arrives."""
    refuse_deletes: bool = False


@dataclass
class _Message:
    body: str
    headers: dict[str, str]
    message_id: str
    visible_at: float = 0.0
    receives: int = 0
    receipt: str = ""


@dataclass
class _Store:
    messages: list[_Message] = field(default_factory=list)


class InMemoryQueue:
    """One queue and its dead-letter queue. `clock` is monotonic seconds; tests may bring their own."""

    def __init__(self, *, max_receive_count: int = 20, clock: Callable[[], float] = time.monotonic) -> None:
        self.faults = Faults()
        self.requests: Counter[str] = Counter()
        self.dead: list[Received] = []
        self.deleted = 0
        self._max_receive_count = max_receive_count
        self._clock = clock
        self._messages: list[_Message] = []
        self._changed = threading.Condition()
        self._numbers = itertools.count(1)

    def send(self, messages: Sequence[Outgoing], *, deadline_s: float) -> SendResult:
        """See `Queue.send`."""
        del deadline_s
        failed = [f for f in map(refusal, messages) if f]
        hopeless = {f.key for f in failed}
        accepted: set[int] = set()
        for batch in by_count_and_size(m for m in messages if m.key not in hopeless):
            self.requests["SendMessageBatch"] += 1
            for message in batch:
                failure = self._away(message) or self.faults.refuse(message)
                if failure is None:
                    self._arrive(message)
                    failure = self._lost_reply(message)
                if failure is None:
                    accepted.add(message.key)
                else:
                    failed.append(failure)
        return SendResult(frozenset(accepted), tuple(failed))

    def _away(self, message: Outgoing) -> SendFailure | None:
        return (
            SendFailure(message.key, "EndpointConnectionError", "away", permanent=False) if self.faults.away else None
        )

    def _lost_reply(self, message: Outgoing) -> SendFailure | None:
        return SendFailure(message.key, "Deadline", "no answer", permanent=False) if self.faults.lose_reply else None

    def _arrive(self, message: Outgoing) -> None:
        if self.faults.lose:
            return
        with self._changed:
            for _ in range(self.faults.copies):
                self._messages.append(_Message(message.body, dict(message.headers), f"m{next(self._numbers)}"))
            self._changed.notify_all()

    def receive(self, most: int, *, wait_s: float, visibility_s: float) -> list[Received]:
        """See `Queue.receive`."""
        self._request("ReceiveMessage")
        give_up_at = time.monotonic() + wait_s
        with self._changed:
            while not (found := self._visible()[:most]) and time.monotonic() < give_up_at:
                self._changed.wait(min(0.02, wait_s))
            taken = []
            for message in found:
                message.receives += 1
                message.receipt = f"r{next(self._numbers)}"
                message.visible_at = self._clock() + visibility_s
                taken.append(_received(message))
            return taken

    def _visible(self) -> list[_Message]:
        for message in list(self._messages):
            if message.visible_at <= self._clock() and message.receives >= self._max_receive_count:
                self._messages.remove(message)
                self.dead.append(_received(message))
        return [m for m in self._messages if m.visible_at <= self._clock()]

    def delete(self, receipts: Sequence[str]) -> frozenset[str]:
        """See `Queue.delete`. A stale receipt answers success and deletes nothing, as AWS does."""
        for _ in by_count(receipts):
            self._request("DeleteMessageBatch")
        if self.faults.refuse_deletes:
            return frozenset()
        with self._changed:
            gone = [m for m in self._messages if m.receipt in set(receipts)]
            self._messages = [m for m in self._messages if m not in gone]
            self.deleted += len(gone)
        return frozenset(receipts)

    def extend(self, receipts: Sequence[str], *, visibility_s: float) -> frozenset[str]:
        """See `Queue.extend`."""
        for _ in by_count(receipts):
            self._request("ChangeMessageVisibilityBatch")
        with self._changed:
            found = [m for m in self._messages if m.receipt in set(receipts)]
            for message in found:
                message.visible_at = self._clock() + visibility_s
            self._changed.notify_all()
        return frozenset(m.receipt for m in found)

    def dead_letter(self, message: Received, *, reason: str) -> bool:
        """See `Queue.dead_letter`."""
        self._request("SendMessageBatch")
        headers = {**message.headers, "todoke-reason": reason}
        moved = Received(message.message_id, message.receipt, message.body, headers, message.receive_count)
        self.dead.append(moved)
        self.delete([message.receipt])
        return True

    def depth(self) -> Depth:
        """See `Queue.depth`."""
        self._request("GetQueueAttributes")
        with self._changed:
            visible = len(self._visible())
            return Depth(visible=visible, in_flight=len(self._messages) - visible, delayed=0)

    def dead_letters(self) -> int | None:
        """See `Queue.dead_letters`."""
        self._request("GetQueueAttributes")
        return len(self.dead)

    def check(self) -> None:
        """See `Queue.check`."""
        self._request("GetQueueAttributes")

    def purge(self) -> None:
        """Lose everything."""
        with self._changed:
            self._messages.clear()

    def bodies(self) -> list[str]:
        """What is in the queue, visible or not."""
        with self._changed:
            return [m.body for m in self._messages]

    def _request(self, operation: str) -> None:
        self.requests[operation] += 1
        if self.faults.away:
            raise QueueUnavailable("the queue is away")


def _received(message: _Message) -> Received:
    return Received(message.message_id, message.receipt, message.body, dict(message.headers), message.receives)
