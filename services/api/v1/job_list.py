"""List jobs: GET /v1/jobs."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from services.api.actions import lists
from services.api.actions.labels import NAME
from services.api.http.dependencies import Caller, PartsOf
from services.api.http.openapi import problems
from services.api.http.problems import invalid
from services.api.http.responses import json_response
from services.api.v1 import pages
from services.api.v1.job_filters import AGO, ID_BEGINS, LASTED, Written, read_filter
from services.api.v1.views import JobsView, job_view
from shared.catalog.parameters import Violation
from shared.jobs.states import JobStatus

router = APIRouter(tags=["jobs"])

# The parameters are described here and checked in job_filters, which reports every violation at once.
_TEXT = r"^[^\x00]*$"


def _about(description: str, **schema: Any) -> Any:
    return Query(description=description, json_schema_extra=schema)


def _each(**schema: Any) -> list[dict[str, Any]]:
    return [{"type": "array", "items": {"type": "string", **schema}}]


_Statuses = Annotated[
    list[str] | None, _about("Only jobs in these states; may be repeated", anyOf=_each(enum=list(JobStatus)))
]
_Labels = Annotated[
    list[str] | None,
    _about(
        "Only jobs with this label, as `name:value`; repeated, with each of them",
        anyOf=_each(pattern=rf"^{NAME}:[^\x00-\x1f\x7f]{{0,255}}$"),
    ),
]
_ReportType = Annotated[str | None, _about("Only jobs of this report type", pattern=_TEXT, maxLength=100)]
_Moment = [{"type": "string", "format": "date-time"}, {"type": "string", "pattern": f"^{AGO}$"}]
_After = Annotated[str | None, _about("Only jobs created then or later: RFC 3339, or ago, as `-24h`", anyOf=_Moment)]
_Before = Annotated[str | None, _about("Only jobs created earlier: RFC 3339, or ago, as `-30m`", anyOf=_Moment)]
_Requester = Annotated[str | None, _about("Only jobs that this one asked for", pattern=_TEXT, maxLength=100)]
_ErrorCode = Annotated[str | None, _about("Only jobs that failed with this code", pattern=_TEXT, maxLength=100)]
_Bulk = Annotated[str | None, _about("Only jobs that this bulk action met", format="uuid")]
_RetryOf = Annotated[str | None, _about("Only jobs that repeat this one", format="uuid")]
_Schedule = Annotated[str | None, _about("Only jobs that this schedule asked for", format="uuid")]
_IdBegins = Annotated[str | None, _about("Only jobs whose id begins so", pattern=f"^{ID_BEGINS}$")]
_Took = Annotated[
    str | None, _about("Only jobs that ran so long or longer, or have run so long by now: `30s`", pattern=f"^{LASTED}$")
]


@router.get("/jobs", responses={200: {"model": JobsView}, **problems(400, 401, 403, 404, 422, 429, 503)})
async def list_jobs(
    parts: PartsOf,
    principal: Caller,
    status: _Statuses = None,
    reportType: _ReportType = None,  # noqa: N803 - the wire's spelling
    label: _Labels = None,
    createdAfter: _After = None,  # noqa: N803
    createdBefore: _Before = None,  # noqa: N803
    requester: _Requester = None,
    errorCode: _ErrorCode = None,  # noqa: N803
    retryOf: _RetryOf = None,  # noqa: N803
    bulk: _Bulk = None,
    schedule: _Schedule = None,
    id: _IdBegins = None,  # noqa: A002 - the wire's name
    tookAtLeast: _Took = None,  # noqa: N803
    pageSize: pages.PageSize = "0",  # noqa: N803
    pageToken: pages.PageToken = None,  # noqa: N803
) -> Response:
    """The jobs that the caller may see, newest first, a page at a time, until `nextPageToken` is null.

    A page of a filtered list may hold fewer jobs than requested, even none, although more follow: each request examines
    a bounded number of jobs.
    """
    written = Written(
        status,
        reportType,
        label,
        createdAfter,
        createdBefore,
        requester,
        errorCode,
        retryOf,
        bulk,
        schedule,
        id,
        tookAtLeast,
    )
    violations: list[Violation] = []
    query = lists.Query(
        pages.page_size(pageSize, violations), read_filter(written, violations), written.named, pageToken
    )
    if violations:
        raise invalid("The query is not valid.", violations)
    found = await lists.list_page(parts, principal, query)
    root = parts.settings.root_path
    views = [job_view(job, found.artifacts[job.id], root) for job in found.jobs]
    links = pages.list_links(f"{root}/v1/jobs", pageSize, found.next_page_token, written.named)
    return json_response(JobsView(jobs=views, next_page_token=found.next_page_token), headers=links)
