"""Who a request is from, and whether it may ask now."""

import logging
import math
import time
from collections.abc import Callable
from typing import NamedTuple

from services.api import metrics
from services.api.auth.issuer_keys import IssuerAway
from services.api.auth.keys import Keys
from services.api.auth.principal import ANONYMOUS, Principal
from services.api.auth.rate_limit import RateLimit, Taken
from services.api.auth.tokens import NoTenant, Tokens, WrongToken
from shared.access.key_text import PREFIX, MalformedKey, read_key
from shared.errors import TodokeError

log = logging.getLogger(__name__)

_TELL_EVERY_S = 10.0
"""The metrics count what is refused; the log names a tenant, and is not flooded."""


_GUESSES_PER_S, _GUESSES_AT_ONCE = 0.5, 30
"""Wrong credentials from one address, and those that are looked up now: far too few to find one."""


class Unauthorized(TodokeError):
    """A credential is needed, and there is none or a wrong one."""

    def __init__(self, message: str, *, given: bool = True) -> None:
        super().__init__(message)
        self.given = given
        """False if the request has none."""


class RateLimited(TodokeError):
    """The tenant has asked as often as it may."""

    def __init__(self, message: str, wait_s: float, quota: "Quota | None" = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s
        """Seconds until a request may pass."""
        self.quota = quota
        """What the tenant has; None where it is not the tenant that asked too often."""


class Quota(NamedTuple):
    """How many requests a tenant may make, and how many are left."""

    burst: int
    window_s: int
    """Seconds in which `burst` requests are given back."""
    left: int
    again_s: int
    """Seconds until more can pass: all of them, or after a refusal the request that was refused."""


class Access:
    """Tells the principal of a request, or refuses it. Without `keys` and `tokens` everybody is the same one."""

    def __init__(
        self,
        keys: Keys | None,
        limit: RateLimit | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        tokens: Tokens | None = None,
    ) -> None:
        self._keys = keys
        self._tokens = tokens
        self._limit = limit
        self._guesses = RateLimit(_GUESSES_PER_S, _GUESSES_AT_ONCE, clock)
        self._tell_at = 0.0
        self._clock = clock

    @property
    def limited(self) -> bool:
        """True if tenants may ask so often only."""
        return self._limit is not None

    async def principal(self, authorization: str | None, address: str = "") -> Principal:
        """The principal that an `Authorization` header names.

        Raises Unauthorized, RateLimited, NoTenant and IssuerAway.
        """
        principal, _ = await self.admitted(authorization, address)
        return principal

    async def admitted(
        self, authorization: str | None, address: str = "", *, weight: int = 1
    ) -> tuple[Principal, Quota | None]:
        """The principal that an `Authorization` header names, and what is left of its quota; None without a limit.

        The request counts as `weight`. Raises as `principal` does.
        """
        principal = await self._named(authorization or "", address)
        if self._limit is None:
            return principal, None
        taken = self._limit.take(principal.tenant, weight)
        quota = _quota(self._limit, taken)
        if taken.wait_s:
            self._tell(principal.tenant)
            limits = f"At most {self._limit.per_s:g} requests per second, {self._limit.burst} at once"
            counts = f"; this one counts as {weight}" if weight > 1 else ""
            raise RateLimited(limits + counts, taken.wait_s, quota)
        return principal, quota

    def charge(self, principal: Principal, requests: int) -> None:
        """Count more requests for one that did the work of several: its tenant waits for them afterwards."""
        if self._limit is not None and requests > 0:
            self._limit.charge(principal.tenant, requests)

    def quota_of(self, principal: Principal) -> Quota | None:
        """What is left of the principal's quota now; None without a limit."""
        return None if self._limit is None else _quota(self._limit, self._limit.take(principal.tenant, 0))

    async def still(self, authorization: str | None, address: str = "") -> Principal | None:
        """The principal that the header of a request names now, long after it was answered; None if nobody any more."""
        try:
            return await self._named(authorization or "", address)
        except (Unauthorized, RateLimited, NoTenant, IssuerAway):
            return None

    async def close(self) -> None:
        """Write down what is still to be written, and ask for nothing any more."""
        for part in (self._keys, self._tokens):
            if part is not None:
                await part.close()

    async def _named(self, authorization: str, address: str) -> Principal:
        if self._keys is None and self._tokens is None:
            return ANONYMOUS
        try:
            return await self._known(authorization, address)
        except (Unauthorized, RateLimited, NoTenant, IssuerAway) as error:
            metrics.CREDENTIALS_REFUSED.labels(_REASONS[type(error)]).inc()
            raise

    async def _known(self, authorization: str, address: str) -> Principal:
        scheme, _, credential = authorization.partition(" ")
        credential = credential.strip()
        if scheme.lower() != "bearer" or not credential:
            kinds = [kind for kind, taken in (("an API key", self._keys), ("a token", self._tokens)) if taken]
            raise Unauthorized(f"Send {' or '.join(kinds)} as `Authorization: Bearer …`.", given=False)
        if self._keys is not None and (credential.startswith(PREFIX) or self._tokens is None):
            return await self._of_key(self._keys, credential, address)
        if self._tokens is None or credential.startswith(PREFIX):
            raise Unauthorized("This API takes tokens, and no API keys.")
        return await self._of_token(self._tokens, credential, address)

    async def _of_key(self, keys: Keys, credential: str, address: str) -> Principal:
        try:
            key = read_key(credential)
        except MalformedKey as error:
            self._guess(address)
            raise Unauthorized(f"This API key {error}.") from None
        # Before any look-up. A key that was valid lately passes, so who guesses behind a proxy shuts nobody else out.
        if not (known := keys.was_valid(key)):
            self._guess(address)
        principal = await keys.principal_of(key)
        if principal is None:
            raise Unauthorized("This API key is not valid: it is unknown, was revoked, or its time is over.")
        if not known:
            self._guesses.give_back(_guesses_of(address))
        return principal

    async def _of_token(self, tokens: Tokens, credential: str, address: str) -> Principal:
        if (principal := tokens.remembered(credential)) is not None:
            return principal
        # Tokens are new every few minutes, and a whole company may have one address: only wrong ones count in the end.
        self._guess(address)
        try:
            principal = await tokens.principal_of(credential)
        except WrongToken as error:
            raise Unauthorized(f"This token {error}.") from None
        except IssuerAway:
            self._guesses.give_back(_guesses_of(address))
            raise
        self._guesses.give_back(_guesses_of(address))
        return principal

    def _guess(self, address: str) -> None:
        if wait_s := self._guesses.take(_guesses_of(address)).wait_s:
            raise RateLimited("Too many wrong credentials came from this address", wait_s)

    def _tell(self, tenant: str) -> None:
        if self._clock() >= self._tell_at:
            self._tell_at = self._clock() + _TELL_EVERY_S
            log.warning("api.rate_limited", extra={"tenant": tenant})


def _guesses_of(address: str) -> str:
    return f"guesses of {address}"


_REASONS = {Unauthorized: "unauthorized", RateLimited: "limited", NoTenant: "no_tenant", IssuerAway: "issuer_away"}


def _quota(limit: RateLimit, taken: Taken) -> Quota:
    window_s = max(1, math.ceil(limit.burst / limit.per_s))
    return Quota(limit.burst, window_s, taken.left, math.ceil(taken.wait_s or taken.full_in_s))
