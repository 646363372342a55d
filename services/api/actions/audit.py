"""Read the audit trail of the caller's tenant."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from anyio import to_thread

from services.api.actions.page_tokens import Listing
from services.api.actions.parts import Parts
from services.api.actions.places import at_place, place
from services.api.auth.principal import Principal
from shared.access.audit_trail import Entry, Filters, Place, list_entries
from shared.access.scopes import Scope


class FoundEntries(NamedTuple):
    """One page of entries, newest first."""

    entries: Sequence[Entry]
    next_page_token: str | None
    """None on the last page."""


async def list_page(
    parts: Parts,
    principal: Principal,
    filters: Filters,
    *,
    written: Mapping[str, object],
    size: int,
    token: str | None,
) -> FoundEntries:
    """Return one page of the tenant's entries; `written` is the filter as the client wrote it.

    Raises PageTokenInvalid, PageTokenMismatch and PageTokenExpired.
    """
    listing = Listing("audit", principal, written)

    def look() -> FoundEntries:
        with parts.engine.connect() as conn:
            before = None if token is None else Place(*at_place(parts.page_tokens.read(conn, listing, token)))
            found = list_entries(conn, principal.tenant, filters, size=size, before=before)
            behind = found.next_before
            goes_on = None if behind is None else parts.page_tokens.write(conn, listing, place(behind.at, behind.id))
            return FoundEntries(found.entries, goes_on)

    principal.need(Scope.AUDIT_READ)
    return await to_thread.run_sync(look)
