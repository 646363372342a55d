"""A worker that cannot work gives its jobs back uncharged, stops polling until it can, and reports why."""

import errno
import resource
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.engine import Connection, Engine

from services.worker import fitness, metrics
from services.worker.cooldown import Cooldown
from services.worker.fitness import Fitness, Unfit
from shared.artifacts.interface import ArtifactStoreUnavailable
from shared.failures import FailureCode
from shared.jobs import sweep
from shared.queues.interface import QueueUnavailable
from shared.reports.errors import failure
from shared.reports.interface import RenderRequest
from tests.services.test_worker import Bench, until
from tests.support.eventually import eventually
from tests.support.jobs import a_job, pass_time, row, verbs
from tests.support.promises import broken


@pytest.fixture
def sick(engine: Engine, conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(fitness, "_PROBE_EVERY_S", 0.05)
    bench = Bench(engine, conn, tmp_path)
    yield bench
    bench.stop()
    assert broken(conn, at_rest=False) == {}


def given_back(bench: Bench, job_id: UUID, code: str) -> None:
    """Uncharged, with the cause in its error, and a new message."""

    def is_back() -> bool:
        job = row(bench.conn, job_id)
        return (job.status, (job.error or {}).get("code")) == ("PENDING", code)

    eventually(is_back, what=f"given back as {code}")
    job = row(bench.conn, job_id)
    assert (job.attempt, job.crashes) == (0, 0)
    assert verbs(bench.conn, job_id) == ["submit", "start", "give_back"]
    assert (job.error["retryable"], bool(job.error["hint"])) == (True, True)


def unfit(bench: Bench, why: str) -> None:
    with pytest.raises(Unfit, match=why):
        bench.fitness.check()


def raises(error: Callable[[], Exception]) -> Callable[[RenderRequest, threading.Event], None]:
    def work(_request: RenderRequest, _cancel: threading.Event) -> None:
        raise error()

    return work


def test_a_worker_without_scratch_takes_nothing_until_it_has_some(sick: Bench, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    sick.start(WORKER_SCRATCH=scratch)
    first = sick.a_rung_job(max_attempts=1)
    sick.until(first, "SUCCESS")
    sick.fitness.check()
    shutil.rmtree(scratch)
    job_id = sick.a_rung_job(max_attempts=1)

    given_back(sick, job_id, "scratch_unusable")
    unfit(sick, "scratch_unusable")
    waiting = sick.a_rung_job(max_attempts=1)
    eventually(lambda: not sick.fitness.fit)
    scratch.mkdir()
    sick.until(waiting, "SUCCESS")
    assert verbs(sick.conn, waiting)[-2:] == ["start", "succeed"]
    sick.fitness.check()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (lambda: failure(FailureCode.SCRATCH_FULL, "The worker's disk is full."), "scratch_full"),
        (lambda: OSError(errno.EMFILE, "Too many open files"), "worker_exhausted"),
        (lambda: BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "worker_exhausted"),
        (lambda: RuntimeError("can't start new thread"), "worker_exhausted"),
        (lambda: failure(FailureCode.WORKER_EXHAUSTED, "no process"), "worker_exhausted"),
        (lambda: failure(FailureCode.SOURCE_MISSING, "no source 'extra'"), "source_missing"),
        (lambda: ArtifactStoreUnavailable("AccessDenied on s3://secret"), "artifact_store_unavailable"),
    ],
)
def test_a_cause_of_the_workers_own_costs_no_attempt_and_another_job_goes_on(
    sick: Bench, error: Callable[[], Exception], code: str
) -> None:
    sick.script = raises(error)
    job_id = sick.a_rung_job(max_attempts=1)
    sick.start()

    given_back(sick, job_id, code)
    unfit_for_a_minute = code == "source_missing"
    if unfit_for_a_minute:
        unfit(sick, "no source 'extra'")
    assert "secret" not in str(row(sick.conn, job_id).error)
    sick.script = lambda _request, _cancel: None
    other = sick.a_rung_job(max_attempts=1)
    sick.until(other, "SUCCESS")


