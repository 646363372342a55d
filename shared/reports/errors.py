"""The errors of making a report, each with a message for the client. `shared.failures` explains their codes."""

from shared.catalog.model import Limits
from shared.failures import FailureCode
from shared.reports.interface import ReportError


def failure(code: FailureCode, message: str, *, hint: str | None = None) -> ReportError:
    """Return a ReportError with one of our codes.

    `code` decides whether it is retryable, and what to do unless `hint` says it.
    """
    return ReportError(code, message, retryable=code.retryable, hint=code.remedy if hint is None else hint)


def row_limit_exceeded(limits: Limits) -> ReportError:
    """The report has more rows than its type allows. Output is never cut silently."""
    return failure(FailureCode.ROW_LIMIT_EXCEEDED, f"The report has more than {limits.max_rows:,} rows.")


def memory_limit_exceeded(limits: Limits) -> ReportError:
    """The child needed more memory than its limit."""
    return failure(
        FailureCode.MEMORY_LIMIT_EXCEEDED, f"Making the report needed more than {limits.memory_mb} MB of memory."
    )


def attempt_timeout(deadline_s: float) -> ReportError:
    """The attempt did not end before its deadline."""
    return failure(FailureCode.ATTEMPT_TIMEOUT, f"The report was not ready after {deadline_s:g} seconds.")


def renderer_crashed(exit_code: int | None) -> ReportError:
    """The child ended without reporting why."""
    how = f"signal {-exit_code}" if exit_code is not None and exit_code < 0 else f"exit code {exit_code}"
    return failure(FailureCode.RENDERER_CRASHED, f"The process that made the report ended unexpectedly ({how}).")


def renderer_unavailable() -> ReportError:
    """No child could be started."""
    return failure(FailureCode.WORKER_EXHAUSTED, "The worker could not start a process to make the report.")


def cell_too_long(column: str, cells: int, row: int, characters: int) -> ReportError:
    """An Excel cell holds 32,767 characters (Excel specifications and limits, read 2026-11-23)."""
    return failure(
        FailureCode.CELL_TOO_LONG,
        f"Column {column!r} has {cells:,} {'cell' if cells == 1 else 'cells'} too long for Excel, which holds 32,767 "
        f"characters; the first is in row {row:,}, the longest has {characters:,}.",
    )


def byte_limit_exceeded(limits: Limits) -> ReportError:
    """The report's rows are more text than its type allows."""
    return failure(FailureCode.BYTE_LIMIT_EXCEEDED, f"The report's rows are more than {limits.max_mb:,} MB of text.")


def row_too_long() -> ReportError:
    """One row is longer than the extract takes."""
    return failure(FailureCode.ROW_TOO_LONG, "A row of the report is longer than 8 MB, which only CSV can hold.")


def scratch_limit_exceeded(limits: Limits) -> ReportError:
    """The attempt's unfinished files exceeded the report type's limit."""
    return failure(
        FailureCode.SCRATCH_LIMIT_EXCEEDED, f"The files of the report are larger than {limits.scratch_mb:,} MB."
    )


def process_limit_exceeded(most: int) -> ReportError:
    """The report's code started too many processes and threads."""
    return failure(FailureCode.PROCESS_LIMIT_EXCEEDED, f"The report started more than {most} processes and threads.")


def cpu_limit_exceeded(deadline_s: float) -> ReportError:
    """The child used more processor time than its deadline can explain."""
    return failure(
        FailureCode.CPU_LIMIT_EXCEEDED,
        f"Making the report took more processor time than {deadline_s:g} seconds of all cores allow.",
    )


def character_not_encodable(character: str, encoding: str, line: int) -> ReportError:
    """The CSV's encoding lacks a character."""
    return failure(
        FailureCode.CHARACTER_NOT_ENCODABLE,
        f"Line {line:,} of the CSV has the character {character!r} (U+{ord(character):04X}), which {encoding} lacks.",
    )


