"""The dead-letter queue for operators, over every server of the SQS API that we have."""

import pytest

from deploy.local.emulator import REGION, Emulator
from shared.queues.dead_letters import DeadLetter, DeadLetters, NoDeadLetterQueue
from shared.queues.interface import Outgoing, QueueDenied, QueueUnavailable
from shared.queues.setup import QueueUrls
from shared.queues.sqs import SqsQueue
from tests.contract.queues.conftest import _SERVERS, make_queues
from tests.support.faults.plan import Fault, Hit, Plan
from tests.support.sqs.moto_server import MotoServer
from tests.support.sqs.server import Door


@pytest.fixture(params=list(_SERVERS))
def urls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> QueueUrls:
    """A queue and its dead-letter queue, both empty."""
    server: Door | Emulator | MotoServer = request.getfixturevalue(_SERVERS[request.param])
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return make_queues()


@pytest.fixture
def behind_a_door(door: Door, monkeypatch: pytest.MonkeyPatch) -> QueueUrls:
    """The same on the double, which can be told to fail."""
    for name, value in door.environment().items():
        monkeypatch.setenv(name, value)
    return make_queues()


def dead(urls: QueueUrls, *bodies: str) -> DeadLetters:
    """The dead-letter queue with a message for each body, put aside by a worker."""
    queue = SqsQueue(urls.queue_url, region=REGION)
    queue.send([Outgoing(n, body, {"traceparent": "00-1-2-03"}) for n, body in enumerate(bodies)], deadline_s=20)
    left = len(bodies)
    while left:
        for message in queue.receive(10, wait_s=1, visibility_s=60):
            assert queue.dead_letter(message, reason="unknown")
            left -= 1
    return DeadLetters(urls.queue_url, region=REGION)


def all_of(letters: DeadLetters, most: int = 100) -> list[DeadLetter]:
    return [message for batch in letters.walk(most) for message in batch]


def in_queue(urls: QueueUrls) -> list[tuple[str, dict[str, str]]]:
    queue = SqsQueue(urls.queue_url, region=REGION)
    return sorted((m.body, dict(m.headers)) for m in queue.receive(10, wait_s=1, visibility_s=60))


def test_a_walk_shows_every_message_once_and_then_again(urls: QueueUrls) -> None:
    letters = dead(urls, *(f"message {n}" for n in range(12)))

    found = all_of(letters)
    assert sorted(m.body for m in found) == sorted(f"message {n}" for n in range(12))
    assert {(m.reason, m.receive_count, m.headers["traceparent"]) for m in found} == {("unknown", 1, "00-1-2-03")}
    assert all(m.sent_at for m in found)
    assert all_of(letters) == [], "they are hidden"
    letters.show_again(found)
    assert len(all_of(letters, most=3)) == 3


def test_a_message_that_is_sent_back_is_as_it_was_sent_first(urls: QueueUrls) -> None:
    letters = dead(urls, "one", "two")
    [one] = [m for m in all_of(letters) if m.body == "one"]

    assert letters.send_back([one]) == {one.message_id}
    assert in_queue(urls) == [("one", {"traceparent": "00-1-2-03"})]
    letters.show_again([one])  # gone, and nothing happens


def test_a_message_that_is_deleted_is_nowhere(urls: QueueUrls) -> None:
    letters = dead(urls, "one", "two")
    found = all_of(letters)

    assert letters.delete(found) == {m.message_id for m in found}
    letters.show_again(found)
    assert all_of(letters) == []
    assert in_queue(urls) == []


def test_what_the_queue_does_not_take_stays(behind_a_door: QueueUrls, door: Door) -> None:
    letters = dead(behind_a_door, "one", "two")
    found = all_of(letters)
    door.faults = Plan({Hit("sqs SendMessageBatch", 1): Fault.PARTIAL})

    [moved] = letters.send_back(found)
    letters.show_again(m for m in found if m.message_id != moved)
    assert [m.message_id for m in all_of(letters)] == [m.message_id for m in found if m.message_id != moved]


def test_killed_between_the_two_calls_a_message_is_in_both_queues(behind_a_door: QueueUrls, door: Door) -> None:
    letters = dead(behind_a_door, "one")
    found = all_of(letters)
    door.faults = Plan({Hit("sqs DeleteMessageBatch", n): Fault.THROTTLED for n in (1, 2)})

    with pytest.raises(QueueUnavailable):
        letters.send_back(found)
    letters.show_again(found)
    assert [m.body for m in all_of(letters)] == ["one"]
    assert [body for body, _ in in_queue(behind_a_door)] == ["one"]


def test_what_is_missing_is_told(behind_a_door: QueueUrls, door: Door) -> None:
    with pytest.raises(NoDeadLetterQueue, match="has no redrive policy: run `todoke-server setup-queues`"):
        DeadLetters(behind_a_door.dead_letter_url, region=REGION)
    with pytest.raises(QueueUnavailable, match="NonExistentQueue"):
        DeadLetters(door.queue_url("none"), region=REGION)
    assert DeadLetters(behind_a_door.queue_url, region=REGION, dead_letter_url="http://x/y").url == "http://x/y"
    letters = dead(behind_a_door, "one")
    door.faults = Plan({Hit("sqs ReceiveMessage", n): Fault.THROTTLED for n in (1, 2)})
    with pytest.raises(QueueUnavailable, match=r"ReceiveMessage on .* failed: RequestThrottled") as told:
        all_of(letters)
    assert not isinstance(told.value, QueueDenied)
