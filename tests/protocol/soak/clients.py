"""Clients that submit, retry, read, cancel and download, and record everything that they were told."""

import json
import random
import threading
import time
from typing import Any
from uuid import UUID

from shared.jobs.states import FINAL
from tests.protocol.soak.voices import Look, Voice
from tests.support.history.facts import Asked, Cancelled, Downloaded, History, Shown

_REQUESTS: tuple[tuple[int, dict[str, Any]], ...] = (
    (8, {"reportType": "slow", "formats": ["csv"], "parameters": {"seconds": 0}}),
    (5, {"reportType": "slow", "formats": ["csv"], "parameters": {"seconds": 0.5}}),
    (2, {"reportType": "slow", "formats": ["csv", "xlsx"], "parameters": {"seconds": 0.2}}),
    (2, {"reportType": "slow", "formats": ["csv"], "parameters": {"seconds": 5}}),
    (1, {"reportType": "broken"}),
)
_OTHER = {"reportType": "slow", "formats": ["xlsx"], "parameters": {"seconds": 1}}


class Client:
    """One client: a few jobs at a time, until `enough`; then it waits for their ends, until `stop`."""

    def __init__(self, voice: Voice, history: History, *, number: int, seed: int, at_once: int) -> None:
        self._voice = voice
        self._history = history
        self._number = number
        self._chance = random.Random(seed * 1000 + number)
        self._at_once = at_once
        self._open: dict[UUID, bool] = {}
        """Jobs that have not been seen final; True for one that is to be cancelled."""
        self.refused = False
        """A request was answered that it is wrong: asking again would not help."""
        self.enough = threading.Event()
        self.stop = threading.Event()

    def run(self) -> None:
        """Until told otherwise."""
        asked = 0
        while not self.stop.is_set():
            if not self.enough.is_set() and not self.refused and len(self._open) < self._at_once:
                asked += 1
                self._ask(f"client-{self._number}-{asked}")
            for job_id in list(self._open):
                self._look(job_id)
            if (self.enough.is_set() or self.refused) and not self._open:
                return
            self.stop.wait(self._chance.uniform(0.1, 0.6))

    def _ask(self, name: str) -> None:
        weights, bodies = zip(*_REQUESTS, strict=True)
        body = self._chance.choices(bodies, weights)[0]
        key = self._voice.key(None if self._chance.random() < 0.1 else name)
        hasty = key is not None and self._chance.random() < 0.3
        cancels = self._chance.random() < 0.1
        if hasty:  # two copies of one request under way at once
            other = threading.Thread(target=self._submit, args=(body, key))
            other.start()
        job_id = self._submit(body, key)
        while key is not None and job_id is None and not self.refused and not self.stop.wait(0.3):
            job_id = self._submit(body, key)
        if hasty:
            other.join()
        if key is not None and self._chance.random() < 0.05:
            self._submit(_OTHER, key)
            self.refused = False
        if job_id is not None:
            self._open[job_id] = cancels

    def _submit(self, body: dict[str, Any], key: str | None) -> UUID | None:
        sent_at = time.time()
        status, job_id = self._voice.submit(body, key)
        self.refused = self.refused or (status is not None and 400 <= status < 500)
        self._history.asked.append(
            Asked(json.dumps(body, sort_keys=True), key, status, job_id, sent_at, time.time())
        )  # fmt: skip
        return job_id

    def _look(self, job_id: UUID) -> None:
        if self._open[job_id] and self._chance.random() < 0.5:
            self._cancel(job_id)
        sent_at = time.time()
        if (look := self._voice.look(job_id)) is None:
            return
        self._history.shown.append(Shown(job_id, look.version, look.status, look.body, sent_at, time.time()))
        if look.status in FINAL and self._downloaded(job_id, look):
            self._open.pop(job_id)

    def _cancel(self, job_id: UUID) -> None:
        sent_at = time.time()
        status = self._voice.cancel(job_id)
        self._open[job_id] = status is None
        self._history.cancelled.append(Cancelled(job_id, status, sent_at))

    def _downloaded(self, job_id: UUID, look: Look) -> bool:
        """Fetch every file of it. False when that has to be tried again."""
        files = self._voice.download(look)
        self._history.downloaded += [Downloaded(job_id, *file) for file in files or ()]
        return files is not None

    @property
    def waiting_for(self) -> int:
        """Jobs that it has not seen end."""
        return len(self._open)
