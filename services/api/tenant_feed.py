"""Tells all who listen to a tenant's jobs what has changed: one look per process, whatever their number.

A look is one statement on the watcher's connection: the newest jobs of each tenant that somebody listens to, and those
seen before that had not ended. Each listener has one slot that holds the newest state of each job that changed since it
was taken last: bounded, so a slow reader is told that it has missed some, and makes nothing grow.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence
from uuid import UUID

from services.api.watch import Watcher
from shared.backoff import full_jitter
from shared.database.unavailable import is_unavailable
from shared.jobs import recent
from shared.jobs.recent import Recent

log = logging.getLogger(__name__)

PAUSE_S = 0.5
"""Seconds between two looks. More tenants take longer, so that the looks' cost per second is bounded."""
_TENANTS_PER_S = 200
_NEWEST = 100
"""Jobs of each tenant that a look sees, from the newest on."""
_MOST_FOLLOWED = 1_000
"""Unfinished jobs of a tenant that are followed although newer ones have come."""
_MOST_KEPT = 1_000
"""Changes that one listener's slot holds."""
_BACKOFF_CAP_S = 5.0


class Slot:
    """What changed since a listener took it last."""

    def __init__(self) -> None:
        self._changes: dict[UUID, Recent] = {}
        self._missed = False
        self._woken = asyncio.Event()
        self._looked = asyncio.Event()

    def looked(self) -> None:
        """From now on every change is told."""
        self._looked.set()

    async def ready(self, within_s: float) -> None:
        """Wait until every change is told, for so long at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._looked.wait()

    def put(self, change: Recent) -> None:
        """Keep the newest state of the job."""
        if change.id not in self._changes and len(self._changes) >= _MOST_KEPT:
            self.miss()
            return
        self._changes[change.id] = change
        self._woken.set()

    def miss(self) -> None:
        """Something has changed that nobody can tell any more."""
        self._missed = True
        self._changes.clear()
        self._woken.set()

    def wake(self) -> None:
        """End the wait, with or without a change."""
        self._woken.set()

    async def take(self, within_s: float) -> tuple[Sequence[Recent], bool]:
        """What changed, oldest job first, and whether something was missed; nothing after `within_s` seconds."""
        try:
            async with asyncio.timeout(within_s):
                await self._woken.wait()
        except TimeoutError:
            return (), False
        self._woken.clear()
        changes, missed = sorted(self._changes.values(), key=lambda change: change.id), self._missed
        self._changes, self._missed = {}, False
        return changes, missed


class _Tenant:
    """What was seen of one tenant's jobs."""

    def __init__(self) -> None:
        self.slots: set[Slot] = set()
        self.versions: dict[UUID, int] | None = None
        """The unfinished jobs that were seen, by their version; None before the first look."""
        self.top = UUID(int=0)
        """The newest job that was seen."""

    def learn(self, rows: Sequence[Recent]) -> None:
        """Tell the slots what is new in a look."""
        before, self.versions = self.versions, dict(self.versions or {})
        newest = [row for row in rows if row.newest]
        if before is not None and len(newest) >= _NEWEST and newest[-1].id > self.top:
            for slot in self.slots:
                slot.miss()  # more have come than a look sees
        for row in rows:
            new = row.id > self.top if row.id not in (before or {}) else row.version != (before or {})[row.id]
            if before is not None and new:
                for slot in self.slots:
                    slot.put(row)
            if row.finished:
                self.versions.pop(row.id, None)
            else:
                self.versions[row.id] = row.version
        self.top = max([self.top, *(row.id for row in newest)])
        for old in sorted(self.versions)[: max(0, len(self.versions) - _MOST_FOLLOWED)]:
            del self.versions[old]
        for slot in self.slots:
            slot.looked()


class TenantFeed:
    """The slots of all who listen to a tenant. For one event loop."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._tenants: dict[str, _Tenant] = {}
        self._looking: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def slot(self, tenant: str) -> Iterator[Slot]:
        """A slot that is told of the tenant's jobs, within the block."""
        slot = Slot()
        of = self._tenants.setdefault(tenant, _Tenant())
        of.slots.add(slot)
        if of.versions is not None:
            slot.looked()
        if self._looking is None:
            self._looking = asyncio.create_task(self._run())
        try:
            yield slot
        finally:
            of.slots.discard(slot)
            if not of.slots:
                self._tenants.pop(tenant, None)

    def release(self) -> None:
        """Wake everybody: the process is about to end."""
        for tenant in self._tenants.values():
            for slot in tenant.slots:
                slot.wake()

    async def close(self) -> None:
        """Stop looking."""
        if (looking := self._looking) is not None:
            looking.cancel()
            await asyncio.wait([looking])

    async def _run(self) -> None:
        failures = 0
        try:
            while self._tenants:
                try:
                    await self._look()
                except Exception as error:
                    failures += 1
                    if not (isinstance(error, TimeoutError) or is_unavailable(error)):
                        log.exception("tenant_feed.broken")
                else:
                    failures = 0
                back_off_s = full_jitter(failures, base_s=0.2, cap_s=_BACKOFF_CAP_S) if failures else 0
                await asyncio.sleep(max(PAUSE_S, len(self._tenants) / _TENANTS_PER_S) + back_off_s)
        finally:
            self._looking = None

    async def _look(self) -> None:
        asked = {name: list(of.versions or {}) for name, of in self._tenants.items()}
        followed = [job_id for ids in asked.values() for job_id in ids]
        found = await self._watcher.ask(recent.look, list(asked), followed, _NEWEST)
        for name in asked:
            if (of := self._tenants.get(name)) is not None:
                of.learn(found.get(name, ()))
