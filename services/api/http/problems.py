"""Errors on the wire: RFC 9457 problem details with a stable code and every violation at once."""

from collections.abc import Mapping, Sequence

from fastapi import Response
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection

from services.api.actions import errors
from services.api.http.examples import title_of
from shared.catalog.parameters import Violation


class ViolationView(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(examples=["parameters.from"])
    code: str = Field(examples=["date"])
    message: str = Field(examples=["'31.1.2013' is not a date: write it like 2013-01-31"])


class ProblemView(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(description="The address of a page about the situation", examples=["/problems/invalid_request"])
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str
    code: str = Field(description="Stable name of the situation", examples=["invalid_request"])
    retryable: bool = Field(description="Whether the same request may succeed later")
    instance: str | None = Field(None, description="Names this occurrence", examples=["/requests/019acb31"])
    requestId: str | None = None  # noqa: N815 - the wire's spelling
    violations: list[ViolationView] | None = None
    violated_policies: list[str] | None = Field(
        None, serialization_alias="violated-policies", description="What was asked too often (429)"
    )


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
        violated_policies: Sequence[str] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retryable = retryable
        self.violations = violations
        self.violated_policies = violated_policies
        self.headers = dict(headers or {})


def invalid(detail: str, violations: Sequence[Violation] = ()) -> Problem:
    """Return the problem of an invalid request."""
    return Problem(422, "invalid_request", detail, violations=violations)


HEAD = "todoke.head"
"""Scope key: the client requested only the headers. The application sees GET."""
WHOLE_SERVER = "todoke.whole_server"
"""Scope key: the request is `OPTIONS *`, which has no path."""
REFUSED = "todoke.refused"
"""Scope key: the Problem with which the server refuses a request that it could read."""


def problem_view(problem: Problem, request_id: str | None, root: str = "") -> ProblemView:
    """Return the problem as a model; `root` is the path under which a proxy publishes the API."""
    told = problem.violations[: errors.MOST_VIOLATIONS]
    return ProblemView(
        type=f"{root}/problems/{problem.code}",
        title=title_of(problem.status),
        status=problem.status,
        detail=_readable(problem.detail),
        code=problem.code,
        retryable=problem.retryable,
        instance=None if request_id is None else f"{root}/requests/{request_id}",
        requestId=request_id,
        violations=[ViolationView(field=_readable(v.field), code=v.code, message=_readable(v.message)) for v in told],
        violated_policies=list(problem.violated_policies),
    )


def problem_json(problem: Problem, request_id: str | None, root: str = "") -> str:
    """Return the problem as it is on the wire."""
    body = problem_view(problem, request_id, root)
    silent = {name for name in ("violations", "violated_policies") if not getattr(body, name)}
    return body.model_dump_json(exclude=silent, by_alias=True)


def answer(request: HTTPConnection, problem: Problem) -> Response:
    """Return the problem as a response."""
    content = problem_json(problem, request.scope.get("request_id"), request.scope.get("root_path", ""))
    headers = {"Content-Language": "en", **problem.headers}
    return Response(content, problem.status, headers, media_type="application/problem+json")


def _readable(text: str) -> str:
    """Replace unpaired surrogates: a message may quote one, and the answer must not fail because of it."""
    return text.encode("utf-8", "replace").decode()
