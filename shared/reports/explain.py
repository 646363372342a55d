"""Turns exceptions of libraries into errors of a report."""

import errno

import duckdb
import psycopg
from pydantic import ValidationError

from shared.catalog.model import Limits
from shared.catalog.parameters import InvalidParameters
from shared.database import sqlstates
from shared.failures import FailureCode
from shared.reports.errors import failure, memory_limit_exceeded, renderer_failed, row_too_long, scratch_limit_exceeded
from shared.reports.interface import ReportError


def explain(error: BaseException, limits: Limits) -> ReportError:
    """Return the ReportError that describes `error`. Connection strings never appear in it."""
    if isinstance(error, ReportError):
        return error
    if _is_out_of_memory(error):
        return memory_limit_exceeded(limits)
    if isinstance(error, InvalidParameters | ValidationError):
        return failure(
            FailureCode.PARAMETERS_NO_LONGER_VALID,
            "The report type has changed since the job was accepted: its parameters are not valid any more.",
        )
    if isinstance(error, psycopg.Error):
        return explain_source(error)
    if isinstance(error, OSError):
        return _explain_os(error, limits)
    if _is_out_of_threads(error):
        return failure(FailureCode.WORKER_EXHAUSTED, "The worker could not start another thread.")
    if isinstance(error, duckdb.Error):
        return _explain_duckdb(error, limits)
    return renderer_failed(error)


def _explain_os(error: OSError, limits: Limits) -> ReportError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return failure(FailureCode.SCRATCH_FULL, "The worker's disk is full.")
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return failure(FailureCode.WORKER_EXHAUSTED, "The worker has no file descriptors left.")
    if error.errno == errno.EFBIG:
        return scratch_limit_exceeded(limits)
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
    """True for Python's own errors and for libpq's messages about it.

    With an SQLSTATE, the server ran out, not this process.
    """
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    if not isinstance(error, psycopg.Error) or error.sqlstate is not None:
        return False
    text = str(error).lower()
    # libpq 18, fe-connect.c, fe-exec.c and fe-protocol3.c, read 2026-11-23. Without a buffer for a row it gives up in
    # the middle of the answer, and psycopg finds one result too many: an InternalError that no server sent.
    return isinstance(error, psycopg.InternalError) or "out of memory" in text or "cannot allocate memory" in text


def _is_out_of_threads(error: BaseException) -> bool:
    """True for what Python, DuckDB and Rust's libraries raise when the kernel starts no thread (EAGAIN).

    A Python report's own BlockingIOError is excluded: its sockets raise that, too.
    """
    if isinstance(error, RuntimeError) and str(error) == "can't start new thread":
        return True
    of_a_library = isinstance(error, duckdb.Error) or type(error).__name__ == "PanicException"
    return of_a_library and "Resource temporarily unavailable" in str(error)


_ADVICE = {
    "42P01": "A table that is there is not found without its schema's name where the schema is not on the role's "
    "search_path, or the role has no USAGE on it: GRANT USAGE ON SCHEMA."
}
"""Better advice for an SQLSTATE whose message is misleading."""


def explain_source(error: psycopg.Error, *, line: int | None = None) -> ReportError:
    """Return the ReportError that describes a source's `error`. `line` is the line of query.sql that it refers to."""
    state = error.sqlstate
    primary = error.diag.message_primary or "unknown error"
    # One code for two situations: an administrator's pg_cancel_backend will pass, while the timeout would occur again.
    if state in sqlstates.TIMEOUTS and "user request" not in primary:
        return failure(FailureCode.SOURCE_TIMEOUT, "The query took longer than the report type allows.")
    if state is None and not isinstance(error, psycopg.OperationalError):
        # psycopg itself refuses: a connection string it cannot read (its message may quote it), or a value it cannot
        # load.
        return failure(
            FailureCode.SOURCE_QUERY_FAILED,
            f"The report's data could not be read: {type(error).__name__}.",
            hint="The worker's log has the details. Check REPORT_SOURCE_URL and the types in query.sql.",
        )
    if state is None or sqlstates.passes(state):
        return failure(
            FailureCode.SOURCE_UNAVAILABLE,
            "The report's data source did not answer or broke off.",
            hint=f"SQLSTATE {state}" if state else None,
        )
    if state == sqlstates.READ_ONLY:
        return failure(
            FailureCode.SOURCE_QUERY_FAILED, "The report's query tried to write.", hint="query.sql may only read."
        )
    where = f" in line {line} of query.sql" if line else ""
    advice = error.diag.message_hint or _ADVICE.get(state)
    hint = f"{advice} (SQLSTATE {state})" if advice else f"SQLSTATE {state}"
    return failure(FailureCode.SOURCE_QUERY_FAILED, f"The report's query failed{where}: {primary}.", hint=hint)
