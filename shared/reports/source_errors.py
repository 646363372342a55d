"""What can be wrong with a source, its query, or a value that it returns."""

from collections.abc import Sequence

from shared.failures import FailureCode
from shared.reports.errors import failure
from shared.reports.interface import ReportError


def files_query_failed(what: str, *, line: int | None = None, hint: str = "") -> ReportError:
    """DuckDB refuses the query of a report on files. `line` is the line of query.sql that the error refers to."""
    where = f" in line {line} of query.sql" if line else ""
    return failure(
        FailureCode.SOURCE_QUERY_FAILED,
        f"The report's query failed{where}: {what}.",
        hint=hint or "query.sql is DuckDB's SQL here; paths are relative to the source.",
    )


def sqlite_query_failed(what: str) -> ReportError:
    """SQLite refuses the query of a report, or the file."""
    return failure(
        FailureCode.SOURCE_QUERY_FAILED,
        f"The report's query failed: {what}.",
        hint="query.sql is SQLite's SQL here, and may only read.",
    )


def mariadb_query_failed(what: str) -> ReportError:
    """MariaDB refuses the query of a report."""
    return failure(
        FailureCode.SOURCE_QUERY_FAILED,
        f"The report's query failed: {what}.",
        hint="query.sql is MariaDB's SQL here, and may only read.",
    )


def value_refused(row: int, column: str, what: str) -> ReportError:
    """A value of the source cannot be represented exactly in its column's type."""
    return failure(
        FailureCode.SOURCE_QUERY_FAILED,
        f"Row {row:,} of the report, column {column!r}: {what}.",
        hint="Convert the column in query.sql, or correct the value.",
    )


def parameter_refused(name: str, what: str) -> ReportError:
    """The source cannot accept a parameter's value as it is."""
    return failure(FailureCode.SOURCE_QUERY_FAILED, f"The source cannot be asked with this :{name}: {what}.")


def source_timeout() -> ReportError:
    """The query of a source took too long."""
    return failure(FailureCode.SOURCE_TIMEOUT, "The query took longer than the report type allows.")


def nanoseconds(column: str) -> ReportError:
    """A moment in a file has fractions of a microsecond."""
    return failure(
        FailureCode.SOURCE_QUERY_FAILED,
        f"Column {column!r} has moments with parts of a microsecond, which would be lost.",
        hint="Write column::TIMESTAMP to drop them, or column::VARCHAR to keep them as text.",
    )


def nested_nan(column: str) -> ReportError:
    """A list, struct or map in a file contains NaN or an infinity, and JSON has no such number."""
    return failure(
        FailureCode.SOURCE_QUERY_FAILED,
        f"Column {column!r} has NaN or an infinity within nested values, which JSON cannot hold.",
        hint="Take the values out into columns of their own, or write column::VARCHAR to have DuckDB's text.",
    )


def source_unavailable(why: str) -> ReportError:
    """The store of files does not answer, or refuses."""
    return failure(
        FailureCode.SOURCE_UNAVAILABLE,
        "The report's data source did not answer or broke off.",
        hint=f"{why}. Check the source's URL and the worker's permissions.",
    )


def value_wrong(what: str) -> ReportError:
    """A value of the source is not of the type that its column declares."""
    return failure(
        FailureCode.SOURCE_QUERY_FAILED,
        f"A value of the report is not of its column's type: {what}.",
        hint="Correct the column's type, or the value.",
    )


def source_role_refused(tenant: str, role: str | None, why: str) -> ReportError:
    """The tenant's query cannot run as the tenant's role, so it does not run."""
    wanted = f"as the role {role!r} of the source" if role else "as a role of its own"
    return failure(FailureCode.SOURCE_ROLE_REFUSED, f"The report of the tenant {tenant!r} cannot run {wanted}: {why}.")


def setting_changed(name: str, value: str) -> ReportError:
    """The query changed a session setting that determines how values are written."""
    return failure(
        FailureCode.SOURCE_QUERY_FAILED,
        f"The report's query changed the session's {name} to {value!r}: values would be written in another way.",
        hint="Leave out set_config(); use AT TIME ZONE or to_char() on the column.",
    )


def not_utf8(row: int, what: str) -> ReportError:
    """Return the error for a row whose bytes are not UTF-8, as a database without an encoding
    (SQL_ASCII) may contain.
    """
    return failure(
        FailureCode.SOURCE_QUERY_FAILED,
        f"Row {row:,} of the report has bytes that are not UTF-8: {what}.",
        hint="Correct the value; if the database is SQL_ASCII, write convert_from(column::bytea, 'LATIN1').",
    )


def source_missing(name: str, why: str) -> ReportError:
    """No source has the name that report.toml gives."""
    return failure(FailureCode.SOURCE_MISSING, f"There is no data source {name!r} here: {why}.")


def no_columns() -> ReportError:
    """The query has no columns: `SELECT FROM …` is legal SQL, but not a report."""
    return failure(
        FailureCode.SOURCE_QUERY_FAILED, "The report's query has no columns.", hint="Name the columns in query.sql."
    )


def one_query_only(source: str) -> ReportError:
    """The report type has further queries, but its source can only answer a single one consistently."""
    return failure(
        FailureCode.SOURCE_QUERY_FAILED, f"The data source {source!r} answers one query of a report, not several.",
        hint="Make a report type of each query.",
    )  # fmt: skip


def of_query(error: ReportError, file: str) -> ReportError:
    """Return the same error, attributed to another query than query.sql."""
    said = str(error)
    message = said.replace("query.sql", file) if "query.sql" in said else f"{file}: {said}"
    return type(error)(error.code, message, retryable=error.retryable, hint=error.hint.replace("query.sql", file))


def scoped_column_missing(names: Sequence[str]) -> ReportError:
    """A column with a required scope is missing under its name: it may be there under another."""
    return failure(
        FailureCode.SOURCE_QUERY_FAILED,
        f"The query gives no column {', '.join(map(repr, names))}, for which report.toml asks for a scope.",
        hint="Give the column that name in query.sql, or correct [columns] in report.toml.",
    )


def column_missing(name: str) -> ReportError:
    """The request asks for a column that the query does not return, or not to everyone."""
    return failure(FailureCode.COLUMN_MISSING, f"The request asks for the column {name!r}, and the result has none.")


def every_column_hidden() -> ReportError:
    """The requester may see none of the result's columns."""
    return failure(
        FailureCode.COLUMN_MISSING, "The result has no column that whoever asks may see.",
        hint="Ask with the scopes that report.toml's columns want.",
    )  # fmt: skip
