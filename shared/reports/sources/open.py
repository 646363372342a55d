"""Opens the source of a report's rows, chosen by the scheme of its URL."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import urlsplit

from shared.catalog.model import ReportKind
from shared.catalog.python_report import SOURCES_GROUP
from shared.reports import source_errors
from shared.reports.question import Question
from shared.reports.sources import files, postgres, python_source, sqlite
from shared.reports.sources.result import OpenSource, SourceResult
from shared.reports.sources.role import refuse_role


def _open_postgres(url: str, question: Question, scratch: Path, /) -> AbstractContextManager[SourceResult]:
    del scratch
    return postgres.open_result(url, question)


def _open_mariadb(url: str, question: Question, scratch: Path, /) -> AbstractContextManager[SourceResult]:
    try:
        from shared.reports.sources import mariadb  # its driver is an extra
    except ModuleNotFoundError:
        raise source_errors.source_missing(question.report.source, "install todoke-server[mariadb]") from None
    return mariadb.open_result(url, question, scratch)


_OURS: Mapping[str, OpenSource] = {
    "": _open_postgres,  # libpq's own form, `host=… dbname=…`
    "postgresql": _open_postgres,
    "postgres": _open_postgres,
    "file": files.open_result,
    "s3": files.open_result,
    "mariadb": _open_mariadb,
    "sqlite": sqlite.open_result,
}


def open_source(
    url: str, question: Question, scratch: Path, *, first_rows: int | None = None
) -> AbstractContextManager[SourceResult]:
    """Open the report's result. Raises ReportError(source_missing) for an unknown scheme, or without a URL."""
    report = question.report
    if report.kind is ReportKind.ROWS:
        return python_source.open_result(question, scratch, first_rows=first_rows)
    scheme = urlsplit(url).scheme if "://" in url else ""
    if not url:
        raise source_errors.source_missing(report.source, "no URL for it is set")
    opener = _OURS.get(scheme)
    if opener is not _open_postgres:
        refuse_role(question)
    if opener is None:
        plugins = {point.name: point for point in entry_points(group=SOURCES_GROUP)}
        if scheme not in plugins:
            known = ", ".join(sorted({*filter(None, _OURS), *plugins}))
            raise source_errors.source_missing(report.source, f"URLs may begin with {known}")
        opener = plugins[scheme].load()
    return opener(url, question, scratch)
