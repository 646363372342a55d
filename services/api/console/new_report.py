"""`/console/new`: choose a report type, fill in its form, ask for it."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Response

from services.api.actions import jobs, submissions, visible
from services.api.actions.errors import InvalidRequest, UnknownJob
from services.api.actions.submissions import Wanted
from services.api.console import fields
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.visit import Form, Visit, read_form
from shared import json_text
from shared.access.scopes import Scope
from shared.catalog.model import BUNDLE, ReportType
from shared.catalog.parameters import Violation
from shared.runtime import tracing

router = APIRouter(include_in_schema=False)


@router.get("/new")
@page_for
async def choose(visit: Visit) -> Response:
    """Every report type that may be asked for."""
    visit.principal.need(Scope.JOBS_CREATE)
    types = visible.report_types(visit.parts.catalog, visit.principal).types
    return page(visit, "choose.html", {"types": list(types.values())})


@router.get("/new/{name}")
@page_for
async def fill_in(visit: Visit) -> Response:
    """The form of a report type; with `?from=` a job's id, as that job was asked for."""
    visit.principal.need(Scope.JOBS_CREATE)
    report = visible.report_type(visit.parts.catalog, visit.principal, visit.name("name"))
    values, formats = fields.as_entered(report, {}), [str(report.formats[0])] if report.formats else []
    if (old := visit.request.query_params.get("from")) is not None:
        values, formats = await _as_before(visit, report, old)
    return _form_page(visit, report, values, formats)


@router.post("/new/{name}")
@page_for
async def ask(visit: Visit) -> Response:
    """Make the job, and go to its page; or show the form again, with what is wrong beside each field."""
    form = await read_form(visit)
    report = visible.report_type(visit.parts.catalog, visit.principal, visit.name("name"))
    values, formats = fields.entered(report, form), form.many("format")
    parameters, violations = fields.parameters_of(report, values)
    if violations:
        return _form_page(visit, report, values, formats, violations=violations, form=form)
    try:
        wanted = _wanted(visit, report, parameters, formats, form)
        submitted = await submissions.submit(visit.parts, visit.principal, wanted)
    except InvalidRequest as error:
        return _form_page(visit, report, values, formats, violations=error.violations, form=form)
    return visit.to(f"/jobs/{submitted.job_id}")


def _wanted(
    visit: Visit, report: ReportType, parameters: Mapping[str, object], formats: Sequence[str], form: Form
) -> Wanted:
    asked = {"reportType": report.name, "parameters": parameters, **({"formats": formats} if formats else {})}
    # The form's own key: a double click, or a reload after an error, is one job.
    key = [form.one("key")] if form.one("key") else []
    return Wanted(asked, json_text.write(asked).encode(), key, visit.request.scope.get(tracing.TRACEPARENT))


async def _as_before(visit: Visit, report: ReportType, old: str) -> tuple[dict[str, str], list[str]]:
    try:
        job = (await jobs.get(visit.parts, visit.principal, UUID(old))).job
    except ValueError:
        raise UnknownJob(old) from None
    if job.report_type != report.name:
        raise UnknownJob(old)
    return fields.as_entered(report, job.parameters), list(job.formats)


def _form_page(
    visit: Visit,
    report: ReportType,
    values: Mapping[str, str],
    formats: Sequence[str],
    *,
    violations: Sequence[Violation] = (),
    form: Form | None = None,
) -> Response:
    shown = fields.fields_of(report, visit.language, values, violations)
    beside = {error for each in shown for error in each.errors}
    context: dict[str, Any] = {
        "report": report,
        "fields": shown,
        "formats": [*(str(f) for f in report.formats), *([BUNDLE] if len(report.formats) > 1 else [])],
        "chosen": set(formats),
        "key": (form and form.one("key")) or str(uuid4()),
        "elsewhere": [v for v in violations if v.message not in beside],
        "wrong": bool(violations),
    }
    return page(visit, "new.html", context, status=422 if violations else 200)
