"""Compares the columns that report.toml mentions with those that the query returns, for `todoke-server check`."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from shared.catalog.locales import LOCALE_PARAMETER
from shared.catalog.model import Format, ReportKind, ReportType
from shared.catalog.sql import Kind, scan
from shared.catalog.toml import line_of
from shared.suggest import did_you_mean

_READABLE = 15
"""How many columns a page can show properly; further ones continue on pages of their own."""
_UNNAMED = "?column?"


def column_problems(report: ReportType, names: Sequence[str], of_further: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield mistakes about columns: names in report.toml that no query returns.

    `names` are the columns of query.sql, `of_further` those of each further query.
    """
    if report.folder is None or report.kind is not ReportKind.QUERY:
        return
    file = report.folder / "report.toml"
    text = file.read_text("utf-8-sig")
    summaries = {c for t in (*report.pdf.tables, *filter(None, [report.pdf.figures])) for c in t.columns}
    every = {*names, *(name for some in of_further.values() for name in some)}
    for name in report.columns:
        # A summary has columns of its own, which also look up their settings here.
        if name not in every and name not in summaries and not _in_summary(report, name):
            at = line_of(text, "columns", name)
            yield f"{file}:{at}: columns.{name}: the query gives no such column{did_you_mean(name, names)}"
    yield from _locale_problems(report, text, every)
    yield from _unreachable_languages(report, text)
    for setting, name, given in _own_names(report, names, of_further):
        place = f"{file}:{line_of(text, *setting)}: {'.'.join(setting)}"
        yield f"{place}: the query gives no column {name!r}{did_you_mean(name, given)}"


def _unreachable_languages(report: ReportType, text: str) -> Iterator[str]:
    """Yield one line if the report type has languages that no request can choose."""
    by_request = "locale" not in report.options.forbid or report.options.defaults.locale is not None
    if report.locales and not by_request and report.parameter(LOCALE_PARAMETER) is None:
        file = Path(report.folder or "") / "report.toml"
        at = line_of(text, "locales", next(iter(report.locales)))
        yield (
            f"{file}:{at}: locales: nothing chooses a language: options.forbid has locale, and there is neither "
            f"options.locale nor [parameters.locale]"
        )


def _locale_problems(report: ReportType, text: str, every: Collection[str]) -> Iterator[str]:
    file = Path(report.folder or "") / "report.toml"
    for language, locale in report.locales.items():
        for name in locale.columns:
            if name not in every and not _in_summary(report, name):
                at = line_of(text, "locales", language, "columns", name)
                place = f"{file}:{at}: locales.{language}.columns.{name}"
                yield f"{place}: the query gives no such column{did_you_mean(name, sorted(every))}"


def _own_names(
    report: ReportType, names: Sequence[str], of_further: Mapping[str, Sequence[str]]
) -> Iterator[tuple[tuple[str, ...], str, Sequence[str]]]:
    """Yield each column that report.toml has for one query and that this query does not return: where, which, and its
    columns.
    """
    said: list[tuple[tuple[str, ...], Iterable[str], Sequence[str]]] = []
    if report.pivot is not None:
        said.append((("pivot",), report.pivot.names, names))
    for query in report.queries:
        said.append((("queries", query.name, "columns"), query.columns, of_further[query.name]))
        if query.pivot is not None:
            said.append((("queries", query.name, "pivot"), query.pivot.names, of_further[query.name]))
    return ((at, name, given) for at, wanted, given in said for name in wanted if name not in given)


def _in_summary(report: ReportType, name: str) -> bool:
    """True if a query of the document mentions the name."""
    pdf = report.pdf
    queries = [*(table.query for table in pdf.tables), *(chart.query for chart in pdf.charts)]
    queries += [pdf.figures.query] if pdf.figures else []
    return any(token.text.strip('"') == name for query in queries for token in scan(query))


def column_notes(report: ReportType, names: Sequence[str]) -> Iterator[str]:
    """Yield what is allowed but rarely intended."""
    if report.folder is None or report.kind is not ReportKind.QUERY:
        return
    place = Path(report.folder) / "query.sql"
    counted = Counter(name.casefold() for name in names)
    if counted[_UNNAMED]:
        yield f"{place}:1: note: {counted[_UNNAMED]} column(s) have no name: write AS name behind the expression"
    twins = sorted(name for name, count in counted.items() if count > 1 and name != _UNNAMED)
    if twins:
        yield f"{place}:1: note: more than one column is called {', '.join(twins)}: files number them, write AS name"
    if not _is_ordered(report.query):
        yield f"{place}:1: note: no ORDER BY: two runs may give the rows in two orders, and files of other bytes"
    if Format.PDF in report.formats and report.pdf.appendix and len(names) > _READABLE:
        yield f"{place}:1: note: {len(names)} columns are many for a PDF: what does not fit goes on in further pages"


def _is_ordered(query: str) -> bool:
    """True if the outermost query has an ORDER BY."""
    depth, before = 0, ""
    for token in scan(query):
        if token.kind is Kind.SPACE:
            continue
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and before == "order" and token.text.lower() == "by":
            return True
        before = token.text.lower()
    return False
