"""The behaviour of a job, in plain Python: the reference for the statements on a real PostgreSQL.

Time is a matter of flags: a lease has run out or not, a deadline has passed or not. Who loses a race gets None.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from shared.jobs.cancel import CancelOutcome
from shared.jobs.states import FINAL, JobStatus, Verb

MAX_ATTEMPTS = 3
MAX_CRASHES = 2

PENDING, PROCESSING = JobStatus.PENDING, JobStatus.PROCESSING


class Place(StrEnum):
    """What `start` says of a job that it does not take."""

    FINAL = "final"
    BUSY = "busy"
    NOT_DUE = "not_due"
    GATED = "gated"


@dataclass
class Job:
    """One job."""

    id: UUID
    status: JobStatus = PENDING
    version: int = 1
    attempt: int = 0
    crashes: int = 0
    token: UUID | None = None
    cancel_asked: bool = False
    error: str | None = None
    """The code of what its last attempt met."""
    due: bool = True
    lease_ran_out: bool = False
    overdue: bool = False
    """Its deadline has passed."""
    ring_due: bool = False
    doorbells: int = 1
    """Rows that it has put into the outbox."""
    later: int = 0
    """Rows that it has put into outbox_retry."""
    history: list[tuple[JobStatus | None, JobStatus, Verb]] = field(
        default_factory=lambda: [(None, PENDING, Verb.SUBMIT)]
    )

    def _move(self, target: JobStatus, verb: Verb) -> JobStatus:
        self.history.append((self.status, target, verb))
        self.status = target
        self.version += 1
        return target

    def _back(self, verb: Verb, *, due: bool = True) -> JobStatus:
        self.token, self.due, self.ring_due = None, due, False
        return self._move(PENDING, verb)

    def holds(self, token: UUID) -> bool:
        """Whether this token may end the attempt. A lease that ran out still may, until somebody takes the job."""
        return self.status is PROCESSING and self.token == token

    def can_start(self, *, paused: bool) -> bool:
        """Whether a doorbell leads to a start."""
        if self.overdue or paused:
            return False
        if self.status is PENDING:
            return self.due
        return self.status is PROCESSING and self.lease_ran_out and self.crashes < MAX_CRASHES and not self.cancel_asked

    def place(self, *, paused: bool) -> Place:
        """Why it does not."""
        if self.status in FINAL:
            return Place.FINAL
        if paused and self.status is PENDING and self.due:
            return Place.GATED
        return Place.BUSY if self.status is PROCESSING else Place.NOT_DUE

    def start(self, token: UUID) -> None:
        """A worker takes it."""
        self.attempt += self.status is PENDING
        self.crashes += self.status is PROCESSING
        self.token, self.lease_ran_out = token, False
        self._move(PROCESSING, Verb.START)

    def renew(self, token: UUID, *, progress: bool) -> bool:
        """The holder's heartbeat."""
        if not self.holds(token):
            return False
        self.lease_ran_out = False
        self.version += progress
        return True

    def succeed(self, token: UUID) -> JobStatus | None:
        """The holder made the report."""
        if not self.holds(token):
            return None
        self.error = None
        return self._move(JobStatus.SUCCESS, Verb.SUCCEED)

    def fail(self, token: UUID, *, retryable: bool, soon: bool, in_time: bool, paused: bool) -> JobStatus | None:
        """The holder did not. `soon`: the next try is due at once. `in_time`: and before the deadline."""
        if not self.holds(token):
            return None
        self.error = "boom"
        if retryable and self.cancel_asked:
            return self._move(JobStatus.CANCELLED, Verb.CANCEL)
        if retryable and self.attempt < MAX_ATTEMPTS and (paused or (in_time and not self.overdue)):
            self.later += 1
            return self._back(Verb.RETRY, due=soon)
        return self._move(JobStatus.FAILED, Verb.FAIL)

    def give_back(self, token: UUID, cause: str | None) -> JobStatus | None:
        """The holder leaves, or cannot work for a cause of its own: nothing is charged."""
        if not self.holds(token):
            return None
        self.error = cause or self.error
        self.attempt -= 1
        if self.cancel_asked:
            self.token = None
            return self._move(JobStatus.CANCELLED, Verb.CANCEL)
        self.doorbells += 1
        return self._back(Verb.GIVE_BACK)

    def cancel_held(self, token: UUID) -> JobStatus | None:
        """The holder carries out the client's wish."""
        if not self.holds(token) or not self.cancel_asked:
            return None
        return self._move(JobStatus.CANCELLED, Verb.CANCEL)

    def cancel(self) -> CancelOutcome:
        """The client's wish."""
        if self.status in FINAL:
            before = self.status is JobStatus.CANCELLED
            return CancelOutcome.CANCELLED_BEFORE if before else CancelOutcome.TOO_LATE
        self.cancel_asked = True
        if self.status is PROCESSING:
            self.version += 1
            return CancelOutcome.REQUESTED
        self._move(JobStatus.CANCELLED, Verb.CANCEL)
        return CancelOutcome.CANCELLED

    def resume(self) -> None:
        """A pause is over: it has its time back, and its doorbell rings, because it may have been thrown away."""
        if self.status in FINAL:
            return
        self.version += 1
        self.doorbells += self.status is PENDING and self.due

    def expire(self, *, paused: bool) -> JobStatus | None:
        """The sweeper looks at it. The deadlines of what is paused stand still."""
        lost = self.status is PROCESSING and self.lease_ran_out
        overdue = self.overdue and not paused
        if not lost and not (self.status is PENDING and overdue):
            return None
        spent = self.crashes >= MAX_CRASHES
        self.crashes += lost
        self.error = "deadline_exceeded" if overdue else "worker_lost" if spent else "lease_expired"
        if self.cancel_asked:
            return self._move(JobStatus.CANCELLED, Verb.EXPIRE)
        if overdue or spent:
            return self._move(JobStatus.FAILED, Verb.EXPIRE)
        self.attempt -= 1
        self.doorbells += 1
        return self._back(Verb.EXPIRE)

    def ring(self) -> bool:
        """The sweeper rings again."""
        rung = self.status is PENDING and self.ring_due
        self.doorbells += rung
        self.ring_due = self.ring_due and not rung
        return rung
