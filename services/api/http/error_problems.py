"""Turns each error into a problem, and answers with it."""

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import Match

from services.api.actions import errors, job_errors
from services.api.actions.saved_views import TooManyViews, UnknownView, ViewExists
from services.api.actions.shares import ShareOver, SharingOff, TooManyShares, UnknownShare
from services.api.auth.access import RateLimited, Unauthorized
from services.api.auth.issuer_keys import IssuerAway
from services.api.auth.principal import InsufficientScope
from services.api.auth.tokens import NoTenant
from services.api.http.problems import Problem, answer, invalid
from services.api.http.quota import UNFINISHED_JOBS
from services.api.places import NoStreamLeft, TooManyStreams
from shared.access.secret_keys import SecretKeysWrong, SecretsNotKept
from shared.catalog.parameters import Violation
from shared.database.unavailable import DatabaseUnavailable, is_unavailable
from shared.errors import TodokeError
from shared.jobs.submission import CapReached, IdempotencyKeyInFlight, IdempotencyKeyReused

log = logging.getLogger(__name__)

_RETRY_AFTER = {"Retry-After": "5"}


def _too_many(error: RateLimited) -> Problem:
    again = math.ceil(error.wait_s)
    detail = f"{error}: try again in {again} s."
    policies = [] if error.quota is None else [error.quota.policy]
    return Problem(
        429, "rate_limited", detail, retryable=True, headers={"Retry-After": str(again)}, violated_policies=policies
    )


def _unauthorized(error: Unauthorized) -> Problem:
    """Return 401 as in RFC 6750, section 3.1: without an error code where no credential was sent."""
    challenge = 'Bearer realm="todoke"' + (', error="invalid_token"' if error.given else "")
    return Problem(401, "unauthorized", str(error), headers={"WWW-Authenticate": challenge})


def _insufficient_scope(error: InsufficientScope) -> Problem:
    """Return 403 as in RFC 6750, section 3.1."""
    challenge = f'Bearer realm="todoke", error="insufficient_scope", scope="{error.scope}"'
    return Problem(403, "insufficient_scope", str(error), headers={"WWW-Authenticate": challenge})


def _not_ready(error: job_errors.NotReady) -> Problem:
    return Problem(409, "not_ready", str(error), retryable=not error.status.final)


def _plain(status: int, code: str, *, headers: Mapping[str, str] | None = None) -> Callable[[Any], Problem]:
    """Return a function that makes a problem from the error's own message; a 503 is retryable."""
    return lambda error: Problem(status, code, str(error), retryable=status == 503, headers=headers)


_PROBLEMS: Mapping[type[TodokeError], Callable[[Any], Problem]] = {
    Unauthorized: _unauthorized,
    InsufficientScope: _insufficient_scope,
    NoTenant: _plain(403, "no_tenant"),
    IssuerAway: _plain(503, "issuer_unavailable", headers=_RETRY_AFTER),
    RateLimited: _too_many,
    TooManyStreams: lambda error: Problem(429, "too_many_streams", str(error), retryable=True, headers=_RETRY_AFTER),
    NoStreamLeft: _plain(503, "no_stream_left", headers=_RETRY_AFTER),
    errors.InvalidRequest: lambda error: invalid(str(error), error.violations),
    errors.UnknownReportType: _plain(404, "unknown_report_type"),
    IdempotencyKeyReused: lambda error: Problem(
        422, "idempotency_key_reused", f"{error}. Use a new key for a new request."
    ),
    IdempotencyKeyInFlight: lambda error: Problem(
        409,
        "idempotency_in_flight",
        f"{error}. Retry with the same key to get its answer.",
        retryable=True,
        headers=_RETRY_AFTER,
    ),
    CapReached: lambda error: Problem(
        429,
        "too_many_unfinished_jobs",
        f"{error}. Try again when one has ended.",
        retryable=True,
        headers=_RETRY_AFTER,
        violated_policies=[UNFINISHED_JOBS],
    ),
    errors.KeysNotInUse: _plain(409, "keys_not_in_use"),
    errors.UnknownKey: _plain(404, "unknown_key"),
    errors.KeyNotUsable: _plain(409, "key_not_usable"),
    errors.KeyAlreadyReplaced: _plain(409, "key_already_replaced"),
    errors.KeyRequestReused: _plain(422, "idempotency_key_reused"),
    errors.UnknownGate: _plain(404, "unknown_gate"),
    errors.GateResuming: lambda error: Problem(409, "gate_resuming", str(error), retryable=True, headers=_RETRY_AFTER),
    UnknownShare: _plain(404, "unknown_share"),
    ShareOver: _plain(410, "share_over"),
    TooManyShares: _plain(409, "too_many_shares"),
    SharingOff: _plain(409, "sharing_off"),
    UnknownView: _plain(404, "unknown_view"),
    ViewExists: _plain(409, "view_exists"),
    TooManyViews: _plain(409, "too_many_views"),
    errors.UnknownBulk: _plain(404, "unknown_bulk"),
    errors.TooManyBulkActions: lambda error: Problem(
        429, "too_many_bulk_actions", str(error), retryable=True, headers={"Retry-After": "10"}
    ),
    errors.BulkAlreadyEnded: _plain(409, "bulk_already_ended"),
    errors.BulkTooOld: _plain(409, "bulk_too_old"),
    errors.NotYourBulk: _plain(403, "not_your_bulk"),
    errors.NoChoices: _plain(404, "no_choices"),
    errors.ChoicesUnavailable: _plain(503, "choices_unavailable", headers=_RETRY_AFTER),
    errors.NotAccepted: _plain(503, "database_unavailable", headers=_RETRY_AFTER),
    job_errors.UnknownJob: _plain(404, "unknown_job"),
    errors.PreconditionFailed: _plain(412, "precondition_failed"),
    job_errors.JobAlreadyEnded: _plain(409, "job_already_ended"),
    job_errors.NotEnded: lambda error: Problem(409, "not_ended", str(error), retryable=True),
    errors.PageTokenInvalid: _plain(400, "page_token_invalid"),
    errors.PageTokenMismatch: _plain(400, "page_token_mismatch"),
    errors.PageTokenExpired: _plain(400, "page_token_expired"),
    job_errors.Unfinished: lambda error: Problem(409, "not_ended", str(error), retryable=True),
    errors.UnknownWebhook: _plain(404, "unknown_webhook"),
    errors.TooManyWebhooks: _plain(409, "too_many_webhooks"),
    errors.WebhookBusy: _plain(409, "webhook_not_ready"),
    SecretsNotKept: _plain(409, "secrets_not_kept"),
    SecretKeysWrong: lambda _: Problem(
        503,
        "secret_keys_unusable",
        "The file in SECRETS_KEY_FILE cannot be used. The service's log has the reason.",
        retryable=True,
        headers=_RETRY_AFTER,
    ),
    errors.UnknownSchedule: _plain(404, "unknown_schedule"),
    errors.TooManySchedules: _plain(409, "too_many_schedules"),
    errors.ScheduleCannotRun: _plain(409, "schedule_cannot_run"),
    errors.ScheduleInFile: _plain(409, "schedule_in_file"),
    job_errors.NothingToKeep: _plain(409, "nothing_to_keep"),
    job_errors.JobDeleted: _plain(410, "job_deleted"),
    job_errors.NotReady: _not_ready,
    job_errors.ArtifactExpired: _plain(410, "artifact_expired"),
    job_errors.UnknownArtifact: _plain(404, "unknown_artifact"),
    job_errors.NoRows: _plain(404, "no_rows"),
    job_errors.NoPicture: _plain(404, "no_picture"),
    job_errors.ArtifactGone: _plain(410, "artifact_gone"),
    # A lost file is 404, as above: a 410 may be cached, and an operator may restore the file.
    job_errors.ArtifactNotWhole: _plain(410, "artifact_damaged", headers={"Cache-Control": "no-store"}),
    job_errors.ArtifactStoreAway: _plain(503, "artifact_store_unavailable", headers=_RETRY_AFTER),
}
"""Error of an action → its problem."""


