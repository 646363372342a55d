"""The terms of the jobs that a bulk retry creates, as they are for its creator when the action begins.

The relay carries the action out, and knows neither the catalog nor the API's settings.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.api.actions import visible
from services.api.actions.errors import InvalidRequest
from services.api.actions.parts import Parts
from services.api.auth.principal import Principal
from shared.catalog.model import BUNDLE, ReportType
from shared.catalog.parameters import Violation
from shared.jobs import file_name
from shared.jobs.bulk import Bulk
from shared.jobs.bulk_rules import BulkAction, Terms
from shared.jobs.filters import JobFilter

_NEWER = "this API's release does not know it: ask an API of the newer release"


def terms_of(parts: Parts, principal: Principal, report_type: str | None) -> Terms:
    """Return the terms for one report type, or for all that the principal may ask for."""
    settings = parts.settings
    types = visible.report_types(parts.catalog, principal).types
    wanted = types.values() if report_type is None else [one for one in types.values() if one.name == report_type]
    return {
        "types": {one.name: _of_type(one, principal) for one in wanted},
        "maxCrashes": settings.job_max_crashes,
        "deadlineS": settings.job_deadline_s,
        "ringAfterS": settings.ring_after_s,
        "keepFilesS": settings.keep_artifacts_s,
        "keepS": settings.keep_s,
        "mostKeepFilesS": settings.most_keep_artifacts_s,
        "mostKeepS": settings.most_keep_s,
    }


def _of_type(report: ReportType, principal: Principal) -> dict[str, Any]:
    file_version = file_name.expand(
        "{reportVersion}", report_type=report.name, report_version=report.version, job_id=UUID(int=0),
        day=datetime.now(UTC),
    )  # fmt: skip
    return {
        "version": report.version,
        "fileVersion": file_version,
        "formats": [*(str(f) for f in report.formats), BUNDLE],
        "maxAttempts": report.limits.max_attempts,
        "scopes": report.scopes_of_files(principal.scopes) or [],
    }


def check_known(bulk: Bulk) -> None:
    """Raises InvalidRequest for an action, or a condition of its filter, that only a newer release knows."""
    known = {"action": bulk.action in list(BulkAction), **{name: name in JobFilter._fields for name in bulk.filter}}
    if wrong := [Violation(name, "unknown_option", _NEWER) for name, is_known in known.items() if not is_known]:
        raise InvalidRequest("This API's release does not know all that the action does.", wrong)
