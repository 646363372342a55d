"""Writes a PDF: Typst typesets the title page, charts and summaries, a canvas draws the long tables."""

import contextlib
import datetime as dt
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pikepdf

from shared.catalog.theme import Theme
from shared.reports import errors
from shared.reports.formats import chart
from shared.reports.formats.edition import data_date, footer_text, nothing_matches
from shared.reports.formats.labels import labels_of
from shared.reports.formats.pdf import first_page, fonts, pages
from shared.reports.formats.pdf.layout import blocks
from shared.reports.formats.pdf.letters import named
from shared.reports.formats.pdf.table import LongTable, long_tables
from shared.reports.formats.pdf.typesetting import typeset, where
from shared.reports.formats.rendering import Rendering
from shared.reports.formats.summary import Summaries, Table, open_summaries
from shared.reports.warnings import ReportWarning, WarningCode

_MOST_TYPESET = 5_000
"""The most rows of a PDF that Typst must set wholly, because it keeps all of them in memory."""
_FEW_ROWS = 60
"""The most rows that stand in the document itself; more rows, or wide ones, become an appendix."""
_MOST_COVER, _BELOW_HEADING = 0.6, 6.0
"""The share of a page that a cover may take for rows to begin on it; points between it and them."""
_MOST_TOGETHER, _LETTERS_PER_ROW = 20, 100


def write_pdf(rendering: Rendering) -> int:
    """Write the PDF. The same rows give the same bytes: no date, no random identifier.

    Raises ReportError, with the template's own message if Typst refuses it.
    """
    folder = rendering.scratch / "document"
    folder.mkdir()
    font_set = fonts.FontSet(rendering.fonts, from_right=rendering.from_right)
    with open_summaries(rendering) as summaries:
        content = _content(rendering, summaries, folder, font_set)
    standards = rendering.report.pdf.standards
    wanted = rendering.report.pdf.appendix and content["table"] is None and rendering.extract.rows > 0 and not standards
    tables = long_tables(rendering, font_set) if wanted else []
    below = _below_cover(rendering, folder, content, tables[0]) if tables else None
    appendix = [
        part
        for at, table in enumerate(tables)
        for part in pages.draw(table, rendering.scratch, below=None if at else below)
    ]
    for one, section in zip(rendering.further, content["sections"], strict=True):
        appendix += _appendix(one, font_set) if section is None and one.extract.rows > 0 else []
    content["appendixPages"] = sum(part.pages for part in appendix) - (below is not None)
    main = rendering.scratch / "main.pdf"
    typeset(rendering, folder, content, main)
    if rendering.picture is not None:
        first_page.draw(_first_page(main, appendix[0].path) if below is not None else main, rendering.picture)
    if standards:  # as Typst wrote it, or it would be of no standard
        shutil.copyfile(main, rendering.path)
    else:
        _join(main, appendix, rendering.path, begun=below is not None)
    rendering.warnings.extend(_warnings(font_set, rendering.path.name))
    rendering.progress(rendering.extract.rows)
    return rendering.all_rows


def rehearse(rendering: Rendering) -> None:
    """Do what `write_pdf` does, but for charts and Typst, whose threads would not survive a fork."""
    font_set = fonts.FontSet(rendering.fonts, from_right=rendering.from_right)
    with open_summaries(rendering) as summaries:
        _content(rendering, summaries, rendering.scratch, font_set)
    first, *others = _appendix(rendering, font_set)
    _join(first.path, others, rendering.path)


def _appendix(rendering: Rendering, font_set: fonts.FontSet) -> list[pages.Part]:
    return [part for table in long_tables(rendering, font_set) for part in pages.draw(table, rendering.scratch)]


def _below_cover(rendering: Rendering, folder: Path, content: dict[str, Any], table: LongTable) -> float | None:
    """Return where the rows begin on the cover, in points from the paper's top; None if they begin on the next page.

    They do on a cover that has nothing but the title and what was asked for, on the table's own paper.
    """
    other = content["figures"] or content["tables"] or content["charts"] or any(content["sections"])
    own = rendering.report.folder is not None and (rendering.report.folder / "template.typ").exists()
    if other or own:
        return None
    content["pageSize"] = [table.width, table.height]
    page, y = where(rendering, folder, content, "<cover-end>")
    if page == 1 and y < table.height * _MOST_COVER:
        return y + _BELOW_HEADING
    content["pageSize"] = None
    return None


def _first_page(main: Path, part: Path) -> Path:
    """Write the cover with the first rows on it, for its picture."""
    path = main.with_name("cover.pdf")
    with pikepdf.open(main) as document, pikepdf.open(part) as rows:
        _put_on_cover(document, rows.pages[0])
        document.save(path)
    return path


def _put_on_cover(document: pikepdf.Pdf, rows: pikepdf.Page) -> None:
    """Draw a page of the rows on the document's only page. pikepdf's own way to do so names it by lot."""
    cover = document.pages[0]
    drawn = document.copy_foreign(rows.as_form_xobject())
    name = cover.add_resource(drawn, pikepdf.Name.XObject, pikepdf.Name.Rows)
    cover.contents_add(b"q", prepend=True)
    cover.contents_add(f"Q q {name} Do Q".encode())


def _join(main: Path, appendix: Sequence[pages.Part], path: Path, *, begun: bool = False) -> None:
    """Put the appendix behind the document, and number its pages: now it is known how many there are.

    `begun` says that its first page stands on the document's.
    """
    with contextlib.ExitStack() as stack:
        document = stack.enter_context(pikepdf.open(main))
        number = len(document.pages)
        last = number + sum(part.pages for part in appendix) - begun
        for at, part in enumerate(appendix):
            added = stack.enter_context(pikepdf.open(part.path)).pages
            if begun and at == 0:
                _put_on_cover(document, added[0])
                del added[0]
            for page in added:
                number += 1
                page.contents_add(part.footer.code(number, last))
            document.pages.extend(added)
        document.save(path, deterministic_id=True, object_stream_mode=pikepdf.ObjectStreamMode.generate)


