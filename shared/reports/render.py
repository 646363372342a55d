"""Makes every requested file of one report. Runs inside the child process."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from shared.catalog import csv_dialect
from shared.catalog.further import as_report
from shared.catalog.locales import localized
from shared.catalog.model import BUNDLE, MEDIA_TYPES, Format, FurtherQuery, ReportKind, ReportType
from shared.catalog.shape import UTC_NAME
from shared.reports import answers, duck, figures, first_rows
from shared.reports.answers import Answers
from shared.reports.bundle import write_bundle
from shared.reports.computed_defaults import with_computed_defaults
from shared.reports.copied_rows import CopiedRows
from shared.reports.encryption import encrypt
from shared.reports.errors import attachment_wrong, output_damaged
from shared.reports.extract import Extract
from shared.reports.formats.csv import copy_csv, write_csv
from shared.reports.formats.html import write_html
from shared.reports.formats.jsonl import write_jsonl
from shared.reports.formats.parquet import write_parquet
from shared.reports.formats.pdf import first_page
from shared.reports.formats.pdf.document import write_pdf
from shared.reports.formats.rendering import Renderer, Rendering
from shared.reports.formats.usual_looks import with_usual_looks
from shared.reports.formats.xlsx.report import write_xlsx
from shared.reports.interface import Progress, RenderedFile, RenderRequest
from shared.reports.manifest import write_manifest
from shared.reports.pivot import pivoted
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
"""The function that makes the file of each format from the extract."""
_WHOLE = frozenset({Format.XLSX, Format.HTML, Format.PDF})
"""Formats for people: one file has the answers of all queries, pivots are made, and times are those of a zone."""


@dataclass(frozen=True, slots=True)
class _Made:
    """The files of one attempt, with the rows and the source's state that they represent."""

    files: Sequence[RenderedFile]
    rows: int
    snapshot: Mapping[str, object]
    further: Mapping[str, int] = field(default_factory=dict)
    """The number of rows of each further query."""


def render_files(
    request: RenderRequest,
    on_progress: Callable[[Progress], None],
    on_read: Callable[[int], object] = lambda _: None,
) -> tuple[RenderedFile, ...]:
    """Make all formats from one moment of the source, so that they show the same rows, and a manifest beside them.

    `on_read` receives the number of bytes that the source sent, if it was asked. Raises psycopg.Error, duckdb.Error,
    OSError, ReportError.
    """
    request = with_computed_defaults(request)
    apart = sum(format_ not in _WHOLE for format_ in request.formats)
    steps = Steps(len(request.formats) + apart * len(request.report.queries) + request.bundle, on_progress)
    made = _make(request, steps, on_read)
    files = [*made.files, *_attachments(request)]
    if request.bundle:
        steps.begin("writing zip", made.rows)
        bundle = write_bundle(files, _path(request, BUNDLE), made.rows, steps.at)
        files.append(replace(bundle, name=request.name_of(BUNDLE)))
    write_manifest(request, files, made.rows, made.snapshot, made.further)
    return tuple(files)


def _make(request: RenderRequest, steps: Steps, on_read: Callable[[int], object]) -> _Made:
    """Make the files from a kept extract, by the source's own CSV, or from a new extract, which is then kept."""
    formats, question = request.formats, _question(request)
    keep = None if request.report.kind is ReportKind.ROWS else request.keep  # its attachments would be missing
    kept = keep and answers.load(keep, request.scratch, question, formats)
    if kept:
        return _from_extract(request, kept, steps)
    alone = request.is_plain_csv
    steps.begin("querying", None, more=0 if alone else 1 + len(request.report.queries))
    with open_source(request.source_dsn, question, request.scratch, first_rows=_first_rows(request)) as source:
        try:
            if alone and source.can_copy_csv:
                return _copied(request, source, steps)
            steps.expect("reading", source.estimated_rows(), more=1 if alone else 0)
            whole = answers.read(source, request.scratch, question, formats, steps)
        finally:
            on_read(source.sent_bytes)
    if keep:
        # If the scratch folder was emptied meanwhile, a later attempt reads the source again.
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            answers.keep(whole, keep, question, formats)
    return _from_extract(request, whole, steps)


