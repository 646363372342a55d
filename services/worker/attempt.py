"""An attempt makes the report, stores its files under the lease token and returns how it ended. It writes no row."""

import contextlib
import functools
import logging
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from services.worker import attempt_spans, inline, metrics
from services.worker.assembly import Parts
from services.worker.cooldown import Cooldown
from services.worker.fitness import OWN_FAULTS, is_exhausted, scratch_fault
from services.worker.held import Held, StopReason
from services.worker.outcomes import Cancelled, Lost, Outcome
from services.worker.passwords import Passwords
from services.worker.phase_timer import PhaseTimer
from services.worker.scratch import Scratch
from services.worker.storing import Storing
from shared.artifacts.interface import ArtifactStoreUnavailable
from shared.backoff import full_jitter
from shared.catalog.asker import Asker
from shared.catalog.model import BUNDLE, Format, ReportKind, ReportType
from shared.catalog.shape import WORDS, Shape
from shared.errors import TodokeError
from shared.failures import FailureCode
from shared.jobs import options
from shared.jobs.finish import Cause, Failure, GivenBack
from shared.jobs.lease import StartedJob
from shared.jobs.succeed import Success
from shared.reports import figures
from shared.reports.errors import failure
from shared.reports.interface import Cost, Progress, RenderCancelled, RenderRequest, ReportError
from shared.runtime import logs
from shared.runtime.metrics.common import report_type_label
from shared.webhooks import wanted_figures
from shared.webhooks.conditions import FIELD as CONDITIONS

log = logging.getLogger(__name__)

_FORMATS = frozenset({*Format, BUNDLE})


