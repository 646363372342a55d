"""What a caller may do: scopes, as OAuth 2.0 calls them (RFC 6749, section 3.3).

A report type, or a column of one, may ask for a scope of its own, such as `payroll:read`. An API key has those scopes
only that it was given by name.
"""

import re
from collections.abc import Iterable
from enum import StrEnum

from shared.errors import TodokeError

_SCOPE = re.compile(r"[a-z][a-z0-9_.-]{0,62}(:[a-z0-9_.-]{1,63})?")


class Scope(StrEnum):
    """The scopes that the API itself asks for."""

    JOBS_CREATE = "jobs:create"
    """Ask for reports."""
    JOBS_READ = "jobs:read"
    """See one's own jobs, and download their files."""
    JOBS_READ_ALL = "jobs:read_all"
    """See the jobs of everybody in the tenant."""
    ROWS_READ = "rows:read"
    """See the first rows of one's own jobs, and pictures of first pages, before the files are downloaded."""
    JOBS_CANCEL = "jobs:cancel"
    """Cancel jobs that one sees."""
    JOBS_DELETE = "jobs:delete"
    """Delete jobs that one sees, with their files."""
    JOBS_SHARE = "jobs:share"
    """Give away links to files that one may download, with which anybody downloads them; and take such links back."""
    KEYS_READ = "keys:read"
    """See the tenant's API keys, without their secrets."""
    KEYS_WRITE = "keys:write"
    """Make, rotate and revoke API keys of the tenant, with scopes that one has oneself."""
    AUDIT_READ = "audit:read"
    """See who has changed what in the tenant."""
    SCHEDULES_READ = "schedules:read"
    """See one's own schedules; with jobs:read_all, everybody's in the tenant."""
    SCHEDULES_WRITE = "schedules:write"
    """Make schedules, and change, pause, run and delete those that one sees."""
    WEBHOOKS_READ = "webhooks:read"
    """See the tenant's webhooks and what they were told, which is about everybody's jobs."""
    WEBHOOKS_WRITE = "webhooks:write"
    """Make webhooks of the tenant, which tell of everybody's jobs; change, test and delete them, deliver again."""
    ADMIN_READ = "admin:read"
    """See how the whole installation stands, whoever its jobs belong to: queues, outbox, workers, what is paused."""
    ADMIN_WRITE = "admin:write"
    """Change that: pause and cap, and send again or drop what was put aside."""


OWN = frozenset(map(str, Scope))
OF_ALL_TENANTS = frozenset({str(Scope.ADMIN_READ), str(Scope.ADMIN_WRITE)})
"""What is for those who run the service, whatever tenant they belong to."""
USUAL = frozenset(scope for scope in OWN if scope.startswith(("jobs:", "rows:", "schedules:")))
"""What an API key may do unless it is told otherwise: all with jobs and schedules but what a catalog asks for."""


class WrongScope(TodokeError):
    """A text cannot be a scope."""


def check_scopes(given: Iterable[str]) -> frozenset[str]:
    """The scopes, each once. Raises WrongScope with the remedy."""
    scopes = frozenset(given)
    for scope in sorted(scopes):
        if wrong := scope_problem(scope):
            raise WrongScope(f"{scope[:60]!r} {wrong}")
    return scopes


def scope_problem(scope: str) -> str | None:
    """Say what keeps the text from being a scope, and the remedy; None if it is one."""
    if not _SCOPE.fullmatch(scope):
        return "cannot be a scope: write lower-case letters, digits, `_`, `.` and `-`, as in payroll:read"
    if scope.partition(":")[0] in {own.partition(":")[0] for own in OWN} and scope not in OWN:
        return f"is not one of Todoke's own scopes: those are {', '.join(sorted(OWN))}"
    return None
