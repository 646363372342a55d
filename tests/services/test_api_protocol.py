"""How the API's server handles clients that send too much, too slowly, or no HTTP: on real sockets."""

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import httpx2 as httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from services.api.http.protocol import BoundedProtocol, Limits
from tests.support.api_server import ApiServer, serving
from tests.support.eventually import eventually

_NOWHERE = "postgresql://nobody@127.0.0.1:9/none"
# Long enough for what a busy machine does between a connection and its answer.
_QUICK = Limits(header_bytes=16_384, header_s=1.5, body_s=1.5, stalled_s=0.4, connections=1_000)
_PATIENT = Limits(header_bytes=16_384)
_GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A server that no test waits for."""
    with serving(_NOWHERE, tmp_path_factory.mktemp("patient"), _PATIENT) as server:
        yield server


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A server that gives its clients little time."""
    with serving(_NOWHERE, tmp_path_factory.mktemp("quick"), _QUICK) as server:
        yield server


def problem(answer: bytes, status: int, code: str) -> None:
    """The answer is this problem, and names itself."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer[:300]
    lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert lines[b"content-type"] == b"application/problem+json"
    assert lines[b"x-content-type-options"] == b"nosniff"
    told = json.loads(body)
    assert (told["status"], told["code"]) == (status, code)
    assert lines[b"x-request-id"].decode() == told["requestId"]


@pytest.mark.parametrize(
    "head",
    [
        b"X-A: " + b"a" * 20_000 + b"\r\n\r\n",
        b"X-A: " + b"a" * 2_000_000,
        b"".join(b"X-%d: a\r\n" % n for n in range(20_000)),
        b"".join(b"X-%d: a\r\n" % n for n in range(2_000)) + b"\r\n",
        b"Cookie: a\r\n" * 3_000 + b"\r\n",
    ],
    ids=["one that ends", "one that does not", "many that do not end", "many", "the same one"],
)
def test_a_header_beyond_its_bound_is_431_and_the_end(head: bytes, patient: ApiServer) -> None:
    with patient.connect() as client:
        problem(client.send(_GET + head).end(), 431, "header_too_large")


def test_a_long_address_is_431(patient: ApiServer) -> None:
    with patient.connect() as client:
        problem(client.send(b"GET /" + b"a" * 100_000).end(), 431, "header_too_large")


def test_a_header_within_its_bound_passes_whatever_the_body(patient: ApiServer) -> None:
    with patient.connect() as client:
        head = b"POST /healthz HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 10_000 + b"\r\nContent-Length: 200000\r\n\r\n"
        assert b"405" in client.send(head + b"b" * 200_000).answer()
        assert b"200 OK" in client.send(_GET + b"\r\n").answer()


def test_a_body_counts_for_no_header(tmp_path: Path) -> None:
    with serving(_NOWHERE, tmp_path, Limits(header_bytes=4_096, header_s=3)) as server, server.connect() as client:
        head = b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 600000\r\n\r\n"
        assert b"405" in client.send(head + b"b" * 600_000).answer()
        problem(client.send(b"GET /healthz HT").end(), 408, "request_timeout")


@pytest.mark.parametrize(
    ("before", "status"),
    [(b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nnine byte", b"405"), (_GET + b"\r\n", b"200")],
    ids=["after a body", "after a request without one"],
)
def test_a_header_that_comes_together_with_what_is_before_it_is_bound_as_any(
    before: bytes, status: bytes, patient: ApiServer, tmp_path: Path
) -> None:
    with patient.connect() as long:
        assert status in long.send(before + _GET + b"X-A: " + b"a" * 20_000 + b"\r\n\r\n").answer()
        problem(long.end(), 431, "header_too_large")
    with serving(_NOWHERE, tmp_path, Limits(header_bytes=4_096, header_s=3)) as server, server.connect() as half:
        assert status in half.send(before + b"GET /healthz HT").answer()
        problem(half.end(), 408, "request_timeout")


def test_a_header_that_does_not_arrive_is_408(quick: ApiServer) -> None:
    with quick.connect() as silent, quick.connect() as half:
        problem(half.send(b"GET /healthz HT").end(), 408, "request_timeout")
        assert silent.end() == b""
    with quick.connect() as second:
        assert b"200 OK" in second.send(_GET + b"\r\n").answer()
        problem(second.send(b"GET /healthz HT").end(), 408, "request_timeout")


def test_bytes_that_trickle_do_not_move_the_bound(quick: ApiServer) -> None:
    with quick.connect() as client, quick.connect() as blank:
        client.send(b"GET /")

        def both_closed() -> bool:
            client.send(b"a")
            blank.send(b"\r\n")
            return client.closed() and blank.closed()

        eventually(both_closed, what="both are closed")


def test_a_body_that_does_not_arrive_is_408_and_no_alarm(quick: ApiServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), quick.connect() as client:
        client.send(
            b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
        )
        problem(client.end(), 408, "request_timeout")
        eventually(lambda: _requests(quick, "499"), what="the request has ended")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_body_that_goes_on_after_its_answer_ends_with_that_answer(quick: ApiServer) -> None:
    with quick.connect() as client:
        client.send(b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        answer = client.end()
    assert answer.count(b"HTTP/1.1") == 1
    problem(answer, 405, "method_not_allowed")


def test_a_client_that_takes_nothing_is_let_go(quick: ApiServer) -> None:
    with quick.connect() as client:
        asking = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        for _ in range(20_000):  # answers that nobody reads, until the server reads no more either
            client.send(asking * 100)
            if client.closed(reading=False):
                break
        else:
            pytest.fail("the connection is still open")


def test_an_idle_connection_is_kept_for_its_time_and_no_longer(tmp_path: Path) -> None:
    with serving(_NOWHERE, tmp_path, _PATIENT, API_KEEP_ALIVE_S="1") as server:
        with server.connect() as client:
            assert b"200 OK" in client.send(_GET + b"\r\n").answer()
            assert client.end() == b""
        with server.connect() as client:  # its request is answered before it is whole
            client.send(b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n")
            assert b"405" in client.answer()
            assert client.send(b"abc").end() == b""


def test_the_idle_time_is_longer_than_that_of_usual_proxies(patient: ApiServer) -> None:
    assert patient.server.config.timeout_keep_alive == 75


def test_more_connections_than_may_be_are_told_so(tmp_path: Path) -> None:
    limits = Limits(connections=3)
    with serving(_NOWHERE, tmp_path, limits) as server:
        first = [server.connect() for _ in range(3)]
        assert all(b"200 OK" in client.send(_GET + b"\r\n").answer() for client in first)
        with server.connect() as beyond:
            problem(beyond.send(_GET + b"\r\n").end(), 503, "too_many_connections")
        first.pop().close()

        def served() -> bool:
            with server.connect() as client:
                return b"200 OK" in client.send(_GET + b"\r\n").answer()

        eventually(served, what="one that goes makes room")
        for client in first:
            client.close()


@pytest.mark.parametrize(
    "request_",
    [
        b"hello\r\n\r\n",
        b"BREW /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET /healthz\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nBad Name: y\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
        b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nabc",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
def test_what_is_no_request_is_a_problem_with_an_id(request_: bytes, patient: ApiServer) -> None:
    with patient.connect() as client:
        problem(client.send(request_).end(), 400, "malformed_request")


def test_the_server_as_a_whole_has_options(patient: ApiServer) -> None:
    with patient.connect() as client:
        answer = client.send(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").answer()
        assert answer.startswith(b"HTTP/1.1 204 ")
        assert b"x-request-id: " in answer
        assert b"200 OK" in client.send(_GET + b"\r\n").answer()


def test_a_body_that_breaks_its_chunks_is_a_problem(patient: ApiServer) -> None:
    head = b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    with patient.connect() as client:
        problem(client.send(head + b"zz\r\n").end(), 400, "malformed_request")


def test_junk_behind_a_request_does_not_mix_with_its_answer(patient: ApiServer) -> None:
    with patient.connect() as client:
        answer = client.send(_GET + b"\r\nhello\r\n\r\n").end()
    assert answer.count(b"HTTP/1.1") == 1
    assert answer.startswith(b"HTTP/1.1 200")


def test_anybody_may_send_junk_and_nobody_floods_the_log(patient: ApiServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for junk in (b"hello\r\n\r\n", _GET + b"Upgrade: websocket\r\nConnection: upgrade\r\n\r\n"):
            for _ in range(30):
                with patient.connect() as client:
                    client.send(junk).answer()
    assert len([r for r in caplog.records if r.name in ("uvicorn.error", "services.api.http.protocol")]) <= 1


def test_an_upgrade_that_nobody_offers_is_ignored(patient: ApiServer) -> None:
    for what in (b"websocket", b"h2c"):
        with patient.connect() as client:
            answer = client.send(_GET + b"Connection: Upgrade\r\nUpgrade: " + what + b"\r\n\r\n").end()
        assert answer.startswith(b"HTTP/1.1 200"), what


def test_a_client_that_leaves_while_sending_is_neither_a_500_nor_an_alarm(
    patient: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    before, broken = _requests(patient, "499", "500"), _requests(patient, "500")
    with caplog.at_level(logging.INFO):
        with patient.connect() as client:
            client.send(b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
        eventually(lambda: _requests(patient, "499", "500") == before + 1, what="the request has ended")
    assert _requests(patient, "500") == broken
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("path", ["/v1/jobs/", "/generate-report/", "/healthz/", "/v1/jobs//", "//evil.example/v1"])
def test_no_address_leads_where_the_host_header_says(path: str, patient: ApiServer) -> None:
    for method in ("GET", "POST"):
        answer = httpx.request(method, patient.url + path, headers={"Host": "evil"})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_path")
        assert "location" not in answer.headers


@contextmanager
def alone(others: int = 0, **limits: Any) -> Iterator[tuple[BoundedProtocol, MagicMock]]:
    """A connection without a socket, beside so many others, and what it does to its transport."""
    loop = asyncio.new_event_loop()
    state, transport = ServerState(), MagicMock(spec=asyncio.Transport)
    state.connections |= {MagicMock() for _ in range(others)}
    config = uvicorn.Config(MagicMock(), log_config=None)
    config.load()
    protocol = BoundedProtocol(config, state, {}, _loop=loop, limits=Limits(**limits))
    protocol.connection_made(transport)
    yield protocol, transport
    loop.close()


def test_connections_far_beyond_the_limit_are_closed_unread() -> None:
    with alone(others=2 + 64, connections=3) as (near, transport):
        assert not transport.abort.called
        assert near._timer is not None
        assert near._timer.when() - near.loop.time() <= 1, "it has no time to spare"
    with alone(others=3 + 64, connections=3) as (beyond, transport):
        transport.abort.assert_called_once_with()
        beyond.data_received(_GET + b"\r\n")
        assert beyond.cycle is None


def test_a_client_that_reads_on_in_time_stays_and_one_that_left_leaves_no_timer() -> None:
    with alone() as (protocol, _):
        protocol.pause_writing()
        stalled = protocol._stalled
        assert stalled is not None
        protocol.resume_writing()
        assert stalled.cancelled()
        protocol.pause_writing()
        stalled, waiting = protocol._stalled, protocol._timer
        assert stalled is not None
        assert waiting is not None
        protocol.connection_lost(None)
        assert stalled.cancelled()
        assert waiting.cancelled()


def _requests(server: ApiServer, *statuses: str) -> float:
    """Requests that ended so."""
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    named = [line for line in lines if line.startswith("todoke_api_requests_total{")]
    return sum(float(line.split()[-1]) for line in named for s in statuses if f'status="{s}"' in line)
