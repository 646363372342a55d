"""Writes a workbook's first sheet, for people who open it: title, parameters, date of the data, summaries, charts."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from shared.catalog.model import ReportType, SummaryTable
from shared.catalog.theme import Theme
from shared.reports.extract import ExtractColumn
from shared.reports.formats.edition import edition, nothing_matches
from shared.reports.formats.labels import labels_of
from shared.reports.formats.rendering import Rendering
from shared.reports.formats.summary import Result, Summaries, open_summaries
from shared.reports.formats.xlsx.cells import Cell, fields, rows_in_python
from shared.reports.formats.xlsx.cells_in_python import fields_of
from shared.reports.formats.xlsx.chart_plan import Planned, planned
from shared.reports.formats.xlsx.charts import ChartPart, Series
from shared.reports.formats.xlsx.column_cells import cell_of, number_format
from shared.reports.formats.xlsx.limits import column_letters
from shared.reports.formats.xlsx.styles import Style
from shared.reports.formats.xlsx.widths import longest_of
from shared.reports.formats.xlsx.workbook import Workbook, quoted_name, text_cell

_QUIET = "5C6875"
_CHART_ROWS = 18
_COLUMNS = 8
_FIRST_WIDTH, _WIDTH, _WIDEST, _MARGIN = 26.0, 15.0, 48.0, 2.0
_FIGURE = 16 / 11 * 1.1
"""The size of a figure's bold letters, relative to others."""


@dataclass(slots=True)
class _Page:
    """The rows of the sheet so far."""

    rows: list[str]
    at: int = 1
    """The next row, from 1."""
    widths: list[float] = field(default_factory=lambda: [_FIRST_WIDTH, *[_WIDTH] * (_COLUMNS - 1)])

    def widen(self, columns: Iterable[Sequence[str]], *, size: float = 1.0) -> None:
        """Make room for the texts of the columns, whose letters are this many times as large as usual."""
        for at, texts in enumerate(columns):
            wanted = min(longest_of(texts) * size, _WIDEST) + _MARGIN
            self.widths += [_WIDTH] * (at + 1 - len(self.widths))
            self.widths[at] = max(self.widths[at], round(wanted, 1))

    def row(self, cells: str = "", *, height: float = 0) -> None:
        """Add a row of cells that already contain its number."""
        tall = f' ht="{height:g}" customHeight="1"' if height else ""
        self.rows.append(f'<row spans="1:{_COLUMNS}" r="{self.at}"{tall}>{cells}</row>\n')
        self.at += 1

    def texts(self, *texts: tuple[str, int], height: float = 0) -> None:
        """Add a row of texts with their styles."""
        self.row("".join(text_cell(f"{column_letters(at)}{self.at}", text, style)
                         for at, (text, style) in enumerate(texts) if text), height=height)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Charted:
    """The data of the first sheet's charts: a separate sheet, after all others."""

    name: str
    rows: Sequence[str]
    widths: Sequence[float]


def has_cover(report: ReportType) -> bool:
    """True if the report has more than its title: a description, parameters, summaries."""
    pdf = report.pdf
    return bool(report.description or report.parameters or pdf.figures or pdf.tables or pdf.charts)


def write_cover(book: Workbook, rendering: Rendering, name: str, charted_name: str) -> Charted | None:
    """Add the sheet with this name.

    Returns the data of its charts, for which a sheet named `charted_name` must be added.
    """
    report, page = rendering.report, _Page([])
    _about(book, page, rendering)
    charts: list[ChartPart] = []
    charted = None
    pdf = report.pdf
    if rendering.extract.rows and (pdf.figures or pdf.tables or pdf.charts):
        with open_summaries(rendering) as summaries:
            _figures(book, page, rendering, summaries)
            plans = [plan for chart in pdf.charts if (plan := planned(rendering, summaries, chart))]
            charted, series = _data(plans, charted_name, report.theme)
            charts += [_chart(book, page, rendering, plan, lines) for plan, lines in zip(plans, series, strict=True)]
            for table in pdf.tables:
                _table(book, page, rendering, summaries, table)
    book.page(name, page.widths, page.rows, charts)
    return charted


def _about(book: Workbook, page: _Page, rendering: Rendering) -> None:
    report, labels = rendering.report, labels_of(rendering.language)
    quiet = book.styles.of(Style(colour=_QUIET))
    if report.theme.organisation:
        page.texts((report.theme.organisation, quiet))
    page.texts((report.title, book.styles.of(Style(bold=True, size=20, colour=_accent(rendering)))), height=28)
    if report.description:
        page.texts((report.description, quiet))
    page.row()
    asked = [*rendering.shown_parameters(), (labels.rows, rendering.row_count), *edition(rendering)]
    for name, value in asked:
        page.texts((name, quiet), (value, 0))
    if nothing := nothing_matches(rendering):
        page.row()
        page.texts((nothing, book.styles.of(Style(bold=True))))


def _chart(book: Workbook, page: _Page, rendering: Rendering, plan: Planned, series: Sequence[Series]) -> ChartPart:
    _heading(book, page, plan.title)
    first = page.at - 1
    for _ in range(_CHART_ROWS):
        page.row()
    colours = [one[1:].upper() for one in rendering.report.theme.series]
    return ChartPart(
        series, first, page.at - 1, _COLUMNS, plan.title, plan.stacked, plan.value_title, colours, plan.value_format
    )


