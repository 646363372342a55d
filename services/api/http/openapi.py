"""How the API describes itself: the names of its operations, their problems, and the links between them."""

import re
from collections.abc import Callable, Collection
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic.alias_generators import to_camel

from services.api.auth.issuers import Issuer
from services.api.http import webhook_schemas
from services.api.http.deprecation import is_deprecated
from services.api.http.examples import example_of, problem_codes, problem_examples
from services.api.http.operation_scopes import scopes_of
from services.api.http.problems import ProblemView

Responses = dict[int | str, dict[str, Any]]

_OWN_NAMES = {"/generate-report": "generateReport"}
"""Paths without `/v1` whose operation has a name of its own; the names of the others end in `Unversioned`."""

_WHY = {
    400: "The body is not JSON",
    401: "The API key or token is missing or wrong",
    403: "The credential lacks the scope that this asks for, or that the file asks for; or a token names no tenant",
    404: "There is no such job, file or report type, or it is another tenant's",
    409: "The job is in a state that does not allow this",
    410: "The file is not there any more",
    412: "The job, file or gate is not the one that If-Match names",
    413: "The body is too large",
    415: "The body is not declared as JSON in UTF-8, or is encoded",
    416: "The file has none of the ranges",
    422: "The request has mistakes, each of which is named; or it reuses an Idempotency-Key",
    429: "The tenant asks more often than it may; `Retry-After` says when to try again",
    503: "The database or the artifact store is away; nothing was half-written",
}


def problems(*statuses: int) -> Responses:
    """Return the descriptions of these problems."""
    return {
        status: {"model": ProblemView, "description": _WHY[status], "content": {"application/problem+json": {}}}
        for status in statuses
    }


def links_of_a_job(pointer: str) -> dict[str, Any]:
    """Return links to the operations that use a job's id, which is at `pointer` in the answer's body."""
    following = {"job": "getJob", "events": "listJobEvents", "cancel": "cancelJob", "retry": "retryJob"}
    return {
        name: {"operationId": operation, "parameters": {"job_id": f"$response.body#{pointer}"}}
        for name, operation in following.items()
    }


def operation_id(route: APIRoute) -> str:
    """Return the operation's stable name: that of its function in camel case. A path without `/v1` has another name."""
    name = to_camel(route.name)
    return name if route.path_format.startswith("/v1/") else _OWN_NAMES.get(route.path_format, f"{name}Unversioned")


def describe(app: FastAPI, *, asks_who: bool, issuers: Collection[Issuer] = ()) -> None:
    """Describe everything that the API sends: problems with their own media type, and headers that matter to clients.

    `issuers` are those whose tokens are accepted.
    """
    plain: Callable[[], dict[str, Any]] = app.openapi

    def described() -> dict[str, Any]:
        """Complete FastAPI's description once, and return it from then on."""
        if app.openapi_schema is not None:
            return app.openapi_schema
        description = plain()
        schemas = description["components"]["schemas"]
        for path, operations in description["paths"].items():
            for method, operation in operations.items():
                _describe(path, method, operation)
                _exemplify(operation["responses"], schemas, f"{path} {operation}")
                if asks_who:
                    needed = scopes_of(operation["operationId"]) or []
                    # OpenAPI 3.1 lets any scheme list the scopes that a caller needs.
                    operation["security"] = [{"bearer": needed}, *({n: needed} for n in _discovered(issuers))]
        for never_sent in ("HTTPValidationError", "ValidationError"):
            schemas.pop(never_sent, None)
        description["tags"] = [{"name": name, "description": about} for name, about in _TAGS.items()]
        description["components"]["examples"] = problem_examples()
        description["webhooks"] = webhook_schemas.sent()
        if asks_who:
            bearer = {"type": "http", "scheme": "bearer", "description": "An API key, or a token of a known issuer"}
            description["components"]["securitySchemes"] = {"bearer": bearer, **_discovered(issuers)}
        return description

    app.openapi = described  # type: ignore[method-assign] # FastAPI's documented way to extend the description


def _discovered(issuers: Collection[Issuer]) -> dict[str, dict[str, Any]]:
    """Return a scheme for each issuer with a discovery document in the place that OpenID Connect defines."""
    return {
        f"openid_{issuer.name}": {
            "type": "openIdConnect",
            "openIdConnectUrl": f"{issuer.issuer.rstrip('/')}/.well-known/openid-configuration",
            "description": "Tokens of this issuer; it may give the scopes as roles, or with a prefix",
        }
        for issuer in issuers
        if issuer.jwks_url is None
    }


_TAGS = {
    "jobs": "Ask for reports, look at what became of them, cancel them and ask again",
    "artifacts": "The files that a job made",
    "schedules": "Reports that come by themselves",
    "webhooks": "Who is told what has happened, and how that went",
    "report types": "What can be asked for",
    "bulk": "One thing done to all jobs of a filter: looked at first, then carried out",
    "keys": "API keys: who may ask",
    "audit": "Who has changed what",
    "operations": "How the whole installation stands, and messages that were put aside",
    "gates": "What is paused and capped, for those who run the service",
}
"""One tag for each kind of resource."""


def _exemplify(answers: dict[str, Any], schemas: dict[str, Any], operation: str) -> None:
    """Give every answer with a body an example."""
    for status, answer in answers.items():
        for media_type, body in answer.get("content", {}).items():
            if media_type == "application/problem+json":
                codes = problem_codes(int(status), operation)
                body["examples"] = {code: {"$ref": f"#/components/examples/{code}"} for code in codes}
            elif media_type == "application/json":
                body["example"] = example_of(body["schema"], schemas)
            elif media_type == "text/event-stream":
                body["example"] = "event: job\nid: 3\ndata: {…}\n\n"


