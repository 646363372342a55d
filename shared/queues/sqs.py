"""Amazon SQS behind the `Queue` interface. `shared.queues.calls` sends the calls."""

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from operator import itemgetter
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from shared.queues import refusals
from shared.queues.answers import texts_of, understood
from shared.queues.batching import by_count, by_count_and_size, refusal
from shared.queues.calls import ClientKind, SqsCalls
from shared.queues.interface import Depth, Outgoing, Received, SendFailure, SendResult

log = logging.getLogger(__name__)
T = TypeVar("T")

_ENTRY_TRIES = 3

# Errors about the content of the call, not the queue's health: one of its entries causes them.
_ABOUT_CONTENT = frozenset(
    {
        "AWS.SimpleQueueService.BatchRequestTooLong",
        "AWS.SimpleQueueService.InvalidBatchEntryId",
        "BatchRequestTooLong",
        "InvalidMessageContents",
        "InvalidParameterValue",
        "InvalidAttributeValue",
        "UnsupportedOperation",
    }
)
# The error of a service that supports groups for FIFO queues only, as SQS did before fair queues (July 2025).
_NO_GROUPS = re.compile(r"MessageGroupId|not valid for this queue type", re.IGNORECASE)


class SqsQueue:
    """One queue of SQS. Safe to use from several threads."""

    def __init__(
        self,
        queue_url: str,
        *,
        region: str,
        dead_letter_url: str | None = None,
        concurrency: int = 8,
        client: ClientKind = "thin",
        groups: bool = True,
        on_request: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`groups` says whether to name each message's group, where the service accepts it."""
        self._url = queue_url
        self._groups = groups
        self._dead_letter_url = dead_letter_url
        self._dead_letter_known = dead_letter_url is not None
        self._calls = SqsCalls(region, kind=client, connections=concurrency + 4)
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="sqs")
        self._on_request = on_request
        endpoint = self._calls.client.meta.endpoint_url
        log.info("queue.opened", extra={"queue_url": queue_url, "region": region, "endpoint": endpoint})

    def send(self, messages: Sequence[Outgoing], *, deadline_s: float) -> SendResult:
        """See `Queue.send`."""
        give_up_at = time.monotonic() + deadline_s
        failed = [f for f in map(refusal, messages) if f is not None]
        hopeless = {f.key for f in failed}
        batches = list(by_count_and_size(m for m in messages if m.key not in hopeless))
        calls = {self._pool.submit(self._send_batch, batch, give_up_at): batch for batch in batches}
        done, late = wait(calls, timeout=max(0.0, give_up_at - time.monotonic()))
        accepted: set[int] = set()
        for call in done:
            result = call.result()
            accepted |= result.accepted
            failed += result.failed
        for call in late:
            failed += self._abandon(call, calls[call], deadline_s)
        return SendResult(frozenset(accepted), tuple(failed))

    def _abandon(self, call: "Future[SendResult]", batch: Sequence[Outgoing], deadline_s: float) -> list[SendFailure]:
        began = not call.cancel()
        why = f"no answer within {deadline_s:g} s" if began else f"not begun within {deadline_s:g} s"
        return [SendFailure(m.key, "Deadline", why, permanent=False) for m in batch]

    def _send_batch(self, batch: Sequence[Outgoing], give_up_at: float) -> SendResult:
        """Send one call's messages, with their groups unless the service has refused those before."""
        if not self._groups:
            return self._try_batch(batch, give_up_at)
        sent = self._try_batch(batch, give_up_at)
        refused = {f.key for f in sent.failed if _NO_GROUPS.search(f.message)}
        if not refused or time.monotonic() >= give_up_at:
            return sent
        self._groups = False
        log.warning("queue.no_groups", extra={"hint": "this service takes no MessageGroupId on a standard queue"})
        again = self._try_batch([m for m in batch if m.key in refused], give_up_at)
        others = tuple(f for f in sent.failed if f.key not in refused)
        return SendResult(sent.accepted | again.accepted, others + again.failed)

    def _try_batch(self, batch: Sequence[Outgoing], give_up_at: float) -> SendResult:
        entries = [_entry(number, message, groups=self._groups) for number, message in enumerate(batch)]
        try:
            return self._call(
                "SendMessageBatch", lambda answer: _read_answer(batch, answer), QueueUrl=self._url, Entries=entries
            )
        except ClientError as error:
            code = refusals.code(error)
            if code in _ABOUT_CONTENT and len(batch) > 1 and time.monotonic() < give_up_at:
                return _merged(self._try_batch([message], give_up_at) for message in batch)
            permanent = code in _ABOUT_CONTENT
            return _all_failed(batch, code, refusals.words(error), permanent=permanent)
        except BotoCoreError as error:
            return _all_failed(batch, refusals.code(error), refusals.words(error), permanent=False)

    def receive(self, most: int, *, wait_s: float, visibility_s: float) -> list[Received]:
        """See `Queue.receive`."""
        return self._ask(
            "ReceiveMessage",
            lambda answer: [_received(message) for message in answer.get("Messages", [])],
            QueueUrl=self._url,
            MaxNumberOfMessages=most,
            WaitTimeSeconds=int(wait_s),
            VisibilityTimeout=int(visibility_s),
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )

    def delete(self, receipts: Sequence[str]) -> frozenset[str]:
        """See `Queue.delete`."""
        return self._per_receipt("DeleteMessageBatch", receipts, {})

    def extend(self, receipts: Sequence[str], *, visibility_s: float) -> frozenset[str]:
        """See `Queue.extend`."""
        return self._per_receipt("ChangeMessageVisibilityBatch", receipts, {"VisibilityTimeout": int(visibility_s)})

    def _per_receipt(self, operation: str, receipts: Sequence[str], more: Mapping[str, object]) -> frozenset[str]:
        groups = list(by_count(receipts))
        if len(groups) == 1:
            return self._group(operation, groups[0], more)
        calls = [self._pool.submit(self._group, operation, group, more) for group in groups]
        wait(calls)  # each is bounded by its own timeouts
        return frozenset().union(*(call.result() for call in calls))

    def _group(self, operation: str, receipts: Sequence[str], more: Mapping[str, object]) -> frozenset[str]:
        """Make one batch call, and repeat it for entries that failed for a passing reason. Returns those done."""
        done: set[str] = set()
        left = list(receipts)
        for _ in range(_ENTRY_TRIES):
            entries = [{"Id": str(n), "ReceiptHandle": receipt, **more} for n, receipt in enumerate(left)]
            taken, left = self._ask(operation, partial(_fates, left), QueueUrl=self._url, Entries=entries)
            done.update(taken)
            if not left:
                break
        return frozenset(done)

    def dead_letter(self, message: Received, *, reason: str) -> bool:
        """See `Queue.dead_letter`."""
        url = self._dead_letter()
        if url is None:
            return False
        headers = {**dict(list(message.headers.items())[:9]), "todoke-reason": reason}
        entry = _entry(0, Outgoing(key=0, body=message.body, headers=headers))
        try:
            taken = self._call(
                "SendMessageBatch", lambda answer: answer.get("Successful"), QueueUrl=url, Entries=[entry]
            )
        except (ClientError, BotoCoreError) as error:
            log.warning("queue.dead_letter_failed", extra={"reason": refusals.reason(error)})
            return False
        if not taken:
            return False
        self.delete([message.receipt])
        return True

    def _dead_letter(self) -> str | None:
        """Return the URL of the dead-letter queue that the redrive policy names; it is looked up once."""
        if not self._dead_letter_known:
            from shared.queues.setup import dead_letter_url_of

            try:
                with understood(self._calls.client.meta.endpoint_url):
                    self._dead_letter_url = dead_letter_url_of(self._calls.client, self._url)
            except (ClientError, BotoCoreError) as error:
                log.warning("queue.redrive_policy_unreadable", extra={"reason": refusals.reason(error)})
                return None
            self._dead_letter_known = True
        return self._dead_letter_url

    def depth(self) -> Depth:
        """See `Queue.depth`."""
        visible, in_flight, delayed = self._counts(self._url)
        return Depth(visible, in_flight, delayed)

    def dead_letters(self) -> int | None:
        """See `Queue.dead_letters`."""
        url = self._dead_letter()
        return None if url is None else sum(self._counts(url))

    def _counts(self, url: str) -> list[int]:
        names = [f"ApproximateNumberOfMessages{state}" for state in ("", "NotVisible", "Delayed")]

        def read(answer: Any) -> list[int]:
            return [int(answer["Attributes"].get(name, 0)) for name in names]

        return self._ask("GetQueueAttributes", read, QueueUrl=url, AttributeNames=names)

    def check(self) -> None:
        """See `Queue.check`."""
        # A page in HTML is an answer without attributes to boto3.
        self._ask("GetQueueAttributes", itemgetter("Attributes"), QueueUrl=self._url, AttributeNames=["QueueArn"])

    def _ask(self, operation: str, read: Callable[[Any], T], **arguments: object) -> T:
        """Make one call and read its answer. Raises QueueUnavailable."""
        try:
            return self._call(operation, read, **arguments)
        except (ClientError, BotoCoreError) as error:
            endpoint_url = self._calls.client.meta.endpoint_url
            raise refusals.told(error, operation, queue_url=self._url, endpoint_url=endpoint_url) from None

    def _call(self, operation: str, read: Callable[[Any], T], **arguments: object) -> T:
        """Make one call and read its answer. Raises botocore's errors, NotUnderstood for what cannot be read."""
        self._on_request(operation)
        with understood(self._calls.client.meta.endpoint_url):
            return read(self._calls(operation, arguments))


