"""The worker's threads with a real database, a queue with faults, and a scripted renderer."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError

from services.api.v1.views import job_view
from services.worker import heartbeat, intake, metrics, pollers
from services.worker.acknowledgements import Acknowledgements
from services.worker.finisher import Finisher
from services.worker.worker import Worker
from shared.artifacts.disk import DiskStore
from shared.catalog.model import Format
from shared.database.engine import transactional
from shared.jobs import cancel, caps, lease, pauses, read
from shared.jobs.admission import Admission
from shared.jobs.doorbell import read_doorbell
from shared.jobs.gates import Gate, Kind
from shared.jobs.viewer import Viewer
from shared.queues.interface import Depth, Outgoing
from shared.reports.interface import Cost, Progress, RenderCancelled, RenderedFile, RenderRequest, ReportError
from shared.reports.warnings import ReportWarning, WarningCode
from tests.support.eventually import eventually
from tests.support.jobs import a_job, count, row, started, verbs
from tests.support.promises import broken, broken_files
from tests.support.sqs.double import InMemoryQueue
from tests.support.worker import worker_parts

Script = Callable[[RenderRequest, threading.Event], None]


class Bench:
    """A worker that a test can start, feed and stop."""

    def __init__(self, engine: Engine, conn: Connection, folder: Path) -> None:
        self.conn = conn
        self.queue = InMemoryQueue()
        self.script: Script = lambda _request, _cancel: None
        self.warnings: tuple[ReportWarning, ...] = ()
        self.cost: Cost | None = None
        self.store = DiskStore(folder / "artifacts")
        self.artifacts = folder / "artifacts"
        self._engine = engine
        self._scratch = folder
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, **settings: Any) -> None:
        values = {"WORKER_SLOTS": 4, "WORKER_LEASE_S": 3, "WORKER_HEARTBEAT_S": 0.2, "WORKER_POLL_S": 1,
                  "WORKER_GRACE_S": 0.3, "WORKER_RETRY_BASE_S": 0.01, **settings}  # fmt: skip
        parts = worker_parts(self._engine, self.queue, self._scratch, render=self._render, store=self.store, **values)
        self.fitness = parts.fitness
        worker = Worker(parts)
        self._thread = threading.Thread(target=worker.run, args=(self._stop,))
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(30)
            assert not self._thread.is_alive()

    def ring(self, *bodies: object) -> None:
        self.queue.send([Outgoing(n, str(body)) for n, body in enumerate(bodies)], deadline_s=5)

    def a_rung_job(self, **changes: Any) -> Any:
        job_id = a_job(self.conn, **changes)
        self.ring(f'{{"jobId": "{job_id}"}}')
        return job_id

    def status(self, job_id: Any) -> str:
        return str(row(self.conn, job_id).status)

    def until(self, job_id: Any, status: str) -> None:
        eventually(lambda: self.status(job_id) == status, what=f"{job_id} is {status}")

    def _render(self, request: RenderRequest, *, deadline_s: float, on_progress: Callable[[Progress], None],
                cancel: threading.Event, on_cost: Callable[[Cost], object]) -> tuple[RenderedFile, ...]:  # fmt: skip
        assert deadline_s > 0
        if self.cost is not None:
            on_cost(self.cost)
        on_progress(Progress("working", 1))
        self.script(request, cancel)
        path = request.scratch / "calendar.csv"
        path.write_text("day\n2026-01-01\n")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return (RenderedFile(path.name, Format.CSV, path, "text/csv", path.stat().st_size, digest, 1, self.warnings),)


def until(release: threading.Event) -> Script:
    def work(_request: RenderRequest, _cancel: threading.Event) -> None:
        assert release.wait(30)

    return work


def until_cancelled(_request: RenderRequest, cancel: threading.Event) -> None:
    assert cancel.wait(30)
    raise RenderCancelled


@pytest.fixture
def bench(engine: Engine, conn: Connection, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(engine, conn, tmp_path)
    yield bench
    bench.stop()
    assert broken(conn, at_rest=False) == {}
    assert broken_files(conn, bench.artifacts) == []


def test_a_doorbell_becomes_a_report_and_the_message_goes(bench: Bench) -> None:
    jobs = [bench.a_rung_job() for _ in range(12)]
    bench.start()

    for job_id in jobs:
        bench.until(job_id, "SUCCESS")
    eventually(lambda: not bench.queue.bodies(), what="the queue is empty")


def test_a_job_tells_what_its_last_attempt_has_used_and_so_does_a_metric(bench: Bench) -> None:
    def fail(_request: RenderRequest, _cancel: threading.Event) -> None:
        raise ReportError("boom", "it broke", retryable=False)

    counted = metrics.ATTEMPT_CPU_SECONDS.labels("calendar")._value.get()
    bench.cost = Cost(1.25, 96, 2_000, 3_000)
    made = bench.a_rung_job(max_attempts=1)
    bench.start()
    bench.until(made, "SUCCESS")
    bench.script = fail
    failed = bench.a_rung_job(max_attempts=1)
    bench.until(failed, "FAILED")

    cost = {"cpuSeconds": 1.25, "peakMemoryMb": 96, "bytesRead": 2_000, "bytesWritten": 3_000}
    assert row(bench.conn, made).result["cost"] == cost
    assert row(bench.conn, failed).error["cost"] == cost
    assert metrics.ATTEMPT_CPU_SECONDS.labels("calendar")._value.get() == pytest.approx(counted + 2.5)


def test_the_row_of_a_job_tells_where_its_files_are(bench: Bench) -> None:
    job_id = bench.a_rung_job()
    bench.start(ARTIFACT_URL=bench.artifacts.as_uri())

    bench.until(job_id, "SUCCESS")
    result, token = row(bench.conn, job_id).result, row(bench.conn, job_id).lease_token
    assert result["location"] == f"{bench.artifacts.as_uri()}/reports/acme/{job_id}/{token}/"
    assert Path(result["uri"].removeprefix("file://")).is_file()
    assert result["uri"].startswith(result["location"])


def test_a_job_tells_what_its_reader_should_know(bench: Bench) -> None:
    warning = ReportWarning(WarningCode.LETTERS_MISSING, "calendar.csv", "no font", ("U+0634 ARABIC LETTER SHEEN",))
    bench.warnings = (warning,)
    job_id = bench.a_rung_job()
    bench.start()

    bench.until(job_id, "SUCCESS")
    found = read.get(bench.conn, job_id, Viewer("acme"))
    assert found is not None
    result = job_view(found).result
    assert result is not None
    [shown] = result.model_dump(by_alias=True)["warnings"]
    assert shown == dict(warning.as_json())
    assert shown["hint"].startswith("Add a TrueType font")


def test_copies_of_a_doorbell_make_one_report(bench: Bench) -> None:
    bench.queue.faults.copies = 5
    job_id = bench.a_rung_job()
    bench.start()

    bench.until(job_id, "SUCCESS")
    eventually(lambda: not bench.queue.bodies(), what="the copies are gone")
    assert verbs(bench.conn, job_id) == ["submit", "start", "succeed"]


def test_a_failure_that_may_pass_is_tried_again_through_the_outbox(bench: Bench) -> None:
    def fail_once(_request: RenderRequest, _cancel: threading.Event) -> None:
        bench.script = lambda _r, _c: None
        raise ReportError("source_unavailable", "gone", retryable=True)

    bench.script = fail_once
    job_id = bench.a_rung_job()
    bench.start()

    bench.until(job_id, "PENDING")
    eventually(lambda: verbs(bench.conn, job_id) == ["submit", "start", "retry"])
    assert bench.conn.execute(text("SELECT count(*) FROM outbox_retry")).scalar_one() == 1
    eventually(lambda: not bench.queue.bodies(), what="the spent doorbell is gone")
    bench.conn.execute(text("UPDATE jobs SET run_at = clock_timestamp()"))
    bench.ring(f'{{"jobId": "{job_id}"}}')
    bench.until(job_id, "SUCCESS")


def test_a_failure_for_good_ends_the_job_with_its_code(bench: Bench) -> None:
    def fail(_request: RenderRequest, _cancel: threading.Event) -> None:
        raise ReportError("row_limit_exceeded", "too many", retryable=False, hint="narrow it")

    bench.script = fail
    job_id = bench.a_rung_job()
    bench.start()

    bench.until(job_id, "FAILED")
    assert row(bench.conn, job_id).error == {
        "code": "row_limit_exceeded", "message": "too many", "retryable": False, "hint": "narrow it",
    }  # fmt: skip


def test_an_unexpected_error_tells_the_client_nothing_of_the_inside(bench: Bench) -> None:
    def fail(_request: RenderRequest, _cancel: threading.Event) -> None:
        raise ZeroDivisionError("password=hunter2")

    bench.script = fail
    job_id = bench.a_rung_job(max_attempts=1)
    bench.start()

    bench.until(job_id, "FAILED")
    assert "hunter2" not in str(row(bench.conn, job_id).error)


def test_the_heartbeat_keeps_a_long_attempt_alive(bench: Bench) -> None:
    release = threading.Event()
    bench.script = until(release)
    job_id = bench.a_rung_job()
    bench.start()
    bench.until(job_id, "PROCESSING")
    first = row(bench.conn, job_id).lease_until

    eventually(lambda: row(bench.conn, job_id).lease_until > first, what="the lease is renewed")
    assert row(bench.conn, job_id).progress["phase"] == "working"
    release.set()
    bench.until(job_id, "SUCCESS")


def test_a_running_job_is_cancelled_on_the_heartbeat(bench: Bench) -> None:
    bench.script = until_cancelled
    job_id = bench.a_rung_job()
    bench.start()
    bench.until(job_id, "PROCESSING")

    cancel.cancel(bench.conn, job_id, Viewer("acme"))

    bench.until(job_id, "CANCELLED")


def test_a_lost_lease_stops_the_work_and_writes_nothing(bench: Bench) -> None:
    stopped = threading.Event()

    def work(request: RenderRequest, cancel: threading.Event) -> None:
        cancel.wait(30)
        stopped.set()
        raise RenderCancelled

    bench.script = work
    job_id = bench.a_rung_job()
    bench.start()
    bench.until(job_id, "PROCESSING")
    before = metrics.LEASES_LOST._value.get()
    # Another worker takes the job over, as it may once the lease has run out.
    bench.conn.execute(
        text("UPDATE jobs SET lease_token = gen_random_uuid(), verb = 'start', version = version + 1, worker = 'w2'")
    )

    assert stopped.wait(30)
    eventually(lambda: metrics.LEASES_LOST._value.get() == before + 1)
    assert row(bench.conn, job_id).worker == "w2"


def test_a_locked_row_delays_its_own_job_only(bench: Bench, engine: Engine) -> None:
    """Somebody forgot a transaction: the others' leases are renewed and their outcomes are written."""
    releases = {name: threading.Event() for name in ("a", "b")}
    jobs: dict[Any, str] = {}

    def work(request: RenderRequest, _cancel: threading.Event) -> None:
        name = jobs.get(request.job_id)
        assert name is None or releases[name].wait(60)

    bench.script = work
    a, b = (a_job(bench.conn) for _ in range(2))
    jobs |= {str(a): "a", str(b): "b"}
    bench.ring(f'{{"jobId": "{a}"}}', f'{{"jobId": "{b}"}}')
    bench.start()
    for job_id in (a, b):
        bench.until(job_id, "PROCESSING")
    with transactional(engine).connect() as forgotten:
        forgotten.execute(text("SELECT FROM jobs WHERE id = :id FOR UPDATE"), {"id": a})
        releases["a"].set()
        before = row(bench.conn, b).lease_until
        eventually(lambda: row(bench.conn, b).lease_until > before, what="the other lease is renewed", within_s=8)
        later = [bench.a_rung_job() for _ in range(3)]
        releases["b"].set()
        for job_id in (b, *later):
            eventually(lambda job_id=job_id: bench.status(job_id) == "SUCCESS", within_s=8)  # type: ignore[misc]
        assert bench.status(a) == "PROCESSING"
        forgotten.rollback()

    bench.until(a, "SUCCESS")
    assert [row(bench.conn, job_id).crashes for job_id in (a, b, *later)] == [0] * 5


