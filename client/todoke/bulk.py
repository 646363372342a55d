"""`Todoke.bulk`: one action on all jobs that match a filter."""

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
    """One action on all jobs that match a filter. Every method raises ApiError and ConnectionFailed."""

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
        """`cancel`, `retry` or `delete` all jobs that match a filter, the same as in `jobs.list`.

        By default the action is a dry run: it counts the jobs, and `run` carries it out. With `dry_run=False` it runs
        at once. Without `status`, the filter matches the jobs in the states that the action applies to.
        """
        return self._run(
            bulk.create(self._config, action, which, reason=reason, dry_run=dry_run, idempotency_key=idempotency_key)
        )

    def get(self, bulk_id: BulkId) -> BulkAction:
        """Return an action: its progress, and how many jobs had which outcome."""
        return self._run(bulk.get(self._config, bulk_id))

    def run(self, bulk_id: BulkId) -> BulkAction:
        """Carry out a dry run of your own. Safe to repeat."""
        return self._run(bulk.run(self._config, bulk_id))

    def stop(self, bulk_id: BulkId) -> BulkAction:
        """Stop an action. What it has done stays done. Safe to repeat."""
        return self._run(bulk.stop(self._config, bulk_id))

    def list(self, *, page_size: int | None = None, page_token: str | None = None) -> BulkActionsPage:
        """Return one page of the actions that you can see, newest first."""
        return self._run(bulk.list_page(self._config, page_size=page_size, page_token=page_token))

    def results(
        self,
        bulk_id: BulkId,
        *,
        outcome: str | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
    ) -> BulkResultsPage:
        """Return one page of the outcomes per job, newest first; `outcome`, such as `refused`, selects one kind.

        `iter_results` yields those of all pages.
        """
        return self._run(
            bulk.results(self._config, bulk_id, outcome=outcome, page_size=page_size, page_token=page_token)
        )

    def iter_results(
        self, bulk_id: BulkId, *, outcome: str | None = None, page_size: int | None = None
    ) -> Iterator[BulkResult]:
        """Yield the outcome for each job, fetching pages as needed; `outcome` selects one kind."""
        return self._iterate(bulk.iterate_results(self._config, bulk_id, outcome=outcome, page_size=page_size))
