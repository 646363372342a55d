"""Follow a job as it changes, for as long as a client listens and is allowed to.

A listener holds a place, a timer and the last state that it was sent, but no thread, database connection or queue. The
next state is read when the previous one has been received, so a slow reader skips states and no memory grows.
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
"""Seconds of silence before a beat is sent: proxies close a connection after a minute without data."""
_CHECK_S = 30.0
"""How often the listener's permission is checked again. A revoked key is known as such after 10 s."""
_LIFE_S = 3600.0
"""A stream ends after about an hour, and its client reconnects, perhaps to a newer process."""
_JITTER = 0.1
_BACKOFF_CAP_S = 5.0


class What(StrEnum):
    """What happens on a stream."""

    JOB = "job"
    """The job's current state."""
    END = "end"
    """The job has ended, and its last state was sent."""
    BYE = "bye"
    """The listener may not listen any more, or the job no longer exists."""
    BEAT = "beat"
    """Nothing happened for a while."""
    LATER = "later"
    """The stream ends, and may be opened again."""


class Happening(NamedTuple):
    """One thing that happens on a stream."""

    what: What
    found: FoundJob | None = None


Again = Callable[[], Awaitable[Principal | None]]
"""Returns who the listener is now; None if it is nobody any more."""


class Listener:
    """One listener: who it is, how long it may listen, and when something was last sent to it."""

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
        """The seconds until something must be sent to the listener."""
        return max(0.05, self._sent_at + HEARTBEAT_S - time.monotonic())

    def sent(self) -> None:
        """Note that something was sent."""
        self._sent_at = time.monotonic()

    @property
    def beat_is_due(self) -> bool:
        """True after so long a silence that a beat must be sent."""
        return time.monotonic() >= self._sent_at + HEARTBEAT_S - 0.05

    @property
    def must_go(self) -> bool:
        """True if the stream is old enough to end, or the process is about to end."""
        return self._parts.watcher.released or time.monotonic() >= self._end_at

    async def may_stay(self) -> bool:
        """Check from time to time who the listener is now.

        False if it is nobody any more; an unavailable database changes nothing.
        """
        if time.monotonic() < self._check_at:
            return True
        self._check_at = time.monotonic() + _CHECK_S
        try:
            known = await self._again()
        except Exception as error:
            if not passes(error):
                raise
            return True  # unknown, so it is checked again later
        if known is not None:
            self.principal = known
        return known is not None


async def follow(parts: Parts, listener: Listener, found: FoundJob) -> AsyncGenerator[Happening, None]:
    """Yield what happens to the job, beginning with its current state, until the job has ended or the stream must."""
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
    """True for the errors that an outage of the database raises."""
    return isinstance(error, (TimeoutError, DatabaseUnavailable)) or is_unavailable(error)
