"""Who asks."""

from dataclasses import dataclass

from shared.access.api_keys import DEFAULT_TENANT

EVERYTHING = frozenset({"everything"})
"""The scopes of a principal that may do whatever the API offers its tenant. There are no narrower ones yet."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The one on whose behalf an action runs."""

    tenant: str
    """Whose jobs it sees and makes."""
    subject: str
    """Who it is within the tenant: the name of its key, or `anonymous`."""
    scopes: frozenset[str]
    """What it may do."""


ANONYMOUS = Principal(DEFAULT_TENANT, "anonymous", EVERYTHING)
"""Everybody, where no keys are asked for."""
