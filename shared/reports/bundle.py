"""Writes all files of a job into one ZIP archive, beside the files themselves."""

import hashlib
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from shared.catalog.model import BUNDLE
from shared.reports.errors import output_damaged
from shared.reports.interface import RenderedFile

MEDIA_TYPE = "application/zip"
_PIECE_BYTES = 1 << 20
_PACKED_ALREADY = frozenset({"xlsx", "parquet", "pdf"})
_LEVEL = 1
# Higher levels take several times as long, for a few percent.
_LARGE_BYTES = 1 << 31
"""From this size on ZIP needs 64-bit fields."""


def write_bundle(files: Sequence[RenderedFile], path: Path, rows: int, progress: Callable[[int], None]) -> RenderedFile:
    """Pack `files` into an archive and read each back. The same files give the same bytes: no dates, one order.

    Raises OSError, ReportError(output_damaged).
    """
    with zipfile.ZipFile(path, "w", compresslevel=_LEVEL) as archive:
        for file in files:
            archive.compression = zipfile.ZIP_STORED if file.format in _PACKED_ALREADY else zipfile.ZIP_DEFLATED
            large = file.size_bytes >= _LARGE_BYTES
            with file.path.open("rb") as content, archive.open(file.name, "w", force_zip64=large) as part:
                shutil.copyfileobj(content, part, _PIECE_BYTES)
            progress(rows)
    _read_back(path, files)
    with path.open("rb") as whole:
        sha256 = hashlib.file_digest(whole, "sha256").hexdigest()
    return RenderedFile(path.name, BUNDLE, path, MEDIA_TYPE, path.stat().st_size, sha256, rows)


def _read_back(path: Path, files: Sequence[RenderedFile]) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            for file in files:
                digest = hashlib.sha256()
                with archive.open(file.name) as part:
                    while piece := part.read(_PIECE_BYTES):
                        digest.update(piece)
                if digest.hexdigest() != file.sha256:
                    raise output_damaged(BUNDLE, f"{file.name} has changed")
    except (zipfile.BadZipFile, KeyError) as error:
        raise output_damaged(BUNDLE, str(error)) from error
