"""Follows one job: an event for each state."""

from collections.abc import Callable, Iterable

from todoke._core.config import Config
from todoke._core.event_stream import EventStream, listen
from todoke._core.requests import AWAY_S, job_path, may_pass, pause_after
from todoke._core.steps import Answer, Flow, Sleep
from todoke.errors import ConnectionFailed, TodokeError
from todoke.models import Job


class JobStream(EventStream):
    """Emits each state of the job."""

    def __init__(
        self,
        on_job: Callable[[Job], None] | None = None,
        stop: Callable[[], bool] = lambda: False,
        known: Job | None = None,
    ) -> None:
        super().__init__()
        self._on_job = on_job
        self._stop = stop
        self.job = known
        """The last state seen, by this stream or the one before."""
        self.ended = False
        """True if the server said that the job has ended."""

    @property
    def enough(self) -> bool:
        """True after the last state, or when told to stop."""
        return self.ended or (self.job is not None and self.job.ended) or self._stop()

    def event(self, name: str, data: str) -> Iterable[Job]:
        """Return a state of the job, if it is new. Raises UnexpectedAnswer."""
        if name == "end":
            self.ended = True
        if name != "job":
            return ()
        job = Job.from_json(self.content(data))
        known, self.job, self.told = self.job, job, True
        if known is not None and known.raw == job.raw:
            return ()
        if self._on_job is not None:
            self._on_job(job)
        return (job,)


def stream_path(job: object) -> str:
    """Return the path of a job's stream. Raises ValueError."""
    return job_path(job, "/stream")


def follow_stream(config: Config, job: object) -> Flow[None]:
    """Emit every state of the job until it has ended; reconnect when the stream is lost."""
    last_id, known, tries, silent_since = None, None, 0, config.clock()
    while True:
        stream = JobStream(known=known)
        try:
            answer: Answer = yield listen(config, stream_path(job), stream, last_id)
            if answer.status == 204 or stream.enough:
                return
            stream.checked(answer, config.url)
            if not stream.told:
                raise ConnectionFailed(f"{config.url} closed the event stream before it began")
            pause = stream.pause_s
        except TodokeError as failure:
            if not may_pass(failure):
                raise
            later = pause_after(failure, tries, config)
            if not stream.told and config.clock() - silent_since > AWAY_S:
                raise
            pause, tries = 8.0 if later is None else later, tries + 1
        if stream.told:
            silent_since, tries = config.clock(), 0
        last_id, known = stream.last_id or last_id, stream.job
        yield Sleep(pause)
