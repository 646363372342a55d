"""Queries the source for defaults that depend on its data, such as the latest day that has any.

The attempt does this, and not the acceptance of the job, because jobs of schedules and bulk actions are created where
no source can be reached. The files and the manifest show the values; the job has null.
"""

from collections.abc import Mapping
from dataclasses import replace

import psycopg

from shared.catalog.asking import POSTGRESQL, NoRole
from shared.catalog.choices import first_value
from shared.catalog.moment import Moment
from shared.catalog.parameter import Parameter
from shared.catalog.parameters import check_value
from shared.failures import FailureCode
from shared.reports.errors import failure
from shared.reports.interface import RenderRequest, ReportError

_LONGEST_S = 30.0
"""How long a default's query may take: people wait for the report, not for its parameters."""


def with_computed_defaults(request: RenderRequest) -> RenderRequest:
    """Return the same request with a value for each parameter that was left out and has a query for its default.

    A later query sees the values of earlier ones. If a query returns no row, its parameter stays NULL. Raises
    ReportError.
    """
    left_out = [p for p in request.report.parameters if p.default_query and request.parameters.get(p.name) is None]
    if not left_out:
        return request
    values = dict(request.parameters)
    for parameter in left_out:
        values[parameter.name] = _computed(request, parameter, values)
    return replace(request, parameters=values)


def _computed(request: RenderRequest, parameter: Parameter, values: Mapping[str, object]) -> object:
    """Return the value that the parameter's query finds; None without a row. Raises ReportError and psycopg.Error."""
    report, dsn = request.report, request.source_dsn
    if "://" in dsn and not dsn.startswith(POSTGRESQL):
        raise _wrong(parameter, "only a PostgreSQL source is asked for one")
    timeout_s = min(_LONGEST_S, report.limits.timeout_s)
    try:
        found = first_value(
            dsn, report, parameter.default_query, values, request.asker, request.shape, timeout_s=timeout_s
        )
    except NoRole as error:
        raise failure(FailureCode.SOURCE_ROLE_REFUSED, f"{error}.") from None
    except psycopg.errors.QueryCanceled:
        raise failure(
            FailureCode.SOURCE_TIMEOUT, f"The default of {parameter.name!r} was not found within {timeout_s:g} s."
        ) from None
    except psycopg.Error as error:
        if error.sqlstate is None or error.sqlstate[:2] in {"08", "53", "57"}:
            raise  # the source is unavailable: reported as for the report's own query
        raise _wrong(parameter, f"{str(error).splitlines()[0]} (SQLSTATE {error.sqlstate})") from None
    if found is None:
        return None
    value, violations = check_value(parameter, found, "default", Moment.now(request.shape.zone))
    if violations:
        raise _wrong(parameter, f"what it gives {violations[0].message}")
    return value


def _wrong(parameter: Parameter, why: str) -> ReportError:
    message = f"The default of the parameter {parameter.name!r} cannot be had: {why}."
    hint = f"Correct [parameters.{parameter.name}.default] in report.toml, or ask with a value."
    return failure(FailureCode.SOURCE_QUERY_FAILED, message, hint=hint)
