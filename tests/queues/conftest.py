"""Every queue that the contract holds for."""

import itertools
from collections.abc import Callable

import boto3
import pytest

from deploy.local.emulator import REGION, Emulator
from shared.queues.interface import Queue
from shared.queues.setup import QueueUrls, ensure_queues
from shared.queues.sqs import SqsQueue
from tests.support.sqs_double import InMemoryQueue

_names = itertools.count()


@pytest.fixture
def new_queues(aws: Emulator) -> Callable[[], QueueUrls]:
    """Makes a fresh queue with its dead-letter queue on the emulator."""
    client = boto3.client("sqs", region_name=REGION)

    def make() -> QueueUrls:
        name = f"test-{next(_names)}"
        return ensure_queues(client, name, dead_letter_name=f"{name}-dlq", max_receive_count=3, visibility_s=30)

    return make


@pytest.fixture(params=["double", "emulator"])
def queue(request: pytest.FixtureRequest) -> Queue:
    """An empty queue with a dead-letter queue that takes over after three receives."""
    if request.param == "double":
        return InMemoryQueue(max_receive_count=3)
    make: Callable[[], QueueUrls] = request.getfixturevalue("new_queues")
    return SqsQueue(make().queue_url, region=REGION)
