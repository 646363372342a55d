"""Records what a principal has changed."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import Connection

from services.api import metrics
from services.api.auth.principal import Principal
from shared.access import audit
from shared.access.audit import Action


def audited(
    conn: Connection,
    principal: Principal,
    action: Action,
    what: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Record, in the transaction of the change, that the principal has changed `what`, such as `jobs/<id>`.

    `before` and `after` hold the values that changed, but never secrets, nor parameters or texts of jobs.
    """
    audit.record(conn, principal.actor, action, what, before=before, after=after)
    metrics.AUDITED.labels(action).inc()
