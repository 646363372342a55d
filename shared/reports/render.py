"""Make every requested file of one report. Runs inside the child process."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from shared.catalog.model import MEDIA_TYPES, Format, Limits, ReportType
from shared.reports.csv_file import write_csv
from shared.reports.errors import output_damaged
from shared.reports.interface import Progress, RenderedFile, RenderRequest
from shared.reports.source import Extract, open_extract
from shared.reports.verify import measure
from shared.reports.xlsx_file import write_xlsx

Renderer = Callable[[Extract, ReportType, Limits, Path, Callable[[int], None]], int]
"""Writes one format to a path, reports rows done as it goes, and returns the data rows it wrote."""

RENDERERS: Mapping[Format, Renderer] = {Format.CSV: write_csv, Format.XLSX: write_xlsx}
"""PDF and Parquet take their place here."""

_PROGRESS_EVERY_S = 0.5


def render_files(request: RenderRequest, on_progress: Callable[[Progress], None]) -> tuple[RenderedFile, ...]:
    """All formats from one snapshot, so that they show the same rows. Raises psycopg.Error, OSError, ReportError."""
    report = request.report
    on_progress(Progress("querying", 0))
    with open_extract(request.source_dsn, report, request.parameters, report.limits) as extract:
        return tuple(_render(format_, extract, request, on_progress) for format_ in request.formats)


def _render(
    format_: Format, extract: Extract, request: RenderRequest, on_progress: Callable[[Progress], None]
) -> RenderedFile:
    path = request.scratch / f"{request.report.name}.{format_}"
    shown_at = 0.0

    def show(rows: int) -> None:
        nonlocal shown_at
        if time.monotonic() - shown_at >= _PROGRESS_EVERY_S:
            shown_at = time.monotonic()
            on_progress(Progress(f"writing {format_}", rows))

    written = RENDERERS[format_](extract, request.report, request.report.limits, path, show)
    on_progress(Progress(f"verifying {format_}", written))
    found = measure(path, format_)
    if found.rows != written:
        raise output_damaged(format_, f"{written:,} rows were written and {found.rows:,} read back")
    return RenderedFile(
        name=path.name,
        format=format_,
        path=path,
        media_type=MEDIA_TYPES[format_],
        size_bytes=found.size_bytes,
        sha256=found.sha256,
        rows=found.rows,
    )
