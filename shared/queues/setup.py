"""The queue and its dead-letter queue: created, updated, looked up."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError

from shared.errors import TodokeError
from shared.queues.answers import understood
from shared.queues.calls import make_client

DEAD_LETTER_RETENTION_S = 14 * 24 * 3600
"""As long as SQS keeps any message (14 days): a dead letter waits for a person."""
RETENTION_S = 4 * 24 * 3600
"""A doorbell that was not received within four days is not needed: the sweeper has rung again long before."""


class QueueSetupFailed(TodokeError):
    """The queues could not be created or updated. The message has SQS's reason and, if there is one, a remedy."""


@dataclass(frozen=True, slots=True)
class QueueUrls:
    """Where the two queues are."""

    queue_url: str
    dead_letter_url: str


def ensure_queues(
    region: str, name: str, *, dead_letter_name: str, max_receive_count: int, visibility_s: int
) -> QueueUrls:
    """Create both queues, with a redrive policy from the first to the second. A second run updates the attributes.

    Credentials and endpoint come from the standard AWS settings. Raises QueueSetupFailed.
    """
    client = make_client(region, read_timeout_s=10, connections=1)
    with _explained(), understood(client.meta.endpoint_url):
        dead_letter_url = _ensure(client, dead_letter_name, {"MessageRetentionPeriod": str(DEAD_LETTER_RETENTION_S)})
        policy = {"deadLetterTargetArn": _arn(client, dead_letter_url), "maxReceiveCount": max_receive_count}
        queue_url = _ensure(
            client,
            name,
            {
                "VisibilityTimeout": str(visibility_s),
                "MessageRetentionPeriod": str(RETENTION_S),
                "ReceiveMessageWaitTimeSeconds": "20",
                "RedrivePolicy": json.dumps(policy),
            },
        )
        return QueueUrls(queue_url, dead_letter_url)


def dead_letter_url_of(client: Any, queue_url: str) -> str | None:
    """Return the URL of the dead-letter queue that `queue_url`'s redrive policy names; None if it has none.

    `client` is a boto3 SQS client. Raises botocore's errors.
    """
    answer = client.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["RedrivePolicy"])
    policy = answer.get("Attributes", {}).get("RedrivePolicy")
    if not policy:
        return None
    *_, account, name = json.loads(policy)["deadLetterTargetArn"].split(":")
    url: str = client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
    return url


def _ensure(client: Any, name: str, attributes: dict[str, str]) -> str:
    # Creating an existing queue with other attributes is an error, but without attributes it is a look-up.
    url: str = client.create_queue(QueueName=name)["QueueUrl"]
    client.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    return url


def _arn(client: Any, queue_url: str) -> str:
    answer = client.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    arn: str = answer["Attributes"]["QueueArn"]
    return arn


@contextmanager
def _explained() -> Iterator[None]:
    """Turn botocore's errors into QueueSetupFailed."""
    try:
        yield
    except ClientError as error:
        raise QueueSetupFailed(f"SQS refused: {error}") from None
    except EndpointConnectionError as error:
        raise QueueSetupFailed(
            f"SQS does not answer: {error}. For a server of the SQS API that is not Amazon's, set AWS_ENDPOINT_URL_SQS"
        ) from None
    except NoCredentialsError:
        raise QueueSetupFailed(
            "AWS credentials are missing: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role"
        ) from None
    except BotoCoreError as error:
        raise QueueSetupFailed(f"SQS could not be asked: {error}") from None
