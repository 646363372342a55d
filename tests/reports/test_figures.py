"""The numbers of `[pdf.figures]` are kept beside files of every format, for the conditions of notifications."""

import json
from dataclasses import replace
from pathlib import Path

from shared.catalog.model import Format, PdfOptions, SummaryTable
from shared.reports import figures
from shared.reports.interface import RenderRequest
from tests.reports.conftest import MakeRequest, Run

QUERY = "SELECT n, n / 2.0 AS half FROM generate_series(1, 4) AS n"


def with_figures(request: RenderRequest, query: str) -> RenderRequest:
    pdf = PdfOptions(figures=SummaryTable("figures", "", query))
    return replace(request, report=replace(request.report, pdf=pdf), figures=True)


def test_figures_are_kept_beside_a_csv(a_request: MakeRequest, run: Run) -> None:
    request = a_request(QUERY, Format.CSV)
    asked = "SELECT sum(n) AS total, avg(half) AS mean, 'x' AS word, NULL AS nothing, count(*) > 1 AS many FROM report"
    [file] = run(with_figures(request, asked))
    assert file.rows == 4
    assert figures.kept_in(request.scratch) == {"total": 10, "mean": 1.25}


def test_figures_that_cannot_be_had_leave_the_file_as_it_is(a_request: MakeRequest, run: Run) -> None:
    for query in ("SELECT no_such FROM report", "SELECT n FROM report", "SELECT 1 AS a FROM report WHERE false"):
        request = a_request(QUERY, Format.CSV)
        assert [file.rows for file in run(with_figures(request, query))] == [4]
        assert figures.kept_in(request.scratch) == {}


def test_nothing_is_believed_that_is_not_a_number(tmp_path: Path) -> None:
    kept = tmp_path / figures.NAME
    assert figures.kept_in(tmp_path) == {}
    for content in ("[1]", "{", '{"a": "1"}', "[" * 10_000, '{"a\\u0000": 1}', '{"a": NaN}', '{"a": 1e999}',
                    '{"\\ud800": 1}', json.dumps({str(n): n for n in range(51)}), " " * 20_000):  # fmt: skip
        kept.write_text(content)
        assert figures.kept_in(tmp_path) == {}, content[:40]
    kept.unlink()
    kept.symlink_to("/etc/hostname")
    assert figures.kept_in(tmp_path) == {}


def test_nobody_pays_for_figures_that_nobody_asked_for(a_request: MakeRequest, run: Run) -> None:
    """CSV alone is the source's own copy then, of which no extract is made."""
    request = with_figures(a_request(QUERY, Format.CSV), "SELECT count(*) AS n FROM report")
    for asked, extracts in ((False, 0), (True, 1)):
        again = replace(request, figures=asked, scratch=request.scratch / str(asked))
        again.scratch.mkdir()
        assert [file.rows for file in run(again)] == [4]
        assert figures.kept_in(again.scratch) == ({"n": 4} if asked else {})
        assert len(list(again.scratch.glob("figures.parts"))) == extracts
