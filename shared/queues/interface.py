"""What Todoke requires of a queue. Losing, duplicating or delaying a message must never change a job's outcome."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from shared.errors import TodokeError

MAX_BATCH_ENTRIES = 10
"""Entries in one batch call (Amazon SQS quotas, "Batched message quota", read 2026-11-23)."""
MAX_MESSAGE_BYTES = 1_048_576
"""Size of one message with its attributes, and also of one batch call (SQS: 1 MiB since August 2025)."""


class QueueUnavailable(TodokeError):
    """The queue did not answer, or refused for a reason that passes (throttling, 5xx, credentials). Try again later."""


class QueueDenied(QueueUnavailable):
    """The credentials do not allow this operation on the queue.

    `action` is what a policy must allow: `sqs:DeleteMessage`.
    """

    def __init__(self, action: str, said: str) -> None:
        super().__init__(f"{said}; allow the action {action} on this queue")
        self.action = action


class QueueMissing(QueueUnavailable):
    """There is no such queue."""

    REMEDY = "run `todoke-server setup-queues`, or correct SQS_QUEUE_URL"

    def __init__(self, said: str) -> None:
        super().__init__(f"{said}; {self.REMEDY}")
        self.said = said


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send. `key` is chosen by the caller and comes back in the result."""

    key: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """String message attributes, such as traceparent."""
    group: str = ""
    """The tenant that the message belongs to. A fair queue serves groups with few messages first (SQS:
    `MessageGroupId`)."""


@dataclass(frozen=True, slots=True)
class SendFailure:
    """One message that the queue did not accept."""

    key: int
    code: str
    message: str
    permanent: bool
    """True when sending the same bytes again cannot succeed (SQS says SenderFault, or the message is too large)."""


@dataclass(frozen=True, slots=True)
class SendResult:
    """The fate of every message of one `send`: each key is in exactly one of the two fields."""

    accepted: frozenset[int]
    """Keys that the queue named as Successful. Nothing else counts as sent."""
    failed: tuple[SendFailure, ...]


class Received(NamedTuple):
    """One delivery of one message."""

    message_id: str
    receipt: str
    """The name of this delivery; a later delivery of the same message has another one."""
    body: str
    headers: Mapping[str, str]
    receive_count: int
    """Deliveries of this message so far, this one included (approximate)."""


@dataclass(frozen=True, slots=True)
class Depth:
    """Approximate message counts."""

    visible: int
    in_flight: int
    delayed: int


class Queue(Protocol):
    """A queue with visibility timeouts and a dead-letter queue. All methods are safe to call from several threads."""

    def send(self, messages: Sequence[Outgoing], *, deadline_s: float) -> SendResult:
        """Send all, in concurrent batches within the limits above, and report the fate of each within `deadline_s`.

        Never raises for a failed send. If a batch gets no answer, each of its messages fails as transient: it may have
        been delivered, so the caller sends it again and the worker's compare-and-set absorbs the copy.
        """

    def receive(self, most: int, *, wait_s: float, visibility_s: float) -> list[Received]:
        """Return up to `most` (1 to 10) messages, waiting up to `wait_s` (0 to 20) for the first.

        Raises QueueUnavailable.
        """

    def delete(self, receipts: Sequence[str]) -> frozenset[str]:
        """Delete deliveries, in batches, retrying entries that failed for a passing reason. Returns those deleted.

        A stale receipt (the message was delivered again since) may or may not count as deleted: callers must not depend
        on it. Raises QueueUnavailable.
        """

    def extend(self, receipts: Sequence[str], *, visibility_s: float) -> frozenset[str]:
        """Set the visibility timeout of deliveries to `visibility_s` from now, in batches; 0 returns them at once.

        Returns the receipts that were extended. Raises QueueUnavailable.
        """

    def dead_letter(self, message: Received, *, reason: str) -> bool:
        """Move one message to the dead-letter queue, with `reason` as an attribute. Returns True if that was done.

        False means that there is no dead-letter queue, or that it did not accept the message: the message stays in its
        queue, and is delivered again after its visibility timeout. Raises QueueUnavailable if the message was copied
        there but could not be deleted here.
        """

    def depth(self) -> Depth:
        """Return approximate counts. Raises QueueUnavailable."""

    def dead_letters(self) -> int | None:
        """Return the approximate count of the dead-letter queue; None if there is none. Raises QueueUnavailable."""

    def check(self) -> None:
        """Return if the queue answers and may be used; otherwise raise QueueUnavailable with the reason."""
