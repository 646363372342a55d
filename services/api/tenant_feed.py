"""Reports changes to all who listen to a tenant's jobs, with one look per process, however many listeners there are.

A look is one statement on the watcher's connection: the newest jobs of each tenant with a listener, and the unfinished
ones seen before. Each listener has one slot, which holds the newest state of each job that has changed since the
listener last took it. A slot is bounded, so a slow reader learns that it has missed changes, and no memory grows.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from services.api.watch import Watcher
from shared.backoff import full_jitter
from shared.database.unavailable import is_unavailable
from shared.jobs import recent
from shared.jobs.recent import Recent

log = logging.getLogger(__name__)

PAUSE_S = 0.5
"""Seconds between two looks. With more tenants the pause grows, so that the cost per second is bounded."""
_TENANTS_PER_S = 200
_NEWEST = 100
"""How many of each tenant's jobs a look reads, from the newest on."""
MOST_FOLLOWED = 1_000
"""Unfinished jobs of a tenant that are followed after newer ones have come: the newest of them. Listeners learn when
others are dropped."""
_MOST_KEPT = 1_000
"""How many changes one listener's slot holds."""
_CATCH_UP = 2
"""How many listeners may read a snapshot at the same time because they have missed changes."""
_BACKOFF_CAP_S = 5.0


class Slot:
    """The changes since a listener last took them."""

    def __init__(self) -> None:
        self._changes: dict[UUID, Recent] = {}
        self._missed = False
        self._woken = asyncio.Event()
        self._looked = asyncio.Event()

    def looked(self) -> None:
        """Note that every change is reported from now on."""
        self._looked.set()

    async def ready(self, within_s: float) -> None:
        """Wait until every change is reported, for at most `within_s`."""
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
        """Note that a change was lost that cannot be reported any more."""
        self._changes.clear()
        self.lose()

    def lose(self) -> None:
        """Note that changes may be lost from now on."""
        self._missed = True
        self._woken.set()

    def wake(self) -> None:
        """End the wait, with or without a change."""
        self._woken.set()

    async def take(self, within_s: float) -> tuple[Sequence[Recent], bool]:
        """Return what changed, oldest job first, and whether something was missed; nothing after `within_s` seconds."""
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
        self.versions: dict[UUID, int] = {}
        """The unfinished jobs that were seen, with their versions."""
        self.looked = False
        """False before the first look."""
        self.newest: Sequence[UUID] = ()
        """The newest jobs of the last look, newest first."""

    def learn(self, rows: Sequence[Recent]) -> None:
        """Report what is new in a look to the slots."""
        before, seen = dict(self.versions), {*self.newest}
        newest = [row for row in rows if row.newest]
        if self.looked and len(newest) >= _NEWEST and seen.isdisjoint(row.id for row in newest):
            for slot in self.slots:
                slot.miss()  # more have come than a look reads
        # A job may appear after a newer one: ids follow the order of submission, but on several hosts.
        oldest = self.newest[-1] if len(self.newest) >= _NEWEST else UUID(int=0)
        for row in rows:
            born = self.looked and row.newest and row.id not in seen and row.id > oldest
            if before[row.id] != row.version if row.id in before else born:
                for slot in self.slots:
                    slot.put(row)
            if row.finished:
                self.versions.pop(row.id, None)
            else:
                self.versions[row.id] = row.version
        self.newest = [row.id for row in newest]
        self._bound()
        self.looked = True
        for slot in self.slots:
            slot.looked()

    def follow(self, versions: Mapping[UUID, int]) -> bool:
        """Report changes of these unfinished jobs, too, from the given versions on.

        False if there are too many, so that the oldest are not followed.
        """
        self.versions = {**versions, **self.versions}
        self._bound()
        return versions.keys() <= self.versions.keys()

    def _bound(self) -> None:
        dropped = sorted(self.versions)[: max(0, len(self.versions) - MOST_FOLLOWED)]
        for old in dropped:
            del self.versions[old]
        for slot in self.slots if dropped else ():
            slot.lose()


class TenantFeed:
    """The slots of all who listen to a tenant. For one event loop."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._tenants: dict[str, _Tenant] = {}
        self._looking: asyncio.Task[None] | None = None
        self.catching_up = asyncio.Semaphore(_CATCH_UP)
        """Held while a listener reads a snapshot in the middle of a stream."""

    @contextlib.contextmanager
    def slot(self, tenant: str) -> Iterator[Slot]:
        """Yield a slot that receives the changes of the tenant's jobs, within the block."""
        slot = Slot()
        of = self._tenants.setdefault(tenant, _Tenant())
        of.slots.add(slot)
        if of.looked:
            slot.looked()
        if self._looking is None:
            self._looking = asyncio.create_task(self._run())
        try:
            yield slot
        finally:
            of.slots.discard(slot)
            if not of.slots:
                self._tenants.pop(tenant, None)

    def follow(self, tenant: str, versions: Mapping[UUID, int]) -> bool:
        """Report changes of these unfinished jobs to the tenant's slots, too, if their versions differ.

        False if not all are followed.
        """
        of = self._tenants.get(tenant)
        return of is not None and of.follow(versions)

    def release(self) -> None:
        """Wake everyone: the process is about to end."""
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
        asked = {name: list(of.versions) for name, of in self._tenants.items()}
        followed = [job_id for ids in asked.values() for job_id in ids]
        found = await self._watcher.ask(recent.look, list(asked), followed, _NEWEST)
        for name in asked:
            if (of := self._tenants.get(name)) is not None:
                of.learn(found.get(name, ()))
