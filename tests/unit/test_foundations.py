"""The small pieces that everything is built on."""

import gc
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from deploy.tools.configuration_page import page
from services.api.settings import ApiSettings
from services.worker.held import Held, StopReason
from services.worker.in_flight import InFlight
from services.worker.settings import WorkerSettings
from shared.backoff import full_jitter
from shared.errors import TodokeError
from shared.ids import uuid7
from shared.jobs.gates import Kind
from shared.jobs.lease import Lease, StartedJob
from shared.runtime import logs
from shared.runtime.gc_tuning import search_seldom
from shared.runtime.loop import run_until
from shared.runtime.settings import SettingsError
from shared.runtime.startup import StartupFailed, wait_for
from shared.runtime.stopping import stop_on_signals
from shared.suggest import did_you_mean, did_you_mean_one_of

ROOT = Path(__file__).parents[2]
WORKER = {"DATABASE_URL": "postgresql://u:secret-canary@h/d", "SQS_QUEUE_URL": "http://q", "AWS_REGION": "eu-west-1"}


def test_ids_are_version_7_and_in_order_of_creation() -> None:
    ids = [uuid7() for _ in range(100)]

    assert {(i.version, i.variant) for i in ids} == {(7, "specified in RFC 4122")}
    assert [i.int >> 80 for i in ids] == sorted(i.int >> 80 for i in ids)
    assert len(set(ids)) == 100


@pytest.mark.parametrize(("tries", "most"), [(1, 2), (2, 4), (5, 32), (20, 300), (10_000, 300)])
def test_backoff_is_between_nothing_and_its_step(tries: int, most: float) -> None:
    waits = [full_jitter(tries, base_s=2, cap_s=300) for _ in range(200)]

    assert all(0 <= wait <= most for wait in waits)
    assert max(waits) > most / 2


def test_everything_wrong_with_the_environment_is_named_at_once_and_no_value_is_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        WorkerSettings.from_environment({"DATABASE_ULR": "secret-canary", "WORKER_SLOTS": "secret-canary"})

    message = str(caught.value)
    assert "DATABASE_URL is not set (found DATABASE_ULR; is that a typo?)" in message
    assert "SQS_QUEUE_URL is not set" in message
    assert "WORKER_SLOTS" in message
    assert "canary" not in message


