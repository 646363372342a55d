"""Whom a request comes from, and whether it is allowed now."""

import logging
import math
import time
from collections.abc import Awaitable, Callable, Collection
from typing import NamedTuple, TypeVar

from services.api import metrics
from services.api.auth.issuer_keys import IssuerAway
from services.api.auth.issuers import Issuer
from services.api.auth.keys import Keys
from services.api.auth.principal import ANONYMOUS, Principal
from services.api.auth.rate_limit import RateLimit, Taken
from services.api.auth.sessions import Sessions
from services.api.auth.shared_rate import SharedRate
from services.api.auth.tokens import NoTenant, Tokens, WrongToken
from shared.access.key_text import PREFIX, MalformedKey, read_key
from shared.errors import TodokeError

log = logging.getLogger(__name__)

T = TypeVar("T")

POLICY, POLICY_OF_EACH = "requests", "requests-of-one"
"""The wire names of the quota of a tenant, and of one requester within it."""
_TELL_EVERY_S = 10.0
"""The metrics count every refusal. The log names the tenant, at most once in this time, so that it is not flooded."""


_GUESSES_PER_S, _GUESSES_AT_ONCE = 0.5, 30
"""Failed credentials per address, and look-ups in progress: far too few to guess one."""


_NO_KEYS = "This API accepts tokens, but no API keys."


class Unauthorized(TodokeError):
    """The request needs a credential, and has none or a wrong one."""

    def __init__(self, message: str, *, given: bool = True) -> None:
        super().__init__(message)
        self.given = given
        """False if the request carries no credential."""


