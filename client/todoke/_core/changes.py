"""Follows changes of all jobs that the key sees, over streams that may break."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from todoke._core.config import Config
from todoke._core.event_stream import EventStream, listen
from todoke._core.requests import AWAY_S, may_pass, pause_after
from todoke._core.steps import Answer, Flow, Sleep
from todoke.changes import JobInShort
from todoke.errors import ConnectionFailed, TodokeError
from todoke.reading import Fields

_PATH = "/v1/jobs:stream"
_MOST_KNOWN = 10_000
"""Jobs whose versions are remembered, so that no version is emitted twice."""

OnMissed = Callable[[], None]


@dataclass(slots=True)
class _Known:
    """What all streams have emitted so far."""

    versions: dict[str, int] = field(default_factory=dict)
    """By job id, least recently changed first."""
    open: set[str] = field(default_factory=set)
    """Those of them that have not ended."""

    def is_new(self, job: JobInShort) -> bool:
        """True if this version has not been emitted yet. Records it."""
        if self.versions.get(job.id, 0) >= job.version:
            return False
        self.versions.pop(job.id, None)
        self.versions[job.id] = job.version
        (self.open.discard if job.ended else self.open.add)(job.id)
        if len(self.versions) > _MOST_KNOWN:
            oldest = next(iter(self.versions))
            del self.versions[oldest]
            self.open.discard(oldest)
        return True

    def forget_all_but(self, snapshot: Iterable[JobInShort]) -> None:
        """Stop tracking jobs that are not in the snapshot: `on_missed` has been called for them."""
        self.open &= {job.id for job in snapshot}

    def lacks(self, snapshot: Iterable[JobInShort]) -> bool:
        """True if a stream that starts with this snapshot may have missed changes: of unfinished jobs, or of all since
        the last stream.
        """
        there = {job.id for job in snapshot}
        return bool(self.open - there) or (bool(self.versions) and there.isdisjoint(self.versions))


class _Changes(EventStream):
    """Emits each job that is new or has changed."""

    def __init__(self, known: _Known, on_missed: OnMissed | None) -> None:
        super().__init__()
        self._known = known
        self._on_missed = on_missed

    def event(self, name: str, data: str) -> Iterable[JobInShort]:
        """Return the jobs of an event, oldest first. Raises UnexpectedAnswer."""
        if name == "missed":
            self._missed()
        if name == "job":
            return self._new([JobInShort.from_json(self.content(data))])
        if name != "snapshot":
            return ()
        self.told = True
        snapshot = Fields(self.content(data), "a snapshot")
        jobs = [JobInShort.from_json(one.raw) for one in snapshot.each("jobs")]
        if self._known.lacks(jobs) or snapshot.raw.get("complete") is False:
            self._missed()
        self._known.forget_all_but(jobs)
        return self._new(reversed(jobs))

    def _new(self, jobs: Iterable[JobInShort]) -> Iterable[JobInShort]:
        return [job for job in jobs if self._known.is_new(job)]

    def _missed(self) -> None:
        if self._on_missed is not None:
            self._on_missed()


def follow_changes(config: Config, on_missed: OnMissed | None) -> Flow[None]:
    """Emit every job that is new or changes, without end; reconnect when the stream is lost."""
    known, silent_since, tries = _Known(), config.clock(), 0
    while True:
        stream = _Changes(known, on_missed)
        try:
            answer: Answer = yield listen(config, _PATH, stream)
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
        yield Sleep(pause)