class Attempts:
    """Carries out attempts. Safe to use from several threads."""

    def __init__(self, parts: Parts, cooldown: Cooldown, scratch: Scratch) -> None:
        self._fitness = parts.fitness
        self._engine = parts.engine
        self._cooldown = cooldown
        self._versions = {(name, report.version) for name, report in parts.catalog.types.items()}
        """Every version of a report type that this worker's catalog has held."""
        self._settings = parts.settings
        self._catalog = parts.catalog
        self._render = parts.render
        self._passwords = Passwords(parts.engine, parts.secret_keys)
        self._storing = Storing(parts.store, parts.signing_key)
        self._scratch = scratch
        self._extracts = scratch.extracts

    def run(self, held: Held) -> Outcome:
        """Work on one job until it ends, and return how it ended. Never raises."""
        outcome = attempt_spans.in_a_span(held, self._try)
        tried_again = isinstance(outcome, GivenBack) or (isinstance(outcome, Failure) and outcome.retryable)
        if isinstance(outcome, GivenBack) and outcome.cause is not None:
            tried_again = outcome.cause.code != FailureCode.SCRATCH_FULL  # then its extract is in the way
        if isinstance(outcome, Success) and not held.inline:
            self._fitness.worked()
        if not held.inline and not tried_again:
            self._extracts.drop(held.lease.job_id)
        return outcome

    def _try(self, held: Held) -> Outcome:
        """Make what the job asks for, and turn any failure into an outcome."""
        with logs.context(**held.log_fields):
            _log_start(held)
            try:
                return self._make_answer(held) if held.inline else self._make_files(held)
            except RenderCancelled:
                return self._stopped(held)
            except ReportError as error:
                log.warning("attempt.failed", extra={"code": error.code, "reason": str(error)})
                return self._failed(held, error)
            except ArtifactStoreUnavailable as error:
                log.warning(
                    "attempt.failed", extra={"code": FailureCode.ARTIFACT_STORE_UNAVAILABLE, "reason": str(error)}
                )
                return self._at_fault(held, _store_error(error), str(error))
            except Exception as error:
                if is_exhausted(error):
                    log.warning("attempt.failed", extra={"code": FailureCode.WORKER_EXHAUSTED, "reason": str(error)})
                    return self._at_fault(held, _exhausted(), str(error))
                log.exception("attempt.broken")
                return self._failure(held, _internal_error())

    def _failed(self, held: Held, error: ReportError) -> Outcome:
        """The outcome of a report that failed: uncharged if the worker is to blame."""
        if error.code in OWN_FAULTS:
            return self._at_fault(held, error, str(error))
        if error.code == FailureCode.PARAMETERS_NO_LONGER_VALID and self._is_other_version(held.job):
            return self._at_fault(held, error := _differs(held.job), str(error))
        return self._failure(held, error)

    def _at_fault(self, held: Held, error: ReportError, reason: str) -> GivenBack:
        """Give the job back uncharged, and leave it to other workers for a while.

        `reason` is shown to the operator only.
        """
        self._fitness.note(error.code, reason)
        self._cooldown.note(held.lease.job_id, shared=error.code == FailureCode.ARTIFACT_STORE_UNAVAILABLE)
        return GivenBack(held.lease, Cause(error.code, str(error), error.hint), attempt_spans.retry_headers(held))

    def _is_other_version(self, job: StartedJob) -> bool:
        """True if the job was accepted with a version that this worker has never had; this worker's own version may be
        the older one.
        """
        return (job.report_type, job.report_version) not in self._versions

    def _make_answer(self, held: Held) -> Success:
        began = time.monotonic()
        if held.stop_reason is not None:
            raise RenderCancelled("stopped before it began")
        answer = inline.answer(self._report(held.job), held.job.parameters, _asker(held.job))
        return Success(held.lease, (), seconds=time.monotonic() - began, answer=answer)

    def _make_files(self, held: Held) -> Success:
        """Render in a child process, then store the files that the child left in the scratch folder."""
        job, began = held.job, time.monotonic()
        report = self._report(job)
        timer = PhaseTimer(job.report_type, held.show)
        with _folder(self._scratch) as folder:
            files = self._render(
                self._request(job, report, folder),
                deadline_s=max(0.1, min(report.limits.timeout_s, job.seconds_left)),
                on_progress=timer.show,
                cancel=held.stop,
                on_cost=functools.partial(_note_cost, held),
            )
            timer.show(Progress("storing", sum(f.rows for f in files), percent=99.9))
            artifacts = self._storing.store(held, files, folder)
            found = figures.kept_in(folder)
            timer.end()
        warnings = [warning.as_json() for file in files for warning in file.warnings]
        for warning in warnings:
            log.warning("report.warned", extra={"code": warning["code"], "reason": warning["message"]})
        location = self._storing.location(self._settings.artifact_url, job)
        seconds = time.monotonic() - began
        return Success(
            job.lease, artifacts, seconds=seconds, location=location, warnings=warnings, cost=_as_json(held.cost),
            figures=found, phases=timer.took,
        )  # fmt: skip

    def _request(self, job: StartedJob, report: ReportType, folder: Path) -> RenderRequest:
        password = self._passwords.of(job)
        return RenderRequest(
            report=report,
            parameters=job.parameters,
            formats=tuple(Format(f) for f in job.formats if f != BUNDLE),
            bundle=BUNDLE in job.formats,
            source_dsn=self._settings.sources.get(report.source, "") if report.kind is ReportKind.QUERY else "",
            scratch=folder,
            keep=self._extracts.folder(job.lease.job_id),
            password=password,
            fonts=self._settings.fonts,
            shape=Shape.of(job.options),
            words=(job.options or {}).get(WORDS, {}),
            asker=_asker(job),
            job_id=str(job.lease.job_id),
            file_name=job.file_name,
            # Anyone can read what is stored beside the files without their password.
            preview=self._settings.preview == "on" and password is None,
            figures=self._wants_figures(job, report),
        )

    def _wants_figures(self, job: StartedJob, report: ReportType) -> bool:
        """True if somebody is notified of the job's end with a figure.

        Few jobs are, and a figure costs more than a small report.
        """
        if report.pdf.figures is None:
            return False
        try:
            with self._engine.connect() as conn:
                return wanted_figures.wanted(conn, job.tenant, job.report_type, (job.options or {}).get(CONDITIONS))
        except (SQLAlchemyError, TodokeError) as error:
            log.warning("figures.kept_unasked", extra={"reason": str(error)})
            return True

    def _report(self, job: StartedJob) -> ReportType:
        formats = [f"format {one}" for one in job.formats if one not in _FORMATS]
        if asked := [*options.unknown(job.options), *options.unknown_values(job.options), *formats]:
            raise failure(FailureCode.OPTION_UNKNOWN, f"This worker's release does not know {', '.join(asked)}.")
        report = self._catalog.types.get(job.report_type)
        if report is None:
            # Retryable: during a deployment the next worker may know the report type.
            raise failure(
                FailureCode.REPORT_TYPE_MISSING, f"This worker's catalog has no report type {job.report_type!r}."
            )
        self._versions.add((report.name, report.version))
        return report

    def _stopped(self, held: Held) -> Outcome:
        match held.stop_reason:
            case StopReason.CANCEL:
                return Cancelled(held.lease)
            case StopReason.SHUTDOWN:
                return GivenBack(held.lease, headers=attempt_spans.retry_headers(held))
            case _:
                return Lost(held.lease)

    def _failure(self, held: Held, error: ReportError) -> Failure:
        job = held.job
        return Failure(
            job.lease,
            code=error.code,
            message=str(error),
            retryable=error.retryable,
            delay_s=full_jitter(job.attempt, base_s=self._settings.retry_base_s, cap_s=self._settings.retry_cap_s),
            hint=error.hint,
            headers=attempt_spans.retry_headers(held),
            cost=_as_json(held.cost),
        )