def problem_of(error: Exception) -> Problem | None:
    """Return the problem of an action's error; None for an unexpected error."""
    if isinstance(error, Problem):
        return error
    make = _PROBLEMS.get(type(error))  # type: ignore[arg-type] # it is asked whether it is one of these
    return None if make is None else make(error)


_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")


def _methods(request: Request) -> list[str]:
    """Return the methods of the path.

    Several routes may share it, and the first route alone knows only its own methods.
    """
    scopes = {method: {**request.scope, "method": method} for method in _METHODS}
    allowed = {
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
    }
    return sorted({*allowed, "OPTIONS", *(("HEAD",) if "GET" in allowed else ())})


def install(app: FastAPI) -> None:
    """Make every error of the application a problem."""
    for error in _PROBLEMS:
        app.add_exception_handler(error, _of_an_action)
    for failure in (DBAPIError, PoolTimeout, DatabaseUnavailable):
        app.add_exception_handler(failure, _of_the_database)
    app.add_exception_handler(Problem, _itself)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_validation)


async def _itself(request: Request, error: Any) -> Response:
    return answer(request, error)


async def _of_an_action(request: Request, error: Any) -> Response:
    return answer(request, of(error))


async def _of_http(request: Request, error: Any) -> Response:
    if error.status_code == 404:
        detail = f"There is no resource at {request.url.path[:200]!r}. See /docs for all paths."
        return answer(request, Problem(404, "unknown_path", detail))
    if error.status_code == 405:
        allowed = _methods(request)
        headers = {"Allow": ", ".join(allowed)}
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=headers)
        detail = f"{request.method} is not allowed here. Use {' or '.join(allowed)}."
        return answer(request, Problem(405, "method_not_allowed", detail, headers=headers))
    return answer(request, Problem(error.status_code, "http_error", str(error.detail), headers=error.headers))


async def _of_validation(request: Request, error: Any) -> Response:
    violations = [
        Violation(".".join(str(part)[:100] for part in e["loc"][1:]), e["type"], e["msg"]) for e in error.errors()
    ]
    return answer(request, invalid("The request is not valid.", violations))


async def _of_the_database(request: Request, error: Exception) -> Response:
    return answer(request, of(error))


def unexpected(request: HTTPConnection, error: Exception) -> Response:
    """Return the answer to an unexpected error."""
    return answer(request, _unforeseen(error))


def of(error: Exception) -> Problem:
    """Return the problem of an application's error. Unexpected errors, and the database's, are logged."""
    if isinstance(error, Problem):
        return error
    if (known := _PROBLEMS.get(type(error))) is not None:  # type: ignore[arg-type]
        return known(error)
    if isinstance(error, (PoolTimeout, DatabaseUnavailable)) or (
        isinstance(error, DBAPIError) and is_unavailable(error)
    ):
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[:1]
        log.warning("database.unavailable", extra={"reason": cause})
        detail = "The database is unavailable. Nothing was changed; try again."
        return Problem(503, "database_unavailable", detail, retryable=True, headers=_RETRY_AFTER)
    return _unforeseen(error)


def _unforeseen(error: Exception) -> Problem:
    log.error("request.broken", exc_info=error)
    detail = "An unexpected error occurred. The service's log has the details under this request id."
    return Problem(500, "internal_error", detail, retryable=True)
