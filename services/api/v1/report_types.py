"""Report types: what can be requested."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from services.api.actions import choices, visible
from services.api.actions.choices import Asked
from services.api.http.dependencies import Caller, PartsOf
from services.api.http.openapi import problems
from services.api.http.responses import json_response
from services.api.v1.report_type_views import ChoicesView, ReportTypesView, ReportTypeView

router = APIRouter(tags=["report types"])


@router.get("/v1/report-types", responses={200: {"model": ReportTypesView}, **problems(401, 429)})
async def list_report_types(parts: PartsOf, principal: Caller) -> Response:
    """Every report type that the caller may request, with the JSON Schema of its parameters."""
    return json_response(ReportTypesView.of(visible.report_types(parts.catalog, principal)))


@router.get(
    "/v1/report-types/{name}/choices/{parameter}",
    responses={200: {"model": ChoicesView}, **problems(401, 403, 404, 422, 429, 503)},
)
async def list_choices(
    name: str,
    parameter: str,
    parts: PartsOf,
    principal: Caller,
    given: Annotated[
        list[str], Query(description="The value of another parameter, as `name:value`; several of one name are a list")
    ] = [],  # noqa: B006 - FastAPI makes a new list for each request
    time_zone: Annotated[
        str | None, Query(alias="timeZone", description="The IANA time zone of the query and of dates in words")
    ] = None,
) -> Response:
    """The values that a parameter may have, as the report type's source now has them for the caller: up to 1,000.

    They may depend on other parameters, which `x-choices` in the report type's JSON Schema names.
    """
    found = await choices.choices_of(parts, principal, Asked(name, parameter, given, time_zone))
    return json_response(ChoicesView.of(found))


@router.get("/v1/report-types/{name}", responses={200: {"model": ReportTypeView}, **problems(401, 404, 422, 429)})
async def get_report_type(name: str, parts: PartsOf, principal: Caller) -> Response:
    """One report type."""
    return json_response(ReportTypeView.of(visible.report_type(parts.catalog, principal, name)))
