"""Jobs by server-sent events: as they arrive, after a break, and from servers without them."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
from sqlalchemy.engine import Connection

from tests.client.conftest import Clock, Make
from tests.client.samples import JOB_ID, job
from tests.client.test_requests import problem
from tests.support.api_server import serving
from todoke import errors


def event(content: dict[str, Any], number: int) -> bytes:
    return f"event: job\nid: {number}\ndata: {json.dumps(content)}\n\n".encode()


END = b"event: end\ndata: {}\n\n"
BEAT = b":\n\n"


class Pieces(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body in pieces, which may break off."""

    def __init__(self, pieces: list[bytes | Exception]) -> None:
        self.pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


class Streams:
    """Answers with one stream after another; what is asked elsewhere is the last job that was told."""

    def __init__(self, *streams: list[bytes | Exception] | httpx2.Response) -> None:
        self.streams = list(streams)
        self.asked: list[httpx2.Request] = []
        self.elsewhere = job()

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        if not request.url.path.endswith(("/stream", ":stream")):
            return httpx2.Response(200, json=self.elsewhere, headers={"ETag": '"1"'})
        stream = self.streams.pop(0) if len(self.streams) > 1 else self.streams[0]
        if isinstance(stream, httpx2.Response):
            return httpx2.Response(stream.status_code, headers=stream.headers, content=stream.content)
        return httpx2.Response(200, headers={"Content-Type": "text/event-stream"}, stream=Pieces(stream))


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(_seconds: float) -> None:
        return None

    monkeypatch.setattr("todoke.client.time.sleep", lambda _: None)
    monkeypatch.setattr("todoke.async_client.anyio.sleep", sleep)


WHOLE = b"retry: 1000\n\n" + event(job(), 1) + BEAT + event(job("PROCESSING"), 2) + event(job("SUCCESS"), 3) + END


@pytest.mark.parametrize("size", [1, 2, 7, 100_000])
def test_each_state_comes_once_however_the_stream_is_cut(size: int, make: Make) -> None:
    for content in (WHOLE, WHOLE.replace(b"\n", b"\r\n")):
        streams = Streams([content[at : at + size] for at in range(0, len(content), size)])
        assert [one.status for one in make(handler=streams).jobs.stream(JOB_ID)] == ["PENDING", "PROCESSING", "SUCCESS"]
        assert len(streams.asked) == 1


def test_a_stream_that_breaks_goes_on_after_the_last_event(make: Make) -> None:
    streams = Streams(
        [event(job(), 1), b"event: job\nid: 2\nda", httpx2.ReadError("reset")],
        [httpx2.ReadTimeout("silence")],
        problem(503, retryable=True),
        [event(job(), 1), event(job("PROCESSING"), 2), b"retry: 10\n\n"],
        [event(job("SUCCESS"), 3)],
    )
    seen = [one.status for one in make(handler=streams).jobs.stream(JOB_ID)]

    assert seen == ["PENDING", "PROCESSING", "SUCCESS"]
    assert [request.headers.get("last-event-id") for request in streams.asked] == [None, "2", "2", "2", "2"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (problem(404, "unknown_job"), errors.NotFound), (problem(401), errors.Unauthorized),
        (httpx2.Response(200, json=job()), errors.UnexpectedAnswer),
        ([b"event: job\ndata: {\n\n"], errors.UnexpectedAnswer),
        ([b"event: job\ndata: " + b"x" * 1_000_000] + [b"x" * 1_000_000] * 40, errors.UnexpectedAnswer),
        ([httpx2.ReadError("reset")], errors.ConnectionFailed),
        ([BEAT], errors.ConnectionFailed),
    ],
    ids=range(7),
)  # fmt: skip
@pytest.mark.usefixtures("clock")
def test_what_is_no_stream_is_told(answer: Any, kind: type[Exception], make: Make) -> None:
    with pytest.raises(kind):
        list(make(handler=Streams(answer)).jobs.stream(JOB_ID))


def test_a_server_that_is_away_is_listened_for_as_long_as_it_is_waited_for(make: Make, clock: Clock) -> None:
    away: list[bytes | Exception] = [httpx2.ConnectError("refused")]
    streams = Streams([event(job(), 1)], *[away] * 60, [event(job("SUCCESS"), 2)])
    assert [one.status for one in make(handler=streams).jobs.stream(JOB_ID)] == ["PENDING", "SUCCESS"]
    assert 60 <= clock.now < 300

    streams = Streams([event(job(), 1)], away)
    found = iter(make(handler=streams).jobs.stream(JOB_ID))
    assert next(found).status == "PENDING"
    with pytest.raises(errors.ConnectionFailed):
        next(found)
    assert 300 < clock.now < 700


def test_a_job_that_has_ended_and_was_seen_is_nothing_new(make: Make) -> None:
    assert list(make(handler=Streams(httpx2.Response(204))).jobs.stream(JOB_ID)) == []


def test_whoever_stops_listening_closes_the_connection(make: Make) -> None:
    streams = Streams([event(job(), 1), event(job("PROCESSING"), 2), AssertionError("nobody listens any more")])
    found = iter(make(handler=streams).jobs.stream(JOB_ID))
    assert next(found).status == "PENDING"
    del found


def test_waiting_listens_and_shows_each_state_once(make: Make) -> None:
    streams = Streams([WHOLE])
    seen: list[str] = []
    ended = make(handler=streams).jobs.wait(JOB_ID, on_progress=lambda one: seen.append(one.status))

    assert ended.status == "SUCCESS"
    assert seen == ["PENDING", "PROCESSING", "SUCCESS"]
    assert [request.url.path.rpartition("/")[2] for request in streams.asked] == [JOB_ID, "stream"]


@pytest.mark.parametrize(
    "stream",
    [problem(404, "unknown_path"), problem(429, "too_many_streams"), httpx2.Response(200, text="<html>"),
     [httpx2.ReadTimeout("a proxy that keeps what comes")], [b"event: job\ndata: nonsense\n\n"], [BEAT]],
    ids=range(6),
)  # fmt: skip
def test_waiting_falls_back_to_long_polls(stream: Any, make: Make) -> None:
    streams = Streams(stream)

    def handler(request: httpx2.Request) -> httpx2.Response:
        if request.headers.get("prefer"):
            streams.elsewhere = job("SUCCESS")
        return streams(request)

    assert make(handler=handler).jobs.wait(JOB_ID, timeout=600).status == "SUCCESS"
    assert streams.asked[-1].headers["prefer"] == "wait=30"


def test_a_short_wait_asks_and_does_not_listen(make: Make) -> None:
    streams = Streams([WHOLE])
    streams.elsewhere = job("SUCCESS")
    make(handler=streams).jobs.wait(JOB_ID, timeout=5)
    assert [request.url.path.rpartition("/")[2] for request in streams.asked] == [JOB_ID]


def test_a_real_api_tells_what_happens(database_url: str, conn: Connection, scratch: Any, make: Make) -> None:
    with serving(database_url, scratch) as server:
        client = make(server.url)
        made = client.jobs.create()
        found = iter(client.jobs.stream(made))
        assert next(found).status == "PENDING"
        client.jobs.cancel(made)
        assert [one.status for one in found] == ["CANCELLED"]
        assert list(client.jobs.stream(made))[-1].status == "CANCELLED"
        with pytest.raises(errors.JobCancelled):
            client.jobs.wait(made)
