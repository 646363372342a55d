"""Predict a report before it is requested: how many rows, how long it takes, and what would go wrong."""

import asyncio
import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

import psycopg
from anyio import to_thread

from services.api.actions import checks
from services.api.actions.checks import Checked, Wanted
from services.api.actions.parts import Parts
from services.api.auth.principal import Principal
from shared.access.scopes import Scope
from shared.catalog.asker import Asker
from shared.catalog.asking import POSTGRESQL, TIMEOUT_S, NoRole
from shared.catalog.expected import Expected, expected
from shared.catalog.model import Format, ReportKind, ReportType
from shared.catalog.source_urls import DEFAULT
from shared.database.unavailable import is_unavailable
from shared.jobs import rollups
from shared.jobs.rollups import Kind, quantile

_PASSING = {"08", "53", "55", "57"}
"""Classes of SQLSTATE that are no fault of the query: no connection, no room, a lock, a time-out."""
_SHEET_ROWS = 1_048_575
"""Rows of an Excel sheet below its header."""


class Warned(NamedTuple):
    """A warning to read before requesting the report."""

    code: str
    message: str


class Usual(NamedTuple):
    """Figures of the tenant's latest successful jobs of the report type."""

    jobs: int
    p50_s: float
    p95_s: float


class Estimate(NamedTuple):
    """The predicted report."""

    report: ReportType
    formats: tuple[str, ...]
    expected: Expected | None
    """None if the source cannot be asked; the warnings say why."""
    usual: Usual | None
    """None while no such job is known."""
    warnings: list[Warned]


async def estimate(parts: Parts, principal: Principal, wanted: Wanted) -> Estimate:
    """Return a prediction of the report. Nothing is written; the query is planned, not run.

    Raises UnknownReportType and InvalidRequest, as a submission would.
    """
    principal.need(Scope.JOBS_CREATE)
    checked = checks.check(wanted, principal, parts)
    report, warnings = checked.report, []
    plan, problem = await _planned(parts, principal, checked)
    if problem is not None:
        warnings.append(problem)
    usual = await _usual(parts, Kind(principal.tenant, report.name))
    warnings += _foreseen(checked, plan, usual)
    return Estimate(report, checked.formats, plan, usual, warnings)


async def _planned(parts: Parts, principal: Principal, checked: Checked) -> tuple[Expected | None, Warned | None]:
    """Return what the source expects, or why it was not asked."""
    report = checked.report
    if report.kind is not ReportKind.QUERY:
        return None, Warned("not_estimated", "The rows come from code, so they cannot be estimated before it runs.")
    url = parts.settings.sources.get(report.source)
    if url is None:
        return None, _no_source(report)
    if not url.startswith(POSTGRESQL):
        return None, Warned("not_estimated", "The source cannot estimate rows. Only PostgreSQL can.")
    asker = Asker(principal.tenant, principal.subject)
    ask = partial(expected, url, report, checked.parameters, asker, checked.shape)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await parts.estimating.acquire()
    except TimeoutError:
        return None, Warned("source_busy", "Too many estimates are running. Try again.")
    try:
        return await to_thread.run_sync(ask), None
    except NoRole:
        return None, Warned("role_refused", "The source has no role for your tenant, so the job would fail.")
    except psycopg.Error as error:
        state = error.sqlstate
        if state is None or state[:2] in _PASSING:
            return None, Warned("source_unavailable", f"The source did not answer within {TIMEOUT_S} s.")
        return None, Warned("query_refused", f"The source rejects the query (SQLSTATE {state}), so the job would fail.")
    finally:
        parts.estimating.release()


def _no_source(report: ReportType) -> Warned:
    setting = "REPORT_SOURCE_URL" if report.source == DEFAULT else f"REPORT_SOURCES with {report.source}=URL"
    return Warned("source_not_configured", f"The API has no such source configured. Set {setting} for the API, too.")


async def _usual(parts: Parts, kind: Kind) -> Usual | None:
    def look() -> Mapping[Kind, object]:
        with parts.engine.connect() as conn:
            return rollups.recent(conn, [kind])

    try:
        buckets = (await to_thread.run_sync(look)).get(kind)
    except Exception as error:
        if not is_unavailable(error):
            raise
        return None
    if not isinstance(buckets, list) or not sum(buckets):
        return None
    p50, p95 = (quantile(buckets, q) for q in (0.5, 0.95))
    return Usual(sum(buckets), p50 or 0.0, p95 or 0.0)


def _foreseen(checked: Checked, plan: Expected | None, usual: Usual | None) -> Iterator[Warned]:
    limits = checked.report.limits
    if plan is not None:
        rows, megabytes = plan.rows, plan.rows * plan.row_bytes / 1e6
        if rows > limits.max_rows:
            yield Warned(
                "too_many_rows", f"About {rows:,} rows, but only {limits.max_rows:,} are allowed: the job would fail."
            )
        elif rows > _SHEET_ROWS and Format.XLSX in checked.formats:
            sheets = math.ceil(rows / _SHEET_ROWS)
            yield Warned("split_over_sheets", f"About {rows:,} rows: the workbook will be split over {sheets} sheets.")
        if megabytes > limits.max_mb:
            yield Warned("too_many_bytes", f"About {megabytes:,.0f} MB, but only {limits.max_mb:,} are allowed.")
    if usual is not None and usual.p95_s > limits.timeout_s:
        yield Warned(
            "takes_long", f"One run in twenty takes {usual.p95_s:,.0f} s, but only {limits.timeout_s:g} s are allowed."
        )
