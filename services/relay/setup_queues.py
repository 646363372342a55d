"""`python -m services.relay setup-queues`: the queues, made once before the first start."""

import argparse
import json
import os

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import TodokeError
from shared.queues.calls import make_client
from shared.queues.setup import ensure_queues


class SetupFailed(TodokeError):
    """The queues could not be made."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's options."""
    parser.description = (
        "Create the queue and its dead-letter queue with a redrive policy, or update them. "
        "Reads AWS_REGION and the standard AWS credentials and endpoint variables."
    )
    parser.add_argument("--name", default="todoke-jobs", help="name of the queue (default: %(default)s)")
    parser.add_argument("--dlq-name", help="name of the dead-letter queue (default: NAME-dlq)")
    parser.add_argument(
        "--max-receive-count",
        type=int,
        default=20,
        help="deliveries before SQS itself moves a message aside: a net for crash loops, not the retry policy "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--visibility-s",
        type=int,
        default=60,
        help="the queue's own visibility time-out; workers set theirs with every receive (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def run(arguments: argparse.Namespace) -> int:
    """Make the queues and print where they are. Returns the exit code."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region:
        raise SetupFailed("AWS_REGION is not set: for example eu-west-1")
    client = make_client(region, read_timeout_s=10, connections=1)
    try:
        urls = ensure_queues(
            client,
            arguments.name,
            dead_letter_name=arguments.dlq_name or f"{arguments.name}-dlq",
            max_receive_count=arguments.max_receive_count,
            visibility_s=arguments.visibility_s,
        )
    except (BotoCoreError, ClientError) as error:
        raise SetupFailed(f"SQS refused: {error}") from None
    if arguments.json:
        print(json.dumps({"queueUrl": urls.queue_url, "deadLetterUrl": urls.dead_letter_url}))  # noqa: T201
    else:
        print(f"queue              {urls.queue_url}\ndead-letter queue  {urls.dead_letter_url}\n")  # noqa: T201
        print(f"export SQS_QUEUE_URL={urls.queue_url}")  # noqa: T201
    return 0
