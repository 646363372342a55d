"""Rules about webhooks: who was to be notified of what, and what the receivers got."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from shared.jobs.states import JobStatus
from tests.support.history.facts import History, JobRow
from tests.support.history.facts_of_others import DeliveryRow, Posted, WebhookRow
from tests.support.history.rules_jobs import Finding

_TYPES = {
    JobStatus.SUCCESS: "job.succeeded", JobStatus.FAILED: "job.failed", JobStatus.CANCELLED: "job.cancelled",
}  # fmt: skip
_CLOCK_S = 0.05


def ends_are_told(history: History) -> Iterator[Finding]:
    """Each end that somebody subscribed to is one event, with one delivery for each webhook whose conditions it meets,
    and none for others; the address that the job's own request named gets one, too.
    """
    events: dict[tuple[UUID | None, str], list[UUID]] = {}
    for event in history.told:
        events.setdefault((event.job_id, event.type), []).append(event.id)
    own = Counter((one.webhook_id, one.event_id) for one in history.deliveries if one.url is None)
    callbacks = Counter((one.url, one.event_id) for one in history.deliveries)
    for job in history.jobs:
        webhooks = list(_in_force(history, job))
        signed = any(f"{job.callback}/".startswith(f"{webhook.origin}/") for webhook in webhooks)
        named = events.get((job.id, _TYPES.get(job.status, "")), [])
        if signed or any(_wants(webhook, job) for webhook in webhooks):
            yield f"the end of {job.id} is told by {len(named)} events" if len(named) != 1 else None
        for event_id in named[:1]:
            for webhook in webhooks:
                owed, times = _wants(webhook, job) and _met(webhook.conditions, job), own[webhook.id, event_id]
                yield f"{webhook.id} has {times} deliveries of the end of {job.id}" if times != owed else None
            if signed:
                owed, times = _met(job.callback_when, job), callbacks[job.callback, event_id]
                yield f"{times} callbacks tell the end of {job.id}" if times != owed else None


def only_what_happened_is_told(history: History) -> Iterator[Finding]:
    """What an event says about a job is true, and nothing was sent that was not committed."""
    for event in history.told:
        job = history.job.get(event.job_id) if event.job_id is not None else None
        if job is None:
            continue
        wrong = job.tenant != event.tenant or str(job.status) != event.status
        wrong = wrong or event.type not in {_TYPES.get(job.status), "job.expired"}
        yield f"{event.id} tells {event.type} of {job.id}, which is {job.status}" if wrong else None
    made = {_way(one): one.body for one in history.deliveries}
    for post in history.posted or ():
        body = made.get(_way(post))
        if body is None:
            yield f"{post.event_id} was sent to {post.url or post.webhook_id}, and no commit has made it"
        else:
            yield f"{post.event_id} was sent with another body: {post.body}" if body != post.body else None


def what_is_owed_is_sent(history: History) -> Iterator[Finding]:
    """At rest nothing waits, and what is owed to a webhook or a callback address was sent there at least once, and not
    given up.
    """
    heard = None if history.posted is None else {_way(one) for one in history.posted}
    enabled = {webhook.id for webhook in history.webhooks}
    for one in history.deliveries:
        if one.state == "waiting":
            yield f"{one.event_id} waits to be sent to {one.webhook_id} at rest"
        elif one.webhook_id in enabled:
            given_up = one.state != "delivered"
            never = heard is not None and _way(one) not in heard
            yield f"{one.event_id} was owed to {one.url or one.webhook_id}, and not sent" if given_up or never else None


def acknowledged_is_recorded(history: History) -> Iterator[Finding]:
    """What a receiver accepted is recorded as delivered, and what is recorded as delivered was accepted."""
    posted = history.posted
    taken = {_way(one) for one in posted or () if 200 <= (one.answered or 0) < 300}
    for one in history.deliveries:
        delivered = one.state == "delivered"
        if delivered and not one.acknowledged:
            yield f"{one.event_id} is delivered to {one.webhook_id}, and no attempt says so"
        elif posted is not None and delivered != (_way(one) in taken):
            yield f"{one.event_id} is {one.state} for {one.url or one.webhook_id}, whose receiver says otherwise"
        else:
            yield None


def _way(one: DeliveryRow | Posted) -> tuple[UUID, UUID, str | None]:
    """Return what identifies a delivery: its signer, its event, and the address of a callback."""
    return one.webhook_id, one.event_id, one.url


def _in_force(history: History, job: JobRow) -> Iterator[WebhookRow]:
    """Yield the webhooks that may be notified of the job's end, because they have not been written since it was
    accepted.
    """
    chain = history.chains.get(job.id)
    if job.status in _TYPES and chain is not None:
        for webhook in history.webhooks:
            if webhook.tenant == job.tenant and chain[0].at > webhook.since + _CLOCK_S:
                yield webhook


def _wants(webhook: WebhookRow, job: JobRow) -> bool:
    return _TYPES[job.status] in webhook.types and (
        webhook.report_types is None or job.report_type in webhook.report_types
    )


def _met(conditions: Sequence[str | Mapping[str, Any]] | None, job: JobRow) -> bool:
    """Evaluate the conditions as docs/reference/http.md defines them, independently of the product's code."""
    return conditions is None or any(_is_met(one, job) for one in conditions)


def _is_met(condition: str | Mapping[str, Any], job: JobRow) -> bool:
    if condition == "failure":
        return job.status is JobStatus.FAILED
    if job.status is not JobStatus.SUCCESS:
        return False
    if isinstance(condition, str):
        return bool(job.figures.get("rows"))
    value = job.figures.get(condition["figure"])
    above, below = condition.get("above"), condition.get("below")
    return value is not None and ((above is not None and value > above) or (below is not None and value < below))
