"""Every queue that must fulfil the contract."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from deploy.local.emulator import REGION, Emulator
from shared.queues.interface import Queue
from shared.queues.setup import QueueUrls, ensure_queues
from shared.queues.sqs import SqsQueue
from tests.support.sqs.double import InMemoryQueue
from tests.support.sqs.moto_server import MotoServer
from tests.support.sqs.server import Door

_names = itertools.count()
_SERVERS = {"double on a socket": "door", "ministack": "emulator", "moto": "moto_server"}


@pytest.fixture
def new_queues(aws: Emulator) -> Callable[[], QueueUrls]:
    """Makes a fresh queue with its dead-letter queue on the emulator."""
    return make_queues


def make_queues() -> QueueUrls:
    """A fresh queue with its dead-letter queue, wherever the AWS variables lead."""
    name = f"test-{next(_names)}"
    return ensure_queues(REGION, name, dead_letter_name=f"{name}-dlq", max_receive_count=3, visibility_s=30)


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoServer]:
    """Moto's server, for the session."""
    with MotoServer(tmp_path_factory.mktemp("moto")) as running:
        yield running


@pytest.fixture
def door() -> Iterator[Door]:
    """The double on a socket."""
    with Door() as opened:
        yield opened


@pytest.fixture(params=["double", *(f"{at}, thin" for at in _SERVERS), "ministack, boto3"])
def queue(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Queue:
    """An empty queue with a dead-letter queue that takes over after three receives."""
    if request.param == "double":
        return InMemoryQueue(max_receive_count=3)
    at, client = request.param.split(", ")
    server: Door | Emulator | MotoServer = request.getfixturevalue(_SERVERS[at])
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return SqsQueue(make_queues().queue_url, region=REGION, client=client)
