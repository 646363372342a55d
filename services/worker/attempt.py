"""One attempt: make the report, store its files under the lease token, say how it ended. Writes no row."""

import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.worker import inline, metrics
from services.worker.extract_cache import ExtractCache
from services.worker.in_flight import Held, StopReason
from services.worker.phase_timer import PhaseTimer
from shared.artifacts.interface import ArtifactStore, ArtifactStoreUnavailable, artifact_key
from shared.backoff import full_jitter
from shared.catalog.model import BUNDLE, CatalogView, Format, ReportType
from shared.failures import FailureCode
from shared.jobs.artifacts import MANIFEST_FORMAT, Artifact
from shared.jobs.finish import Failure, Success
from shared.jobs.lease import Lease, StartedJob
from shared.reports import manifest
from shared.reports.errors import failure
from shared.reports.interface import Progress, RenderCancelled, RenderedFile, RenderRequest, ReportError
from shared.runtime import logs, tracing
from shared.runtime.metrics.artifacts import ARTIFACT_REQUESTS
from shared.runtime.metrics.common import report_type_label
from shared.runtime.metrics.declare import known

log = logging.getLogger(__name__)

Render = Callable[..., Sequence[RenderedFile]]
"""`shared.reports.process.child.render`, or a stand-in with its signature."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The client's wish was carried out before anything was published."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class GivenBack:
    """The worker is leaving; the attempt is not charged."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Lost:
    """Somebody else owns the job: there is nothing to write."""

    lease: Lease


Outcome = Success | Failure | Cancelled | GivenBack | Lost