def _entry(number: int, message: Outgoing, *, groups: bool = False) -> dict[str, object]:
    entry: dict[str, object] = {"Id": str(number), "MessageBody": message.body}
    if groups and message.group:
        entry["MessageGroupId"] = message.group
    if message.headers:
        entry["MessageAttributes"] = {
            name: {"DataType": "String", "StringValue": value} for name, value in message.headers.items()
        }
    return entry


def _read_answer(batch: Sequence[Outgoing], answer: Mapping[str, Any]) -> SendResult:
    accepted = frozenset(batch[int(e["Id"])].key for e in answer.get("Successful", []))
    failed = [
        SendFailure(batch[int(e["Id"])].key, e.get("Code", "Unknown"), e.get("Message", ""), bool(e.get("SenderFault")))
        for e in answer.get("Failed", [])
    ]
    named = accepted | {f.key for f in failed}
    failed += [
        SendFailure(m.key, "NotInAnswer", "the answer does not name it", False) for m in batch if m.key not in named
    ]
    return SendResult(accepted, tuple(failed))


def _fates(receipts: Sequence[str], answer: Mapping[str, Any]) -> tuple[Sequence[str], list[str]]:
    """Return the receipts that are done, and those to ask for again."""
    if not answer.get("Failed") and len(answer.get("Successful", [])) == len(receipts):
        return receipts, []
    # Here SenderFault means a stale receipt: the message was delivered again, so there is nothing to do.
    failed = [receipts[int(e["Id"])] for e in answer.get("Failed", []) if not e.get("SenderFault")]
    return [receipts[int(e["Id"])] for e in answer.get("Successful", [])], failed


def _all_failed(batch: Sequence[Outgoing], code: str, reason: str, *, permanent: bool) -> SendResult:
    return SendResult(frozenset(), tuple(SendFailure(m.key, code, reason, permanent) for m in batch))


def _merged(results: Any) -> SendResult:
    accepted: frozenset[int] = frozenset()
    failed: tuple[SendFailure, ...] = ()
    for result in results:
        accepted |= result.accepted
        failed += result.failed
    return SendResult(accepted, failed)


def _received(message: Mapping[str, Any]) -> Received:
    attributes = message.get("MessageAttributes") or {}
    headers = {name: value["StringValue"] for name, value in attributes.items() if "StringValue" in value}
    count = int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1))
    return Received(*texts_of(message), headers, count)
