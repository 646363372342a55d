"""What the actions work with."""

import asyncio
from dataclasses import dataclass, field

from sqlalchemy.engine import Engine

from services.api.actions.page_tokens import PageTokens
from services.api.actions.submitter import Submitter
from services.api.auth.access import Access
from services.api.auth.sessions import Sessions
from services.api.feed import Feed
from services.api.history import History
from services.api.places import StreamPlaces
from services.api.settings import ApiSettings
from services.api.tenant_feed import TenantFeed
from services.api.watch import Watcher
from shared.artifacts.interface import ArtifactStore
from shared.catalog.model import CatalogView


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that an API process stands on, put together once by `assemble`."""

    settings: ApiSettings
    catalog: CatalogView
    store: ArtifactStore
    engine: Engine
    """For the thread pool, in autocommit mode."""
    submitter: Submitter
    watcher: Watcher
    feed: Feed
    stream_places: StreamPlaces
    tenant_feed: TenantFeed
    history: History
    access: Access
    sessions: Sessions | None
    """Of the console; None where no keys are asked for."""
    page_tokens: PageTokens

    estimating: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    """Estimates that ask sources at the same time, each over a connection of its own."""

    def release(self) -> None:
        """Wake everybody who waits: the process is about to end."""
        self.watcher.release()
        self.tenant_feed.release()

    async def close(self) -> None:
        """Commit what waits, and let every connection go."""
        await self.submitter.close()
        await self.history.close()
        await self.tenant_feed.close()
        await self.watcher.close()
        await self.access.close()
        self.engine.dispose()
