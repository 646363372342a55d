"""Requests about report types."""

from collections.abc import Mapping
from typing import Any

from todoke._core.config import Config
from todoke._core.requests import Request, content_of, segment, send
from todoke._core.steps import Flow
from todoke.report_types import Choices, ReportType, ReportTypes


def list_types(config: Config) -> Flow[ReportTypes]:
    """Return every report type that the caller may request."""
    answer = yield from send(config, Request("GET", "/v1/report-types"))
    return ReportTypes.from_json(content_of(answer))


def get_type(config: Config, name: str) -> Flow[ReportType]:
    """One report type."""
    answer = yield from send(config, Request("GET", f"/v1/report-types/{segment(name, 'report type')}"))
    return ReportType.from_json(content_of(answer))


def choices(
    config: Config, name: str, parameter: str, given: Mapping[str, Any] | None, time_zone: str | None
) -> Flow[Choices]:
    """Return the values that a parameter may have."""
    path = f"/v1/report-types/{segment(name, 'report type')}/choices/{segment(parameter, 'parameter')}"
    query: dict[str, Any] = {"given": [f"{key}:{_text(one)}" for key, value in (given or {}).items()
                                       for one in (value if isinstance(value, list | tuple) else [value])]}  # fmt: skip
    if time_zone is not None:
        query["timeZone"] = time_zone
    answer = yield from send(
        config, Request("GET", path, query={name: value for name, value in query.items() if value})
    )
    return Choices.from_json(content_of(answer))


def _text(value: object) -> str:
    return ("false", "true")[value] if isinstance(value, bool) else str(value)
