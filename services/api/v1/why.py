"""Explain why a job is in its current state."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from services.api.actions import why
from services.api.http.dependencies import Caller, JobId, PartsOf
from services.api.http.openapi import problems
from services.api.http.responses import json_response
from services.api.v1.base_view import View
from shared.jobs.states import JobStatus

router = APIRouter(tags=["jobs"])


class ReasonView(View):
    """One thing that holds a job back. Besides these two fields it has the facts of its code."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")

    code: str = Field(examples=["behind_others"])
    """Stable; more will come."""
    message: str = Field(examples=["It waits behind 3 jobs that your tenant asked for before."])


class WhyView(View):
    """Where a job stands, and why."""

    job_id: UUID
    status: JobStatus
    reasons: list[ReasonView]
    """The most important reason comes first."""


@router.get(
    "/jobs/{job_id:job}/why", responses={200: {"model": WhyView}, **problems(401, 403, 404, 410, 422, 429, 503)}
)
async def get_job_why(job_id: JobId, parts: PartsOf, principal: Caller) -> Response:
    """Why the job is in its current state: what it waits for, who holds it, when it continues."""
    explained = await why.explain(parts, principal, job_id)
    reasons = [_view(reason) for reason in explained.reasons]
    view = WhyView(job_id=job_id, status=explained.status, reasons=reasons)
    return json_response(view, headers={"Cache-Control": "no-store"})


def _view(reason: why.Reason) -> ReasonView:
    facts: dict[str, Any] = {
        name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in reason.facts.items()
    }
    return ReasonView(code=reason.code, message=reason.message, **facts)
