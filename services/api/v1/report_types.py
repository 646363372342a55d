"""What can be asked for."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from services.api.http.dependencies import PartsOf, Tenant
from services.api.http.problems import Problem, ProblemView
from services.api.v1.views import report_type_view
from shared.suggest import did_you_mean

router = APIRouter(tags=["report types"])
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemView, "content": {"application/problem+json": {}}} for status in (401, 404, 429)
}


@router.get("/v1/report-types", responses={status: _PROBLEMS[status] for status in (401, 429)})
async def list_report_types(parts: PartsOf, tenant: Tenant) -> JSONResponse:
    """Every report type, with the JSON Schema of its parameters."""
    del tenant  # every tenant may ask for every type
    catalog = parts.catalog
    return JSONResponse(
        {"default": catalog.default, "reportTypes": [report_type_view(report) for report in catalog.types.values()]}
    )


@router.get("/v1/report-types/{name}", responses=_PROBLEMS)
async def get_report_type(name: str, parts: PartsOf, tenant: Tenant) -> JSONResponse:
    """One report type."""
    del tenant
    report = parts.catalog.types.get(name)
    if report is None:
        detail = f"There is no report type {name[:60]!r}{did_you_mean(name, parts.catalog.types)}"
        raise Problem(404, "unknown_report_type", detail)
    return JSONResponse(report_type_view(report))