def summary_failed(name: str, what: str) -> ReportError:
    """A summary query of the document is invalid."""
    return failure(FailureCode.SUMMARY_FAILED, f"The query of {name!r} failed: {what}.")


def summary_too_large(name: str, most: int) -> ReportError:
    """A summary has more rows than a document can show."""
    return failure(FailureCode.SUMMARY_TOO_LARGE, f"The query of {name!r} gives more than {most:,} rows.")


def rows_too_many(most: int) -> ReportError:
    """A PDF that must meet a standard can hold fewer rows than the report has."""
    return failure(FailureCode.SUMMARY_TOO_LARGE, f"A PDF of a standard ([pdf] standards) holds at most {most:,} rows.")


def groups_too_many(name: str, most: int) -> ReportError:
    """The rows fall into more groups than anyone would read."""
    return failure(FailureCode.SUMMARY_TOO_LARGE, f"Grouping the rows by {name!r} gives more than {most:,} groups.")


def chart_failed(name: str, what: str) -> ReportError:
    """A Vega-Lite specification is invalid."""
    return failure(FailureCode.CHART_FAILED, f"The chart {name} could not be drawn: {what}.")


def template_failed(name: str, what: str) -> ReportError:
    """A Typst template is invalid."""
    return failure(FailureCode.TEMPLATE_FAILED, f"The template {name} could not be typeset: {what}.")


def python_row_wrong(row: int, what: str) -> ReportError:
    """A Python report type yielded a row that does not fit its declared columns."""
    return failure(FailureCode.PYTHON_ROW_WRONG, f"Row {row:,} of the report does not fit its columns: {what}.")


def attachment_wrong(name: str, why: str) -> ReportError:
    """A Python report type attached a file whose name or media type cannot be used."""
    return failure(FailureCode.ATTACHMENT_WRONG, f"The file {name[:100]!r} cannot be attached: {why}.")


def answer_wrong(what: str) -> ReportError:
    """A report type without files gave an answer that a job cannot store."""
    return failure(FailureCode.ANSWER_WRONG, f"The report's answer cannot be kept: {what}.")


def pivot_too_wide(column: str, most: int) -> ReportError:
    """A pivot has more columns than people can read."""
    return failure(
        FailureCode.OUTPUT_TOO_LARGE, f"The pivot has a column for each value of {column!r}: more than {most}.",
        hint="Let the pivot's columns have fewer values, or leave the pivot out.",
    )  # fmt: skip


def pivot_too_large(aggregate: str, column: str) -> ReportError:
    """A cell of a pivot has more digits than an exact decimal holds."""
    return failure(
        FailureCode.SUMMARY_FAILED, f"The pivot's {aggregate} of {column!r} has a value of more than 38 digits.",
        hint=f"Give {column!r} fewer digits in query.sql, or convert it to double precision.",
    )  # fmt: skip


def pivot_not_of_numbers(aggregate: str, column: str) -> ReportError:
    """A pivot adds up values that are not numbers."""
    return failure(
        FailureCode.SUMMARY_FAILED, f"The pivot's {aggregate} of {column!r} cannot be computed: they are not numbers.",
        hint="Convert the column in query.sql, or let the pivot's aggregate be count, min or max.",
    )  # fmt: skip


def output_damaged(format_: str, what: str) -> ReportError:
    """A finished file could not be read back as it was written."""
    return failure(FailureCode.OUTPUT_DAMAGED, f"The {format_} file did not read back as it was written: {what}.")


def output_too_large() -> ReportError:
    """A workbook over 4 GiB needs ZIP64, which some readers refuse; with over 16,384 columns Excel cannot open it."""
    return failure(FailureCode.OUTPUT_TOO_LARGE, "The workbook would be larger than an XLSX file can be.")


def renderer_failed(error: BaseException) -> ReportError:
    """No other code applies. The log has the exception."""
    return failure(FailureCode.RENDERER_FAILED, f"The report could not be made: {type(error).__name__}.")
