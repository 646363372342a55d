"""Any order of submissions, starts, heartbeats, ends, cancellations and sweeps, on PostgreSQL and the model at once."""

from collections import Counter
from typing import Any
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs import cancel, finish, lease, pauses, submit, sweep
from shared.jobs.artifacts import Artifact
from shared.jobs.attempt_end import Outcomes
from shared.jobs.finish import Cause, Failure, GivenBack
from shared.jobs.gates import Gate, Kind
from shared.jobs.lease import Beat, Lease
from shared.jobs.states import JobStatus
from shared.jobs.submission import Accepted, Capped, IdempotencyKeyReused, Submission
from shared.jobs.succeed import Success, succeed
from shared.jobs.viewer import Viewer
from shared.jobs.walk import START
from tests.protocol.stateful.model import MAX_ATTEMPTS, MAX_CRASHES, PENDING, PROCESSING, Job
from tests.support.jobs import a_submission, expire_lease, pass_time
from tests.support.promises import broken

_GATE = Gate(Kind.REPORT_TYPE, "calendar")
_SOON_S, _LATER_S, _TOO_LATE_S = 0.0, 60.0, 7200.0
"""Delays of a next try. The deadline is in an hour."""
_KEYS = st.sampled_from([None, None, "a", "b"])
_REQUESTS = st.sampled_from(["2026-01-01", "2026-01-02"])


