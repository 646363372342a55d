"""Waits for jobs, and can be interrupted: the jobs continue."""

import contextlib
import queue
import shlex
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from todoke.cli.exits import Ended, Exit, exit_of
from todoke.cli.progress import Display, display
from todoke.cli.session import Session
from todoke.cli.terminal import say
from todoke.errors import JobCancelled, JobFailed, TodokeError, WaitTimedOut

if TYPE_CHECKING:
    from todoke.models import Job


_AT_ONCE = 50
"""Jobs that are awaited at the same time: each takes a thread and a connection. When one has ended, the next starts."""


@dataclass(slots=True)
class Outcome:
    """How the wait for one job ended."""

    code: Exit
    job: "Job | None" = None


def follow(
    session: Session, ids: Sequence[str], *, timeout: float | None, cancel_on_interrupt: bool = False
) -> Mapping[str, Outcome]:
    """Wait for the jobs, and show their progress. Raises Ended when interrupted."""
    todoke = session.todoke
    news: queue.Queue[tuple[str, Job | Outcome | Exception]] = queue.Queue()

    waiting = iter(ids)
    until = None if timeout is None else time.monotonic() + timeout

    def wait_for_each() -> None:
        for job_id in waiting:
            wait(job_id, None if until is None else max(0.0, until - time.monotonic()))

    def wait(job_id: str, within: float | None) -> None:
        try:
            job = todoke.jobs.wait(job_id, timeout=within, on_progress=lambda job: news.put((job_id, job)))
            news.put((job_id, Outcome(Exit.DONE, job)))
        except (JobFailed, JobCancelled, WaitTimedOut) as error:
            news.put((job_id, Outcome(exit_of(error), error.job)))
        except Exception as error:  # noqa: BLE001 - raised or told where the command waits, which no thread may do
            news.put((job_id, error))

    ended: dict[str, Outcome] = {}
    try:
        with terminated(on=cancel_on_interrupt), display(quiet=session.quiet) as shown:
            # Threads, so that Ctrl-C takes effect at once and not at the end of a long poll. They end with the process.
            for _ in range(min(len(ids), _AT_ONCE)):
                threading.Thread(target=wait_for_each, daemon=True).start()
            while len(ended) < len(ids):
                _take(news, ended, shown)
    except KeyboardInterrupt:
        _leave(session, [one for one in ids if one not in ended], cancel=cancel_on_interrupt)
    return ended


def _take(
    news: "queue.Queue[tuple[str, Job | Outcome | Exception]]", ended: dict[str, Outcome], shown: Display
) -> None:
    try:
        job_id, what = news.get(timeout=0.2)  # a wait without a limit cannot be interrupted on all systems
    except queue.Empty:
        return
    if isinstance(what, TodokeError | ValueError):
        ended[job_id] = Outcome(exit_of(what))
        say(f"{job_id}: {what}")
    elif isinstance(what, Exception):
        raise what
    elif isinstance(what, Outcome):
        ended[job_id] = what
    else:
        shown.show(what)


def _leave(session: Session, ids: Sequence[str], *, cancel: bool) -> NoReturn:
    named = " ".join(ids)
    if not cancel:
        more = "jobs continue" if len(ids) != 1 else "job continues"
        say(f"\nStopped waiting; the {more}. To wait again: todoke watch {named}")
        raise Ended(Exit.INTERRUPTED) from None
    for job_id in ids:
        try:
            say(f"{job_id}: {session.todoke.jobs.cancel(job_id).status}")
        except TodokeError as error:
            say(f"{job_id}: {error}")
    raise Ended(Exit.INTERRUPTED) from None


@contextlib.contextmanager
def terminated(*, on: bool = True) -> Iterator[None]:
    """Within the block SIGTERM counts as Ctrl-C, if `on` is set: CI ends its jobs by SIGTERM."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if not on or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def explain(outcomes: Mapping[str, Outcome]) -> None:
    """Explain why jobs did not succeed, and what to do."""
    for job_id, one in outcomes.items():
        job = one.job
        if one.code is Exit.JOB_FAILED and job is not None and job.error is not None:
            say(f"{job_id} failed: {job.error.code}: {job.error.message}")
            if job.error.hint:
                say(job.error.hint)
        elif one.code is Exit.JOB_CANCELLED:
            say(f"{job_id} was cancelled")
        elif one.code is Exit.TIME_OVER and job is not None:
            say(f"{job_id} is still {job.status}. To wait again: todoke watch {shlex.quote(job_id)}")
