"""Who sends a request, and what they may do."""

from collections.abc import Collection
from dataclasses import dataclass

from shared.access.audit import Actor
from shared.access.scopes import Scope
from shared.access.tenants import DEFAULT_TENANT
from shared.errors import TodokeError


class InsufficientScope(TodokeError):
    """The caller is known, but may not do this."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"This requires the scope {scope}, which you do not have.")
        self.scope = scope


@dataclass(frozen=True, slots=True)
class Origin:
    """The request that an action belongs to, and where it came from: for the audit trail."""

    request_id: str | None = None
    address: str | None = None


_NOWHERE = Origin()


@dataclass(frozen=True, slots=True)
class Principal:
    """The identity on whose behalf an action runs."""

    tenant: str
    """The tenant whose jobs it sees and creates."""
    subject: str | None
    """Its name within the tenant: the name of its key. None where no keys are required."""
    scopes: frozenset[str] | None
    """What it may do. None allows everything, where no keys are required."""
    key_id: str | None = None
    """The id of its API key, if it has one."""
    origin: Origin = _NOWHERE

    def asking(self, origin: Origin) -> "Principal":
        """Return the same principal, with the request that it sends."""
        return Principal(self.tenant, self.subject, self.scopes, self.key_id, origin)

    def has(self, scope: str) -> bool:
        """True if the principal has the scope."""
        return self.scopes is None or scope in self.scopes

    def need(self, scope: Scope) -> None:
        """Raise InsufficientScope unless it has the scope."""
        if not self.has(scope):
            raise InsufficientScope(scope)

    def lacks(self, scopes: Collection[str]) -> list[str]:
        """Return those of the scopes that the principal lacks, sorted."""
        return sorted(scope for scope in scopes if not self.has(scope))

    @property
    def sees_only(self) -> str | None:
        """The only requester whose jobs the principal may see; None if it may see all jobs of its tenant."""
        return None if self.has(Scope.JOBS_READ_ALL) else self.subject

    @property
    def actor(self) -> Actor:
        """The principal's name for the audit trail."""
        return Actor(self.tenant, self.subject, self.key_id, self.origin.request_id, self.origin.address)


ANONYMOUS = Principal(DEFAULT_TENANT, None, None)
"""Everyone, where no keys are required."""
