"""`Todoke.schedules`: reports that come by themselves."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Unpack
from uuid import UUID

from todoke._core import schedules
from todoke._core.config import Config
from todoke._core.steps import Iterate, Run
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


class Schedules:
    """Reports that come by themselves. Every method raises ApiError and ConnectionFailed."""

    def __init__(self, config: Config, run: Run, iterate: Iterate) -> None:
        self._config = config
        self._run = run
        self._iterate = iterate

    def create(
        self,
        name: str,
        report_type: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        *,
        formats: Sequence[str] | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> Schedule:
        """Ask for a report again and again: by `cron` in a `time_zone`, or every so many seconds.

        The schedule acts with the scopes that its maker has at each tick. All tries of a call carry one idempotency
        key, so they make one schedule.
        """
        given = {"name": name, "report_type": report_type, "parameters": parameters, "formats": formats, **options}
        return self._run(schedules.create(self._config, given, idempotency_key=idempotency_key))

    def preview(
        self,
        name: str,
        report_type: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        *,
        formats: Sequence[str] | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> SchedulePlan:
        """What such a schedule would be: when it is due in words, and its next ticks. Nothing is written."""
        given = {"name": name, "report_type": report_type, "parameters": parameters, "formats": formats, **options}
        return self._run(schedules.preview(self._config, given))

    def get(self, schedule: ScheduleId) -> Schedule:
        """One schedule, with its next ticks."""
        return self._run(schedules.get(self._config, schedule))

    def list(self, *, page_size: int | None = None, page_token: str | None = None) -> SchedulesPage:
        """One page of the schedules that you see, newest first; `iter` goes through all of them."""
        return self._run(schedules.list_page(self._config, page_size=page_size, page_token=page_token))

    def iter(self, *, page_size: int | None = None) -> Iterator[Schedule]:
        """Every schedule that you see, newest first, page by page as they are used."""
        return self._iterate(schedules.iterate(self._config, page_size=page_size))

    def update(
        self, schedule: ScheduleId, *, if_match: str | None = None, **changes: Unpack[ScheduleChanges]
    ) -> Schedule:
        """Change what is named, and leave the rest; None is what a field is when it is left out.

        The schedule acts on your behalf from then on, and goes on if it had stopped. Raises Changed if it is not the
        one of `if_match` any more: a schedule's `etag`.
        """
        return self._run(schedules.update(self._config, schedule, changes, if_match=if_match))

    def delete(self, schedule: ScheduleId, *, if_match: str | None = None) -> None:
        """Delete a schedule with its history. Its jobs stay."""
        return self._run(schedules.delete(self._config, schedule, if_match=if_match))

    def pause(self, schedule: ScheduleId, *, note: str | None = None, if_match: str | None = None) -> Schedule:
        """Let no tick come until somebody resumes it."""
        return self._run(schedules.pause(self._config, schedule, note=note, if_match=if_match))

    def resume(self, schedule: ScheduleId, *, if_match: str | None = None) -> Schedule:
        """Go on after a pause or a stop, on your behalf. What was due meanwhile is not made up for: `backfill`."""
        return self._run(schedules.resume(self._config, schedule, if_match=if_match))

    def run(self, schedule: ScheduleId, *, idempotency_key: str | None = None) -> ScheduleRun:
        """Submit its job now, beside its ticks; also while it is paused. The same key submits one job.

        Without one the call makes its own, so that its tries submit one job between them.
        """
        return self._run(schedules.run(self._config, schedule, idempotency_key=idempotency_key))

    def backfill(self, schedule: ScheduleId, begin: datetime | str, end: datetime | str) -> Backfill:
        """Submit the jobs of those ticks from `begin` to before `end`, in the past, that had none.

        They were missed, skipped or failed, or are from before the schedule was made.
        """
        return self._run(schedules.backfill(self._config, schedule, begin, end))

    def ticks(self, schedule: ScheduleId, *, page_size: int | None = None, page_token: str | None = None) -> TicksPage:
        """One page of what became of its ticks, the latest first; of those that were skipped, too, with the reason."""
        return self._run(schedules.ticks(self._config, schedule, page_size=page_size, page_token=page_token))

    def iter_ticks(self, schedule: ScheduleId, *, page_size: int | None = None) -> Iterator[Tick]:
        """Every tick of its history, the latest first, page by page as they are used."""
        return self._iterate(schedules.iterate_ticks(self._config, schedule, page_size=page_size))
