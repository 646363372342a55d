"""The role of the source under which a tenant's query runs: `role` of report.toml."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.access.tenants import tenant_problem
from shared.catalog.toml import Table

_TENANT = "{tenant}"
LONGEST = 63
"""Bytes of a role's name: PostgreSQL truncates longer names, so that two tenants could share a role (NAMEDATALEN)."""
_SPECIAL = {"none", "public"}
"""Names that have a special meaning for PostgreSQL."""


@dataclass(frozen=True, slots=True)
class SourceRole:
    """A role for each tenant, by a pattern or by a list."""

    pattern: str = ""
    """Contains `{tenant}`; empty if there is a list."""
    by_tenant: Mapping[str, str] = field(default_factory=dict)

    def of(self, tenant: str) -> str | None:
        """Return the role of the tenant; None if it has none, or one that PostgreSQL does not allow."""
        role = self.pattern.replace(_TENANT, tenant) if self.pattern else self.by_tenant.get(tenant)
        return None if role is None or _problem(role) else role


def read_role(table: Table) -> SourceRole | None:
    """Read `role`: a text with `{tenant}`, or a table of tenants and their roles."""
    if "role" not in table:
        return None
    given = table.json("role")
    if isinstance(given, str):
        rest = given.replace(_TENANT, "", 1)
        if _TENANT not in given or re.search(r"[{}]", rest) or _problem(given.replace(_TENANT, "t")):
            table.wrong("role", f'must have {_TENANT} in it once, such as role = "tenant_{_TENANT}"')
        return SourceRole(pattern=given)
    if not isinstance(given, dict) or not given or not all(isinstance(role, str) for role in given.values()):
        table.wrong("role", f'must be a text, role = "tenant_{_TENANT}", or a table, role = {{acme = "acme_reader"}}')
        return None
    for tenant, role in given.items():
        if wrong := tenant_problem(tenant) or _problem(role):
            table.wrong("role", f"{tenant!r}: {wrong}")
    return SourceRole(by_tenant=dict(given))


def _problem(role: str) -> str | None:
    """Say why PostgreSQL does not allow a role of this name; None if it does."""
    if not role or "\0" in role or role in _SPECIAL or len(role.encode()) > LONGEST:
        return f"cannot name a role: write 1 to {LONGEST} bytes, and not none or public"
    return None
