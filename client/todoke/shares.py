"""`Todoke.shares`: links to files that work without a key."""

from collections.abc import Iterator
from uuid import UUID

from todoke._core import shares
from todoke._core.config import Config
from todoke._core.steps import Iterate, Run
from todoke.models import Job
from todoke.share_values import Share, SharesPage

ShareId = str | UUID | Share


class Shares:
    """Links to files that work without a key; `jobs.share` makes one. Every method raises ApiError and
    ConnectionFailed."""

    def __init__(self, config: Config, run: Run, iterate: Iterate) -> None:
        self._config = config
        self._run = run
        self._iterate = iterate

    def get(self, share: ShareId) -> Share:
        """A link as it is now, and how often it was used; not what stands in it."""
        return self._run(shares.get(self._config, share))

    def list(
        self, *, job: str | UUID | Job | None = None, page_size: int | None = None, page_token: str | None = None
    ) -> SharesPage:
        """One page of your links, newest first; or of everybody's to the files of one job."""
        return self._run(shares.list_page(self._config, job=job, page_size=page_size, page_token=page_token))

    def iter(self, *, job: str | UUID | Job | None = None, page_size: int | None = None) -> Iterator[Share]:
        """Each of them, page by page as they are used."""
        return self._iterate(shares.iterate(self._config, job=job, page_size=page_size))

    def revoke(self, share: ShareId) -> None:
        """Let a link work no more, for good. Once more is harmless."""
        return self._run(shares.revoke(self._config, share))
