"""SQS in memory behind the `Queue` interface, with settings for its faults. It passes the same contract suite as a real
endpoint; `sqs_server` offers the same rules on a socket.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.queues.batching import by_count, by_count_and_size, refusal
from shared.queues.interface import Depth, Outgoing, QueueDenied, QueueUnavailable, Received, SendFailure, SendResult
from tests.support.sqs.rules import Mailbox, Message, Refused


@dataclass
class Faults:
    """The queue's faults from now on."""

    away: bool = False
    """Every call fails."""
    refuse: Callable[[Outgoing], SendFailure | None] = lambda _: None
    """Entries that fail, and how."""
    lose_reply: bool = False
    """Sends are applied, but reported as failed."""
    lose: bool = False
    """Sends are accepted, and the messages vanish."""
    copies: int = 1
    """How often each sent message arrives."""
    refuse_deletes: bool = False
    denied: frozenset[str] = frozenset()
    """Actions that the caller may not perform, such as sqs:DeleteMessage."""


class InMemoryQueue:
    """One queue and its dead-letter queue. `clock` returns monotonic seconds; tests may pass their own."""

    def __init__(self, *, max_receive_count: int = 20, clock: Callable[[], float] = time.monotonic) -> None:
        self.faults = Faults()
        self.requests: Counter[str] = Counter()
        self._dead = Mailbox("dead", clock=clock)
        self._box = Mailbox("queue", clock=clock, max_receive_count=max_receive_count, dead_letter=self._dead)

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
        if not self.faults.lose:
            self._box.send(message.body, _attributes(message), copies=self.faults.copies)

    def receive(self, most: int, *, wait_s: float, visibility_s: float) -> list[Received]:
        """See `Queue.receive`."""
        self._request("ReceiveMessage")
        try:
            return [_received(m) for m in self._box.receive(most, wait_s=wait_s, visibility_s=visibility_s)]
        except Refused as refused:
            raise QueueUnavailable(str(refused)) from None

    def delete(self, receipts: Sequence[str]) -> frozenset[str]:
        """See `Queue.delete`. A stale receipt answers success and deletes nothing, as AWS does."""
        for _ in by_count(receipts):
            self._request("DeleteMessageBatch")
        if self.faults.refuse_deletes:
            return frozenset()
        return self._each(receipts, self._box.delete)

    def extend(self, receipts: Sequence[str], *, visibility_s: float) -> frozenset[str]:
        """See `Queue.extend`."""
        for _ in by_count(receipts):
            self._request("ChangeMessageVisibilityBatch")
        return self._each(receipts, lambda receipt: self._box.change_visibility(receipt, visibility_s))

    def _each(self, receipts: Sequence[str], act: Callable[[str], None]) -> frozenset[str]:
        done = set()
        for receipt in receipts:
            try:
                act(receipt)
                done.add(receipt)
            except Refused:
                continue
        return frozenset(done)

    def dead_letter(self, message: Received, *, reason: str) -> bool:
        """See `Queue.dead_letter`."""
        self._request("SendMessageBatch")
        self._dead.send(message.body, _attributes(Outgoing(0, "", {**message.headers, "todoke-reason": reason})))
        self.delete([message.receipt])
        return True

    def depth(self) -> Depth:
        """See `Queue.depth`."""
        self._request("GetQueueAttributes")
        counts = self._box.counts()
        return Depth(visible=counts.visible, in_flight=counts.in_flight, delayed=counts.delayed)

    def dead_letters(self) -> int | None:
        """See `Queue.dead_letters`."""
        self._request("GetQueueAttributes")
        return len(self.dead)

    def check(self) -> None:
        """See `Queue.check`."""
        self._request("GetQueueAttributes")

    def purge(self) -> None:
        """Lose everything."""
        self._box.purge()

    def bodies(self) -> list[str]:
        """The messages in the queue, visible or not."""
        return [m.body for m in self._box.messages]

    @property
    def dead(self) -> list[Received]:
        """The messages in the dead-letter queue."""
        self._box.counts()  # the queue itself moves messages that were received too often
        return [_received(m) for m in self._dead.messages]

    @property
    def deleted(self) -> int:
        """The number of deleted messages."""
        return self._box.deleted

    def _request(self, operation: str) -> None:
        self.requests[operation] += 1
        if self.faults.away:
            raise QueueUnavailable("the queue is away")
        if (action := f"sqs:{operation.removesuffix('Batch')}") in self.faults.denied:
            raise QueueDenied(action, "AccessDenied")


def _attributes(message: Outgoing) -> dict[str, dict[str, str]]:
    return {name: {"DataType": "String", "StringValue": value} for name, value in message.headers.items()}


def _received(message: Message) -> Received:
    headers = {name: value["StringValue"] for name, value in message.attributes.items()}
    return Received(message.message_id, message.receipt, message.body, headers, message.receives)
