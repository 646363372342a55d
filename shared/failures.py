"""Why jobs fail: every code that a job's `error` may have, with what it means and what to do.

A leaf module, and not part of `jobs`: the report engine, which knows nothing of jobs, raises these codes, and metrics,
which lie below it, count them. A Python report type or a data source from a package may raise codes of its own; metrics
count those as `other`. docs/reference/errors.md is made from here (`python -m deploy.tools.errors_page`).
"""

from enum import StrEnum
from typing import Self

_RETRY, _FINAL = True, False


class FailureCode(StrEnum):
    """The stable name of a failure, as the wire shows it. A name that was released is never changed or reused."""

    meaning: str
    """What has happened, phrased to follow "because"."""
    retryable: bool
    """Whether the same job may succeed at another time. If so, Todoke retries it within the job's limits."""
    remedy: str
    """What to do about it: the `hint` of the job's error, unless the failing code knows better."""

    def __new__(cls, code: str, meaning: str, retryable: bool, remedy: str) -> Self:
        """Create a member whose value is only `code`."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning, member.retryable, member.remedy = meaning, retryable, remedy
        return member

    # The source
    SOURCE_UNAVAILABLE = (
        "source_unavailable", "the report's data source did not answer, or the connection was lost", _RETRY,
        "Check that the worker can reach REPORT_SOURCE_URL and log in. Its log has the source's message.",
    )  # fmt: skip
    SOURCE_MISSING = (
        "source_missing", "the worker has no data source with the name in report.toml", _RETRY,
        "Set REPORT_SOURCE_URL or REPORT_SOURCES, install the plugin that provides it, or correct report.toml.",
    )  # fmt: skip
    SOURCE_ROLE_REFUSED = (
        "source_role_refused", "the source has no role for the tenant, or does not allow its user to assume it", _FINAL,
        "CREATE ROLE the tenant's role, and GRANT it to the user of REPORT_SOURCE_URL; or correct role in report.toml.",
    )  # fmt: skip
    SOURCE_QUERY_FAILED = (
        "source_query_failed", "the report's query failed; the message has the reason", _FINAL, "Correct query.sql.",
    )  # fmt: skip
    SOURCE_TIMEOUT = (
        "source_timeout", "the query took longer than `limits.timeout_s`", _FINAL,
        "Narrow the parameters, add an index, or raise limits.timeout_s in report.toml.",
    )  # fmt: skip
    COLUMN_MISSING = (
        "column_missing", "the result lacks a requested column, or the requester may see no column",
        _FINAL, "Omit the column from the request. Return it from query.sql, or remove it from report.toml.",
    )  # fmt: skip
    PYTHON_ROW_WRONG = (
        "python_row_wrong", "a Python report type returned a row that does not match its columns", _FINAL,
        "Correct `columns` or `rows` of the report type.",
    )  # fmt: skip
    ATTACHMENT_WRONG = (
        "attachment_wrong", "a Python report type attached something that cannot be a file of the job", _FINAL,
        "Correct the call of `attach` in the report type.",
    )  # fmt: skip
    ANSWER_WRONG = (
        "answer_wrong",
        "a Python report type without files did not return a JSON object of up to 64 KiB", _FINAL,
        "Return a small JSON object from `answer` of the report type.",
    )  # fmt: skip

    # The limits
    ATTEMPT_TIMEOUT = (
        "attempt_timeout", "the attempt took longer than `limits.timeout_s`, or than the time until the job's deadline",
        _RETRY, "Narrow the parameters, or raise limits.timeout_s in report.toml.",
    )  # fmt: skip
    ROW_LIMIT_EXCEEDED = (
        "row_limit_exceeded", "the report has more rows than `limits.max_rows`; output is never cut", _FINAL,
        "Narrow the parameters, or raise limits.max_rows in report.toml.",
    )  # fmt: skip
    BYTE_LIMIT_EXCEEDED = (
        "byte_limit_exceeded", "the rows exceed `limits.max_mb` of text", _FINAL,
        "Narrow the parameters, or raise limits.max_mb in report.toml.",
    )  # fmt: skip
    MEMORY_LIMIT_EXCEEDED = (
        "memory_limit_exceeded",
        "all processes of the report together used more memory than `limits.memory_mb`", _FINAL,
        "Narrow the parameters, or raise limits.memory_mb in report.toml.",
    )  # fmt: skip
    PROCESS_LIMIT_EXCEEDED = (
        "process_limit_exceeded", "the report's code started more than 512 processes and threads", _FINAL,
        "Start fewer processes and threads in the report type's code.",
    )  # fmt: skip
    CPU_LIMIT_EXCEEDED = (
        "cpu_limit_exceeded", "the report used more processor time than all cores have until the deadline",
        _FINAL, "Narrow the parameters, or raise limits.timeout_s in report.toml.",
    )  # fmt: skip
    SCRATCH_LIMIT_EXCEEDED = (
        "scratch_limit_exceeded", "a file under construction is larger than `limits.scratch_mb`", _FINAL,
        "Narrow the parameters, or raise limits.scratch_mb in report.toml.",
    )  # fmt: skip

    # The formats
    ROW_TOO_LONG = (
        "row_too_long", "one row is longer than 8 MB, which only a CSV alone can hold", _FINAL,
        "Request csv only, or shorten the columns in query.sql.",
    )  # fmt: skip
    CELL_TOO_LONG = (
        "cell_too_long", "a cell has more than the 32,767 characters that Excel can hold", _FINAL,
        "Request csv, or shorten the column in query.sql.",
    )  # fmt: skip
    CHARACTER_NOT_ENCODABLE = (
        "character_not_encodable", "the CSV's encoding lacks a character of the report", _FINAL,
        'Request the CSV with encoding "utf-8" or unencodable "replace", or set that below [csv] in report.toml.',
    )  # fmt: skip
    OUTPUT_TOO_LARGE = (
        "output_too_large", "the workbook would be larger than an XLSX file can be", _FINAL,
        "Request csv, or narrow the parameters.",
    )  # fmt: skip
    OUTPUT_DAMAGED = (
        "output_damaged", "a finished file could not be read back as written", _RETRY,
        "Check the disk below WORKER_SCRATCH.",
    )  # fmt: skip
    SUMMARY_FAILED = (
        "summary_failed", "a query below `[pdf]` failed, or a total or pivot cannot be computed", _FINAL,
        "Correct the DuckDB SQL over `report` below [pdf] in report.toml. `todoke-server check` tries it.",
    )  # fmt: skip
    SUMMARY_TOO_LARGE = (
        "summary_too_large", "a query below `[pdf]` returns more rows than a document can show", _FINAL,
        "Aggregate more in the query below [pdf] in report.toml.",
    )  # fmt: skip
    CHART_FAILED = (
        "chart_failed", "a Vega-Lite specification is not valid", _FINAL,
        "Correct the Vega-Lite specification. `todoke-server check` tries it.",
    )  # fmt: skip
    TEMPLATE_FAILED = (
        "template_failed", "a Typst template failed", _FINAL,
        "Correct the template; `todoke-server check` tries it. It can read only its own folder, and no packages.",
    )  # fmt: skip

    # The worker
    PARAMETERS_NO_LONGER_VALID = (
        "parameters_no_longer_valid", "the report type has changed since the job was accepted", _FINAL,
        "Submit a new job with parameters that match the current report type.",
    )  # fmt: skip
    REPORT_TYPE_MISSING = (
        "report_type_missing", "the worker's catalog does not contain the report type", _RETRY,
        "Deploy the same catalog to the API and the workers.",
    )  # fmt: skip
    REPORT_TYPE_DIFFERS = (
        "report_type_differs",
        "the worker's catalog has another version of the report type, which does not accept the request", _RETRY,
        "Deploy the same catalog to the API and the workers.",
    )  # fmt: skip
    OPTION_UNKNOWN = (
        "option_unknown",
        "the job uses an option, a value or a format that the worker's release does not know",
        _RETRY,
        "Deploy workers before the API. A worker of the API's release will take the job.",
    )  # fmt: skip
    PASSWORD_NOT_READABLE = (
        "password_not_readable", "the worker cannot decrypt the password for the job's files", _RETRY,
        "Give the API and the workers the same SECRETS_KEY_FILE. The worker's log has the reason.",
    )  # fmt: skip
    WORKER_EXHAUSTED = (
        "worker_exhausted", "the worker has no file descriptors, processes or threads left", _RETRY,
        "Raise the limits of the worker's container or service (ulimit -n, pids), or lower WORKER_SLOTS.",
    )  # fmt: skip
    SCRATCH_UNUSABLE = (
        "scratch_unusable", "the worker cannot write below `WORKER_SCRATCH`", _RETRY,
        "Mount WORKER_SCRATCH writable for the worker's user.",
    )  # fmt: skip
    RENDERER_CRASHED = (
        "renderer_crashed", "the process that renders the report ended unexpectedly", _RETRY,
        "Signal 9 often means that the machine ran out of memory.",
    )  # fmt: skip
    RENDERER_FAILED = (
        "renderer_failed", "an unexpected error occurred while rendering the report", _RETRY,
        "The worker's log has the details.",
    )  # fmt: skip
    SCRATCH_FULL = (
        "scratch_full", "the worker's disk has no space left below `WORKER_SCRATCH`", _RETRY,
        "Free space in WORKER_SCRATCH.",
    )  # fmt: skip
    ARTIFACT_STORE_UNAVAILABLE = (
        "artifact_store_unavailable", "the finished files could not be stored", _RETRY,
        "The worker's log has the reason.",
    )  # fmt: skip
    INTERNAL_ERROR = (
        "internal_error", "an unexpected error occurred in the worker", _RETRY, "The worker's log has the details.",
    )  # fmt: skip

    # The sweeper
    LEASE_EXPIRED = (
        "lease_expired", "the worker that held the job died or froze; counted in `crashes`, not in `attempt`", _RETRY,
        "No action needed: the job is retried automatically.",
    )  # fmt: skip
    WORKER_LOST = (
        "worker_lost", "workers died or froze while running the job more than `JOB_MAX_CRASHES` times", _FINAL,
        "Check the workers' logs and memory before you submit it again.",
    )  # fmt: skip
    DEADLINE_EXCEEDED = (
        "deadline_exceeded", "the job did not end within `JOB_DEADLINE_S`", _RETRY,
        "Submit it again. If it happens often, check the backlog.",
    )  # fmt: skip
