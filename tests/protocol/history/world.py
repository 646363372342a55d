"""The product's own parts in one process, step by step: a test decides who moves, who dies and when time passes."""

import contextlib
import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from services.api.v1.views import job_view
from services.relay.publisher import Publisher
from services.worker.acknowledgements import Acknowledgements
from services.worker.attempt import Attempts
from services.worker.cooldown import Cooldown
from services.worker.finisher import Finisher
from services.worker.heartbeat import Heartbeat
from services.worker.held import Held, StopReason
from services.worker.in_flight import InFlight
from services.worker.intake import Intake
from services.worker.pollers import Pollers
from services.worker.scratch import Scratch
from shared.artifacts.disk import DiskStore
from shared.catalog.model import Format
from shared.database.engine import transactional
from shared.jobs import cancel, read, submit
from shared.jobs.artifacts import artifacts_of
from shared.jobs.cancel import CancelOutcome
from shared.jobs.submission import Accepted
from shared.jobs.viewer import Viewer
from shared.queues.interface import Outgoing, SendResult
from shared.reports.interface import Progress, RenderCancelled, RenderedFile, RenderRequest
from shared.reports.manifest import write_manifest
from tests.protocol.history.workers_log import WorkersLog
from tests.support.history.checker import Verdict, check
from tests.support.history.facts import Asked, Cancelled, History, Kept, Locked, Rang, Shown
from tests.support.history.gather import read_store, read_tables
from tests.support.jobs import a_submission
from tests.support.relay import a_publisher, a_sweeper
from tests.support.sqs.double import InMemoryQueue
from tests.support.worker import worker_parts

LEASE_S = 60.0
_NEVER_S = 1e6
"""A second doorbell would hide a lost first one; in these scenarios nobody waits long enough to ring it."""

_AT_ONCE_S = 1e-9
"""Each beat renews all that is held, whenever it comes."""

_STATUS = {
    CancelOutcome.CANCELLED: 200, CancelOutcome.CANCELLED_BEFORE: 200,
    CancelOutcome.REQUESTED: 202, CancelOutcome.TOO_LATE: 409,
}  # fmt: skip

Script = Callable[[RenderRequest], None]


class Died(BaseException):
    """The process ends here: no handler of the product's catches this."""


class LoggedQueue(InMemoryQueue):
    """Remembers what it accepted."""

    def __init__(self, history: History, *, clock: Callable[[], float]) -> None:
        super().__init__(clock=clock)
        self._history = history
        self.broken_by: BaseException | None = None
        """Raised by the next send."""

    def send(self, messages: Sequence[Outgoing], *, deadline_s: float) -> SendResult:
        """See `Queue.send`."""
        if self.broken_by is not None:
            error, self.broken_by = self.broken_by, None
            raise error
        sent = super().send(messages, deadline_s=deadline_s)
        self._history.rang = self._history.rang or []
        self._history.rang += [Rang(m.body, time.time()) for m in messages if m.key in sent.accepted]
        return sent


class World:
    """A database, a queue, a store, any number of workers, and clients who write everything down."""

    def __init__(self, engine: Engine, publishing: Engine, folder: Path) -> None:
        self.engine = engine
        self.conn: Connection = engine.connect()
        self.folder = folder
        self.history = History(rang=[])
        self.skipped_s = 0.0
        self.queue = LoggedQueue(self.history, clock=lambda: time.monotonic() + self.skipped_s)
        self.store = DiskStore(folder / "artifacts")
        self.sweeps = True
        self.before_the_sweep: Callable[[], None] = lambda: None
        """What happens a moment before the sweeper acts."""
        self._publishing = publishing
        self.relay = self.new_relay()
        self._sweeper = a_sweeper(engine, self.queue, JOB_RING_AFTER_S=_NEVER_S)
        self._log = WorkersLog(self.history)
        logging.getLogger("services.worker").addHandler(self._log)
        logging.getLogger("services.worker").setLevel(logging.INFO)

    def close(self) -> None:
        """Forget the world."""
        logging.getLogger("services.worker").removeHandler(self._log)
        self.conn.close()

    def submit(self, key: str | None = None, *, conn: Connection | None = None, **changes: Any) -> UUID | None:
        """Ask for a report, and write the answer down. None when there was none, or a refusal."""
        submission = a_submission(idempotency_key=key, **changes)
        asked, sent_at = json.dumps(submission.parameters), time.time()
        status, job_id = None, None
        with contextlib.suppress(Died):
            (answer,) = submit.submit(conn or self.conn, [submission], ring_after_s=_NEVER_S)
            status, job_id = (202, answer.job_id) if isinstance(answer, Accepted) else (422, None)
        self.history.asked.append(Asked(asked, key, status, job_id, sent_at, time.time()))
        return job_id

    def a_job(self, **changes: Any) -> UUID:
        """An accepted job whose doorbell is in the queue."""
        job_id = self.submit(**changes)
        assert job_id is not None
        self.publish()
        return job_id

    def look(self, job_id: UUID) -> Shown:
        """GET it."""
        sent_at = time.time()
        job = read.get(self.conn, job_id, Viewer("acme"))
        assert job is not None
        artifacts = artifacts_of(self.conn, [job], tenant="acme").get(job_id, ())
        body = job_view(job, artifacts).model_dump_json(by_alias=True)
        shown = Shown(job_id, job.version, job.status, body, sent_at, time.time())
        self.history.shown.append(shown)
        return shown

    def cancel(self, job_id: UUID) -> None:
        """Ask to cancel it."""
        sent_at = time.time()
        outcome = cancel.cancel(self.conn, job_id, Viewer("acme"))
        self.history.cancelled.append(Cancelled(job_id, _STATUS.get(outcome), sent_at))

    def new_relay(self) -> Publisher:
        """A relay process that has just started."""
        self._publishing.dispose()
        self.relay = a_publisher(self._publishing, self.queue)
        return self.relay

    def publish(self) -> None:
        """The relay sends what there is."""
        while self.relay.run_once():
            pass

    def sweep(self) -> None:
        """One pass of the sweeper, if there is one."""
        if self.sweeps:
            self.before_the_sweep()
            self._sweeper.run_once()

    def worker(self, name: str) -> "Hand":
        """A worker process that has just started."""
        return Hand(self, name)

    def leases_run_out(self) -> None:
        """Time passes until every lease has run out and every hidden message is visible again."""
        self.skipped_s += 10 * LEASE_S
        self.conn.execute(text("UPDATE jobs SET lease_until = clock_timestamp() - interval '1 s' "
                               "WHERE lease_until IS NOT NULL"))  # fmt: skip

    @contextlib.contextmanager
    def locked(self, job_id: UUID) -> Iterator[None]:
        """Somebody has begun a transaction, locked this job's row, and gone away for a while."""
        with transactional(self.engine).connect() as forgotten:
            forgotten.execute(text("SELECT FROM jobs WHERE id = :id FOR UPDATE"), {"id": job_id})
            since = time.time()
            yield
            self.history.locked.append(Locked(job_id, since, time.time()))
            forgotten.rollback()

    def verdict(self) -> Verdict:
        """Let the system come to rest, with time for leases and retries and a healthy worker, then judge."""
        for turn in range(8):
            self.leases_run_out()
            self.conn.execute(text("UPDATE outbox_retry SET due_at = clock_timestamp() - interval '1 s'"))
            self.conn.execute(text("UPDATE jobs SET run_at = clock_timestamp() - interval '1 s' "
                                   "WHERE status = 'PENDING'"))  # fmt: skip
            self.sweep()
            self.relay._due_at = 0.0  # the same relay: a new one's floor would begin anew, and heal what it passed
            self.relay._turns._probe_at = self.relay._turns._look_at = 0.0
            self.publish()
            with contextlib.suppress(Died):
                self.worker(f"healthy-{turn}").work_all()
        return self.judge()

    def judge(self) -> Verdict:
        """Ask the checker, as things stand."""
        for shown in {s.job_id for s in self.history.shown}:
            self.look(shown)
        read_tables(self.conn, self.history)
        read_store(self.folder / "artifacts", self.history)
        return check(self.history)


