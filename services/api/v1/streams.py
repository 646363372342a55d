"""Streams of server-sent events."""

import contextlib
import json
import random
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from services.api import metrics
from services.api.actions import jobs, streams
from services.api.actions.jobs import FoundJob
from services.api.actions.parts import Parts
from services.api.actions.streams import Listener, What
from services.api.http import event_stream
from services.api.http.client_address import client_address
from services.api.http.dependencies import Caller, JobId, PartsOf
from services.api.http.event_stream import EventStream
from services.api.http.openapi import Responses, problems
from services.api.v1.views import job_view

router = APIRouter(tags=["jobs"])

_SOONEST_MS, _LATEST_MS = 1_000, 10_000
"""When clients whose stream ends should reconnect: spread out, not all at the same moment."""
_LAST = "The `id` of the last event that the client has seen"
_LastHeader = Annotated[str | None, Header(alias="Last-Event-ID", max_length=64, description=_LAST)]
_LastQuery = Annotated[str | None, Query(max_length=64, description=f"{_LAST}, where no header can be sent")]
STREAM_RESPONSES: Responses = {
    200: {"description": "A stream of server-sent events", "content": {"text/event-stream": {}}},
    **problems(401, 403, 404, 410, 422, 429, 503),
}


@router.get(
    "/jobs/{job_id:job}/stream",
    response_class=Response,
    responses={**STREAM_RESPONSES, 204: {"description": "The job has ended, and the client has seen its last state"}},
)
async def stream_job(
    request: Request,
    job_id: JobId,
    parts: PartsOf,
    principal: Caller,
    last_event_id: _LastHeader = None,
    lastEventId: _LastQuery = None,  # noqa: N803 - the wire's spelling
) -> Response:
    """The job as it is now and whenever it changes, as server-sent events, until it has ended.

    Each `job` event has the whole job, as `GET /v1/jobs/{id}` returns it, and the job's version as its `id`. The first
    one comes at once. After the last one comes `end`; a client that reconnects after that is answered 204, and should
    not come again.
    """
    found = await jobs.get(parts, principal, job_id)
    if found.job.status.final and (last_event_id or lastEventId) == str(found.job.version):
        return Response(status_code=204)
    listener = listening(request, parts, principal)
    held = contextlib.ExitStack()
    held.enter_context(parts.stream_places.place(principal))
    return EventStream(_events(parts, listener, found), held)


def listening(request: Request, parts: Parts, principal: Caller) -> Listener:
    """Return the sender of this request as a listener, whose identity is checked again from time to time."""
    authorization = request.headers.get("authorization")
    address = client_address(request, request.app.state.trusted_proxies)
    return Listener(parts, principal, lambda: parts.access.still(authorization, address))


async def _events(parts: Parts, listener: Listener, found: FoundJob) -> AsyncGenerator[bytes, None]:
    root, end = parts.settings.root_path, "hung_up"
    try:
        yield event_stream.BEGIN
        async with contextlib.aclosing(streams.follow(parts, listener, found)) as happenings:
            async for what, state in happenings:
                if what is What.JOB and state is not None:
                    view = job_view(state.job, state.artifacts, root).model_dump_json(by_alias=True)
                    yield event_stream.event("job", view, number=state.job.version)
                else:
                    end = end if what is What.BEAT else str(what)
                    yield last_words(what)
                listener.sent()
    finally:
        metrics.STREAMS.labels("job", end).inc()


def last_words(what: What) -> bytes:
    """Return what is sent when there is nothing new: a beat, or why the stream ends."""
    match what:
        case What.END:
            return event_stream.event("end")
        case What.BYE:
            return event_stream.event("bye", json.dumps({"message": "You may not see this any more."}))
        case What.LATER:
            return event_stream.come_again(random.randint(_SOONEST_MS, _LATEST_MS))  # noqa: S311 - no secret
        case _:
            return event_stream.BEAT
