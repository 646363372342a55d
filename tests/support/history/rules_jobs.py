"""Rules about what the database itself recorded: the life of each job, one attempt after another."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from uuid import UUID

from shared.jobs.states import FINAL, LEGAL_EDGES, JobStatus, Verb
from tests.support.history.facts import Event, History

Finding = str | None
"""One thing that a rule checked: None if it is right, else what is wrong."""

_CLOCK_S = 0.05
"""Two clocks of one machine, and a statement's own duration, may differ by this."""
_LEGAL = {(e.source, e.target, str(e.verb)) for e in LEGAL_EDGES}


def jobs_are_final(history: History) -> Iterator[Finding]:
    """At rest, every job has ended."""
    for job in history.jobs:
        yield None if job.status in FINAL else f"{job.id} is left {job.status}"


def one_final_transition(history: History) -> Iterator[Finding]:
    """A job ends once, and nothing follows its end."""
    for job_id, chain in history.chains.items():
        ends = [e for e in chain if e.target in FINAL]
        if len(ends) > 1:
            yield f"{job_id} ended {len(ends)} times: {[str(e.verb) for e in ends]}"
        elif ends and chain[-1] is not ends[0]:
            yield f"{job_id} went on after {ends[0].target}: {chain[-1].verb}"
        else:
            yield None


def legal_edges(history: History) -> Iterator[Finding]:
    """Every change is one of the allowed edges."""
    for event in history.events:
        legal = (event.source, event.target, str(event.verb)) in _LEGAL
        yield None if legal else f"{event.job_id}: {event.source} -> {event.target} by {event.verb}"


def histories_are_chains(history: History) -> Iterator[Finding]:
    """Each change begins in the state where the previous one ended, and the last one ends in the job's state."""
    for job_id, chain in history.chains.items():
        before = None
        torn = None
        for event in chain:
            if event.source is not before:
                torn = f"{job_id} version {event.version} begins at {event.source}, the one before ended at {before}"
            before = event.target
        yield torn
    for job in history.jobs:
        chain = history.chains.get(job.id, ())
        if not chain or chain[-1].target is not job.status or chain[-1].version > job.version:
            yield f"{job.id} is {job.status} at version {job.version}, its history says otherwise"
        else:
            yield None


def tokens_are_used_once(history: History) -> Iterator[Finding]:
    """Every start has a fresh token, over all jobs and for ever."""
    used = Counter(e.token for e in history.events if e.verb == Verb.START)
    for token, times in used.items():
        yield None if token is not None and times == 1 else f"token {token} was given out {times} times"


def only_the_holder_ends_an_attempt(history: History) -> Iterator[Finding]:
    """What leaves PROCESSING carries the token of the newest start; only start and expire may take a lease away."""
    for chain in history.chains.values():
        holder = None
        for event in chain:
            if event.verb == Verb.START:
                holder = event.token
            elif event.source is JobStatus.PROCESSING:
                yield None if event.token == holder else f"{event.job_id}: {event.verb} by {event.token}, held {holder}"


def live_leases_are_left_alone(history: History) -> Iterator[Finding]:
    """No job is taken over before its lease, as last granted or renewed, has run out."""
    if not history.lease_s:
        return
    renewed: dict[UUID, list[float]] = defaultdict(list)
    for kept in history.kept:
        renewed[kept.token].append(kept.asked_at)
    for chain in history.chains.values():
        for event, following in pairwise(chain):
            if event.verb != Verb.START or following.verb not in {Verb.START, Verb.EXPIRE} or event.token is None:
                continue
            if following.target is JobStatus.FAILED:
                yield None  # a deadline ends a job whoever holds it
                continue
            granted = [t for t in renewed[event.token] if t < following.at]
            lived_s = following.at - max([event.at, *granted])
            yield (
                None
                if lived_s >= history.lease_s - _CLOCK_S
                else f"{event.job_id}: {following.verb} {lived_s:.2f} s after the lease of {history.lease_s:g} s"
            )


def budgets_are_kept(history: History) -> Iterator[Finding]:
    """Charged attempts and crashes, recounted from the history, stay within their budgets and match the row."""
    for job in history.jobs:
        attempts, crashes = _spent(history.chains.get(job.id, ()))
        if attempts > job.max_attempts or crashes > job.max_crashes + 1:
            yield f"{job.id}: {attempts} of {job.max_attempts} attempts, {crashes} of {job.max_crashes} crashes"
        elif (attempts, crashes) != (job.attempt, job.crashes):
            yield f"{job.id} counts {job.attempt} attempts and {job.crashes} crashes, it had {attempts} and {crashes}"
        else:
            yield None


def _spent(chain: Sequence[Event]) -> tuple[int, int]:
    attempts = crashes = 0
    for event in chain:
        if event.source is JobStatus.PENDING and event.verb == Verb.START:
            attempts += 1
        if event.source is not JobStatus.PROCESSING:
            continue
        lost = event.verb in {Verb.START, Verb.EXPIRE}
        crashes += lost
        # A lost worker and a graceful stop are not charged, the stop not even if it ends a cancelled job.
        stopped = event.verb == Verb.GIVE_BACK or (event.verb == Verb.CANCEL and event.attempt == attempts - 1)
        attempts -= stopped or (lost and event.target is JobStatus.PENDING)
    return attempts, crashes


def recovery_is_bounded(history: History) -> Iterator[Finding]:
    """A job whose worker died has moved on within the bound."""
    for job_id, seconds in recoveries(history):
        yield None if seconds <= history.recovery_s else f"{job_id} stood still for {seconds:.1f} s after a death"


def recoveries(history: History) -> Iterator[tuple[UUID, float]]:
    """Yield each job that a dead or frozen worker held, and the seconds until another process freed,
    took or ended it.
    """
    held: dict[str | None, list[tuple[Event, float]]] = defaultdict(list)
    for chain in history.chains.values():
        for number, event in enumerate(chain):
            if event.verb == Verb.START:
                until = chain[number + 1].at if number + 1 < len(chain) else float("inf")
                held[event.worker].append((event, until))
    for death in history.died:
        for event, until in held[death.worker]:
            if event.at <= death.at < until:
                yield event.job_id, until - death.at
