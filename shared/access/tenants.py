"""The names of tenants."""

import re

DEFAULT_TENANT = "default"
"""The tenant of all jobs where no keys are required."""

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def tenant_problem(name: str) -> str | None:
    """Say why the text cannot name a tenant, and how to mend it; None if it can."""
    if _TENANT.fullmatch(name):
        return None
    return "cannot name a tenant: write letters, digits, `_`, `.` and `-`, a letter or digit first, 64 at most"
