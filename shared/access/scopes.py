"""What a caller may do: scopes, as OAuth 2.0 calls them (RFC 6749, section 3.3).

A report type, or a column of one, may require a scope of its own, such as `payroll:read`. An API key has only the
scopes that it was given by name.
"""

import re
from collections.abc import Iterable
from enum import StrEnum

from shared.errors import TodokeError

_SCOPE = re.compile(r"[a-z][a-z0-9_.-]{0,62}(:[a-z0-9_.-]{1,63})?")


class Scope(StrEnum):
    """The scopes that the API itself requires."""

    JOBS_CREATE = "jobs:create"
    """Request reports."""
    JOBS_READ = "jobs:read"
    """See one's own jobs, and download their files."""
    JOBS_READ_ALL = "jobs:read_all"
    """See everyone's jobs in the tenant."""
    ROWS_READ = "rows:read"
    """See the first rows of one's own jobs, and pictures of first pages, before the files are downloaded."""
    JOBS_CANCEL = "jobs:cancel"
    """Cancel jobs that one may see."""
    JOBS_DELETE = "jobs:delete"
    """Delete jobs that one may see, with their files."""
    JOBS_SHARE = "jobs:share"
    """Create links with which anyone can download files that one may download, and revoke such links."""
    KEYS_READ = "keys:read"
    """See the tenant's API keys, without their secrets."""
    KEYS_WRITE = "keys:write"
    """Create, rotate and revoke API keys of the tenant, with scopes that one has oneself."""
    AUDIT_READ = "audit:read"
    """See who changed what in the tenant."""
    SCHEDULES_READ = "schedules:read"
    """See one's own schedules; with jobs:read_all, everyone's in the tenant."""
    SCHEDULES_WRITE = "schedules:write"
    """Create schedules, and change, pause, run and delete those that one may see."""
    WEBHOOKS_READ = "webhooks:read"
    """See the tenant's webhooks and their deliveries, which are about everyone's jobs."""
    WEBHOOKS_WRITE = "webhooks:write"
    """Create webhooks of the tenant, which are notified of everyone's jobs; change, test and delete them, repeat
    deliveries."""
    ADMIN_READ = "admin:read"
    """See the state of the whole installation, across all tenants: queues, outbox, workers, what is paused."""
    ADMIN_WRITE = "admin:write"
    """Change it: pause and cap, and resend or drop messages that were set aside."""


OWN = frozenset(map(str, Scope))
OF_ALL_TENANTS = frozenset({str(Scope.ADMIN_READ), str(Scope.ADMIN_WRITE)})
"""Scopes for operators, whatever tenant they belong to."""
USUAL = frozenset(scope for scope in OWN if scope.startswith(("jobs:", "rows:", "schedules:")))
"""The scopes of an API key unless others are named: everything about jobs and schedules, except scopes defined by a
catalog."""


class WrongScope(TodokeError):
    """A text cannot be a scope."""


def check_scopes(given: Iterable[str]) -> frozenset[str]:
    """Return the scopes, each once. Raises WrongScope with the remedy."""
    scopes = frozenset(given)
    for scope in sorted(scopes):
        if wrong := scope_problem(scope):
            raise WrongScope(f"{scope[:60]!r} {wrong}")
    return scopes


def scope_problem(scope: str) -> str | None:
    """Say why the text is not a valid scope, and how to mend it; None if it is one."""
    if not _SCOPE.fullmatch(scope):
        return "cannot be a scope: write lower-case letters, digits, `_`, `.` and `-`, as in payroll:read"
    if scope.partition(":")[0] in {own.partition(":")[0] for own in OWN} and scope not in OWN:
        return f"is not one of Todoke's own scopes: those are {', '.join(sorted(OWN))}"
    return None
