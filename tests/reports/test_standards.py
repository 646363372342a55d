"""A PDF of a standard has the structure that the standard asks for, as far as that can be read without its validator.

veraPDF, the validator of the PDF Association, is a Java program that no package registry of ours has. What is looked at
here are its rules about metadata, fonts, colours, tags and tables: ISO 19005-2 (PDF/A-2u) and ISO 14289-1 (PDF/UA-1).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pikepdf
import pypdfium2
import pytest

from shared.catalog.grouping import Grouping
from shared.catalog.model import Chart, Column, Format, PdfOptions, SummaryTable
from shared.catalog.parameter import Parameter, ParameterKind
from shared.reports import duck
from shared.reports.interface import ReportError
from shared.reports.render import render_files
from tests.reports.conftest import MakeRequest

QUERY = """SELECT 'North ' || n / 30 AS region, n AS amount,
                  (ARRAY['شركة', '株式会社', 'हिन्दी', 'Łódź'])[1 + n % 4] AS name
             FROM generate_series(0, 89) AS n ORDER BY n"""
SPEC = """{"mark": "bar", "encoding": {"x": {"field": "amount", "type": "quantitative"},
           "y": {"field": "region", "type": "nominal"}}}"""


@pytest.fixture
def document(a_request: MakeRequest, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[pikepdf.Pdf]:
    """A document of the standard: figures, a chart, a table, and rows in groups with totals."""
    (tmp_path / "c.vl.json").write_text(SPEC)
    by_region = "SELECT region, sum(amount) AS amount FROM report GROUP BY region ORDER BY region"
    options = PdfOptions(
        standards=(request.param,), charts=(Chart("c", "Chart", by_region, "c.vl.json"),),
        tables=(SummaryTable("t", "By region", by_region, {}),),
        figures=SummaryTable("figures", "", "SELECT sum(amount) AS amount FROM report", {}),
    )  # fmt: skip
    columns = {name: Column(name, name.title()) for name in ("region", "name", "amount")}
    asked = a_request(QUERY, Format.PDF, columns=columns)
    grouping = Grouping(("region",), {"amount": "sum"})
    report = replace(asked.report, pdf=options, grouping=grouping, folder=tmp_path)
    [file] = render_files(replace(asked, report=report), lambda _: None)
    with pikepdf.open(file.path) as opened:
        yield opened


def fonts_of(document: pikepdf.Pdf) -> Iterator[Any]:
    for one in document.objects:
        if isinstance(one, pikepdf.Dictionary) and one.get("/Type") == "/Font":
            yield one


def elements(node: Any, kind: str = "") -> Iterator[Any]:
    """The structure elements below `node`, itself included, of a kind or of all."""
    if isinstance(node, pikepdf.Array):
        for one in node:
            yield from elements(one, kind)
    elif isinstance(node, pikepdf.Dictionary) and "/S" in node:
        if kind in {"", str(node.S)}:
            yield node
        yield from elements(node.get("/K", pikepdf.Array()), kind)


def attributes(element: Any) -> Mapping[str, Any]:
    """The attributes of a structure element, of all owners together."""
    found = element.get("/A", pikepdf.Array())
    each = found if isinstance(found, pikepdf.Array) else [found]
    return {key: value for one in each if isinstance(one, pikepdf.Dictionary) for key, value in one.items()}


@pytest.mark.parametrize("document", ["a-2u", "ua-1"], indirect=True)
def test_every_letter_is_embedded_and_can_be_copied(document: pikepdf.Pdf) -> None:
    fonts = list(fonts_of(document))
    assert fonts
    for font in fonts:
        if font.Subtype == "/Type0":
            assert "/ToUnicode" in font
        elif "/FontDescriptor" in font:
            assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(font.FontDescriptor.keys()), font.BaseFont


@pytest.mark.parametrize("document", ["a-2u"], indirect=True)
def test_an_archive_says_what_it_is_and_of_which_colours(document: pikepdf.Pdf) -> None:
    xmp = bytes(document.Root.Metadata.read_bytes()).decode()
    assert re.findall(r"<pdfaid:(part|conformance)>([^<]+)<", xmp) == [("part", "2"), ("conformance", "U")]
    [intent] = document.Root.OutputIntents
    assert (str(intent.S), "/DestOutputProfile" in intent) == ("/GTS_PDFA1", True)
    assert not document.is_encrypted
    assert "/ID" in document.trailer
    forbidden = {"/JavaScript", "/Launch", "/Movie", "/Sound", "/ImportData", "/ResetForm"}
    assert not [
        one for one in document.objects if isinstance(one, pikepdf.Dictionary) and str(one.get("/S")) in forbidden
    ]
    assert not [
        one for one in document.objects if isinstance(one, pikepdf.Stream) and "/LZWDecode" in str(one.get("/Filter"))
    ]


@pytest.mark.parametrize("document", ["ua-1"], indirect=True)
def test_a_tagged_document_can_be_read_aloud(document: pikepdf.Pdf) -> None:
    root = document.Root
    assert "<pdfuaid:part>1<" in bytes(root.Metadata.read_bytes()).decode()
    assert (bool(root.MarkInfo.Marked), str(root.Lang), bool(root.ViewerPreferences.DisplayDocTitle)) == (
        True,
        "en",
        True,
    )
    tree = root.StructTreeRoot.K
    assert [one.get("/Alt") for one in elements(tree, "/Figure")] == ["Chart"]
    assert len(list(elements(tree, "/H1"))) + len(list(elements(tree, "/Title"))) > 1
    for page in document.pages:
        assert str(page.obj.get("/Tabs", "/S")) == "/S"
        depth = 0  # all that is drawn belongs to the structure, or is said to be decoration
        for instruction in pikepdf.parse_content_stream(page):
            operator = instruction.operator
            if str(operator) in {"BDC", "BMC"}:
                depth += 1
            elif str(operator) == "EMC":
                depth -= 1
            elif str(operator) in {"Tj", "TJ", "Do"}:
                assert depth > 0, instruction.operands


@pytest.mark.parametrize("document", ["ua-1"], indirect=True)
def test_the_rows_of_a_table_are_as_wide_as_its_head(document: pikepdf.Pdf) -> None:
    tables = list(elements(document.Root.StructTreeRoot.K, "/Table"))
    rows_of = [list(elements(table.K, "/TR")) for table in tables]
    assert sorted(map(len, rows_of)) == [4, 1 + 90 + 3 + 4]  # head, rows, headings, and totals with their labels
    for rows in rows_of:
        widths = set()
        for row in rows:
            cells = [cell for kind in ("/TH", "/TD") for cell in elements(row.K, kind)]
            widths.add(sum(int(attributes(cell).get("/ColSpan", 1)) for cell in cells))
        assert len(widths) == 1
        assert {str(attributes(cell)["/Scope"]) for cell in elements(rows[0].K, "/TH")} <= {"/Column", "/Both"}


REPLACEMENT = "\ufffd"
NO_LETTERS = "\x01\x1b\x7f\x9f\ufdd0\ufffe\uffff\U0001fffe\U0010ffff"


@pytest.mark.parametrize("standard", ["", "a-2u", "ua-1"])
def test_what_is_no_letter_is_replaced_wherever_it_stands(
    standard: str, a_request: MakeRequest, tmp_path: Path
) -> None:
    """As HTML replaces U+0000. A document of a standard was refused, and so was any chart."""
    (tmp_path / "c.vl.json").write_text(SPEC.replace('"mark"', f'"title": {json.dumps(NO_LETTERS)}, "mark"'))
    text = duck.literal(NO_LETTERS)
    query = f"SELECT 1 AS amount, {text} AS region, {text} || ' b' || U&'\\FEFF' || 'c' AS note"
    by_region = "SELECT region, sum(amount) AS amount FROM report GROUP BY region"
    options = PdfOptions(
        standards=tuple(filter(None, [standard])), charts=(Chart("c", NO_LETTERS, by_region, "c.vl.json"),),
        tables=(SummaryTable("t", NO_LETTERS, by_region, {}),),
        figures=SummaryTable("figures", "", "SELECT max(region) AS region FROM report", {}),
    )  # fmt: skip
    columns = {"note": Column("note", f"Note {NO_LETTERS}", unit=NO_LETTERS), "region": Column("region", "Region")}
    asked = a_request(query, Format.PDF, Format.HTML, Format.XLSX, columns=columns)
    given = Parameter("given", ParameterKind.STRING, f"Given {NO_LETTERS}")
    grouping = Grouping(("region",), {"note": "max"})
    report = replace(
        asked.report, title=f"Title {NO_LETTERS}", pdf=options, folder=tmp_path, parameters=(given,), grouping=grouping
    )
    files = render_files(replace(asked, report=report, parameters={"given": NO_LETTERS}), lambda _: None)

    text = "".join(page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(files[0].path))
    if standard:
        assert f"{len(NO_LETTERS) * REPLACEMENT} bc" in text
    workbook = openpyxl.load_workbook(files[2].path)
    assert workbook.sheetnames[-1] == "Chart data"


@pytest.mark.parametrize("standard", ["a-2u", "ua-1"])
def test_a_letter_without_a_font_is_refused_by_name(standard: str, a_request: MakeRequest) -> None:
    """For a standard promises that every glyph can be told. So are letters that are private, or not assigned yet."""
    for letter in ("த", "\ue000", "\u0378"):
        asked = a_request(f"SELECT '{letter}' AS x", Format.PDF)
        report = replace(asked.report, pdf=PdfOptions(standards=(standard,)))
        with pytest.raises(ReportError, match="could not be displayed with font") as refused:
            render_files(replace(asked, report=report), lambda _: None)
        assert refused.value.code == "template_failed"


@pytest.mark.parametrize("standard", ["a-2u", "ua-1"])
def test_a_chart_has_the_letters_of_every_script(standard: str, a_request: MakeRequest, tmp_path: Path) -> None:
    """Typst knows of no text for glyphs that stand for several letters, or for none, in an SVG."""
    texts = [
        "شركة", "مُحَمَّد abc 12", "اردو میں", "می\u200cخواهم", "שָׁלוֹם", "र्कि कर्म हिन्दी", "ค่าน้ำ", "株式会社", "한",  # noqa: RUF001
        "❤\ufe0f 👩\u200d💻", "e\u0302\u0301x\u0323", "\u1112\u1161\u11ab", "a\ufeffb", "plain",
    ]  # fmt: skip
    rows = ", ".join(f"({duck.literal(text)}, {at})" for at, text in enumerate(texts))
    (tmp_path / "c.vl.json").write_text(SPEC.replace('"mark"', '"title": ["هذا one", "two"], "mark"'))
    chart = Chart("c", "Chart", "SELECT region, amount FROM report", "c.vl.json")
    asked = a_request(f"SELECT * FROM (VALUES {rows}) AS r(region, amount)", Format.PDF)
    report = replace(asked.report, pdf=PdfOptions(standards=(standard,), charts=(chart,)), folder=tmp_path)
    [file] = render_files(replace(asked, report=report), lambda _: None)

    assert file.warnings == ()
