"""The curl client: what it signs, what it retries, and what its errors say."""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, EndpointConnectionError, HTTPClientError, ReadTimeoutError

from deploy.local.emulator import REGION
from deploy.local.processes import free_port
from shared.queues import curl_client
from shared.queues.calls import SqsCalls
from tests.support.certificates import self_signed


class Wire:
    """A listener that answers each request with the next script, byte for byte, or does what a word of these says:
    "hang up", "reset" the connection, "break off" amid the answer, "wait" until the client goes."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: list[bytes | str] = []
        self.requests: list[bytes] = []
        self.connections = 0
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        if self._tls is not None:
            try:
                connection = self._tls.wrap_socket(connection, server_side=True)
            except ssl.SSLError:  # the client does not trust us
                return
        with connection, connection.makefile("rb") as lines:
            while head := b"".join(takewhile(lambda line: line != b"\r\n", lines)):  # nothing once the client has gone
                size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.requests.append(head + lines.read(size))
                answer = self.answers.pop(0)
                if answer == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                elif answer == "break off":
                    connection.sendall(reply({"Messages": []})[:-1])
                elif answer == "wait":
                    lines.read(1)  # until the client goes
                if isinstance(answer, str):
                    return
                connection.sendall(answer)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)  # wakes `accept`
        self._socket.close()


def reply(body: Any, status: int = 200, headers: str = "") -> bytes:
    content = json.dumps(body).encode()
    return f"HTTP/1.1 {status} X\r\n{headers}Content-Length: {len(content)}\r\n\r\n".encode() + content


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    wire = Wire()
    lead_to(wire, monkeypatch)
    yield wire
    wire.close()


def lead_to(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", wire.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDCANARY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-canary")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-canary")


def receive(wait_s: int = 0) -> Any:
    return SqsCalls(REGION, kind="thin", connections=2)("ReceiveMessage", {"QueueUrl": "q", "WaitTimeSeconds": wait_s})


def test_a_call_is_aws_json_signed_with_the_session_token(wire: Wire) -> None:
    wire.answers = [reply({"Messages": []})]

    assert receive() == {"Messages": []}
    head, _, body = wire.requests[0].partition(b'{"')
    assert b"X-Amz-Target: AmazonSQS.ReceiveMessage" in head
    assert b"X-Amz-Security-Token: token-canary" in head
    assert b"Credential=AKIDCANARY/" in head
    assert b"secret-canary" not in wire.requests[0]
    assert body == b'QueueUrl":"q","WaitTimeSeconds":0}'


def test_the_signature_is_the_one_that_botocore_would_make(wire: Wire) -> None:
    """libcurl signs; botocore's own signer decides whether that is right."""
    wire.answers = [reply({})]
    SqsCalls(REGION, kind="thin", connections=2)("ReceiveMessage", {"QueueUrl": "q", "Text": 'ä"{} \u0007'})

    head, _, body = wire.requests[0].partition(b'{"')
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line)
    _, _, signed = headers["Authorization"].partition("SignedHeaders=")
    names, _, signature = signed.partition(", Signature=")
    assert {"content-type", "host", "x-amz-date", "x-amz-target", "x-amz-security-token"} <= set(names.split(";"))
    request = AWSRequest("POST", f"{wire.url}/", data=b'{"' + body)
    for name, value in headers.items():
        if name.lower() in names.split(";"):
            request.headers[name] = value
    request.context["timestamp"] = headers["X-Amz-Date"]
    signer = SigV4Auth(Credentials("AKIDCANARY", "secret-canary", "token-canary"), "sqs", REGION)
    assert signature == signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)


@pytest.mark.parametrize("end", ["hang up", "reset"])
def test_a_kept_connection_that_was_closed_costs_nothing_but_another(wire: Wire, end: str) -> None:
    wire.answers = [reply({}), end, reply({"Messages": []})]
    sqs = SqsCalls(REGION, kind="thin", connections=2)

    sqs("ReceiveMessage", {"QueueUrl": "q"})

    assert sqs("ReceiveMessage", {"QueueUrl": "q"}) == {"Messages": []}
    assert (wire.connections, len(wire.requests)) == (2, 3)


@pytest.mark.parametrize("end", ["hang up", "reset", "break off"])
def test_a_new_connection_that_ends_before_the_answer_does_is_an_error(wire: Wire, end: str) -> None:
    wire.answers = [end, "hang up"]

    with pytest.raises(HTTPClientError) as caught:
        receive()
    assert len(wire.requests) == 1
    assert "canary" not in str(caught.value)


def test_silence_ends_at_the_read_time_out_and_is_not_asked_again(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curl_client, "READ_TIMEOUT_S", 0.2)
    wire.answers = ["wait"]

    with pytest.raises(ReadTimeoutError):
        receive()
    assert len(wire.requests) == 1


def test_nobody_at_the_address_is_an_error(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")

    with pytest.raises(EndpointConnectionError) as caught:
        receive()
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        ({"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "gone"}, "", "QueueDoesNotExist"),
        (
            {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "gone"},
            "x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender\r\n",
            "AWS.SimpleQueueService.NonExistentQueue",
        ),
        (["a proxy's page"], "", "400"),
    ],
)
def test_refusals_carry_the_code_that_boto3_shows(wire: Wire, body: Any, headers: str, code: str) -> None:
    wire.answers = [reply(body, 400, headers)]

    with pytest.raises(ClientError) as caught:
        receive()
    assert caught.value.response["Error"]["Code"] == code


def test_the_environments_proxy_is_used(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    wire.answers = [reply({"Messages": []})]
    monkeypatch.setenv("HTTP_PROXY", wire.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://sqs.example.test")

    receive()

    assert wire.requests[0].startswith(b"POST http://sqs.example.test/ HTTP/1.1")


def test_credentials_that_rotate_sign_the_next_call(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    wire.answers = [reply({}), reply({})]
    sqs = SqsCalls(REGION, kind="thin", connections=2)
    sqs("ReceiveMessage", {"QueueUrl": "q"})
    assert sqs._curl is not None
    sqs._curl._credentials.access_key = "AKIDSECOND"

    sqs("ReceiveMessage", {"QueueUrl": "q"})

    assert b"Credential=AKIDSECOND/" in wire.requests[1]


def test_tls_is_checked_against_the_bundle_that_aws_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = self_signed(tmp_path, "127.0.0.1")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    wire = Wire(tls)
    wire.answers = [reply({"Messages": []})]
    lead_to(wire, monkeypatch)
    try:
        with pytest.raises(HTTPClientError):
            receive()
        assert not wire.requests
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))

        assert receive() == {"Messages": []}
    finally:
        wire.close()
