"""Submit a report: check what is wanted, and turn it into a job."""

from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from anyio import to_thread

from services.api import metrics
from services.api.actions import passwords, reuse
from services.api.actions.callbacks import check_callback
from services.api.actions.checks import Checked, Wanted, check
from services.api.actions.choices import check_strict
from services.api.actions.errors import ChoicesUnavailable, InvalidRequest, NotAccepted, UnknownReportType
from services.api.actions.idempotency import named, plain_digest, read_key
from services.api.actions.parts import Parts
from services.api.actions.submitter import TooBusy
from services.api.auth.principal import Principal
from shared.access.scopes import Scope
from shared.access.secret_keys import Sealed
from shared.catalog.parameters import Violation
from shared.catalog.shape import WORDS
from shared.database.engine import transactional
from shared.database.replication import raise_if_unconfirmed
from shared.database.unavailable import DatabaseUnavailable, is_unavailable, waited_for
from shared.ids import uuid7
from shared.jobs import reuse as looking
from shared.jobs.passwords import ENCRYPTED, owner_of_password
from shared.jobs.states import JobStatus
from shared.jobs.submission import (
    Accepted,
    Answer,
    Capped,
    IdempotencyKey,
    IdempotencyKeyInFlight,
    IdempotencyKeyReused,
    Submission,
)
from shared.jobs.submit import replay
from shared.runtime.metrics.common import report_type_label


class Submitted(NamedTuple):
    """A job that is committed."""

    job_id: UUID
    report_type: str
    created: bool
    """False if an earlier request with the same Idempotency-Key created it, or if it is reused."""
    status: JobStatus
    reused: bool = False
    """True if the job answers an earlier request for the same report."""


async def submit(parts: Parts, principal: Principal, wanted: Wanted) -> Submitted:
    """Create a job for what is wanted; it is committed when this returns.

    Raises UnknownReportType, InvalidRequest, ChoicesUnavailable, IdempotencyKeyReused, IdempotencyKeyInFlight,
    CapReached, NotAccepted and SecretKeysWrong.
    """
    principal.need(Scope.JOBS_CREATE)
    given = read_key(wanted.idempotency_key) if wanted.idempotency_key else None
    wrong = [given] if isinstance(given, Violation) else []
    key = _key(given, wanted, parts, principal) if isinstance(given, str) else None
    try:
        checked = check(wanted, principal, parts, wrong)
        await check_strict(parts, principal, checked)
        checked = await check_callback(parts, principal, wanted, checked)
    except (InvalidRequest, UnknownReportType, ChoicesUnavailable):
        # A known key takes precedence: what was accepted before stays accepted, whatever the catalog and the
        # source say today. It is looked up only after a mistake, because a valid request learns about its key from
        # the statement that creates the job.
        if key is None or (earlier := await _replay(parts, principal, key)) is None:
            raise
        return _submitted(earlier)
    answer = await _commit(parts, _submission(parts, principal, wanted, checked, key), checked.max_age_s)
    return _submitted(answer)


def _submission(
    parts: Parts, principal: Principal, wanted: Wanted, checked: Checked, key: IdempotencyKey | None
) -> Submission:
    """Return the job to be, with a new id; its deadline and times of keeping come from options and settings."""
    settings, asked = parts.settings, checked.options
    job_id = uuid7()
    keep_artifacts_s, keep_s = asked.kept_for(settings)
    return Submission(
        id=job_id,
        tenant=principal.tenant,
        report_type=checked.report.name,
        report_version=checked.report.version,
        parameters=checked.parameters,
        formats=[str(f) for f in checked.formats],
        requester=principal.subject,
        scopes=checked.report.scopes_of_files(principal.scopes),
        retry_of=wanted.retry_of.id if wanted.retry_of else None,
        labels=checked.labels,
        max_attempts=asked.max_attempts or checked.report.limits.max_attempts,
        max_crashes=settings.job_max_crashes,
        deadline_s=settings.job_deadline_s,
        run_at=asked.run_at,
        not_after=asked.not_after,
        file_name=asked.named(checked.report, job_id),
        reuse_key=None if checked.max_age_s is None else _reuse_key(principal, checked),
        options=_beside(checked),
        priority=asked.priority,
        keep_artifacts_s=keep_artifacts_s,
        keep_s=keep_s,
        password=_sealed(parts, checked, job_id),
        idempotency_key=key,
        trace_context=wanted.trace_context,
    )