def _question(request: RenderRequest) -> Question:
    pdf = request.report.pdf
    documents = not _WHOLE.isdisjoint(request.formats) and bool(pdf.tables or pdf.charts or pdf.figures)
    return Question(
        request.report, request.parameters, request.asker, request.shape, has_summaries=documents or request.figures
    )


def _first_rows(request: RenderRequest) -> int | None:
    """Return how many rows suffice, for a result that cannot be requested in another order."""
    most = [n for n in (request.first_rows, None if request.shape.sort else request.shape.limit) if n is not None]
    return min(most, default=None)


def _copied(request: RenderRequest, source: SourceResult, steps: Steps) -> _Made:
    options, path = request.csv, _path(request, Format.CSV)
    snapshot, first = source.snapshot(), CopiedRows()
    steps.expect("writing csv", source.estimated_rows())
    rows = copy_csv(
        path, options, lambda out: source.copy_csv(first.beside(out) if request.preview else out, options, steps.at)
    )
    if request.preview:
        first.keep(
            source.columns,
            replace(localized(request.report, request.parameters, request.shape.locale), csv=options),
            request.scratch,
            of=rows,
        )
    steps.rename("verifying csv", rows)
    return _Made([_verified(request, Format.CSV, rows)], rows, snapshot)


def _from_extract(request: RenderRequest, whole: Answers, steps: Steps) -> _Made:
    made = [file for format_ in request.formats for file in _files_of(format_, whole, request, steps)]
    if request.preview:
        first_rows.keep(
            whole.main.as_shown,
            localized(request.report, request.parameters, request.shape.locale),
            request.scratch,
            request.shape.zone,
        )
    if request.figures:
        with rendering_of(Format.HTML, whole, request, steps, folder="figures.parts") as rendering:
            figures.keep(rendering, request.scratch)
    return _Made(made, whole.main.rows, whole.main.snapshot, {name: one.rows for name, one in whole.further.items()})


def _files_of(format_: Format, whole: Answers, request: RenderRequest, steps: Steps) -> Iterator[RenderedFile]:
    """Make one file with all answers, or one for each if a file can hold only one table."""
    yield render_one(format_, whole, request, steps)
    if format_ not in _WHOLE:
        for query in request.report.queries:
            yield render_one(format_, whole, request, steps, query)


def render_one(
    format_: Format, whole: Answers, request: RenderRequest, steps: Steps, query: FurtherQuery | None = None
) -> RenderedFile:
    """Make the file of one format, or of one format and further query, and read it back.

    Raises as `render_files` does.
    """
    rows = whole.main.rows if query is None else whole.further[query.name].rows
    steps.begin(f"writing {format_}" if query is None else f"writing {format_} of {query.name}", rows)
    with rendering_of(format_, whole, request, steps, query) as rendering:
        written = RENDERERS[format_](rendering)
    steps.rename(f"verifying {format_}", written)
    made = _verified(request, format_, written, query)
    return replace(made, warnings=tuple(replace(warning, file=made.name) for warning in rendering.warnings))


