"""Save views of the console's lists under names, for oneself or for everyone in the tenant."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from anyio import to_thread

from services.api.actions.auditing import audited
from services.api.actions.errors import InvalidRequest
from services.api.actions.parts import Parts
from services.api.auth.principal import Principal
from shared.access import saved_views as stored
from shared.access.audit import Action
from shared.access.saved_views import LONGEST_NAME, LONGEST_QUERY, MOST, NewView, SavedView, ViewPage
from shared.access.scopes import Scope
from shared.catalog.parameters import Violation
from shared.database.engine import transactional
from shared.errors import TodokeError
from shared.ids import uuid7


class UnknownView(TodokeError):
    """There is no such view, or it is somebody else's: the answer is the same."""

    def __init__(self, view_id: UUID | str) -> None:
        super().__init__(f"There is no saved view {str(view_id)[:60]!r}.")


class ViewExists(TodokeError):
    """The owner already has a view of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"A view named {name!r} already exists. Choose another name, or delete that view first.")


class TooManyViews(TodokeError):
    """The owner has as many views as are allowed."""

    def __init__(self) -> None:
        super().__init__(f"This page already has {MOST} saved views, the maximum. Delete one first.")


class WantedView(NamedTuple):
    """A view that the caller wants to save."""

    page: ViewPage
    name: str
    query: str
    """The query of that page, as the page's own reader of addresses writes it."""
    shared: bool
    """True to show it to everyone in the tenant."""


async def list_views(parts: Parts, principal: Principal, page: ViewPage) -> Sequence[SavedView]:
    """Return the principal's own views of the page, then those shared within the tenant."""

    def look() -> Sequence[SavedView]:
        with parts.engine.connect() as conn:
            return stored.list_views(conn, principal.tenant, principal.subject, page)

    principal.need(Scope.JOBS_READ)
    return await to_thread.run_sync(look)


async def save(parts: Parts, principal: Principal, wanted: WantedView) -> SavedView:
    """Save a view.

    Where no keys are required there are no identities, so every view is shared. Raises InsufficientScope,
    InvalidRequest, ViewExists and TooManyViews.
    """
    owner = None if wanted.shared else principal.subject

    def carry_out() -> SavedView:
        new = NewView(uuid7(), principal.tenant, owner, wanted.page, name, wanted.query)
        with transactional(parts.engine).begin() as conn:
            if not stored.room(conn, new):
                raise TooManyViews
            if not stored.save(conn, new):
                raise ViewExists(name)
            after = {"page": wanted.page, "name": name, "shared": owner is None}
            audited(conn, principal, Action.VIEWS_SAVE, f"views/{new.id}", after=after)
        return SavedView(new.id, owner, name, wanted.query)

    _may_write(principal, owner)
    name = _checked(wanted)
    return await to_thread.run_sync(carry_out)


async def delete(parts: Parts, principal: Principal, view_id: UUID) -> None:
    """Delete a view of one's own, or with `admin:write` one that is shared within the tenant.

    Raises UnknownView and InsufficientScope.
    """

    def carry_out() -> None:
        with transactional(parts.engine).begin() as conn:
            view = stored.get(conn, principal.tenant, view_id)
            if view is None or view.owner not in (None, principal.subject):
                raise UnknownView(view_id)
            _may_write(principal, view.owner)
            if not stored.delete(conn, principal.tenant, view_id):  # somebody else was quicker
                raise UnknownView(view_id)
            before = {"name": view.name, "shared": view.owner is None}
            audited(conn, principal, Action.VIEWS_DELETE, f"views/{view_id}", before=before)

    principal.need(Scope.JOBS_READ)
    await to_thread.run_sync(carry_out)


def may_share(principal: Principal) -> bool:
    """True if the principal may share views, and delete shared ones."""
    return principal.has(Scope.ADMIN_WRITE)


def _may_write(principal: Principal, owner: str | None) -> None:
    principal.need(Scope.JOBS_READ)
    if owner is None:
        principal.need(Scope.ADMIN_WRITE)


def _checked(wanted: WantedView) -> str:
    """Return the name as it is stored. Raises InvalidRequest."""
    name, violations = " ".join(wanted.name.split()), []
    if not name:
        violations.append(Violation("name", "required", "is empty: give the view a name"))
    elif len(name) > LONGEST_NAME:
        violations.append(
            Violation("name", "too_long", f"has {len(name)} characters, but at most {LONGEST_NAME} are allowed")
        )
    elif not name.isprintable():
        violations.append(Violation("name", "character", "has invisible characters: remove them"))
    if not wanted.query:
        violations.append(Violation("query", "required", "is empty: filter the list first, then save the view"))
    elif len(wanted.query.encode()) > LONGEST_QUERY:
        violations.append(Violation("query", "too_long", f"is longer than {LONGEST_QUERY} bytes: remove filters"))
    if violations:
        raise InvalidRequest("The view is not valid.", violations)
    return name
