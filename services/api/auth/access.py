"""Which tenant a request belongs to, and whether it may ask now."""

import logging
import math
import time
from collections.abc import Callable
from typing import Literal

from fastapi import Request
from sqlalchemy.engine import Engine
from starlette.concurrency import run_in_threadpool

from services.api.auth.rate_limit import RateLimit
from services.api.http.problems import Problem
from shared.access.api_keys import DEFAULT_TENANT, tenant_of

log = logging.getLogger(__name__)

_REMEMBER_S = 10.0
"""A revoked key may work this much longer; a busy client costs one look-up in this time."""
_REMEMBERED = 10_000
_TELL_EVERY_S = 10.0
"""The metrics count what is refused; the log names a tenant, and is not flooded."""


class Access:
    """Tells the tenant of a request, or refuses it."""

    def __init__(
        self,
        mode: Literal["none", "keys"],
        engine: Engine,
        limit: RateLimit | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mode = mode
        self._engine = engine
        self._limit = limit
        self._tell_at = 0.0
        self._clock = clock
        self._known: dict[str, tuple[str, float]] = {}

    async def tenant(self, request: Request) -> str:
        """The tenant. Raises Problem 401 when keys are required and this one is missing or not valid, and 429."""
        tenant = await self._whose(request)
        if self._limit is not None and (wait_s := self._limit.take(tenant)):
            self._tell(tenant)
            raise _too_many(self._limit, wait_s)
        return tenant

    def _tell(self, tenant: str) -> None:
        if self._clock() >= self._tell_at:
            self._tell_at = self._clock() + _TELL_EVERY_S
            log.warning("api.rate_limited", extra={"tenant": tenant})

    async def _whose(self, request: Request) -> str:
        if self._mode == "none":
            return DEFAULT_TENANT
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise _unauthorized("Send your API key as `Authorization: Bearer <key>`.")
        tenant = await self._look_up(key.strip())
        if tenant is None:
            raise _unauthorized("This API key is not valid.")
        return tenant

    async def _look_up(self, key: str) -> str | None:
        known = self._known.get(key)
        if known and known[1] > self._clock():
            return known[0]
        tenant = await run_in_threadpool(self._ask, key)
        if tenant is not None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = (tenant, self._clock() + _REMEMBER_S)
        return tenant

    def _ask(self, key: str) -> str | None:
        with self._engine.connect() as conn:
            return tenant_of(conn, key)


def _unauthorized(detail: str) -> Problem:
    return Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": 'Bearer realm="todoke"'})


def _too_many(limit: RateLimit, wait_s: float) -> Problem:
    again = math.ceil(wait_s)
    detail = f"At most {limit.per_s:g} requests a second, {limit.burst} at once: try again in {again} s."
    return Problem(429, "rate_limited", detail, retryable=True, headers={"Retry-After": str(again)})
