"""Hostile words in data and parameters, in each kind of file: they come out as words."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import openpyxl
import psycopg
import pypdfium2
import pytest

from shared.artifacts.disposition import content_disposition
from shared.catalog.model import Format, Limits, ReportType
from shared.catalog.parameter import Parameter, ParameterKind
from shared.reports.interface import RenderedFile, RenderRequest
from shared.reports.render import render_files
from tests.reports.test_formats import Cells
from tests.security.hostile import FORMULAS, MARKUP, PATHS

TYPST = (
    '#eval("40 + 2")',
    '#image("/etc/passwd")',
    '#read("data.json")',
    '#{ panic("owned") }',
    '#sys.inputs',
    '] #eval("6 * 7") [',
)  # fmt: skip
WORDS = (*FORMULAS, *MARKUP, *TYPST)
_ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "footer", "section", "h1", "p", "dl", "dt",
    "dd", "div", "table", "thead", "tbody", "tr", "th", "td", "span",
}  # fmt: skip


@pytest.fixture
def rendered(database_url: str, tmp_path: Path) -> Mapping[str, RenderedFile]:
    """Every format of one report, whose words are hostile in each place where a client or a table may put them."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("CREATE TABLE words (n int, word text)")
        conn.cursor().executemany("INSERT INTO words VALUES (%s, %s)", list(enumerate(WORDS)))
    named = {f"p{n}": word for n, word in enumerate(WORDS) if word.isprintable()}
    echoed = next(iter(named))
    report = ReportType(
        name="words", title="Words", description="", version="1", source="default",
        query=f"SELECT word, :{echoed} AS given FROM words ORDER BY n",
        formats=tuple(Format), limits=Limits(timeout_s=60),
        parameters=tuple(Parameter(name=name, kind=ParameterKind.STRING, title=word) for name, word in named.items()),
    )  # fmt: skip
    request = RenderRequest(report, named, (*Format,), database_url, tmp_path)
    return {file.format: file for file in render_files(request, lambda _: None)}


def test_hostile_words_stay_words_in_every_format(rendered: Mapping[str, RenderedFile]) -> None:
    _csv(rendered["csv"].path)
    _xlsx(rendered["xlsx"].path)
    _jsonl(rendered["jsonl"].path)
    _html(rendered["html"].path)
    _pdf(rendered["pdf"].path)


def _csv(path: Path) -> None:
    _, *rows = csv.reader(io.StringIO(path.read_bytes().decode(), newline=""))
    assert [row[0].removeprefix("'") for row in rows] == list(WORDS)
    assert not [cell for row in rows for cell in row if cell[:1] in tuple("=+-@\t\r\uff1d")]
    assert {row[1] for row in rows} == {f"'{WORDS[0]}"}


def _xlsx(path: Path) -> None:
    cells = [cell for row in openpyxl.load_workbook(path).worksheets[-1].iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "inlineStr"}
    assert {word for word in WORDS if word.isprintable()} <= {cell.value for cell in cells}
    with zipfile.ZipFile(path) as parts:
        for name in parts.namelist():
            assert not re.search(rb"<(f|hyperlink|ddeLink)[ >/]", parts.read(name)), name


def _jsonl(path: Path) -> None:
    assert [json.loads(line)["word"] for line in path.read_text().split("\n")[:-1]] == list(WORDS)


def _html(path: Path) -> None:
    page = Cells()
    page.feed(path.read_bytes().decode())
    assert page.tags <= _ALLOWED, page.tags - _ALLOWED
    seen = [row[0] for row in page.rows if len(row) == 2][-len(WORDS) :]
    assert seen == list(WORDS)
    text = path.read_text()
    assert not re.search(r"<[^>]*\s(on\w+|src|href)\s*=", text)


def _pdf(path: Path) -> None:
    document = pypdfium2.PdfDocument(path)
    text = "".join(page.get_textpage().get_text_range() for page in document)
    squeezed = re.sub(r"[\s\ufffe\xad]", "", text)
    # Once as a value and once as a title of a parameter at least: on the page that Typst sets.
    for word in (*TYPST, '#read("/etc/passwd")', "#panic()", "$ x $ `raw` *bold* _it_ @ref <label>"):
        assert squeezed.count(re.sub(r"\s", "", word)) >= 2, f"{word} in {text}"
    assert "root:" not in text
    assert not re.search(r"(?<!\d)42(?!\d)", text)


def test_a_file_name_stays_within_its_header() -> None:
    mark = uuid4().hex
    for word in (*WORDS, *PATHS):
        header = content_disposition(f"{word}{mark}.csv")
        assert header.isascii()
        assert header.isprintable()
        assert header.startswith("attachment; filename=")
        assert header.count('"') == 2, header
