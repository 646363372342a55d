"""Makes every requested file of one report. Runs inside the child process."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shared.catalog.locales import localized
from shared.catalog.model import BUNDLE, MEDIA_TYPES, Format, ReportKind
from shared.reports import duck, extract, read_source
from shared.reports.bundle import write_bundle
from shared.reports.errors import attachment_wrong, output_damaged
from shared.reports.extract import Extract
from shared.reports.formats.csv import copy_csv, write_csv
from shared.reports.formats.html import write_html
from shared.reports.formats.jsonl import write_jsonl
from shared.reports.formats.parquet import write_parquet
from shared.reports.formats.pdf.document import write_pdf
from shared.reports.formats.rendering import Renderer, Rendering
from shared.reports.formats.xlsx.report import write_xlsx
from shared.reports.interface import Progress, RenderedFile, RenderRequest
from shared.reports.manifest import write_manifest
from shared.reports.progress import Steps
from shared.reports.question import Question
from shared.reports.sources.open import open_source
from shared.reports.sources.python_source import attached
from shared.reports.sources.result import SourceResult
from shared.reports.verify import measure

RENDERERS: Mapping[Format, Renderer] = {
    Format.CSV: write_csv,
    Format.XLSX: write_xlsx,
    Format.PARQUET: write_parquet,
    Format.JSONL: write_jsonl,
    Format.HTML: write_html,
    Format.PDF: write_pdf,
}
"""What makes the file of each format from the extract."""


@dataclass(frozen=True, slots=True)
class _Made:
    """The files of one attempt, with the rows and the source's state that they show."""

    files: Sequence[RenderedFile]
    rows: int
    snapshot: Mapping[str, object]


def render_files(
    request: RenderRequest,
    on_progress: Callable[[Progress], None],
    on_read: Callable[[int], object] = lambda _: None,
) -> tuple[RenderedFile, ...]:
    """Make all formats from one moment of the source, so that they show the same rows, and a manifest beside them.

    `on_read` is told how many bytes the source has sent, if it was asked.

    Raises psycopg.Error, duckdb.Error, OSError, ReportError.
    """
    steps = Steps(len(request.formats) + request.bundle, on_progress)
    made = _make(request, steps, on_read)
    files = [*made.files, *_attachments(request)]
    if request.bundle:
        steps.begin("writing zip", made.rows)
        bundle = write_bundle(files, _path(request, BUNDLE), made.rows, steps.at)
        files.append(replace(bundle, name=request.name_of(BUNDLE)))
    write_manifest(request, files, made.rows, made.snapshot)
    return tuple(files)


def _make(request: RenderRequest, steps: Steps, on_read: Callable[[int], object]) -> _Made:
    formats, question = request.formats, Question(request.report, request.parameters, request.asker)
    keep = None if request.report.kind is ReportKind.ROWS else request.keep  # its attachments would be missing
    kept = keep and extract.load(keep, request.scratch, question, formats)
    if kept:
        return _from_extract(request, kept, steps)
    # CSV alone needs no extract, if the source can write it, and may write every column.
    hidden = request.report.hidden_columns(request.asker.scopes)
    alone = formats == (Format.CSV,) and not hidden
    steps.begin("querying", None, more=0 if alone else 1)
    with open_source(request.source_dsn, question, request.scratch, first_rows=request.first_rows) as source:
        try:
            if alone and source.can_copy_csv:
                return _copied(request, source, steps)
            steps.expect("reading", source.estimated_rows())
            whole = read_source.read(source, request.scratch, request.report, formats, steps.at, hidden=hidden)
        finally:
            on_read(source.sent_bytes)
    if keep:
        extract.keep(whole, keep, question, formats)
    return _from_extract(request, whole, steps)


def _copied(request: RenderRequest, source: SourceResult, steps: Steps) -> _Made:
    options, path = request.report.csv, _path(request, Format.CSV)
    snapshot = source.snapshot()
    steps.expect("writing csv", source.estimated_rows())
    rows = copy_csv(path, options, lambda out: source.copy_csv(out, options, steps.at))
    steps.rename("verifying csv", rows)
    return _Made([_verified(request, Format.CSV, rows)], rows, snapshot)


def _from_extract(request: RenderRequest, whole: Extract, steps: Steps) -> _Made:
    return _Made(
        [render_one(format_, whole, request, steps) for format_ in request.formats], whole.rows, whole.snapshot
    )


def render_one(format_: Format, whole: Extract, request: RenderRequest, steps: Steps) -> RenderedFile:
    """Make the file of one format, and read it back. Raises as `render_files` does."""
    steps.begin(f"writing {format_}", whole.rows)
    with rendering_of(format_, whole, request, steps) as rendering:
        written = RENDERERS[format_](rendering)
    steps.rename(f"verifying {format_}", written)
    made = _verified(request, format_, written)
    return replace(made, warnings=tuple(replace(warning, file=made.name) for warning in rendering.warnings))


@contextlib.contextmanager
def rendering_of(format_: Format, whole: Extract, request: RenderRequest, steps: Steps) -> Iterator[Rendering]:
    """What the format's renderer is given, with a folder and a database that are there for the block."""
    report = localized(request.report, request.parameters)
    scratch, path = request.scratch / f"{format_}.parts", _path(request, format_)
    scratch.mkdir()
    with duck.opened(scratch, report.limits.memory_mb, columns=len(whole.columns)) as connection:
        yield Rendering(whole, report, request.parameters, connection, path, scratch, steps.at, request.fonts)


def _attachments(request: RenderRequest) -> Iterator[RenderedFile]:
    taken = {request.name_of(kind).casefold() for kind in (*Format, BUNDLE)}
    for path, media_type in attached(request.scratch):
        if path.name.casefold() in taken:
            raise attachment_wrong(path.name, "the job asks for this name with fileName: ask for another one")
        yield _attachment(path, media_type)


def _attachment(path: Path, media_type: str) -> RenderedFile:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return RenderedFile(path.name, "attachment", path, media_type, path.stat().st_size, sha256, rows=0)


def _path(request: RenderRequest, format_: str) -> Path:
    """Where a file is made: a name that a client chose stays out of the scratch folder, which has files of its own."""
    return request.scratch / f"{request.report.name}.{format_}"


def _verified(request: RenderRequest, format_: Format, written: int) -> RenderedFile:
    path = _path(request, format_)
    found = measure(path, format_)
    if found.rows not in {written, None}:
        raise output_damaged(format_, f"{written:,} rows were written and {found.rows} read back")
    return RenderedFile(
        name=request.name_of(format_),
        format=format_,
        path=path,
        media_type=MEDIA_TYPES[format_],
        size_bytes=found.size_bytes,
        sha256=found.sha256,
        rows=written,
    )
