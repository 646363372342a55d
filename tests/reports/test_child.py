"""A child that misbehaves fails its own attempt, with a code for the cause, and nothing else."""

import os
import signal
import threading
import time

import psycopg
import pytest

from deploy.local.processes import free_port
from shared.reports.interface import Progress, RenderCancelled, ReportError
from shared.reports.process import child as renderer
from shared.reports.process.launcher import Child
from shared.reports.sources import look
from shared.runtime import logs
from tests.reports.children import the_child, the_spare
from tests.reports.conftest import Render, a_report
from tests.support.eventually import eventually

SLOW = "SELECT pg_sleep(60)"


def running_queries(database_url: str) -> int:
    with psycopg.connect(database_url) as conn:
        row = conn.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE application_name = 'todoke-report' AND datname = current_database()"
        ).fetchone()
        assert row is not None
        return int(row[0])


def failure(make: Render, *arguments: object, **keywords: object) -> ReportError:
    with pytest.raises(ReportError) as caught:
        make(*arguments, **keywords)
    return caught.value


def test_a_report_beyond_its_deadline_is_stopped_and_so_is_its_query(make: Render, database_url: str) -> None:
    error = failure(make, a_report(SLOW), deadline_s=1)

    assert (error.code, error.retryable) == ("attempt_timeout", True)
    eventually(lambda: running_queries(database_url) == 0, within_s=30, what="the query ended on the server")


def test_a_cancelled_report_stops_at_once(make: Render, database_url: str) -> None:
    cancel = threading.Event()

    def ask() -> None:
        eventually(lambda: running_queries(database_url))
        cancel.set()

    threading.Thread(target=ask, daemon=True).start()
    began = time.monotonic()

    with pytest.raises(RenderCancelled):
        make(a_report(SLOW), cancel=cancel)
    assert time.monotonic() - began < 30
    eventually(lambda: running_queries(database_url) == 0, within_s=30, what="the query ended on the server")


def test_a_report_that_needs_too_much_memory_fails_alone(make: Render) -> None:
    error = failure(make, a_report("SELECT repeat('x', 300000000) AS big", memory_mb=256), formats="xlsx")

    assert (error.code, error.retryable) == ("memory_limit_exceeded", False)
    assert make(a_report("SELECT 1 AS fine"))[0].rows == 1


def test_a_killed_child_is_a_failure_that_may_pass(make: Render, database_url: str) -> None:
    def kill() -> None:
        eventually(lambda: running_queries(database_url))
        os.kill(the_child(), signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    error = failure(make, a_report(SLOW))

    assert (error.code, error.retryable) == ("renderer_crashed", True)


def test_more_rows_than_allowed_is_an_error_and_no_short_file(make: Render) -> None:
    report = a_report("SELECT g FROM generate_series(1, 11) g", max_rows=10)

    for formats in ("csv", "xlsx"):
        assert failure(make, report, formats=formats).code == "row_limit_exceeded"


def test_a_query_that_takes_too_long_is_ended_by_the_server(make: Render) -> None:
    error = failure(make, a_report(SLOW, timeout_s=0.5))

    assert (error.code, error.retryable) == ("source_timeout", False)


def test_a_source_that_is_away_may_come_back_and_its_password_is_not_told(
    make: Render, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_configured", ["INFO"])  # as a service has it
    caplog.set_level("INFO")
    error = failure(make, a_report("SELECT 1"), dsn=f"postgresql://u:secret-canary@127.0.0.1:{free_port()}/x")

    assert (error.code, error.retryable) == ("source_unavailable", True)
    assert "canary" not in f"{error} {error.hint}"
    said = " ".join(str(getattr(record, "text", "")) for record in caplog.records)
    assert "Connection refused" in said
    assert "canary" not in said


def test_a_source_that_lets_nobody_in_tells_the_operator_and_nobody_else(
    make: Render, database_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_configured", ["INFO"])
    caplog.set_level("INFO")
    place = database_url.partition("@")[2]
    error = failure(make, a_report("SELECT 1"), dsn=f"postgresql://nobody:secret-canary@{place}")

    said = " ".join(str(getattr(record, "text", "")) for record in caplog.records)
    assert 'FATAL: password authentication failed for user "nobody"' in said
    assert "canary" not in said
    assert error.code == "source_unavailable"
    assert "nobody" not in f"{error} {error.hint}"


@pytest.mark.parametrize("password", ["secret@canary", "secret/canary", "secret?canary", "secret%zcanary", "a canary"])
def test_no_part_of_a_password_that_is_written_wrongly_is_told(
    make: Render, password: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libpq takes what follows for the host, the port or a parameter, and quotes it."""
    monkeypatch.setattr(logs, "_configured", ["INFO"])
    caplog.set_level("INFO")
    url = f"postgresql://nobody:{password}@127.0.0.1:{free_port()}/x"
    error = failure(make, a_report("SELECT 1"), dsn=url)

    said = " ".join(str(getattr(record, "text", "")) for record in caplog.records)
    told = f"{said} {error} {error.hint} {look.problem_of(url)}"
    assert "canary" not in told
    assert "%40" in said
    assert "%40" in str(look.problem_of(url))


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT nope", 'column "nope" does not exist'),
        ("SELECT 1 / 0", "division by zero"),
        ("SELECT", "no columns"),
        ("WITH gone AS (DELETE FROM jobs RETURNING id) SELECT * FROM gone", "must be at the top level"),
        ("SELECT nextval('outbox_id_seq')", "tried to write"),
    ],
)
def test_a_wrong_query_says_what_is_wrong_and_is_not_tried_again(make: Render, query: str, says: str) -> None:
    error = failure(make, a_report(query))

    assert (error.code, error.retryable) == ("source_query_failed", False)
    assert says in str(error)


def test_progress_is_told_by_phase_and_rows(make: Render) -> None:
    seen: list[Progress] = []
    make(a_report("SELECT g FROM generate_series(1, 50000) g"), formats="csv xlsx", seen=seen)

    assert {"querying", "verifying csv", "verifying xlsx"} <= {p.phase for p in seen}
    assert max(p.rows for p in seen) == 50_000


def test_a_fresh_child_each_time(make: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    """No secret of one report's process can reach the next: they never share one."""
    launched: list[Child] = []
    launch = renderer.launcher.launch

    def remember() -> Child:
        launched.append(launch())
        return launched[-1]

    monkeypatch.setattr(renderer.launcher, "launch", remember)
    for _ in range(3):
        make(a_report("SELECT 1"))

    used = {one.pid for one in launched}
    assert len(used) == 3
    assert the_spare() not in used
