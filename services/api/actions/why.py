"""Explain why a job is in its current state, in words and for machines.

To add a reason, add a function to the list below.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from anyio import to_thread

from services.api.actions import visible
from services.api.actions.job_errors import JobDeleted, UnknownJob
from services.api.actions.parts import Parts
from services.api.auth.principal import Principal
from shared.access.scopes import Scope
from shared.jobs import why
from shared.jobs.gates import Kind
from shared.jobs.states import JobStatus
from shared.jobs.why import MOST_COUNTED, Facts

_LAG_S = 5.0
"""A message that is older than this should have left: the relay sends within a fraction of a second."""


_GATES = {Kind.TENANT: "your tenant", Kind.REPORT_TYPE: "the report type", Kind.SOURCE: "what the report reads"}
"""The name of a source concerns the operator only."""


class Reason(NamedTuple):
    """One thing that holds a job back, or that will end its wait."""

    code: str
    message: str
    facts: Mapping[str, object] = {}
    """The values that the message mentions, for machines. The names are those on the wire."""


class Explained(NamedTuple):
    """Where a job stands, and why."""

    status: JobStatus
    reasons: Sequence[Reason]
    """The most important reason comes first."""


async def explain(parts: Parts, principal: Principal, job_id: UUID) -> Explained:
    """Explain why the job is in its current state. Raises UnknownJob and JobDeleted."""

    def look() -> Facts | None:
        with parts.engine.connect() as conn:
            return why.facts(conn, job_id, visible.viewer(parts.catalog, principal))

    principal.need(Scope.JOBS_READ)
    found = await to_thread.run_sync(look)
    if found is None:
        raise UnknownJob(job_id)
    if found.deleted_at is not None:
        raise JobDeleted(job_id)
    return Explained(found.status, list(_reasons(found)))


def _reasons(facts: Facts) -> Iterator[Reason]:
    told = [reason for rule in _RULES if (reason := rule(facts)) is not None]
    if facts.due and not told:
        told = [Reason("on_its_way", "Queued. A worker will start it within moments.")]
    yield from told
    if any(closed.running is None for closed in facts.closed):
        yield Reason(
            "deadline_stands_still", "Its deadline is suspended until it is resumed, and then extended by the pause."
        )
    elif facts.finished_at is None:
        yield Reason(
            "deadline",
            f"It fails at {_at(facts.deadline_at)} unless it has ended by then.",
            {"deadlineAt": facts.deadline_at},
        )


def _ended(facts: Facts) -> Reason | None:
    if facts.finished_at is None:
        return None
    code = None if facts.error is None or facts.status is not JobStatus.FAILED else facts.error["code"]
    words = f"It ended in {facts.status} at {_at(facts.finished_at)}" + (f": {code}." if code else ".")
    return Reason("ended", words, {"finishedAt": facts.finished_at, "error": code})


def _cancel_requested(facts: Facts) -> Reason | None:
    if facts.finished_at is not None or facts.cancel_requested_at is None:
        return None
    words = "Cancellation requested. Its worker stops it at its next heartbeat."
    return Reason("cancel_requested", words, {"cancelRequestedAt": facts.cancel_requested_at})


def _held(facts: Facts) -> Reason | None:
    if facts.lease_until is None:
        return None
    about = {"leaseUntil": facts.lease_until, "startedAt": facts.started_at, "attempt": facts.attempt}
    if facts.lease_until < facts.at:
        words = f"Its worker has not responded since {_at(facts.lease_until)}. Another worker will take over."
        return Reason("worker_silent", words, about)
    until = _at(facts.lease_until)
    words = f"A worker is running attempt {facts.attempt}. Its lease lasts until {until} and is renewed regularly."
    return Reason("running", words, about)


def _not_due(facts: Facts) -> Reason | None:
    if facts.status is not JobStatus.PENDING or facts.due:
        return None
    if facts.error is None:
        return Reason("not_due", f"It is scheduled to start at {_at(facts.run_at)}.", {"dueAt": facts.run_at})
    words = (
        f"Attempt {facts.attempt} of {facts.max_attempts} failed with {facts.error['code']}. "
        f"The next attempt starts at {_at(facts.run_at)}."
    )
    about = {"dueAt": facts.run_at, "error": facts.error["code"], "attempt": facts.attempt}
    return Reason("retry_after_error", words, {**about, "maxAttempts": facts.max_attempts})


def _closed(facts: Facts) -> Reason | None:
    if not facts.closed or not facts.due:
        return None
    first = facts.closed[0]
    what = _GATES.get(first.gate.kind, "something that it needs")
    about: dict[str, object] = {"kind": first.gate.kind}
    if first.running is not None:
        words = f"The cap of {first.running} running jobs of {what} is reached. It starts when one of them has ended."
        return Reason("cap_full", words, {**about, "most": first.running})
    ends = f" until {_at(first.until)}" if first.until else ""
    words = f"{what[0].upper()}{what[1:]} is paused{ends}: {first.reason}"
    return Reason("paused", words, {**about, "reason": first.reason, "until": first.until})


def _turn(facts: Facts) -> Reason | None:
    if not facts.held or not facts.due or facts.closed:
        return None
    return Reason(
        "waits_for_its_turn", "Your tenant has many jobs in the queue. This one is queued as those are started."
    )


def _no_worker(facts: Facts) -> Reason | None:
    crew = facts.crew
    if crew is None or crew.alive:
        return None
    seen = f"the last one was seen at {_at(crew.last_seen_at)}" if crew.last_seen_at else "none has ever been seen"
    return Reason("no_worker", f"No worker is running: {seen}.", {"lastSeenAt": crew.last_seen_at})


def _sick_workers(facts: Facts) -> Reason | None:
    crew = facts.crew
    if crew is None or not crew.alive or crew.fit:
        return None
    words = f"The workers are not taking jobs: {', '.join(crew.sick)}."
    return Reason("workers_unfit", words, {"workers": crew.alive, "causes": list(crew.sick)})


def _unknown_type(facts: Facts) -> Reason | None:
    crew = facts.crew
    if crew is None or not crew.fit or crew.able:
        return None
    words = f"No worker knows the report type {facts.report_type!r}. It waits for a worker with a newer catalog."
    return Reason("report_type_unknown_to_workers", words, {"workers": crew.fit, "reportType": facts.report_type})


def _busy(facts: Facts) -> Reason | None:
    crew = facts.crew
    if crew is None or not facts.due or not crew.able or crew.holding < crew.slots:
        return None
    words = f"All {crew.slots} slots of the workers that know its report type are in use."
    return Reason("workers_busy", words, {"slots": crew.slots, "busy": crew.holding})


def _behind(facts: Facts) -> Reason | None:
    if not facts.due or not facts.ahead:
        return None
    more = facts.ahead >= MOST_COUNTED
    jobs = "one job" if facts.ahead == 1 else f"{'at least ' if more else ''}{facts.ahead:,} jobs"
    words = f"It waits behind {jobs} that your tenant requested earlier."
    return Reason("behind_others", words, {"ahead": facts.ahead, "atLeast": more})


def _outbox_lag(facts: Facts) -> Reason | None:
    since = facts.unsent_since
    if since is None or not facts.due or (age_s := (facts.at - since).total_seconds()) < _LAG_S:
        return None
    words = f"Messages to the queue are delayed: one written {age_s:.0f} s ago has not been sent yet."
    return Reason("outbox_late", words, {"oldestMessageAt": since, "ageS": round(age_s, 1)})


_RULES: Sequence[Callable[[Facts], Reason | None]] = (
    _ended, _cancel_requested, _held, _not_due, _closed, _no_worker, _sick_workers, _unknown_type, _outbox_lag, _busy,
    _turn, _behind,
)  # fmt: skip
"""Each rule returns its reason, or None if the reason does not apply."""


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%SZ}"
