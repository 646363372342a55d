"""Amazon SQS's rules for a standard queue, in memory: the basis of the double and of its HTTP server.

From the SQS developer guide and API reference (read 2026-11-23): a receive hides a message and gives it a new receipt
handle; an older handle no longer works, but deleting by it answers success; a message received as often as the redrive
policy allows goes to the dead-letter queue at its next receive; a message and a batch are limited to 1 MiB.
"""

import copy
import itertools
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.queues.batching import refusal, size_bytes
from shared.queues.interface import MAX_MESSAGE_BYTES, Outgoing

LONGEST_VISIBILITY_S = 43_200
LONGEST_DELAY_S = 900
IN_FLIGHT_LIMIT = 120_000
"""The most messages that are received and neither deleted nor visible again."""
PURGE_EVERY_S = 60.0
_SHUFFLED_S = 1.0
_LOOK_EVERY_S = 0.02
"""How soon a long poll notices that time has passed; a message that arrives wakes it at once."""

Attributes = Mapping[str, Mapping[str, str]]
"""Name → DataType and StringValue, as on the wire."""


class Refused(Exception):
    """SQS's own refusal. `code` is the one that boto3 shows."""

    def __init__(self, code: str, message: str, *, status: int = 400, sender_fault: bool = True) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.sender_fault = sender_fault


@dataclass
class Message:
    """One message and its current delivery."""

    body: str
    attributes: Attributes
    message_id: str
    sent_at: float
    visible_at: float
    receives: int = 0
    receipt: str = ""
    first_received_at: float = 0.0
    source: str = ""
    """The queue that a dead letter came from."""


@dataclass(frozen=True)
class Counts:
    """Messages by state."""

    visible: int
    in_flight: int
    delayed: int


@dataclass
class Mailbox:
    """One queue. `clock` returns seconds; every method is safe to call from several threads."""

    name: str
    clock: Callable[[], float] = time.monotonic
    visibility_s: float = 30
    delay_s: float = 0
    wait_s: float = 0
    retention_s: float = 4 * 24 * 3600
    max_receive_count: int | None = None
    dead_letter: "Mailbox | None" = None
    in_flight_limit: int = IN_FLIGHT_LIMIT
    messages: list[Message] = field(default_factory=list)
    shuffle: "random.Random | None" = None
    """Delivers in a random order, each message up to `_SHUFFLED_S` late: a standard queue promises neither order nor
    time.
    """
    deleted: int = 0
    purged_at: float | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _issued: set[str] = field(default_factory=set)

    def send(self, body: str, attributes: Attributes, *, delay_s: float | None = None, copies: int = 1) -> str:
        """Take a message and return its id. Raises Refused."""
        check_message(body, attributes)
        delay_s = self.delay_s if delay_s is None else delay_s
        if not 0 <= delay_s <= LONGEST_DELAY_S:
            raise Refused("InvalidParameterValue", f"DelaySeconds must be between 0 and {LONGEST_DELAY_S}")
        with self._changed:
            now = self.clock()
            message_id = f"{self.name}-{next(self._numbers)}"
            late_s = self.shuffle.uniform(0, _SHUFFLED_S) if self.shuffle else 0.0
            self.messages += [Message(body, attributes, message_id, now, now + delay_s + late_s) for _ in range(copies)]
            self._changed.notify_all()
            return message_id

    def wait_for_message(self, wait_s: float, still_there: Callable[[], bool]) -> bool:
        """Wait up to `wait_s` of real time for a message that can be delivered, while the client is connected."""
        give_up_at = time.monotonic() + wait_s
        with self._changed:
            while still_there():
                if self._visible() and self._in_flight() < self.in_flight_limit:
                    return True
                if time.monotonic() >= give_up_at:
                    break
                self._changed.wait(_LOOK_EVERY_S)
        return False

    def receive(self, most: int, *, wait_s: float, visibility_s: float | None = None) -> list[Message]:
        """Deliver up to `most`, waiting up to `wait_s` of real time for the first. Raises Refused."""
        if not 1 <= most <= 10 or not 0 <= wait_s <= 20:
            raise Refused("InvalidParameterValue", "MaxNumberOfMessages is 1 to 10, WaitTimeSeconds 0 to 20")
        visibility_s = _visibility(self.visibility_s if visibility_s is None else visibility_s)
        give_up_at = time.monotonic() + wait_s
        with self._changed:
            while True:
                found = self._visible()[:most]
                full = self._in_flight() >= self.in_flight_limit
                if full and wait_s == 0:  # a long poll gets nothing instead
                    raise Refused("OverLimit", "too many messages are in flight", status=403)
                if (found and not full) or time.monotonic() >= give_up_at:
                    return [self._deliver(message, visibility_s) for message in found if not full]
                self._changed.wait(_LOOK_EVERY_S)

    def _deliver(self, message: Message, visibility_s: float) -> Message:
        now = self.clock()
        message.receives += 1
        message.first_received_at = message.first_received_at or now
        message.receipt = f"{self.name}-receipt-{next(self._numbers)}"
        message.visible_at = now + visibility_s
        self._issued.add(message.receipt)
        return copy.copy(message)

    def _visible(self) -> list[Message]:
        now = self.clock()
        self.messages = [m for m in self.messages if now - m.sent_at < self.retention_s]
        visible = [m for m in self.messages if m.visible_at <= now]
        if self.max_receive_count is None or self.dead_letter is None:
            return self._ordered(visible)
        spent = [m for m in visible if m.receives >= (self.max_receive_count or 0)]
        for message in spent:
            self.messages.remove(message)
            self.dead_letter.take(message, source=self.name)
        return self._ordered([m for m in visible if m not in spent])

    def _ordered(self, messages: list[Message]) -> list[Message]:
        return self.shuffle.sample(messages, len(messages)) if self.shuffle else messages

    def take(self, message: Message, *, source: str = "") -> None:
        """Take a message from another queue; it keeps its id and its age, as in SQS."""
        with self._changed:
            self.messages.append(
                Message(message.body, message.attributes, message.message_id, message.sent_at, self.clock(),
                        receives=message.receives, source=source)
            )  # fmt: skip
            self._changed.notify_all()

    def delete(self, receipt: str) -> None:
        """Delete the delivery. A handle of an earlier delivery answers success and deletes nothing."""
        self._known(receipt)
        with self._changed:
            left = [m for m in self.messages if m.receipt != receipt]
            self.deleted += len(self.messages) - len(left)
            self.messages = left

    def change_visibility(self, receipt: str, visibility_s: float) -> None:
        """Hide the delivery for `visibility_s` from now. Raises Refused if it is no longer in flight."""
        self._known(receipt)
        visibility_s = _visibility(visibility_s)
        with self._changed:
            found = [m for m in self.messages if m.receipt == receipt and m.visible_at > self.clock()]
            if not found:
                raise Refused("InvalidParameterValue", "the message does not exist or is not available")
            found[0].visible_at = self.clock() + visibility_s
            self._changed.notify_all()

    def _known(self, receipt: str) -> None:
        if receipt not in self._issued:
            raise Refused("ReceiptHandleIsInvalid", f"{receipt!r} is no receipt handle of this queue")

    def purge(self) -> None:
        """Lose everything. Raises Refused if done less than a minute ago."""
        with self._changed:
            if self.purged_at is not None and self.clock() - self.purged_at < PURGE_EVERY_S:
                raise Refused("AWS.SimpleQueueService.PurgeQueueInProgress", "only one purge a minute", status=403)
            self.purged_at = self.clock()
            self.messages.clear()

    def redrive_to(self, target: "Mailbox") -> int:
        """Move everything back to `target`, as StartMessageMoveTask does: new messages with the same content."""
        with self._changed:
            moving, self.messages = self.messages, []
        for message in moving:
            target.send(message.body, message.attributes)
        return len(moving)

    def counts(self) -> Counts:
        """Return how many messages are in each state."""
        with self._changed:
            visible, in_flight = len(self._visible()), self._in_flight()
            return Counts(visible, in_flight, len(self.messages) - visible - in_flight)

    def _in_flight(self) -> int:
        now = self.clock()
        return sum(m.visible_at > now and m.receives > 0 and bool(m.receipt) for m in self.messages)

    def wake(self) -> None:
        """The clock was moved: wake all polls."""
        with self._changed:
            self._changed.notify_all()


