"""Listen to a job: server-sent events, one for each state of it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from todoke._core.config import Config
from todoke._core.requests import Request, job_path, may_pass, pause_after, problem_of, to_send
from todoke._core.steps import Answer, Flow, Send, Sleep
from todoke.errors import TodokeError, UnexpectedAnswer
from todoke.models import Job

BEAT_S = 15.0
"""The server breaks each silence of that length."""
_SILENCE_S = BEAT_S + 10
_MOST_BYTES = 32 * 1024 * 1024
"""Of one event."""
_SOON_S = 1.0


class JobStream:
    """Takes a stream apart, and gives each state of the job as it comes."""

    blocking = False

    def __init__(
        self,
        on_job: Callable[[Job], None] | None = None,
        stop: Callable[[], bool] = lambda: False,
        known: Job | None = None,
    ) -> None:
        self._on_job = on_job
        self._stop = stop
        self._rest = bytearray()
        self._name = ""
        self._data: list[str] = []
        self._size = 0
        self.job = known
        """As it was told last, by this stream or by the one before."""
        self.told = False
        """True if this stream has told of it."""
        self.last_id: str | None = None
        self.ended = False
        """True if the server said that nothing more will come."""
        self.pause_s = _SOON_S
        """After which a stream that closed may be opened again."""

    def writer_for(self, answer: Answer) -> "JobStream | None":
        """This, for an answer that is a stream."""
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        return self if answer.status == 200 and kind == "text/event-stream" else None

    @property
    def enough(self) -> bool:
        """True after the last state, or when told to stop."""
        return self.ended or (self.job is not None and self.job.ended) or self._stop()

    def write(self, piece: bytes) -> Sequence[Job]:
        """Take a piece. Returns the states that are whole now. Raises UnexpectedAnswer."""
        self._size += len(piece)
        if self._size > _MOST_BYTES:
            raise UnexpectedAnswer(f"an event has more than {_MOST_BYTES:,} bytes")
        self._rest += piece
        if b"\n" not in piece:
            return ()
        *lines, rest = self._rest.replace(b"\r\n", b"\n").split(b"\n")
        self._rest = bytearray(rest)
        return [job for line in lines if (job := self._line(line.decode("utf-8", "replace"))) is not None]

    def _line(self, line: str) -> Job | None:
        if not line:
            name, data, self._name, self._data, self._size = self._name, "\n".join(self._data), "", [], 0
            return self._event(name, data)
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
        elif field == "id" and "\0" not in value:
            self.last_id = value
        elif field == "retry" and value.isascii() and value.isdigit():
            self.pause_s = min(int(value[:9]) / 1000, 60.0)
        return None

    def _event(self, name: str, data: str) -> Job | None:
        if name == "end":
            self.ended = True
        if name != "job":
            return None
        try:
            job = Job.from_json(json.loads(data))
        except (ValueError, RecursionError):
            raise UnexpectedAnswer("an event of a job is not JSON") from None
        known, self.job, self.told = self.job, job, True
        if known is not None and known.raw == job.raw:
            return None
        if self._on_job is not None:
            self._on_job(job)
        return job


def listen(config: Config, job: object, stream: JobStream, last_id: str | None = None) -> Send:
    """The request for a stream, which has no end of its own."""
    headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity", "Cache-Control": "no-store"}
    if last_id:
        headers["Last-Event-ID"] = last_id
    step = to_send(config, Request("GET", job_path(job, "/stream"), headers=headers))
    return replace(step, read_s=max(_SILENCE_S, config.timeout_s), total_s=None, writer_for=stream.writer_for)


def follow_stream(config: Config, job: object) -> Flow[None]:
    """Every state of the job until it has ended; a stream that is lost is opened again."""
    last_id, known, tries = None, None, 0
    while True:
        stream = JobStream(known=known)
        try:
            answer: Answer = yield listen(config, job, stream, last_id)
            if answer.status == 204 or stream.enough:
                return
            if answer.status != 200:
                raise problem_of(answer, config.url)
            if stream.writer_for(answer) is None:
                raise UnexpectedAnswer("the answer is no stream of events: does a proxy keep them back?")
            pause = stream.pause_s
        except TodokeError as failure:
            tries = 0 if stream.told else tries + 1
            later = pause_after(failure, tries, config)
            if not may_pass(failure) or later is None or tries > config.max_retries:
                raise
            pause = later
        last_id, known = stream.last_id or last_id, stream.job
        yield Sleep(pause)
