"""What can go wrong while a report is made: one code each, stable, with whether trying again may help."""

from shared.catalog.model import Limits
from shared.reports.interface import ReportError


def row_limit_exceeded(limits: Limits) -> ReportError:
    """More rows than the report type allows. Output is never cut silently."""
    return ReportError(
        "row_limit_exceeded",
        f"The report has more than {limits.max_rows:,} rows.",
        retryable=False,
        hint="Narrow the parameters, or raise limits.max_rows in report.toml.",
    )


def memory_limit_exceeded(limits: Limits) -> ReportError:
    """The child needed more memory than it may have."""
    return ReportError(
        "memory_limit_exceeded",
        f"Making the report needed more than {limits.memory_mb} MB of memory.",
        retryable=False,
        hint="Narrow the parameters, or raise limits.memory_mb in report.toml.",
    )


def attempt_timeout(deadline_s: float) -> ReportError:
    """The attempt did not end in its time."""
    return ReportError(
        "attempt_timeout",
        f"The report was not ready after {deadline_s:g} seconds.",
        retryable=True,
        hint="Narrow the parameters, or raise limits.timeout_s in report.toml.",
    )


def renderer_crashed(exit_code: int | None) -> ReportError:
    """The child ended without a word."""
    how = f"signal {-exit_code}" if exit_code is not None and exit_code < 0 else f"exit code {exit_code}"
    return ReportError(
        "renderer_crashed",
        f"The process that made the report ended unexpectedly ({how}).",
        retryable=True,
        hint="Signal 9 often means that the machine ran out of memory.",
    )


def renderer_unavailable() -> ReportError:
    """No child could be started."""
    return ReportError(
        "renderer_crashed",
        "The worker could not start a process to make the report.",
        retryable=True,
        hint="The worker's log has the details.",
    )


def cell_too_long(column: str, cells: int, row: int, characters: int) -> ReportError:
    """An Excel cell holds 32,767 characters (Excel specifications and limits, read 2026-11-23)."""
    return ReportError(
        "cell_too_long",
        f"Column {column!r} has {cells:,} {'cell' if cells == 1 else 'cells'} too long for Excel, which holds 32,767 "
        f"characters; the first is in row {row:,}, the longest has {characters:,}.",
        retryable=False,
        hint="Ask for csv, or shorten the column in query.sql.",
    )


def byte_limit_exceeded(limits: Limits) -> ReportError:
    """More text than the report type allows."""
    return ReportError(
        "byte_limit_exceeded",
        f"The report's rows are more than {limits.max_mb:,} MB of text.",
        retryable=False,
        hint="Narrow the parameters, or raise limits.max_mb in report.toml.",
    )


def row_too_long() -> ReportError:
    """One row is longer than the extract takes."""
    return ReportError(
        "row_too_long",
        "A row of the report is longer than 8 MB, which only CSV can hold.",
        retryable=False,
        hint="Ask for csv alone, or shorten the columns in query.sql.",
    )


def scratch_limit_exceeded(limits: Limits) -> ReportError:
    """The files under construction outgrew what the report type allows."""
    return ReportError(
        "scratch_limit_exceeded",
        f"The files of the report are larger than {limits.scratch_mb:,} MB.",
        retryable=False,
        hint="Narrow the parameters, or raise limits.scratch_mb in report.toml.",
    )


def cpu_limit_exceeded(deadline_s: float) -> ReportError:
    """The child used more processor time than its deadline can explain."""
    return ReportError(
        "cpu_limit_exceeded",
        f"Making the report took more processor time than {deadline_s:g} seconds of all cores allow.",
        retryable=False,
        hint="Narrow the parameters, or raise limits.timeout_s in report.toml.",
    )


def character_not_encodable(character: str, encoding: str, line: int) -> ReportError:
    """The CSV's encoding lacks a character."""
    return ReportError(
        "character_not_encodable",
        f"Line {line:,} of the CSV has the character {character!r} (U+{ord(character):04X}), which {encoding} lacks.",
        retryable=False,
        hint='Set encoding = "utf-8" or unencodable = "replace" below [csv] in report.toml.',
    )