def test_a_store_that_refuses_to_write_stops_the_polling(sick: Bench) -> None:
    sick.artifacts.write_text("a file stands where the folder should be")
    job_id = sick.a_rung_job(max_attempts=1)
    sick.start()

    given_back(sick, job_id, "artifact_store_unavailable")
    unfit(sick, "artifact_store_unavailable")
    waiting = sick.a_rung_job(max_attempts=1)
    sick.artifacts.unlink()
    sick.until(waiting, "SUCCESS")


def test_another_worker_starts_what_this_one_gave_back(
    sick: Bench, engine: Engine, conn: Connection, tmp_path: Path
) -> None:
    sick.script = raises(lambda: failure(FailureCode.SOURCE_MISSING, "no source 'extra'"))
    job_id = sick.a_rung_job(max_attempts=1)
    sick.start(WORKER_SLOTS=1)
    given_back(sick, job_id, "source_missing")
    left_alone = metrics.STARTS.labels("left_alone")._value
    before = left_alone.get()
    sick.ring(f'{{"jobId": "{job_id}"}}')
    eventually(lambda: left_alone.get() > before, what="this worker leaves the job to others")
    eventually(lambda: sick.queue.depth().in_flight == 1, what="this worker hides the message")
    assert verbs(conn, job_id) == ["submit", "start", "give_back"]

    healthy = Bench(engine, conn, tmp_path)
    healthy.start(WORKER_SLOTS=1)
    healthy.ring(f'{{"jobId": "{job_id}"}}')
    try:
        healthy.until(job_id, "SUCCESS")
    finally:
        healthy.stop()


def test_a_report_type_that_this_worker_does_not_know_is_left_to_others(sick: Bench) -> None:
    job_id = sick.a_rung_job(report_type="unheard-of", max_attempts=1)
    sick.start()

    given_back(sick, job_id, "report_type_missing")
    unfit(sick, "unheard-of")
    sick.until(sick.a_rung_job(), "SUCCESS")


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"options": {"watermark": "draft"}}, "does not know watermark"), ({"formats": ["csv", "docx"]}, "format docx"),
        ({"options": {"csv": {"header": "both"}}}, "does not know csv.header 'both'"),
        ({"options": {"timeZone": "Mars/Olympus"}}, "timeZone 'Mars/Olympus'"),
        ({"options": {"sort": [{"by": "n"}]}}, "sort a list"),
    ],
)  # fmt: skip
def test_a_job_that_asks_for_what_only_a_newer_release_knows_is_left_to_others(
    sick: Bench, asked: dict[str, Any], named: str
) -> None:
    newer = sick.a_rung_job(**asked, max_attempts=1)
    sick.start()

    given_back(sick, newer, "option_unknown")
    unfit(sick, named)
    assert row(sick.conn, newer).error["hint"].startswith("Deploy workers before the API")
    sick.until(sick.a_rung_job(options={"limit": 1}), "SUCCESS")


def test_parameters_of_a_version_that_this_worker_never_had_are_left_to_others(sick: Bench) -> None:
    sick.script = raises(lambda: failure(FailureCode.PARAMETERS_NO_LONGER_VALID, "not valid any more"))
    newer = sick.a_rung_job(report_version="of-tomorrow", max_attempts=1)
    sick.start()

    given_back(sick, newer, "report_type_differs")


def test_parameters_that_this_very_version_refuses_fail_for_good(sick: Bench) -> None:
    from shared.catalog.load import BUILTIN, load_catalog

    sick.script = raises(lambda: failure(FailureCode.PARAMETERS_NO_LONGER_VALID, "not valid any more"))
    job_id = sick.a_rung_job(report_version=load_catalog(BUILTIN).types["calendar"].version)
    sick.start()

    sick.until(job_id, "FAILED")


