"""Rules about faults that are not the job's: a sick worker, a locked row, an older catalog."""

import json
from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

from shared.jobs.states import JobStatus, Verb
from tests.support.history.facts import Event, History, Met
from tests.support.history.rules_jobs import Finding

# By their names on the wire, and not from the product's own table, which a mistake could shorten.
_STORE = "artifact_store_unavailable"
_SICK = {"scratch_full", "scratch_unusable", "worker_exhausted", _STORE, "source_missing", "report_type_missing",
         "report_type_differs", "option_unknown", "password_not_readable"}  # fmt: skip
"""Causes that lie with the worker."""
_NOT_VALID = "parameters_no_longer_valid"
"""The job's own fault, unless it was accepted with a version that its worker does not have."""
_DEADLINE = "deadline_exceeded"

_PAUSE_S, _PAUSE_OF_ALL_S, _LONGEST_PAUSE_S = 60.0, 5.0, 900.0
_CLOCK_S = 0.05
"""Two clocks of one machine, and a log's rounding, may differ by this."""


def own_faults_are_not_charged(history: History) -> Iterator[Finding]:
    """An attempt that failed because of its worker is given back, together with its number."""
    for met, start, end in _sick_attempts(history):
        if end.verb in {Verb.RETRY, Verb.FAIL}:
            yield f"{met.job_id}: {end.verb} of {met.code}, which was its worker's fault"
        elif end.source is JobStatus.PROCESSING and end.verb in {Verb.GIVE_BACK, Verb.CANCEL}:
            charged = end.attempt >= start.attempt
            yield f"{met.job_id}: attempt {end.attempt} is charged, given back of {met.code}" if charged else None
        else:
            yield None  # the lease was lost before


def own_faults_are_told(history: History) -> Iterator[Finding]:
    """A job that was given back because of its worker shows the cause."""
    causes = {(met.job_id, end.version): met.code for met, _, end in _sick_attempts(history)
              if end.verb == Verb.GIVE_BACK}  # fmt: skip
    for look in history.shown:
        cause = causes.get((look.job_id, look.version))
        if cause is not None:
            told = (json.loads(look.body).get("error") or {}).get("code")
            cause = "report_type_differs" if cause == _NOT_VALID else cause
            yield None if told == cause else f"{look.job_id} was given back of {cause}, and shows {told}"


def own_faults_end_no_job(history: History) -> Iterator[Finding]:
    """No job fails because of a worker's fault: its deadline ends it, and not before it has passed."""
    for job in history.jobs:
        if job.status is not JobStatus.FAILED:
            continue
        ended_at = history.chains[job.id][-1].at if job.id in history.chains else float("inf")
        if job.error_code in _SICK:
            yield f"{job.id} failed of {job.error_code}, which was a worker's fault"
        elif job.error_code == _DEADLINE and ended_at < job.deadline_at - _CLOCK_S:
            yield f"{job.id} ended {job.deadline_at - ended_at:.1f} s before its deadline, as {_DEADLINE}"
        else:
            yield None


def given_back_is_left_to_others(history: History) -> Iterator[Finding]:
    """A worker that gave a job back because of its own fault does not start it again for a while, longer each time."""
    by_worker: dict[tuple[str, UUID], list[Met]] = defaultdict(list)
    for met, start, end in _sick_attempts(history):
        if start.worker is not None and end.verb == Verb.GIVE_BACK:
            by_worker[start.worker, met.job_id].append(met)
    for (worker, job_id), given_back in by_worker.items():
        starts = [e.at for e in history.chains[job_id] if e.verb == Verb.START and e.worker == worker]
        pause_s = 0.0
        for met in sorted(given_back, key=lambda m: m.at):
            first_s = _PAUSE_OF_ALL_S if met.code == _STORE else _PAUSE_S
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2) or first_s
            too_soon = [at - met.at for at in starts if 0 < at - met.at < pause_s - _CLOCK_S]
            yield f"{worker} starts {job_id} again {too_soon[0]:.1f} s after it met {met.code}" if too_soon else None


def locked_rows_delay_only_their_job(history: History) -> Iterator[Finding]:
    """While one job's row is locked, no other job is taken from a live worker."""
    died: dict[str | None, list[float]] = defaultdict(list)
    for death in history.died:
        died[death.worker].append(death.at)
    for lock in history.locked:
        for start, end in history.attempts.values():
            # Where leases have durations, an earlier one may have been about to run out for another reason.
            begun = lock.since <= start.at if history.lease_s else start.at <= lock.until
            ended_at = end.at if end is not None else float("inf")
            if start.job_id == lock.job_id or not begun or start.at > lock.until or ended_at < lock.since:
                continue
            taken = end is not None and end.verb in {Verb.START, Verb.EXPIRE} and end.at <= lock.until
            alone = not any(start.at <= at <= ended_at for at in died[start.worker])
            yield f"{start.job_id} was taken from {start.worker}: {lock.job_id} was locked" if taken and alone else None


def other_catalogs_end_no_job(history: History) -> Iterator[Finding]:
    """No worker fails a job for a version of its report type that the worker does not have."""
    for start, end in history.attempts.values():
        if not _lacks_version(history, start):
            continue
        failed = end is not None and end.verb == Verb.FAIL
        code = history.job[start.job_id].error_code if start.job_id in history.job else None
        wrong = failed and code in _SICK | {_NOT_VALID}
        yield f"{start.job_id} failed of {code} at {start.worker}, which has another catalog" if wrong else None


def _sick_attempts(history: History) -> Iterator[tuple[Met, Event, Event]]:
    """Yield the failures of attempts that were not their jobs' fault, with the start and the end of each attempt."""
    for met in history.met:
        start, end = history.attempts.get(met.token, (None, None))
        if start is None or end is None:
            continue
        if met.code in _SICK or (met.code == _NOT_VALID and _lacks_version(history, start)):
            yield met, start, end


def _lacks_version(history: History, start: Event) -> bool:
    job = history.job.get(start.job_id)
    catalog = next((c for c in history.catalogs if c.worker == start.worker), None)
    return job is not None and catalog is not None and catalog.versions.get(job.report_type) != job.report_version
