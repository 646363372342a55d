"""What can go wrong while a report is made: one code each, stable, with whether trying again may help."""

import errno

import psycopg
from psycopg import errors as pg

from shared.catalog.model import Limits
from shared.catalog.parameters import InvalidParameters
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


def renderer_died(exit_code: int | None) -> ReportError:
    """The child ended without a word."""
    how = f"signal {-exit_code}" if exit_code is not None and exit_code < 0 else f"exit code {exit_code}"
    return ReportError(
        "renderer_died",
        f"The process that made the report ended unexpectedly ({how}).",
        retryable=True,
        hint="Signal 9 often means that the machine ran out of memory.",
    )


def cell_too_long(column: str, row: int, characters: int) -> ReportError:
    """An Excel cell holds 32,767 characters (Excel specifications and limits, read 2026-11-23)."""
    return ReportError(
        "cell_too_long",
        f"Column {column!r} in row {row:,} has {characters:,} characters; an Excel cell holds 32,767.",
        retryable=False,
        hint="Ask for csv, or shorten the column in query.sql.",
    )


def explain(error: BaseException, limits: Limits) -> ReportError:
    """The ReportError that describes `error`. Connection strings never appear in it."""
    if isinstance(error, ReportError):
        return error
    if _ran_out_of_memory(error):
        return memory_limit_exceeded(limits)
    if isinstance(error, InvalidParameters):
        return ReportError(
            "parameters_no_longer_valid",
            f"The report type has changed since the job was accepted: {error}.",
            retryable=False,
            hint="Submit a new job with parameters that fit the report type of today.",
        )
    if isinstance(error, psycopg.Error):
        return _explain_source(error)
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return ReportError(
            "scratch_full", "The worker's disk is full.", retryable=True, hint="Free space in WORKER_SCRATCH."
        )
    return ReportError(
        "renderer_failed",
        f"The report could not be made: {type(error).__name__}.",
        retryable=True,
        hint="The worker's log has the details.",
    )


def _ran_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    if not isinstance(error, psycopg.Error) or error.sqlstate is not None:
        return False
    # libpq that cannot get a buffer for a row gives up in the middle of the answer, and psycopg then finds one
    # result too many ("received 2 results from command"): an InternalError that no server sent.
    return isinstance(error, psycopg.InternalError) or "memory" in str(error)


def _explain_source(error: psycopg.Error) -> ReportError:
    if isinstance(error, pg.QueryCanceled):
        return ReportError(
            "source_timeout",
            "The query took longer than the report type allows.",
            retryable=False,
            hint="Narrow the parameters, add an index, or raise limits.timeout_s in report.toml.",
        )
    state = error.sqlstate
    passing = state is None or state[:2] in {"08", "40", "53", "57", "58"}
    if passing:
        return ReportError(
            "source_unavailable",
            "The report's data source did not answer or broke off.",
            retryable=True,
            hint=f"SQLSTATE {state}" if state else "Check that REPORT_SOURCE_URL can be reached from the worker.",
        )
    if isinstance(error, pg.ReadOnlySqlTransaction):
        return ReportError(
            "source_query_failed",
            "The report's query tried to write.",
            retryable=False,
            hint="query.sql may only read.",
        )
    primary = error.diag.message_primary or "unknown error"
    return ReportError(
        "source_query_failed", f"The report's query failed: {primary}.", retryable=False, hint=f"SQLSTATE {state}"
    )
