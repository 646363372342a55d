"""Writes a report as an Excel workbook with typed cells, in constant memory for any number of rows."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from shared.reports.errors import cell_too_long, output_too_large
from shared.reports.extract import ExtractColumn
from shared.reports.formats.bands import Bands, bands_of, with_bands
from shared.reports.formats.labels import Labels, labels_of
from shared.reports.formats.rendering import Rendering
from shared.reports.formats.xlsx.band_rows import BandRows
from shared.reports.formats.xlsx.cells import (
    SUSPECT,
    Cell,
    fields,
    is_bare,
    is_plain,
    row_parts,
    rows_in_python,
    text_length,
)
from shared.reports.formats.xlsx.cells_in_python import fields_of
from shared.reports.formats.xlsx.column_cells import cell_of, number_format
from shared.reports.formats.xlsx.cover import has_cover, write_cover
from shared.reports.formats.xlsx.highlights import rules_of
from shared.reports.formats.xlsx.limits import (
    CELL_CHARACTERS,
    SHEET_COLUMNS,
    SHEET_ROWS,
    characters,
    new_sheet_name,
    sheet_name,
)
from shared.reports.formats.xlsx.shifted_rows import ShiftedRows, texts_in_python
from shared.reports.formats.xlsx.styles import Style, tint_of
from shared.reports.formats.xlsx.widths import widths_of
from shared.reports.formats.xlsx.workbook import SheetColumn, Workbook
from shared.reports.formats.xlsx.zip_file import PartTooLarge


def write_xlsx(rendering: Rendering) -> int:
    """Write a workbook: a first sheet to read, then the rows, with a new sheet every 1,048,575 of them.

    Each further query has a sheet of its own. Numbers that Excel cannot hold exactly (over 15 digits) become text, and
    are never rounded. Text is text, even if it looks like a formula or a link. Returns the data rows.
    """
    answers = [rendering, *rendering.further]
    if any(len(one.extract.columns) > SHEET_COLUMNS for one in answers):
        raise output_too_large()
    report = rendering.report
    names = _SheetNames(report.title, labels_of(rendering.language))
    try:
        accent = report.theme.accent[1:].upper()
        paper, from_right = report.pdf.paper, rendering.from_right
        with Workbook(rendering.path, title=report.title, accent=accent, from_right=from_right, paper=paper) as book:
            charted = write_cover(book, rendering, names.cover, names.charted) if has_cover(report) else None
            _add(rendering, book, names.rows)
            for one in rendering.further:
                _add(one, book, names.of(one.report.title))
            if charted is not None:
                book.page(names.charted, charted.widths, charted.rows)
    except PartTooLarge:
        raise output_too_large() from None
    return rendering.all_rows


def _add(rendering: Rendering, book: Workbook, name_of: Callable[[int], str]) -> None:
    """Add the sheets of one answer; `name_of` returns the name of each, counted from 1."""
    columns = rendering.extract.columns
    strange, marked = _check_texts(rendering)
    formats = [number_format(rendering, c) for c in columns]
    cells = [
        replace(
            cell_of(c, book.styles.of(_look(c, f, from_right=rendering.from_right)), rendering.shape.zone),
            plain=c.name not in strange,
            bare=c.name not in marked,
        )
        for c, f in zip(columns, formats, strict=True)
    ]
    _write_rows(book, rendering, cells, formats, name_of)


def _look(column: ExtractColumn, number_format: str, *, from_right: bool) -> Style:
    """Return how the cells of a column look.

    Dates are aligned to the start of lines, as in documents: on the other side, Excel's default, they would run into
    the text of the next column.
    """
    if column.source.is_moment:
        return Style(number_format, horizontal="right" if from_right else "left")
    return Style(number_format, horizontal="right" if column.source.is_duration else "")


class _SheetNames:
    """Names that are unique, ignoring case."""

    def __init__(self, title: str, labels: Labels) -> None:
        self._title = title
        taken = {sheet_name(title).casefold()}
        self.cover = self._free(labels.overview, taken)
        self.charted = self._free(labels.chart_data, {*taken, self.cover.casefold()})
        self._taken = {self.cover.casefold(), self.charted.casefold()}

    def rows(self, number: int) -> str:
        """Return the name of a sheet with the rows; a long report has several."""
        name = sheet_name(self._title, number)
        self._taken.add(name.casefold())
        return name

    def of(self, title: str) -> Callable[[int], str]:
        """Return a function that names the sheets of another answer."""
        return lambda _: new_sheet_name(title, self._taken)

    def _free(self, name: str, taken: Collection[str]) -> str:
        return sheet_name(name) if name.casefold() not in taken else sheet_name(f"{name} *")


def _write_rows(
    book: Workbook, rendering: Rendering, cells: Sequence[Cell], formats: Sequence[str], name_of: Callable[[int], str]
) -> None:
    """Add the sheets with the rows of one answer, as many as Excel's limit requires."""
    extract = rendering.extract
    bands = bands_of(rendering)
    looks = [
        SheetColumn(
            rendering.title(c),
            width,
            c.source.at_right,
            rules_of(rendering.shown(c), book.styles),
        )
        for c, width in zip(extract.columns, widths_of(rendering, bands), strict=True)
    ]
    if bands is not None:
        _write_with_totals(book, rendering, bands, cells, formats, looks, name_of)
        return
    here = _fields_in_python(rendering, cells) if extract.is_small else None
    for number, start in enumerate(range(0, max(extract.rows, 1), SHEET_ROWS - 1), 1):
        with book.sheet(name_of(number), looks) as sheet:
            end = min(start + SHEET_ROWS - 1, extract.rows)
            if here is not None:
                sheet.add(["".join(f"{row}\n" for row in rows_in_python(cells, here[start:end])).encode()], end - start)
                continue
            row = row_parts(cells, f"({extract.row_number} - {start - 2})")
            sheet.add(rendering.lines(*row, source=extract.between(start, end)), end - start)


