"""The double on a socket: AWS's rules that the contract does not touch, and each fault as a client sees it."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from shared.queues.interface import MAX_MESSAGE_BYTES, Outgoing, QueueUnavailable
from shared.queues.sqs import SqsQueue
from tests.support.faults.plan import Fault, Hit, Plan
from tests.support.sqs.operations import REGION
from tests.support.sqs.rules import Mailbox, Refused
from tests.support.sqs.server import Door


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    with Door(late_s=0.1) as opened:
        for name, value in opened.environment().items():
            monkeypatch.setenv(name, value)
        yield opened


@pytest.fixture
def box(door: Door) -> Mailbox:
    return door.queues.make("q", max_receive_count=3)


@pytest.fixture
def client(box: Mailbox) -> Any:
    return boto3.client("sqs", region_name=REGION, config=Config(retries={"total_max_attempts": 1}))


def code_of(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def refused(client: Any, operation: str, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**arguments)
    return code_of(caught.value)


def entries(*bodies: str) -> list[dict[str, str]]:
    return [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies)]


def test_batches_keep_awss_limits(door: Door, client: Any) -> None:
    url = door.queue_url("q")
    prefix = "AWS.SimpleQueueService."

    def send(batch: list[dict[str, str]]) -> str:
        return refused(client, "send_message_batch", QueueUrl=url, Entries=batch)

    assert send([]) == f"{prefix}EmptyBatchRequest"
    assert send(entries(*"abcdefghijk")) == f"{prefix}TooManyEntriesInBatchRequest"
    assert send([*entries("a"), *entries("b")]) == f"{prefix}BatchEntryIdsNotDistinct"
    assert send(entries("x" * MAX_MESSAGE_BYTES, "y")) == f"{prefix}BatchRequestTooLong"


def test_a_message_may_be_a_mebibyte_and_not_a_byte_more(door: Door, client: Any) -> None:
    url = door.queue_url("q")
    client.send_message(QueueUrl=url, MessageBody="x" * MAX_MESSAGE_BYTES)

    assert refused(client, "send_message", QueueUrl=url, MessageBody="x" * (MAX_MESSAGE_BYTES + 1)) == (
        "InvalidParameterValue"
    )


def test_a_queue_that_is_not_there_and_a_handle_nobody_issued(door: Door, client: Any) -> None:
    assert refused(client, "receive_message", QueueUrl=door.queue_url("other")) == (
        "AWS.SimpleQueueService.NonExistentQueue"
    )
    assert refused(client, "delete_message", QueueUrl=door.queue_url("q"), ReceiptHandle="invented") == (
        "ReceiptHandleIsInvalid"
    )


def test_a_stale_handle_answers_success_and_deletes_nothing(door: Door, client: Any, box: Mailbox) -> None:
    url = door.queue_url("q")
    client.send_message(QueueUrl=url, MessageBody="x")
    [stale] = client.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    client.receive_message(QueueUrl=url)

    client.delete_message(QueueUrl=url, ReceiptHandle=stale["ReceiptHandle"])

    assert len(box.messages) == 1


def test_too_many_in_flight_is_over_limit_for_a_short_poll_and_silence_for_a_long_one(
    door: Door, client: Any, box: Mailbox
) -> None:
    url = door.queue_url("q")
    box.in_flight_limit = 1
    client.send_message_batch(QueueUrl=url, Entries=entries("a", "b"))
    client.receive_message(QueueUrl=url)

    assert refused(client, "receive_message", QueueUrl=url, WaitTimeSeconds=0) == "OverLimit"
    assert "Messages" not in client.receive_message(QueueUrl=url, WaitTimeSeconds=1)


def test_visibility_and_retention_follow_the_clock(door: Door, client: Any, box: Mailbox) -> None:
    url = door.queue_url("q")
    client.send_message(QueueUrl=url, MessageBody="x")
    client.receive_message(QueueUrl=url, VisibilityTimeout=600)
    assert "Messages" not in client.receive_message(QueueUrl=url)

    door.queues.pass_time(601)
    assert len(client.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]) == 1

    door.queues.pass_time(box.retention_s)
    assert "Messages" not in client.receive_message(QueueUrl=url)


def test_a_dead_letter_keeps_its_id_and_names_its_queue_and_comes_back_by_redrive(
    door: Door, client: Any, box: Mailbox
) -> None:
    url, dead_url = door.queue_url("q"), door.queue_url("q-dlq")
    sent = client.send_message(QueueUrl=url, MessageBody="x")
    for _ in range(3):
        client.receive_message(QueueUrl=url, VisibilityTimeout=0)
    assert "Messages" not in client.receive_message(QueueUrl=url)

    [dead] = client.receive_message(
        QueueUrl=dead_url, VisibilityTimeout=0, MessageSystemAttributeNames=["All"]
    )["Messages"]  # fmt: skip
    assert dead["MessageId"] == sent["MessageId"]
    assert dead["Attributes"]["DeadLetterQueueSourceArn"].endswith(":q")
    client.start_message_move_task(SourceArn="arn:aws:sqs:us-east-1:000000000000:q-dlq")

    [back] = client.receive_message(QueueUrl=url, MessageSystemAttributeNames=["All"])["Messages"]
    assert (back["Body"], back["Attributes"]["ApproximateReceiveCount"]) == ("x", "1")


def test_one_purge_a_minute(door: Door, client: Any, box: Mailbox) -> None:
    url = door.queue_url("q")
    client.send_message(QueueUrl=url, MessageBody="x")
    client.purge_queue(QueueUrl=url)

    assert box.messages == []
    assert refused(client, "purge_queue", QueueUrl=url) == "AWS.SimpleQueueService.PurgeQueueInProgress"


def test_the_double_itself_cannot_be_purged_twice_a_minute() -> None:
    box = Mailbox("q")
    box.purge()

    with pytest.raises(Refused):
        box.purge()


def a_queue(door: Door, fault: Fault, operation: str) -> SqsQueue:
    # A client's own second try would hide a fault that happens once, so it meets the second one too.
    door.faults = Plan({Hit(f"sqs {operation}", n): fault for n in (1, 2)})
    return SqsQueue(door.queue_url("q"), region=REGION)


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.NOT_APPLIED, Fault.THROTTLED])
def test_what_was_not_applied_fails_for_now_and_leaves_nothing(door: Door, box: Mailbox, fault: Fault) -> None:
    result = a_queue(door, fault, "SendMessageBatch").send([Outgoing(1, "x")], deadline_s=20)

    assert [f.permanent for f in result.failed] == [False]
    assert box.messages == []


def test_a_send_whose_reply_is_lost_fails_for_now_and_has_arrived(door: Door, box: Mailbox) -> None:
    result = a_queue(door, Fault.REPLY_LOST, "SendMessageBatch").send([Outgoing(1, "x")], deadline_s=20)

    assert [f.permanent for f in result.failed] == [False]
    assert box.messages


@pytest.mark.parametrize(("fault", "permanent"), [(Fault.PARTIAL, False), (Fault.PARTIAL_FOR_GOOD, True)])
def test_half_a_batch(door: Door, box: Mailbox, fault: Fault, permanent: bool) -> None:
    result = a_queue(door, fault, "SendMessageBatch").send([Outgoing(n, f"{n}") for n in range(4)], deadline_s=20)

    assert result.accepted == {1, 3}
    assert {(f.key, f.permanent) for f in result.failed} == {(0, permanent), (2, permanent)}


def test_late_replies_are_replies(door: Door, box: Mailbox) -> None:
    assert a_queue(door, Fault.LATE, "SendMessageBatch").send([Outgoing(1, "x")], deadline_s=20).accepted == {1}


def test_duplicates_at_either_end(door: Door, box: Mailbox) -> None:
    queue = a_queue(door, Fault.DUPLICATE, "SendMessageBatch")
    queue.send([Outgoing(1, "x")], deadline_s=20)
    assert [m.body for m in queue.receive(10, wait_s=0, visibility_s=60)] == ["x", "x"]

    box.messages.clear()
    queue = a_queue(door, Fault.DUPLICATE, "ReceiveMessage")
    queue.send([Outgoing(1, "y")], deadline_s=20)
    first, again = (queue.receive(10, wait_s=0, visibility_s=60) for _ in range(2))
    assert [m.body for m in first] == [m.body for m in again] == ["y"]


def test_lost_sends_and_deletes_answer_success(door: Door, box: Mailbox) -> None:
    assert a_queue(door, Fault.LOST, "SendMessageBatch").send([Outgoing(1, "x")], deadline_s=20).accepted == {1}
    assert box.messages == []

    queue = a_queue(door, Fault.LOST, "DeleteMessageBatch")
    queue.send([Outgoing(1, "x")], deadline_s=20)
    [message] = queue.receive(1, wait_s=0, visibility_s=60)
    assert queue.delete([message.receipt]) == {message.receipt}
    assert len(box.messages) == 1


def test_a_refused_receive_is_an_unavailable_queue(door: Door, box: Mailbox) -> None:
    with pytest.raises(QueueUnavailable):
        a_queue(door, Fault.THROTTLED, "ReceiveMessage").receive(1, wait_s=0, visibility_s=1)


def test_every_call_is_kept(door: Door, client: Any) -> None:
    client.send_message(QueueUrl=door.queue_url("q"), MessageBody=json.dumps({"jobId": "1"}))

    [call] = [c for c in door.queues.calls if c.operation == "SendMessage"]
    assert (call.queue, call.fault, call.answer is not None) == ("q", None, True)
