"""Every problem that a client may meet: in an answer of the API, or in the error of a job."""

from collections.abc import Mapping
from typing import NamedTuple

from services.api.http.examples import title_of
from services.api.http.problem_codes import PROBLEMS, RETRYABLE
from shared.failures import FailureCode


class KnownProblem(NamedTuple):
    """What a code means."""

    code: str
    meaning: str
    retryable: bool
    status: int | None = None
    """The status of the answer; None for a code that only jobs have."""
    title: str = ""
    remedy: str = ""


ANSWERS: Mapping[str, KnownProblem] = {
    code: KnownProblem(code, f"{meaning[:1].upper()}{meaning[1:]}", code in RETRYABLE, status, title_of(status))
    for status, codes, meaning in PROBLEMS
    for code in codes
}
"""Problems of answers, by their codes."""
FAILURES: Mapping[str, KnownProblem] = {
    str(code): KnownProblem(
        str(code), f"{code.meaning[:1].upper()}{code.meaning[1:]}", code.retryable, remedy=code.remedy
    )
    for code in FailureCode
}
"""Errors of jobs, by their codes. `internal_error` is also a problem of answers, and shares that page."""