def test_at_its_deadline_such_a_job_fails_with_its_cause(sick: Bench) -> None:
    sick.script = raises(lambda: failure(FailureCode.SOURCE_MISSING, "no source 'extra'", hint="set it"))
    job_id = sick.a_rung_job(max_attempts=1)
    sick.start()
    given_back(sick, job_id, "source_missing")
    pass_time(sick.conn, job_id, "deadline_at")
    sweep.expire(sick.conn)

    job = row(sick.conn, job_id)
    assert (job.status, job.error["code"], job.error["hint"]) == ("FAILED", "deadline_exceeded", "set it")
    assert job.error["message"].endswith("Its last try ended with source_missing: no source 'extra'")


def test_a_job_without_a_cause_ends_at_its_deadline_as_ever(conn: Connection) -> None:
    job_id = a_job(conn)
    pass_time(conn, job_id, "deadline_at")
    sweep.expire(conn)

    assert row(conn, job_id).error["message"] == "The job did not end before its deadline."


def test_a_worker_that_may_not_receive_is_not_ready(sick: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: Any, **__: Any) -> Any:
        raise QueueUnavailable("AccessDenied: sqs:ReceiveMessage")

    monkeypatch.setattr(sick.queue, "receive", denied)
    sick.start()

    def says_so() -> bool:
        try:
            sick.fitness.check()
        except Unfit as error:
            return "sqs:ReceiveMessage" in str(error)
        return False

    eventually(says_so)
    monkeypatch.undo()
    sick.until(sick.a_rung_job(), "SUCCESS")
    eventually(lambda: not says_so())


@pytest.mark.parametrize("action", ["sqs:DeleteMessage", "sqs:ChangeMessageVisibility"])
def test_a_worker_that_may_not_delete_or_hide_messages_takes_none_until_it_may(sick: Bench, action: str) -> None:
    sick.queue.faults.denied = frozenset({action})
    first = sick.a_rung_job()
    sick.ring(f'{{"jobId": "{uuid4()}"}}')  # nobody knows this job: the message is hidden for a while
    sick.start()
    sick.until(first, "SUCCESS")
    eventually(lambda: not sick.fitness.fit)
    polls, probe = sick.queue.requests["ReceiveMessage"], f"{action.removeprefix('sqs:')}Batch"
    waiting = sick.a_rung_job()
    denied = sick.queue.requests[probe]
    eventually(lambda: sick.queue.requests[probe] > denied + 1, what="it is probed twice")

    unfit(sick, f"allow the action {action} on this queue")
    assert [s.value for s in metrics.UNFIT.labels("queue_denied")._child_samples()] == [1]
    # The poll that was under way may have ended, and another one begun before the denial was known.
    assert sick.queue.requests["ReceiveMessage"] <= polls + 1
    assert verbs(sick.conn, waiting) == ["submit"]
    sick.queue.faults.denied = frozenset()
    sick.until(waiting, "SUCCESS")
    sick.fitness.check()
    assert not sick.queue.dead


def test_a_message_that_was_put_aside_and_may_not_be_deleted_stops_the_worker(sick: Bench) -> None:
    sick.queue.faults.denied = frozenset({"sqs:DeleteMessage"})
    sick.ring("this rings for nothing")
    sick.start()

    eventually(lambda: not sick.fitness.fit)
    unfit(sick, "sqs:DeleteMessage")
    sick.queue.faults.denied = frozenset()
    eventually(lambda: sick.fitness.fit)
    eventually(lambda: not sick.queue.bodies(), what="the message is gone")
    assert len(sick.queue.dead) == 1


def test_a_worker_does_not_start_a_job_that_it_holds(sick: Bench) -> None:
    release = threading.Event()
    sick.script = until(release)
    job_id = sick.a_rung_job()
    sick.start(WORKER_LEASE_S=60)
    sick.until(job_id, "PROCESSING")
    # An outage longer than the lease: the message is there again, and the lease has run out.
    pass_time(sick.conn, job_id, "lease_until")
    sick.ring(f'{{"jobId": "{job_id}"}}')
    eventually(lambda: row(sick.conn, job_id).lease_until > row(sick.conn, job_id).updated_at, what="renewed")
    release.set()
    sick.until(job_id, "SUCCESS")

    assert verbs(sick.conn, job_id) == ["submit", "start", "succeed"]


