"""`AsyncTodoke.schedules`: the methods of `Todoke.schedules`, without blocking."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Unpack
from uuid import UUID

from todoke._core import schedules
from todoke._core.config import Config
from todoke._core.steps import AsyncIterate, AsyncRun
from todoke.schedule_options import ScheduleChanges, ScheduleOptions
from todoke.schedule_values import (
    Backfill,
    Schedule,
    SchedulePlan,
    ScheduleRun,
    SchedulesPage,
    Tick,
    TicksPage,
)

ScheduleId = str | UUID | Schedule


class AsyncSchedules:
    """Reports that run on a schedule. Every method raises ApiError and ConnectionFailed."""

    def __init__(self, config: Config, run: AsyncRun, iterate: AsyncIterate) -> None:
        self._config = config
        self._run = run
        self._iterate = iterate

    async def create(
        self,
        name: str,
        report_type: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        *,
        formats: Sequence[str] | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> Schedule:
        """Create a schedule: by `cron` in a `time_zone`, or every `every_seconds`.

        At each tick, the schedule acts with the scopes that its creator has at that time. All retries of a call carry
        one idempotency key, so they create one schedule.
        """
        given = {"name": name, "report_type": report_type, "parameters": parameters, "formats": formats, **options}
        return await self._run(schedules.create(self._config, given, idempotency_key=idempotency_key))

    async def preview(
        self,
        name: str,
        report_type: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        *,
        formats: Sequence[str] | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> SchedulePlan:
        """Preview a schedule without creating it: its timing in words, and its next ticks."""
        given = {"name": name, "report_type": report_type, "parameters": parameters, "formats": formats, **options}
        return await self._run(schedules.preview(self._config, given))

    async def get(self, schedule: ScheduleId) -> Schedule:
        """Return one schedule, with its next ticks."""
        return await self._run(schedules.get(self._config, schedule))

    async def list(self, *, page_size: int | None = None, page_token: str | None = None) -> SchedulesPage:
        """Return one page of the schedules that you can see, newest first; `iter` yields all of them."""
        return await self._run(schedules.list_page(self._config, page_size=page_size, page_token=page_token))

    def iter(self, *, page_size: int | None = None) -> AsyncIterator[Schedule]:
        """Yield every schedule that you can see, newest first, fetching pages as needed."""
        return self._iterate(schedules.iterate(self._config, page_size=page_size))

    async def update(
        self, schedule: ScheduleId, *, if_match: str | None = None, **changes: Unpack[ScheduleChanges]
    ) -> Schedule:
        """Change the given fields and keep the others; None resets a field to its default.

        From then on the schedule acts on your behalf; if it was stopped, it becomes active again. Raises Changed if
        `if_match` is no longer its `etag`.
        """
        return await self._run(schedules.update(self._config, schedule, changes, if_match=if_match))

    async def delete(self, schedule: ScheduleId, *, if_match: str | None = None) -> None:
        """Delete a schedule and its history. Its jobs stay."""
        return await self._run(schedules.delete(self._config, schedule, if_match=if_match))

    async def pause(self, schedule: ScheduleId, *, note: str | None = None, if_match: str | None = None) -> Schedule:
        """Pause a schedule: it has no ticks until it is resumed."""
        return await self._run(schedules.pause(self._config, schedule, note=note, if_match=if_match))

    async def resume(self, schedule: ScheduleId, *, if_match: str | None = None) -> Schedule:
        """Resume a paused or stopped schedule, on your behalf. Ticks missed meanwhile are not submitted: see
        `backfill`.
        """
        return await self._run(schedules.resume(self._config, schedule, if_match=if_match))

    async def run(self, schedule: ScheduleId, *, idempotency_key: str | None = None) -> ScheduleRun:
        """Submit the schedule's job now, in addition to its ticks and even while it is paused.

        Calls with the same `idempotency_key` submit one job. Without a key, each call makes its own, so its retries
        submit one job.
        """
        return await self._run(schedules.run(self._config, schedule, idempotency_key=idempotency_key))

    async def backfill(self, schedule: ScheduleId, begin: datetime | str, end: datetime | str) -> Backfill:
        """Submit the jobs of past ticks from `begin` up to, but not including, `end`, where a tick had no job.

        Those are ticks that were missed, skipped or failed, or are from before the schedule was created.
        """
        return await self._run(schedules.backfill(self._config, schedule, begin, end))

    async def ticks(
        self, schedule: ScheduleId, *, page_size: int | None = None, page_token: str | None = None
    ) -> TicksPage:
        """Return one page of its ticks, latest first. Skipped and failed ticks carry the reason."""
        return await self._run(schedules.ticks(self._config, schedule, page_size=page_size, page_token=page_token))

    def iter_ticks(self, schedule: ScheduleId, *, page_size: int | None = None) -> AsyncIterator[Tick]:
        """Yield every tick of its history, latest first, fetching pages as needed."""
        return self._iterate(schedules.iterate_ticks(self._config, schedule, page_size=page_size))
