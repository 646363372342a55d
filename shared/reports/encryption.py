"""Encrypts a finished document with a password, and verifies that it opens with it.

Salts and keys are random, so such a file is never the same byte for byte. The plain document stays beside the encrypted
one until that was read back, in the attempt's own folder, which holds the rows as well.
"""

import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

# Imported with the renderer, in the fork server, and not at the first password: a confined child then needs no file
# for it, and saves 9 ms. It costs every worker 0.5 MB, of 184 that its children share (pikepdf is there anyway), and
# no report any time; measured by leaving this module out of `warm_up` in one process of two.
import pikepdf
from msoffcrypto.exceptions import DecryptionError, EncryptionError, FileFormatError, ParseError
from msoffcrypto.format.ooxml import OOXMLFile

from shared.catalog.model import Format
from shared.reports.errors import output_damaged

FORMATS = frozenset({Format.PDF, Format.XLSX})
"""The formats that can have a password."""
_LEAST_BYTES = 4096
"""The least size of a package: a shorter one would be put into the container's mini stream, where msoffcrypto 6.1
writes the description of the encryption in its place (nolze/msoffcrypto-tool#105, read 2026-11-29)."""


def encrypt(path: Path, format_: Format, password: str) -> None:
    """Replace the document at `path` with an encrypted one. A workbook needs three times its size in memory.

    Raises OSError, ReportError(output_damaged).
    """
    sealed = path.with_name(f"{path.name}.encrypted")
    try:
        _WRITERS[format_](path, sealed, password)
    finally:
        # In any case, the plain document stays no longer than necessary.
        path.unlink()
    sealed.rename(path)


def _encrypt_pdf(plain: Path, sealed: Path, password: str) -> None:
    """Encrypt with AES-256 as in ISO 32000-2 (revision 6).

    A reader with the password may print, copy and read aloud.
    """
    try:
        with pikepdf.open(plain) as document:
            pages = len(document.pages)
            document.save(sealed, encryption=pikepdf.Encryption(owner=password, user=password, R=6))
        with pikepdf.open(sealed, password=password) as document:
            if not document.is_encrypted or len(document.pages) != pages:
                raise output_damaged(Format.PDF, "it is not encrypted, or has other pages")
    except pikepdf.PdfError as error:
        raise output_damaged(Format.PDF, str(error)) from error


def _encrypt_xlsx(plain: Path, sealed: Path, password: str) -> None:
    """Encrypt with AES and SHA-512 as in [MS-OFFCRYPTO] 2.3.4.10 (agile encryption), which Excel
    2010 and later open.
    """
    # msoffcrypto 6 draws 128 bits for the key and fills the 256 with a constant: promise no more than 128.
    found = _Digest()
    try:
        with _long_enough(plain) as book, sealed.open("wb") as into:
            OOXMLFile(book).encrypt(password, into)
            book.seek(0)
            written = hashlib.file_digest(book, "sha256").hexdigest()
        with sealed.open("rb") as book:
            document = OOXMLFile(book)
            document.load_key(password=password, verify_password=True)
            document.decrypt(found, verify_integrity=True)
    except (DecryptionError, EncryptionError, FileFormatError, ParseError, zipfile.BadZipFile) as error:
        raise output_damaged(Format.XLSX, f"{type(error).__name__}: {error}") from error
    if found.hexdigest() != written:
        raise output_damaged(Format.XLSX, "what was decrypted is not what was encrypted")


def _long_enough(plain: Path) -> io.BufferedReader | io.BytesIO:
    """Return the opened workbook; a very small one with its parts uncompressed, which then exceed the least size."""
    if plain.stat().st_size >= _LEAST_BYTES:
        return plain.open("rb")
    stored = io.BytesIO()
    with zipfile.ZipFile(plain) as packed, zipfile.ZipFile(stored, "w", zipfile.ZIP_STORED) as book:
        for part in packed.infolist():
            book.writestr(zipfile.ZipInfo(part.filename, part.date_time), packed.read(part))
    return stored


class _Digest:
    """Hashes what is decrypted, and keeps nothing of it."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()

    def write(self, content: bytes) -> None:
        """Take the next bytes."""
        self._sha256.update(content)

    def hexdigest(self) -> str:
        """Return the digest of all the bytes."""
        return self._sha256.hexdigest()


_WRITERS: Mapping[Format, Callable[[Path, Path, str], None]] = {
    Format.PDF: _encrypt_pdf,
    Format.XLSX: _encrypt_xlsx,
}
