"""Part of `make bench`: this machine's upper limits, and how near one commit per job comes to them."""

import json
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

from shared import json_text
from tests.benchmarks import submission
from tests.benchmarks.parts import Figure, Stage

TITLE = "Physical limits of this machine, without any of our code"
_PAGE = b"\0" * 8192
_MESSAGE = b"x" * 200
_BODY = {"reportType": "calendar", "formats": ["csv"], "parameters": {"carrier": "UA", "month": "2013-01"}}


def run(stage: Stage) -> Iterator[Figure]:
    """Medians of many."""
    flushed = _flushes(stage.folder)
    yield Figure("a page written and flushed (fsync)", flushed * 1e6, "µs")
    yield Figure("so at most, one commit after another", 1 / flushed, "a second")
    alone = submission.alone(stage)
    yield Figure("submissions, one commit each, one client", alone, "a second")
    yield Figure("submissions ÷ that limit", alone * flushed)
    yield Figure("sixteen megabytes written and flushed", _sequential(stage.folder), "MB/s")
    yield Figure("a message of 200 bytes there and back over loopback", _loopback() * 1e6, "µs")
    yield Figure("a submission's body as JSON, written and read", _median(_json, 2000) * 1e6, "µs")
    yield from _codecs()


def _median(act: Callable[[], object], times: int) -> float:
    """Seconds of one."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _flushes(folder: Path) -> float:
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:

        def flush() -> None:
            file.write(_PAGE)
            os.fdatasync(file.fileno())

        return _median(flush, 300)


def _sequential(folder: Path) -> float:
    piece = b"\0" * (16 << 20)
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:

        def write() -> None:
            file.seek(0)
            file.write(piece)
            os.fdatasync(file.fileno())

        return 16 / _median(write, 5)


def _loopback() -> float:
    """Between two processes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        if (child := os.fork()) == 0:
            with socket.create_connection(server.getsockname()) as echo:
                while data := echo.recv(4096):
                    echo.sendall(data)
            os._exit(0)
        there, _ = server.accept()
        with there:
            there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def ask() -> None:
                there.sendall(_MESSAGE)
                there.recv(4096)

            taken = _median(ask, 2000)
        os.waitpid(child, 0)
    return taken


def _json() -> None:
    json_text.read(json_text.write(_BODY))


def _codecs() -> Iterator[Figure]:
    """The standard library's JSON beside ours, on what passes most often."""
    messages = json.dumps({"Messages": [_a_message() for _ in range(10)]}).encode()
    outcomes = [{"id": str(uuid4()), "token": str(uuid4()), "result": {"seconds": 0.001}} for _ in range(200)]
    read = _median(lambda: json.loads(messages), 2000) / _median(lambda: json_text.read(messages), 2000)
    yield Figure("ten messages read, the standard library ÷ ours", read)
    written = _median(lambda: json.dumps(outcomes), 200) / _median(lambda: json_text.write(outcomes), 200)
    yield Figure("200 outcomes written, the standard library ÷ ours", written)


def _a_message() -> dict[str, object]:
    return {"MessageId": str(uuid4()), "ReceiptHandle": str(uuid4()) * 3, "Body": json.dumps({"jobId": str(uuid4())}),
            "MD5OfBody": "0" * 32, "Attributes": {"ApproximateReceiveCount": "1"}}  # fmt: skip
