"""Calls use the proxy that the environment names, and bypass it where the environment says so."""

import pytest

from deploy.local.emulator import REGION
from deploy.local.processes import free_port
from shared.queues.calls import ClientKind
from shared.queues.interface import Outgoing
from shared.queues.sqs import SqsQueue
from tests.support.sqs.server import Door


@pytest.fixture(params=["thin", "boto3"])
def client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, door: Door) -> ClientKind:
    """Both clients, with the credentials of the double and no other proxy than the test's."""
    for name, value in door.environment().items():
        monkeypatch.setenv(name, value)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    kind: ClientKind = request.param
    return kind


def _round_trip(queue: SqsQueue) -> str:
    queue.send([Outgoing(0, "hello")], deadline_s=10)
    (message,) = queue.receive(1, wait_s=0, visibility_s=30)
    queue.delete([message.receipt])
    return message.body


def test_a_queue_that_only_the_proxy_can_reach(client: ClientKind, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    # To a proxy, plain HTTP is the same request with a whole URL in its first line: the double answers it as well.
    door.queues.make("jobs", max_receive_count=3)
    proxy = door.environment()["AWS_ENDPOINT_URL"]
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://queue.invalid:9324")

    assert _round_trip(SqsQueue(door.queue_url("jobs"), region=REGION, client=client)) == "hello"


def test_an_address_in_no_proxy_is_reached_directly(
    client: ClientKind, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    door.queues.make("jobs", max_receive_count=3)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    assert _round_trip(SqsQueue(door.queue_url("jobs"), region=REGION, client=client)) == "hello"
