"""A limit of requests per second for each tenant, counted together by every process of every API.

A process leases from the tenant's row in the database what the tenant may need in the next second, and admits requests
from that lease without another look. That is one statement per second for each active tenant, and none for a silent
one. A process begins with a small lease and takes twice what it used before, because the other processes lack what it
holds unused. While the database does not answer, each host counts by itself.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from anyio import to_thread
from sqlalchemy.engine import Engine

from services.api import metrics
from services.api.auth.rate_limit import RateLimit, Taken
from shared.access import rates
from shared.access.rates import Granted

log = logging.getLogger(__name__)

_SLICE_S = 1.0
_FIRST_SHARE = 16
"""The first lease is the burst divided by this number, so that as many processes can each have one."""
_PATIENCE_S = 1.0
"""Seconds that a request waits for a lease before its host counts alone."""
_ALONE_S = 5.0
"""Seconds until a database that did not answer is asked again."""
_MOST_TENANTS = 16_384


@dataclass(slots=True)
class _Share:
    """What this process knows about a tenant."""

    tokens: int = 0
    leased: int = 0
    """The tokens at the beginning of the lease."""
    until: float = 0.0
    """When the lease ends; the rest of it is returned with the next one."""
    used_s: float = 0.0
    """When the lease was taken: seconds until the tenant has its whole burst again."""
    taken_at: float = 0.0
    refused_until: float = 0.0
    """Asking again before this moment is pointless."""
    debt: int = 0
    """Requests that were carried out but are not counted yet."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class SharedRate:
    """Allows `limit.per_s` requests per second, and `limit.burst` at once after a pause. For the event loop."""

    def __init__(self, limit: RateLimit, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._engine = engine
        self._clock = clock
        self._shares: dict[str, _Share] = {}
        self._alone_until = -math.inf

    async def take(self, tenant: str, weight: int = 1) -> Taken:
        """Count one request as `weight`, at most the burst, or refuse it and count nothing."""
        weight = min(weight, self.limit.burst)
        share = self._share(tenant)
        async with share.turn:
            now = self._clock()
            if now < self._alone_until:
                return self.limit.take(tenant, weight)
            if now >= share.until or share.tokens < weight:
                if now < share.refused_until:
                    return self._told(share, now, self._wait_s(share, now, weight))
                try:
                    async with asyncio.timeout(_PATIENCE_S):
                        await self._lease(tenant, share, weight)
                except Exception as error:  # noqa: BLE001 - whatever it is, requests are not refused for it
                    return self._without(tenant, weight, error)
                now = self._clock()
            if share.tokens >= weight:
                share.tokens -= weight
                return self._told(share, now, 0)
            wait_s = self._wait_s(share, now, weight)
            share.refused_until = now + min(wait_s, _SLICE_S)
            return self._told(share, now, wait_s)

    def give_back(self, tenant: str, weight: int) -> None:
        """Give back a request of that weight which `take` counted."""
        self._share(tenant).tokens += min(weight, self.limit.burst)

    def charge(self, tenant: str, requests: int) -> None:
        """Count requests that were carried out already: the tenant waits for them afterwards."""
        share = self._share(tenant)
        share.tokens -= requests
        if share.tokens < 0:
            share.debt, share.tokens = share.debt - share.tokens, 0
        self.limit.charge(tenant, requests)

    def look(self, tenant: str) -> Taken:
        """Return what is left, as far as this process knows."""
        return self._told(self._share(tenant), self._clock(), 0)

    async def _lease(self, tenant: str, share: _Share, weight: int) -> None:
        burst, per_s = self.limit.burst, self.limit.per_s
        debt, unused = share.debt, share.tokens
        wanted = max(math.ceil(burst / _FIRST_SHARE), 2 * (share.leased - unused))
        most = min(burst, max(weight, min(wanted, math.ceil(per_s * _SLICE_S))))

        def ask() -> Granted:
            with self._engine.connect() as conn:
                return rates.lease(conn, tenant, least=weight, most=most, debt=debt - unused, per_s=per_s, burst=burst)

        share.tokens, share.debt = 0, 0
        try:
            granted = await to_thread.run_sync(ask, abandon_on_cancel=True)
        except BaseException:
            share.debt += debt
            raise
        now = self._clock()
        share.tokens = share.leased = granted.tokens
        share.used_s, share.taken_at = granted.used_s, now
        share.until = now + _SLICE_S

    def _without(self, tenant: str, weight: int, error: Exception) -> Taken:
        metrics.RATE_COUNTED_ALONE.inc()
        log.warning("api.rate_counted_alone", extra={"reason": type(error).__name__})
        self._alone_until = self._clock() + _ALONE_S
        return self.limit.take(tenant, weight)

    def _told(self, share: _Share, now: float, wait_s: float) -> Taken:
        used_s = max(0.0, share.used_s - (now - share.taken_at)) + (share.debt - share.tokens) / self.limit.per_s
        used_s = max(0.0, used_s)
        left = math.floor(self.limit.burst + 0.001 - used_s * self.limit.per_s)
        return Taken(wait_s, max(0, left), used_s)

    def _wait_s(self, share: _Share, now: float, weight: int) -> float:
        """Return the seconds until a request of that weight would pass if no other came."""
        used_s = max(0.0, share.used_s - (now - share.taken_at)) + (share.debt - share.tokens) / self.limit.per_s
        return max(0.05, used_s + (weight - self.limit.burst) / self.limit.per_s)

    def _share(self, tenant: str) -> _Share:
        if tenant not in self._shares and len(self._shares) >= _MOST_TENANTS:
            now = self._clock()
            kept = {t: s for t, s in self._shares.items() if s.turn.locked() or s.debt or s.until > now}
            self._shares = kept
        return self._shares.setdefault(tenant, _Share())