def _warnings(font_set: fonts.FontSet, file: str) -> Iterator[ReportWarning]:
    """Yield what the fonts could not draw, by name."""
    if font_set.missing:
        count = len(font_set.missing)
        message = f"{file}: no font has {count} of its letters: a box stands in the place of each."
        yield ReportWarning(WarningCode.LETTERS_MISSING, file, message, named(font_set.missing))


def _content(rendering: Rendering, summaries: Summaries, folder: Path, font_set: fonts.FontSet) -> dict[str, Any]:
    report, pdf = rendering.report, rendering.report.pdf

    def measured(table: Table) -> dict[str, Any]:
        return {**asdict(table), "blocks": [asdict(block) for block in blocks(table, pdf.paper, font_set)]}

    nothing = nothing_matches(rendering)
    figures = pdf.figures and summaries.table("figures", "", pdf.figures.query, pdf.figures.columns)
    tables = [measured(summaries.table(t.name, t.title, t.query, t.columns)) for t in pdf.tables]
    charts = []
    for one in pdf.charts:
        drawn = chart.draw_of(one, summaries.objects(one.name, one.query), rendering)
        (folder / f"chart-{one.name}.svg").write_text(drawn)
        font_set.look_at(chart.texts(drawn))
        charts.append({"title": one.title, "file": f"chart-{one.name}.svg"})
    labels = labels_of(rendering.language)
    has_rows = pdf.appendix and not nothing
    typeset = has_rows and _is_typeset(rendering, summaries, font_set)

    def rows(title: str, one: Rendering, *, typeset: bool) -> dict[str, Any] | None:
        wanted = typeset or one.extract.rows <= _FEW_ROWS
        few = summaries.all_rows(title, one, whole=typeset) if wanted else None
        whole = {**measured(few), "together": _stays_together(few)} if few else None
        return whole if whole and (len(whole["blocks"]) == 1 or typeset) else None

    content = {
        "title": report.title,
        "description": report.description,
        "author": "Todoke",
        "keywords": [report.name, f"version {report.version}"],
        "language": rendering.language.partition("-")[0],
        "labels": {**asdict(labels), "dataOf": labels.data_of},
        "theme": _theme(report.theme, folder),
        "takenAt": data_date(rendering),
        "version": report.version,
        "jobId": rendering.job_id,
        "footer": footer_text(rendering),
        "nothing": nothing,
        "date": _date(rendering) if pdf.standards else None,
        "fonts": font_set.families,
        "paper": pdf.paper,
        "pageSize": None,
        "fromRight": rendering.from_right,
        "appendixPages": 0,
        "parameters": [{"name": name, "value": value} for name, value in rendering.shown_parameters()],
        "rowCount": rendering.row_count,
        "figures": _figures(figures) if figures else [],
        "tables": tables,
        "charts": charts,
        "table": rows(labels.appendix, rendering, typeset=typeset) if has_rows else None,
        # A document of a standard is Typst's alone.
        "sections": [rows(one.report.title, one, typeset=bool(pdf.standards)) for one in rendering.further],
    }
    font_set.look_at(_texts(content))
    if nothing:  # asked all the same, so that a wrong query shows; of no rows they say less than the sentence does
        content |= {"figures": [], "tables": [], "charts": []}
    return content


def _stays_together(table: Table) -> bool:
    """True for a table of which nobody wants a part on the next page, and that fits on one."""
    letters = sum(len(text) for row in table.rows for text in row)
    return len(table.rows) <= _MOST_TOGETHER and letters <= _MOST_TOGETHER * _LETTERS_PER_ROW


def _texts(content: object) -> Iterator[str]:
    """Yield every text of the document."""
    match content:
        case str():
            yield content
        case Mapping():
            for value in content.values():
                yield from _texts(value)
        case list() | tuple():
            for value in content:
                yield from _texts(value)


def _is_typeset(rendering: Rendering, summaries: Summaries, font_set: fonts.FontSet) -> bool:
    """True if Typst must set all rows: for a standard, or because letters of theirs change with their neighbours."""
    rows = rendering.extract.rows
    if rendering.report.pdf.standards:
        if rows > _MOST_TYPESET:
            raise errors.rows_too_many(_MOST_TYPESET)
        return True
    return _FEW_ROWS < rows <= _MOST_TYPESET and any(map(font_set.has, summaries.joined_letters()))


def _date(rendering: Rendering) -> Sequence[int]:
    """Year to second of the data, which is the document's date where a standard asks for one."""
    moment = dt.datetime.fromisoformat(rendering.taken_at or "2000-01-01T00:00:00Z").astimezone(dt.UTC)
    return moment.timetuple()[:6]


def _theme(theme: Theme, folder: Path) -> Mapping[str, object]:
    logo = f"theme-logo.{theme.logo_kind}" if theme.logo else None
    if logo:
        (folder / logo).write_bytes(theme.logo)
    return {"organisation": theme.organisation, "accent": theme.accent, "rows": theme.rows, "logo": logo}


def _figures(table: Table) -> Sequence[Mapping[str, object]]:
    if len(table.rows) > 1:
        raise errors.summary_too_large("figures", 1)
    values = table.rows[0] if table.rows else [""] * len(table.columns)
    return [
        {"title": c["name"], "unit": c["unit"], "value": v or "–"}  # noqa: RUF001 - a dash as wide as a digit
        for c, v in zip(table.columns, values, strict=True)
    ]
