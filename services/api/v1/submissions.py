"""Request a report, and repeat one: POST /generate-report, /v1/jobs and /v1/jobs/{id}:retry."""

from collections.abc import Callable, Coroutine
from typing import Any, cast

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from services.api.actions import idempotency, jobs, labels, passwords, retries, reuse, submissions
from services.api.actions.jobs import Waited
from services.api.actions.parts import Parts
from services.api.actions.submissions import Submitted
from services.api.auth.principal import Principal
from services.api.http.conditional import insists
from services.api.http.dependencies import Caller, JobId, PartsOf, parts_of, principal_of
from services.api.http.hang_up import HungUp, unless_hung_up
from services.api.http.middleware import CLIENT_CLOSED_REQUEST
from services.api.http.openapi import Responses, links_of_a_job, problems
from services.api.http.prefer import wait_asked_s
from services.api.v1.option_schema import OPTION_SCHEMA
from services.api.v1.submission_body import read_submission
from services.api.v1.views import AcceptedView, JobView, RetriedView, accepted, job_view, retried_view
from shared import json_text
from shared.catalog.model import BUNDLE, Format
from shared.runtime import tracing


class _Direct(APIRoute):
    """A route whose function takes the request and returns the response.

    FastAPI's injection and response handling would take as long as everything else that is done here.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the function itself."""
        return cast("Callable[[Request], Coroutine[Any, Any, Response]]", self.endpoint)


router = APIRouter(tags=["jobs"], route_class=_Direct)


def _body_of(description: str, more: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    """Describe a request's body, and its Idempotency-Key."""
    body = {"application/json": {"schema": _schema(more), "example": example}}
    return {
        "requestBody": {"required": False, "description": description, "content": body},
        "parameters": [IDEMPOTENCY_KEY],
    }


def _schema(more: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a body, extended by `more`."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            **more,
            "parameters": {
                "type": ["object", "null"],
                "additionalProperties": True,
                "description": "As the report type's schema says",
            },
            "formats": {
                "type": ["array", "null"],
                "items": {"type": "string", "enum": [*Format, BUNDLE]},
                "minItems": 1,
                "description": "`zip` adds an archive of the others; alone, of every format",
            },
            "labels": {
                "type": ["object", "null"],
                "maxProperties": labels.MOST,
                "propertyNames": {"pattern": f"^{labels.NAME}$"},
                "additionalProperties": {"type": "string", "maxLength": labels.LONGEST_VALUE},
                "description": "Marks of your own, by which lists find the job",
            },
            **OPTION_SCHEMA,
            passwords.FIELD: {
                "type": ["string", "null"],
                "format": "password",
                "writeOnly": True,
                "minLength": passwords.LEAST,
                "maxLength": passwords.MOST_BYTES,
                "description": "Opens the files, which are pdf and xlsx then, and zip of these. Kept sealed until the "
                "job has ended, and told to nobody. Files that are encrypted differ byte for byte each time",
            },
        },
    }


IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 512, "pattern": idempotency.PATTERN},
    "description": "The same key with the same request is one job, however often it is sent. A bare word, or a "
    "quoted string as the IETF draft writes it: both spellings are one key.",
}
"""The header's description, for every operation that accepts it."""
_PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "`wait=n`: hold the answer until the job has ended, for up to n seconds (RFC 7240). It is then the "
    "whole job, and `Preference-Applied` says that the wait was honoured.",
}
_RESPONSES: Responses = {
    202: {"model": AcceptedView | JobView, "links": links_of_a_job("/jobId")},
    **problems(400, 401, 403, 404, 409, 413, 415, 422, 429, 503),
}


_REPORT_TYPE = {
    "reportType": {"type": ["string", "null"], "description": "A name from /v1/report-types"},
    "reuse": {
        "type": ["object", "null"],
        "additionalProperties": False,
        "required": ["maxAgeSeconds"],
        "properties": {"maxAgeSeconds": {"type": "integer", "minimum": 1, "maximum": reuse.MOST_S}},
        "description": "Be answered with a job of the same question, if one was asked for in this way lately",
    },
}
SUBMISSION_SCHEMA: dict[str, Any] = _schema(_REPORT_TYPE)
"""A submission, as JSON Schema."""
_SUBMIT: dict[str, Any] = _body_of(
    "Without a body the default report type runs with its default parameters.",
    _REPORT_TYPE,
    {"reportType": "carrier-delays", "parameters": {}, "formats": ["csv", "xlsx"], "labels": {"team": "finance"}},
)
_SUBMIT["parameters"].append(_PREFER)
SUBMISSION_BODY: dict[str, Any] = _SUBMIT["requestBody"]
"""The description of the body of a submission."""
_RETRY: dict[str, Any] = _body_of("Without a body everything is as it was.", {}, {"parameters": {}, "formats": ["csv"]})
_RETRY["parameters"].append(_PREFER)


