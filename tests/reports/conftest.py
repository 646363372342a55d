"""A source database, and reports to run on it."""

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import psycopg
import pytest

from shared.catalog.model import Column, Format, Limits, ReportType
from shared.reports.child import render
from shared.reports.interface import Progress, RenderedFile, RenderRequest
from tests.support import postgres


@pytest.fixture(scope="session")
def source_dsn(postgres_server: postgres.Server) -> Iterator[str]:
    """An empty database in the role of a report's source."""
    with postgres.database(postgres_server, template=None) as dsn:
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
        return RenderRequest(report, {}, wanted, dsn, scratch)

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
