"""Further records of a job: the manifest of its files, the notifications of webhooks, and who changed the job.

Each is a part that the job's page fetches, so that none keeps the page waiting, and a page for readers without scripts.
"""

from typing import Any, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Response

from services.api.actions import audit, jobs, manifests, webhook_deliveries
from services.api.actions.job_errors import (
    ArtifactExpired,
    ArtifactGone,
    ArtifactNotWhole,
    ArtifactStoreAway,
    NotReady,
    UnknownArtifact,
)
from services.api.actions.partial import looked_at_if_quick
from services.api.auth.principal import InsufficientScope
from services.api.console.job_page import job_id_of
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.visit import Visit
from shared.access.audit_trail import Filters
from shared.access.scopes import Scope
from shared.webhooks.deliveries import Delivery

router = APIRouter(include_in_schema=False)

_ENTRIES = 20
"""How many audit entries are shown with a job; the page of the audit trail has the others."""


class Told(NamedTuple):
    """A delivery, and the host that it goes to."""

    delivery: Delivery
    to: str


class _Ways(NamedTuple):
    """Where to get the same as JSON and with a command; `{}` stands for the job's id."""

    json: str
    command: str

    def of(self, job_id: UUID) -> tuple[str, str]:
        return self.json.format(job_id), self.command.format(job_id)


_WAYS = {
    "manifest": _Ways(f"/v1/jobs/{{}}/artifacts/{manifests.NAME}", "todoke download {} --into ."),
    "deliveries": _Ways("/v1/webhooks", "todoke webhooks list"),
    "audit": _Ways("/v1/audit?object=jobs/{}", "todoke audit --object jobs/{}"),
}


@router.get("/jobs/{job_id}/manifest")
@router.get("/jobs/{job_id}/manifest/part")
@page_for
async def manifest(visit: Visit) -> Response:
    """Show what the job's files were made from."""
    visit.principal.need(Scope.JOBS_READ)
    found, away = None, None
    try:
        found = await manifests.of_job(visit.parts, visit.principal, job_id_of(visit))
    except (ArtifactGone, ArtifactNotWhole, ArtifactStoreAway) as error:
        away = str(error)
    except (ArtifactExpired, InsufficientScope, NotReady, UnknownArtifact):
        if not _is_part(visit):
            raise
        return Response(status_code=204)  # the page was opened before there was a manifest: nothing to add
    return _record(visit, "manifest", {"manifest": found, "away": away, "file": manifests.NAME})


@router.get("/jobs/{job_id}/deliveries")
@router.get("/jobs/{job_id}/deliveries/part")
@page_for
async def deliveries(visit: Visit) -> Response:
    """Show past and pending notifications of webhooks about the job."""
    visit.principal.need(Scope.WEBHOOKS_READ)
    job_id = job_id_of(visit)
    await jobs.get(visit.parts, visit.principal, job_id)
    asked = webhook_deliveries.of_job(visit.parts, visit.principal, job_id)
    found = await looked_at_if_quick("the job's deliveries", asked)
    shown = None if found is None else [Told(one.delivery, one.origin.partition("://")[2]) for one in found]
    return _record(visit, "deliveries", {"deliveries": shown})


@router.get("/jobs/{job_id}/audit")
@router.get("/jobs/{job_id}/audit/part")
@page_for
async def entries(visit: Visit) -> Response:
    """Show who changed the job, and how."""
    visit.principal.need(Scope.AUDIT_READ)
    job_id = job_id_of(visit)
    await jobs.get(visit.parts, visit.principal, job_id)
    written = {"object": f"jobs/{job_id}"}
    asked = audit.list_page(
        visit.parts, visit.principal, Filters(object=written["object"]), written=written, size=_ENTRIES, token=None
    )
    return _record(visit, "audit", {"found": await looked_at_if_quick("the job's audit trail", asked)})


def _record(visit: Visit, what: str, context: dict[str, Any]) -> Response:
    job_id = job_id_of(visit)
    known = {"job_id": job_id, "record": what, "ways": _WAYS[what].of(job_id), **context}
    return page(visit, f"_job_{what}.html" if _is_part(visit) else "job_record.html", known)


def _is_part(visit: Visit) -> bool:
    return visit.request.url.path.endswith("/part")