class Protocol(RuleBasedStateMachine):
    """The statements of shared.jobs, one after another in any order; each answer and each row is compared."""

    jobs: Bundle[UUID] = Bundle("jobs")
    leases: Bundle[Lease] = Bundle("leases")

    def __init__(self, conn: Connection) -> None:
        super().__init__()
        self.conn = conn
        self.model: dict[UUID, Job] = {}
        self.keys: dict[str, Submission] = {}
        self.changed: set[UUID] = set()
        self.paused = False

    @initialize()
    def empty(self) -> None:
        """Nobody has asked for anything yet."""
        self.conn.execute(
            text("TRUNCATE jobs, job_transitions, outbox, outbox_retry, artifacts, idempotency_keys, failures, "
                 "job_labels, erasures, held, pauses")
        )  # fmt: skip

    @rule(target=jobs, key=_KEYS, request=_REQUESTS, twice=st.booleans())
    def ask(self, key: str | None, request: str, twice: bool) -> Any:
        """A client submits, perhaps in two copies of one request in one commit."""
        # of two with one key, the one with the smaller id makes the job
        asked = sorted((self._submission(key, request) for _ in range(2 if twice else 1)), key=lambda s: s.id)
        answers = submit.submit(self.conn, asked)
        return multiple(*[job for s, a in zip(asked, answers, strict=True) for job in self._answered(s, a)])

    @rule(target=jobs, key=_KEYS, request=_REQUESTS)
    def ask_again(self, key: str | None, request: str) -> Any:
        """The reply to a commit was lost, and the API sends the same rows again."""
        asked = self._submission(key, request)
        first = submit.submit(self.conn, [asked])
        assert repr(submit.submit(self.conn, [asked])) == repr(first)
        return multiple(*self._answered(asked, first[0]))

    def _submission(self, key: str | None, request: str) -> Submission:
        return a_submission(
            idempotency_key=key, parameters={"from": request}, max_attempts=MAX_ATTEMPTS, max_crashes=MAX_CRASHES
        )

    def _answered(self, asked: Submission, answer: Accepted | IdempotencyKeyReused | Capped) -> list[UUID]:
        """Hold the answer to what the key has seen before. Returns the job, if there is one now."""
        first = asked if asked.idempotency_key is None else self.keys.setdefault(asked.idempotency_key.text, asked)
        if first.idempotency_key != asked.idempotency_key:
            assert isinstance(answer, IdempotencyKeyReused)
            return []
        assert isinstance(answer, Accepted)
        assert answer[:3] == (first.id, first is asked, first.report_type)
        assert answer.status == (self.model[first.id].status if first.id in self.model else "PENDING")
        self.model.setdefault(first.id, Job(first.id))
        self.changed.add(first.id)
        return [first.id]

    @rule(target=leases, some=st.lists(jobs, min_size=1, max_size=3, unique=True), stranger=st.booleans())
    def start(self, some: list[UUID], stranger: bool) -> Any:
        """A worker takes what a batch of doorbells names."""
        unknown = {uuid4()} if stranger else set()
        result = lease.start(self.conn, [*some, *unknown], worker="w", lease_s=60)
        startable = {j for j in some if self.model[j].can_start(paused=self.paused)}
        assert {s.lease.job_id for s in result.started} == startable
        assert result.unknown == unknown
        assert not result.contended
        for job_id in set(some) - startable:
            assert job_id in getattr(result, self.model[job_id].place(paused=self.paused))
        for started in result.started:
            self._job(started.lease.job_id).start(started.lease.token)
            assert started.attempt == self.model[started.lease.job_id].attempt
        return multiple(*[s.lease for s in result.started])

    @rule(held=leases, progress=st.booleans())
    def renew(self, held: Lease, progress: bool) -> None:
        """A heartbeat, of a holder or of one that was."""
        told = lease.renew(self.conn, [Beat(held, {"phase": "working", "rows": 1} if progress else None)], lease_s=60)
        job = self._job(held.job_id)
        kept = job.renew(held.token, progress=progress)
        assert (held in told.lost) is not kept
        assert (held in told.cancel_requested) is (kept and job.cancel_asked)

    @rule(held=leases)
    def succeed(self, held: Lease) -> None:
        """An attempt made its report."""
        file = Artifact("r.csv", "csv", "text/csv", 1, "0" * 64, 1)
        told = succeed(self.conn, [Success(held, [file], seconds=1)])
        self._ended(held, told, self._job(held.job_id).succeed(held.token))

    @rule(held=leases, retryable=st.booleans(), delay_s=st.sampled_from([_SOON_S, _LATER_S, _TOO_LATE_S]))
    def fail(self, held: Lease, retryable: bool, delay_s: float) -> None:
        """An attempt did not."""
        told = finish.fail(self.conn, [Failure(held, "boom", "boom", retryable=retryable, delay_s=delay_s)])
        expected = self._job(held.job_id).fail(
            held.token,
            retryable=retryable,
            soon=delay_s == _SOON_S,
            in_time=delay_s < _TOO_LATE_S,
            paused=self.paused,
        )
        self._ended(held, told, expected)

    @rule(held=consumes(leases), cause=st.sampled_from([None, "scratch_full"]))
    def give_back(self, held: Lease, cause: str | None) -> None:
        """A worker leaves, or is sick."""
        told = finish.give_back(self.conn, [GivenBack(held, Cause(cause, "", "") if cause else None)])
        self._ended(held, told, self._job(held.job_id).give_back(held.token, cause))

    @rule(held=leases)
    def cancel_held(self, held: Lease) -> None:
        """A worker carries out a cancellation."""
        self._ended(held, finish.cancel_held(self.conn, [held]), self._job(held.job_id).cancel_held(held.token))

    def _ended(self, held: Lease, told: Outcomes, expected: JobStatus | None) -> None:
        assert told == ({} if expected is None else {held.token: expected})

    @rule(job_id=jobs)
    def cancel(self, job_id: UUID) -> None:
        """A client changes its mind."""
        assert cancel.cancel(self.conn, job_id, Viewer("acme")) is self._job(job_id).cancel()

    @rule(job_id=jobs)
    def lease_runs_out(self, job_id: UUID) -> None:
        """Time passes for a worker that is silent."""
        if self.model[job_id].status is PROCESSING:
            expire_lease(self.conn, job_id)
            self._job(job_id).lease_ran_out = True

    @rule(job_id=jobs)
    def becomes_due(self, job_id: UUID) -> None:
        """Time passes until the next try."""
        if self.model[job_id].status is PENDING:
            pass_time(self.conn, job_id, "run_at")
            self._job(job_id).due = True

    @rule(job_id=jobs)
    def ring_becomes_due(self, job_id: UUID) -> None:
        """Time passes until a doorbell must have been lost."""
        if self.model[job_id].status is PENDING:
            pass_time(self.conn, job_id, "next_ring_at")
            self._job(job_id).ring_due = True

    @rule(job_id=consumes(jobs))
    def deadline_passes(self, job_id: UUID) -> None:
        """Time passes until the job has to end."""
        if self.model[job_id].status in {PENDING, PROCESSING}:
            pass_time(self.conn, job_id, "deadline_at")
            self._job(job_id).overdue = True

    @rule(slice_size=st.sampled_from([1, 2, 10_000]))
    def expire(self, slice_size: int) -> None:
        """A sweeper walks over everything, in slices."""
        swept: dict[UUID, JobStatus] = {}
        after = START
        while True:
            one = sweep.expire(self.conn, after=after, slice_size=slice_size)
            swept.update(one.swept)
            after = one.next_after
            if after == START:
                break
        assert swept == {
            j: status for j in self.model if (status := self._job(j).expire(paused=self.paused)) is not None
        }

    @rule()
    def pause(self) -> None:
        """An operator pauses what everybody asks for, or changes the reason."""
        assert pauses.pause(self.conn, _GATE, reason="", by="ann") is not None
        self.paused = True

    @rule()
    def resume(self) -> None:
        """An operator resumes it, and a relay gives everybody the time back, in slices."""
        assert pauses.resume(self.conn, _GATE) is self.paused
        while pauses.settle_slice(self.conn, slice_size=2) is not None:
            pass
        if self.paused:
            for job_id in self.model:
                self._job(job_id).resume()
        self.paused = False

    @rule()
    def ring(self) -> None:
        """A sweeper rings again for what was lost."""
        look = sweep.overdue(self.conn)
        assert look.late is any(job.status is PENDING and job.ring_due for job in self.model.values())
        swept = sweep.ring(self.conn, heard_until=look.at).swept
        assert set(swept) == {j for j in self.model if self._job(j).ring()}

    def _job(self, job_id: UUID) -> Job:
        self.changed.add(job_id)
        return self.model[job_id]

    @invariant()
    def rows_and_history_are_the_models(self) -> None:
        """Every job that was touched, column by column and event by event."""
        touched, self.changed = list(self.changed), set()
        if not touched:
            return
        rows = self.conn.execute(
            text("SELECT id, status, version, attempt, crashes, lease_token, cancel_requested_at IS NOT NULL AS asked, "
                 "error ->> 'code' AS error FROM jobs WHERE id = ANY (:ids)"), {"ids": touched},
        )  # fmt: skip
        found = {r.id: (r.status, r.version, r.attempt, r.crashes, r.lease_token, r.asked, r.error) for r in rows}
        assert found == {
            j.id: (j.status, j.version, j.attempt, j.crashes, j.token, j.cancel_asked, j.error)
            for j in map(self.model.__getitem__, touched)
        }
        events = self.conn.execute(
            text("SELECT job_id, from_status, to_status, verb FROM job_events WHERE job_id = ANY (:ids) "
                 "ORDER BY version"), {"ids": touched},
        )  # fmt: skip
        history: dict[UUID, list[tuple[str | None, str, str]]] = {}
        for e in events:
            history.setdefault(e.job_id, []).append((e.from_status, e.to_status, e.verb))
        assert history == {j: self.model[j].history for j in touched}

    def teardown(self) -> None:
        """What must leave is there, once for each time it was owed, and no promise is broken."""
        for table, owed in (
            ("outbox", {j.id: j.doorbells for j in self.model.values()}),
            ("outbox_retry", {j.id: j.later for j in self.model.values()}),
        ):
            named = self.conn.execute(text(f"SELECT (payload::json ->> 'jobId')::uuid FROM {table}")).scalars()
            assert Counter(named) == Counter(owed)
        assert self.conn.execute(text("SELECT count(*) FROM jobs")).scalar_one() == len(self.model)
        assert broken(self.conn, at_rest=False) == {}
