"""Rules about pauses and held doorbells, bulk actions, and schedules."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from uuid import UUID

from shared.jobs.states import JobStatus, Verb
from tests.support.history.facts import Event, History, JobRow
from tests.support.history.facts_of_others import Paused, TickRow
from tests.support.history.rules_jobs import Finding

_DONE_TO = {"cancelled": JobStatus.CANCELLED}
"""The state that a job must have after an action's outcome."""
_ACTED = {"cancelled", "requested", "retried", "deleted"}
_MOST_TICKS = 100_000
_CLOCK_S = 0.05


def nothing_paused_starts(history: History) -> Iterator[Finding]:
    """While a report type or a tenant is paused, none of its jobs is started."""
    for pause in history.paused:
        for job, chain in _concerned(history, pause):
            wrong = [e.at for e in chain if e.verb == Verb.START and pause.since < e.at < pause.until]
            yield f"{job.id} started, and {pause.kind} {pause.name} was paused" if wrong else None


def held_doorbells_are_not_lost(history: History) -> Iterator[Finding]:
    """At rest none is held; and every job that waited when a pause ended got a doorbell or ended otherwise."""
    yield f"{history.held} doorbells are held at rest" if history.held else None
    for pause in history.paused:
        for job, chain in _concerned(history, pause):
            past = [e for e in chain if e.at <= pause.until]
            later = [e for e in chain if e.at > pause.until]
            if past and past[-1].target is JobStatus.PENDING:
                yield None if later else f"{job.id} waited for the end of the pause of {pause.name}, and waits on"


def deadlines_stand_still(history: History) -> Iterator[Finding]:
    """While it is paused, no job ends because of its deadline."""
    for pause in history.paused:
        for job, chain in _concerned(history, pause):
            ended = job.error_code == "deadline_exceeded" and pause.since < chain[-1].at < pause.until
            yield f"{job.id} ended of its deadline, and {pause.kind} {pause.name} was paused" if ended else None


def _concerned(history: History, pause: Paused) -> Iterator[tuple[JobRow, Sequence[Event]]]:
    for job in history.jobs:
        if pause.name == (job.tenant if pause.kind == "tenant" else job.report_type) and job.id in history.chains:
            yield job, history.chains[job.id]


def bulk_actions_meet_a_job_once(history: History) -> Iterator[Finding]:
    """An action reports each job once, counts what it reports, and creates one job for each that it repeats."""
    told: dict[UUID, Counter[str]] = defaultdict(Counter)
    met = Counter((r.bulk_id, r.job_id) for r in history.bulk_results)
    made: Counter[UUID | None] = Counter(r.new_job_id for r in history.bulk_results if r.new_job_id is not None)
    repeated: Counter[UUID | None] = Counter(j.retry_of for j in history.jobs if j.by_bulk)
    asked: Counter[UUID | None] = Counter(r.job_id for r in history.bulk_results if r.outcome == "retried")
    for result in history.bulk_results:
        told[result.bulk_id][result.outcome] += 1
        if met[result.bulk_id, result.job_id] > 1:
            yield f"{result.bulk_id} met {result.job_id} more than once"
        elif result.outcome == "retried" and (made[result.new_job_id] != 1 or result.new_job_id not in history.job):
            yield f"{result.bulk_id} retried {result.job_id} as {result.new_job_id}, which is not one job of its own"
        else:
            yield None
    for old, times in repeated.items():
        yield f"{old} was retried {times} times, and {asked[old]} were told" if times != asked[old] else None
    for bulk in history.bulks:
        counted = {outcome: jobs for outcome, jobs in bulk.outcomes.items() if jobs}
        yield f"{bulk.id} counts {counted}, and tells of {dict(told[bulk.id])}" if counted != told[bulk.id] else None


