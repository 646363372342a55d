"""Sends calls to SQS: frequent ones through the curl client, all others through boto3."""

from collections.abc import Mapping
from typing import Any, Literal

import boto3
from botocore.config import Config

from shared.queues.curl_client import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, CurlClient
from shared.runtime import aws

ClientKind = Literal["thin", "boto3"]

HOT = frozenset({"SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"})
"""Operations that every job needs."""

LONGEST_POLL_S = 20
"""Longest WaitTimeSeconds that SQS allows (API reference, ReceiveMessage, read 2026-11-23)."""


def make_client(
    region: str, *, read_timeout_s: float, connections: int, session: boto3.session.Session | None = None
) -> Any:
    """Return a boto3 client for SQS whose every call is bounded in time.

    Credentials and endpoint come from the standard AWS settings. Clients of one session look for credentials only once.
    """
    return (session or aws.new_session()).client(
        "sqs",
        region_name=region,
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=read_timeout_s,
            max_pool_connections=connections,
            tcp_keepalive=True,
            # Callers retry with a back-off of their own; one more try here covers a stale kept-alive connection.
            retries={"mode": "standard", "total_max_attempts": 2},
        ),
    )


class SqsCalls:
    """Sends calls. Safe to use from several threads. Raises botocore's ClientError and BotoCoreError."""

    def __init__(self, region: str, *, kind: ClientKind, connections: int) -> None:
        session = aws.new_session()
        self.client = make_client(region, read_timeout_s=READ_TIMEOUT_S, connections=connections, session=session)
        """The boto3 client, for set-up and queries."""
        patient_s = LONGEST_POLL_S + READ_TIMEOUT_S
        poller = make_client(region, read_timeout_s=patient_s, connections=connections, session=session)
        self._methods = {
            "SendMessageBatch": self.client.send_message_batch,
            "ReceiveMessage": poller.receive_message,
            "DeleteMessageBatch": self.client.delete_message_batch,
            "ChangeMessageVisibilityBatch": self.client.change_message_visibility_batch,
            "GetQueueAttributes": self.client.get_queue_attributes,
        }
        self._curl = CurlClient(self.client) if kind == "thin" else None

    def __call__(self, operation: str, arguments: Mapping[str, object]) -> Any:
        """Make one call. Returns the answer's body."""
        if self._curl is not None and operation in HOT:
            return self._curl.call(operation, arguments)
        return self._methods[operation](**arguments)
