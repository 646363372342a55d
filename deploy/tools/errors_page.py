"""`python -m deploy.tools.errors_page > docs/reference/errors.md`: generates the page of error codes.

The codes of a job's `error` and `warnings` come from the code, those of API responses from the API's list.
"""

import sys

from services.api.http.problem_codes import PROBLEMS
from shared.failures import FailureCode
from shared.reports.warnings import WarningCode

_HEAD = """# Error codes

Codes are stable; messages are for people and may change. `retryable` says whether the same request may succeed at
another time. This page is made from the code (`python -m deploy.tools.errors_page`), and a test keeps it so.

## Answers of the API (RFC 9457 problems)

| status | `code` | what it means |
|---|---|---|
"""
_JOBS = """
## Reasons in a job's `error`

Where `retryable` is true, Todoke tries the job again by itself, while attempts and deadline allow. After
`deadline_exceeded` they no longer do: submit the job again. What to do is also the error's `hint`, unless the place
that failed knows better. Report types and data sources from packages may have codes of their own besides
(`ReportError`); metrics count those as `other`.

| `code` | retryable | what it means | what to do |
|---|---|---|---|
"""
_WARNINGS = """
## Warnings in a job's `result`

A job with `warnings` has succeeded, and its files are whole; but somebody should look. Each has `code`, `file`,
`message`, `hint` and `characters`. They stand in `manifest.json`, too, and `todoke-server check` prints them.

| `code` | what it means | what to do |
|---|---|---|
"""


def page() -> str:
    """Return the page as Markdown."""
    problems = (
        f"| {status} | {', '.join(f'`{code}`' for code in codes)} | {meaning} |\n"
        for status, codes, meaning in PROBLEMS
    )
    failures = (
        f"| `{code}` | {'yes' if code.retryable else 'no'} | {code.meaning} | {code.remedy} |\n" for code in FailureCode
    )
    warnings = (f"| `{code}` | {code.meaning} | {code.remedy} |\n" for code in WarningCode)
    return "".join([_HEAD, *problems, _JOBS, *failures, _WARNINGS, *warnings])


if __name__ == "__main__":
    sys.stdout.write(page())
