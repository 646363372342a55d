"""A request sets the CSV dialect; in every dialect, the rows are the same and are counted again."""

import csv
import dataclasses
import gzip
import io
import random
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from shared.catalog.csv_dialect import ENCODINGS, REQUEST
from shared.catalog.model import Column, CsvOptions, Format
from shared.catalog.shape import Shape
from shared.reports.errors import output_damaged
from shared.reports.formats.csv import copy_csv
from shared.reports.formats.xlsx.zip_file import ZipFile
from shared.reports.interface import RenderedFile, ReportError
from shared.reports.verify import measure
from tests.reports.conftest import MakeRequest, Run

QUERY = r"""
    SELECT * FROM (VALUES
        (1, 'plain', 1234.50::numeric, 0.5::float8, '=1+1'), (2, E'a;b,"c"\nd', -2, 1e20, '-x'),
        (3, NULL, NULL, NULL, '')
    ) AS t(n, "the words", amount, ratio, formula) ORDER BY n
"""
COLUMNS = {"the words": Column("the words", "Words, all"), "amount": Column("amount", "Amount", unit="EUR")}


def made(a_request: MakeRequest, run: Run, query: str = QUERY, beside: bool = False, **asked: Any) -> RenderedFile:
    formats = (Format.CSV, Format.PARQUET) if beside else (Format.CSV,)
    request = a_request(query, *formats, columns=COLUMNS)
    return run(dataclasses.replace(request, shape=Shape(csv=asked)))[0]


def rows_of(text: str, **how: Any) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), **how))


def test_excel_in_germany_reads_it_as_it_is(a_request: MakeRequest, run: Run) -> None:
    asked: dict[str, Any] = {"delimiter": ";", "decimalMark": ",", "bom": True, "lineEnd": "crlf", "header": "titles"}
    file = made(a_request, run, **asked)

    raw = file.path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbfn;Words, all;Amount (EUR);ratio;formula\r\n")
    assert rows_of(raw.decode("utf-8-sig"), delimiter=";")[1:] == [
        ["1", "plain", "1234,50", "0,5", "'=1+1"], ["2", 'a;b,"c"\nd', "-2", "1e+20", "'-x"], ["3", "", "", "", ""],
    ]  # fmt: skip
    assert file.rows == 3


def test_a_program_gets_text_as_it_is_without_a_header(a_request: MakeRequest, run: Run) -> None:
    file = made(a_request, run, header="none", formulaGuard=False)

    rows = rows_of(file.path.read_text())
    assert [row[4] for row in rows] == ["=1+1", "-x", ""]
    assert (len(rows), file.rows) == (3, 3)
    empty = made(a_request, run, query=f"SELECT * FROM ({QUERY}) AS t WHERE false", header="none")
    assert (empty.path.read_bytes(), empty.rows) == (b"", 0)


@pytest.mark.parametrize("beside", [False, True])
def test_a_packed_file_is_the_same_file_packed_and_always_in_the_same_way(
    beside: bool, a_request: MakeRequest, run: Run
) -> None:
    plain, packed = made(a_request, run, beside=beside), made(a_request, run, beside=beside, gzip=True)

    assert gzip.decompress(packed.path.read_bytes()) == plain.path.read_bytes()
    assert (packed.name, packed.media_type, packed.rows) == ("orders.csv.gz", "application/gzip", 3)
    assert made(a_request, run, beside=beside, gzip=True).sha256 == packed.sha256


