"""Writes a PDF: Typst typesets the title page, charts and summaries, a canvas draws the long tables."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pikepdf

from shared.reports.formats.pdf import first_page, fonts, pages
from shared.reports.formats.pdf.content import content_of
from shared.reports.formats.pdf.letters import named
from shared.reports.formats.pdf.table import LongTable, long_tables
from shared.reports.formats.pdf.typesetting import typeset, where
from shared.reports.formats.rendering import Rendering
from shared.reports.formats.summary import open_summaries
from shared.reports.warnings import ReportWarning, WarningCode

_MOST_COVER, _BELOW_HEADING = 0.6, 6.0
"""The share of a page that a cover may take if rows are to begin on it, and the points between both."""


def write_pdf(rendering: Rendering) -> int:
    """Write the PDF. The same rows give the same bytes: no date, no random identifier.

    Raises ReportError, with the template's own message if Typst refuses it.
    """
    folder = rendering.scratch / "document"
    folder.mkdir()
    font_set = fonts.FontSet(rendering.fonts)
    with open_summaries(rendering) as summaries:
        content = content_of(rendering, summaries, folder, font_set)
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
    if standards:  # kept as Typst wrote it, or it would not meet the standard
        shutil.copyfile(main, rendering.path)
    else:
        _join(main, appendix, rendering.path, begun=below is not None)
    rendering.warnings.extend(_warnings(font_set, rendering.path.name))
    rendering.progress(rendering.extract.rows)
    return rendering.all_rows


def rehearse(rendering: Rendering) -> None:
    """Do what `write_pdf` does, except for charts and Typst, whose threads would not survive a fork."""
    font_set = fonts.FontSet(rendering.fonts)
    with open_summaries(rendering) as summaries:
        content_of(rendering, summaries, rendering.scratch, font_set)
    first, *others = _appendix(rendering, font_set)
    _join(first.path, others, rendering.path)


def _appendix(rendering: Rendering, font_set: fonts.FontSet) -> list[pages.Part]:
    return [part for table in long_tables(rendering, font_set) for part in pages.draw(table, rendering.scratch)]


def _below_cover(rendering: Rendering, folder: Path, content: dict[str, Any], table: LongTable) -> float | None:
    """Return where the rows begin on the cover, in points from the paper's top; None if they begin on the next page.

    They begin on a cover that has only the title and the parameters, on the table's own paper.
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
    """Draw a page of the rows on the document's only page. pikepdf's own method would use a random name."""
    cover = document.pages[0]
    drawn = document.copy_foreign(rows.as_form_xobject())
    name = cover.add_resource(drawn, pikepdf.Name.XObject, pikepdf.Name.Rows)
    cover.contents_add(b"q", prepend=True)
    cover.contents_add(f"Q q {name} Do Q".encode())


def _join(main: Path, appendix: Sequence[pages.Part], path: Path, *, begun: bool = False) -> None:
    """Append the appendix to the document, and number its pages, now that their number is known.

    `begun` says that the appendix's first page is on the document's own page.
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
