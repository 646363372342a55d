"""What went wrong in a library, as the error of a report."""

import errno

import duckdb
import psycopg
from pydantic import ValidationError

from shared.catalog.model import Limits
from shared.catalog.parameters import InvalidParameters
from shared.reports.errors import memory_limit_exceeded, renderer_failed, row_too_long, scratch_limit_exceeded
from shared.reports.interface import ReportError


def explain(error: BaseException, limits: Limits) -> ReportError:
    """The ReportError that describes `error`. Connection strings never appear in it."""
    if isinstance(error, ReportError):
        return error
    if _is_out_of_memory(error):
        return memory_limit_exceeded(limits)
    if isinstance(error, InvalidParameters | ValidationError):
        return ReportError(
            "parameters_no_longer_valid",
            "The report type has changed since the job was accepted: its parameters are not valid any more.",
            retryable=False,
            hint="Submit a new job with parameters that fit the report type of today.",
        )
    if isinstance(error, psycopg.Error):
        return explain_source(error)
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return ReportError(
            "scratch_full", "The worker's disk is full.", retryable=True, hint="Free space in WORKER_SCRATCH."
        )
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return scratch_limit_exceeded(limits)
    if isinstance(error, duckdb.Error):
        return _explain_duckdb(error, limits)
    return renderer_failed(error)


def _explain_duckdb(error: duckdb.Error, limits: Limits) -> ReportError:
    text = str(error)
    if isinstance(error, duckdb.OutOfMemoryException) or "bad allocation" in text or "Cannot allocate memory" in text:
        return memory_limit_exceeded(limits)
    if "Maximum line size" in text:
        return row_too_long()
    if "No space left on device" in text or "Disk quota exceeded" in text:
        return explain(OSError(errno.ENOSPC, ""), limits)
    if "File too large" in text:
        return scratch_limit_exceeded(limits)
    return renderer_failed(error)


def _is_out_of_memory(error: BaseException) -> bool:
    """Also libpq's own words for it. With an SQLSTATE it is the server that ran out."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    if not isinstance(error, psycopg.Error) or error.sqlstate is not None:
        return False
    text = str(error).lower()
    # libpq 18, fe-connect.c, fe-exec.c and fe-protocol3.c, read 2026-11-23. Without a buffer for a row it gives up in
    # the middle of the answer, and psycopg finds one result too many: an InternalError that no server sent.
    return isinstance(error, psycopg.InternalError) or "out of memory" in text or "cannot allocate memory" in text


# Classes whose trouble passes: connection, rollback (serialization, deadlock, conflict with recovery), resources,
# shutdown, system error; and a lock that was not free in time (PostgreSQL 18, appendix A, read 2026-11-23).
_PASSING_CLASSES = frozenset({"08", "40", "53", "57", "58"})
_PASSING = frozenset({"55P03"})
_TIMEOUTS = frozenset({"57014", "25P03", "25P04"})
"""query_canceled, idle_in_transaction_session_timeout, transaction_timeout."""


def explain_source(error: psycopg.Error, *, line: int | None = None) -> ReportError:
    """What the source said. `line` is the line of query.sql it speaks of."""
    state = error.sqlstate
    primary = error.diag.message_primary or "unknown error"
    # One code for two situations: an administrator's pg_cancel_backend passes, the timeout would come again.
    if state in _TIMEOUTS and "user request" not in primary:
        return ReportError(
            "source_timeout",
            "The query took longer than the report type allows.",
            retryable=False,
            hint="Narrow the parameters, add an index, or raise limits.timeout_s in report.toml.",
        )
    if state is None and not isinstance(error, psycopg.OperationalError):
        # psycopg itself refuses: a connection string it cannot read (its message may quote it), a value it cannot load.
        return ReportError(
            "source_query_failed",
            f"The report's data could not be read: {type(error).__name__}.",
            retryable=False,
            hint="The worker's log has the details. Check REPORT_SOURCE_URL and the types in query.sql.",
        )
    if state is None or state[:2] in _PASSING_CLASSES or state in _PASSING:
        return ReportError(
            "source_unavailable",
            "The report's data source did not answer or broke off.",
            retryable=True,
            hint=f"SQLSTATE {state}" if state else "Check that REPORT_SOURCE_URL can be reached from the worker.",
        )
    if state == "25006":  # read_only_sql_transaction
        return ReportError(
            "source_query_failed",
            "The report's query tried to write.",
            retryable=False,
            hint="query.sql may only read.",
        )
    where = f" in line {line} of query.sql" if line else ""
    hint = f"{error.diag.message_hint} (SQLSTATE {state})" if error.diag.message_hint else f"SQLSTATE {state}"
    return ReportError(
        "source_query_failed", f"The report's query failed{where}: {primary}.", retryable=False, hint=hint
    )
