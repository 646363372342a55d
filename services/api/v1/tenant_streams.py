"""A stream of changes among the caller's jobs."""

import contextlib
from collections.abc import AsyncGenerator
from uuid import UUID

from fastapi import APIRouter, Request, Response

from services.api import metrics
from services.api.actions import tenant_streams
from services.api.actions.parts import Parts
from services.api.actions.streams import Listener, What
from services.api.actions.tenant_streams import Change, Snapshot
from services.api.http import event_stream
from services.api.http.dependencies import Caller, PartsOf
from services.api.http.event_stream import EventStream
from services.api.tenant_feed import Slot
from services.api.v1.base_view import Time, View
from services.api.v1.job_links import job_url
from services.api.v1.streams import STREAM_RESPONSES, last_words, listening
from services.api.v1.views import ProgressView, progress_view
from shared.jobs.read import Job
from shared.jobs.recent import Recent

router = APIRouter(tags=["jobs"])


class InShortView(View):
    """A job in a stream of many jobs."""

    job_id: UUID
    version: int
    status: str
    report_type: str
    requested_by: str | None
    attempt: int
    progress: ProgressView | None
    error_code: str | None
    created_at: Time
    updated_at: Time
    finished_at: Time | None
    url: str


class SnapshotView(View):
    """The newest jobs and all other unfinished ones, with which a stream begins."""

    jobs: list[InShortView]
    complete: bool
    """False if there are more unfinished jobs, or if changes of some of these will not be reported: another snapshot
    follows."""


@router.get("/jobs:stream", response_class=Response, responses=STREAM_RESPONSES)
async def stream_jobs(request: Request, parts: PartsOf, principal: Caller) -> Response:
    """Changes among the jobs that the caller may see, as server-sent events: a `snapshot`, then `job`s.

    The snapshot has the newest jobs and all older unfinished ones; if there are too many of these, its `complete` is
    false. Each job is shown in short, with its `version`. `missed` says that a change was missed, or may be from now
    on. After it, and after a snapshot that is not complete, another `snapshot` follows within a minute.
    """
    held = contextlib.ExitStack()
    try:
        held.enter_context(parts.stream_places.place(principal))
        slot = held.enter_context(parts.tenant_feed.slot(principal.tenant))
        snapshot = await tenant_streams.begin(parts, principal, slot)
    except BaseException:
        held.close()
        raise
    return EventStream(_events(parts, listening(request, parts, principal), slot, snapshot), held)


async def _events(parts: Parts, listener: Listener, slot: Slot, snapshot: Snapshot) -> AsyncGenerator[bytes, None]:
    root, how = parts.settings.root_path, "hung_up"
    told: dict[UUID, int] = {job.id: job.version for job in snapshot.jobs}
    try:
        yield event_stream.BEGIN
        yield event_stream.event("snapshot", _snapshot(snapshot, root))
        async with contextlib.aclosing(tenant_streams.follow(parts, listener, slot, snapshot)) as changes:
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
    if change.snapshot is not None:
        told.clear()
        told |= {job.id: job.version for job in change.snapshot.jobs}
        return [event_stream.event("snapshot", _snapshot(change.snapshot, root))]
    # What the snapshot already showed is not sent again.
    new = [job for job in change.jobs if told.pop(job.id, 0) < job.version]
    chunks = [event_stream.event("job", _in_short(job, root).model_dump_json(by_alias=True)) for job in new]
    return [event_stream.event("missed"), *chunks] if change.missed else chunks


def _snapshot(snapshot: Snapshot, root: str) -> str:
    view = SnapshotView(jobs=[_in_short(job, root) for job in snapshot.jobs], complete=snapshot.complete)
    return view.model_dump_json(by_alias=True)


def _in_short(job: Job | Recent, root: str) -> InShortView:
    error = job.error["code"] if isinstance(job, Job) and job.error else None
    return InShortView(
        job_id=job.id,
        version=job.version,
        status=str(job.status),
        report_type=job.report_type,
        requested_by=job.requester,
        attempt=job.attempt,
        progress=progress_view(job.progress) if job.progress else None,
        error_code=job.error_code if isinstance(job, Recent) else error,
        created_at=job.created_at,
        updated_at=job.updated_at,
        finished_at=job.finished_at,
        url=job_url(job.id, root),
    )
