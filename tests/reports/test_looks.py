"""The defaults of documents: words for booleans, times without idle seconds, a sentence if there are no rows."""

import re
from dataclasses import replace
from pathlib import Path

import pypdfium2
import pytest

from shared.catalog.model import Column, Format, PdfOptions, SummaryTable
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.theme import Theme
from shared.reports.interface import RenderedFile
from tests.reports.conftest import MakeRequest, Run

LOGO = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 10"><rect width="40" height="10"/></svg>'
ROWS = """SELECT n % 2 = 0 AS paid, timestamptz '2026-03-01 10:30:00Z' AS at, timestamp '2026-03-01' AS day,
                 timestamp '2026-03-01 10:30:07' AS exact FROM generate_series(1, {}) AS n"""


def text_of(file: RenderedFile) -> str:
    if file.format == Format.HTML:
        return re.sub("<[^>]*>", " ", file.path.read_text())
    with pypdfium2.PdfDocument(file.path) as document:
        return "\n".join(page.get_textpage().get_text_range() for page in document)


@pytest.mark.parametrize("rows", [3, 1_200])
def test_booleans_are_words_and_times_have_no_idle_seconds(rows: int, a_request: MakeRequest, run: Run) -> None:
    for file in run(a_request(ROWS.format(rows), Format.HTML, Format.PDF)):
        text = text_of(file)
        assert {"yes", "no"} <= set(text.split()), file.format
        assert not {"t", "f"} & set(text.split())
        assert "2026-03-01 10:30 " in text.replace("\n", " ")
        assert "10:30:00" not in text
        assert "00:00" not in text
        assert "2026-03-01 10:30:07" in text


def test_words_of_a_boolean_can_be_chosen(a_request: MakeRequest, run: Run) -> None:
    columns = {"paid": Column("paid", "Paid", number_format='"settled";;"open"')}
    for file in run(a_request(ROWS.format(2), Format.HTML, Format.PDF, columns=columns)):
        assert {"settled", "open"} <= set(text_of(file).split())


def test_no_rows_are_told_in_words_with_what_was_asked_for(a_request: MakeRequest, run: Run) -> None:
    figures = SummaryTable("figures", "", "SELECT sum(a) AS sum_of_a FROM report")
    request = a_request("SELECT 1 AS a WHERE :city = 'Oslo'", Format.HTML, Format.PDF)
    city = Parameter("city", ParameterKind.STRING, "City")
    report = replace(request.report, parameters=(city,), pdf=PdfOptions(figures=figures))
    for file in run(replace(request, report=report, parameters={"city": "Bergen"})):
        text = " ".join(text_of(file).split())
        assert "No rows match (City: Bergen)." in text, file.format
        assert "sum_of_a" not in text


def test_a_document_says_whose_it_is_and_of_which_data(a_request: MakeRequest, run: Run, scratch: Path) -> None:
    """And the same job over the same rows gives the same bytes, at whatever time."""
    theme = Theme(organisation="Acme Airways", accent="#aa2244", rows="zebra", logo=LOGO, logo_kind="svg")
    request = a_request("SELECT n FROM generate_series(1, 200) AS n", Format.PDF)
    request = replace(request, report=replace(request.report, theme=theme), job_id="job-7", keep=scratch / "kept")
    [file] = run(request)

    text = text_of(file)
    assert text.count("Acme Airways · Version 1 · Job job-7") == text.count("Page ")
    assert re.search(r"Data of 20\d\d-\d\d-\d\d \d\d:\d\d UTC", text)

    again = scratch / "again"
    again.mkdir()
    [second] = run(replace(request, scratch=again))
    assert second.sha256 == file.sha256
