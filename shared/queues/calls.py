"""One call to SQS: by boto3, or by a thin client of our own for the four calls that every job makes.

botocore spends about 0.5 ms of processor time on a batch call: building, validating, hooking, parsing. The thin client
sends the same bytes (AWS JSON 1.0, "Amazon SQS API Reference", read 2026-11-25) with botocore's own credentials and
signature, over urllib3, and spends less than half of that (`make bench`, "sqs_clients"). Everything else stays boto3's.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal, cast

import boto3
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies

ClientKind = Literal["thin", "boto3"]

HOT = frozenset({"SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"})
"""The calls that every job makes."""

CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 10
LONGEST_POLL_S = 20
"""Longest WaitTimeSeconds that SQS allows (API reference, ReceiveMessage, read 2026-11-23)."""


def make_client(
    region: str, *, read_timeout_s: float, connections: int, session: boto3.session.Session | None = None
) -> Any:
    """A boto3 client for SQS whose every call is bounded. Credentials and endpoint come the standard AWS way.

    The clients of one session share the description of the service, which takes longer to read than all else here.
    """
    return (session or boto3.session.Session()).client(
        "sqs",
        region_name=region,
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=read_timeout_s,
            max_pool_connections=connections,
            tcp_keepalive=True,
            # The callers above try again with their own back-off; one more try covers a stale kept-alive connection.
            retries={"mode": "standard", "total_max_attempts": 2},
        ),
    )


class SqsCalls:
    """Carries calls. Safe to use from several threads. Raises botocore's ClientError and BotoCoreError."""

    def __init__(self, region: str, *, kind: ClientKind, connections: int) -> None:
        session = boto3.session.Session()
        self.client = make_client(region, read_timeout_s=READ_TIMEOUT_S, connections=connections, session=session)
        """For set-up and questions."""
        patient_s = LONGEST_POLL_S + READ_TIMEOUT_S
        poller = make_client(region, read_timeout_s=patient_s, connections=connections, session=session)
        self._methods = {
            "SendMessageBatch": self.client.send_message_batch,
            "ReceiveMessage": poller.receive_message,
            "DeleteMessageBatch": self.client.delete_message_batch,
            "ChangeMessageVisibilityBatch": self.client.change_message_visibility_batch,
            "GetQueueAttributes": self.client.get_queue_attributes,
        }
        self._thin = ThinClient(self.client, connections=connections) if kind == "thin" else None

    def __call__(self, operation: str, arguments: Mapping[str, object]) -> Any:
        """The answer's body."""
        if self._thin is not None and operation in HOT:
            return self._thin.call(operation, arguments)
        return self._methods[operation](**arguments)


class ThinClient:
    """Sends AWS JSON 1.0 to the endpoint that a boto3 client has found, signed with that client's credentials."""

    def __init__(self, client: Any, *, connections: int) -> None:
        self._url = f"{client.meta.endpoint_url.rstrip('/')}/"
        self._region = client.meta.region_name
        self._credentials = client._request_signer._credentials  # noqa: SLF001 - what boto3 found; it renews itself
        self._pool = _pool(self._url, connections)

    def call(self, operation: str, arguments: Mapping[str, object]) -> Any:
        """One request, sent again only where a connection that had been kept turned out to be closed."""
        wait_s = cast("int", arguments.get("WaitTimeSeconds", 0))
        body = json.dumps(arguments, separators=(",", ":")).encode()
        headers = self._signed(operation, body)
        try:
            response = self._post(body, headers, READ_TIMEOUT_S + wait_s)
        except urllib3.exceptions.NewConnectionError as error:  # first: some releases make it a time-out as well
            raise EndpointConnectionError(endpoint_url=self._url, error=error) from None
        except urllib3.exceptions.ConnectTimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=self._url, error=error) from None
        except urllib3.exceptions.ReadTimeoutError as error:
            raise ReadTimeoutError(endpoint_url=self._url, error=error) from None
        except urllib3.exceptions.HTTPError as error:
            raise HTTPClientError(error=error) from None
        if response.status == 200:
            return json.loads(response.data)
        raise _refusal(operation, response)

    def _post(self, body: bytes, headers: Mapping[str, str], read_s: float) -> urllib3.BaseHTTPResponse:
        timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=read_s)

        def once() -> urllib3.BaseHTTPResponse:
            return self._pool.urlopen(
                "POST", self._url, body=body, headers=headers, timeout=timeout, retries=False, redirect=False
            )

        try:
            return once()
        except urllib3.exceptions.ProtocolError:
            return once()

    def _signed(self, operation: str, body: bytes) -> Mapping[str, str]:
        if self._credentials is None:
            raise NoCredentialsError
        request = AWSRequest(
            "POST",
            self._url,
            data=body,
            headers={"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AmazonSQS.{operation}"},
        )
        # Frozen at each call: credentials that rotate are renewed here.
        SigV4Auth(self._credentials.get_frozen_credentials(), "sqs", self._region).add_auth(request)
        return dict(request.headers.items())


def _pool(url: str, connections: int) -> urllib3.PoolManager:
    """Kept connections, through the proxy that the environment names for this address, with the AWS CA bundle."""
    options: dict[str, Any] = {"num_pools": 4, "maxsize": connections, "block": False}
    bundle = boto3.session.Session()._session.get_config_variable("ca_bundle")  # noqa: SLF001 - AWS_CA_BUNDLE
    if url.startswith("https:"):
        options |= {"cert_reqs": "CERT_REQUIRED", "ca_certs": get_cert_path(bundle or True)}
    proxy = get_environ_proxies(url).get(url.partition(":")[0])
    return urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)


def _refusal(operation: str, response: urllib3.BaseHTTPResponse) -> ClientError:
    """As botocore would raise it. The code of the older query protocol wins, as it does there."""
    try:
        content = json.loads(response.data)
    except ValueError:
        content = {}
    if not isinstance(content, dict):
        content = {}
    code = str(content.get("__type") or response.status).rsplit("#", 1)[-1]
    code = response.headers.get("x-amzn-query-error", code).partition(";")[0]
    message = content.get("message") or content.get("Message") or f"HTTP status {response.status}"
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": response.status}}
    return ClientError(answer, operation)
