"""Reads a finished file back from disk. The published size, digest and rows are measured here."""

import codecs
import gzip
import hashlib
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import duckdb
import pikepdf
from isal import igzip, isal_zlib

from shared.catalog.model import CsvOptions, Format
from shared.reports import duck
from shared.reports.errors import output_damaged

_CHUNK_BYTES = 1 << 20
_PIECE_BYTES = 1 << 16
_ROW = b'<row r="'
_TAIL_BYTES = 64
_BUDGET_MB = 512
"""Memory for reading a Parquet file: DuckDB gets a quarter of it."""
_NAME_LENGTH_AT = 26
"""The offset of the name's length in the header of a ZIP part (APPNOTE 6.3.10, 4.3.7)."""
_PACKED_BYTES = 1 << 17
_NEITHER = bytes(set(range(256)) - set(b'"\n'))
"""All bytes except quotes and line feeds."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found in a file on disk."""

    size_bytes: int
    sha256: str
    rows: int | None
    """Data rows, without headers; None for a document, whose pages are read but not counted as rows."""


def measure(path: Path, format_: Format, csv: CsvOptions | None = None) -> Measured:
    """Return size, digest and rows, all from the bytes on disk. Raises ReportError(output_damaged).

    `csv` says how a CSV was written.
    """
    with path.open("rb") as file:
        sha256 = _sha256_of(file)
        size_bytes = file.tell()
        file.seek(0)
        try:
            rows = _count_csv(file, csv) if format_ is Format.CSV and csv else _COUNTERS[format_](file)
        except (
            zipfile.BadZipFile,
            zlib.error,
            gzip.BadGzipFile,
            EOFError,
            duckdb.IOException,
            pikepdf.PdfError,
            ValueError,
        ) as error:
            raise output_damaged(format_, str(error)) from error
    return Measured(size_bytes, sha256, rows)


def _sha256_of(file: BinaryIO) -> str:
    """Return the digest of the rest of the file.

    `hashlib.file_digest` writes to 64 pages for a buffer before it reads.
    """
    digest = hashlib.sha256()
    while piece := file.read(_PIECE_BYTES):
        digest.update(piece)
    return digest.hexdigest()


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes:
        """Give the next bytes."""


def _count_csv(file: BinaryIO, options: CsvOptions) -> int:
    """Count the rows of a CSV, whatever its dialect."""
    unpacking: Any = igzip.IGzipFile
    plain: _Readable = unpacking(fileobj=file, mode="rb") if options.gzip else file
    if options.encoding == "utf-16":  # in which other letters contain the bytes of a line end or a quote
        plain = _Recoded(plain)
    return count_csv_rows(plain) + (options.header == "none")


class _Recoded:
    """Converts UTF-16 to UTF-8."""

    def __init__(self, file: _Readable) -> None:
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-16")()

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, or nothing at the end. Raises UnicodeError if the file is cut off."""
        while piece := self._file.read(size):
            if text := self._decode.decode(piece):
                return text.encode()
        self._decode.decode(b"", final=True)
        return b""


def count_csv_rows(file: _Readable) -> int:
    """Count line ends outside quotes, minus the header's.

    A doubled quote inside a quoted cell leaves it and enters it again at once, so counting quotes is enough.
    """
    # With all other bytes gone, the two quotes around a cell without a line break stand side by side and go too. What
    # is left is little, and everything runs at memory speed (`make bench-reports`).
    lines = 0
    quoted = False
    while chunk := file.read(_CHUNK_BYTES):
        pieces = chunk.translate(None, _NEITHER).replace(b'""', b"").split(b'"')
        lines += sum(piece.count(b"\n") for piece in pieces[quoted::2])
        quoted ^= len(pieces) % 2 == 0
    return lines - 1


def count_xlsx_rows(file: BinaryIO) -> int:
    """Count the data rows of every sheet: headers, totals and sheets for people begin with another attribute.

    Each part is decompressed completely and its CRC compared.
    """
    rows = 0
    with zipfile.ZipFile(file) as book:
        for part in book.infolist():
            found = _count(_Inflated(file, part).read, _ROW)
            rows += found if part.filename.startswith("xl/worksheets/") else 0
    return rows


class _Inflated:
    """Reads one part of an archive with ISA-L, as `ZipFile.open` does."""

    def __init__(self, file: BinaryIO, part: zipfile.ZipInfo) -> None:
        file.seek(part.header_offset + _NAME_LENGTH_AT)
        name, extra = struct.unpack("<HH", file.read(4))
        file.seek(name + extra, os.SEEK_CUR)
        self._file = file
        self._part = part
        self._left = part.compress_size
        self._inflate = isal_zlib.decompressobj(-15)
        self._crc = 0

    def read(self, _: int) -> bytes:
        """Return the next piece, or nothing at the end. Raises BadZipFile if the part is damaged."""
        while self._left:
            packed = self._file.read(min(self._left, _PACKED_BYTES))
            if not packed:
                raise EOFError(f"{self._part.filename} is cut off")
            self._left -= len(packed)
            try:
                piece = self._inflate.decompress(packed)
            except isal_zlib.error as error:  # type: ignore[misc] # its stub does not say that it is an exception
                raise zipfile.BadZipFile(f"{self._part.filename}: {error}") from None
            if piece:
                self._crc = isal_zlib.crc32(piece, self._crc)
                return piece
        if self._crc != self._part.CRC or not self._inflate.eof:
            raise zipfile.BadZipFile(f"Bad CRC-32 for file {self._part.filename!r}")
        return b""


def count_parquet_rows(file: BinaryIO) -> int:
    """Count the rows by decoding every value of every column, not just the footer."""
    with duck.opened(Path(file.name).parent, _BUDGET_MB) as connection:
        found = connection.execute(
            "SELECT count(*), bit_xor(hash(rows)) FROM read_parquet(?) AS rows", [str(file.name)]
        ).fetchone()
    return int(found[0]) if found else 0


def count_jsonl_rows(file: BinaryIO) -> int:
    """Count lines. The last one must be complete, too."""
    rows, last = 0, b"\n"
    while chunk := file.read(_CHUNK_BYTES):
        rows += chunk.count(b"\n")
        last = chunk[-1:]
    if last != b"\n":
        raise ValueError("the last line is not whole")
    return rows


def count_html_rows(file: BinaryIO) -> int:
    """Count table rows with data cells, in a complete page."""
    rows = _count(file.read, b"<tr><td")
    file.seek(-_TAIL_BYTES, os.SEEK_END)
    if b"</html>" not in file.read():
        raise ValueError("the page has no end")
    return rows


def read_pdf(file: BinaryIO) -> None:
    """Read the structure, and check that there is a page."""
    with pikepdf.open(file) as document:
        if not len(document.pages):
            raise ValueError("it has no page")


def _count(read: Callable[[int], bytes], what: bytes) -> int:
    """Count how often `what` occurs in the stream, also across the edges of chunks."""
    found = 0
    rest = b""
    while chunk := read(_CHUNK_BYTES):
        window = rest + chunk
        found += window.count(what)
        rest = window[-(len(what) - 1) :]
    return found


_COUNTERS: Mapping[Format, Callable[[BinaryIO], int | None]] = {
    Format.CSV: count_csv_rows,
    Format.XLSX: count_xlsx_rows,
    Format.PARQUET: count_parquet_rows,
    Format.JSONL: count_jsonl_rows,
    Format.HTML: count_html_rows,
    Format.PDF: read_pdf,
}
