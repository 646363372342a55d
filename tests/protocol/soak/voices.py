"""How clients call the API: by hand, byte for byte as the protocol says, or with the client library."""

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from uuid import UUID, uuid4

import httpx2 as httpx

from shared.jobs.states import JobStatus
from todoke import Todoke, errors

_TIMEOUT_S = 20.0


class Told(NamedTuple):
    """What became of a submission."""

    status: int | None
    """The HTTP status; None if nobody knows whether it was applied: no answer came, or a 5xx."""
    job_id: UUID | None


class Look(NamedTuple):
    """A job as it was shown."""

    version: int
    status: JobStatus
    body: str
    """In one spelling."""
    job: Mapping[str, Any]


class File(NamedTuple):
    """A file as a client got it; the status in the place of the hash if it did not."""

    name: str
    sha256: str


class Voice(Protocol):
    """One way of speaking to the API."""

    def key(self, wanted: str | None) -> str | None:
        """The key that a submission goes out with, where it wants this one or none."""

    def submit(self, body: Mapping[str, Any], key: str | None) -> Told:
        """Ask for a report."""

    def look(self, job_id: UUID) -> Look | None:
        """See the job; None if it could not be seen now."""

    def cancel(self, job_id: UUID) -> int | None:
        """Ask to cancel. Returns the status; None if nobody knows whether it was applied."""

    def download(self, look: Look) -> Sequence[File] | None:
        """Fetch the files of a job that has ended; None if that has to be tried again."""


class ByHand:
    """Plain HTTP, every connection a new one: what the server does is seen as it is."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = httpx.Client(timeout=_TIMEOUT_S, limits=httpx.Limits(max_keepalive_connections=0))

    def key(self, wanted: str | None) -> str | None:
        """None stays None."""
        return wanted

    def submit(self, body: Mapping[str, Any], key: str | None) -> Told:
        """One try."""
        headers = {"Idempotency-Key": key} if key else {}
        with contextlib.suppress(httpx.HTTPError):
            answer = self._http.post(f"{self._url}/generate-report", json=body, headers=headers)
            if answer.status_code < 500:
                return Told(answer.status_code, UUID(answer.json()["jobId"]) if answer.status_code == 202 else None)
        return Told(None, None)

    def look(self, job_id: UUID) -> Look | None:
        """One try, with the version of the ETag."""
        with contextlib.suppress(httpx.HTTPError):
            answer = self._http.get(f"{self._url}/jobs/{job_id}")
            if answer.status_code == 200:
                job = answer.json()
                return Look(int(answer.headers["ETag"].strip('"')), JobStatus(job["status"]), answer.text, job)
        return None

    def cancel(self, job_id: UUID) -> int | None:
        """One try."""
        with contextlib.suppress(httpx.HTTPError):
            status = self._http.post(f"{self._url}/jobs/{job_id}:cancel").status_code
            return status if status < 500 else None
        return None

    def download(self, look: Look) -> Sequence[File] | None:
        """One try for each of them."""
        got = []
        for artifact in (look.job["result"] or {"artifacts": []})["artifacts"]:
            try:
                file = self._http.get(self._url + artifact["url"], follow_redirects=True)
            except httpx.HTTPError:
                return None
            if file.status_code >= 500:
                return None
            whole = file.status_code == 200
            got.append(
                File(artifact["name"], hashlib.sha256(file.content).hexdigest() if whole else str(file.status_code))
            )
        return got


class WithTodoke:
    """The client that people use: tries again by itself, keeps connections, goes on with half a file, verifies it."""

    def __init__(self, url: str, folder: Path) -> None:
        self._todoke = Todoke(url, "", timeout=_TIMEOUT_S)
        self._folder = folder

    def key(self, wanted: str | None) -> str | None:
        """The client always has one; it is chosen here so that the history knows it."""
        return wanted or f"own-{uuid4()}"

    def submit(self, body: Mapping[str, Any], key: str | None) -> Told:
        """All tries of one call."""
        kind, parameters, formats = (body.get(name) for name in ("reportType", "parameters", "formats"))
        try:
            made = self._todoke.jobs.create(kind, parameters, formats=formats, idempotency_key=key)
        except errors.ConnectionFailed:
            return Told(None, None)
        except errors.ApiError as error:
            return Told(error.status if error.status < 500 else None, None)
        return Told(202, UUID(made.id))

    def look(self, job_id: UUID) -> Look | None:
        """As the client reads it."""
        try:
            job = self._todoke.jobs.get(job_id)
        except (errors.ConnectionFailed, errors.ApiError):
            return None
        assert job.etag is not None
        return Look(int(job.etag.strip('"')), JobStatus(job.status), json.dumps(job.raw, sort_keys=True), job.raw)

    def cancel(self, job_id: UUID) -> int | None:
        """As 200 if the job is cancelled, and as 202 if its worker is told."""
        try:
            return 200 if self._todoke.jobs.cancel(job_id).status == JobStatus.CANCELLED else 202
        except errors.ConnectionFailed:
            return None
        except errors.ApiError as error:
            return error.status if error.status < 500 else None

    def download(self, look: Look) -> Sequence[File] | None:
        """Into a folder, from where the last try ended. The hash is that of the file on the disk."""
        if look.status is not JobStatus.SUCCESS:
            return []
        try:
            files = self._todoke.jobs.download(look.job["jobId"], self._folder / look.job["jobId"])
        except (errors.ConnectionFailed, errors.ServerError):
            return None
        except (errors.ApiError, errors.CorruptDownload) as error:
            return [File(artifact["name"], str(error)) for artifact in look.job["result"]["artifacts"]]
        return [File(file.artifact, hashlib.sha256(file.path.read_bytes()).hexdigest()) for file in files]
