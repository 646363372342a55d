"""The requests about report types."""

from todoke._core.config import Config
from todoke._core.requests import Request, content_of, segment, send
from todoke._core.steps import Flow
from todoke.report_types import ReportType, ReportTypes


def list_types(config: Config) -> Flow[ReportTypes]:
    """Every report type that the caller may ask for."""
    answer = yield from send(config, Request("GET", "/v1/report-types"))
    return ReportTypes.from_json(content_of(answer))


def get_type(config: Config, name: str) -> Flow[ReportType]:
    """One report type."""
    answer = yield from send(config, Request("GET", f"/v1/report-types/{segment(name, 'report type')}"))
    return ReportType.from_json(content_of(answer))