def test_what_is_packed_is_the_same_however_it_comes_in_pieces(tmp_path: Path) -> None:
    """A pipe cuts as its two threads happen to run; a job that is made again must be the same file."""
    values = random.Random(1)
    content = "".join(f'<c r="A{n}"><v>{values.choice([1, 22, 333]) * n}</v></c>' for n in range(20_000)).encode()
    made = []
    for size in (100, 9_001, 65_536, 1 << 20):
        pieces = [content[at : at + size] for at in range(0, len(content), size)]
        path = tmp_path / f"{size}.csv.gz"

        def copy(write: Callable[[bytearray], None], pieces: Sequence[bytes] = pieces) -> int:
            for piece in pieces:
                write(bytearray(piece))
            return 0

        copy_csv(path, CsvOptions(gzip=True), copy)
        with (tmp_path / f"{size}.zip").open("wb") as file:
            archive = ZipFile(file)
            with archive.part("sheet.xml") as part:
                part.all(pieces)
            archive.close()
        assert gzip.decompress(path.read_bytes()) == zipfile.ZipFile(file.name).read("sheet.xml") == content
        made.append((path.read_bytes(), Path(file.name).read_bytes()))

    assert [len(set(of)) for of in zip(*made, strict=True)] == [1, 1]


def test_utf_16_begins_once_with_its_mark_and_counts_letters_that_hold_a_line_ends_byte(
    a_request: MakeRequest, run: Run
) -> None:
    query = "SELECT 'Ċ\u0a0a\u2200\u0d22' AS word FROM generate_series(1, 50000)"
    file = made(a_request, run, query=query, encoding="utf-16")

    raw = file.path.read_bytes()
    assert raw.startswith(b"\xff\xfe")
    assert raw.count(b"\xff\xfe") == 1
    assert raw.decode("utf-16").split("\n")[1] == "Ċ\u0a0a\u2200\u0d22"
    assert (file.rows, file.media_type) == (50_000, "text/csv; charset=utf-16")


@pytest.mark.parametrize(
    ("encoding", "word"),
    [("windows-1252", "Größe €"), ("windows-1250", "Łódź"), ("windows-1251", "Привет"), ("cp932", "日本語ソ表"),
     ("gb18030", "汉字🛫"), ("big5", "漢字功許"), ("euc-kr", "한국어")],
)  # fmt: skip
def test_every_encoding_has_the_letters_of_its_readers(
    encoding: str, word: str, a_request: MakeRequest, run: Run
) -> None:
    file = made(a_request, run, query=f"SELECT '{word}' AS word, E'{word}\\n\"{word}' AS more", encoding=encoding)

    assert rows_of(file.path.read_bytes().decode(encoding)) == [["word", "more"], [word, f'{word}\n"{word}']]
    assert file.rows == 1
    assert file.media_type.endswith(ENCODINGS[encoding])


def test_a_letter_that_the_encoding_lacks_fails_the_job_or_is_a_question_mark(a_request: MakeRequest, run: Run) -> None:
    with pytest.raises(ReportError) as failed:
        made(a_request, run, query="SELECT '日本' AS word", encoding="windows-1252")
    assert failed.value.code == "character_not_encodable"
    query = "SELECT '日本' AS word"
    file = made(a_request, run, query=query, encoding="windows-1252", unencodable="replace")
    assert file.path.read_bytes() == b"word\n??\n"


def test_what_is_asked_for_as_it_is_anyway_changes_no_byte(a_request: MakeRequest, run: Run) -> None:
    usual = made(a_request, run)
    asked: dict[str, Any] = {"delimiter": ",", "decimalMark": ".", "header": "names", "lineEnd": "lf", "bom": False,
             "encoding": "utf-8", "unencodable": "fail", "formulaGuard": True, "gzip": False}  # fmt: skip
    assert asked.keys() == REQUEST.keys()
    for beside in (False, True):
        assert made(a_request, run, beside=beside, **asked).sha256 == usual.sha256


def test_a_packed_file_that_is_cut_off_is_damaged(tmp_path: Path, a_request: MakeRequest, run: Run) -> None:
    file = made(a_request, run, query="SELECT md5(n::text) AS word FROM generate_series(1, 5000) AS n", gzip=True)
    request = dataclasses.replace(a_request(QUERY), shape=Shape(csv={"gzip": True}))
    for damaged in (file.path.read_bytes()[:-9], file.path.read_bytes()[:5000], b"word\n"):
        path = tmp_path / "cut"
        path.write_bytes(damaged)
        with pytest.raises(ReportError) as failed:
            measure(path, Format.CSV, request.csv)
        assert failed.value.code == output_damaged("csv", "").code
