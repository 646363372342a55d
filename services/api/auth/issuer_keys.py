"""The signing keys of an issuer: fetched rarely, kept while the issuer is unavailable, and never fetched more often
because a stranger sends bad tokens.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from anyio import to_thread
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from services.api import metrics
from services.api.auth.fetching import CannotFetch, Document, fetch
from services.api.auth.issuers import Issuer
from shared.errors import TodokeError

log = logging.getLogger(__name__)

_SELDOM_S = 30.0
"""The shortest time between two requests to an issuer after an unknown key id or a failed request."""
_FRESH_S = (300.0, 86_400.0)
"""Shortest and longest time before keys are fetched again, whatever their Cache-Control says."""
_LAST_GOOD_S = 86_400.0
"""How long fetched keys are trusted while their issuer is unavailable."""
_NOT_THERE_S = 300.0
_NOT_THERE = 64
"""Key ids that the issuer did not know are remembered for _NOT_THERE_S, and at most this many of them."""
_MOST_KEYS = 100
_KINDS = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


class IssuerAway(TodokeError):
    """The issuer's keys are unavailable, so no token can be verified."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The keys of the issuer {name!r} cannot be fetched now. Try again.")


class IssuerKeys:
    """The keys of one issuer. Used from the event loop's thread; fetches run in other threads, one at a time."""

    def __init__(
        self,
        issuer: Issuer,
        *,
        get: Callable[[str], Document] = fetch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._get = get
        self._clock = clock
        self._keys: Sequence[tuple[Key, Mapping[str, Any]]] = ()
        self._fetched_at = -_LAST_GOOD_S
        self._fresh_until = 0.0
        self._asked_at = -_SELDOM_S
        self._not_there: dict[str, float] = {}
        self._fetching: asyncio.Task[None] | None = None
        for outcome in ("ok", "failed"):
            metrics.ISSUER_FETCHES.labels(issuer.name, outcome)  # shown from 0 on: an alert asks how much it rose

    async def find(self, kid: str | None, algorithm: str) -> Key | None:
        """Return the key that verifies a token with this header; None if the issuer has no such key.

        Raises IssuerAway.
        """
        now = self._clock()
        if now >= self._fetched_at + _LAST_GOOD_S:
            self._keys = ()
            await self._refresh()
            if not self._keys:
                raise IssuerAway(self._issuer.name)
        elif now >= self._fresh_until and self._may_ask():
            self._begin()  # in the background: the present keys are still good
        if (key := self._known(kid, algorithm)) is not None:
            return key
        if self._not_there.get(kid or "", 0) > now:
            return None
        if self._may_ask() or self._asking:
            await self._refresh()
            if (key := self._known(kid, algorithm)) is not None:
                return key
            self._remember(kid or "")
        return None

    async def close(self) -> None:
        """Cancel a fetch that is in progress."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    def _known(self, kid: str | None, algorithm: str) -> Key | None:
        """Return the key with this id, kind, use and algorithm; without an id only if exactly one key fits."""
        fitting = [key for key, about in self._keys if _fits(about, algorithm) and kid in (None, about.get("kid"))]
        return fitting[0] if fitting and (kid is not None or len(fitting) == 1) else None

    def _remember(self, kid: str) -> None:
        while len(self._not_there) >= _NOT_THERE:
            del self._not_there[next(iter(self._not_there))]
        self._not_there[kid] = self._clock() + _NOT_THERE_S

    def _may_ask(self) -> bool:
        return self._clock() >= self._asked_at + _SELDOM_S

    @property
    def _asking(self) -> bool:
        return self._fetching is not None and not self._fetching.done()

    def _begin(self) -> asyncio.Task[None]:
        if self._fetching is None or not self._asking:
            self._asked_at = self._clock()
            self._fetching = asyncio.create_task(self._fetch())
        return self._fetching

    async def _refresh(self) -> None:
        """Fetch the keys unless that was done a moment ago. Callers at the same time share one fetch."""
        if self._may_ask() or self._asking:
            # A client that disconnects must not cancel the fetch for the others.
            await asyncio.shield(self._begin())

    async def _fetch(self) -> None:
        try:
            document = await to_thread.run_sync(self._document)
            keys = _read(document.content)
        except CannotFetch as error:
            metrics.ISSUER_FETCHES.labels(self._issuer.name, "failed").inc()
            log.warning("oidc.keys_not_fetched", extra={"issuer": self._issuer.name, "reason": str(error)})
            return
        metrics.ISSUER_FETCHES.labels(self._issuer.name, "ok").inc()
        least, longest = _FRESH_S
        self._keys = keys
        self._fetched_at = self._clock()
        self._fresh_until = self._fetched_at + min(max(document.max_age_s or least, least), longest)
        self._not_there.clear()

    def _document(self) -> Document:
        url = self._issuer.jwks_url
        if url is None:
            place = f"{self._issuer.issuer.rstrip('/')}/.well-known/openid-configuration"
            discovered = self._get(place).content
            if discovered.get("issuer") != self._issuer.issuer:
                raise CannotFetch(f"{place} is about another issuer than {self._issuer.issuer}")
            url = discovered.get("jwks_uri")
            if not isinstance(url, str):
                raise CannotFetch(f"{place} names no jwks_uri")
        return self._get(url)


def _read(content: Mapping[str, Any]) -> Sequence[tuple[Key, Mapping[str, Any]]]:
    """Return the usable public keys, ignoring others in the set. Raises CannotFetch if there is none."""
    listed = content.get("keys")
    found: list[tuple[Key, Mapping[str, Any]]] = []
    for about in listed[:_MOST_KEYS] if isinstance(listed, list) else ():
        if isinstance(about, dict) and about.get("kty") in _KINDS.values() and "d" not in about:
            try:
                found.append((import_key(about), about))
            except (JoseError, ValueError, TypeError, KeyError):
                continue
    if not found:
        raise CannotFetch("the key set holds no public key of a kind that is known here")
    return found


def _fits(about: Mapping[str, Any], algorithm: str) -> bool:
    operations = about.get("key_ops")
    return (
        about.get("kty") == _KINDS.get(algorithm[:2])
        and about.get("use") in (None, "sig")
        and about.get("alg") in (None, algorithm)
        and (operations is None or (isinstance(operations, list) and "verify" in operations))
    )
