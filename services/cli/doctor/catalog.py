"""Examines the catalog and the sources that its report types read."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from services.cli.doctor.finding import Finding, fail, ok, warn
from shared.catalog.load import BUILTIN, CatalogError, load_catalog
from shared.catalog.model import ReportKind, ReportType
from shared.catalog.source_urls import sources_of
from shared.reports.sources import look as sources
from shared.runtime.settings import SettingsError, secret
from shared.schedules.files import read_schedule_files


def look() -> Iterator[Finding]:
    """Yield the findings."""
    path = Path(os.environ.get("CATALOG_PATH") or BUILTIN)
    try:
        types = load_catalog(path).types
    except CatalogError as error:
        for problem in error.problems:
            yield fail("catalog", problem, "correct it; `todoke-server check` tries each report type")
        return
    yield ok("catalog", f"{path}: {len(types)} report type(s)")
    for problem in read_schedule_files(path, types).problems:
        yield fail("catalog.schedules", problem, "correct it; until then its schedule is not created or changed")
    yield from _sources(types)


def _sources(types: Mapping[str, ReportType]) -> Iterator[Finding]:
    try:
        names = ("DATABASE_URL", "REPORT_SOURCE_URL", "REPORT_SOURCES")
        urls = sources_of({name: secret(os.environ, name) or "" for name in names})
    except (ValueError, SettingsError) as error:
        yield fail("sources", f"REPORT_SOURCES: {error}", "correct it")
        return
    readers: dict[str, str] = {}
    for report in types.values():
        if report.kind is ReportKind.QUERY:
            readers.setdefault(report.source, report.name)
    for source, reader in readers.items():
        yield _source(source, urls.get(source, ""), reader)


def _source(name: str, url: str, reader: str) -> Finding:
    check = f"sources.{name}"
    if not url:
        variable = "REPORT_SOURCE_URL" if name == "default" else "REPORT_SOURCES"
        return fail(check, f"{reader} reads it, but no URL is set for it", f"set {variable} on the worker")
    if problem := sources.problem_of(url):
        return fail(check, f"it does not answer: {problem}", "start it, or correct its URL")
    if sources.is_postgres(url) and (rights := sources.rights_of(url)):
        return warn(check, f"reports read it with more rights than they need: {rights}", "give it a read-only role")
    return ok(check, "it answers")
