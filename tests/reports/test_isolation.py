"""Whatever happens to a child, its worker notices, continues, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest

from shared.catalog.model import Format, Limits
from shared.reports.interface import Progress, RenderCancelled, RenderedFile, ReportError
from shared.reports.process import child, launcher
from shared.reports.process.spare import Spare, Spares
from tests.reports.children import spares, the_child, the_fork_server, the_spare
from tests.reports.conftest import MakeRequest, Run
from tests.support.eventually import eventually

SLEEP = "SELECT pg_sleep(120)"
FILES = tuple[RenderedFile, ...]


def running(source: psycopg.Connection) -> list[int]:
    """Server processes that work for a report now."""
    found = source.execute(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'todoke-report' AND state = 'active'"
    )
    return [pid for (pid,) in found]


def sleeping(source: psycopg.Connection) -> None:
    """Wait until the one report waits in its query: what it asks before would be over when the test goes on."""
    waiting = "SELECT FROM pg_stat_activity WHERE application_name = 'todoke-report' AND wait_event = ANY (%s)"
    eventually(
        lambda: len(source.execute(waiting, [["PgSleep", "advisory"]]).fetchall()) == 1,
        within_s=10,
        what="the query runs",
    )


def in_thread(call: Callable[[], FILES]) -> Future[FILES]:
    pool = ThreadPoolExecutor(1)
    future = pool.submit(call)
    pool.shutdown(wait=False)
    return future


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_all_files_together_have_a_limit_too(a_request: MakeRequest, run: Run) -> None:
    """Each of these is below it."""
    query = "SELECT md5(n::text) AS t FROM generate_series(1, 40000) AS n"
    formats = (Format.CSV, Format.JSONL, Format.HTML, Format.XLSX, Format.PARQUET)
    files = run(a_request(query, *formats))
    assert max(f.size_bytes for f in files) < 4 << 20 < sum(f.size_bytes for f in files)

    with pytest.raises(ReportError) as failure:
        run(a_request(query, *formats, limits=Limits(timeout_s=60, scratch_mb=4)))
    assert (failure.value.code, failure.value.retryable) == ("scratch_limit_exceeded", False)


@pytest.mark.parametrize(
    ("format_", "characters"), [(Format.CSV, 90_000_000), (Format.XLSX, 90_000_000), (Format.XLSX, 200_000_000)]
)
def test_a_report_that_needs_more_memory_than_it_may_have_fails_alone(
    format_: Format, characters: int, a_request: MakeRequest, run: Run
) -> None:
    limits = Limits(timeout_s=60, memory_mb=100)
    # The kernel refuses a CSV the memory. Of other formats, a quick process says that the row is too long before its
    # worker has seen what it holds.
    told = {
        "memory_limit_exceeded": "100 MB",
        **({} if format_ is Format.CSV else {"row_too_long": "longer than 8 MB"}),
    }

    with pytest.raises(ReportError) as failure:
        run(a_request(f"SELECT repeat('x', {characters}) AS t", format_, limits=limits))
    assert not failure.value.retryable
    assert told[failure.value.code] in str(failure.value)

    [file] = run(a_request("SELECT n FROM generate_series(1, 100000) AS n", format_, limits=limits))
    assert file.rows == 100_000


def test_a_csv_of_any_length_needs_no_more_than_64_mb(a_request: MakeRequest, run: Run) -> None:
    """The kernel refuses the 65th."""
    query = "SELECT n, repeat('x', 100) AS words FROM generate_series(1, 400000) AS n"
    [file] = run(a_request(query, limits=Limits(timeout_s=60, memory_mb=64)))

    assert file.rows == 400_000


@pytest.mark.parametrize("format_", [Format.PARQUET, Format.XLSX, Format.JSONL, Format.HTML])
def test_other_formats_of_many_rows_need_no_more_than_256_mb(format_: Format, a_request: MakeRequest, run: Run) -> None:
    query = "SELECT n, md5(n::text) AS a, repeat('y', 100) AS b, n / 7.0 AS c FROM generate_series(1, 300000) AS n"
    [file] = run(a_request(query, format_, limits=Limits(timeout_s=120, memory_mb=256)))

    assert file.rows == 300_000


def test_a_report_that_is_not_ready_in_time_ends_here_and_on_the_server(
    a_request: MakeRequest, run: Run, source: psycopg.Connection
) -> None:
    run(a_request("SELECT 1 AS a"))  # the fork server has started
    began = time.monotonic()
    with pytest.raises(ReportError) as failure:
        run(a_request(SLEEP), deadline_s=1)

    assert (failure.value.code, failure.value.retryable) == ("attempt_timeout", True)
    assert time.monotonic() - began < 3
    eventually(lambda: not running(source), within_s=10, what="the server gave the query up")


def test_cancelling_is_heard_at_once_here_and_on_the_server(
    a_request: MakeRequest, run: Run, source: psycopg.Connection
) -> None:
    cancel = threading.Event()
    # A server that does not look whether its client lives: only the cancel request can end the query.
    deaf = "SELECT set_config('client_connection_check_interval', '0', true), pg_sleep(120)"
    future = in_thread(lambda: run(a_request(deaf), cancel=cancel))
    sleeping(source)
    pid = the_child()

    began = time.monotonic()
    cancel.set()
    with pytest.raises(RenderCancelled):
        future.result(10)
    assert time.monotonic() - began < 3
    assert gone(pid)
    eventually(lambda: not running(source), within_s=10, what="the server gave the query up")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_child_that_dies_without_a_word_is_a_crash(
    number: signal.Signals, a_request: MakeRequest, run: Run, source: psycopg.Connection
) -> None:
    future = in_thread(lambda: run(a_request(SLEEP)))
    sleeping(source)
    os.kill(the_child(), number)

    with pytest.raises(ReportError) as failure:
        future.result(10)
    assert (failure.value.code, failure.value.retryable) == ("renderer_crashed", True)
    assert f"signal {number.value}" in str(failure.value)
    eventually(lambda: not running(source), within_s=10, what="the server gave the query up")


def test_a_frozen_child_is_ended_by_the_deadline(a_request: MakeRequest, run: Run, source: psycopg.Connection) -> None:
    future = in_thread(lambda: run(a_request(SLEEP), deadline_s=2))
    sleeping(source)
    pid = the_child()
    os.kill(pid, signal.SIGSTOP)

    with pytest.raises(ReportError, match="not ready after 2 seconds"):
        future.result(10)
    assert gone(pid)
    eventually(lambda: not running(source), within_s=10, what="the server gave the query up")


def test_a_stop_signal_to_every_process_of_the_worker_does_not_end_a_report(
    a_request: MakeRequest, run: Run, source: psycopg.Connection
) -> None:
    source.execute("SELECT pg_advisory_lock(1)")
    try:
        future = in_thread(lambda: run(a_request("SELECT 1 AS a FROM pg_advisory_xact_lock_shared(1)")))
        sleeping(source)
        for pid in (the_child(), the_fork_server()):
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                os.kill(pid, number)
    finally:
        source.execute("SELECT pg_advisory_unlock(1)")

    assert future.result(20)[0].rows == 1


def test_a_worker_whose_fork_server_died_makes_another(a_request: MakeRequest, run: Run) -> None:
    assert run(a_request("SELECT 1 AS a"))[0].rows == 1
    before = the_fork_server()
    os.kill(before, signal.SIGKILL)
    eventually(lambda: gone(before), within_s=5)

    assert run(a_request("SELECT 1 AS a"))[0].rows == 1
    assert the_fork_server() != before


def test_a_report_is_made_by_the_child_that_waits_for_it(a_request: MakeRequest, run: Run) -> None:
    run(a_request("SELECT 1 AS a"))
    waiting = [the_spare()]
    for _ in range(3):
        met: list[tuple[int, int]] = []
        run(a_request("SELECT 1 AS a"), on_progress=lambda _, met=met: met.append((the_child(), the_spare())))
        [(made_by, next_one)] = set(met)
        assert made_by == waiting[-1]
        assert next_one == the_spare()  # it is no stray of the report that has ended
        waiting.append(next_one)
    assert len(set(waiting)) == 4


def test_a_spare_child_that_died_is_replaced(a_request: MakeRequest, run: Run) -> None:
    run(a_request("SELECT 1 AS a"))
    spare, server = the_spare(), the_fork_server()
    os.kill(spare, signal.SIGKILL)
    eventually(lambda: not psutil.pid_exists(spare), within_s=20)  # its server has been told
    assert not spares()  # and not at once: what killed it may kill the next one

    assert run(a_request("SELECT 1 AS a"))[0].rows == 1
    assert the_spare() != spare
    assert the_fork_server() == server


def test_a_report_is_not_given_to_a_spare_child_that_died_just_now() -> None:
    """Its server has not been told of its end yet."""
    (dead, deads_end), (alive, its_end) = socket.socketpair(), socket.socketpair()
    children = iter([Spare(1, dead), Spare(2, alive)])
    spares = Spares(lambda *_: next(children))
    spares.have_one()
    deads_end.close()
    line, output = os.pipe()

    assert spares.begin(line, output) == 2
    _, given, _, _ = socket.recv_fds(its_end, 1, 2)
    for descriptor in (line, output, *given):
        os.close(descriptor)
    assert len(given) == 2


@pytest.mark.parametrize(
    "frozen", [False, pytest.param(True, marks=pytest.mark.skipif(sys.platform != "linux", reason="prctl(2)"))]
)
def test_a_spare_child_ends_with_its_server(frozen: bool, a_request: MakeRequest, run: Run) -> None:
    run(a_request("SELECT 1 AS a"))
    spare = the_spare()
    if frozen:
        os.kill(spare, signal.SIGSTOP)
    os.kill(the_fork_server(), signal.SIGKILL)

    eventually(lambda: gone(spare), within_s=20, what="the spare child has ended")
    assert run(a_request("SELECT 1 AS a"))[0].rows == 1


def test_a_fork_that_fails_ends_nothing_else(
    a_request: MakeRequest, run: Run, source: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a limit of processes. Other reports of the worker know nothing of it."""
    no_more = tmp_path / "no more processes"
    fails = "\n".join([
        "import errno, os",
        "from shared.reports.process import spare",
        "fork = spare.fork",
        "def fork_or_not(*given):",
        f"    if os.path.exists({str(no_more)!r}): raise OSError(errno.EAGAIN, 'no more')",
        "    return fork(*given)",
        "spare.fork = fork_or_not",
    ])  # fmt: skip
    start = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda command, **how: start([*command[:2], with_(fails, command[2])], **how)
    )
    child.launcher.close()
    cancel = threading.Event()
    slow = in_thread(lambda: run(a_request(SLEEP), cancel=cancel))
    sleeping(source)
    server, spare = the_fork_server(), the_spare()
    no_more.touch()
    os.kill(spare, signal.SIGKILL)
    eventually(lambda: not psutil.pid_exists(spare), within_s=20)

    other = a_request("SELECT 1 AS a")
    with pytest.raises(ReportError) as caught:
        run(other)
    assert caught.value.code == "worker_exhausted"
    no_more.unlink()
    assert run(other)[0].rows == 1
    assert the_fork_server() == server
    assert running(source)
    cancel.set()
    with pytest.raises(RenderCancelled):
        slow.result(20)
    monkeypatch.undo()
    child.launcher.close()


