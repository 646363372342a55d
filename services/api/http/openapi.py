"""How the API describes itself: the names of its operations, their problems, and what leads from one to the next."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic.alias_generators import to_camel

from services.api.http.problems import ProblemView

Responses = dict[int | str, dict[str, Any]]

_UNVERSIONED = {"submitJob": "generateReport"}
"""Operations that have a name of their own at a path without `/v1`; the others append `Unversioned`."""

_WHY = {
    400: "The body is not JSON",
    401: "The API key is missing or wrong",
    404: "There is no such job, file or report type, or it is another tenant's",
    409: "The job is in a state that does not allow this",
    410: "The file is not there any more",
    413: "The body is too large",
    415: "The body is not declared as JSON",
    422: "The request has mistakes, each of which is named; or it reuses an Idempotency-Key",
    429: "The tenant asks more often than it may; `Retry-After` says when to try again",
    503: "The database or the artifact store is away; nothing was half-written",
}


def problems(*statuses: int) -> Responses:
    """The descriptions of these problems."""
    return {
        status: {"model": ProblemView, "description": _WHY[status], "content": {"application/problem+json": {}}}
        for status in statuses
    }


def links_of_a_job(pointer: str) -> dict[str, Any]:
    """The operations that follow when a job's id is at `pointer` of an answer's body."""
    following = {"job": "getJob", "events": "listJobEvents", "cancel": "cancelJob"}
    return {
        name: {"operationId": operation, "parameters": {"job_id": f"$response.body#{pointer}"}}
        for name, operation in following.items()
    }


def operation_id(route: APIRoute) -> str:
    """The operation's stable name: its function's, in camel case. A path without `/v1` says so in the name."""
    name = to_camel(route.name)
    return name if route.path_format.startswith("/v1/") else _UNVERSIONED.get(name, f"{name}Unversioned")


def describe_keys(app: FastAPI) -> None:
    """Say in the description that every operation asks for a key."""
    plain: Callable[[], dict[str, Any]] = app.openapi

    def with_keys() -> dict[str, Any]:
        description = plain()
        description["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        description["security"] = [{"key": []}]
        return description

    app.openapi = with_keys  # type: ignore[method-assign] # FastAPI's documented way to extend the description
