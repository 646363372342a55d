"""`Todoke.jobs`: the methods, documented here and implemented in `_core`."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Unpack
from uuid import UUID

from todoke._core import changes, downloads, jobs, rows, shares, streaming, waiting
from todoke._core.changes import OnMissed
from todoke._core.config import Config
from todoke._core.steps import Iterate, Run
from todoke._core.waiting import OnProgress
from todoke.changes import JobInShort
from todoke.estimate import Estimate
from todoke.models import Accepted, Downloaded, Event, Job, JobsPage, Retried, Submitted
from todoke.options import JobFilter, JobOptions, Submission
from todoke.rows import Row, RowsPage
from todoke.share_values import MadeShare
from todoke.why import Why

JobId = str | UUID | Accepted | Submitted | Retried | Job | JobInShort
"""Wherever a method takes a job: its id, or what another method returned. Raises ValueError for an invalid id."""


class Jobs:
    """Jobs and their results. Every method raises ApiError and ConnectionFailed."""

    def __init__(self, config: Config, run: Run, iterate: Iterate) -> None:
        self._config = config
        self._run = run
        self._iterate = iterate

    def create(
        self,
        report_type: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        *,
        formats: Sequence[str] | None = None,
        idempotency_key: str | None = None,
        reuse_seconds: int | None = None,
        **options: Unpack[JobOptions],
    ) -> Accepted:
        """Submit a report. The returned job is durable. The server's defaults apply to whatever is left out.

        All retries of a call carry one idempotency key, so they create one job. Pass your own `idempotency_key` to
        create one job across several calls or runs of your program. `options` are the fields of JobOptions.

        With `reuse_seconds`, the same request made within that time returns the earlier job, with `reused` set.
        """
        return self._run(
            jobs.create(
                self._config,
                report_type,
                parameters,
                formats=formats,
                idempotency_key=idempotency_key,
                reuse_seconds=reuse_seconds,
                options=options,
            )
        )

    def create_many(self, submissions: Iterable[Submission]) -> Sequence[Submitted]:
        """Submit many reports, up to a thousand per request. Returns one result per submission, in order.

        A refused submission affects no other and raises nothing: its `problem` says why. All retries of a submission
        carry one idempotency key; set your own keys if your program may run again.
        """
        return self._run(jobs.create_many(self._config, submissions))

    def estimate(
        self,
        report_type: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        *,
        formats: Sequence[str] | None = None,
        reuse_seconds: int | None = None,
        **options: Unpack[JobOptions],
    ) -> Estimate:
        """Estimate a report without making it: rows, seconds, and what would go wrong.

        Takes the arguments of `create`, except the key. Counts as five requests against the rate limit.
        """
        return self._run(
            jobs.estimate(
                self._config, report_type, parameters, formats=formats, reuse_seconds=reuse_seconds, options=options
            )
        )

    def get(self, job: JobId) -> Job:
        """Return the job's current state."""
        return self._run(jobs.get(self._config, job))

    def list(
        self, *, page_size: int | None = None, page_token: str | None = None, **which: Unpack[JobFilter]
    ) -> JobsPage:
        """Return one page of jobs, newest first. `which` takes the fields of JobFilter; `iter` yields all jobs.

        Continue with `page_token=page.next_page_token` until that is None. A page may be short, or even empty, although
        more pages follow.
        """
        return self._run(jobs.list_page(self._config, which, page_size=page_size, page_token=page_token))

    def iter(self, *, page_size: int | None = None, **which: Unpack[JobFilter]) -> Iterator[Job]:
        """Yield every job, newest first, fetching pages as needed. `which` takes the fields of JobFilter."""
        return self._iterate(jobs.iterate(self._config, which, page_size=page_size))

    def events(self, job: JobId) -> Sequence[Event]:
        """Return every state change of the job, oldest first."""
        return self._run(jobs.events(self._config, job))

    def why(self, job: JobId) -> Why:
        """Explain the job's state: what it waits for, who runs it, and when it continues."""
        return self._run(jobs.why(self._config, job))

    def stream(self, job: JobId) -> Iterator[Job]:
        """Yield each state of the job, from now until it has ended.

        Reconnects for up to five minutes when the connection is lost.
        """
        return self._iterate(streaming.follow_stream(self._config, job))

    def changes(self, *, on_missed: OnMissed | None = None) -> Iterator[JobInShort]:
        """Yield a summary of each job that is new or changes, without end. Covers the jobs that the key can see.

        Starts with the newest fifty jobs, oldest of them first. Reconnects for up to five minutes when the connection
        is lost, and never yields the same version of a job twice.

        Changes can be missed: those of the oldest jobs while the tenant has more than a thousand unfinished ones, or
        when a great many jobs change at once. `on_missed` is called then. Unfinished jobs catch up by themselves within
        a minute; for jobs that ended meanwhile `on_missed` is called again, and `list` shows their state.
        """
        return self._iterate(changes.follow_changes(self._config, on_missed))

    def wait(self, job: JobId, *, timeout: float | None = None, on_progress: OnProgress | None = None) -> Job:
        """Wait until the job has succeeded, and return it. `on_progress` is called with each state seen.

        Raises JobFailed or JobCancelled if the job ends so, and WaitTimedOut after `timeout` seconds; the job itself
        continues. While the server is unreachable, waiting continues until `timeout`, or for five minutes.
        """
        return self._run(waiting.wait(self._config, job, timeout=timeout, on_progress=on_progress))

    def download(
        self,
        job: JobId,
        folder: str | os.PathLike[str],
        names: Sequence[str] | None = None,
        *,
        force: bool = False,
    ) -> Sequence[Downloaded]:
        """Download the job's files into a folder: all of them, or those in `names` (`manifest.json` is one).

        A file gets its name once it is complete and its SHA-256 matches. Until then it is a `.part` file, which the
        next call resumes. A file that is already there is not fetched again. A different file of the same name raises
        AlreadyThere, unless `force` is set. Raises NotReady, JobFailed, JobCancelled, NoFiles, CorruptDownload and
        OSError.
        """
        return self._run(downloads.download(self._config, job, Path(folder), names, force=force))

    def download_as(
        self, job: JobId, path: str | os.PathLike[str], name: str | None = None, *, force: bool = False
    ) -> Downloaded:
        """Download one file to `path`. Without `name`, the job must have exactly one file."""
        return self._run(downloads.download_one(self._config, job, Path(path), name, force=force))

    def download_into(self, job: JobId, into: BinaryIO, name: str | None = None) -> Downloaded:
        """Download one file into a binary file object. Without `name`, the job must have exactly one file.

        The SHA-256 is checked after the last byte: on CorruptDownload, discard what was written.
        """
        return self._run(downloads.download_into(self._config, job, name, into))

    def rows(self, job: JobId, *, page_size: int | None = None, after: int | None = None) -> RowsPage:
        """Return some of the report's first rows, without a download: `page_size` of them (default 100, at most 1,000).

        Continue with `after=page.next_after` until that is None, or use `iter_rows`. The server keeps up to 1,000 rows.
        Raises Conflict if the job has not succeeded, NotFound if it keeps no rows, and Gone if they have expired.
        """
        return self._run(rows.page(self._config, job, page_size=page_size, after=after))

    def iter_rows(self, job: JobId) -> Iterator[Row]:
        """Yield each row that the server keeps, fetching pages as needed. Raises the same errors as `rows`."""
        return self._iterate(rows.iterate(self._config, job))

    def first_page(self, job: JobId) -> bytes:
        """Return a small PNG of the first page of the job's PDF. Raises the same errors as `rows`."""
        return self._run(rows.picture(self._config, job))

    def cancel(self, job: JobId, *, if_match: str | None = None) -> Job:
        """Cancel the job. If a worker is running it, the worker is asked to stop, and the job may still end otherwise.

        Raises Conflict if the job had ended, and Changed if `if_match` is no longer its `etag`.
        """
        return self._run(jobs.cancel(self._config, job, if_match=if_match))

    def keep(
        self,
        job: JobId,
        *,
        expires_at: datetime | str | None = None,
        kept_until: datetime | str | None = None,
        if_match: str | None = None,
    ) -> Job:
        """Keep an ended job and its files longer: until the given times, or as long as the operator allows.

        Never shortens the time. Raises Conflict if the job has not ended or its files have expired.
        """
        return self._run(jobs.keep(self._config, job, expires_at=expires_at, kept_until=kept_until, if_match=if_match))

    def share(
        self,
        job: JobId,
        name: str,
        *,
        expires_seconds: int | None = None,
        max_downloads: int | None = None,
        idempotency_key: str | None = None,
    ) -> MadeShare:
        """Create a link that downloads the file without a key. It lasts a week by default.

        `url` is returned only once. The link expires with the file, and with the key that created it if that is
        revoked; `shares` lists and revokes links. Raises Conflict if the job has no files yet, or if links are turned
        off.
        """
        return self._run(
            shares.create(
                self._config,
                job,
                name,
                expires_seconds=expires_seconds,
                max_downloads=max_downloads,
                idempotency_key=idempotency_key,
            )
        )

    def delete(self, job: JobId, *, cancel: bool = False, if_match: str | None = None) -> None:
        """Erase the job, its history and its files permanently. With `cancel`, an unfinished job is cancelled first.

        Raises Conflict if the job has not ended, and Changed if `if_match` is no longer its `etag`.
        """
        return self._run(jobs.delete(self._config, job, cancel_first=cancel, if_match=if_match))

    def retry(
        self,
        job: JobId,
        parameters: Mapping[str, Any] | None = None,
        *,
        formats: Sequence[str] | None = None,
        idempotency_key: str | None = None,
        if_match: str | None = None,
        **options: Unpack[JobOptions],
    ) -> Retried:
        """Repeat an ended job. Returns the new job.

        A parameter that is left out keeps its value, and None resets it to its default. Options that are left out keep
        their values, too. Raises Conflict if the job has not ended, and Changed if `if_match` is no longer its `etag`.
        """
        flow = jobs.retry(
            self._config, job, parameters, formats=formats, idempotency_key=idempotency_key, if_match=if_match,
            options=options,
        )  # fmt: skip
        return self._run(flow)
