"""Where the pages' header leads: one line per place, in the order in which it is shown."""

from collections.abc import Sequence
from typing import NamedTuple

from services.api.auth.principal import Principal
from shared.access.scopes import Scope


class Place(NamedTuple):
    """A page that the header links to."""

    key: str
    """Its name: the text `nav.{key}`, and the `section` of the pages below it."""
    path: str
    """Below `/console`."""
    scope: Scope | None = None
    """Who lacks it is not led there; None leads everybody there."""


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
"""Every place; the pages themselves refuse whoever lacks the scope."""


def places_for(principal: Principal) -> Sequence[Place]:
    """The places that are worth a link for whoever visits."""
    return [place for place in PLACES if place.scope is None or principal.has(place.scope)]
