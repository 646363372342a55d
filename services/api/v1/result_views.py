"""Views of what a successful job made."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.api.v1.base_view import View
from services.api.v1.job_links import file_url, job_url
from shared.jobs.artifacts import BESIDE, MANIFEST_FORMAT, PAGE_FORMAT, PREVIEWS, ROWS_FORMAT, Artifact
from shared.jobs.read import Job
from shared.jobs.states import JobStatus


class ArtifactView(View):
    """A file that can be downloaded."""

    name: str
    format: str
    media_type: str
    size_bytes: int
    sha256: str
    rows: int
    url: str


class ManifestView(View):
    """The manifest says what the files were made from, and proves that they are unchanged: `todoke verify`."""

    url: str
    sha256: str


class PreviewView(View):
    """What is kept for viewing before a download; null for what does not exist."""

    rows: int | None
    """How many of the first rows are kept."""
    rows_url: str | None
    page_url: str | None
    """A picture of the first page of the PDF."""


class WarningView(View):
    """A warning for readers of the file: the job succeeded, but something may need attention."""

    code: str
    file: str
    message: str
    hint: str
    characters: list[str]
    """The characters concerned, as `U+0627 ARABIC LETTER ALEF`; up to fifty."""


class PhaseView(View):
    """A part of the work, such as `querying`, `writing pdf` or `storing`."""

    phase: str
    seconds: float


class ResultView(View):
    """What a successful job made."""

    artifacts: list[ArtifactView]
    required_scopes: list[str]
    """The scopes that the files require. A caller that lacks one of them gets none of the files."""
    warnings: list[WarningView]
    manifest: ManifestView | None
    preview: PreviewView | None
    answer: dict[str, Any] | None
    """The answer of a report type without files."""
    seconds: float
    phases: list[PhaseView]
    """How long each phase took, in order; empty for a report type without files."""


def result_view(job: Job, artifacts: Sequence[Artifact], root: str) -> ResultView | None:
    """Return what the job made; None if it has not succeeded."""
    if job.status is not JobStatus.SUCCESS or job.result is None:
        return None
    files = [
        ArtifactView(name=a.name, format=a.format, media_type=a.media_type, size_bytes=a.size_bytes, sha256=a.sha256,
                     rows=a.rows, url=file_url(job.id, a.name, root))
        for a in artifacts
        if a.format not in BESIDE
    ]  # fmt: skip
    manifest = next((a for a in artifacts if a.format == MANIFEST_FORMAT), None)
    kept = {a.format: a for a in artifacts if a.format in PREVIEWS}
    return ResultView(
        artifacts=files, required_scopes=list(job.scopes or ()), answer=job.result.get("answer"),
        manifest=ManifestView(url=file_url(job.id, manifest.name, root), sha256=manifest.sha256) if manifest else None,
        preview=_preview(kept, job_url(job.id, root)) if kept else None, seconds=job.result.get("seconds", 0),
        warnings=[WarningView.of_stored(warning) for warning in job.result.get("warnings", ())],
        phases=[PhaseView(phase=phase, seconds=seconds) for phase, seconds in job.result.get("phases", ())],
    )  # fmt: skip


def _preview(kept: Mapping[str, Artifact], own: str) -> PreviewView:
    rows, page = kept.get(ROWS_FORMAT), PAGE_FORMAT in kept
    urls = {"rows_url": f"{own}/rows" if rows else None, "page_url": f"{own}/page.png" if page else None}
    return PreviewView(rows=rows.rows if rows else None, **urls)
