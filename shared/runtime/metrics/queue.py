"""The metrics of relay and worker about their requests to the queue."""

from shared.runtime.metrics.declare import OTHER, counter, known

OPERATIONS = ("SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch",
              "GetQueueAttributes", "GetQueueUrl", OTHER)  # fmt: skip
QUEUE_REQUESTS = counter(
    "relay, worker", "todoke_sqs_requests_total", "Requests sent to SQS. AWS bills each.", {"operation": OPERATIONS}
)


def count_queue_request(operation: str) -> None:
    """Count one request to SQS."""
    QUEUE_REQUESTS.labels(known(operation, OPERATIONS)).inc()