@router.post("/generate-report", status_code=202, openapi_extra=_SUBMIT, responses=_RESPONSES)
@router.post("/jobs", status_code=202, openapi_extra=_SUBMIT, responses=_RESPONSES)
@router.post("/v1/jobs", status_code=202, openapi_extra=_SUBMIT, responses=_RESPONSES)
async def submit_job(request: Request) -> Response:
    """Request a report. 202 means that the job is committed and will reach SUCCESS, FAILED or CANCELLED.

    With `Prefer: wait=n` (up to 30 s) the answer waits until the job has ended, and contains the whole job.
    """
    # Called directly: FastAPI's injection takes as long as everything else that is done here.
    parts = parts_of(request)
    principal = await principal_of(request)
    job = await submissions.submit(parts, principal, await read_submission(request))
    short = accepted(job, parts.settings.root_path)
    return await _answer_in_time(request, parts, principal, job, short)


retrying = APIRouter(tags=["jobs"])


@retrying.post(
    "/jobs/{job_id:job}:retry",
    status_code=202,
    openapi_extra=_RETRY,
    responses={
        202: {"model": RetriedView | JobView, "links": links_of_a_job("/jobId")},
        **problems(400, 401, 403, 404, 409, 410, 412, 413, 415, 422, 429, 503),
    },
)
async def retry_job(request: Request, job_id: JobId, parts: PartsOf, principal: Caller) -> Response:
    """Repeat an ended job: a new job, with other parameters or formats if given.

    A parameter that is not named stays as it was; one that is null takes its default. 409 until the job has ended. With
    `Prefer: wait=n` (up to 30 s) the answer waits until the new job has ended, and contains the whole job.
    """
    wanted = await read_submission(request)
    retried = await retries.retry(parts, principal, job_id, wanted, insists=insists(request))
    short = retried_view(retried, parts.settings.root_path)
    return await _answer_in_time(request, parts, principal, retried.submitted, short)


async def _answer_in_time(
    request: Request, parts: Parts, principal: Principal, job: Submitted, short: dict[str, Any]
) -> Response:
    """Return the short answer, or the whole job if the client is willing to wait for its end."""
    if not (wait_s := wait_asked_s(request)):
        return _answer(parts, principal, job, short)
    waiting = jobs.wait_for_new(parts, principal, job.job_id, seconds=wait_s)
    try:
        waited = await unless_hung_up(request, waiting)
    except HungUp:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    if waited is None:
        return _answer(parts, principal, job, short)
    return _whole_answer(parts, principal, job, waited, wait_s)


def _whole_answer(parts: Parts, principal: Principal, job: Submitted, waited: Waited, wait_s: float) -> Response:
    """Return the job as it is after the wait. It is still a 202: the request was for a job, and the job is accepted."""
    found = waited.found
    view = job_view(found.job, found.artifacts, parts.settings.root_path)
    body = view.model_dump(mode="json", by_alias=True)
    answer = _answer(parts, principal, job._replace(status=found.job.status), body)
    answer.headers["ETag"] = f'"{found.revision}"'
    if waited.honoured:
        answer.headers["Preference-Applied"] = f"wait={wait_s:g}"
    return answer


def _answer(parts: Parts, principal: Principal, job: Submitted, body: dict[str, Any]) -> Response:
    tracing.note({"todoke.job_id": body["jobId"], "todoke.report_type": job.report_type})
    headers = {"Location": body["links"]["self"]}
    if not job.status.final:
        headers["Retry-After"] = str(parts.history.retry_after_s(principal.tenant, job.report_type))
    if job.created:
        headers["ETag"] = '"1"'  # the new job's first version, for If-Match and If-None-Match
    elif not job.reused:
        headers["Idempotent-Replayed"] = "true"
    return Response(json_text.write(body), 202, headers, "application/json")
