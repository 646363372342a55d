"""Finds the previews that an attempt has left beside its files, for people who look before they download.

The report's process made these files, so nothing in them is trusted. A preview that is malformed is left out, and the
report is as good without it.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shared.artifacts.tree import NotAPlainFile, Tree
from shared.jobs.artifacts import PAGE_FORMAT, ROWS_FORMAT, Artifact
from shared.reports import first_rows
from shared.reports.formats.pdf import first_page

log = logging.getLogger(__name__)

_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_BYTES = 2 << 20
"""The longest preview: twice what its rows may take, because its first line describes each column."""


class _Wrong(ValueError):
    """The preview is malformed."""


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    format: str
    media_type: str
    rows: Callable[[bytes], int]
    """Return how many rows the preview has. Raises _Wrong."""


def previews_in(folder: Path) -> Iterator[Artifact]:
    """Describe the previews that are there. The report's process has ended, so nothing changes them any more."""
    for kind in _KINDS:
        try:
            with Tree(folder).open(kind.name) as file:
                content = file.read(_MOST_BYTES + 1)
            rows = _rows_in(kind, content)
        except FileNotFoundError:
            continue
        except (OSError, NotAPlainFile, _Wrong) as error:
            log.warning("preview.left_out", extra={"file": kind.name, "reason": str(error)})
            continue
        sha256 = hashlib.sha256(content).hexdigest()
        yield Artifact(kind.name, kind.format, kind.media_type, len(content), sha256, rows)


def _rows_in(kind: _Kind, content: bytes) -> int:
    if len(content) > _MOST_BYTES:
        raise _Wrong("it is too large")
    return kind.rows(content)


def _rows(content: bytes) -> int:
    rows = content.count(b"\n") - 1
    if not content.endswith(b"\n") or not 0 <= rows <= first_rows.MOST_ROWS:
        raise _Wrong(f"it has {rows} rows, or no whole last line")
    return rows


def _picture(content: bytes) -> int:
    if not content.startswith(_PNG):
        raise _Wrong("it is not a PNG")
    return 0


_KINDS = (
    _Kind(first_rows.NAME, ROWS_FORMAT, first_rows.MEDIA_TYPE, _rows),
    _Kind(first_page.NAME, PAGE_FORMAT, first_page.MEDIA_TYPE, _picture),
)
