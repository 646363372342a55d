"""The dead-letter queue for an operator: its messages can be listed, sent back or deleted.

SQS can only show messages by receiving them. A walk hides each message that it shows for a while, and increments its
receive count. SQS's own redrive (StartMessageMoveTask) moves all messages and cannot select any, and compatible servers
do not have it (API reference, read 2026-11-29). Here a message is first sent and then deleted: after a crash in between
it is in both queues, and a second doorbell does no harm.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import TodokeError
from shared.queues import refusals
from shared.queues.answers import texts_of, understood
from shared.queues.calls import make_client
from shared.queues.interface import MAX_BATCH_ENTRIES, Outgoing
from shared.queues.setup import dead_letter_url_of
from shared.queues.sqs import SqsQueue

_HIDDEN_S = 120
"""How long a message stays hidden, unless it is made visible before: longer than any walk."""
_WAIT_S = 1
"""A receive that waits asks all of SQS's servers, so that an empty answer means an empty queue; others ask only
some."""
_SEND_DEADLINE_S = 10.0
REASON = "todoke-reason"
"""The attribute in which a worker says why it dead-lettered a message."""


class NoDeadLetterQueue(TodokeError):
    """No dead-letter queue is configured."""


class DeadLetter(NamedTuple):
    """One message of the dead-letter queue."""

    message_id: str
    receipt: str
    body: str
    headers: Mapping[str, str]
    receive_count: int
    """Deliveries so far, this look included (approximate)."""
    sent_at: datetime | None
    """When it was first sent, to either queue: moving a message does not change that."""
    group: str = ""
    """Its group in a fair queue, if SQS itself moved it."""

    @property
    def reason(self) -> str:
        """Why a worker dead-lettered it; empty if SQS itself moved it."""
        return self.headers.get(REASON, "")


class DeadLetters:
    """The dead-letter queue of one queue."""

    def __init__(self, queue_url: str, *, region: str, dead_letter_url: str | None = None) -> None:
        """Raises NoDeadLetterQueue, QueueUnavailable."""
        self._client = make_client(region, read_timeout_s=10, connections=2)
        self.url = dead_letter_url or self._named_by(queue_url)
        self._queue = SqsQueue(queue_url, region=region, client="boto3")
        self._dead = SqsQueue(self.url, region=region, client="boto3")

    def walk(self, most: int) -> Iterator[Sequence[DeadLetter]]:
        """Yield the messages in the queue, up to `most`, in batches as they come. Raises QueueUnavailable.

        Each stays hidden from others until `show_again`, or for two minutes. A standard queue may return a message
        twice under one id, even within one answer: the second copy is left to a later walk.
        """
        seen: set[str] = set()
        while len(seen) < most:
            received = self._receive(min(MAX_BATCH_ENTRIES, most - len(seen)))
            found = {message.message_id: message for message in received if message.message_id not in seen}
            if not found:
                return
            seen.update(found)
            yield list(found.values())

    def show_again(self, messages: Iterable[DeadLetter]) -> None:
        """Make these messages visible to others at once. Raises QueueUnavailable."""
        self._dead.extend([message.receipt for message in messages], visibility_s=0)

    def send_back(self, messages: Sequence[DeadLetter]) -> frozenset[str]:
        """Move messages to the queue. Returns the ids of those that the queue accepted. Raises QueueUnavailable.

        If an accepted message cannot be deleted here, it stays here as well.
        """
        outgoing = [
            Outgoing(at, m.body, {name: value for name, value in m.headers.items() if name != REASON}, m.group)
            for at, m in enumerate(messages)
        ]
        taken = [messages[at] for at in self._queue.send(outgoing, deadline_s=_SEND_DEADLINE_S).accepted]
        self.delete(taken)
        return frozenset(message.message_id for message in taken)

    def delete(self, messages: Sequence[DeadLetter]) -> frozenset[str]:
        """Delete messages for good. Returns the ids of those that are gone. Raises QueueUnavailable."""
        gone = self._dead.delete([message.receipt for message in messages]) if messages else frozenset()
        return frozenset(message.message_id for message in messages if message.receipt in gone)

    def _receive(self, most: int) -> list[DeadLetter]:
        endpoint_url = self._client.meta.endpoint_url
        try:
            with understood(endpoint_url):
                answer = self._client.receive_message(
                    QueueUrl=self.url,
                    MaxNumberOfMessages=most,
                    WaitTimeSeconds=_WAIT_S,
                    VisibilityTimeout=_HIDDEN_S,
                    MessageAttributeNames=["All"],
                    MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp", "MessageGroupId"],
                )
                return [_dead_letter(message) for message in answer.get("Messages", [])]
        except (ClientError, BotoCoreError) as error:
            raise refusals.told(error, "ReceiveMessage", queue_url=self.url, endpoint_url=endpoint_url) from None

    def _named_by(self, queue_url: str) -> str:
        endpoint_url = self._client.meta.endpoint_url
        try:
            with understood(endpoint_url):
                found = dead_letter_url_of(self._client, queue_url)
        except (ClientError, BotoCoreError) as error:
            raise refusals.told(error, "GetQueueAttributes", queue_url=queue_url, endpoint_url=endpoint_url) from None
        if found is None:
            raise NoDeadLetterQueue(
                f"{queue_url} has no redrive policy: run `todoke-server setup-queues`, or set SQS_DLQ_URL"
            )
        return found


def _dead_letter(message: Mapping[str, Any]) -> DeadLetter:
    attributes, system = message.get("MessageAttributes") or {}, message.get("Attributes") or {}
    sent_ms = system.get("SentTimestamp")
    return DeadLetter(
        *texts_of(message),
        {name: value["StringValue"] for name, value in attributes.items() if "StringValue" in value},
        int(system.get("ApproximateReceiveCount", 1)),
        datetime.fromtimestamp(int(sent_ms) / 1000, UTC) if sent_ms else None,
        system.get("MessageGroupId", ""),
    )
