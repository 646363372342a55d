"""Report types made for a test, rendered in a real child process from a real database."""

import dataclasses
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.catalog.model import Column, Format, Limits, Parameter, ReportType
from shared.catalog.parameters import validate_parameters
from shared.reports.child import render
from shared.reports.interface import Progress, RenderedFile, RenderRequest

Render = Callable[..., tuple[RenderedFile, ...]]


def a_report(
    query: str, *parameters: Parameter, columns: Mapping[str, Column] | None = None, **limits: Any
) -> ReportType:
    """A report type around one query."""
    return ReportType(
        name="probe", title="Probe: a [test]", description="", version="1", source="default", query=query,
        formats=(Format.CSV, Format.XLSX), parameters=parameters, columns=columns or {},
        limits=dataclasses.replace(Limits(), **limits),
    )  # fmt: skip


@pytest.fixture
def make(database_url: str, scratch: Path) -> Render:
    """Render a report in a child; files stay in `scratch`."""

    def make(
        report: ReportType, given: Mapping[str, object] | None = None, *, formats: str = "csv", deadline_s: float = 60,
        cancel: threading.Event | None = None, seen: list[Progress] | None = None, dsn: str | None = None,
    ) -> tuple[RenderedFile, ...]:  # fmt: skip
        request = RenderRequest(
            report=report, parameters=validate_parameters(report, given or {}),
            formats=tuple(Format(f) for f in formats.split()), source_dsn=dsn or database_url, scratch=scratch,
        )  # fmt: skip
        progress = [] if seen is None else seen
        return render(request, deadline_s=deadline_s, on_progress=progress.append, cancel=cancel or threading.Event())

    return make
