"""What the actions work with."""

import asyncio
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy.engine import Engine

from services.api.actions.kept_choices import KeptChoices
from services.api.actions.page_tokens import PageTokens
from services.api.actions.submitter import Submitter
from services.api.actions.within_caps import WithinCaps
from services.api.auth.access import Access
from services.api.auth.logins import Logins
from services.api.auth.sessions import Sessions
from services.api.auth.visitors import Visitors
from services.api.feed import Feed
from services.api.history import History
from services.api.places import StreamPlaces
from services.api.settings import ApiSettings
from services.api.shared_look import SharedLook
from services.api.tenant_feed import TenantFeed
from services.api.watch import Watcher
from shared.access.secret_keys import SecretKeys
from shared.artifacts.interface import ArtifactStore
from shared.catalog.model import CatalogView
from shared.jobs.glance import Glance
from shared.jobs.seen import SeenJob
from shared.jobs.viewer import Viewer


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that an API process stands on, put together once by `assemble`."""

    settings: ApiSettings
    catalog: CatalogView
    store: ArtifactStore
    engine: Engine
    """For the thread pool, in autocommit mode."""
    reading: Engine
    """For the console's pages, in the place of `engine`: it can only read, and not for long."""
    submitter: Submitter
    within_caps: WithinCaps
    """For what the submitter finds capped."""
    watcher: Watcher
    feed: Feed
    glances: SharedLook[tuple[UUID, Viewer], Glance | None]
    """Tells clients that a job is as they know it."""
    jobs: SharedLook[tuple[UUID, Viewer], SeenJob | None] | None
    """Reads jobs and their files; None: each is read by itself, over `engine`."""
    stream_places: StreamPlaces
    tenant_feed: TenantFeed
    history: History
    access: Access
    sessions: Sessions | None
    """Of the console; None where no keys are asked for."""
    logins: Logins | None
    """With which issuers people sign in to the console; None where no tokens are taken."""
    page_tokens: PageTokens
    secret_keys: SecretKeys
    visitors: Visitors
    """Who comes with a link, and without a key."""

    estimating: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    """Estimates that ask sources at the same time, each over a connection of its own."""

    choices: KeptChoices = field(default_factory=KeptChoices)
    """What sources said lately of the choices of parameters."""

    def release(self) -> None:
        """Wake everybody who waits: the process is about to end."""
        self.watcher.release()
        self.tenant_feed.release()

    async def close(self) -> None:
        """Commit what waits, and let every connection go."""
        await self.submitter.close()
        await self.within_caps.close()
        await self.history.close()
        await self.tenant_feed.close()
        await self.watcher.close()
        await self.access.close()
        self.engine.dispose()
        self.reading.dispose()

    def for_reading(self) -> "Parts":
        """The same parts, whose use cases read over connections of the console's own."""
        return replace(self, engine=self.reading, jobs=None)
