"""`Todoke.bulk`: one thing done to all jobs of a filter."""

from collections.abc import Iterator
from typing import Unpack
from uuid import UUID

from todoke._core import bulk
from todoke._core.config import Config
from todoke._core.steps import Iterate, Run
from todoke.bulk_actions import BulkAction, BulkActionsPage, BulkResult, BulkResultsPage
from todoke.options import JobFilter

BulkId = str | UUID | BulkAction


class Bulk:
    """One thing done to all jobs of a filter. Every method raises ApiError and ConnectionFailed."""

    def __init__(self, config: Config, run: Run, iterate: Iterate) -> None:
        self._config = config
        self._run = run
        self._iterate = iterate

    def create(
        self,
        action: str,
        *,
        reason: str | None = None,
        dry_run: bool = True,
        idempotency_key: str | None = None,
        **which: Unpack[JobFilter],
    ) -> BulkAction:
        """`cancel`, `retry` or `delete` all jobs of a filter, as for `jobs.list`: counted first, to be looked at.

        With `dry_run=False` it is carried out at once. Without `status` an action means the jobs that it is for.
        """
        return self._run(
            bulk.create(self._config, action, which, reason=reason, dry_run=dry_run, idempotency_key=idempotency_key)
        )

    def get(self, bulk_id: BulkId) -> BulkAction:
        """How far an action has come, and what became of how many jobs."""
        return self._run(bulk.get(self._config, bulk_id))

    def run(self, bulk_id: BulkId) -> BulkAction:
        """Carry out a dry run of your own. Once more is harmless."""
        return self._run(bulk.run(self._config, bulk_id))

    def stop(self, bulk_id: BulkId) -> BulkAction:
        """Let an action do nothing more; what it has done stays. Once more is harmless."""
        return self._run(bulk.stop(self._config, bulk_id))

    def list(self, *, page_size: int | None = None, page_token: str | None = None) -> BulkActionsPage:
        """One page of the actions that you see, newest first."""
        return self._run(bulk.list_page(self._config, page_size=page_size, page_token=page_token))

    def results(
        self,
        bulk_id: BulkId,
        *,
        outcome: str | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
    ) -> BulkResultsPage:
        """One page of what became of each job, newest first; of one outcome, such as `refused`, if it is named.

        `iter_results` goes through all pages.
        """
        return self._run(
            bulk.results(self._config, bulk_id, outcome=outcome, page_size=page_size, page_token=page_token)
        )

    def iter_results(
        self, bulk_id: BulkId, *, outcome: str | None = None, page_size: int | None = None
    ) -> Iterator[BulkResult]:
        """What became of each job, page by page as they are used; of one outcome, if it is named."""
        return self._iterate(bulk.iterate_results(self._config, bulk_id, outcome=outcome, page_size=page_size))
