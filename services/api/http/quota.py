"""Tells a client how often it may ask, as draft-ietf-httpapi-ratelimit-headers-10 has it.

It is a draft and no RFC: names and meanings may change.
"""

from starlette.types import Scope

from services.api.auth.access import Quota

QUOTA = "todoke.quota"
"""In a scope: the Quota of the request's tenant, or None."""
POLICY = "requests"
"""The name of the one policy that there is; its unit is requests."""

Headers = list[tuple[bytes, bytes]]


def headers_of(scope: Scope, status: int) -> Headers:
    """The headers of this answer: of every refusal, and of whatever was asked with another method than GET."""
    quota: Quota | None = scope.get(QUOTA)
    if quota is None or (scope["method"] == "GET" and status != 429):
        return []
    policy = f'"{POLICY}";q={quota.burst};w={quota.window_s}'
    left = f'"{POLICY}";r={quota.left};t={quota.again_s}'
    return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", left.encode())]
