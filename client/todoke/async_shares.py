"""`AsyncTodoke.shares`: the methods of `Todoke.shares`, without blocking."""

from collections.abc import AsyncIterator
from uuid import UUID

from todoke._core import shares
from todoke._core.config import Config
from todoke._core.steps import AsyncIterate, AsyncRun
from todoke.models import Job
from todoke.share_values import Share, SharesPage

ShareId = str | UUID | Share


class AsyncShares:
    """Links that download a file without a key; `jobs.share` creates one. Every method raises ApiError and
    ConnectionFailed.
    """

    def __init__(self, config: Config, run: AsyncRun, iterate: AsyncIterate) -> None:
        self._config = config
        self._run = run
        self._iterate = iterate

    async def get(self, share: ShareId) -> Share:
        """Return a link's state and how often it was used; never its address."""
        return await self._run(shares.get(self._config, share))

    async def list(
        self, *, job: str | UUID | Job | None = None, page_size: int | None = None, page_token: str | None = None
    ) -> SharesPage:
        """Return one page of your links, newest first; with `job`, one page of all links to its files."""
        return await self._run(shares.list_page(self._config, job=job, page_size=page_size, page_token=page_token))

    def iter(self, *, job: str | UUID | Job | None = None, page_size: int | None = None) -> AsyncIterator[Share]:
        """Yield each link, fetching pages as needed. `job` selects as in `list`."""
        return self._iterate(shares.iterate(self._config, job=job, page_size=page_size))

    async def revoke(self, share: ShareId) -> None:
        """Revoke a link permanently. Safe to repeat."""
        return await self._run(shares.revoke(self._config, share))
