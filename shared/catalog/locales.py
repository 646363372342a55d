"""A report type in other languages: `language` and `[locales]` of report.toml, and the choice of a job."""

from collections.abc import Mapping
from dataclasses import replace

from shared.catalog.model import Column, FurtherQuery, Locale, ReportType, SummaryTable
from shared.catalog.names import language_problem
from shared.catalog.pivot import Pivot
from shared.catalog.toml import Table

LOCALE_KEYS = ("title", "description", "columns", "parameters", "texts")
LOCALE_PARAMETER = "locale"
"""The parameter that chooses the language; the query need not use it."""


def language(table: Table) -> str:
    """Read `language = "…"`."""
    name = table.text("language", "en")
    if wrong := language_problem(name):
        table.wrong("language", wrong)
    return name


def locales(table: Table) -> Mapping[str, Locale]:
    """Read `[locales.ja]`, `[locales.pt-BR]` and so on."""
    found = {}
    for name, one in table.tables():
        if language_problem(name):
            one.wrong("", f"{name!r} is not a language tag: write [locales.ja] or [locales.pt-BR], for example")
        one.only(LOCALE_KEYS)
        found[name] = Locale(
            title=one.text("title"),
            description=one.text("description"),
            columns=_texts(one.table("columns")),
            parameters=_texts(one.table("parameters")),
            texts=_texts(one.table("texts")),
        )
    return found


def languages(report: ReportType) -> list[str]:
    """Return the languages in which its texts exist, its own first."""
    return list(dict.fromkeys([report.language, *report.locales]))


def localized(report: ReportType, parameters: Mapping[str, object], locale_asked: str | None = None) -> ReportType:
    """Return the report type in the job's language, or as it is if it does not have that language.

    The `locale` of the request's shape takes precedence over the parameter.
    """
    wanted = str(locale_asked or parameters.get(LOCALE_PARAMETER) or report.language)
    locale = report.locales.get(wanted)
    if locale is None:
        return report
    texts = locale.texts
    names = dict.fromkeys([*report.columns, *locale.columns])
    return replace(
        report,
        title=locale.title or report.title,
        description=locale.description or report.description,
        language=wanted,
        columns={name: _column(report.columns.get(name) or Column(name, name), locale) for name in names},
        parameters=tuple(replace(p, title=locale.parameters.get(p.name, p.title)) for p in report.parameters),
        pivot=report.pivot and _pivot(report.pivot, locale),
        queries=tuple(_query(query, locale) for query in report.queries),
        pdf=replace(
            report.pdf,
            figures=report.pdf.figures and _summary(report.pdf.figures, locale),
            tables=tuple(_summary(t, locale) for t in report.pdf.tables),
            charts=tuple(replace(c, title=texts.get(c.title, c.title)) for c in report.pdf.charts),
        ),
    )


def _summary(table: SummaryTable, locale: Locale) -> SummaryTable:
    columns = {name: _column(column, locale) for name, column in table.columns.items()}
    return replace(table, title=locale.texts.get(table.title, table.title), columns=columns)


def _query(query: FurtherQuery, locale: Locale) -> FurtherQuery:
    columns = {name: _column(column, locale) for name, column in query.columns.items()}
    title = locale.texts.get(query.title, query.title)
    return replace(query, title=title, columns=columns, pivot=query.pivot and _pivot(query.pivot, locale))


def _pivot(pivot: Pivot, locale: Locale) -> Pivot:
    return replace(pivot, total=locale.texts.get(pivot.total, pivot.total))


def _column(column: Column, locale: Locale) -> Column:
    title = locale.columns.get(column.name, column.title)
    return replace(column, title=title, unit=locale.texts.get(column.unit, column.unit))


def _texts(table: Table) -> Mapping[str, str]:
    return {key: table.text(key) for key, _ in table.items()}