def test_settings_that_do_not_fit_each_other_are_refused() -> None:
    with pytest.raises(SettingsError, match="WORKER_LEASE_S=10 must be at least three times WORKER_HEARTBEAT_S=5"):
        WorkerSettings.from_environment({**WORKER, "WORKER_LEASE_S": "10", "WORKER_HEARTBEAT_S": "5"})


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("DATABASE_URL", "mysql://u:secret-canary@h/d", "DATABASE_URL: must begin with postgresql://"),
        ("SQS_QUEUE_URL", "todoke-jobs", "SQS_QUEUE_URL: must begin with https://"),
        ("SQS_DLQ_URL", "arn:aws:sqs:eu-west-1:1:dead", "SQS_DLQ_URL: must begin with https://"),
    ],
)
def test_an_address_of_the_wrong_kind_is_told(variable: str, value: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as refused:
        WorkerSettings.from_environment({**WORKER, variable: value})
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("variable", ["MANIFEST_KEY_FILE", "WORKER_SCRATCH"])
def test_a_worker_names_the_variable_whose_file_it_cannot_use(
    variable: str,
) -> None:
    environment = {**os.environ, **WORKER, variable: "/dev/null/nope"}
    done = subprocess.run(  # a process, because a service sets signals and logging for good
        [sys.executable, "-m", "services.worker"],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.splitlines()[-1][: len(variable) + 9]) == (1, f"worker: {variable}:")


def test_an_empty_variable_counts_as_unset_and_secrets_do_not_print() -> None:
    settings = WorkerSettings.from_environment({**WORKER, "WORKER_LEASE_S": ""})

    assert settings.lease_s == 30
    assert "canary" not in repr(settings)
    assert settings.visibility_s > settings.lease_s
    assert settings.sources == {"default": WORKER["DATABASE_URL"]}


def test_the_page_of_settings_is_the_one_in_the_code() -> None:
    assert (ROOT / "docs" / "reference" / "configuration.md").read_text() == page(), (
        "run: python -m deploy.tools.configuration_page > docs/reference/configuration.md"
    )
    assert "API_PORT" in ApiSettings.variables()


def test_a_log_line_is_one_json_object_with_its_context(capsys: pytest.CaptureFixture[str]) -> None:
    formatter = logs.JsonFormatter("worker")
    record = logging.LogRecord("x", logging.INFO, "", 0, "job.started", (), None)
    record.rows = 5
    with logs.context(job_id="j1"), logs.context(attempt=2):
        line = json.loads(formatter.format(record))

    expected = {"event": "job.started", "job_id": "j1", "attempt": 2, "rows": 5, "service": "worker", "level": "info"}
    assert expected.items() <= line.items()
    assert "job_id" not in json.loads(formatter.format(record))


def test_did_you_mean() -> None:
    assert did_you_mean("carier", ["carrier", "origin"]) == "; did you mean 'carrier'?"
    assert did_you_mean("tenants", Kind) == "; did you mean 'tenant'?"
    assert did_you_mean("zzz", {"b": 1, "a": 2}) == "; there are: a, b"
    assert did_you_mean("zzz", ("S", "M", "L")) == "; there are: S, M, L"
    assert did_you_mean("x", []) == "; there are none"
    assert did_you_mean_one_of("sun", ("sum", "mean")) == "; did you mean 'sum'?"
    assert did_you_mean_one_of("zzz", ("sum", "mean")) == ""


def test_waiting_says_what_for_and_gives_up(caplog: pytest.LogCaptureFixture) -> None:
    def away() -> None:
        raise TodokeError("nobody at home")

    with (
        caplog.at_level(logging.INFO),
        pytest.raises(StartupFailed, match=r"gave up waiting for the queue after 0\.3 s"),
    ):
        wait_for("the queue", away, stop=threading.Event(), timeout_s=0.3)
    assert "service.waiting" in caplog.text
    stopped = threading.Event()
    stopped.set()
    assert wait_for("the queue", away, stop=stopped, timeout_s=60) is False


def test_a_loop_survives_a_failing_pass_and_ends_when_told() -> None:
    stop = threading.Event()
    passes: list[int] = []

    def run_once() -> int:
        passes.append(1)
        if len(passes) == 1:
            raise TodokeError("once")
        if len(passes) == 3:
            stop.set()
        return 1

    run_until(stop, run_once, idle_s=60)
    assert len(passes) == 3


def test_an_idle_loop_waits_a_twentieth_of_its_idleness_and_never_longer_than_it_may() -> None:
    clock = [1000.0]

    class Patient(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            waits.append(timeout)
            clock[0] += timeout
            return False

    waits: list[float] = []
    stop = Patient()

    def run_once() -> int:
        if len(waits) == 5000:
            stop.set()
        return 0

    run_until(stop, run_once, idle_s=0.1, busy_s=0.005, clock=lambda: clock[0])

    assert waits[:20] == [0.005] * 20  # the first tenth of a second
    assert waits == sorted(waits)
    assert waits[-1] == 0.1


def test_a_signal_is_heard_also_while_the_main_thread_holds_the_events_lock() -> None:
    """`wait` holds it for a moment whenever it begins and ends, so a loop that waits often is interrupted there."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        stop = stop_on_signals()
        with stop._cond:  # type: ignore[attr-defined]
            signal.raise_signal(signal.SIGTERM)
        assert stop.wait(30)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_what_start_up_made_is_left_out_of_the_search_for_cycles() -> None:
    before = gc.get_threshold()
    gc.set_threshold(700)  # an API that another test has started may have been here before
    try:
        search_seldom()

        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold()[0] > 700
        assert gc.isenabled()
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def test_a_process_that_searched_seldom_ends_without_a_word() -> None:
    """DuckDB's binding counts at the end what it still finds."""
    code = "import duckdb; from shared.runtime.gc_tuning import search_seldom; search_seldom()"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert ended.stderr == ""


def a_held() -> Held:
    job = StartedJob(Lease(uuid7(), uuid7()), "t", "r", "1", {}, ["csv"], 1, 3, 60, 0, None)
    return Held(job, "receipt", now=0)


def test_a_lost_lease_outranks_every_other_wish() -> None:
    held = a_held()

    assert held.ask_to_stop(StopReason.CANCEL)
    assert not held.ask_to_stop(StopReason.SHUTDOWN)
    assert str(held.stop_reason) == "cancel"
    held.ask_to_stop(StopReason.LOST)
    assert str(held.stop_reason) == "lost"


def test_the_wish_to_stop_reaches_who_looked_before_it_and_who_looks_after_it() -> None:
    early, late = a_held(), a_held()
    waiting = early.stop
    assert not waiting.is_set()

    for held in (early, late):
        held.ask_to_stop(StopReason.SHUTDOWN)

    assert waiting.is_set()
    assert early.stop is waiting
    assert late.stop.is_set()


def test_a_slot_is_free_when_the_work_ends_and_the_lease_is_kept_until_it_is_written() -> None:
    in_flight = InFlight(1)
    assert in_flight.reserve(10, 0) == 1
    assert in_flight.reserve(10, 0) == 0
    held = a_held()
    in_flight.add([held])
    assert in_flight.reserve(10, 0) == 0
    in_flight.work_ended()

    assert in_flight.reserve(10, 0) == 1
    assert not in_flight.wait_until_empty(0)
    in_flight.remove([held.lease])
    assert in_flight.wait_until_empty(0)


def test_who_waits_for_room_or_for_the_end_is_woken() -> None:
    """And does not find out by the time-out: each waits for longer than that may take."""
    in_flight = InFlight(1)
    assert in_flight.reserve(1, 0) == 1
    held = a_held()
    in_flight.add([held])
    with ThreadPoolExecutor() as pool:
        room, end = pool.submit(in_flight.reserve, 1, 100), pool.submit(in_flight.wait_until_empty, 100)
        in_flight.work_ended()
        assert room.result(30) == 1
        with in_flight.starting():
            in_flight.remove([held.lease])
        assert end.result(30)
        in_flight.release(1)
        assert in_flight.reserve(1, 0) == 1
        again = pool.submit(in_flight.reserve, 1, 100)
        in_flight.release(1)
        assert again.result(30) == 1


IMPORTS: list[Any] = [
    ("services.relay.publisher, services.relay.sweeper", ["fastapi", "xlsxwriter"]),
    ("services.worker.worker, shared.reports.render", ["fastapi", "uvicorn"]),
    ("services.api.app", ["boto3", "xlsxwriter", "alembic"]),
]


@pytest.mark.parametrize(("modules", "unwanted"), IMPORTS)
def test_a_service_loads_only_what_its_extra_installs(modules: str, unwanted: list[str]) -> None:
    code = f"import sys, {modules}; print([m for m in {unwanted!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=300, check=True
    )

    assert done.stdout.strip() == "[]"


def test_each_extra_names_what_its_service_needs() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

    assert not any("fastapi" in need for need in extras["relay"] + extras["worker"])
    assert not any("boto3" in need for need in extras["api"])


def test_the_lock_names_no_package_index() -> None:
    for lock in ("requirements.lock", "deploy/sample/requirements.lock"):
        text = (ROOT / lock).read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "database-url"
    file.write_text("postgresql://u:secret-canary@h/d\n")
    environment = {**WORKER, "DATABASE_URL": "", "DATABASE_URL_FILE": str(file)}

    assert WorkerSettings.from_environment(environment).sources == {"default": "postgresql://u:secret-canary@h/d"}


def test_a_secret_that_is_given_twice_or_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://u:secret-canary@h/d")
    environment = {**WORKER, "DATABASE_URL_FILE": str(tmp_path / "url"), "REPORT_SOURCE_URL_FILE": str(tmp_path)}

    with pytest.raises(SettingsError) as caught:
        WorkerSettings.from_environment(environment)

    first, second = str(caught.value).splitlines()
    assert first == "DATABASE_URL and DATABASE_URL_FILE are both set: keep one"
    assert second.startswith("REPORT_SOURCE_URL_FILE: ")
    assert "canary" not in str(caught.value)


def test_only_secrets_are_looked_for_in_files(tmp_path: Path) -> None:
    (tmp_path / "slots").write_text("7")

    settings = WorkerSettings.from_environment({**WORKER, "WORKER_SLOTS_FILE": str(tmp_path / "slots")})

    assert settings.slots != 7
