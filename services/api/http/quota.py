"""Tells a client how often it may ask, as draft-ietf-httpapi-ratelimit-headers-10 has it.

It is a draft and no RFC: names and meanings may change.
"""

from starlette.types import Scope

from services.api.auth.access import Quota

QUOTA = "todoke.quota"
"""In a scope: the Quota of the request's tenant, or None."""
UNFINISHED_JOBS = "unfinished-jobs"
"""The name of the cap on a tenant's queue. It stands in problems only: the draft has no unit for it."""

Headers = list[tuple[bytes, bytes]]


def headers_of(scope: Scope, status: int) -> Headers:
    """The headers of this answer: of every refusal, and of whatever was asked with another method than GET."""
    quota: Quota | None = scope.get(QUOTA)
    if quota is None or (scope["method"] == "GET" and status != 429):
        return []
    policy = f'"{quota.policy}";q={quota.burst};w={quota.window_s}'
    left = f'"{quota.policy}";r={quota.left};t={quota.again_s}'
    return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", left.encode())]
