"""What Todoke relies on, fulfilled by the double and by a real SQS API alike."""

from shared.queues.interface import MAX_MESSAGE_BYTES, Outgoing, Queue, Received
from tests.support.eventually import eventually


def send(queue: Queue, *bodies: str) -> None:
    result = queue.send([Outgoing(n, body) for n, body in enumerate(bodies)], deadline_s=20)
    assert result.accepted == frozenset(range(len(bodies)))


def receive_one(queue: Queue, *, visibility_s: float = 30) -> Received:
    (message,) = eventually(lambda: queue.receive(1, wait_s=1, visibility_s=visibility_s), what="a message")
    return message


def test_every_message_of_a_large_send_arrives_once(queue: Queue) -> None:
    send(queue, *(f"body {n}" for n in range(57)))
    seen: list[str] = []
    while got := queue.receive(10, wait_s=0, visibility_s=30):
        seen += [m.body for m in got]

    assert sorted(seen) == sorted(f"body {n}" for n in range(57))


def test_headers_travel(queue: Queue) -> None:
    queue.send([Outgoing(1, "x", {"traceparent": "00-ab"})], deadline_s=20)

    assert receive_one(queue).headers["traceparent"] == "00-ab"


def test_a_message_with_a_group_arrives(queue: Queue) -> None:
    """Fair queues: a standard queue takes the name of a group, or the service is asked again without."""
    sent = queue.send([Outgoing(n, "x", group=f"tenant-{n % 3}.a_b") for n in range(12)], deadline_s=20)
    seen: list[str] = []
    while got := queue.receive(10, wait_s=0, visibility_s=30):
        seen += [m.body for m in got]

    assert (len(sent.accepted), seen) == (12, ["x"] * 12)


def test_a_received_message_is_hidden_and_counted_when_it_comes_back(queue: Queue) -> None:
    send(queue, "x")
    first = receive_one(queue, visibility_s=30)
    assert queue.receive(1, wait_s=0, visibility_s=30) == []

    queue.extend([first.receipt], visibility_s=0)

    again = receive_one(queue)
    assert (first.receive_count, again.receive_count) == (1, 2)
    assert again.message_id == first.message_id


def test_a_deleted_message_stays_away(queue: Queue) -> None:
    send(queue, *"abc")
    got = [receive_one(queue) for _ in range(3)]

    assert queue.delete([m.receipt for m in got]) == {m.receipt for m in got}
    assert queue.depth().visible + queue.depth().in_flight == 0


def test_a_stale_receipt_raises_nothing_and_harms_no_later_delivery(queue: Queue) -> None:
    send(queue, "x")
    stale = receive_one(queue)
    queue.extend([stale.receipt], visibility_s=0)
    current = receive_one(queue)

    queue.delete([stale.receipt])
    queue.extend([stale.receipt], visibility_s=10)
    assert queue.delete([current.receipt]) == {current.receipt}


def test_after_too_many_receives_the_queue_itself_moves_a_message_aside(queue: Queue) -> None:
    send(queue, "poison")
    for _ in range(3):
        queue.extend([receive_one(queue).receipt], visibility_s=0)

    assert queue.receive(1, wait_s=0, visibility_s=30) == []


def test_a_dead_lettered_message_leaves_the_queue(queue: Queue) -> None:
    send(queue, "nonsense")

    assert queue.dead_letter(receive_one(queue), reason="malformed")
    assert queue.depth().visible + queue.depth().in_flight == 0


def test_what_can_never_be_sent_fails_for_good_and_alone(queue: Queue) -> None:
    messages = [
        Outgoing(1, "fine"),
        Outgoing(2, "x" * (MAX_MESSAGE_BYTES + 1)),
        Outgoing(3, "nul \0"),
        Outgoing(4, ""),
        Outgoing(5, "also fine"),
        Outgoing(6, "fine", {"traceparent": "half \ud800"}),
    ]

    result = queue.send(messages, deadline_s=20)

    assert result.accepted == {1, 5}
    assert {(f.key, f.permanent) for f in result.failed} == {(n, True) for n in (2, 3, 4, 6)}


def test_large_messages_are_split_by_bytes(queue: Queue) -> None:
    result = queue.send([Outgoing(n, "x" * 300_000) for n in range(10)], deadline_s=30)

    assert result.accepted == frozenset(range(10))


def test_depth_tells_waiting_from_under_way(queue: Queue) -> None:
    send(queue, *"abc")
    receive_one(queue)

    depth = queue.depth()
    assert (depth.visible, depth.in_flight) == (2, 1)


def test_check_passes(queue: Queue) -> None:
    queue.check()
