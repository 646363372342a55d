"""Who a request is from, and whether it may ask now."""

import logging
import time
from collections.abc import Callable

from services.api.auth.keys import Keys
from services.api.auth.principal import ANONYMOUS, Principal
from services.api.auth.rate_limit import RateLimit
from shared.access.key_text import MalformedKey, read_key
from shared.errors import TodokeError

log = logging.getLogger(__name__)

_TELL_EVERY_S = 10.0
"""The metrics count what is refused; the log names a tenant, and is not flooded."""


_GUESSES_PER_S, _GUESSES_AT_ONCE = 0.5, 30
"""Keys that are not known yet, from one address: more than a machine has, and far too few to find one."""


class Unauthorized(TodokeError):
    """A credential is needed, and there is none or a wrong one."""

    def __init__(self, message: str, *, given: bool = True) -> None:
        super().__init__(message)
        self.given = given
        """False if the request has none."""


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
        self._guesses = RateLimit(_GUESSES_PER_S, _GUESSES_AT_ONCE, clock)
        self._tell_at = 0.0
        self._clock = clock

    async def principal(self, authorization: str | None, address: str = "") -> Principal:
        """The principal that an `Authorization` header names. Raises Unauthorized and RateLimited."""
        principal = ANONYMOUS if self._keys is None else await self._known(self._keys, authorization or "", address)
        if self._limit is not None and (wait_s := self._limit.take(principal.tenant)):
            self._tell(principal.tenant)
            limits = f"At most {self._limit.per_s:g} requests per second, {self._limit.burst} at once"
            raise RateLimited(limits, wait_s)
        return principal

    async def still(self, authorization: str | None, address: str = "") -> Principal | None:
        """The principal that the header of a request names now, long after it was answered; None if nobody any more."""
        try:
            return ANONYMOUS if self._keys is None else await self._known(self._keys, authorization or "", address)
        except (Unauthorized, RateLimited):
            return None

    async def _known(self, keys: Keys, authorization: str, address: str) -> Principal:
        scheme, _, credential = authorization.partition(" ")
        if scheme.lower() != "bearer" or not credential.strip():
            raise Unauthorized("Send your API key as `Authorization: Bearer <key>`.", given=False)
        try:
            key = read_key(credential.strip())
        except MalformedKey as error:
            self._guess(address)
            raise Unauthorized(f"This API key {error}.") from None
        # Before any look-up. A key that was valid lately passes, so who guesses behind a proxy shuts nobody else out.
        if not keys.was_valid(key):
            self._guess(address)
        principal = await keys.principal_of(key)
        if principal is None:
            raise Unauthorized("This API key is not valid: it is unknown, was revoked, or its time is over.")
        return principal

    def _guess(self, address: str) -> None:
        if wait_s := self._guesses.take(f"guesses of {address}"):
            raise RateLimited("Too many credentials that are not known here came from this address", wait_s)

    async def close(self) -> None:
        """Write down what is still to be written."""
        if self._keys is not None:
            await self._keys.close()

    def _tell(self, tenant: str) -> None:
        if self._clock() >= self._tell_at:
            self._tell_at = self._clock() + _TELL_EVERY_S
            log.warning("api.rate_limited", extra={"tenant": tenant})
