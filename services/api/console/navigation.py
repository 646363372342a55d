"""The links in the header of pages: one line per place, in the order shown."""

from collections.abc import Sequence
from typing import NamedTuple

from services.api.auth.principal import Principal
from shared.access.scopes import Scope


class Place(NamedTuple):
    """A page that the header links to."""

    key: str
    """Its name, for the text `nav.{key}` and the `section` of the pages below it."""
    path: str
    """Below `/console`."""
    scope: Scope | None = None
    """Visitors without this scope do not see the link; None shows it to everyone."""


PLACES: Sequence[Place] = (
    Place("reports", ""),
    Place("jobs", "/jobs", Scope.JOBS_READ),
    Place("schedules", "/schedules", Scope.SCHEDULES_READ),
    Place("webhooks", "/webhooks", Scope.WEBHOOKS_READ),
    Place("types", "/report-types"),
    Place("overview", "/overview", Scope.ADMIN_READ),
    Place("queues", "/queues", Scope.ADMIN_READ),
    Place("access", "/keys", Scope.KEYS_READ),
    Place("audit", "/audit", Scope.AUDIT_READ),
)
"""Every place. The pages themselves refuse visitors who lack the scope."""


def places_for(principal: Principal) -> Sequence[Place]:
    """Return the places that the visitor may open."""
    return [place for place in PLACES if place.scope is None or principal.has(place.scope)]