def test_a_lease_that_its_own_worker_has_just_ended_is_no_alarm(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The renewal's answer crosses the finisher's."""
    written, noticed = threading.Event(), threading.Event()
    before = metrics.LEASES_LOST._value.get()
    renew = lease.renew

    def renew_after_the_end(*arguments: Any, **named: Any) -> Any:
        assert written.wait(30)
        renewal = renew(*arguments, **named)
        if renewal.lost:
            noticed.set()
        return renewal

    def let_go_late(self: Finisher, batch: Any) -> None:
        written.set()
        assert noticed.wait(30)
        let_go(self, batch)

    let_go = Finisher._let_go
    monkeypatch.setattr(heartbeat, "renew", renew_after_the_end)
    monkeypatch.setattr(Finisher, "_let_go", let_go_late)
    job_id = bench.a_rung_job()
    bench.start()
    bench.until(job_id, "SUCCESS")
    assert noticed.wait(30)
    bench.stop()

    assert metrics.LEASES_LOST._value.get() == before
    assert "job.lease_lost" not in caplog.text


def test_a_stop_within_the_grace_finishes_the_work(bench: Bench) -> None:
    begun, release = threading.Event(), threading.Event()

    def work(_request: RenderRequest, _cancel: threading.Event) -> None:
        begun.set()
        assert release.wait(30)

    bench.script = work
    job_id = bench.a_rung_job()
    bench.start(WORKER_GRACE_S=30)
    # PROCESSING would be too early: before the worker holds the job, a stop gives it back.
    assert begun.wait(30)
    bench._stop.set()
    release.set()

    bench.stop()
    assert bench.status(job_id) == "SUCCESS"


def test_a_stop_in_the_middle_of_a_start_gives_the_work_back_uncharged(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row says PROCESSING, and the worker does not hold the job yet: it must not leave."""

    def start_slowly(*arguments: Any, **named: Any) -> Any:
        result = lease.start(*arguments, **named)
        bench._stop.set()
        assert bench._thread is not None
        bench._thread.join(1)  # a worker that waits for nothing has left by then
        assert bench._thread.is_alive()
        return result

    monkeypatch.setattr(intake, "start", start_slowly)
    bench.script = until_cancelled
    job_id = bench.a_rung_job()
    bench.start()
    bench.until(job_id, "PROCESSING")
    bench.stop()

    assert (bench.status(job_id), row(bench.conn, job_id).attempt, row(bench.conn, job_id).crashes) == ("PENDING", 0, 0)
    assert "give_back" in verbs(bench.conn, job_id)


def test_a_thread_that_never_ends_does_not_hold_the_stop_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    release, reached = threading.Event(), threading.Event()

    def stuck(_: Acknowledgements) -> int:
        reached.set()
        return int(release.wait(60))

    monkeypatch.setattr(Acknowledgements, "run_once", stuck)
    bench.start()
    assert reached.wait(30)

    bench.stop()
    release.set()


def test_a_stop_beyond_the_grace_gives_the_work_back_uncharged(bench: Bench) -> None:
    bench.script = until_cancelled
    job_id = bench.a_rung_job()
    bench.start()
    bench.until(job_id, "PROCESSING")

    bench.stop()

    job = row(bench.conn, job_id)
    assert (job.status, job.attempt) == ("PENDING", 0)
    assert verbs(bench.conn, job_id)[-1] == "give_back"


@pytest.mark.parametrize(
    ("body", "problem"),
    [("not json", "malformed"), ("[]", "malformed"), ("{}", "foreign"), ('{"jobId": 5}', "foreign"),
     ('{"jobId": "x"}', "foreign"), ('{"Records": []}', "foreign"), ("[" * 100_000, "malformed")],
)  # fmt: skip
def test_nonsense_ends_in_the_dead_letter_queue_and_the_worker_lives(bench: Bench, body: str, problem: str) -> None:
    before = metrics.DEAD_LETTERED.labels(problem)._value.get()
    bench.ring(body)
    job_id = bench.a_rung_job()
    bench.start()

    bench.until(job_id, "SUCCESS")
    eventually(lambda: len(bench.queue.dead) == 1, what="the message was put aside")
    assert bench.queue.dead[0].headers["todoke-reason"] == problem
    assert metrics.DEAD_LETTERED.labels(problem)._value.get() == before + 1


def test_a_doorbell_for_an_unknown_job_is_looked_at_again_later_and_then_put_aside(bench: Bench) -> None:
    clock = [0.0]
    bench.queue = InMemoryQueue(clock=lambda: clock[0])
    bench.ring('{"jobId": "00000000-0000-7000-8000-000000000000"}')
    bench.start()

    def hidden_after(tries: int) -> bool:
        message = bench.queue._box.messages[0]
        return message.receives == tries and message.visible_at == clock[0] + 5 * 2**tries

    for tries in range(1, 5):
        eventually(lambda tries=tries: hidden_after(tries), what=f"after {tries} tries it is hidden for a while")  # type: ignore[misc]
        assert bench.queue.dead == []
        clock[0] += 10_000

    eventually(lambda: len(bench.queue.dead) == 1)


def test_a_doorbell_of_a_running_job_is_dropped(bench: Bench) -> None:
    job_id = a_job(bench.conn)
    started(bench.conn, job_id, worker="another")
    bench.ring(f'{{"jobId": "{job_id}"}}')
    bench.start()

    eventually(lambda: not bench.queue.bodies())
    assert row(bench.conn, job_id).worker == "another"


def test_a_worker_starts_no_job_of_what_is_paused_and_no_more_than_a_cap_lets(bench: Bench) -> None:
    release = threading.Event()
    bench.script = until(release)
    caps.set_cap(bench.conn, Gate(Kind.TENANT, "acme"), 1)
    pauses.pause(bench.conn, Gate(Kind.TENANT, "globex"), reason="", by="ann")
    capped = [bench.a_rung_job() for _ in range(3)]
    paused = bench.a_rung_job(tenant="globex")
    free = bench.a_rung_job(tenant="initech")
    bench.start()
    bench.until(free, "PROCESSING")
    eventually(lambda: count(bench.conn, "held") == 3, what="the others are held")
    eventually(lambda: len(bench.queue.bodies()) == 2, what="and their messages are gone")

    assert sorted(bench.status(job_id) for job_id in capped) == ["PENDING", "PENDING", "PROCESSING"]
    assert bench.status(paused) == "PENDING"
    release.set()


def test_a_start_that_cannot_be_admitted_now_is_looked_at_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object, **__: object) -> Admission:
        raise OperationalError("admission.look", {}, Exception("gone"))

    monkeypatch.setattr("services.worker.intake.admit", away)
    caps.set_cap(bench.conn, Gate(Kind.TENANT, "acme"), 1)
    job_id, free = bench.a_rung_job(), bench.a_rung_job(tenant="initech")
    bench.start()
    bench.until(free, "SUCCESS")
    eventually(lambda: "jobs.not_admitted" in caplog.text, what="it says so")
    monkeypatch.undo()

    bench.until(job_id, "SUCCESS")


