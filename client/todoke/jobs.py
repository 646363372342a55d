"""`Todoke.jobs`: the methods, each of which is described here and done in `_core`."""

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
"""Wherever a job is asked for, its id will do, and so will what another method returned. ValueError for no id."""


class Jobs:
    """Jobs: what was asked for, and what became of it. Every method raises ApiError and ConnectionFailed."""

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
        """Ask for a report. Returns a job that is durable; what is left out is what the server makes of nothing.

        All tries of a call carry one idempotency key, so they make one job. Give a key of your own to make one job
        over several calls or runs of your program. `options` are those of JobOptions.

        With `reuse_seconds` a question that was asked within so many seconds is answered with the job of then:
        `reused` is True.
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
        """Ask for many reports, a thousand in a request. Returns what became of each, in their order.

        One that is refused harms no other, and is not raised: its `problem` says why. Each has a key of its own for all
        tries; give keys of your own where your program may be run again.
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
        """What a report would be: rows, seconds, and what would go wrong. Nothing is made.

        Takes what `create` takes, but for the key, and counts as five requests for the rate limit.
        """
        return self._run(
            jobs.estimate(
                self._config, report_type, parameters, formats=formats, reuse_seconds=reuse_seconds, options=options
            )
        )

    def get(self, job: JobId) -> Job:
        """The job as it is now."""
        return self._run(jobs.get(self._config, job))

    def list(
        self, *, page_size: int | None = None, page_token: str | None = None, **which: Unpack[JobFilter]
    ) -> JobsPage:
        """One page of jobs, newest first; `iter` goes through all of them. `which` is what JobFilter says.

        Go on with `page_token=page.next_page_token` until that is None. A page may be short, even empty, although
        more follow.
        """
        return self._run(jobs.list_page(self._config, which, page_size=page_size, page_token=page_token))

    def iter(self, *, page_size: int | None = None, **which: Unpack[JobFilter]) -> Iterator[Job]:
        """Every job, newest first, page by page as they are used. `which` is what JobFilter says."""
        return self._iterate(jobs.iterate(self._config, which, page_size=page_size))

    def events(self, job: JobId) -> Sequence[Event]:
        """Every change of the job's state, oldest first."""
        return self._run(jobs.events(self._config, job))

    def why(self, job: JobId) -> Why:
        """Why the job is where it is: what it waits for, who holds it, when it goes on."""
        return self._run(jobs.why(self._config, job))

    def stream(self, job: JobId) -> Iterator[Job]:
        """Every state of the job as it comes, from now until it has ended.

        A lost connection is opened again, for five minutes.
        """
        return self._iterate(streaming.follow_stream(self._config, job))

    def changes(self, *, on_missed: OnMissed | None = None) -> Iterator[JobInShort]:
        """Every job that is new or changes, in short, among those that the key sees, without an end.

        Begins with the newest fifty, oldest first. A lost connection is opened again, for five minutes, and no version
        of a job is told twice. While more than a thousand jobs of the tenant go on, changes of the oldest may be
        missed, and so may a great many changes at once. `on_missed` is called then, and again for jobs that ended
        meanwhile: `list` has the truth. How the others are follows by itself, within a minute.
        """
        return self._iterate(changes.follow_changes(self._config, on_missed))

    def wait(self, job: JobId, *, timeout: float | None = None, on_progress: OnProgress | None = None) -> Job:
        """Wait until the job has succeeded, and return it. `on_progress` is called with each state of it that is seen.

        Raises JobFailed and JobCancelled if it ends so, and WaitTimedOut after `timeout` seconds: the job goes on. A
        server that is away is waited for, too: until `timeout`, or for five minutes.
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
        """Download the job's files, or those that are named (`manifest.json` is one), into a folder.

        A file gets its name when all its bytes are there and its SHA-256 is right; until then it is a `.part` file,
        with which the next call goes on. A file that is there already is not fetched again, and another of the same
        name raises AlreadyThere unless `force`. Raises NotReady, JobFailed, JobCancelled, NoFiles, CorruptDownload
        and OSError.
        """
        return self._run(downloads.download(self._config, job, Path(folder), names, force=force))

    def download_as(
        self, job: JobId, path: str | os.PathLike[str], name: str | None = None, *, force: bool = False
    ) -> Downloaded:
        """Download one file under a name of your own; without `name`, the only one that the job has."""
        return self._run(downloads.download_one(self._config, job, Path(path), name, force=force))

    def download_into(self, job: JobId, into: BinaryIO, name: str | None = None) -> Downloaded:
        """Download one file into something that takes bytes; without a name, the only one that the job has.

        The bytes are checked when all have passed: CorruptDownload means that they must not be used.
        """
        return self._run(downloads.download_into(self._config, job, name, into))

    def rows(self, job: JobId, *, page_size: int | None = None, after: int | None = None) -> RowsPage:
        """Some of the report's first rows, without a download: a hundred, or `page_size` (at most 1,000).

        Go on with `after=page.next_after` until that is None; `iter_rows` goes through all. The server keeps up to
        1,000 rows. Raises Conflict if the job has not succeeded, NotFound if it keeps no rows, Gone if they have
        expired.
        """
        return self._run(rows.page(self._config, job, page_size=page_size, after=after))

    def iter_rows(self, job: JobId) -> Iterator[Row]:
        """Each of the rows that are kept, page by page as they are used. Raises what `rows` raises."""
        return self._iterate(rows.iterate(self._config, job))

    def first_page(self, job: JobId) -> bytes:
        """A small picture (PNG) of the first page of the job's PDF. Raises what `rows` raises."""
        return self._run(rows.picture(self._config, job))

    def cancel(self, job: JobId, *, if_match: str | None = None) -> Job:
        """Cancel the job. If a worker holds it, the worker is told: the job may still end otherwise.

        Raises Conflict if it had ended, and Changed if it is not the one of `if_match` any more: a job's `etag`.
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
        """Keep an ended job and its files for longer: until then, or as long as the operator allows.

        Nothing is kept for less time than before. Raises Conflict if the job goes on or its files have expired.
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
        """Make a link with which anybody downloads that file, without a key: for a week, unless you say otherwise.

        Its `url` is told once. It ends with the file, and with the key that made it if that is revoked; `shares` lists
        and revokes links. Raises Conflict if the job has no files yet, and where links are turned off.
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
        """Erase the job, its history and its files, for good. `cancel` ends one that goes on, too.

        Raises Conflict if it goes on, and Changed if it is not the one of `if_match` any more.
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
        """Ask again for what an ended job was asked for. Returns the new job.

        A parameter that is not named stays as it was, and one that is None takes its default; options stay, too.
        Raises Conflict if the job goes on, and Changed if it is not the one of `if_match` any more.
        """
        flow = jobs.retry(
            self._config, job, parameters, formats=formats, idempotency_key=idempotency_key, if_match=if_match,
            options=options,
        )  # fmt: skip
        return self._run(flow)
