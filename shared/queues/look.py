"""What an operator should know about the queue and its dead-letter queue."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from operator import itemgetter
from time import time
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from shared.queues import refusals
from shared.queues.answers import understood
from shared.queues.calls import make_client

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """One queue's attributes."""

    url: str
    messages: int
    """Waiting, hidden and delayed, approximately."""
    retention_s: int
    delay_s: int
    max_bytes: int | None
    """None if the service does not report it."""
    dead_letter_arn: str | None
    max_receive_count: int | None
    ahead_s: float | None
    """By how many seconds the service's clock is ahead of this machine's, to the second."""


class QueueLook:
    """Reads the attributes of queues. Each call is bounded to a few seconds."""

    def __init__(self, region: str) -> None:
        self._client = make_client(region, read_timeout_s=5, connections=2)

    def at(self, url: str) -> QueueFacts:
        """Return the queue's attributes. Raises QueueUnavailable, QueueDenied."""
        return self._ask("GetQueueAttributes", url, partial(_facts, url), QueueUrl=url, AttributeNames=["All"])

    def url_of(self, arn: str) -> str:
        """Return the URL of the queue that has this ARN. Raises QueueUnavailable, QueueDenied."""
        *_, account, name = arn.split(":")
        read = itemgetter("QueueUrl")
        url: str = self._ask("GetQueueUrl", arn, read, QueueName=name, QueueOwnerAWSAccountId=account)
        return url

    def _ask(self, operation: str, what: str, read: Callable[[Any], T], **arguments: object) -> T:
        methods = {"GetQueueAttributes": self._client.get_queue_attributes, "GetQueueUrl": self._client.get_queue_url}
        endpoint_url = self._client.meta.endpoint_url
        try:
            with understood(endpoint_url):
                return read(methods[operation](**arguments))
        except (ClientError, BotoCoreError) as error:
            raise refusals.told(error, operation, queue_url=what, endpoint_url=endpoint_url) from None


def _facts(url: str, answer: Mapping[str, Any]) -> QueueFacts:
    found: Mapping[str, str] = answer["Attributes"]
    policy = json.loads(found["RedrivePolicy"]) if found.get("RedrivePolicy") else {}
    counts = (f"ApproximateNumberOfMessages{state}" for state in ("", "NotVisible", "Delayed"))
    return QueueFacts(
        url,
        sum(int(found.get(name, 0)) for name in counts),
        int(found.get("MessageRetentionPeriod", 0)),
        int(found.get("DelaySeconds", 0)),
        int(found["MaximumMessageSize"]) if found.get("MaximumMessageSize") else None,
        policy.get("deadLetterTargetArn"),
        int(policy["maxReceiveCount"]) if "maxReceiveCount" in policy else None,
        _ahead(answer),
    )


def _ahead(answer: Mapping[str, Any]) -> float | None:
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(date).timestamp() - time() if date else None
