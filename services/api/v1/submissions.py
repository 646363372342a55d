"""POST /generate-report and POST /v1/jobs."""

from collections.abc import Callable, Coroutine
from typing import Any, cast

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from services.api import metrics
from services.api.actions.submitter import TooBusy
from services.api.http.dependencies import Parts, parts_of
from services.api.http.problems import Problem, ProblemView, unavailable
from services.api.v1.submission_body import read_submission
from services.api.v1.views import AcceptedView, accepted
from shared import json_text
from shared.catalog.model import BUNDLE, Format
from shared.database.unavailable import DatabaseUnavailable, is_unavailable
from shared.ids import uuid7
from shared.jobs.submit import Accepted, IdempotencyKeyReused, Submission
from shared.runtime import tracing
from shared.runtime.metrics.common import report_type_label


class _Direct(APIRoute):
    """A route whose function takes the request and gives the response. FastAPI would ask on the way what to inject
    and how to make a response of it, for as long as everything else that is done here."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The function itself."""
        return cast("Callable[[Request], Coroutine[Any, Any, Response]]", self.endpoint)


router = APIRouter(tags=["jobs"], route_class=_Direct)

_REQUEST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": False,
        "description": "Without a body the default report type runs with its default parameters.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "reportType": {"type": ["string", "null"], "description": "A name from /v1/report-types"},
                        "parameters": {"type": ["object", "null"], "description": "As the report type's schema says"},
                        "formats": {
                            "type": ["array", "null"],
                            "items": {"type": "string", "enum": [*Format, BUNDLE]},
                            "minItems": 1,
                            "description": "`zip` adds an archive of the others; alone, of every format",
                        },
                    },
                },
                "example": {"reportType": "carrier-delays", "parameters": {}, "formats": ["csv", "xlsx"]},
            }
        },
    },
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            "description": "The same key with the same request is one job, however often it is sent.",
        }
    ],
}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemView, "description": why, "content": {"application/problem+json": {}}}
    for status, why in {
        400: "The body is not JSON",
        401: "The API key is missing or wrong",
        404: "Unknown report type",
        413: "The body is too large",
        415: "The body is not declared as JSON",
        422: "The request does not fit the report type, or reuses an Idempotency-Key",
        429: "The tenant asks more often than it may; `Retry-After` says when to try again",
        503: "The database is away; nothing was half-written",
    }.items()
}

_LINKS = {
    name: {"operationId": operation, "parameters": {"job_id": "$response.body#/jobId"}}
    for name, operation in {
        "job": "get_job_v1_jobs__job_id__get",
        "events": "get_events_v1_jobs__job_id__events_get",
        "cancel": "cancel_job_v1_jobs__job_id__cancel_post",
    }.items()
}
_ACCEPTED: dict[int | str, dict[str, Any]] = {202: {"model": AcceptedView, "links": _LINKS}}


@router.post("/generate-report", status_code=202, openapi_extra=_REQUEST_BODY,
             responses={**_ACCEPTED, **_PROBLEMS})  # fmt: skip
@router.post("/v1/jobs", status_code=202, openapi_extra=_REQUEST_BODY,
             responses={**_ACCEPTED, **_PROBLEMS})  # fmt: skip
async def submit_job(request: Request) -> Response:
    """Ask for a report. 202 means that the job is committed and will reach SUCCESS, FAILED or CANCELLED."""
    # Fetched, not injected: FastAPI's injection takes as long as everything else that is done here.
    parts = parts_of(request)
    tenant = await parts.access.tenant(request)
    asked = await read_submission(request, parts.catalog)
    submission = Submission(
        id=uuid7(),
        tenant=tenant,
        report_type=asked.report.name,
        report_version=asked.report.version,
        parameters=asked.parameters,
        formats=[str(f) for f in asked.formats],
        max_attempts=asked.report.limits.max_attempts,
        max_crashes=parts.job_max_crashes,
        deadline_s=parts.job_deadline_s,
        keep_artifacts_s=parts.keep_artifacts_s,
        keep_s=parts.keep_s,
        idempotency_key=asked.idempotency_key,
        trace_context=asked.trace_context,
    )
    answer = await _answer(parts, submission)
    _count("accepted" if answer.created else "replayed", submission)
    body = accepted(answer.job_id, asked.report, parts.root_path)
    tracing.note({"todoke.job_id": body["jobId"], "todoke.report_type": submission.report_type})
    headers = {"Location": body["links"]["self"], "Retry-After": "1"}
    if not answer.created:
        headers["Idempotent-Replayed"] = "true"
    return Response(json_text.write(body), 202, headers, "application/json")


async def _answer(parts: Parts, submission: Submission) -> Accepted:
    try:
        answer = await parts.submitter.submit(submission)
    except (TooBusy, TimeoutError, DatabaseUnavailable) as error:
        _count("unavailable", submission)
        raise unavailable(_why(error)) from None
    except Exception as error:
        if not is_unavailable(error):
            raise
        _count("unavailable", submission)
        raise unavailable(_why(error)) from None
    if isinstance(answer, IdempotencyKeyReused):
        _count("conflict", submission)
        raise Problem(422, "idempotency_key_reused", f"{answer}. Use a new key for a new request.")
    return answer


def _count(outcome: str, submission: Submission) -> None:
    metrics.SUBMITTED.labels(outcome, report_type_label(submission.report_type)).inc()


def _why(error: Exception) -> str:
    if isinstance(error, TooBusy):
        return f"Nothing was written: {error}."
    return (
        "The database did not confirm the job. Try again; with an Idempotency-Key a second try can never "
        "make a second job."
    )
