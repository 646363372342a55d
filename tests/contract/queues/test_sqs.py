"""The SQS client with answers that an emulator does not give."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import boto3
import pytest

from deploy.local.emulator import REGION
from deploy.local.processes import free_port
from shared.queues.batching import by_count_and_size, size_bytes
from shared.queues.calls import ClientKind
from shared.queues.interface import MAX_MESSAGE_BYTES, Outgoing, QueueDenied, QueueMissing, QueueUnavailable
from shared.queues.setup import QueueUrls, ensure_queues
from shared.queues.sqs import SqsQueue
from tests.support.http_server import LoopbackServer, QuietHandler

Answer = Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]]


class Scripted(LoopbackServer):
    """A server that answers each SQS call as told."""

    def __init__(self) -> None:
        self.answer: Answer = lambda _operation, _body: (200, {})
        self.calls: list[tuple[str, dict[str, Any]]] = []
        script = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                body = json.loads(self.body())
                operation = self.headers["X-Amz-Target"].split(".")[1]
                script.calls.append((operation, body))
                status, content = script.answer(operation, body)
                self.answer(status, json.dumps(content).encode(), {"Content-Type": "application/x-amz-json-1.0"})

        super().__init__(Handler)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    with Scripted() as script:
        _credentials(monkeypatch, script.url)
        yield script


def _credentials(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDCANARY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-canary")


def a_queue(url: str) -> SqsQueue:
    return SqsQueue(f"{url}/000000000000/q", region=REGION)


def accept_all(_operation: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return 200, {"Successful": [{"Id": e["Id"], "MessageId": "m", "MD5OfMessageBody": "0"} for e in body["Entries"]]}


def test_an_entry_that_the_answer_does_not_name_is_not_sent(scripted: Scripted) -> None:
    scripted.answer = lambda _o, _b: (
        200,
        {
            "Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "0"}],
            "Failed": [
                {"Id": "1", "Code": "InternalError", "SenderFault": False, "Message": "later"},
                {"Id": "2", "Code": "InvalidMessageContents", "SenderFault": True, "Message": "never"},
            ],
        },
    )

    result = a_queue(scripted.url).send([Outgoing(n, "x") for n in range(4)], deadline_s=10)

    assert result.accepted == {0}
    fates = {f.key: (f.code, f.permanent) for f in result.failed}
    assert fates == {
        1: ("InternalError", False),
        2: ("InvalidMessageContents", True),
        3: ("NotInAnswer", False),
    }


@pytest.mark.parametrize("status", [500, 503, 400])
def test_a_call_that_failed_fails_its_entries_for_now(scripted: Scripted, status: int) -> None:
    scripted.answer = lambda _o, _b: (status, {"__type": "com.amazonaws.sqs#RequestThrottled", "message": "slow down"})

    result = a_queue(scripted.url).send([Outgoing(1, "x")], deadline_s=20)

    assert result.accepted == frozenset()
    # The relay puts the code before the message.
    assert [(f.code, f.message, f.permanent) for f in result.failed] == [("RequestThrottled", "slow down", False)]


def test_one_poisonous_entry_does_not_take_its_batch_along(scripted: Scripted) -> None:
    def answer(operation: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if any(e["MessageBody"] == "poison" for e in body["Entries"]):
            return 400, {"__type": "com.amazonaws.sqs#InvalidMessageContents", "message": "no"}
        return accept_all(operation, body)

    scripted.answer = answer
    messages = [Outgoing(1, "a"), Outgoing(2, "poison"), Outgoing(3, "b")]

    result = a_queue(scripted.url).send(messages, deadline_s=20)

    assert result.accepted == {1, 3}
    assert [(f.key, f.permanent) for f in result.failed] == [(2, True)]


def test_a_slow_queue_is_not_waited_for_beyond_the_deadline(scripted: Scripted) -> None:
    release = threading.Event()

    def answer(operation: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        release.wait(30)
        return accept_all(operation, body)

    scripted.answer = answer
    result = a_queue(scripted.url).send([Outgoing(1, "x")], deadline_s=0.2)
    release.set()

    assert [(f.code, f.permanent) for f in result.failed] == [("Deadline", False)]


def test_deletes_that_failed_for_a_passing_reason_are_tried_again(scripted: Scripted) -> None:
    def answer(operation: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if len(scripted.calls) == 1:
            failed = {"Id": body["Entries"][1]["Id"], "Code": "InternalError", "SenderFault": False}
            return 200, {"Successful": [{"Id": "0"}], "Failed": [failed]}
        return 200, {"Successful": [{"Id": e["Id"]} for e in body["Entries"]]}

    scripted.answer = answer

    assert a_queue(scripted.url).delete(["r1", "r2"]) == {"r1", "r2"}
    assert [e["ReceiptHandle"] for e in scripted.calls[1][1]["Entries"]] == ["r2"]


def test_a_queue_that_is_away_says_so_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    _credentials(monkeypatch, url)
    queue = a_queue(url)

    with pytest.raises(QueueUnavailable) as caught:
        queue.receive(1, wait_s=0, visibility_s=1)
    assert "canary" not in str(caught.value).lower()
    assert [f.permanent for f in queue.send([Outgoing(1, "x")], deadline_s=10).failed] == [False]


@pytest.mark.parametrize("kind", ["thin", "boto3"])
@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException"])
def test_what_a_policy_does_not_allow_is_named(scripted: Scripted, code: str, kind: ClientKind) -> None:
    scripted.answer = lambda _o, _b: (403, {"__type": f"com.amazonaws.sqs#{code}", "message": "is not authorized"})
    queue = SqsQueue(f"{scripted.url}/0/q", region=REGION, client=kind)

    calls: Sequence[tuple[Callable[[], object], str]] = [
        (lambda: queue.receive(1, wait_s=0, visibility_s=1), "sqs:ReceiveMessage"),
        (lambda: queue.delete(["r"]), "sqs:DeleteMessage"),
        (lambda: queue.extend(["r"], visibility_s=1), "sqs:ChangeMessageVisibility"),
        (queue.check, "sqs:GetQueueAttributes"),
    ]
    for call, action in calls:
        with pytest.raises(QueueDenied, match=f"is not authorized; allow the action {action} on this queue") as caught:
            call()
        assert caught.value.action == action


@pytest.mark.parametrize("kind", ["thin", "boto3"])
@pytest.mark.parametrize("code", ["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"])
def test_a_queue_that_is_missing_is_told_with_what_to_do(scripted: Scripted, code: str, kind: ClientKind) -> None:
    """Relay and worker show it: while they wait at the start, in the log, and in readiness."""
    scripted.answer = lambda _o, _b: (400, {"__type": f"com.amazonaws.sqs#{code}", "message": "there is none"})
    queue = SqsQueue(f"{scripted.url}/0/q", region=REGION, client=kind)

    calls: Sequence[Callable[[], object]] = [
        lambda: queue.receive(1, wait_s=0, visibility_s=1), lambda: queue.delete(["r"]), queue.check, queue.depth,
        lambda: queue.extend(["r"], visibility_s=1),
    ]  # fmt: skip
    told = queue.send([Outgoing(0, "x")], deadline_s=5).failed[0].message
    for call in calls:
        with pytest.raises(QueueMissing) as caught:
            call()
        for said in (str(caught.value), told):
            assert said.count("; run `todoke-server setup-queues`, or correct SQS_QUEUE_URL") == 1


@pytest.mark.parametrize("whole", [True, False], ids=["the whole call is refused", "each entry is refused"])
def test_a_service_that_takes_no_groups_gets_none(scripted: Scripted, whole: bool) -> None:
    asked: list[list[bool]] = []
    why = "The request include parameter that is not valid for this queue type"

    def answer(operation: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        asked.append(["MessageGroupId" in entry for entry in body["Entries"]])
        if not any(asked[-1]):
            return accept_all(operation, body)
        if whole:
            return 400, {"__type": "com.amazonaws.sqs#InvalidParameterValue", "message": why}
        failed = [{"Id": e["Id"], "Code": "InvalidParameterValue", "SenderFault": True, "Message": why}
                  for e in body["Entries"]]  # fmt: skip
        return 200, {"Successful": [], "Failed": failed}

    scripted.answer = answer
    queue = SqsQueue(f"{scripted.url}/0/q", region=REGION)

    sent = [queue.send([Outgoing(1, "x", group="acme")], deadline_s=10) for _ in range(2)]

    assert [s.accepted for s in sent] == [{1}] * 2
    assert asked == [[True], [False], [False]]


def test_groups_can_be_left_out(scripted: Scripted) -> None:
    scripted.answer = accept_all
    queue = SqsQueue(f"{scripted.url}/0/q", region=REGION, groups=False)

    queue.send([Outgoing(1, "x", group="acme")], deadline_s=10)

    assert "MessageGroupId" not in str(scripted.calls)


def test_requests_are_counted_by_operation(scripted: Scripted) -> None:
    scripted.answer = accept_all
    counted: list[str] = []
    queue = SqsQueue(f"{scripted.url}/0/q", region=REGION, on_request=counted.append)

    queue.send([Outgoing(n, "x") for n in range(25)], deadline_s=10)

    assert counted == ["SendMessageBatch"] * 3


def test_setting_up_again_updates_the_redrive_policy(new_queues: Callable[[], QueueUrls]) -> None:
    urls = new_queues()
    client = boto3.client("sqs", region_name=REGION)
    name = urls.queue_url.rsplit("/", 1)[1]

    again = ensure_queues(REGION, name, dead_letter_name=f"{name}-dlq", max_receive_count=20, visibility_s=40)

    attributes = client.get_queue_attributes(QueueUrl=urls.queue_url, AttributeNames=["All"])["Attributes"]
    assert again == urls
    assert json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] in {20, "20"}
    assert attributes["VisibilityTimeout"] == "40"


def test_batches_keep_both_limits_and_the_order() -> None:
    messages = [Outgoing(n, "x" * size) for n, size in enumerate([1, 600_000, 500_000, *[5] * 25, MAX_MESSAGE_BYTES])]

    batches = list(by_count_and_size(messages))

    assert [m.key for batch in batches for m in batch] == list(range(len(messages)))
    assert all(len(b) <= 10 and sum(map(size_bytes, b)) <= MAX_MESSAGE_BYTES for b in batches)
