"""The exceptions, each named after its situation.

TodokeError
├─ ApiError               the API refused: status, code, request_id, violations, hint
│  ├─ BadRequest          400, 413, 415: the request cannot be read
│  ├─ Unauthorized        401   ├─ Forbidden  403
│  ├─ NotFound            404   ├─ Gone       410
│  ├─ Conflict            409   ├─ Changed    412   ├─ Invalid    422
│  ├─ RateLimited         429
│  └─ ServerError         5xx
│     └─ Unavailable      503
├─ ConnectionFailed       no response
│  └─ TimedOut            no response in time
├─ UnexpectedAnswer       the response is not Todoke's
├─ JobFailed, JobCancelled, WaitTimedOut, NotReady, NoFiles     about a job
├─ CorruptDownload, AlreadyThere, ManifestError                 about a file
└─ InvalidSignature     a webhook received a message that Todoke did not sign
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from todoke.models import Job


class TodokeError(Exception):
    """The base class of everything that this package raises, except ValueError and TypeError for invalid arguments."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One fault of a request."""

    field: str
    code: str
    message: str


class ApiError(TodokeError):
    """The API answered with an RFC 9457 problem."""

    def __init__(
        self,
        status: int,
        problem: Mapping[str, Any],
        *,
        request_id: str | None = None,
        retry_after: float | None = None,
        hint: str = "",
    ) -> None:
        self.status = status
        self.problem = problem
        """The whole problem document; empty if the response had none."""
        self.code = _text(problem.get("code")) or f"http_{status}"
        """The stable code of the error."""
        self.detail = (
            _text(problem.get("detail"))
            or _text(problem.get("title"))
            or f"The server answered {status} without a problem document."
        )
        self.request_id = _text(problem.get("requestId")) or request_id
        """The request's id, which finds the details in the server's log."""
        self.retryable = problem.get("retryable") is True
        """True if the same request may succeed later."""
        self.retry_after = retry_after
        """Seconds that the server asks to wait before a retry; None if it did not say."""
        self.violations = _violations(problem.get("violations"))
        self.hint = _text(problem.get("hint")) or hint
        """What to do about it; empty if unknown."""
        super().__init__(status, self.code, self.detail)

    def __str__(self) -> str:
        lines = [f"{self.status} {self.code}: {self.detail}"]
        lines += [f"  {one.field}: {one.message}" for one in self.violations]
        lines += [self.hint] if self.hint else []
        lines += [f"(request {self.request_id})"] if self.request_id else []
        return "\n".join(lines)


class BadRequest(ApiError):
    """The request cannot be read, or is too large."""


class Unauthorized(ApiError):
    """The API key is missing, wrong, revoked or expired."""


class Forbidden(ApiError):
    """The API key lacks a scope."""


class NotFound(ApiError):
    """It does not exist, or belongs to another tenant or user."""


class Conflict(ApiError):
    """The job's state does not allow this."""


class Changed(ApiError):
    """`if_match` is no longer the current `etag`. Nothing was changed."""


class Gone(ApiError):
    """It existed once, but no longer does."""


class Invalid(ApiError):
    """The request is invalid; `violations` names every fault."""


class RateLimited(ApiError):
    """Too many requests; retry after `retry_after` seconds."""


class ServerError(ApiError):
    """The server failed."""


class Unavailable(ServerError):
    """The server cannot handle the request now."""


class ConnectionFailed(TodokeError):
    """No response: nothing listens there, the connection broke, or the certificate is not trusted."""


class TimedOut(ConnectionFailed):
    """No response in time. The request may have been carried out."""


class UnexpectedAnswer(TodokeError):
    """The response is not from this API: another service at that address, a proxy's page, or a redirect."""


class JobFailed(TodokeError):
    """The job ended in FAILED."""

    def __init__(self, job: "Job") -> None:
        error = job.error
        self.job = job
        self.code = error.code if error else "unknown"
        self.message = error.message if error else "the job failed"
        self.hint = error.hint if error else ""
        self.retryable = error.retryable if error else False
        """True if the same report may succeed later."""
        super().__init__(f"job {job.id} failed: {self.code}: {self.message}" + (f"\n{self.hint}" if self.hint else ""))


class JobCancelled(TodokeError):
    """The job ended in CANCELLED."""

    def __init__(self, job: "Job") -> None:
        self.job = job
        super().__init__(f"job {job.id} was cancelled")


class WaitTimedOut(TodokeError):
    """The time for waiting ran out. The job continues: wait again."""

    def __init__(self, job: "Job") -> None:
        self.job = job
        """The job as it was last seen."""
        super().__init__(f"job {job.id} is still {job.status}; it goes on")


class NotReady(TodokeError):
    """The job has not ended, so it has no files yet: wait for it."""

    def __init__(self, job: "Job") -> None:
        self.job = job
        super().__init__(f"job {job.id} is {job.status} and has no files yet")


class NoFiles(TodokeError):
    """The job succeeded and has no files, or none of that name."""


class CorruptDownload(TodokeError):
    """The bytes received are not those that the job made, by size or by SHA-256. No file was created
    under that name.
    """


class AlreadyThere(TodokeError):
    """Another file already has that name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} exists and is another file; it is overwritten with --force, or force=True")


class ManifestError(TodokeError):
    """A manifest or a key cannot be read, or the file does not match its manifest."""


_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: BadRequest, 401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict, 410: Gone, 412: Changed,
    413: BadRequest, 415: BadRequest, 422: Invalid, 429: RateLimited, 503: Unavailable,
}  # fmt: skip


def kind_of(status: int) -> type[ApiError]:
    """Return the exception class for a status of 400 or more."""
    return _BY_STATUS.get(status, ServerError if status >= 500 else ApiError)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _violations(value: object) -> Sequence[Violation]:
    listed = value if isinstance(value, list) else []
    return tuple(
        Violation(_text(one.get("field")), _text(one.get("code")), _text(one.get("message")))
        for one in listed
        if isinstance(one, dict)
    )


class InvalidSignature(TodokeError):
    """A message's signature is missing or wrong, or its timestamp is too old. Answer it with 400."""