@contextlib.contextmanager
def rendering_of(
    format_: Format,
    whole: Answers,
    request: RenderRequest,
    steps: Steps,
    query: FurtherQuery | None = None,
    *,
    folder: str = "",
) -> Iterator[Rendering]:
    """Yield what the format's renderer receives, with folders and a database that exist within the block."""
    report = replace(localized(request.report, request.parameters, request.shape.locale), csv=request.csv)
    picture = request.scratch / first_page.NAME if request.preview else None
    extracts = [whole.main, *whole.further.values()]
    with contextlib.ExitStack() as stack:
        folder = folder or (f"{format_}.parts" if query is None else f"{format_}-{query.name}.parts")
        scratch = request.scratch / folder
        scratch.mkdir()
        database = None
        if any(one.cells is None for one in extracts):
            # The other formats are read by programs, for which an instant is the same in every zone.
            zone = UTC_NAME if format_ in {Format.PARQUET, Format.JSONL} else request.shape.zone
            width = max(len(one.columns) for one in extracts)
            database = stack.enter_context(duck.opened(scratch, report.limits.memory_mb, columns=width, zone=zone))
        base = Rendering(
            whole.main, report, request.parameters, database, _path(request, format_, query), scratch, steps.at,
            request.fonts, shape=request.shape, job_id=request.job_id,
            taken_at=str(whole.main.snapshot.get("takenAt") or ""),
        )  # fmt: skip
        if query is not None:
            yield _rendering(base, whole.further[query.name], as_report(report, _localized(report, query)))
            return
        others = []
        for one in report.queries if format_ in _WHOLE else ():
            place = scratch / one.name
            place.mkdir()
            of = replace(base, scratch=place)
            others.append(_rendering(of, whole.further[one.name], as_report(report, one), whole=True))
        main = _rendering(base, whole.main, report, whole=format_ in _WHOLE)
        yield replace(main, picture=picture, further=others)


def _localized(report: ReportType, query: FurtherQuery) -> FurtherQuery:
    return next(one for one in report.queries if one.name == query.name)


def _rendering(base: Rendering, extract: Extract, report: ReportType, *, whole: bool = False) -> Rendering:
    """Return the rendering of one answer; for people (`whole`) as a pivot if it is defined as one."""
    shown = extract.as_shown
    beside = extract.columns[len(shown.columns) :]
    if whole:
        report = with_usual_looks(report, shown, None if shown.cells is not None else base.connection)
    if whole and report.pivot is not None:
        pivot = pivoted(shown, report.pivot, base.connection, base.scratch / "pivot.parquet")
        return replace(base, extract=pivot, report=report, asked=shown, beside=beside)
    return replace(base, extract=shown, report=report, beside=beside)


def _attachments(request: RenderRequest) -> Iterator[RenderedFile]:
    queries = [None, *request.report.queries]
    taken = {request.name_of(kind, query).casefold() for kind in (*Format, BUNDLE) for query in queries}
    for path, media_type in attached(request.scratch):
        if path.name.casefold() in taken:
            raise attachment_wrong(path.name, "the job asks for this name with fileName: ask for another one")
        if request.password is not None:
            raise attachment_wrong(path.name, "it would not be encrypted: ask for the report without a password")
        yield _attachment(path, media_type)


def _attachment(path: Path, media_type: str) -> RenderedFile:
    size_bytes, sha256 = _digest_of(path)
    return RenderedFile(path.name, "attachment", path, media_type, size_bytes, sha256, rows=0)


def _digest_of(path: Path) -> tuple[int, str]:
    """Return the size and the SHA-256 of the file on disk."""
    with path.open("rb") as file:
        return os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()


def _path(request: RenderRequest, format_: str, query: FurtherQuery | None = None) -> Path:
    """Return where to make a file: a name chosen by a client must stay out of the scratch folder, which contains other
    files.
    """
    return request.scratch / f"{request.report.name}{f'-{query.name}' if query else ''}.{format_}"


def _verified(request: RenderRequest, format_: Format, written: int, query: FurtherQuery | None = None) -> RenderedFile:
    path = _path(request, format_, query)
    found = measure(path, format_, request.csv)
    if found.rows not in {written, None}:
        raise output_damaged(format_, f"{written:,} rows were written and {found.rows} read back")
    size_bytes, sha256 = found.size_bytes, found.sha256
    if request.password is not None:
        encrypt(path, format_, request.password)
        size_bytes, sha256 = _digest_of(path)
    return RenderedFile(
        name=request.name_of(format_, query),
        format=format_,
        path=path,
        media_type=csv_dialect.media_type(request.csv) if format_ is Format.CSV else MEDIA_TYPES[format_],
        size_bytes=size_bytes,
        sha256=sha256,
        rows=written,
    )
