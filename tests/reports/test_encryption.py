"""A PDF and a workbook with a password: they cannot be opened without it, and no plain copy is left behind."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import openpyxl
import pypdfium2
import pytest
from msoffcrypto.exceptions import InvalidKeyError
from msoffcrypto.format.ooxml import OOXMLFile

from shared.catalog.model import Format
from shared.reports import encryption
from shared.reports.interface import ReportError
from tests.reports.conftest import MakeRequest, Run

QUERY = "SELECT n, 'Kanarienvogel' AS t FROM generate_series(1, 100) AS n ORDER BY n"
PASSWORD = "パスワード, grün & 42"


def opened(path: Path, password: str) -> io.BytesIO:
    """The workbook as it was before it was encrypted."""
    found = io.BytesIO()
    with path.open("rb") as file:
        book = OOXMLFile(file)
        book.load_key(password=password, verify_password=True)
        book.decrypt(found, verify_integrity=True)
    return found


def test_a_document_opens_with_its_password_and_with_no_other(a_request: MakeRequest, run: Run) -> None:
    asked = replace(a_request(QUERY, Format.PDF, Format.XLSX), password=PASSWORD, bundle=True)
    pdf, xlsx, bundle = run(asked)

    document = pypdfium2.PdfDocument(pdf.path, password=PASSWORD)
    assert "Kanarienvogel" in document[0].get_textpage().get_text_range()
    document.close()
    [sheet] = openpyxl.load_workbook(opened(xlsx.path, PASSWORD)).worksheets[-1:]
    assert sheet.max_row >= 100
    for wrong in ("", "パスワード, grün & 43"):
        with pytest.raises(pypdfium2.PdfiumError, match=r"[Pp]assword"):
            pypdfium2.PdfDocument(pdf.path, password=wrong)
    with pytest.raises(InvalidKeyError):
        opened(xlsx.path, "パスワード, grün & 43")

    with zipfile.ZipFile(bundle.path) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            one.name: one.path.read_bytes() for one in (pdf, xlsx)
        }
    assert (pdf.rows, xlsx.rows, pdf.size_bytes) == (100, 100, pdf.path.stat().st_size)


@pytest.mark.parametrize(
    "query", ["SELECT 1 AS n WHERE false", "SELECT 1 AS n", "SELECT n FROM generate_series(1, 100) AS n"]
)
def test_the_smallest_of_workbooks_opens_with_its_password(a_request: MakeRequest, run: Run, query: str) -> None:
    [plain] = run(a_request(query, Format.XLSX))
    expected = [[cell.value for cell in row] for row in openpyxl.load_workbook(plain.path).worksheets[-1]]
    assert plain.size_bytes < 4096

    [sealed] = run(replace(a_request(query, Format.XLSX), password=PASSWORD))

    book = openpyxl.load_workbook(opened(sealed.path, PASSWORD))
    assert [[cell.value for cell in row] for row in book.worksheets[-1]] == expected


def test_the_manifest_says_that_files_are_encrypted_and_nothing_holds_the_password(
    a_request: MakeRequest, run: Run
) -> None:
    asked = replace(a_request(QUERY, Format.PDF, Format.XLSX), password="hush-hush-9")
    files = run(asked)

    told = json.loads((asked.scratch / "manifest.json").read_text())["manifest"]
    assert (told["encrypted"], told["reproducible"]) == (True, False)
    plain = a_request(QUERY)
    run(plain)
    assert "encrypted" not in json.loads((plain.scratch / "manifest.json").read_text())["manifest"]
    assert "hush" not in repr(asked)
    for path in filter(Path.is_file, asked.scratch.rglob("*")):
        assert b"hush-hush" not in path.read_bytes()
    # Neither document lies beside its encrypted self.
    assert sorted(one.name for one in asked.scratch.glob("orders.*")) == sorted(f.path.name for f in files)


def test_a_document_that_does_not_read_back_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for format_, content in ((Format.PDF, b"%PDF-1.7 cut"), (Format.XLSX, b"PK cut")):
        path = tmp_path / f"x.{format_}"
        path.write_bytes(content)
        with pytest.raises(ReportError) as failure:
            encryption.encrypt(path, format_, PASSWORD)
        assert failure.value.code == "output_damaged"
        assert PASSWORD not in str(failure.value)
        assert not path.exists()

    book = tmp_path / "y.xlsx"
    openpyxl.Workbook().save(book)
    whole = OOXMLFile.encrypt

    def flipped(self: OOXMLFile, password: str, into: io.BufferedWriter) -> None:
        found = io.BytesIO()
        whole(self, password, found)
        content = bytearray(found.getvalue())
        content[len(content) // 2] ^= 1
        into.write(content)

    monkeypatch.setattr(OOXMLFile, "encrypt", flipped)
    with pytest.raises(ReportError, match="read back"):
        encryption.encrypt(book, Format.XLSX, PASSWORD)