class Attempts:
    """Makes reports. Safe to use from several threads."""

    def __init__(
        self,
        *,
        catalog: CatalogView,
        store: ArtifactStore,
        render: Render,
        sources: Mapping[str, str],
        scratch: Path,
        fonts: Path | None = None,
        signing_key: Ed25519PrivateKey | None = None,
        retry_base_s: float = 2,
        retry_cap_s: float = 300,
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._render = render
        self._sources = sources
        self._scratch = scratch
        self._extracts = ExtractCache(scratch)
        self._extracts.drop_forgotten()
        self._fonts = fonts
        self._signing_key = signing_key
        self._retry_base_s = retry_base_s
        self._retry_cap_s = retry_cap_s

    def inline(self, job: StartedJob) -> bool:
        """Whether the job's report type makes no files, and runs in this process."""
        report = self._catalog.types.get(job.report_type)
        return report is not None and report.answer is not None

    def run(self, held: Held) -> Outcome:
        """Work on one job until it ends, one way or another. Never raises."""
        outcome = self._attempt(held) if tracing.on() else self._made_or_not(held)
        tried_again = isinstance(outcome, GivenBack) or (isinstance(outcome, Failure) and outcome.retryable)
        if not held.inline and not tried_again:
            self._extracts.drop(held.lease.job_id)
        return outcome

    def _attempt(self, held: Held) -> Outcome:
        links = [held.previous] if held.previous else []
        with tracing.span("attempt", kind="consumer", parent=held.traceparent, links=links) as span:
            span.note(_about(held.job))
            held.traceparent = span.traceparent or held.traceparent
            outcome = self._made_or_not(held)
            if isinstance(outcome, Failure):
                span.failed(outcome.code)
            return outcome

    def _made_or_not(self, held: Held) -> Outcome:
        job = held.job
        with logs.context(**held.names):
            level = logging.DEBUG if held.inline else logging.INFO
            if log.isEnabledFor(level):
                about = {"report_type": job.report_type, "waited_s": round(job.seconds_waited, 3)}
                log.log(level, "attempt.started", extra=about)
            started = time.monotonic()
            try:
                if held.inline:
                    return self._answer(held, started)
                artifacts = self._make(held)
                return Success(job.lease, artifacts, seconds=time.monotonic() - started)
            except RenderCancelled:
                return self._stopped(held)
            except ReportError as error:
                log.warning("attempt.failed", extra={"code": error.code, "reason": str(error)})
                return self._failure(held, error)
            except ArtifactStoreUnavailable as error:
                log.warning(
                    "attempt.failed", extra={"code": FailureCode.ARTIFACT_STORE_UNAVAILABLE, "reason": str(error)}
                )
                return self._failure(held, _store_error(error))
            except Exception:
                log.exception("attempt.broken")
                return self._failure(held, _internal_error())

    def _answer(self, held: Held, started: float) -> Success:
        if held.reason is not None:
            raise RenderCancelled("stopped before it began")
        answer = inline.answer(self._report(held.job), held.job.parameters)
        return Success(held.lease, (), seconds=time.monotonic() - started, answer=answer)

    def _make(self, held: Held) -> list[Artifact]:
        job = held.job
        report = self._report(job)
        timer = PhaseTimer(job.report_type, held.show)
        with tempfile.TemporaryDirectory(prefix="todoke-", dir=self._scratch, ignore_cleanup_errors=True) as folder:
            files = self._render(
                RenderRequest(
                    report=report,
                    parameters=job.parameters,
                    formats=tuple(Format(f) for f in job.formats if f != BUNDLE),
                    bundle=BUNDLE in job.formats,
                    source_dsn=self._sources.get(report.source, ""),
                    scratch=Path(folder),
                    keep=self._extracts.folder(job.lease.job_id),
                    fonts=self._fonts,
                    job_id=str(job.lease.job_id),
                ),
                deadline_s=max(0.1, min(report.limits.timeout_s, job.seconds_left)),
                on_progress=timer.show,
                cancel=held.stop,
            )
            timer.show(Progress("storing", sum(f.rows for f in files), percent=99.9))
            artifacts = [self._store_file(held, file) for file in files]
            artifacts += self._store_manifest(held, Path(folder) / manifest.NAME)
            timer.end()
            return artifacts

    def _report(self, job: StartedJob) -> ReportType:
        report = self._catalog.types.get(job.report_type)
        if report is None:
            # Retryable: during a deployment the next worker may know it.
            raise failure(
                FailureCode.REPORT_TYPE_MISSING, f"This worker's catalog has no report type {job.report_type!r}."
            )
        return report

    def _store_file(self, held: Held, file: RenderedFile) -> Artifact:
        self._put(held, file.name, file.path, media_type=file.media_type, sha256=file.sha256)
        labels = report_type_label(held.job.report_type), known(file.format, metrics.FORMATS)
        metrics.REPORT_ROWS.labels(*labels).inc(file.rows)
        metrics.REPORT_BYTES.labels(*labels).inc(file.size_bytes)
        return Artifact(file.name, file.format, file.media_type, file.size_bytes, file.sha256, file.rows)

    def _store_manifest(self, held: Held, path: Path) -> Iterator[Artifact]:
        """Last, so that it never speaks of a file that is not stored. A report without one (a stand-in) has none."""
        if not path.exists():
            return
        if self._signing_key is not None:
            manifest.sign(path, self._signing_key)
        content = path.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        self._put(held, path.name, path, media_type=manifest.MEDIA_TYPE, sha256=sha256)
        yield Artifact(path.name, MANIFEST_FORMAT, manifest.MEDIA_TYPE, len(content), sha256, 0)

    def _put(self, held: Held, name: str, path: Path, *, media_type: str, sha256: str) -> None:
        if held.reason is not None:
            raise RenderCancelled("stopped before everything was stored")
        key = artifact_key(held.job.tenant, held.lease.job_id, held.lease.token, name)
        try:
            self._store.put(key, path, media_type=media_type, sha256=sha256, metadata=_metadata(held.job))
        except ArtifactStoreUnavailable:
            ARTIFACT_REQUESTS.labels("put", "failed").inc()
            raise
        ARTIFACT_REQUESTS.labels("put", "ok").inc()

    def _stopped(self, held: Held) -> Outcome:
        match held.reason:
            case StopReason.CANCEL:
                return Cancelled(held.lease)
            case StopReason.SHUTDOWN:
                return GivenBack(held.lease)
            case _:
                return Lost(held.lease)

    def _failure(self, held: Held, error: ReportError) -> Failure:
        job = held.job
        return Failure(
            job.lease,
            code=error.code,
            message=str(error),
            retryable=error.retryable,
            delay_s=full_jitter(job.attempt, base_s=self._retry_base_s, cap_s=self._retry_cap_s),
            hint=error.hint,
            headers=_retry_headers(held),
        )


def _about(job: StartedJob) -> Mapping[str, str | int]:
    return {
        "todoke.job_id": str(job.lease.job_id),
        "todoke.report_type": job.report_type,
        "todoke.attempt": job.attempt,
    }


def _retry_headers(held: Held) -> str | None:
    """The job's own trace, and the attempt to which the next one is linked; None where nobody traces."""
    if not tracing.on() or held.traceparent is None:
        return None
    return json.dumps({**tracing.carried(held.job.trace_context), tracing.PREVIOUS_ATTEMPT: held.traceparent})


def _metadata(job: StartedJob) -> Mapping[str, str]:
    return {"job-id": str(job.lease.job_id), "report-type": job.report_type, "attempt": str(job.attempt)}


def _store_error(error: ArtifactStoreUnavailable) -> ReportError:
    # The reason may name buckets and folders: it is for the operator's log, not for the client.
    return failure(
        FailureCode.ARTIFACT_STORE_UNAVAILABLE,
        "The finished files could not be stored.",
        hint=f"The worker's log has the reason ({type(error).__name__}).",
    )


def _internal_error() -> ReportError:
    return failure(FailureCode.INTERNAL_ERROR, "The worker met an unexpected error.")
