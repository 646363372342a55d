"""Report types made for a test, rendered in a real child process from a real database."""

import dataclasses
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest

from shared.catalog.model import Column, Format, Limits, ReportType
from shared.catalog.parameter import Parameter
from shared.catalog.parameters import validate_parameters
from shared.reports.interface import Progress, RenderedFile, RenderRequest
from shared.reports.process.child import render
from tests.support.postgres import server

Render = Callable[..., tuple[RenderedFile, ...]]


def _fresh(scratch: Path) -> Path:
    """A folder of its own for each attempt, as the worker makes one."""
    return Path(tempfile.mkdtemp(dir=scratch))


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
            formats=tuple(Format(f) for f in formats.split()), source_dsn=dsn or database_url, scratch=_fresh(scratch),
        )  # fmt: skip
        progress = [] if seen is None else seen
        return render(request, deadline_s=deadline_s, on_progress=progress.append, cancel=cancel or threading.Event())

    return make


@pytest.fixture(scope="session")
def source_dsn(postgres_server: server.Server) -> Iterator[str]:
    """An empty database in the role of a report's source."""
    with server.database(postgres_server, template=None) as dsn:
        yield dsn


@pytest.fixture
def source(source_dsn: str) -> Iterator[psycopg.Connection]:
    """A connection to the source, to prepare it and to look at it."""
    with psycopg.connect(source_dsn, autocommit=True) as conn:
        yield conn


class MakeRequest(Protocol):
    """Builds a RenderRequest around a query."""

    def __call__(
        self, query: str, *formats: Format, limits: Limits = ..., columns: Mapping[str, Column] = ..., dsn: str = ...
    ) -> RenderRequest: ...


@pytest.fixture
def a_request(source_dsn: str, scratch: Path) -> MakeRequest:
    """Requests in CSV unless said otherwise."""

    def make(
        query: str,
        *formats: Format,
        limits: Limits = Limits(timeout_s=60),  # noqa: B008 - frozen
        columns: Mapping[str, Column] | None = None,
        dsn: str = source_dsn,
    ) -> RenderRequest:
        wanted = formats or (Format.CSV,)
        report = ReportType(
            name="orders", title="Orders", description="", version="1", source="default", query=query,
            formats=wanted, columns=columns or {}, limits=limits,
        )  # fmt: skip
        return RenderRequest(report, {}, wanted, dsn, _fresh(scratch))

    return make


Run = Callable[..., tuple[RenderedFile, ...]]


@pytest.fixture
def run() -> Run:
    """`render` with a deadline of a minute, nobody watching and nobody cancelling."""

    def call(
        request: RenderRequest,
        *,
        deadline_s: float = 60,
        on_progress: Callable[[Progress], None] = lambda _: None,
        cancel: threading.Event | None = None,
    ) -> tuple[RenderedFile, ...]:
        return render(request, deadline_s=deadline_s, on_progress=on_progress, cancel=cancel or threading.Event())

    return call