class RateLimited(TodokeError):
    """The tenant has sent as many requests as it may."""

    def __init__(self, message: str, wait_s: float, quota: "Quota | None" = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s
        """Seconds until a request is allowed again."""
        self.quota = quota
        """The tenant's quota; None if it was not the tenant that sent too many."""


class Quota(NamedTuple):
    """How many requests a tenant, or one requester within it, may send, and how many are left."""

    burst: int
    window_s: int
    """Seconds in which `burst` requests are regained."""
    left: int
    again_s: int
    """Seconds until more are allowed: the full quota, or after a refusal the refused request."""
    policy: str
    """The quota's name on the wire."""


class Access:
    """Returns the principal of a request, or refuses it. Without `keys` and `tokens` everyone is the same principal."""

    def __init__(
        self,
        keys: Keys | None,
        limit: SharedRate | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        each: SharedRate | None = None,
        tokens: Tokens | None = None,
    ) -> None:
        """`limit` applies to each tenant, `each` to each requester within it."""
        self._keys = keys
        self._tokens = tokens
        self._limit = limit
        self._each = each
        self._guesses = RateLimit(_GUESSES_PER_S, _GUESSES_AT_ONCE, clock)
        self._tell_at = 0.0
        self._clock = clock

    @property
    def issuers(self) -> Collection[Issuer]:
        """The issuers whose tokens are accepted."""
        return [] if self._tokens is None else self._tokens.issuers

    @property
    def limited(self) -> bool:
        """True if tenants have a rate limit."""
        return self._limit is not None

    async def principal(self, authorization: str | None, address: str = "") -> Principal:
        """Return the principal that an `Authorization` header names.

        Raises Unauthorized, RateLimited, NoTenant and IssuerAway.
        """
        principal, _ = await self.admitted(authorization, address)
        return principal

    async def admitted(
        self, authorization: str | None, address: str = "", *, weight: int = 1
    ) -> tuple[Principal, Quota | None]:
        """Return the principal of an `Authorization` header, and what is left of its quota; None without a limit.

        The request counts as `weight`. Raises as `principal` does.
        """
        principal = await self._named(authorization or "", address)
        return principal, await self.count(principal, weight=weight)

    async def count(self, principal: Principal, *, weight: int = 1) -> Quota | None:
        """Count a request of the principal as `weight`.

        Returns what is left; None without a limit. Raises RateLimited.
        """
        if self._limit is None:
            return None
        each, one = self._each, _one(principal)
        if each is not None and one is not None:
            self._pass(principal, each.limit, await each.take(one, weight), weight, POLICY_OF_EACH)
        taken = await self._limit.take(principal.tenant, weight)
        if taken.wait_s and each is not None and one is not None:
            each.give_back(one, weight)
        return self._pass(principal, self._limit.limit, taken, weight)

    def _pass(self, principal: Principal, limit: RateLimit, taken: Taken, weight: int, policy: str = POLICY) -> Quota:
        """Return what is left. Raises RateLimited."""
        quota = _quota(limit, taken, policy)
        if taken.wait_s:
            self._tell(principal.tenant)
            whose = "" if policy == POLICY else " of one key or person"
            limits = f"At most {limit.per_s:g} requests per second{whose}, {limit.burst} at once"
            counts = f"; this one counts as {weight}" if weight > 1 else ""
            raise RateLimited(limits + counts, taken.wait_s, quota)
        return quota

    def charge(self, principal: Principal, requests: int) -> None:
        """Count additional requests for one that did the work of several. Its tenant waits for them afterwards."""
        if self._limit is not None and requests > 0:
            self._limit.charge(principal.tenant, requests)
            if self._each is not None and (one := _one(principal)) is not None:
                self._each.charge(one, requests)

    def quota_of(self, principal: Principal) -> Quota | None:
        """Return what is left of the principal's quota now; None without a limit."""
        return None if self._limit is None else _quota(self._limit.limit, self._limit.look(principal.tenant))

    async def still(self, authorization: str | None, address: str = "") -> Principal | None:
        """Return the principal that the header names now, long after the answer; None if it is nobody any more."""
        try:
            return await self._named(authorization or "", address)
        except (Unauthorized, RateLimited, NoTenant, IssuerAway):
            return None

    async def of_session(self, sessions: Sessions, token: str, address: str = "") -> Principal | None:
        """Return who is signed in with this cookie of the console; None if nobody is, or not any more.

        A made-up cookie counts as a failed credential: RateLimited is raised before any look-up.
        """
        if sessions.was_seen(token):
            return await sessions.principal_of(token)
        try:
            self._guess(address)
        except RateLimited:
            metrics.CREDENTIALS_REFUSED.labels(_REASONS[RateLimited]).inc()
            raise
        principal = await sessions.principal_of(token)
        if principal is not None:
            self._guesses.give_back(_guesses_of(address))
        return principal

    def attempt(self, address: str) -> None:
        """Count a sign-in from this address as failed, until `succeeded` corrects it. Raises RateLimited."""
        self._guess(address)

    def succeeded(self, address: str) -> None:
        """Correct the last `attempt`: the sign-in succeeded."""
        self._guesses.give_back(_guesses_of(address))

    async def of_code(self, redeem: Callable[[], Awaitable[T | None]], address: str = "") -> T:
        """Return what `redeem` returns for a one-time sign-in code. A worthless code counts as a failed credential.

        Raises Unauthorized, and RateLimited before `redeem` is called.
        """
        try:
            return await self._redeemed(redeem, address)
        except (Unauthorized, RateLimited) as error:
            metrics.CREDENTIALS_REFUSED.labels(_REASONS[type(error)]).inc()
            raise

    async def close(self) -> None:
        """Write what is still to be written, and stop asking for keys."""
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
            raise Unauthorized(_NO_KEYS)
        return await self._of_token(self._tokens, credential, address)

    async def _of_key(self, keys: Keys, credential: str, address: str) -> Principal:
        try:
            key = read_key(credential)
        except MalformedKey as error:
            self._guess(address)
            raise Unauthorized(f"This API key {error}.") from None
        # Before any look-up. A key that was valid recently passes, so an attacker behind a shared proxy locks
        # nobody else out.
        if not (known := keys.was_valid(key)):
            self._guess(address)
        principal = await keys.principal_of(key)
        if principal is None:
            raise Unauthorized("This API key is not valid: it is unknown, revoked or expired.")
        if not known:
            self._guesses.give_back(_guesses_of(address))
        return principal

    async def _of_token(self, tokens: Tokens, credential: str, address: str) -> Principal:
        if (principal := tokens.remembered(credential)) is not None:
            return principal
        # Tokens change every few minutes, and a company may share one address: only wrong ones count in the end.
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

    async def _redeemed(self, redeem: Callable[[], Awaitable[T | None]], address: str) -> T:
        if self._keys is None:
            raise Unauthorized(_NO_KEYS)
        self._guess(address)
        if (given := await redeem()) is None:
            raise Unauthorized(
                "This code is not valid: it was used, has expired, or its API key is no longer valid. "
                "Ask for a new link."
            )
        self._guesses.give_back(_guesses_of(address))
        return given

    def _guess(self, address: str) -> None:
        if wait_s := self._guesses.take(_guesses_of(address)).wait_s:
            raise RateLimited("Too many wrong credentials from this address", wait_s)

    def _tell(self, tenant: str) -> None:
        if self._clock() >= self._tell_at:
            self._tell_at = self._clock() + _TELL_EVERY_S
            log.warning("api.rate_limited", extra={"tenant": tenant})


def _guesses_of(address: str) -> str:
    return f"guesses of {address}"


_REASONS = {Unauthorized: "unauthorized", RateLimited: "limited", NoTenant: "no_tenant", IssuerAway: "issuer_away"}


def _one(principal: Principal) -> str | None:
    """Return the name of the requester's share; None without an identity. No tenant's name contains a slash."""
    return None if principal.subject is None else f"{principal.tenant}/{principal.subject}"


def _quota(limit: RateLimit, taken: Taken, policy: str = POLICY) -> Quota:
    window_s = max(1, math.ceil(limit.burst / limit.per_s))
    return Quota(limit.burst, window_s, taken.left, math.ceil(taken.wait_s or taken.full_in_s), policy)