def _beside(checked: Checked) -> Mapping[str, object] | None:
    """Return what the job stores besides the parameters; None if there is nothing."""
    words = {WORDS: dict(checked.words)} if checked.words else {}
    protected = {ENCRYPTED: True} if checked.password is not None else {}
    return {**(checked.options.as_asked() or {}), **checked.shape.as_json(), **words, **protected} or None


def _sealed(parts: Parts, checked: Checked, job_id: UUID) -> Sealed | None:
    if checked.password is None:
        return None
    return parts.secret_keys.seal(checked.password.encode(), of=owner_of_password(job_id))


def _reuse_key(principal: Principal, checked: Checked) -> str:
    """Return the reuse key: the digest of everything that could lead to another job."""
    # Not the words: the same day in other words is the same question.
    asked = {**(checked.options.as_asked() or {}), **checked.shape.as_json()}
    beside = {**asked, "labels": sorted((checked.labels or {}).items())}
    scopes = checked.report.scopes_of_files(principal.scopes)
    return reuse.reuse_key(
        checked.report, checked.parameters, checked.formats, requester=principal.subject, scopes=scopes, beside=beside
    )


def _key(given: str, wanted: Wanted, parts: Parts, principal: Principal) -> IdempotencyKey:
    retry_of = wanted.retry_of.id if wanted.retry_of else None
    digests = parts.secret_keys.digests if wanted.fields.get(passwords.FIELD) is not None else plain_digest
    return named(given, wanted.body, wanted.fields, parts.catalog, principal.subject, retry_of, digests=digests)


async def _replay(parts: Parts, principal: Principal, key: IdempotencyKey) -> Accepted | None:
    def look() -> Accepted | IdempotencyKeyReused | None:
        with parts.engine.connect() as conn:
            return replay(conn, principal.tenant, key)

    answer = await to_thread.run_sync(look)
    if isinstance(answer, IdempotencyKeyReused):
        _count("conflict", "unknown")
        raise answer
    return answer


def _submitted(answer: Accepted) -> Submitted:
    _count("accepted" if answer.created else "reused" if answer.reused else "replayed", answer.report_type)
    return Submitted(answer.job_id, answer.report_type, answer.created, answer.status, answer.reused)


async def _commit(parts: Parts, submission: Submission, max_age_s: int | None) -> Accepted:
    try:
        answer = await (_new(parts, submission) if max_age_s is None else _reused(parts, submission, max_age_s))
    except Exception as error:
        if isinstance(error, IdempotencyKeyInFlight) or waited_for(error, "idempotency_keys"):
            _count("in_flight", submission.report_type)
            raise IdempotencyKeyInFlight from None
        if not (isinstance(error, (TooBusy, TimeoutError, DatabaseUnavailable)) or is_unavailable(error)):
            raise
        _count("unavailable", submission.report_type)
        raise NotAccepted(_why(error)) from None
    if isinstance(answer, Accepted):
        return answer
    _count("conflict" if isinstance(answer, IdempotencyKeyReused) else "capped", submission.report_type)
    raise answer


async def _new(parts: Parts, submission: Submission) -> Answer:
    answer = await parts.submitter.submit(submission)
    return await parts.within_caps.submit(submission) if isinstance(answer, Capped) else answer


async def _reused(parts: Parts, submission: Submission, max_age_s: int) -> Answer:
    """Return the answer for an existing or a new job. Usually the job exists, and one look finds it."""

    def carry_out() -> Answer:
        with parts.engine.connect() as conn:
            found = looking.look(conn, submission, max_age_s=max_age_s)
        if isinstance(found, IdempotencyKeyReused) or (found and not (found.reused and submission.idempotency_key)):
            return found
        with transactional(parts.engine).connect() as conn:
            answer = looking.submit_or_reuse(
                conn, submission, max_age_s=max_age_s, ring_after_s=parts.settings.ring_after_s
            )
            conn.commit()
            raise_if_unconfirmed(conn)
            return answer

    return await to_thread.run_sync(carry_out)


def _count(outcome: str, report_type: str) -> None:
    metrics.SUBMITTED.labels(outcome, report_type_label(report_type)).inc()


def _why(error: Exception) -> str:
    if isinstance(error, TooBusy):
        return f"Nothing was written: {error}."
    return (
        "The database did not confirm the job. Try again; with an Idempotency-Key a second try can never "
        "make a second job."
    )
