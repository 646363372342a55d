"""The exit codes. Each has one meaning, which never changes."""

from enum import IntEnum
from typing import Self

from todoke import errors


class Exit(IntEnum):
    """An exit code, with its meaning."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        """Create a code with its meaning."""
        made = int.__new__(cls, code)
        made._value_ = code
        made.meaning = meaning
        return made

    DONE = 0, "Done."
    FAILED_HERE = (
        1,
        "A local failure: the network after all retries, the disk, or a file that does not verify.",
    )
    WRONG_CALL = 2, "The command line is not valid. Nothing was changed on the server."
    JOB_FAILED = 3, "The job ended in FAILED."
    NOT_ALLOWED = 4, "Not signed in, or without permission (401, 403)."
    NOT_THERE = 5, "Not found, or no longer available (404, 410)."
    REFUSED = 6, "The server refused the request (409, 422, other 4xx)."
    TOO_MANY = 7, "Too many requests, after all retries (429)."
    TIME_OVER = 8, "Waiting timed out. The job continues."
    JOB_CANCELLED = 9, "The job ended in CANCELLED."
    TEMPORARY = 75, "The server is temporarily unable (5xx); try again later."
    INTERRUPTED = 130, "Interrupted by Ctrl-C. Jobs continue; the command to wait again is printed."
    CLOSED_PIPE = 141, "The reader of the output closed the pipe."


class Ended(Exception):
    """Ends a command with this code; the message has been written."""

    def __init__(self, code: Exit) -> None:
        super().__init__(code)
        self.code = code


class WrongCall(errors.TodokeError):
    """The call is invalid. The message names the option and the remedy."""


_OF_ERRORS: tuple[tuple[type[Exception], Exit], ...] = (
    (WrongCall, Exit.WRONG_CALL),
    (errors.JobFailed, Exit.JOB_FAILED),
    (errors.JobCancelled, Exit.JOB_CANCELLED),
    (errors.WaitTimedOut, Exit.TIME_OVER),
    (errors.NotReady, Exit.REFUSED),
    (errors.NoFiles, Exit.NOT_THERE),
    (errors.Unauthorized, Exit.NOT_ALLOWED),
    (errors.Forbidden, Exit.NOT_ALLOWED),
    (errors.NotFound, Exit.NOT_THERE),
    (errors.Gone, Exit.NOT_THERE),
    (errors.RateLimited, Exit.TOO_MANY),
    (errors.ServerError, Exit.TEMPORARY),
    (errors.ApiError, Exit.REFUSED),
    (ValueError, Exit.WRONG_CALL),
)


def exit_of(error: Exception) -> Exit:
    """Return the exit code for an error."""
    return next((code for kind, code in _OF_ERRORS if isinstance(error, kind)), Exit.FAILED_HERE)


def worst(codes: list[Exit]) -> Exit:
    """Return one code for several jobs: local failures take precedence, then FAILED, CANCELLED, and time-outs."""
    order = [Exit.JOB_FAILED, Exit.JOB_CANCELLED, Exit.TIME_OVER, Exit.DONE]
    others = [code for code in codes if code not in order]
    return others[0] if others else next((code for code in order if code in codes), Exit.DONE)
