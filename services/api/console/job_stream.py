"""`/console/jobs/{id}/stream`: the changing part of a job's page, sent again whenever the job changes.

It accepts the session's cookie, as the page does, which the API's own streams never do.
"""

import contextlib
from collections.abc import AsyncGenerator

from fastapi import APIRouter, Response

from services.api import metrics
from services.api.actions import jobs, streams
from services.api.actions.jobs import FoundJob
from services.api.actions.streams import Listener, What
from services.api.auth.principal import Principal
from services.api.console.job_page import job_context, job_id_of
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.visit import Visit, identified, visit_of
from services.api.http import event_stream
from services.api.http.event_stream import EventStream
from services.api.places import NoStreamLeft, TooManyStreams
from services.api.v1.streams import last_words

router = APIRouter(include_in_schema=False)


@router.get("/jobs/{job_id}/stream")
@page_for
async def stream(visit: Visit) -> Response:
    """Stream the part of the page now and at each change.

    If no stream is free, send it once and let the browser ask again.
    """
    found = await jobs.get(visit.parts, visit.principal, job_id_of(visit))
    held = contextlib.ExitStack()
    try:
        held.enter_context(visit.parts.stream_places.place(visit.principal))
    except (TooManyStreams, NoStreamLeft):
        return page(visit, "_job.html", {**await job_context(visit, found), "polls": True})

    async def again() -> Principal | None:
        later = await identified(visit_of(visit.request))
        return later.principal if later.signed_in else None

    return EventStream(_events(visit, Listener(visit.parts, visit.principal, again), found), held)


async def _events(visit: Visit, listener: Listener, found: FoundJob) -> AsyncGenerator[bytes, None]:
    end, newest = "hung_up", found
    try:
        yield event_stream.BEGIN
        async with contextlib.aclosing(streams.follow(visit.parts, listener, found)) as happenings:
            async for what, state in happenings:
                newest = state or newest
                if what in (What.JOB, What.BEAT):  # a beat brings the current place in the queue and the current rate
                    yield event_stream.message(await _part(visit, newest))
                else:
                    end = str(what)
                    yield last_words(what)
                listener.sent()
    finally:
        metrics.STREAMS.labels("console", end).inc()


async def _part(visit: Visit, found: FoundJob) -> str:
    return bytes(page(visit, "_job.html", await job_context(visit, found)).body).decode()
