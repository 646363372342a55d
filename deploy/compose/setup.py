"""Creates the queue, its dead-letter queue and the bucket where they are missing. Runs in the relay's image."""

import os
import sys
import time

from botocore.exceptions import BotoCoreError, ClientError

from shared.artifacts.s3_client import make_client
from shared.queues.setup import QueueSetupFailed, ensure_queues

_GIVE_UP_S = 120
_REGION = os.environ["AWS_REGION"]


def main() -> int:
    """Retry until all three exist. Returns 1 after two minutes without success; compose then restarts it."""
    give_up_at = time.monotonic() + _GIVE_UP_S
    while True:
        try:
            _make()
        except (BotoCoreError, ClientError, QueueSetupFailed) as error:
            print(f"setup: not yet: {error}", file=sys.stderr)
            if time.monotonic() > give_up_at:
                return 1
            time.sleep(2)
        else:
            print("setup: queues and bucket are there", file=sys.stderr)
            return 0


def _make() -> None:
    ensure_queues(
        _REGION, "todoke-jobs", dead_letter_name="todoke-jobs-dlq", max_receive_count=20, visibility_s=60
    )  # fmt: skip
    store = make_client(_REGION)
    try:
        store.head_bucket(Bucket="todoke-artifacts")
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in {"404", "NoSuchBucket", "NotFound"}:
            raise
        store.create_bucket(Bucket="todoke-artifacts")


if __name__ == "__main__":
    sys.exit(main())
