"""Tells a client its rate limit, as in draft-ietf-httpapi-ratelimit-headers-10.

It is a draft and not an RFC: names and meanings may change.
"""

from starlette.types import Scope

from services.api.auth.access import Quota

QUOTA = "todoke.quota"
"""Scope key: the Quota of the request's tenant, or None."""
UNFINISHED_JOBS = "unfinished-jobs"
"""The name of the cap on a tenant's queue. It is used in problems only, because the draft has no unit for it."""

Headers = list[tuple[bytes, bytes]]


def headers_of(scope: Scope, status: int) -> Headers:
    """Return the headers of this answer: for every refusal, and for every request with another method than GET."""
    quota: Quota | None = scope.get(QUOTA)
    if quota is None or (scope["method"] == "GET" and status != 429):
        return []
    policy = f'"{quota.policy}";q={quota.burst};w={quota.window_s}'
    left = f'"{quota.policy}";r={quota.left};t={quota.again_s}'
    return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", left.encode())]
