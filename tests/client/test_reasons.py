"""Why a connection failed, in the operating system's words, in both clients."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.client.conftest import Make
from tests.client.samples import JOB_ID
from todoke import ConnectionFailed


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nobody listens: its port is taken, and refuses."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_a_refused_connection_is_told_as_one(make: Make, nobody: str) -> None:
    with pytest.raises(ConnectionFailed, match=f"{nobody} cannot be reached: Connection refused$"):
        make(nobody, max_retries=0).jobs.get(JOB_ID)


def test_an_error_that_the_caller_was_handling_is_not_the_reason(make: Make) -> None:
    def gone(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadError("")

    todoke = make(handler=gone, max_retries=0)
    try:
        Path("/nowhere").read_bytes()
    except FileNotFoundError:
        with pytest.raises(ConnectionFailed, match=r"cannot be reached: ReadError$"):
            todoke.jobs.get(JOB_ID)
