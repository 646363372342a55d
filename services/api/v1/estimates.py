"""Predict a report: POST /v1/jobs:estimate."""

from fastapi import APIRouter, Request, Response
from pydantic import Field

from services.api.actions import estimates
from services.api.actions.estimates import Estimate
from services.api.http.dependencies import Caller, PartsOf
from services.api.http.openapi import problems
from services.api.http.responses import json_response
from services.api.v1.base_view import View
from services.api.v1.submission_body import read_submission
from services.api.v1.submissions import SUBMISSION_BODY

router = APIRouter(tags=["jobs"])


class ExpectedView(View):
    """What the source's planner expects. It works from samples, and may be far off."""

    rows: int
    bytes: int
    """Bytes of all rows, as the source stores them."""
    cost: float
    """In the planner's own unit: useful for comparing one question with another."""


class UsualView(View):
    """Figures of the tenant's latest successful jobs of the report type."""

    jobs: int
    p50_seconds: float
    p95_seconds: float


class WarnedView(View):
    """A warning to read before requesting the report."""

    code: str = Field(examples=["split_over_sheets"])
    message: str = Field(examples=["About 2,500,000 rows: the workbook will be split over 3 sheets."])


class EstimateView(View):
    """The predicted report."""

    report_type: str
    report_version: str
    formats: list[str]
    expected: ExpectedView | None
    """Null if the source cannot be asked; `warnings` says why."""
    usual: UsualView | None
    """Null while nothing is known."""
    warnings: list[WarnedView]


@router.post(
    "/jobs:estimate",
    openapi_extra={"requestBody": SUBMISSION_BODY},
    responses={200: {"model": EstimateView}, **problems(400, 401, 403, 404, 413, 415, 422, 429, 503)},
)
async def estimate_job(request: Request, parts: PartsOf, principal: Caller) -> Response:
    """Predict a report: how many rows, how long it usually takes, and what would go wrong.

    Accepts what a submission accepts. Nothing is written; the query is planned, not run. It counts as five requests.
    """
    return json_response(_view(await estimates.estimate(parts, principal, await read_submission(request))))


def _view(found: Estimate) -> EstimateView:
    plan, usual = found.expected, found.usual
    return EstimateView(
        report_type=found.report.name,
        report_version=found.report.version,
        formats=[str(f) for f in found.formats],
        expected=ExpectedView(rows=plan.rows, bytes=plan.rows * plan.row_bytes, cost=plan.cost) if plan else None,
        usual=UsualView(jobs=usual.jobs, p50_seconds=usual.p50_s, p95_seconds=usual.p95_s) if usual else None,
        warnings=[WarnedView(code=w.code, message=w.message) for w in found.warnings],
    )