def _describe(path: str, method: str, operation: dict[str, Any]) -> None:
    about = operation.get("description", "")
    # The first sentence of its function says what the operation does.
    operation["summary"] = re.split(r"[.:](?:\s|$)", about, maxsplit=1)[0].replace("\n", " ")
    if is_deprecated(method.upper(), path):
        operation["deprecated"] = True
    if not path.startswith("/v1/") and path != "/generate-report":
        operation["description"] = f"The same as at `/v1{path}`. {operation.get('description', '')}".strip()
    answers = operation["responses"]
    if "HTTPValidationError" in str(answers.get("422")):
        del answers["422"]
    for status, about in [("405", "The path does not take this method"), ("500", "The service has a bug; see its log")]:
        answers.setdefault(status, {"description": about, "content": {"application/problem+json": {}}})
    for status, answer in answers.items():
        _describe_answer(status, answer)
        if method != "get" and "429" in answers:
            answer["headers"] |= {name: _header(_TELLS[name]) for name in ("RateLimit-Policy", "RateLimit")}
    _describe_headers(path, method, operation)


def _describe_headers(path: str, method: str, operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    for ending, of_method, names in _ASKED:
        if path.endswith(ending) and method == of_method:
            operation.setdefault("parameters", []).extend(_asked(name) for name in names)
    if path.endswith("/jobs/{job_id}") and method == "get":
        for status in ("200", "304"):
            answers[status]["headers"] |= {n: _header(_TELLS[n]) for n in ("ETag", "Retry-After", "Preference-Applied")}
    if path.endswith("/artifacts/{name}"):
        for status in ("200", "206"):
            # Whatever the file's own type is. Client generators know only the first of the two.
            file = {"schema": {"type": "string", "format": "binary"}}
            answers[status]["content"] = {"application/octet-stream": file, "*/*": file}
        for status in ("200", "206", "304"):
            answers[status]["headers"] |= {"ETag": _header(_TELLS["ETag"])}
    if path.endswith(_TELL_THEIR_ETAG) and "200" in answers:
        answers["200"]["headers"] |= {"ETag": _header(_TELLS["ETag"])}


_TELL_THEIR_ETAG = (":cancel", ":keep", ":pause", ":resume", "/cap", "/queue-cap", "/gates/{kind}/{name}")
"""Paths whose 200 answer names the version that it shows."""
_ASKED: tuple[tuple[str | tuple[str, ...], str, tuple[str, ...]], ...] = (
    ("/jobs/{job_id}", "get", ("If-None-Match", "If-Match", "Prefer")),
    ("/artifacts/{name}", "get", ("If-None-Match", "If-Match", "Range", "If-Range")),
    (":cancel", "post", ("If-Match",)),
    (":retry", "post", ("If-Match",)),
    ("/jobs/{job_id}", "delete", ("If-Match",)),
    (":keep", "post", ("If-Match",)),
    (":pause", "post", ("If-Match",)),
    (":resume", "post", ("If-Match",)),
    (("/cap", "/queue-cap"), "put", ("If-Match",)),
    (("/cap", "/queue-cap"), "delete", ("If-Match",)),
)
"""Headers that an operation uses: the end of its path, its method, the headers' names."""


def _describe_answer(status: str, answer: dict[str, Any]) -> None:
    content = answer.setdefault("content", {})
    if "application/problem+json" in content:
        content["application/problem+json"] = {"schema": {"$ref": "#/components/schemas/ProblemView"}}
        content.pop("application/json", None)
    if not content:
        del answer["content"]
    names = ["X-Request-Id", *_HEADERS.get(status, ())]
    answer["headers"] = {name: _header(_TELLS[name]) for name in names}


_TELLS = {
    "X-Request-Id": "The request's id in the log",
    "Location": "The address of the job, or of the file on S3",
    "Retry-After": "Seconds after which to ask again",
    "Idempotent-Replayed": "`true` if an earlier request with this Idempotency-Key made the job",
    "ETag": "Names this version",
    "Preference-Applied": "The preference that was honoured",
    "Allow": "The methods that the path takes",
    "RateLimit-Policy": "The tenant's quota (draft-ietf-httpapi-ratelimit-headers-10), where there is one",
    "RateLimit": "What is left of it, and the seconds after which there is more",
    "WWW-Authenticate": "How to authenticate",
    "Content-Range": "The part that this is, or the size of the file",
}
_HEADERS = {
    "202": ("Location", "Retry-After", "Idempotent-Replayed", "ETag", "Preference-Applied"),
    "206": ("Content-Range",),
    "307": ("Location",),
    "401": ("WWW-Authenticate",),
    "403": ("WWW-Authenticate",),
    "405": ("Allow",),
    "416": ("Content-Range",),
    "429": ("Retry-After", "RateLimit-Policy", "RateLimit"),
    "503": ("Retry-After",),
}
_ASKS = {
    "If-None-Match": "Entity tags that are known: 304 if one of them is current",
    "If-Match": "Entity tags, one of which must be current: else 412",
    "Prefer": "`wait=n`: hold the answer for up to n seconds (RFC 7240)",
    "Range": "`bytes=first-last`: only this part",
    "If-Range": "The part only if this entity tag is current, else the whole",
}


def _header(tells: str) -> dict[str, Any]:
    return {"description": tells, "schema": {"type": "string"}}


def _asked(name: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": _ASKS[name], "schema": {"type": "string"}}
