"""Who asks, and what it may do."""

from collections.abc import Collection
from dataclasses import dataclass

from shared.access.audit import Actor
from shared.access.scopes import Scope
from shared.access.tenants import DEFAULT_TENANT
from shared.errors import TodokeError


class InsufficientScope(TodokeError):
    """The caller is known, and may not do this."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"This needs the scope {scope}, which you do not have.")
        self.scope = scope


@dataclass(frozen=True, slots=True)
class Origin:
    """Which request somebody asks with, and from where: for the audit trail."""

    request_id: str | None = None
    address: str | None = None


_NOWHERE = Origin()


@dataclass(frozen=True, slots=True)
class Principal:
    """The one on whose behalf an action runs."""

    tenant: str
    """Whose jobs it sees and makes."""
    subject: str | None
    """Who it is within the tenant: the name of its key. None where no keys are asked for."""
    scopes: frozenset[str] | None
    """What it may do. None: everything, where no keys are asked for."""
    key_id: str | None = None
    """Of its API key, if it has one."""
    origin: Origin = _NOWHERE

    def asking(self, origin: Origin) -> "Principal":
        """The same, with the request that it asks with."""
        return Principal(self.tenant, self.subject, self.scopes, self.key_id, origin)

    def has(self, scope: str) -> bool:
        """True if it has the scope."""
        return self.scopes is None or scope in self.scopes

    def need(self, scope: Scope) -> None:
        """Raise InsufficientScope unless it has the scope."""
        if not self.has(scope):
            raise InsufficientScope(scope)

    def lacks(self, scopes: Collection[str]) -> list[str]:
        """Those of the scopes that it does not have, sorted."""
        return sorted(scope for scope in scopes if not self.has(scope))

    @property
    def sees_only(self) -> str | None:
        """The requester whose jobs alone it sees; None if it sees all jobs of its tenant."""
        return None if self.has(Scope.JOBS_READ_ALL) else self.subject

    @property
    def actor(self) -> Actor:
        """Who the audit trail says that it is."""
        return Actor(self.tenant, self.subject, self.key_id, self.origin.request_id, self.origin.address)


ANONYMOUS = Principal(DEFAULT_TENANT, None, None)
"""Everybody, where no keys are asked for."""
