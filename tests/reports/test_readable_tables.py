"""A table of a document can be read: its letters have a least size, and what is compared by its end stands right."""

import openpyxl
import pypdfium2
import pypdfium2.raw as pdfium
import pytest

from shared.catalog.model import Format
from shared.reports.interface import RenderedFile
from tests.reports.conftest import MakeRequest, Run

_LEAST = 6.9
"""Points, less what rounding takes."""


def sizes(file: RenderedFile, found: str) -> set[float]:
    """The type sizes of the letters of every text that begins so, page by page."""
    seen = set()
    for page in pypdfium2.PdfDocument(file.path):
        text = page.get_textpage()
        letters = text.get_text_range()
        at = letters.find(found)
        while at >= 0:
            seen.add(round(pdfium.FPDFText_GetFontSize(text.raw, at), 2))
            at = letters.find(found, at + 1)
    return seen


@pytest.mark.parametrize("rows", [3, 80], ids=["in the document", "in an appendix"])
@pytest.mark.parametrize("columns", [6, 9, 12, 16, 24, 40])
def test_a_wide_table_goes_on_in_a_further_block_before_its_letters_are_too_small(
    rows: int, columns: int, a_request: MakeRequest, run: Run
) -> None:
    some = ", ".join(f"'Zvalue {n} ' || i AS \"Zcolumn {n}\"" for n in range(1, columns + 1))
    [file] = run(a_request(f"SELECT {some} FROM generate_series(1, {rows}) AS i", Format.PDF))

    found = sizes(file, "Zvalue") | sizes(file, "Zcolumn")
    assert min(found) >= _LEAST, found
    text = " ".join(page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(file.path))
    assert not [n for n in range(1, columns + 1) if f"Zvalue {n} {rows}" not in " ".join(text.split())]


def edges(file: RenderedFile, texts: list[str]) -> list[float]:
    """Where each of the texts ends, in points from the left."""
    found = []
    for page in pypdfium2.PdfDocument(file.path):
        words = page.get_textpage()
        letters = words.get_text_range()
        places = ((text, letters.find(text)) for text in texts)
        found += [words.get_charbox(at + len(text) - 1)[2] for text, at in places if at >= 0]
    return found


@pytest.mark.parametrize("rows", [1, 80], ids=["in the document", "in an appendix"])
def test_durations_stand_at_the_right_as_numbers_do_in_every_format(
    rows: int, a_request: MakeRequest, run: Run
) -> None:
    query = f"""SELECT 'x' AS name, interval '12:34:56' AS span, time '08:30' AS at, 1 AS n
                  FROM generate_series(1, {rows}) AS i UNION ALL SELECT 'y', interval '3 days 01:02:03', '23:59', 2"""
    pdf, page, book = run(a_request(query, Format.PDF, Format.HTML, Format.XLSX))

    ends = edges(pdf, ["12:34:56", "3 days 01:02:03"])
    assert len(ends) >= 2
    assert max(ends) - min(ends) < 1
    assert '<th scope="col" class="n">span</th>' in page.path.read_text()
    assert '<td class="n">12:34:56</td>' in page.path.read_text()
    cells = openpyxl.load_workbook(book.path).worksheets[-1]
    assert {cells[f"{column}{row}"].alignment.horizontal for column in "BC" for row in (1, 2)} == {"right"}
