"""Who a request is from, and whether it may ask now."""

import logging
import time
from collections.abc import Callable

from services.api.auth.keys import Keys
from services.api.auth.principal import ANONYMOUS, Principal
from services.api.auth.rate_limit import RateLimit
from shared.errors import TodokeError

log = logging.getLogger(__name__)

_TELL_EVERY_S = 10.0
"""The metrics count what is refused; the log names a tenant, and is not flooded."""


class Unauthorized(TodokeError):
    """A key is needed, and there is none or a wrong one."""


class RateLimited(TodokeError):
    """The tenant has asked as often as it may."""

    def __init__(self, message: str, wait_s: float) -> None:
        super().__init__(message)
        self.wait_s = wait_s
        """Seconds until a request may pass."""


class Access:
    """Tells the principal of a request, or refuses it. Without `keys` everybody is the same one."""

    def __init__(
        self, keys: Keys | None, limit: RateLimit | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._keys = keys
        self._limit = limit
        self._tell_at = 0.0
        self._clock = clock

    async def principal(self, authorization: str | None) -> Principal:
        """The principal that an `Authorization` header names. Raises Unauthorized and RateLimited."""
        principal = ANONYMOUS if self._keys is None else await _known(self._keys, authorization or "")
        if self._limit is not None and (wait_s := self._limit.take(principal.tenant)):
            self._tell(principal.tenant)
            limits = f"At most {self._limit.per_s:g} requests per second, {self._limit.burst} at once"
            raise RateLimited(limits, wait_s)
        return principal

    def _tell(self, tenant: str) -> None:
        if self._clock() >= self._tell_at:
            self._tell_at = self._clock() + _TELL_EVERY_S
            log.warning("api.rate_limited", extra={"tenant": tenant})


async def _known(keys: Keys, authorization: str) -> Principal:
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unauthorized("Send your API key as `Authorization: Bearer <key>`.")
    principal = await keys.principal_of(key.strip())
    if principal is None:
        raise Unauthorized("This API key is not valid.")
    return principal