def _write_with_totals(
    book: Workbook, rendering: Rendering, bands: Bands, cells: Sequence[Cell], formats: Sequence[str],
    looks: Sequence[SheetColumn], name_of: Callable[[int], str],
) -> None:  # fmt: skip
    """Add the sheets with rows and lines of totals, whose formulas refer to the rows' final places."""
    extract, accent = rendering.extract, rendering.report.theme.accent
    totals = BandRows(bands, extract.columns, cells, formats, book.styles, accent[1:].upper(), tint_of(accent))
    shifted = ShiftedRows(extract, bands.levels if bands.has_totals else ())
    here = _fields_in_python(rendering, cells) if extract.is_small else None
    if here is not None:
        totals.texts = texts_in_python(list(totals.computed), here)
    else:
        totals.texts = shifted.texts(rendering.connection, totals.computed)
    for number, part in enumerate(totals.sheets(extract.rows, SHEET_ROWS - 1), 1):
        with book.sheet(name_of(number), looks, levels=totals.levels) as sheet:
            pieces: Iterable[bytes]
            if here is not None:
                rows = rows_in_python(cells, here[part.first : part.end], part.numbers, outline=totals.levels)
                pieces = [f"{row}\n".encode() for row in rows]
            else:
                place = f"(({extract.row_number} + {shifted.shift}) % {part.most} + 2)"
                row = row_parts(cells, place, outline=totals.levels)
                pieces = rendering.lines(*row, source=shifted.of(part.first, part.end))
            sheet.add(with_bands(pieces, b"</row>\n", part.events), part.end - part.first)
            sheet.rows += part.totals


def _fields_in_python(rendering: Rendering, cells: Sequence[Cell]) -> Sequence[Sequence[str | None]]:
    """Return the fields of all rows, for `rows_in_python`."""
    rows: Sequence[Sequence[str | None]]
    if rendering.extract.cells is not None:
        rows = fields_of(cells, rendering.extract.cells)
    else:
        asked = f"SELECT {', '.join(fields(cells))} FROM {rendering.extract.table}"
        rows = rendering.connection.execute(asked).fetchall()
    rendering.progress(len(rows))
    return rows


def _check_texts(rendering: Rendering) -> tuple[Collection[str], Collection[str]]:
    """Refuse texts that an Excel cell cannot hold, and say how many there are. They are never cut.

    Returns the columns with characters that XML cannot carry, and those with any that it cannot carry unescaped.
    """
    texts = [c for c in rendering.extract.columns if c.may_be_any_text]
    if not texts:
        return (), ()
    if rendering.extract.is_small:
        return _checked_in_python(rendering, texts), {c.name for c in texts}
    checks = ", ".join(f"max(strlen({c.as_source_text})), bool_and({is_bare(c.as_source_text)})" for c in texts)
    found: Any = rendering.connection.execute(f"SELECT {checks} FROM {rendering.extract.table}").fetchone()
    for column, most_bytes in zip(texts, found[::2], strict=True):
        if (most_bytes or 0) <= CELL_CHARACTERS:
            continue
        length, extract = text_length(column.as_source_text), rendering.extract
        count, row, most = rendering.connection.execute(
            f"SELECT count(*), min({extract.row_number}) + 1, max({length}) FROM {extract.numbered} "
            f"WHERE {length} > {CELL_CHARACTERS}"
        ).fetchone() or (0, 0, 0)
        if count:
            raise cell_too_long(column.source.name, count, row, most)
    marked = [c for c, bare in zip(texts, found[1::2], strict=True) if bare is False]
    checks = ", ".join(f"bool_and({is_plain(c.as_source_text)})" for c in marked)
    found = rendering.connection.execute(f"SELECT {checks} FROM {rendering.extract.table}").fetchone() if marked else ()
    strange = {c.name for c, plain in zip(marked, found, strict=True) if not plain}
    return strange, {c.name for c in marked}


def _checked_in_python(rendering: Rendering, texts: Sequence[ExtractColumn]) -> Collection[str]:
    """The same for small results: DuckDB would take longer to parse the query than Python to answer it."""
    rows: Sequence[Sequence[str | None]]
    if rendering.extract.cells is not None:
        rows = rendering.extract.cells_of(texts)
    else:
        asked = f"SELECT {', '.join(c.as_source_text for c in texts)} FROM {rendering.extract.table}"
        rows = rendering.connection.execute(asked).fetchall()
    strange = set()
    for column, cells in zip(texts, zip(*rows, strict=True), strict=True) if rows else ():
        filled = [text for text in cells if text]
        # A character counts as two at most, and what is searched for never spans two lines.
        if 2 * max(map(len, filled), default=0) <= CELL_CHARACTERS and not SUSPECT.search("\n".join(filled)):
            continue
        lengths = [characters(text or "") for text in cells]
        if too_long := [row for row, length in enumerate(lengths, 1) if length > CELL_CHARACTERS]:
            raise cell_too_long(column.source.name, len(too_long), too_long[0], max(lengths))
        if any(text and SUSPECT.search(text) for text in cells):
            strange.add(column.name)
    return strange
