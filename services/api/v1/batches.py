"""Submit many reports in one request: POST /v1/jobs:batch."""

import json
import logging
from typing import Any

from fastapi import APIRouter, Request, Response

from services.api.actions import batches
from services.api.actions.batches import KEY, MOST, Outcome
from services.api.actions.submissions import Submitted
from services.api.http.dependencies import Caller, PartsOf
from services.api.http.error_problems import problem_of
from services.api.http.openapi import problems
from services.api.http.problems import Problem, ProblemView, invalid, problem_view
from services.api.http.quota import QUOTA
from services.api.v1.base_view import View
from services.api.v1.submission_body import read_fields, trace_context
from services.api.v1.submissions import SUBMISSION_SCHEMA
from services.api.v1.views import AcceptedView, accepted
from shared import json_text
from shared.catalog.parameters import Violation
from shared.suggest import did_you_mean

log = logging.getLogger(__name__)
router = APIRouter(tags=["jobs"])

MAX_BODY_BYTES = 4 * 1024 * 1024


class BatchItemView(View):
    """The answer to one submission of a batch: a job or a problem, with the status that it would
    have had on its own.
    """

    status: int
    replayed: bool
    """True if an earlier request with this key created the job."""
    job: AcceptedView | None
    problem: ProblemView | None


class BatchView(View):
    """The answers to a batch, in the order of its submissions."""

    results: list[BatchItemView]


_SUBMISSION = {
    **SUBMISSION_SCHEMA,
    "properties": {
        **SUBMISSION_SCHEMA["properties"],
        KEY: {
            "type": ["string", "null"],
            "minLength": 1,
            "maxLength": 512,
            "description": "The Idempotency-Key of this submission",
        },
    },
}
_BATCH: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["jobs"],
                    "properties": {"jobs": {"type": "array", "minItems": 1, "maxItems": MOST, "items": _SUBMISSION}},
                },
                "example": {"jobs": [{"reportType": "carrier-delays", KEY: "row-1"}, {"formats": ["csv"]}]},
            }
        },
    }
}


@router.post(
    "/jobs:batch",
    openapi_extra=_BATCH,
    responses={200: {"model": BatchView}, **problems(400, 401, 403, 413, 415, 422, 429, 503)},
)
async def submit_jobs(request: Request, parts: PartsOf, principal: Caller) -> Response:
    """Request up to 1,000 reports at once. Each is answered on its own, in order: accepted, or with its own problem.

    A refused submission affects no other. Each may have an `idempotencyKey`, so that after a lost answer the same batch
    creates no job twice. Each counts as a request for the rate limit.
    """
    fields = await read_fields(request, most_bytes=MAX_BODY_BYTES)
    asked = _asked(fields)
    outcomes = await batches.submit_all(parts, principal, asked, trace_context=trace_context(request))
    request.scope[QUOTA] = parts.access.quota_of(principal)  # what the batch leaves of the quota
    root, request_id = parts.settings.root_path, request.scope.get("request_id")
    return Response(json_text.write({"results": [_item(o, root, request_id) for o in outcomes]}), 200,
                    media_type="application/json")  # fmt: skip


def _asked(fields: Any) -> list[object]:
    violations = [
        Violation(name[:100], "unknown_field", f"is not a field of a batch{did_you_mean(name[:100], ['jobs'])}")
        for name in list(fields)[:20]
        if name != "jobs"
    ]
    asked = fields.get("jobs")
    if not isinstance(asked, list) or not 1 <= len(asked) <= MOST:
        violations.append(
            Violation("jobs", "range", f"must be a list of 1 to {MOST} submissions; send more in several")
        )
    if violations:
        raise invalid("The request is not valid.", violations)
    return list(asked) if isinstance(asked, list) else []


def _item(outcome: Outcome, root: str, request_id: str | None) -> dict[str, Any]:
    """Return what BatchItemView would produce."""
    if isinstance(outcome, Submitted):
        return {
            "status": 202,
            "replayed": not (outcome.created or outcome.reused),
            "job": accepted(outcome, root),
            "problem": None,
        }
    problem = _problem(outcome)
    told = json.loads(problem_view(problem, request_id, root).model_dump_json(exclude={"violated_policies"}))
    return {"status": problem.status, "replayed": False, "job": None, "problem": told}


def _problem(error: Exception) -> Problem:
    if (problem := problem_of(error)) is not None:
        return problem
    log.error("batch.broken", exc_info=error)
    detail = "An unexpected error occurred. The service's log has the details under this request id."
    return Problem(500, "internal_error", detail, retryable=True)