def summary_failed(name: str, what: str) -> ReportError:
    """A summary query of the document is wrong."""
    return ReportError(
        "summary_failed",
        f"The query of {name!r} failed: {what}.",
        retryable=False,
        hint="It is DuckDB SQL over `report`, below [pdf] in report.toml; `todoke-server check` tries it.",
    )


def summary_too_large(name: str, most: int) -> ReportError:
    """A summary has more rows than a document can show."""
    return ReportError(
        "summary_too_large",
        f"The query of {name!r} gives more than {most:,} rows.",
        retryable=False,
        hint="Aggregate more in its query, below [pdf] in report.toml.",
    )


def chart_failed(name: str, what: str) -> ReportError:
    """A Vega-Lite specification is wrong."""
    return ReportError(
        "chart_failed", f"The chart {name} could not be drawn: {what}.", retryable=False,
        hint="Check the Vega-Lite specification; `todoke-server check` tries it.",
    )  # fmt: skip


def template_failed(name: str, what: str) -> ReportError:
    """A Typst template is wrong."""
    return ReportError(
        "template_failed", f"The template {name} could not be typeset: {what}.", retryable=False,
        hint="Check the template; `todoke-server check` tries it. It reads its own folder only, and fetches nothing.",
    )  # fmt: skip


def python_row_wrong(row: int, what: str) -> ReportError:
    """A Python report type hands over something else than it declares."""
    return ReportError(
        "python_row_wrong", f"Row {row:,} of the report does not fit its columns: {what}.", retryable=False,
        hint="Correct `columns` or `rows` of the report type.",
    )  # fmt: skip


def answer_wrong(what: str) -> ReportError:
    """A report type without files answers something that cannot be kept."""
    return ReportError(
        "answer_wrong", f"The report's answer cannot be kept: {what}.", retryable=False,
        hint="Correct `answer` of the report type: a small JSON object.",
    )  # fmt: skip


def files_query_failed(what: str) -> ReportError:
    """DuckDB refuses the query of a report on files."""
    return ReportError(
        "source_query_failed", f"The report's query failed: {what}.", retryable=False,
        hint="query.sql is DuckDB's SQL here; paths are relative to the source.",
    )  # fmt: skip


def source_missing(name: str, why: str) -> ReportError:
    """No source has the name that report.toml gives."""
    return ReportError(
        "source_missing", f"There is no data source {name!r} here: {why}.", retryable=True,
        hint="Set REPORT_SOURCE_URL or REPORT_SOURCES, install the plugin that brings it, or correct report.toml.",
    )  # fmt: skip


def no_columns() -> ReportError:
    """`SELECT FROM …` is legal SQL and no report."""
    return ReportError(
        "source_query_failed",
        "The report's query has no columns.",
        retryable=False,
        hint="Name the columns in query.sql.",
    )


def output_damaged(format_: str, what: str) -> ReportError:
    """A finished file does not read back as it was written."""
    return ReportError(
        "output_damaged",
        f"The {format_} file did not read back as it was written: {what}.",
        retryable=True,
        hint="Check the disk below WORKER_SCRATCH.",
    )


def output_too_large() -> ReportError:
    """A workbook beyond 4 GiB would need ZIP64, which some readers refuse; beyond 16,384 columns there is no Excel."""
    return ReportError(
        "output_too_large",
        "The workbook would be larger than an XLSX file can be.",
        retryable=False,
        hint="Ask for csv, or narrow the parameters.",
    )


def renderer_failed(error: BaseException) -> ReportError:
    """Nothing better is known; the log has what was raised."""
    return ReportError(
        "renderer_failed",
        f"The report could not be made: {type(error).__name__}.",
        retryable=True,
        hint="The worker's log has the details.",
    )