def bulk_actions_keep_their_horizon(history: History) -> Iterator[Finding]:
    """An action includes no job of another tenant, and none that was accepted after the action was requested."""
    bulks = {bulk.id: bulk for bulk in history.bulks}
    for result in history.bulk_results:
        bulk, job = bulks[result.bulk_id], history.job.get(result.job_id)
        chain = history.chains.get(result.job_id, ())
        if job is not None and job.tenant != bulk.tenant:
            yield f"{bulk.id} of {bulk.tenant} met {job.id} of {job.tenant}"
        else:
            late = bool(chain) and chain[0].at > bulk.created_at + _CLOCK_S
            yield f"{bulk.id} met {result.job_id}, which came later" if late else None


def bulk_actions_do_what_they_say(history: History) -> Iterator[Finding]:
    """At rest each action has ended, and its outcomes match the jobs."""
    for bulk in history.bulks:
        yield f"{bulk.id} is left RUNNING" if bulk.state == "RUNNING" else None
    for result in history.bulk_results:
        job, wanted = history.job.get(result.job_id), _DONE_TO.get(result.outcome)
        wrong = job is not None and wanted is not None and job.status is not wanted
        yield f"{result.job_id} is told {result.outcome}, and is {job and job.status}" if wrong else None


def a_tick_is_one_job(history: History) -> Iterator[Finding]:
    """Each submitted tick has its own job, and each job of a schedule its own tick."""
    named: Counter[UUID | None] = Counter(t.job_id for t in history.ticks if t.job_id is not None)
    lines = Counter((t.schedule_id, t.tick) for t in history.ticks)
    for tick in history.ticks:
        job = history.job.get(tick.job_id) if tick.job_id else None
        if lines[tick.schedule_id, tick.tick] > 1 or named[tick.job_id] > 1:
            yield f"the tick {tick.tick} of {tick.schedule_id} has more than one line, or shares its job"
        elif tick.fate == "submitted" and (job is None or job.schedule_id != tick.schedule_id):
            yield f"the tick {tick.tick} of {tick.schedule_id} was submitted as {tick.job_id}, which is no job of it"
        else:
            yield None
    for job in history.jobs:
        if job.schedule_id is not None:
            yield None if named[job.id] else f"{job.id} is of schedule {job.schedule_id}, and of no tick"


def every_tick_has_its_fate(history: History) -> Iterator[Finding]:
    """A due tick without a job has a reason, and at rest nothing waits."""
    lines: dict[UUID, list[TickRow]] = defaultdict(list)
    for line in history.ticks:
        lines[line.schedule_id].append(line)
        if line.fate == "waiting":
            yield f"the tick {line.tick} of {line.schedule_id} waits at rest"
        else:
            bare = line.fate != "submitted" and not line.reason
            yield f"the tick {line.tick} of {line.schedule_id} was {line.fate} without a reason" if bare else None
    for schedule in history.schedules:
        if schedule.every_s is None or schedule.next_tick is None:
            continue
        past = round((schedule.next_tick - schedule.begins_at) / schedule.every_s)
        for number in range(min(past, _MOST_TICKS)):
            tick = schedule.begins_at + number * schedule.every_s
            known = any(
                (one.tick if one.since is None else one.since) - _CLOCK_S <= tick <= one.tick + _CLOCK_S
                for one in lines[schedule.id]
                if one.cause != "run"
            )
            yield None if known else f"the tick {tick} of {schedule.id} has neither a job nor a reason"


def made_by_others(history: History) -> set[UUID]:
    """Return the jobs that no client requested individually: those that a bulk action or a schedule names."""
    of_bulk = {r.new_job_id for r in history.bulk_results if r.new_job_id is not None}
    return of_bulk | {t.job_id for t in history.ticks if t.job_id is not None}


def cancelled_by_others(history: History) -> set[UUID]:
    """Return the jobs that a bulk action cancelled, or tried to."""
    return {r.job_id for r in history.bulk_results if r.outcome in _ACTED - {"retried", "deleted"}}
