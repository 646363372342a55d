"""What was requested, as pages show it."""

from typing import Any

from services.api.console import translated
from services.api.v1.views import JobView
from shared.catalog.model import ReportType


def parameters_told(job: JobView, report: ReportType | None, language: str) -> list[tuple[str, Any]]:
    """Return the job's parameters by their titles, in the report type's order; parameters that it no longer has come
    last.
    """
    given, titles = job.parameters, translated.parameter_titles(report, language) if report else {}
    known = [(title, given[name]) for name, title in titles.items() if name in given]
    return known + [(name, value) for name, value in given.items() if name not in titles]