class Hand:
    """A worker's parts without its threads."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self.name = name
        self.held: list[Held] = []
        self.script: Script = lambda _request: None
        parts = worker_parts(
            world.engine, world.queue, world.folder, render=self._render, store=world.store, name=name,
            WORKER_LEASE_S=LEASE_S, WORKER_HEARTBEAT_S=_AT_ONCE_S, WORKER_POLL_S=0, WORKER_RETRY_BASE_S=0.01,
            JOB_RING_AFTER_S=_NEVER_S,
        )  # fmt: skip
        stop, in_flight = threading.Event(), InFlight(slots=10)
        self._acknowledgements = Acknowledgements(parts.queue)
        self._finisher = Finisher(parts, in_flight, self._acknowledgements)
        self._heartbeat = Heartbeat(parts, in_flight)
        cooldown = Cooldown()
        self._intake = Intake(parts, in_flight, self.held.extend, cooldown, stop=stop)
        self._pollers = Pollers(parts, in_flight, self._intake, stop=stop, behind=lambda: False)
        self._attempts = Attempts(parts, cooldown, Scratch(parts.settings.scratch, parts.engine))

    def receive(self) -> "Hand":
        """Take what the queue has, and start it."""
        while self._pollers.run_once():
            self._intake.run_once()
        return self

    def work(self) -> "Hand":
        """Make the reports of everything held, up to and without the write that ends each attempt."""
        for held in self.held:
            self._finisher.add([(held, self._attempts.run(held))])
        return self

    def finish(self) -> None:
        """Write how the attempts ended, and delete their messages. What was put off is tried again at once."""
        self._finisher._try_locked_at = 0.0
        self._finisher.run_once()
        self._acknowledgements.flush()
        self.held.clear()

    def work_all(self) -> None:
        """Receive, work, finish."""
        if self.receive().held:
            self.work().finish()

    def beat(self, rows: int | None = None) -> None:
        """Renew what is held, showing progress or not, and write down what the heartbeat was told."""
        asked_at = time.time()
        for held in self.held:
            if rows is not None:
                held.show(Progress("working", rows))
        self._heartbeat.run_once()
        told = [h.lease for h in self.held if h.stop_reason is not StopReason.LOST]
        self._world.history.kept += [Kept(lease.job_id, lease.token, asked_at) for lease in told]

    def shut_down(self) -> "Hand":
        """The grace is over: what is held is to be given back."""
        for held in self.held:
            held.ask_to_stop(StopReason.SHUTDOWN)
        return self

    def cancelled(self) -> "Hand":
        """The client's wish has reached the worker."""
        for held in self.held:
            held.ask_to_stop(StopReason.CANCEL)
        return self

    def _render(self, request: RenderRequest, *, deadline_s: float, on_progress: Callable[[Progress], None],
                cancel: threading.Event, **_: object) -> Sequence[RenderedFile]:  # fmt: skip
        del deadline_s, on_progress
        if cancel.is_set():
            raise RenderCancelled("asked to stop")
        self.script(request)
        path = request.scratch / "calendar.csv"
        path.write_text(f"made by\n{self.name}\n")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files = (RenderedFile(path.name, Format.CSV, path, "text/csv", path.stat().st_size, digest, 1),)
        write_manifest(request, files, 1, {}, {})
        return files