def with_(first: str, program: str) -> str:
    """The program that does that first, after its line of imports."""
    imports, _, rest = program.partition("; from shared")
    return f"{imports}\n{first}\nfrom shared{rest}"


def test_a_fork_server_that_has_died_takes_no_other_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two attempts meet the same dead server; the second comes to that when the first has started another."""
    own = launcher.Launcher()
    started: list[launcher.Child] = []
    told = launcher._number

    def told_late(status: int) -> int | None:
        monkeypatch.setattr(launcher, "_number", told)
        own.close()
        started.append(own.launch())
        return None

    monkeypatch.setattr(launcher, "_number", told_late)
    try:
        with pytest.raises(OSError, match="started no process"):
            own.launch()
        assert not started[0].ended(0)
        assert own.server_pid is not None
    finally:
        own.close()
        for one in started:
            os.close(one.output)
            one.let_go()


def test_reports_are_made_side_by_side(a_request: MakeRequest, run: Run) -> None:
    barrier = threading.Barrier(4)

    def one(n: int) -> int:
        request = a_request(f"SELECT n FROM generate_series(1, {n}) AS n")
        request.scratch.joinpath(str(n)).mkdir()
        barrier.wait(10)
        own = type(request)(request.report, {}, request.formats, request.source_dsn, request.scratch / str(n))
        return sum(run(own)[0].rows for _ in range(5))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, [1, 20, 300, 4_000])) == [5, 100, 1_500, 20_000]
    assert not child._alive


def test_progress_tells_phases_and_rows(a_request: MakeRequest, run: Run) -> None:
    seen: list[Progress] = []
    run(a_request("SELECT n FROM generate_series(1, 50000) AS n", Format.CSV, Format.XLSX), on_progress=seen.append)

    phases = list(dict.fromkeys(p.phase for p in seen))
    assert phases == ["querying", "reading", "writing csv", "verifying csv", "writing xlsx", "verifying xlsx"]
    assert [p.rows for p in seen if p.phase.startswith("verifying")] == [50_000, 50_000]
    percents = [p.percent for p in seen if p.percent is not None]
    assert percents == sorted(percents)
    assert percents[-1] > 95


def test_a_callback_that_fails_leaves_no_child(a_request: MakeRequest, run: Run) -> None:
    pids: list[int] = []

    def fail(_: Progress) -> None:
        pids.append(the_child())
        raise LookupError("the lease is gone")

    with pytest.raises(LookupError):
        run(a_request(SLEEP), on_progress=fail)
    assert gone(pids[0])
    assert not child._alive


@pytest.mark.parametrize("stubborn", [False, True])
def test_nothing_outlives_a_worker_that_was_killed(
    stubborn: bool, source_dsn: str, scratch: Path, source: psycopg.Connection
) -> None:
    arguments = [source_dsn, str(scratch), *(["stubborn"] if stubborn else [])]
    command = [sys.executable, "-m", "tests.reports.worker_script", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as worker:
        try:
            assert worker.stdout is not None
            left = [int(pid) for pid in worker.stdout.readline().split()]
            assert len(left) == 2
            assert not any(gone(pid) for pid in left)
        finally:
            worker.kill()

    eventually(lambda: all(gone(pid) for pid in left), within_s=10, what=f"{left} ended")
    eventually(lambda: not running(source), within_s=10, what="the server gave the query up")
