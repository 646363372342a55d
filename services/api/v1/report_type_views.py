"""Views of report types."""

from typing import Any, Self

from services.api.v1.base_view import View
from shared.catalog.choices import Choices
from shared.catalog.model import BUNDLE, CatalogView, ReportType
from shared.catalog.schema import json_schema
from shared.catalog.shape_schema import options_schema


class ColumnView(View):
    """A column of a report."""

    name: str
    title: str
    unit: str
    required_scope: str | None
    """Files have this column only for requesters with this scope."""


class ReportTypeView(View):
    """What a client needs in order to request a report of this type."""

    name: str
    title: str
    description: str
    version: str
    formats: list[str]
    parameters: dict[str, Any]
    """A JSON Schema."""
    columns: list[ColumnView]
    options: dict[str, Any]
    """A JSON Schema of the request's fields for the shape of the answer, besides the parameters."""

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
            options=options_schema(report),
        )


class ChoiceView(View):
    """A value that a parameter may have."""

    value: str
    title: str
    """The title that people see."""


class ChoicesView(View):
    """The values that a parameter may have, in the order of its query."""

    choices: list[ChoiceView]
    more: bool
    """True if there are more choices than these."""

    @classmethod
    def of(cls, found: Choices) -> Self:
        """The view of these choices."""
        return cls(choices=[ChoiceView(value=c.value, title=c.title) for c in found.found], more=found.more)


class ReportTypesView(View):
    """Every report type."""

    default: str | None
    report_types: list[ReportTypeView]

    @classmethod
    def of(cls, catalog: CatalogView) -> Self:
        """The view of this catalog."""
        return cls(default=catalog.default, report_types=[ReportTypeView.of(r) for r in catalog.types.values()])
