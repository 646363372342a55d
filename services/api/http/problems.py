"""Errors on the wire: RFC 9457 problem details with a stable code and every violation at once."""

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import Match

from shared.catalog.parameters import Violation
from shared.database.unavailable import DatabaseUnavailable, is_unavailable

log = logging.getLogger(__name__)

_RETRY_AFTER_S = "5"

MOST_VIOLATIONS = 100
"""In one answer: a small body can hold a hundred thousand mistakes, and the answer must stay small too."""


class ViolationView(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(examples=["parameters.from"])
    code: str = Field(examples=["date"])
    message: str = Field(examples=["'31.1.2013' is not a date: write it like 2013-01-31"])


class ProblemView(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str
    code: str = Field(description="Stable name of the situation", examples=["invalid_request"])
    retryable: bool = Field(description="Whether the same request may succeed later")
    requestId: str | None = None  # noqa: N815 - the wire's spelling
    violations: list[ViolationView] | None = None


class Problem(Exception):
    """Answer the request with this problem."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        retryable: bool = False,
        violations: Sequence[Violation] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retryable = retryable
        self.violations = violations
        self.headers = dict(headers or {})


def unavailable(detail: str) -> Problem:
    """The database is away."""
    return Problem(503, "database_unavailable", detail, retryable=True, headers={"Retry-After": _RETRY_AFTER_S})


def unknown_job(job_id: str) -> Problem:
    """No such job, or one of another tenant: the answer is the same."""
    return Problem(404, "unknown_job", f"There is no job {job_id[:60]!r}.")


def answer(request: Request, problem: Problem) -> Response:
    """The problem as a response."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "retryable": problem.retryable,
        "requestId": request.scope.get("request_id"),
    }
    if problem.violations:
        body["violations"] = [
            {"field": v.field, "code": v.code, "message": v.message} for v in problem.violations[:MOST_VIOLATIONS]
        ]
    # A message may quote half a surrogate pair from the request; an error about it must not fail itself.
    content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    return Response(content, problem.status, problem.headers, media_type="application/problem+json")


_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def _methods(request: Request) -> list[str]:
    """What the path can be asked: several routes may share it, and the first one alone knows only its own methods."""
    scopes = {method: {**request.scope, "method": method} for method in _METHODS}
    return [
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
    ]


def install(app: FastAPI) -> None:
    """Every error of the application leaves as a problem."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> Response:
        return answer(request, error)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            detail = f"There is nothing at {request.url.path[:200]!r}; /openapi.json lists what there is."
            return answer(request, Problem(404, "unknown_path", detail))
        if error.status_code == 405:
            headers = {"Allow": ", ".join(_methods(request))}
            detail = f"{request.method} is not possible here."
            return answer(request, Problem(405, "method_not_allowed", detail, headers=headers))
        return answer(request, Problem(error.status_code, "http_error", str(error.detail), headers=error.headers))

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        violations = [
            Violation(".".join(str(part)[:100] for part in e["loc"][1:]), e["type"], e["msg"]) for e in error.errors()
        ]
        return answer(request, Problem(422, "invalid_request", "The request has problems.", violations=violations))

    async def _database(request: Request, error: Exception) -> Response:
        if isinstance(error, DBAPIError) and not is_unavailable(error):
            return await _unexpected(request, error)
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[:1]
        log.warning("database.unavailable", extra={"reason": cause})
        return answer(request, unavailable("The database does not answer. Nothing was changed; try again."))

    for kind in (DBAPIError, PoolTimeout, DatabaseUnavailable):
        app.add_exception_handler(kind, _database)

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        log.error("request.broken", exc_info=error)
        detail = "The service met an unexpected error. Its log has the details under this request id."
        return answer(request, Problem(500, "internal_error", detail, retryable=True))
