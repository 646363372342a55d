"""Read the audit trail of one's tenant."""

from anyio import to_thread

from services.api.actions.parts import Parts
from services.api.auth.principal import Principal
from shared.access.audit_trail import Filters, Place, TrailPage, list_entries
from shared.access.scopes import Scope


async def list_page(
    parts: Parts, principal: Principal, filters: Filters, *, size: int, before: Place | None
) -> TrailPage:
    """One page of the tenant's entries, newest first."""

    def look() -> TrailPage:
        with parts.engine.connect() as conn:
            return list_entries(conn, principal.tenant, filters, size=size, before=before)

    principal.need(Scope.AUDIT_READ)
    return await to_thread.run_sync(look)