def _visibility(seconds: float) -> float:
    if not 0 <= seconds <= LONGEST_VISIBILITY_S:
        raise Refused("InvalidParameterValue", f"VisibilityTimeout must be between 0 and {LONGEST_VISIBILITY_S}")
    return seconds


def message_bytes(body: str, attributes: Attributes) -> int:
    """Return the size that counts towards the limits."""
    return size_bytes(Outgoing(0, body, {name: value.get("StringValue", "") for name, value in attributes.items()}))


def check_message(body: str, attributes: Attributes) -> None:
    """Raise Refused for a message that SQS would never accept."""
    plain = {name: value.get("StringValue", "") for name, value in attributes.items()}
    if failure := refusal(Outgoing(0, body, plain)):
        code = "InvalidParameterValue" if failure.code == "MessageTooLong" else failure.code
        raise Refused(code, failure.message)


def check_batch(entries: list[dict[str, Any]]) -> None:
    """Raise Refused for a batch that SQS refuses as a whole."""
    prefix = "AWS.SimpleQueueService."
    if not entries:
        raise Refused(f"{prefix}EmptyBatchRequest", "the batch is empty")
    if len(entries) > 10:
        raise Refused(f"{prefix}TooManyEntriesInBatchRequest", f"{len(entries)} entries; 10 may be")
    if len({entry["Id"] for entry in entries}) < len(entries):
        raise Refused(f"{prefix}BatchEntryIdsNotDistinct", "two entries have the same Id")
    total = sum(message_bytes(e.get("MessageBody", ""), e.get("MessageAttributes") or {}) for e in entries)
    if total > MAX_MESSAGE_BYTES:
        raise Refused(f"{prefix}BatchRequestTooLong", f"{total} bytes; {MAX_MESSAGE_BYTES} may be")
