"""Report types on the wire, as models."""

from typing import Any, Self

from services.api.v1.views import View
from shared.catalog.model import BUNDLE, CatalogView, ReportType
from shared.catalog.schema import json_schema


class ColumnView(View):
    """A column of a report."""

    name: str
    title: str
    unit: str
    required_scope: str | None
    """Files have this column only for whoever asks with this scope."""


class ReportTypeView(View):
    """What a client needs to ask for a report of this type."""

    name: str
    title: str
    description: str
    version: str
    formats: list[str]
    parameters: dict[str, Any]
    """A JSON Schema."""
    columns: list[ColumnView]

    @classmethod
    def of(cls, report: ReportType) -> Self:
        """The view of this report type."""
        return cls(
            name=report.name,
            title=report.title,
            description=report.description,
            version=report.version,
            formats=[*report.formats, BUNDLE],
            parameters=json_schema(report),
            columns=[
                ColumnView(name=c.name, title=c.title, unit=c.unit, required_scope=c.required_scope)
                for c in report.columns.values()
            ],
        )


class ReportTypesView(View):
    """Every report type."""

    default: str | None
    report_types: list[ReportTypeView]

    @classmethod
    def of(cls, catalog: CatalogView) -> Self:
        """The view of this catalog."""
        return cls(default=catalog.default, report_types=[ReportTypeView.of(r) for r in catalog.types.values()])