def _note_cost(held: Held, cost: Cost) -> None:
    """Count what the report cost, however the attempt ends."""
    held.cost = cost
    report_type = report_type_label(held.job.report_type)
    metrics.ATTEMPT_CPU_SECONDS.labels(report_type).inc(cost.cpu_s)
    metrics.ATTEMPT_PEAK_BYTES.labels(report_type).observe(cost.peak_mb << 20)
    metrics.ATTEMPT_READ_BYTES.labels(report_type).inc(cost.read_bytes)
    metrics.ATTEMPT_WRITTEN_BYTES.labels(report_type).inc(cost.written_bytes)


def _as_json(cost: Cost | None) -> Mapping[str, float] | None:
    return cost.as_json() if cost else None


def _asker(job: StartedJob) -> Asker:
    return Asker(job.tenant, job.requester, frozenset(job.scopes or ()))


def _log_start(held: Held) -> None:
    level = logging.DEBUG if held.inline else logging.INFO
    if log.isEnabledFor(level):
        about = {"report_type": held.job.report_type, "waited_s": round(held.job.seconds_waited, 3)}
        log.log(level, "attempt.started", extra=about)


@contextlib.contextmanager
def _folder(scratch: Scratch) -> Iterator[Path]:
    """Yield a folder that only this attempt uses. Raises ReportError if the worker cannot make one."""
    try:
        made = scratch.attempt_folder()
    except OSError as error:
        log.warning("attempt.no_folder", extra={"reason": str(error)})
        raise failure(scratch_fault(error), "The worker cannot write its files under construction.") from None
    with made as name:
        yield Path(name)


def _exhausted() -> ReportError:
    return failure(FailureCode.WORKER_EXHAUSTED, "The worker has no file descriptors, processes or threads left.")


def _differs(job: StartedJob) -> ReportError:
    return failure(
        FailureCode.REPORT_TYPE_DIFFERS,
        f"This worker has another version of the report type {job.report_type!r} than the job was accepted with, and "
        "it does not take the job's parameters: the worker's catalog may be the older one.",
    )


def _store_error(error: ArtifactStoreUnavailable) -> ReportError:
    # The reason may name buckets and folders, so it goes to the operator's log and not to the client.
    return failure(
        FailureCode.ARTIFACT_STORE_UNAVAILABLE,
        "The finished files could not be stored.",
        hint=f"The worker's log has the reason ({type(error).__name__}).",
    )


def _internal_error() -> ReportError:
    return failure(FailureCode.INTERNAL_ERROR, "The worker met an unexpected error.")
