"""What can be asked for."""

from fastapi import APIRouter, Response

from services.api.actions import visible
from services.api.http.dependencies import Caller, PartsOf
from services.api.http.openapi import problems
from services.api.http.responses import json_response
from services.api.v1.report_type_views import ReportTypesView, ReportTypeView

router = APIRouter(tags=["report types"])


@router.get("/v1/report-types", responses={200: {"model": ReportTypesView}, **problems(401, 429)})
async def list_report_types(parts: PartsOf, principal: Caller) -> Response:
    """Every report type that the caller may ask for, with the JSON Schema of its parameters."""
    return json_response(ReportTypesView.of(visible.report_types(parts.catalog, principal)))


@router.get("/v1/report-types/{name}", responses={200: {"model": ReportTypeView}, **problems(401, 404, 422, 429)})
async def get_report_type(name: str, parts: PartsOf, principal: Caller) -> Response:
    """One report type."""
    return json_response(ReportTypeView.of(visible.report_type(parts.catalog, principal, name)))
