"""Follow a job as it changes, for as long as somebody listens and may.

Who listens holds a place, a timer and the last state that it was sent: no thread, no connection to the database and no
queue. What comes next is read when the one before has been taken, so a slow reader skips states and makes nothing grow.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from enum import StrEnum
from typing import NamedTuple

from services.api.actions import jobs, visible
from services.api.actions.jobs import FoundJob
from services.api.actions.parts import Parts
from services.api.auth.principal import Principal
from shared.backoff import full_jitter
from shared.database.unavailable import DatabaseUnavailable, is_unavailable

HEARTBEAT_S = 15.0
"""Seconds of silence: proxies give up a connection on which nothing comes for a minute."""
_CHECK_S = 30.0
"""How often it is asked anew whether the listener may listen. A key that was revoked is known as such after 10 s."""
_LIFE_S = 3600.0
"""A stream ends after about an hour, and its client comes back: perhaps to a process that was started since."""
_JITTER = 0.1
_BACKOFF_CAP_S = 5.0


class What(StrEnum):
    """What happens on a stream."""

    JOB = "job"
    """Here is the job as it is now."""
    END = "end"
    """The job has ended, and its last state was sent."""
    BYE = "bye"
    """The listener may not listen any more, or the job is gone."""
    BEAT = "beat"
    """Nothing happened for a while."""
    LATER = "later"
    """The stream ends, and may be opened again."""


class Happening(NamedTuple):
    """One thing that happens on a stream."""

    what: What
    found: FoundJob | None = None


Again = Callable[[], Awaitable[Principal | None]]
"""Who the listener is now; None if nobody any more."""


class Listener:
    """One who listens: who it is, for how long it may, and when it was sent something."""

    def __init__(self, parts: Parts, principal: Principal, again: Again) -> None:
        self.principal = principal
        self._parts = parts
        self._again = again
        now = time.monotonic()
        self._check_at = now + _CHECK_S
        self._end_at = now + _LIFE_S * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
        self._sent_at = now

    @property
    def quiet_s(self) -> float:
        """Seconds until the listener must be sent something."""
        return max(0.05, self._sent_at + HEARTBEAT_S - time.monotonic())

    def sent(self) -> None:
        """Something was sent."""
        self._sent_at = time.monotonic()

    @property
    def beat_is_due(self) -> bool:
        """True after so much silence that the listener must be sent something."""
        return time.monotonic() >= self._sent_at + HEARTBEAT_S - 0.05

    @property
    def must_go(self) -> bool:
        """True if the stream has lived long enough, or the process is about to end."""
        return self._parts.watcher.released or time.monotonic() >= self._end_at

    async def may_stay(self) -> bool:
        """Ask from time to time who the listener is now. False if nobody any more; a database that is away says no."""
        if time.monotonic() < self._check_at:
            return True
        self._check_at = time.monotonic() + _CHECK_S
        try:
            known = await self._again()
        except Exception as error:
            if not passes(error):
                raise
            return True  # nobody knows: it is asked again
        if known is not None:
            self.principal = known
        return known is not None


async def follow(parts: Parts, listener: Listener, found: FoundJob) -> AsyncGenerator[Happening, None]:
    """Yield what happens to the job, beginning with what it is now, until it has ended or the stream must."""
    failures = 0
    yield Happening(What.JOB, found)
    while not found.job.status.final:
        job = found.job
        changed = await parts.watcher.changed(job.id, job.version, until_end=False, within_s=listener.quiet_s)
        if listener.must_go:
            yield Happening(What.LATER)
            return
        if not await listener.may_stay() or not visible.sees(parts.catalog, listener.principal, job):
            yield Happening(What.BYE)
            return
        try:
            newer = await parts.feed.read(job.id) if changed else None
        except Exception as error:
            if not passes(error):
                raise
            failures += 1
            await asyncio.sleep(full_jitter(failures, base_s=0.2, cap_s=_BACKOFF_CAP_S))
        else:
            failures = 0
            if changed and newer is None:
                yield Happening(What.BYE)
                return
            if newer is not None and newer.job.version != job.version:
                found = jobs.found(listener.principal, newer.job, newer.artifacts)
                yield Happening(What.JOB, found)
        if listener.beat_is_due:
            yield Happening(What.BEAT)
    yield Happening(What.END)


def passes(error: Exception) -> bool:
    """True for what an outage of the database raises."""
    return isinstance(error, (TimeoutError, DatabaseUnavailable)) or is_unavailable(error)