def test_nothing_is_prefetched(bench: Bench) -> None:
    release = threading.Event()
    bench.script = until(release)
    jobs = [bench.a_rung_job() for _ in range(6)]
    bench.start(WORKER_SLOTS=2)
    eventually(lambda: [bench.status(j) for j in jobs].count("PROCESSING") == 2)

    assert bench.queue.depth().visible == 4
    release.set()
    for job_id in jobs:
        bench.until(job_id, "SUCCESS")


def test_while_the_queue_deletes_more_slowly_than_jobs_end_nothing_is_received(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused, deleting = threading.Event(), threading.Event()
    monkeypatch.setattr("services.worker.acknowledgements.MOST_WAITING", 2)
    monkeypatch.setattr("services.worker.acknowledgements.THREADS", 1)
    pause = pollers.Pollers._pause

    def pausing(self: pollers.Pollers) -> None:
        paused.set()
        pause(self)

    monkeypatch.setattr(pollers.Pollers, "_pause", pausing)
    delete = bench.queue.delete
    monkeypatch.setattr(bench.queue, "delete", lambda receipts: deleting.wait(30) and delete(receipts))
    jobs = [bench.a_rung_job() for _ in range(50)]

    bench.start()
    assert paused.wait(60)
    assert bench.queue.depth().visible > 20, "the others are left to other workers"
    deleting.set()

    for job_id in jobs:
        bench.until(job_id, "SUCCESS")
    eventually(lambda: bench.queue.depth() == Depth(0, 0, 0), what="all messages are gone")


def test_a_doorbell_names_its_job() -> None:
    job_id, _ = read_doorbell('{"jobId": "01a20af6-4b02-7e60-8370-4b6929daa337", "more": 1}')

    assert str(job_id) == "01a20af6-4b02-7e60-8370-4b6929daa337"
