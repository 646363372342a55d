"""Make the queue and its dead-letter queue, or bring them up to date."""

import json
from dataclasses import dataclass
from typing import Any

DEAD_LETTER_RETENTION_S = 14 * 24 * 3600
"""As long as SQS keeps messages at all (14 days): dead letters wait for a person."""
RETENTION_S = 4 * 24 * 3600
"""A doorbell that nobody heard for four days is rung again by the sweeper anyway."""


@dataclass(frozen=True, slots=True)
class QueueUrls:
    """Where the two queues are."""

    queue_url: str
    dead_letter_url: str


def ensure_queues(
    client: Any, name: str, *, dead_letter_name: str, max_receive_count: int, visibility_s: int
) -> QueueUrls:
    """Create both queues with a redrive policy from the first to the second. Running it again updates the attributes.

    `client` is a boto3 SQS client. Raises botocore's errors.
    """
    dead_letter_url = _ensure(client, dead_letter_name, {"MessageRetentionPeriod": str(DEAD_LETTER_RETENTION_S)})
    arn = client.get_queue_attributes(QueueUrl=dead_letter_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": max_receive_count})
    queue_url = _ensure(
        client,
        name,
        {
            "VisibilityTimeout": str(visibility_s),
            "MessageRetentionPeriod": str(RETENTION_S),
            "ReceiveMessageWaitTimeSeconds": "20",
            "RedrivePolicy": policy,
        },
    )
    return QueueUrls(queue_url, dead_letter_url)


def _ensure(client: Any, name: str, attributes: dict[str, str]) -> str:
    # Creating an existing queue with other attributes is an error, without attributes it is a look-up.
    url: str = client.create_queue(QueueName=name)["QueueUrl"]
    client.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    return url


def dead_letter_url_of(client: Any, queue_url: str) -> str | None:
    """The URL of the dead-letter queue that `queue_url`'s redrive policy names; None if it has none."""
    answer = client.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["RedrivePolicy"])
    policy = answer.get("Attributes", {}).get("RedrivePolicy")
    if not policy:
        return None
    *_, account, name = json.loads(policy)["deadLetterTargetArn"].split(":")
    url: str = client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
    return url
