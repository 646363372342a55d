"""Says where in a report type's folder an error is, as `file:line: message hint`."""

import re
from pathlib import Path

from shared.catalog.model import ReportKind, ReportType
from shared.catalog.toml import line_of
from shared.failures import FailureCode
from shared.reports.interface import ReportError


def where_and_what(report: ReportType, error: ReportError) -> str:
    """Return one line for people: where it is, what is wrong, what helps."""
    hint = "What was raised stands above." if error.code == FailureCode.RENDERER_FAILED else error.hint
    return f"{_file_and_line(report, error)}: {error} {hint}".rstrip()


def place(report: ReportType, name: str) -> str:
    """Return the path of a file in the report type's folder; for a report type in Python, its name, and that it is in
    Python.
    """
    if report.kind is not ReportKind.QUERY:
        return f"{report.name}, a Python report type"
    return str((report.folder or Path()) / name)


def _file_and_line(report: ReportType, error: ReportError) -> str:
    message = str(error)
    if found := re.search(r" in line (\d+) of (query\.sql|queries/\w+\.sql)", message):
        return f"{place(report, found[2])}:{found[1]}"
    if found := re.match(r"(queries/\w+\.sql): ", message):
        return f"{place(report, found[1])}:1"
    if found := re.search(r"The template (\S+) in line (\d+)", message):
        return f"{place(report, found[1])}:{found[2]}"
    if found := re.search(r"The chart (\S+) could", message):
        return f"{place(report, found[1])}:1"
    if found := re.search(r"The query of '(\S+)'", message):
        path = Path(place(report, "report.toml"))
        kind = "charts" if any(c.name == found[1] for c in report.pdf.charts) else "tables"
        return f"{path}:{line_of(path.read_text(), 'pdf', kind, found[1], 'query')}"
    name = "query.sql" if error.code == FailureCode.SOURCE_QUERY_FAILED else "report.toml"
    return place(report, name) + (":1" if report.folder else "")
