"""Rules that compare what clients and workers were told with what happened."""

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

from shared.jobs.states import FINAL, JobStatus, Verb
from tests.support.history.facts import Asked, History, Shown
from tests.support.history.rules_jobs import Finding
from tests.support.history.rules_others import cancelled_by_others, made_by_others


def accepted_is_a_fact(history: History) -> Iterator[Finding]:
    """Every 202 names a job that exists and, at rest, has ended."""
    for asked in history.asked:
        if asked.status != 202:
            continue
        job = history.job.get(asked.job_id) if asked.job_id else None
        if job is None:
            yield f"202 for {asked.job_id}, which is not there"
        else:
            yield None if job.status in FINAL else f"202 for {job.id}, which is left {job.status}"


def nothing_is_invented(history: History) -> Iterator[Finding]:
    """Every job was requested by a client that was not refused, by a bulk action or by a schedule."""
    by_key = {a.key for a in history.asked if a.key is not None and not _refused(a)}
    by_id = {a.job_id for a in history.asked} | made_by_others(history)
    unanswered = sum(a.key is None and a.status is None for a in history.asked)
    for job in history.jobs:
        if job.id in by_id or job.key in by_key:
            yield None
        elif job.key is None and unanswered > 0:
            unanswered -= 1  # a request without key and answer may have been applied
            yield None
        else:
            yield f"nobody asked for {job.id}"


def _refused(asked: Asked) -> bool:
    return asked.status is not None and 400 <= asked.status < 500


def one_key_is_one_job(history: History) -> Iterator[Finding]:
    """All requests accepted under one key are equal, and were answered with the same job."""
    accepted: dict[str, list[Asked]] = defaultdict(list)
    for asked in history.asked:
        if asked.key is not None and asked.status == 202:
            accepted[asked.key].append(asked)
    for key, answers in accepted.items():
        jobs = {a.job_id for a in answers}
        requests = {a.request for a in answers}
        if len(jobs) > 1:
            yield f"key {key!r} made {len(jobs)} jobs"
        else:
            yield None if len(requests) == 1 else f"key {key!r} was accepted for {len(requests)} different requests"
    jobs_of: dict[str, set[UUID]] = defaultdict(set)
    for job in history.jobs:
        if job.key is not None:
            jobs_of[job.key].add(job.id)
    for key, owned in jobs_of.items():
        yield None if len(owned) == 1 else f"key {key!r} has {len(owned)} jobs in the table"


def versions_never_go_back(history: History) -> Iterator[Finding]:
    """A look that began after another one had ended shows no older version."""
    for job_id, looks in _by_job(history.shown).items():
        ended = sorted((look.answered_at, look.version) for look in looks)
        times = [at for at, _ in ended]
        newest = _running_maximum([version for _, version in ended])
        for look in looks:
            before = bisect_right(times, look.sent_at)
            known = newest[before - 1] if before else 0
            yield None if look.version >= known else f"{job_id} showed version {look.version} after {known}"


def a_version_shows_one_thing(history: History) -> Iterator[Finding]:
    """The ETag holds: equal versions are equal bodies."""
    for job_id, looks in _by_job(history.shown).items():
        bodies: dict[int, str] = {}
        for look in looks:
            known = bodies.setdefault(look.version, look.body)
            yield None if known == look.body else f"{job_id} version {look.version}: {_difference(known, look.body)}"


def what_is_shown_was_so(history: History) -> Iterator[Finding]:
    """The state in an answer is the one that the history has at that version."""
    for look in history.shown:
        past = [e for e in history.chains.get(look.job_id, ()) if e.version <= look.version]
        was = past[-1].target if past else None
        yield None if was is look.status else f"{look.job_id} showed {look.status} at version {look.version}, was {was}"


def cancellations_are_kept(history: History) -> Iterator[Finding]:
    """200 means CANCELLED, 409 means that it had ended otherwise, and nothing is cancelled without a request."""
    wished = {c.job_id for c in history.cancelled} | cancelled_by_others(history)
    for wish in history.cancelled:
        job = history.job.get(wish.job_id)
        status = job.status if job else None
        if wish.status == 200 and status is not JobStatus.CANCELLED:
            yield f"{wish.job_id} was reported cancelled and is {status}"
        elif wish.status == 409 and status not in {JobStatus.SUCCESS, JobStatus.FAILED}:
            yield f"{wish.job_id} was reported too late to cancel and is {status}"
        else:
            yield None
    for job in history.jobs:
        if job.status is JobStatus.CANCELLED:
            yield None if job.id in wished and job.cancel_asked else f"{job.id} was cancelled, and nobody asked"


def workers_were_told_the_truth(history: History) -> Iterator[Finding]:
    """A worker that was told that it ended an attempt is in the history as the one that did; a lost lease is reported
    as lost.
    """
    ends = {(e.job_id, e.token, e.target) for e in history.events if e.source is JobStatus.PROCESSING}
    for told in history.ended:
        yield (
            None
            if (told.job_id, told.token, told.status) in ends
            else f"{told.job_id}: {told.token} was told that it made it {told.status}; the history does not have it"
        )
    for kept in history.kept:
        chain = history.chains.get(kept.job_id, ())
        taken = [e.at for e in chain if e.verb == Verb.START and e.token != kept.token]
        own = [e.at for e in chain if e.verb == Verb.START and e.token == kept.token]
        late = own and any(own[0] < at < kept.asked_at for at in taken)
        yield f"{kept.job_id}: {kept.token} was told it holds what another had taken" if late else None


def doorbells_are_not_lost_on_the_way(history: History) -> Iterator[Finding]:
    """At rest the outbox is empty, and the queue has accepted a doorbell for every time that a job
    waited for a start.
    """
    yield f"{history.unsent} messages never left" if history.unsent else None
    yield f"the floor passed {history.floor_violations} rows" if history.floor_violations else None
    if history.rang is None:
        return
    rang: dict[str, int] = defaultdict(int)
    for doorbell in history.rang:
        name = _job_of(doorbell.body)
        rang[name] += 1
    for job_id, chain in history.chains.items():
        # The doorbell of one that ended while it waited may have been held until then, and is no longer needed.
        unheard = chain[-1].source is JobStatus.PENDING and chain[-1].target in FINAL
        owed = sum(e.target is JobStatus.PENDING for e in chain) - unheard
        given = rang.pop(str(job_id), 0)
        yield None if given >= owed else f"{job_id}: {given} doorbells of {owed} reached the queue"
    for name in rang:
        yield f"the queue got a doorbell for {name}, which is no job"


def _job_of(body: str) -> str:
    try:
        return str(json.loads(body)["jobId"])
    except (ValueError, KeyError, TypeError):
        return body[:40]


def _by_job(shown: list[Shown]) -> dict[UUID, list[Shown]]:
    found: dict[UUID, list[Shown]] = defaultdict(list)
    for look in shown:
        found[look.job_id].append(look)
    return found


def _running_maximum(values: list[int]) -> list[int]:
    highest, found = 0, []
    for value in values:
        highest = max(highest, value)
        found.append(highest)
    return found


def _difference(one: str, other: str) -> str:
    try:
        a, b = json.loads(one), json.loads(other)
        return ", ".join(f"{k}: {a.get(k)} or {b.get(k)}" for k in sorted({*a, *b}) if a.get(k) != b.get(k))
    except (ValueError, AttributeError):
        return f"{one[:80]} or {other[:80]}"