def _heading(book: Workbook, page: _Page, title: str) -> None:
    page.row()
    page.texts((title, book.styles.of(Style(bold=True, size=13))), height=20)


def _accent(rendering: Rendering) -> str:
    return rendering.report.theme.accent[1:].upper()


def _figures(book: Workbook, page: _Page, rendering: Rendering, summaries: Summaries) -> None:
    figures = rendering.report.pdf.figures
    if figures is None:
        return
    page.row()
    quiet = book.styles.of(Style(size=9, colour=_QUIET, wrap=True, vertical="bottom"))
    begin = "right" if rendering.from_right else "left"
    look = Style(bold=True, size=16, colour=_accent(rendering), horizontal=begin)
    result = summaries.result_of(figures)
    columns, shown_as = result.columns, result.shown_as
    shown = _shown(summaries, figures, result)
    for start in range(0, len(columns), _COLUMNS):
        some = columns[start : start + _COLUMNS]
        page.texts(*((shown_as.title(c), quiet) for c in some), height=26)
        cells = [_cell(book, c, shown_as, look) for c in some]
        page.widen(([row[at] for row in shown] for at in range(start, start + len(some))), size=_FIGURE)
        rows = _fields(summaries, figures, result, cells, start)
        page.row("".join(_inner(row) for row in rows_in_python(cells, rows[:1], [page.at])), height=24)


def _table(book: Workbook, page: _Page, rendering: Rendering, summaries: Summaries, table: SummaryTable) -> None:
    _heading(book, page, table.title)
    result = summaries.result_of(table)
    columns, shown_as = result.columns, result.shown_as
    head = Style(bold=True, below=_accent(rendering), wrap=True, vertical="bottom")
    styles = {number: book.styles.of(replace(head, horizontal="right" if number else "")) for number in (False, True)}
    page.texts(*((shown_as.title(c), styles[c.source.is_number]) for c in columns), height=32)
    page.widen(zip(*_shown(summaries, table, result), strict=True))
    begin = "right" if rendering.from_right else "left"
    cells = [_cell(book, c, shown_as, Style(horizontal=begin if c.source.is_moment else "")) for c in columns]
    rows = _fields(summaries, table, result, cells)
    for row in rows_in_python(cells, rows, itertools.count(page.at)):
        page.row(_inner(row))


def _fields(
    summaries: Summaries, summary: SummaryTable, result: Result, cells: Sequence[Cell], start: int = 0
) -> Sequence[Sequence[str | None]]:
    """Return the fields of the cells, whose columns begin at `start`, for `rows_in_python`."""
    if result.texts is None:
        return summaries.values_of(summary, fields(cells))
    return fields_of(cells, [row[start : start + len(cells)] for row in result.texts])


def _shown(summaries: Summaries, summary: SummaryTable, result: Result) -> Sequence[Sequence[str]]:
    """Return the rows as a page shows them."""
    if result.texts is None:
        return summaries.table(summary.name, "", summary.query, summary.columns).rows
    return result.shown_as.shown_rows(result.columns, result.texts)


def _inner(row: str) -> str:
    """Return the cells of a `<row>` element."""
    return row[row.index(">") + 1 : -len("</row>")]


def _cell(book: Workbook, column: ExtractColumn, rendering: Rendering, look: Style) -> Cell:
    style = book.styles.of(replace(look, number_format=number_format(rendering, column)))
    return cell_of(column, style, rendering.shape.zone)


def _data(plans: Sequence[Planned], name: str, theme: Theme) -> tuple[Charted | None, Sequence[Sequence[Series]]]:
    """Arrange the charts' data one below the other, and refer to it."""
    if not plans:
        return None, []
    page, found, sheet = _Page([]), [], quoted_name(name)
    for plan in plans:
        page.texts((plan.title, 0))
        head = page.at
        page.texts((plan.category, 0), *((one.title, 0) for one in plan.series))
        first = page.at
        for at, category in enumerate(plan.categories):
            numbers = [(n, one.values[at]) for n, one in enumerate(plan.series, 1)]
            filled = "".join(
                f'<c r="{column_letters(n)}{page.at}"><v>{value!r}</v></c>' for n, value in numbers if value is not None
            )
            page.row(text_cell(f"A{page.at}", category, 0) + filled)
        last = max(page.at - 1, first)
        # A single series has the colour of the document, as in HTML and PDF.
        colours = theme.series if len(plan.series) > 1 else (theme.accent,)
        own = [one.place for one in plan.series]
        places = own if len(set(own)) == len(own) else list(range(len(own)))
        found.append([
            Series(one.kind, f"{sheet}!${letters}${head}", f"{sheet}!$A${first}:$A${last}",
                   f"{sheet}!${letters}${first}:${letters}${last}", colours[places[n] % len(colours)][1:].upper(),
                   second_axis=one.second_axis)
            for n, one in enumerate(plan.series) for letters in [column_letters(n + 1)]
        ])  # fmt: skip
        page.row()
    page.widen([[one for plan in plans for one in plan.categories]])
    for plan in plans:
        page.widen([[], *([one.title] for one in plan.series)])
    return Charted(name, page.rows, page.widths), found
