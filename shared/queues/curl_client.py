"""An AWS JSON 1.0 client on libcurl, which also signs, for the calls that every job makes.

botocore builds, validates, hooks, signs and parses each batch call in Python. libcurl does everything except the JSON
outside Python and without its lock. Address, region and credentials are those that boto3 has found. Sources: "Amazon
SQS API Reference" (read 2026-11-25); libcurl's CURLOPT_AWS_SIGV4(3) (8.23, read 2026-11-25).
"""

# It takes about a tenth of botocore's processor time (`make bench ARGS="--only sqs_clients"`).

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, cast

import pycurl
from botocore.credentials import ReadOnlyCredentials
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

from shared import json_text
from shared.runtime import aws

CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 10

_NOBODY_THERE = frozenset({pycurl.E_COULDNT_CONNECT, pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_RESOLVE_PROXY})


class CurlClient:
    """Sends calls. Safe to use from several threads: each call has a connection to itself, which the next one reuses.

    A request is repeated only if a kept-alive connection turns out to be closed before any byte of an answer has come;
    libcurl does that. Raises botocore's ClientError and BotoCoreError, as boto3 would.
    """

    def __init__(self, client: Any) -> None:
        self._url = f"{client.meta.endpoint_url.rstrip('/')}/"
        self._region = client.meta.region_name
        self._credentials = client._request_signer._credentials  # noqa: SLF001 - what boto3 found; it renews itself
        self._proxy = get_environ_proxies(self._url).get(self._url.partition(":")[0], "")
        bundle = aws.new_session()._session.get_config_variable("ca_bundle")  # noqa: SLF001 - AWS_CA_BUNDLE
        self._certificates = get_cert_path(bundle or True)
        self._idle: defaultdict[str, list[_Connection]] = defaultdict(list)
        """Connections by operation: what is set for one call serves the next. Append and pop of a list need no lock."""

    def call(self, operation: str, arguments: Mapping[str, object]) -> Any:
        """Make one call. Returns the answer's body."""
        if self._credentials is None:
            raise NoCredentialsError
        wait_s = cast("int", arguments.get("WaitTimeSeconds", 0))
        body = json_text.write(arguments).encode()
        idle = self._idle[operation]
        connection = self._connection(idle)
        try:
            # Fetched for each call: rotating credentials are renewed here.
            credentials = self._credentials.get_frozen_credentials()
            status, head, content = connection.post(operation, body, credentials, READ_TIMEOUT_S + wait_s)
        except pycurl.error as error:
            self._fail(connection, *error.args)
        finally:
            idle.append(connection)
        if status == 200:
            return json_text.read(content)
        raise _refusal(operation, status, head, content)

    def _connection(self, idle: "list[_Connection]") -> "_Connection":
        try:
            return idle.pop()
        except IndexError:
            return _Connection(self._url, self._region, proxy=self._proxy, certificates=self._certificates)

    def _fail(self, connection: "_Connection", code: int, reason: str) -> NoReturn:
        error = ConnectionError(reason)
        if code in _NOBODY_THERE:
            raise EndpointConnectionError(endpoint_url=self._url, error=error) from None
        if code == pycurl.E_OPERATION_TIMEDOUT:
            kind = ReadTimeoutError if connection.was_asked else ConnectTimeoutError
            raise kind(endpoint_url=self._url, error=error) from None
        raise HTTPClientError(error=error) from None


class _Connection:
    """A handle of libcurl, for one call at a time."""

    def __init__(self, url: str, region: str, *, proxy: str, certificates: str) -> None:
        self._curl = curl = pycurl.Curl()
        self._head: list[bytes] = []
        self._set: tuple[object, ...] = ()
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.AWS_SIGV4, f"aws:amz:{region}:sqs")
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, round(CONNECT_TIMEOUT_S * 1000))
        curl.setopt(pycurl.NOSIGNAL, 1)  # otherwise timeouts would use a signal, which only one thread can have
        curl.setopt(pycurl.TCP_KEEPALIVE, 1)
        curl.setopt(pycurl.HEADERFUNCTION, self._head.append)
        # The proxy that botocore would use for this address; an empty name keeps libcurl from choosing one.
        curl.setopt(pycurl.PROXY, proxy)
        curl.setopt(pycurl.NOPROXY, "")
        curl.setopt(pycurl.CAINFO, certificates)

    def post(
        self, operation: str, body: bytes, credentials: ReadOnlyCredentials, timeout_s: float
    ) -> tuple[int, Sequence[bytes], bytes]:
        """Send one request. Returns the status, header lines and content of the answer. Raises pycurl.error."""
        curl = self._curl
        if self._set != (asked := (operation, credentials, timeout_s)):
            self._prepare(operation, credentials, timeout_s)
            self._set = asked
        curl.setopt(pycurl.POSTFIELDS, body)
        self._head.clear()
        content = curl.perform_rb()
        return curl.getinfo(pycurl.RESPONSE_CODE), self._head, content

    def _prepare(self, operation: str, credentials: ReadOnlyCredentials, timeout_s: float) -> None:
        curl = self._curl
        headers = ["Content-Type: application/x-amz-json-1.0", f"X-Amz-Target: AmazonSQS.{operation}"]
        if credentials.token:
            headers.append(f"X-Amz-Security-Token: {credentials.token}")
        curl.setopt(pycurl.HTTPHEADER, headers)
        curl.setopt(pycurl.USERNAME, credentials.access_key)
        curl.setopt(pycurl.PASSWORD, credentials.secret_key)
        curl.setopt(pycurl.TIMEOUT_MS, round(timeout_s * 1000))

    @property
    def was_asked(self) -> bool:
        """True if the last call got as far as sending its request."""
        return bool(self._curl.getinfo(pycurl.PRETRANSFER_TIME))


def _refusal(operation: str, status: int, head: Sequence[bytes], body: bytes) -> ClientError:
    """Return the error that botocore would raise.

    As in botocore, the code of the older query protocol takes precedence.
    """
    try:
        content = json_text.read(body)
    except ValueError:
        content = {}
    if not isinstance(content, dict):
        content = {}
    code = str(content.get("__type") or status).rsplit("#", 1)[-1]
    for line in head:
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() == "x-amzn-query-error":
            code = value.strip().partition(";")[0]
    message = content.get("message") or content.get("Message") or f"HTTP status {status}"
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)
