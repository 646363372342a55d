"""`/console/report-types`: what can be asked for."""

from typing import Any

from fastapi import APIRouter, Response

from services.api.actions import visible
from services.api.console import translated
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.visit import Visit
from shared.catalog.model import ReportType
from shared.catalog.schema import json_schema

router = APIRouter(include_in_schema=False)


@router.get("/report-types")
@page_for
async def every(visit: Visit) -> Response:
    """Every report type that the visitor may ask for."""
    types = visible.report_types(visit.parts.catalog, visit.principal).types
    return page(visit, "report_types.html", {"types": list(types.values())})


@router.get("/report-types/{name}")
@page_for
async def one(visit: Visit) -> Response:
    """One report type: its parameters, columns, formats and limits."""
    report = visible.report_type(visit.parts.catalog, visit.principal, visit.name("name"))
    return page(visit, "report_type.html", _about(report, visit.language))


def _about(report: ReportType, language: str) -> dict[str, Any]:
    return {
        "report": report,
        "schema": json_schema(report),
        "parameters": translated.parameter_titles(report, language),
        "columns": translated.column_titles(report, language),
    }
