"""What can go wrong, each situation with a name.

TodokeError
├─ ApiError               the API refused: status, code, request_id, violations, hint
│  ├─ BadRequest          400, 413, 415: the request cannot be read
│  ├─ Unauthorized        401   ├─ Forbidden  403
│  ├─ NotFound            404   ├─ Gone       410
│  ├─ Conflict            409   ├─ Changed    412   ├─ Invalid    422
│  ├─ RateLimited         429
│  └─ ServerError         5xx
│     └─ Unavailable      503
├─ ConnectionFailed       no answer came
│  └─ TimedOut            it did not come in time
├─ UnexpectedAnswer       what answered does not speak as Todoke does
├─ JobFailed, JobCancelled, WaitTimedOut, NotReady, NoFiles     about a job
├─ CorruptDownload, AlreadyThere, ManifestError                 about a file
└─ InvalidSignature     a webhook got a message that Todoke did not sign
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from todoke.models import Job


class TodokeError(Exception):
    """Everything that this package raises, except ValueError and TypeError for arguments that make no sense."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with a request."""

    field: str
    code: str
    message: str


class ApiError(TodokeError):
    """The API answered with a problem (RFC 9457)."""

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
        """The whole problem document; empty if the answer had none."""
        self.code = _text(problem.get("code")) or f"http_{status}"
        """The stable name of the situation."""
        self.detail = _text(problem.get("detail")) or _text(problem.get("title")) or f"The answer was {status}."
        self.request_id = _text(problem.get("requestId")) or request_id
        """Under which the server's log has the details."""
        self.retryable = problem.get("retryable") is True
        """Whether the same request may succeed later."""
        self.retry_after = retry_after
        """Seconds after which the server wants to be asked again; None if it did not say."""
        self.violations = _violations(problem.get("violations"))
        self.hint = _text(problem.get("hint")) or hint
        """What to do about it; empty if nobody knows."""
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
    """The API key is missing, wrong, revoked or over."""


class Forbidden(ApiError):
    """The API key lacks a scope."""


class NotFound(ApiError):
    """It does not exist, or belongs to somebody else."""


class Conflict(ApiError):
    """The job is in a state in which this is not possible."""


class Changed(ApiError):
    """The job is not the one that `if_match` names any more. Nothing has happened."""


class Gone(ApiError):
    """The file existed, and does no longer."""


class Invalid(ApiError):
    """The request does not fit; `violations` names every problem."""


class RateLimited(ApiError):
    """Too many requests; `retry_after` says when to come back."""


class ServerError(ApiError):
    """The server met an error of its own."""


class Unavailable(ServerError):
    """The server cannot do it now."""


class ConnectionFailed(TodokeError):
    """No answer came: nobody listens, the connection broke, or the certificate is not trusted."""


class TimedOut(ConnectionFailed):
    """The answer did not come in time. The request may have been carried out."""


class UnexpectedAnswer(TodokeError):
    """The answer is not one of this API: another service at that address, a proxy's page, or a redirect."""


class JobFailed(TodokeError):
    """The job ended in FAILED."""

    def __init__(self, job: "Job") -> None:
        error = job.error
        self.job = job
        self.code = error.code if error else "unknown"
        self.message = error.message if error else "the job failed"
        self.hint = error.hint if error else ""
        self.retryable = error.retryable if error else False
        """Whether the same report may succeed at another time."""
        super().__init__(f"job {job.id} failed: {self.code}: {self.message}" + (f"\n{self.hint}" if self.hint else ""))


class JobCancelled(TodokeError):
    """The job ended in CANCELLED."""

    def __init__(self, job: "Job") -> None:
        self.job = job
        super().__init__(f"job {job.id} was cancelled")


class WaitTimedOut(TodokeError):
    """The time for waiting ran out. The job goes on: wait again."""

    def __init__(self, job: "Job") -> None:
        self.job = job
        """As it was seen last."""
        super().__init__(f"job {job.id} is still {job.status}; it goes on")


class NotReady(TodokeError):
    """The job has not ended, so it has no files yet: wait for it."""

    def __init__(self, job: "Job") -> None:
        self.job = job
        super().__init__(f"job {job.id} is {job.status} and has no files yet")


class NoFiles(TodokeError):
    """The job succeeded and has no file to give, or none of that name."""


class CorruptDownload(TodokeError):
    """What came is not what the job made, by size or by SHA-256. Nothing of it was kept under the file's name."""


class AlreadyThere(TodokeError):
    """Another file has that name already."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} exists and is another file; it is overwritten with --force, or force=True")


class ManifestError(TodokeError):
    """A manifest or a key cannot be read, or does not prove that a file is what it should be."""


_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: BadRequest, 401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict, 410: Gone, 412: Changed,
    413: BadRequest, 415: BadRequest, 422: Invalid, 429: RateLimited, 503: Unavailable,
}  # fmt: skip


def kind_of(status: int) -> type[ApiError]:
    """The class for a status of 400 or more."""
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
    """A message is not what it says it is: it has another signature, an old timestamp, or none. Answer 400."""
