"""What answers is not SQS: a proxy's page, another service's JSON. It is told as SQS being away, by every call."""

from collections.abc import Callable, Iterator

import pytest

from deploy.local.emulator import REGION
from shared.queues.calls import ClientKind
from shared.queues.dead_letters import DeadLetters
from shared.queues.interface import Outgoing, QueueUnavailable
from shared.queues.look import QueueLook
from shared.queues.setup import QueueSetupFailed, ensure_queues
from shared.queues.sqs import SqsQueue
from tests.support.http_server import LoopbackServer, QuietHandler

PAGES = {
    "a page": b"<html><body>Sign in to the network</body></html>",
    "bytes": b"\x00\xff\xfe not JSON \x80",
    "a list": b"[1, 2, 3]",
    "a number": b"7",
    "other fields": b'{"Successful": "x", "Failed": {"a": 1}, "Attributes": [], "Messages": [{"Body": null}, null]}',
    "numbers": b'{"Successful": [{"Id": "9"}], "Failed": [7], "Attributes": 1, "Messages": [{"MessageId": 7, '
    b'"ReceiptHandle": 7}]}',
    "a deep one": b"[" * 100_000,
}


@pytest.fixture(params=list(PAGES.values()), ids=list(PAGES))
def url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where a server answers every call with that page, and says 200."""

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            self.body()
            self.answer(200, request.param, {"Content-Type": "application/x-amz-json-1.0"})

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDCANARY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-canary")
    with LoopbackServer(Handler) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server.url


# boto3 takes a page without JSON for an answer without fields: of an empty queue, or of a call that did nothing.
@pytest.mark.parametrize("kind", ["thin", "boto3"])
def test_whatever_answers_in_the_place_of_sqs_is_sqs_being_away(url: str, kind: ClientKind) -> None:
    queue = SqsQueue(f"{url}/0/q", region=REGION, client=kind, dead_letter_url=f"{url}/0/dlq")

    sent = queue.send([Outgoing(1, "x")], deadline_s=20)
    assert (sent.accepted, [f.permanent for f in sent.failed]) == (frozenset(), [False])
    for call in (queue.check, queue.depth, queue.dead_letters):
        with pytest.raises(QueueUnavailable, match="is not an answer of SQS"):
            call()
    for changed in (lambda: queue.delete(["a", "b"]), lambda: queue.extend(["a", "b"], visibility_s=1)):
        assert nothing_from(changed) == frozenset()
    assert nothing_from(lambda: queue.receive(10, wait_s=0, visibility_s=1)) == frozenset()


def nothing_from(call: Callable[[], object]) -> frozenset[object]:
    """What the call gave: nothing, or the refusal that says why."""
    try:
        given = call()
    except QueueUnavailable as error:
        return frozenset() if "is not an answer of SQS" in str(error) else frozenset({str(error)})
    assert isinstance(given, list | frozenset)
    return frozenset(given)


def test_commands_are_told_so_too(url: str) -> None:
    for look in (lambda: QueueLook(REGION).at(f"{url}/0/q"), lambda: QueueLook(REGION).url_of("arn:aws:sqs:x:0:q")):
        with pytest.raises(QueueUnavailable, match="is not an answer of SQS"):
            look()
    dead = DeadLetters(f"{url}/0/q", region=REGION, dead_letter_url=f"{url}/0/dlq")
    assert nothing_from(lambda: [m for batch in dead.walk(10) for m in batch]) == frozenset()
    with pytest.raises(QueueSetupFailed, match="is not an answer of SQS"):
        ensure_queues(REGION, "q", dead_letter_name="q-dlq", max_receive_count=20, visibility_s=40)
