"""The names of tenants."""

import re

DEFAULT_TENANT = "default"
"""Whose jobs these are when no keys are asked for."""

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def tenant_problem(name: str) -> str | None:
    """Say what keeps the text from naming a tenant, and the remedy; None if it can."""
    if _TENANT.fullmatch(name):
        return None
    return "cannot name a tenant: write letters, digits, `_`, `.` and `-`, a letter or digit first, 64 at most"
