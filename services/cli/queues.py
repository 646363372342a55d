"""`todoke-server setup-queues`: create the queues, once before the first start."""

import argparse
import json
import os

from shared.queues.setup import ensure_queues
from shared.runtime.region import region_of


def run(given: argparse.Namespace) -> int:
    """Create the queues, or update them, and print their URLs."""
    region = region_of(os.environ)
    urls = ensure_queues(
        region,
        given.name,
        dead_letter_name=given.dlq_name or f"{given.name}-dlq",
        max_receive_count=given.max_receive_count,
        visibility_s=given.visibility_s,
    )
    if given.json:
        print(json.dumps({"queueUrl": urls.queue_url, "deadLetterUrl": urls.dead_letter_url}))
    else:
        print(f"region             {region}\nqueue              {urls.queue_url}")
        print(f"dead-letter queue  {urls.dead_letter_url}\n")
        print(f"export SQS_QUEUE_URL={urls.queue_url}")
    return 0