def test_a_job_that_no_worker_can_do_is_looked_at_less_and_less_often() -> None:
    clock = [0.0]
    cooldown = Cooldown(clock=lambda: clock[0])
    job_id, pauses = uuid4(), []
    for _ in range(6):
        cooldown.note(job_id)
        pauses.append(cooldown.seconds_left(job_id))
        clock[0] += pauses[-1]
        assert cooldown.seconds_left(job_id) == 0

    assert pauses == [60, 120, 240, 480, 900, 900]
    other = uuid4()
    for pause_s in (5, 10, 20):
        cooldown.note(other, shared=True)
        assert cooldown.seconds_left(other) == pause_s
    assert cooldown.seconds_left(uuid4()) == 0


def test_a_probe_that_succeeds_in_vain_comes_after_longer_and_longer_rests(tmp_path: Path) -> None:
    clock = [0.0]
    worker = Fitness(tmp_path, lambda: None, clock=lambda: clock[0])
    rests = []
    for _ in range(8):
        worker.note(FailureCode.ARTIFACT_STORE_UNAVAILABLE, "AccessDenied on PutObject")
        began = clock[0]
        while not worker.fit:
            clock[0] += 1
            worker.run_once()
        rests.append(clock[0] - began)

    assert rests == [3, 6, 12, 24, 48, 60, 60, 60]
    worker.worked()
    worker.note(FailureCode.SCRATCH_FULL, "full")
    clock[0] += 3
    worker.run_once()
    assert worker.fit


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_readiness_looks_at_the_scratch_folder_itself(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    worker = Fitness(scratch, lambda: None)
    worker.check()
    scratch.rmdir()

    with pytest.raises(Unfit, match="scratch_unusable"):
        worker.check()


def test_what_one_job_lacked_is_told_for_a_minute_and_stops_no_other(tmp_path: Path) -> None:
    clock = Clock()
    worker = Fitness(tmp_path, lambda: None, clock=clock)
    worker.note(FailureCode.SOURCE_MISSING, "no source 'extra'")

    assert worker.fit
    with pytest.raises(Unfit, match="no source 'extra'"):
        worker.check()
    clock.now += 61
    worker.check()


def test_a_worker_is_fit_again_when_its_store_is(tmp_path: Path) -> None:
    clock, away = Clock(), ["AccessDenied"]

    def check_store() -> None:
        if away:
            raise ArtifactStoreUnavailable(away[0])

    worker = Fitness(tmp_path, check_store, clock=clock)
    worker.note(FailureCode.ARTIFACT_STORE_UNAVAILABLE, "AccessDenied")
    for _ in range(3):
        clock.now += 60
        worker.run_once()
        assert not worker.fit
    away.clear()
    worker.run_once()
    assert not worker.fit, "it is not asked all the time"
    clock.now += 60
    worker.run_once()
    assert worker.fit


def open_files() -> set[int]:
    """The descriptors of this process."""
    return {number for number in range(4096) if Path(f"/proc/self/fd/{number}").is_symlink()}


def test_a_worker_without_descriptors_is_unfit_and_its_probe_keeps_none(tmp_path: Path) -> None:
    clock = Clock()
    worker = Fitness(tmp_path, lambda: None, clock=clock)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_before = open_files()
    try:
        free = [number for number in range(4096) if number not in open_before]
        resource.setrlimit(resource.RLIMIT_NOFILE, (free[8], hard))
        with pytest.raises(Unfit, match="worker_exhausted"):
            worker.check()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert open_files() == open_before
    worker.check()


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "scratch_full"), (errno.EDQUOT, "scratch_full"), (errno.EMFILE, "worker_exhausted"),
     (errno.ENFILE, "worker_exhausted"), (errno.EROFS, "scratch_unusable"), (errno.EIO, "scratch_unusable")],
)  # fmt: skip
def test_an_error_of_the_scratch_folder_has_its_code(number: int, code: str) -> None:
    assert fitness.scratch_fault(OSError(number, "")) == code
