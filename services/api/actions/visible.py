"""Which report types and jobs exist for a principal."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.api.actions.errors import UnknownReportType
from services.api.auth.principal import Principal
from shared.access.scopes import Scope
from shared.catalog.model import CatalogView, ReportType
from shared.jobs.read import Job
from shared.jobs.recent import Recent
from shared.jobs.viewer import Viewer


@dataclass(frozen=True, slots=True)
class VisibleCatalog:
    """The report types that a principal may ask for."""

    types: Mapping[str, ReportType]
    default: str | None


def report_types(catalog: CatalogView, principal: Principal) -> CatalogView:
    """Return the catalog as the principal may see it. A default that it may not ask for is None."""
    types = {name: one for name, one in catalog.types.items() if _may_ask(principal, one)}
    return VisibleCatalog(types, catalog.default if catalog.default in types else None)


def report_type(catalog: CatalogView, principal: Principal, name: str) -> ReportType:
    """Return the report type. Raises UnknownReportType if it does not exist, or does not exist for the principal."""
    report = catalog.types.get(name)
    if report is None or not _may_ask(principal, report):
        raise UnknownReportType(name, report_types(catalog, principal))
    return report


def viewer(catalog: CatalogView, principal: Principal) -> Viewer:
    """Return whose jobs the principal may see."""
    hidden = [name for name, one in catalog.types.items() if not _may_ask(principal, one)]
    return Viewer(principal.tenant, principal.sees_only, hidden)


def sees(catalog: CatalogView, principal: Principal, job: Job | Recent) -> bool:
    """True if the principal may still see a job that it has seen before."""
    seer = viewer(catalog, principal)
    whose = seer.tenant == job.tenant and seer.requester in (None, job.requester)
    return principal.has(Scope.JOBS_READ) and whose and job.report_type not in seer.hidden


def _may_ask(principal: Principal, report: ReportType) -> bool:
    return report.may_be_asked_by(principal.tenant, principal.scopes)
