"""Writes a ZIP archive part by part, as spreadsheet programs expect it (PKWARE's APPNOTE 6.3.10, read 2026-11-24).

It has neither data descriptors nor ZIP64, which SheetJS and ExcelJS cannot read, and no dates: the same parts give the
same bytes.
"""

import contextlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from isal import isal_zlib

from shared.reports.formats.deflate import Deflate

_LEVEL = 1
_VERSION = 20
_NAMES_ARE_UTF8 = 0x800
_NO_HEADER = -15
_DEFLATED = 8
_1980 = (0, 0x21)
"""Time and date of the first moment that ZIP can express."""
_MOST_BYTES = 0xFFFFFFFE
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")


class PartTooLarge(ValueError):
    """A part or the archive is larger than 4 GiB, for which ZIP would need its 64-bit extension."""


@dataclass(slots=True)
class _Part:
    name: bytes
    offset: int
    crc: int = 0
    size: int = 0
    packed: int = 0

    def fields(self) -> tuple[int, ...]:
        """Return the fields that the local and the central header share, in their order."""
        return (_VERSION, _NAMES_ARE_UTF8, _DEFLATED, *_1980, self.crc, self.packed, self.size, len(self.name), 0)


class ZipFile:
    """Writes an archive to a seekable file. `close` ends it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._parts: list[_Part] = []

    def add(self, name: str, content: bytes) -> None:
        """Add one whole part."""
        with self.part(name) as write:
            write.all([content])

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator["PartWriter"]:
        """Add a part that the block writes piece by piece; its header is filled in at the end. Raises PartTooLarge."""
        part = _Part(name.encode(), self._file.tell())
        self._header(part)
        writer = PartWriter(self._file)
        yield writer
        writer.flush()
        part.crc, part.size, part.packed = writer.crc, writer.size, writer.packed
        end = self._file.tell()
        if max(part.size, end) > _MOST_BYTES:
            raise PartTooLarge(f"{name} makes the archive larger than 4 GiB")
        self._file.seek(part.offset)
        self._header(part)
        self._file.seek(end)
        self._parts.append(part)

    def _header(self, part: _Part) -> None:
        self._file.write(_LOCAL.pack(b"PK\3\4", *part.fields()) + part.name)

    def close(self) -> None:
        """End the archive with its directory."""
        start = self._file.tell()
        for part in self._parts:
            self._file.write(_CENTRAL.pack(b"PK\1\2", _VERSION, *part.fields(), 0, 0, 0, 0, part.offset) + part.name)
        size = self._file.tell() - start
        count = len(self._parts)
        self._file.write(_END.pack(b"PK\5\6", 0, 0, count, count, size, start, 0))


class PartWriter:
    """Compresses one part."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._deflate = Deflate(_LEVEL, _NO_HEADER)
        self.crc = self.size = self.packed = 0

    def all(self, pieces: Iterable[bytes]) -> None:
        """Write pieces of the content."""
        for piece in pieces:
            self.crc = isal_zlib.crc32(piece, self.crc)
            self.size += len(piece)
            self._put(self._deflate.compress(piece))

    def flush(self) -> None:
        """Write what the compressor holds back."""
        self._put(self._deflate.flush())

    def _put(self, packed: bytes) -> None:
        self.packed += len(packed)
        self._file.write(packed)
