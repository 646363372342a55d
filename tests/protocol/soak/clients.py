"""Clients that ask, ask again, look, cancel and download, and write down everything that they were told."""

import contextlib
import hashlib
import json
import random
import threading
import time
from typing import Any
from uuid import UUID

import httpx2 as httpx

from shared.jobs.states import FINAL, JobStatus
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

    def __init__(self, url: str, history: History, *, number: int, seed: int, at_once: int) -> None:
        self._url = url
        self._history = history
        self._number = number
        self._chance = random.Random(seed * 1000 + number)
        self._at_once = at_once
        self._http = httpx.Client(timeout=20, limits=httpx.Limits(max_keepalive_connections=0))
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
        key = None if self._chance.random() < 0.1 else name
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
        status, job_id = None, None
        with contextlib.suppress(httpx.HTTPError):
            answer = self._http.post(
                f"{self._url}/generate-report", json=body, headers={"Idempotency-Key": key} if key else {}
            )
            # A 5xx says that nothing was confirmed, which is what no answer says, too.
            status = answer.status_code if answer.status_code < 500 else None
            job_id = UUID(answer.json()["jobId"]) if status == 202 else None
        self.refused = self.refused or (status is not None and 400 <= status < 500)
        self._history.asked.append(
            Asked(json.dumps(body, sort_keys=True), key, status, job_id, sent_at, time.time())
        )  # fmt: skip
        return job_id

    def _look(self, job_id: UUID) -> None:
        if self._open[job_id] and self._chance.random() < 0.5:
            self._cancel(job_id)
        sent_at = time.time()
        with contextlib.suppress(httpx.HTTPError):
            answer = self._http.get(f"{self._url}/jobs/{job_id}")
            if answer.status_code != 200:
                return
            job = answer.json()
            status = JobStatus(job["status"])
            version = int(answer.headers["ETag"].strip('"'))
            self._history.shown.append(Shown(job_id, version, status, answer.text, sent_at, time.time()))
            if status in FINAL and self._downloaded(job):
                self._open.pop(job_id)

    def _cancel(self, job_id: UUID) -> None:
        sent_at, status = time.time(), None
        with contextlib.suppress(httpx.HTTPError):
            answer = self._http.post(f"{self._url}/jobs/{job_id}:cancel")
            status = answer.status_code if answer.status_code < 500 else None
            self._open[job_id] = status is None
        self._history.cancelled.append(Cancelled(job_id, status, sent_at))

    def _downloaded(self, job: dict[str, Any]) -> bool:
        """Fetch every file of it. False when that has to be tried again."""
        result = job["result"] or {"artifacts": []}
        got = []
        for artifact in result["artifacts"]:
            file = self._http.get(self._url + artifact["url"], follow_redirects=True)
            if file.status_code >= 500:
                return False
            sha256 = hashlib.sha256(file.content).hexdigest() if file.status_code == 200 else f"{file.status_code}"
            got.append(Downloaded(UUID(job["jobId"]), artifact["name"], sha256))
        self._history.downloaded += got
        return True

    @property
    def waiting_for(self) -> int:
        """Jobs that it has not seen end."""
        return len(self._open)
