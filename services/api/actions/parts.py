"""The parts that the actions work with."""

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
    """Everything that an API process needs, put together once by `assemble`."""

    settings: ApiSettings
    catalog: CatalogView
    store: ArtifactStore
    engine: Engine
    """Used in the thread pool, in autocommit mode."""
    reading: Engine
    """Replaces `engine` for the console's pages: it can only read, and has a short time limit."""
    submitter: Submitter
    within_caps: WithinCaps
    """Takes submissions of tenants that the submitter finds capped."""
    watcher: Watcher
    feed: Feed
    glances: SharedLook[tuple[UUID, Viewer], Glance | None]
    """Answers whether a job is unchanged since the client read it."""
    jobs: SharedLook[tuple[UUID, Viewer], SeenJob | None] | None
    """Reads jobs with their files for many clients at once; None reads each on its own, over `engine`."""
    stream_places: StreamPlaces
    tenant_feed: TenantFeed
    history: History
    access: Access
    sessions: Sessions | None
    """Sessions of the console; None where no keys are required."""
    logins: Logins | None
    """The issuers with which people sign in to the console; None where no tokens are accepted."""
    page_tokens: PageTokens
    secret_keys: SecretKeys
    visitors: Visitors
    """Limits requests that come with a link and without a key."""

    estimating: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    """Limits how many estimates ask sources at the same time, each over a connection of its own."""

    choices: KeptChoices = field(default_factory=KeptChoices)
    """What sources recently answered about the choices of parameters."""

    def release(self) -> None:
        """Wake everyone who waits: the process is about to end."""
        self.watcher.release()
        self.tenant_feed.release()

    async def close(self) -> None:
        """Commit what waits, and close every connection."""
        await self.submitter.close()
        await self.within_caps.close()
        await self.history.close()
        await self.tenant_feed.close()
        await self.watcher.close()
        await self.access.close()
        self.engine.dispose()
        self.reading.dispose()

    def for_reading(self) -> "Parts":
        """Return the same parts, whose use cases read over the console's own connections."""
        return replace(self, engine=self.reading, jobs=None)
