"""Reads who may use a report type and its columns: `tenants`, `required_scope`, `shared` and `role` of report.toml."""

from collections.abc import Iterator
from typing import NamedTuple

from shared.access.scopes import scope_problem
from shared.access.tenants import tenant_problem
from shared.catalog.model import ReportType
from shared.catalog.source_role import SourceRole, read_role
from shared.catalog.sql import Kind, UnreadableSql, scan
from shared.catalog.toml import Table

AUDIENCE_KEYS = ("tenants", "required_scope", "shared", "role")


class Audience(NamedTuple):
    """Who may request a report type, and whose rows they get."""

    tenants: tuple[str, ...]
    required_scope: str | None
    shared: bool
    role: SourceRole | None


def read_audience(table: Table) -> Audience:
    """Read the keys of `AUDIENCE_KEYS`."""
    tenants = table.strings("tenants")
    if tenants == ():
        table.wrong("tenants", "names nobody: name at least one tenant, or leave it out for all")
    for name in tenants or ():
        if wrong := tenant_problem(name):
            table.wrong("tenants", f"{name!r} {wrong}")
    return Audience(tuple(tenants or ()), scope(table), table.flag("shared"), read_role(table))


def scope(table: Table) -> str | None:
    """Read `required_scope`."""
    name = table.text("required_scope")
    if not name:
        return None
    if wrong := scope_problem(name):
        table.wrong("required_scope", f"{name!r} {wrong}")
    return name


def check_documents(table: Table, report: ReportType) -> None:
    """Refuse a summary or a chart that names a column with a required scope: its figures would reveal the column."""
    columns = [report.columns, *(query.columns for query in report.queries)]
    scoped = {name.casefold() for some in columns for name, column in some.items() if column.required_scope}
    if not scoped:
        return
    pdf = table.table("pdf")
    for kind, parts in (("tables", report.pdf.tables), ("charts", report.pdf.charts)):
        for part in parts:
            for name in sorted(scoped & set(_words(part.query))):
                pdf.table(kind).table(part.name).wrong("query", _LEAK.format(name))
    if report.pdf.figures is not None:
        for name in sorted(scoped & set(_words(report.pdf.figures.query))):
            pdf.table("figures").wrong("query", _LEAK.format(name))


_LEAK = (
    "names the column {!r}, which asks for a scope: leave it out of summaries and charts, or make a report type of its "
    "own with required_scope"
)


def _words(query: str) -> Iterator[str]:
    try:
        for token in scan(query):
            if token.kind is not Kind.SPACE:
                yield token.text.strip('"').replace('""', '"').casefold()
    except UnreadableSql:
        return
