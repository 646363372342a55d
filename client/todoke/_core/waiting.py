"""Waits for the end of a job, through outages of the server."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from todoke._core.config import Config
from todoke._core.event_stream import BEAT_S, listen
from todoke._core.requests import AWAY_S, Request, content_of, job_path, may_pass, pause_after, retry_after, send
from todoke._core.steps import Answer, Flow, Sleep
from todoke._core.streaming import JobStream, stream_path
from todoke.errors import JobCancelled, JobFailed, TodokeError, WaitTimedOut
from todoke.models import CANCELLED, SUCCESS, Job

_LONGEST_POLL_S = 30
"""The longest poll that the API grants (`Prefer: wait=`)."""
_ASK_S = BEAT_S + 5
"""The last seconds of a wait are polled, not streamed: a stream may be silent for the length of a beat."""

OnProgress = Callable[[Job], None]


def outcome(job: Job) -> Job:
    """Return the job if it succeeded. Raises JobFailed or JobCancelled if it ended otherwise."""
    if job.status == SUCCESS:
        return job
    raise JobCancelled(job) if job.status == CANCELLED else JobFailed(job)


def wait(config: Config, job: object, *, timeout: float | None, on_progress: OnProgress | None) -> Flow[Job]:
    """Wait until the job has succeeded. Raises JobFailed, JobCancelled, WaitTimedOut, and what a request raises."""
    ended = yield from follow(config, job, timeout=timeout, on_progress=on_progress)
    return outcome(ended)


def follow(config: Config, job: object, *, timeout: float | None, on_progress: OnProgress | None) -> Flow[Job]:
    """Wait until the job has ended, in whatever state. Raises WaitTimedOut and what a request raises."""
    path = job_path(job)
    watch = _Watch(config, timeout, on_progress)
    while True:
        left = watch.left()
        try:
            answer = yield from send(_hasty(config), _poll(path, watch.etag, left))
        except TodokeError as failure:
            yield from watch.bear(failure)
            continue
        watch.answered()
        if answer.status != 304:
            watch.etag = answer.headers.get("etag")
            watch.saw(Job.from_json(content_of(answer), etag=watch.etag))
        if listened := watch.may_listen():
            yield from _listen(config, job, watch)
        if watch.job is not None and watch.job.ended:
            return watch.job
        if watch.job is not None and watch.left() <= 0:
            raise WaitTimedOut(watch.job)
        if "preference-applied" not in answer.headers and not listened:
            yield Sleep(watch.within(retry_after(answer) or 1.0))


def _listen(config: Config, job: object, watch: "_Watch") -> Flow[None]:
    """Watch the states over a stream. A stream that breaks early is not opened again: polling takes over."""
    stream, begun = JobStream(watch.saw, lambda: watch.left() < _ASK_S), config.clock()
    try:
        answer: Answer = yield listen(config, stream_path(job), stream)
        watch.streams = stream.writer_for(answer) is not None and config.clock() - begun > _LONGEST_POLL_S
    except TodokeError:
        watch.streams = False


def _hasty(config: Config) -> Config:
    """The watch limits retries by time, so a request does not retry by itself."""
    return replace(config, max_retries=0)


def _poll(path: str, etag: str | None, left: float) -> Request:
    seconds = int(min(left, _LONGEST_POLL_S))
    headers = {"If-None-Match": etag} if etag else {}
    if seconds > 0 and etag:  # the first look returns at once, for `on_progress`
        headers["Prefer"] = f"wait={seconds}"
    return Request("GET", path, headers=headers, fine=frozenset({200, 304}), wait_s=float(seconds if etag else 0))


@dataclass(slots=True)
class _Watch:
    """The time that is left, and the states seen."""

    config: Config
    timeout: float | None
    on_progress: OnProgress | None
    job: Job | None = None
    streams: bool = True
    """Whether to use a stream."""
    etag: str | None = None
    _until: float = 0.0
    _silent_since: float | None = None
    _tries: int = 0

    def __post_init__(self) -> None:
        if self.timeout is not None and not self.timeout >= 0:  # NaN is not a time
            raise ValueError(f"timeout must be seconds, 0 or more, or None for no limit, not {self.timeout}")
        self._until = float("inf") if self.timeout is None else self.config.clock() + self.timeout

    def left(self) -> float:
        """Seconds until the waiting ends."""
        return self._until - self.config.clock()

    def within(self, seconds: float) -> float:
        """Return `seconds`, but no more than are left."""
        return max(0.0, min(seconds, self.left()))

    def may_listen(self) -> bool:
        """True if there is time for a stream, and the job has not ended."""
        return self.streams and self.job is not None and not self.job.ended and self.left() > 2 * _ASK_S

    def saw(self, job: Job) -> None:
        """Record a state of the job, and report it if it is new."""
        known, self.job = self.job, job
        if self.on_progress is not None and (known is None or known.raw != job.raw):
            self.on_progress(job)

    def answered(self) -> None:
        """Record that the API is reachable."""
        self._silent_since, self._tries = None, 0

    def bear(self, failure: TodokeError) -> Flow[None]:
        """Pause after a failure that may pass. Raises a failure that does not, or has lasted too long."""
        if not may_pass(failure):
            raise failure
        now = self.config.clock()
        self._silent_since = now if self._silent_since is None else self._silent_since
        if self.left() <= 0:
            raise failure if self.job is None else WaitTimedOut(self.job) from failure
        if self.timeout is None and now - self._silent_since > AWAY_S:
            raise failure
        pause = pause_after(failure, self._tries, self.config)
        self._tries += 1
        yield Sleep(self.within(8.0 if pause is None else pause))
