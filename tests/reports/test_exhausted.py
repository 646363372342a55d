"""A worker at its thread limit is distinguished from a report at its memory limit: the kernel reports
EAGAIN for both.
"""

import subprocess
import sys

import duckdb
import pytest

from shared.catalog.model import Limits
from shared.reports.explain import explain


class PanicException(BaseException):
    """What Rust's libraries raise: theirs cannot be imported."""


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("can't start new thread"),
        duckdb.IOException("IO Error: could not start a thread: Resource temporarily unavailable"),
        # Typst under a limit of processes, 2026-11-30.
        PanicException(
            "The global thread pool has not been initialized.: ThreadPoolBuildError { kind: IOError(Os { code: 11, "
            'kind: WouldBlock, message: "Resource temporarily unavailable" }) }'
        ),
    ],
    ids=["Python", "DuckDB", "Rust"],
)
def test_a_thread_that_cannot_start_is_the_workers_trouble(error: BaseException) -> None:
    told = explain(error, Limits())

    assert (told.code, told.retryable) == ("worker_exhausted", True)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("cannot do it"), BlockingIOError(11, "Resource temporarily unavailable"), PanicException("oops")],
    ids=["another error", "of a socket of the report's own", "another panic"],
)
def test_what_says_nothing_of_threads_is_the_reports_trouble(error: BaseException) -> None:
    assert explain(error, Limits()).code == "renderer_failed"


_WITHOUT_MEMORY = """
import resource, threading
from shared.catalog.model import Limits
from shared.reports.process import sandbox
resource.setrlimit(resource.RLIMIT_DATA, (sandbox._data_bytes() + (4 << 20),) * 2)
held = threading.Event()
try:
    for _ in range(8):
        threading.Thread(target=held.wait, daemon=True).start()
except RuntimeError as error:
    print(str(error), sandbox.explained_here(error, Limits()).code, flush=True)
held.set()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not enforce RLIMIT_DATA")
def test_a_report_without_memory_for_a_thread_is_beyond_its_own_limit() -> None:
    told = subprocess.run(
        [sys.executable, "-c", _WITHOUT_MEMORY], capture_output=True, text=True, timeout=120, check=False
    )

    assert told.stdout.split() == ["can't", "start", "new", "thread", "memory_limit_exceeded"], told.stderr
