"""Hundreds of waiting or downloading threads do not block other requests."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.client.conftest import Make
from tests.client.samples import JOB_ID, job, succeeded
from tests.support.http_server import LoopbackServer, QuietHandler
from todoke import transport

LIMIT_S = 20.0
CONTENT = b"a,b\n" * 1000


class Holding:
    """An API whose streams and files come when they are let go. Everything else is answered at once."""

    def __init__(self) -> None:
        self.held = threading.Semaphore(0)
        self.let_go = threading.Event()
        self.state = job("PROCESSING")

    def handler(self) -> type[QuietHandler]:
        world = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                if self.path.endswith("/stream"):
                    ended = job("SUCCESS")
                    self._when_let_go("text/event-stream", f"event: job\ndata: {json.dumps(ended)}\n\n".encode())
                elif "/artifacts/" in self.path:
                    self._when_let_go("text/csv", CONTENT)
                else:
                    self.answer(200, json.dumps(world.state).encode(), {"ETag": '"1"'})

            def _when_let_go(self, kind: str, content: bytes) -> None:
                world.held.release()
                world.let_go.wait(LIMIT_S)
                self.answer(200, content, {"Content-Type": kind})

        return Handler


@pytest.fixture
def api() -> Iterator[tuple[Holding, str]]:
    world = Holding()
    with LoopbackServer(world.handler()) as server:
        try:
            yield world, server.url
        finally:
            world.let_go.set()


def _wait(todoke: Any) -> object:
    return todoke.jobs.wait(JOB_ID).status


def _stream(todoke: Any) -> object:
    return [seen.status for seen in todoke.jobs.stream(JOB_ID)][-1]


def _download(todoke: Any) -> object:
    class Nowhere:
        def write(self, _: bytes) -> None:
            """Keep nothing."""

    todoke.jobs.download_into(JOB_ID, Nowhere())
    return "SUCCESS"


@pytest.mark.parametrize("long", [_wait, _stream, _download])
def test_what_takes_long_keeps_no_connection_from_what_does_not(
    make: Make, api: tuple[Holding, str], monkeypatch: pytest.MonkeyPatch, long: Callable[[Any], object]
) -> None:
    world, url = api
    monkeypatch.setattr(transport, "AT_ONCE", 1)
    if long is _download:
        world.state = succeeded(("rows.csv", CONTENT))
    # Two seconds, and no second try: who finds no free connection fails soon.
    todoke = make(url, timeout=2.0, max_retries=0)

    with ThreadPoolExecutor(3) as threads:
        waiting = [threads.submit(long, todoke) for _ in range(3)]
        try:
            for _ in waiting:
                assert world.held.acquire(timeout=LIMIT_S), "all three are held at the same time"
            assert todoke.jobs.get(JOB_ID).id == JOB_ID
        finally:
            world.let_go.set()
        assert [one.result(LIMIT_S) for one in waiting] == ["SUCCESS"] * 3
