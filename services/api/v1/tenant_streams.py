"""A stream of what changes among the caller's jobs."""

import contextlib
import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from services.api import metrics
from services.api.actions import tenant_streams
from services.api.actions.parts import Parts
from services.api.actions.streams import Listener, What
from services.api.actions.tenant_streams import Change
from services.api.http import event_stream
from services.api.http.dependencies import Caller, PartsOf
from services.api.http.event_stream import EventStream
from services.api.tenant_feed import Slot
from services.api.v1.streams import STREAM_RESPONSES, last_words, listening
from services.api.v1.views import job_url
from shared.jobs.read import Job
from shared.jobs.recent import Recent

router = APIRouter(tags=["jobs"])


@router.get("/jobs:stream", responses=STREAM_RESPONSES)
async def stream_jobs(request: Request, parts: PartsOf, principal: Caller) -> Response:
    """What changes among the jobs that the caller sees, as server-sent events: a `snapshot` of the newest, then `job`s.

    Each tells a job in short, with its `version`. `missed` says that more has changed than could be told: list again.
    """
    held = contextlib.ExitStack()
    try:
        held.enter_context(parts.stream_places.place(principal))
        slot = held.enter_context(parts.tenant_feed.slot(principal.tenant))
        jobs = await tenant_streams.begin(parts, principal, slot)
    except BaseException:
        held.close()
        raise
    return EventStream(_events(parts, listening(request, parts, principal), slot, jobs), held)


async def _events(parts: Parts, listener: Listener, slot: Slot, jobs: Sequence[Job]) -> AsyncGenerator[bytes, None]:
    root, how = parts.settings.root_path, "hung_up"
    told: dict[UUID, int] = {job.id: job.version for job in jobs}
    try:
        yield event_stream.BEGIN
        yield event_stream.event("snapshot", json.dumps({"jobs": [_in_short(job, root) for job in jobs]}))
        async with contextlib.aclosing(tenant_streams.follow(parts, listener, slot)) as changes:
            async for change in changes:
                how = how if change.what in (What.BEAT, What.JOB) else str(change.what)
                for chunk in _chunks(change, told, root):
                    yield chunk
                listener.sent()
    finally:
        metrics.STREAMS.labels("tenant", how).inc()


def _chunks(change: Change, told: dict[UUID, int], root: str) -> list[bytes]:
    if change.what is not What.JOB:
        return [last_words(change.what)]
    # What stood in the snapshot already is not told again.
    new = [job for job in change.jobs if told.pop(job.id, 0) < job.version]
    chunks = [event_stream.event("job", json.dumps(_in_short(job, root))) for job in new]
    return [event_stream.event("missed"), *chunks] if change.missed else chunks


def _in_short(job: Job | Recent, root: str) -> dict[str, Any]:
    error = job.error["code"] if isinstance(job, Job) and job.error else None
    return {
        "jobId": str(job.id),
        "version": job.version,
        "status": str(job.status),
        "reportType": job.report_type,
        "requestedBy": job.requester,
        "attempt": job.attempt,
        "progress": job.progress,
        "errorCode": job.error_code if isinstance(job, Recent) else error,
        "createdAt": job.created_at.isoformat(),
        "updatedAt": job.updated_at.isoformat(),
        "finishedAt": job.finished_at.isoformat() if job.finished_at else None,
        "url": job_url(job.id, root),
    }
