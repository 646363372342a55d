"""`/console/new`: choose a report type, fill in its form, and request the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Response

from services.api.actions import estimates, jobs, submissions, visible
from services.api.actions.checks import Wanted
from services.api.actions.errors import InvalidRequest
from services.api.actions.job_errors import UnknownJob
from services.api.console import fields, option_fields, shape_form, translated
from services.api.console.offers import offers_of
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.snippets import snippets
from services.api.console.visit import Form, Visit, read_form
from shared import json_text
from shared.access.scopes import Scope
from shared.catalog.model import BUNDLE, Format, ReportType
from shared.catalog.parameters import Violation
from shared.catalog.schema import depends_on
from shared.jobs.read import Job
from shared.runtime import tracing

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class _Filled:
    """A filled-in form, as texts."""

    values: Mapping[str, str]
    formats: Sequence[str]
    options: Mapping[str, str] = field(default_factory=dict)
    key: str = field(default_factory=lambda: str(uuid4()))
    """The form's own idempotency key: a double click, or a reload after an error, creates one job only."""


@router.get("/new")
@page_for
async def choose(visit: Visit) -> Response:
    """Show every report type that may be requested."""
    visit.principal.need(Scope.JOBS_CREATE)
    types = visible.report_types(visit.parts.catalog, visit.principal).types
    return page(visit, "choose.html", {"types": list(types.values())})


@router.get("/new/{name}")
@page_for
async def fill_in(visit: Visit) -> Response:
    """Show the form of a report type; with `?from=` and a job's id, filled in as for that job."""
    visit.principal.need(Scope.JOBS_CREATE)
    report = visible.report_type(visit.parts.catalog, visit.principal, visit.name("name"))
    if (old := visit.request.query_params.get("from")) is not None:
        return await _form_page(visit, report, _as_before(report, await _job(visit, report, old)))
    formats = [str(report.formats[0])] if report.formats else []
    return await _form_page(visit, report, _Filled(fields.as_entered(report, {}), formats))


@router.post("/new/{name}")
@page_for
async def ask(visit: Visit) -> Response:
    """Create the job and show it, or show the form again with the mistakes beside their fields."""
    form = await read_form(visit)
    report = visible.report_type(visit.parts.catalog, visit.principal, visit.name("name"))
    filled = _filled(report, form)
    if form.one("update"):  # other values, on which choices depend
        return await _form_page(visit, report, filled)
    asked, violations = _asked(report, filled)
    if violations:
        return await _form_page(visit, report, filled, violations)
    try:
        # A form without its own key was not made here, and creates a job each time.
        wanted = _wanted(visit, asked, [filled.key] if form.one("key") else [])
        submitted = await submissions.submit(visit.parts, visit.principal, wanted)
    except InvalidRequest as error:
        return await _form_page(visit, report, filled, error.violations)
    return visit.to(f"/jobs/{submitted.job_id}")


@router.post("/new/{name}/estimate")
@page_for
async def estimate(visit: Visit) -> Response:
    """Estimate the form's report as it stands, and show other ways to request it. Mistakes are not reported here."""
    form = await read_form(visit)
    report = visible.report_type(visit.parts.catalog, visit.principal, visit.name("name"))
    asked, violations = _asked(report, _filled(report, form))
    found = None
    if not violations:
        try:
            found = await estimates.estimate(visit.parts, visit.principal, _wanted(visit, asked))
        except InvalidRequest as error:
            violations = list(error.violations)
    context = {"report": report, "estimate": found, "unfinished_form": bool(violations), **_written(visit, asked)}
    return page(visit, "_estimate.html", context)


def _filled(report: ReportType, form: Form) -> _Filled:
    values = {**fields.entered(report, form), **shape_form.entered(form)}
    options = option_fields.entered(form)
    return _Filled(values, form.many("format"), options, form.one("key") or str(uuid4()))


def _asked(report: ReportType, filled: _Filled) -> tuple[dict[str, Any], list[Violation]]:
    """Return the request that the form makes, as the API takes it."""
    parameters, violations = fields.parameters_of(report, filled.values)
    options, more = option_fields.options_of(filled.options)
    formats = {"formats": list(filled.formats)} if filled.formats else {}
    return {
        "reportType": report.name,
        "parameters": parameters,
        **formats,
        **options,
        **shape_form.asked(filled.values),
    }, [*violations, *more]


def _wanted(visit: Visit, asked: Mapping[str, Any], key: Sequence[str] = ()) -> Wanted:
    return Wanted(asked, json_text.write(asked).encode(), key, visit.request.scope.get(tracing.TRACEPARENT))


async def _job(visit: Visit, report: ReportType, old: str) -> Job:
    try:
        job = (await jobs.get(visit.parts, visit.principal, UUID(old))).job
    except ValueError:
        raise UnknownJob(old) from None
    if job.report_type != report.name:
        raise UnknownJob(old)
    return job


def _as_before(report: ReportType, job: Job) -> _Filled:
    values = {**fields.as_entered(report, job.parameters), **shape_form.as_entered(job.options)}
    return _Filled(values, list(job.formats), option_fields.as_before(job))


def _written(visit: Visit, asked: Mapping[str, Any]) -> dict[str, Any]:
    url = visit.request.url
    here = f"{url.scheme}://{url.netloc}{visit.parts.settings.root_path}"
    return {"snippets": snippets(asked, here, keyed=visit.parts.sessions is not None)}


async def _form_page(
    visit: Visit, report: ReportType, filled: _Filled, violations: Sequence[Violation] = ()
) -> Response:
    violations = translated.violations(violations, visit.texts)
    offers = await offers_of(visit, report, filled.values, filled.values.get("s.timeZone"))
    shown = fields.fields_of(report, visit.language, filled.values, violations, offers)
    wrong: dict[str, list[str]] = {}
    for violation in violations:
        wrong.setdefault(violation.field, []).append(violation.message)
    shape = shape_form.fields_of(report, visit.language, filled.values, wrong)
    options = option_fields.option_fields(filled.options, violations, visit.texts)
    if not (visit.parts.secret_keys.kept and {Format.PDF, Format.XLSX}.intersection(report.formats)):
        options = [one for one in options if one.widget != "password"]
    beside = {error for each in (*shown, *options) for error in each.errors}
    beside |= {error for one in shape for error in one.errors}
    asked, _ = _asked(report, filled)
    context: dict[str, Any] = {
        "report": report,
        "fields": shown,
        "options": options,
        "protected": filled.options.get(option_fields.PROTECTED),
        "shape": shape,
        "shape_open": any(one.value or one.errors for one in shape),
        "depends": any(depends_on(parameter) for parameter in report.parameters),
        "formats": [*(str(f) for f in report.formats), *([BUNDLE] if len(report.formats) > 1 else [])],
        "has_sheets": Format.XLSX in report.formats,
        "chosen": set(filled.formats),
        "key": filled.key,
        "elsewhere": [v for v in violations if v.message not in beside],
        "wrong": bool(violations),
        "estimate": None,
        "unfinished_form": False,
        **_written(visit, asked),
    }
    return page(visit, "new.html", context, status=422 if violations else 200)
