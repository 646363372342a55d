"""Rules over webhooks: who was to be told of what, and what their receivers heard."""

from collections import Counter
from collections.abc import Iterator
from uuid import UUID

from shared.jobs.states import JobStatus
from tests.support.history.facts import History, JobRow
from tests.support.history.facts_of_others import WebhookRow
from tests.support.history.rules_jobs import Finding

_TYPES = {
    JobStatus.SUCCESS: "job.succeeded", JobStatus.FAILED: "job.failed", JobStatus.CANCELLED: "job.cancelled",
}  # fmt: skip
_CLOCK_S = 0.05


def ends_are_told(history: History) -> Iterator[Finding]:
    """Each end that somebody wanted to hear of is one event, of which each webhook that wants it has one delivery."""
    events: dict[tuple[UUID | None, str], list[UUID]] = {}
    for event in history.told:
        events.setdefault((event.job_id, event.type), []).append(event.id)
    owed = Counter((one.webhook_id, one.event_id) for one in history.deliveries)
    for job in history.jobs:
        for webhook in history.webhooks:
            if not _wants(history, webhook, job):
                continue
            named = events.get((job.id, _TYPES[job.status]), [])
            if len(named) != 1:
                yield f"the end of {job.id} is told by {len(named)} events"
            else:
                times = owed[webhook.id, named[0]]
                yield f"{webhook.id} has {times} deliveries of the end of {job.id}" if times != 1 else None


def only_what_happened_is_told(history: History) -> Iterator[Finding]:
    """What an event says of a job is so, and nothing was sent that no commit has made."""
    for event in history.told:
        job = history.job.get(event.job_id) if event.job_id is not None else None
        if job is None:
            continue
        wrong = job.tenant != event.tenant or str(job.status) != event.status
        wrong = wrong or event.type not in {_TYPES.get(job.status), "job.expired"}
        yield f"{event.id} tells {event.type} of {job.id}, which is {job.status}" if wrong else None
    made = {(one.webhook_id, one.event_id): one.body for one in history.deliveries}
    for post in history.posted or ():
        body = made.get((post.webhook_id, post.event_id))
        if body is None:
            yield f"{post.event_id} was sent to {post.webhook_id}, and no commit has made it"
        else:
            yield f"{post.event_id} was sent with another body: {post.body}" if body != post.body else None


def what_is_owed_is_sent(history: History) -> Iterator[Finding]:
    """At rest nothing waits, and what is owed to a webhook was sent there, once at least, and was not given up."""
    heard = None if history.posted is None else {(one.webhook_id, one.event_id) for one in history.posted}
    enabled = {webhook.id for webhook in history.webhooks}
    for one in history.deliveries:
        if one.state == "waiting":
            yield f"{one.event_id} waits to be sent to {one.webhook_id} at rest"
        elif one.webhook_id in enabled:
            given_up = one.state != "delivered"
            never = heard is not None and (one.webhook_id, one.event_id) not in heard
            yield f"{one.event_id} was owed to {one.webhook_id}, and not sent" if given_up or never else None


def acknowledged_is_recorded(history: History) -> Iterator[Finding]:
    """What a receiver took is written down as delivered, and what is written down as delivered a receiver took."""
    posted = history.posted
    taken = {(one.webhook_id, one.event_id) for one in posted or () if 200 <= (one.answered or 0) < 300}
    for one in history.deliveries:
        delivered = one.state == "delivered"
        if delivered and not one.acknowledged:
            yield f"{one.event_id} is delivered to {one.webhook_id}, and no attempt says so"
        elif posted is not None and delivered != ((one.webhook_id, one.event_id) in taken):
            yield f"{one.event_id} is {one.state} for {one.webhook_id}, whose receiver says otherwise"
        else:
            yield None


def _wants(history: History, webhook: WebhookRow, job: JobRow) -> bool:
    chain = history.chains.get(job.id)
    return (
        job.status in _TYPES
        and chain is not None
        and chain[0].at > webhook.since + _CLOCK_S
        and webhook.tenant == job.tenant
        and _TYPES[job.status] in webhook.types
        and (webhook.report_types is None or job.report_type in webhook.report_types)
    )
