"""Requests about jobs, and how their answers are read."""

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from todoke._core.config import Config
from todoke._core.paging import every
from todoke._core.requests import Request, content_of, job_path, send
from todoke._core.steps import Flow
from todoke.errors import UnexpectedAnswer
from todoke.estimate import Estimate
from todoke.models import Accepted, Event, Job, JobsPage, Retried, Submitted
from todoke.options import Submission, as_query, on_the_wire
from todoke.reading import Fields
from todoke.why import Why

Moment = datetime | str


def create(
    config: Config,
    report_type: str | None,
    parameters: Mapping[str, Any] | None,
    *,
    formats: Sequence[str] | None,
    idempotency_key: str | None,
    reuse_seconds: int | None,
    options: Mapping[str, Any],
) -> Flow[Accepted]:
    """Submit a report."""
    body = _wanted(report_type, parameters, formats, reuse_seconds, options)
    answer = yield from send(
        config,
        Request("POST", "/v1/jobs", body=body, headers=key_header(idempotency_key), fine=frozenset({202})),
    )
    return Accepted.from_json(content_of(answer), replayed=replayed_by(answer.headers))


def retry(
    config: Config,
    job: object,
    parameters: Mapping[str, Any] | None,
    *,
    formats: Sequence[str] | None,
    idempotency_key: str | None,
    if_match: str | None,
    options: Mapping[str, Any],
) -> Flow[Retried]:
    """Repeat an ended job."""
    body = _given(parameters=parameters, formats=listed(formats)) | on_the_wire(options)
    headers = {**key_header(idempotency_key), **matching(if_match)}
    request = Request("POST", job_path(job, ":retry"), body=body, headers=headers, fine=frozenset({202}))
    answer = yield from send(config, request)
    return Retried.from_json(content_of(answer), replayed=replayed_by(answer.headers))


def get(config: Config, job: object) -> Flow[Job]:
    """Return the job's current state."""
    answer = yield from send(config, Request("GET", job_path(job)))
    return Job.from_json(content_of(answer), etag=answer.headers.get("etag"))


def cancel(config: Config, job: object, *, if_match: str | None) -> Flow[Job]:
    """Cancel a job, or ask its worker to stop."""
    request = Request("POST", job_path(job, ":cancel"), headers=matching(if_match), fine=frozenset({200, 202}))
    answer = yield from send(config, request)
    return Job.from_json(content_of(answer), etag=answer.headers.get("etag"))


def events(config: Config, job: object) -> Flow[Sequence[Event]]:
    """Every change of the job's state."""
    answer = yield from send(config, Request("GET", job_path(job, "/events")))
    content = content_of(answer)
    if not isinstance(content, list):
        raise UnexpectedAnswer("the history of a job should be a list")
    return tuple(Event.from_json(one) for one in content)


def why(config: Config, job: object) -> Flow[Why]:
    """Explain the job's state."""
    answer = yield from send(config, Request("GET", job_path(job, "/why")))
    return Why.from_json(content_of(answer))


def estimate(
    config: Config,
    report_type: str | None,
    parameters: Mapping[str, Any] | None,
    *,
    formats: Sequence[str] | None,
    reuse_seconds: int | None,
    options: Mapping[str, Any],
) -> Flow[Estimate]:
    """Estimate a report."""
    body = _wanted(report_type, parameters, formats, reuse_seconds, options)
    answer = yield from send(config, Request("POST", "/v1/jobs:estimate", body=body))
    return Estimate.from_json(content_of(answer))


def keep(
    config: Config, job: object, *, expires_at: Moment | None, kept_until: Moment | None, if_match: str | None
) -> Flow[Job]:
    """Keep a job and its files longer."""
    body = _given(expiresAt=expires_at, keptUntil=kept_until)
    request = Request("POST", job_path(job, ":keep"), body=body or None, headers=matching(if_match))
    answer = yield from send(config, request)
    return Job.from_json(content_of(answer), etag=answer.headers.get("etag"))


def create_many(config: Config, submissions: Iterable[Submission]) -> Flow[Sequence[Submitted]]:
    """Submit many reports, up to a thousand per request. Each carries an idempotency key, so that a retry creates no
    second job.
    """
    wanted = [_one_of_many(one) for one in submissions]
    done: list[Submitted] = []
    for at in range(0, len(wanted), MOST_AT_ONCE):
        part = wanted[at : at + MOST_AT_ONCE]
        answer = yield from send(config, Request("POST", "/v1/jobs:batch", body={"jobs": part}))
        results = Fields(content_of(answer), "the answers to a batch").each("results")
        if len(results) != len(part):
            raise UnexpectedAnswer(f"the server returned {len(results)} results for {len(part)} submissions")
        done += [Submitted.read(one) for one in results]
    return tuple(done)


def _one_of_many(given: Submission) -> dict[str, object]:
    options = {name: value for name, value in given.items() if name not in _OWN}
    return _given(
        reportType=given.get("report_type"),
        parameters=given.get("parameters"),
        formats=listed(given.get("formats")),
        reuse=_reuse(given.get("reuse_seconds")),
        idempotencyKey=key_header(given.get("idempotency_key"))["Idempotency-Key"],
    ) | on_the_wire(options)


_OWN = {"report_type", "parameters", "formats", "idempotency_key", "reuse_seconds"}
MOST_AT_ONCE = 1000
"""Submissions that the API takes in one request."""


def delete(config: Config, job: object, *, cancel_first: bool, if_match: str | None) -> Flow[None]:
    """Erase a job."""
    query = {"cancel": "true"} if cancel_first else None
    request = Request("DELETE", job_path(job), query=query, headers=matching(if_match), fine=frozenset({204}))
    yield from send(config, request)


def list_page(
    config: Config, which: Mapping[str, Any], *, page_size: int | None, page_token: str | None
) -> Flow[JobsPage]:
    """One page of jobs."""
    query = {**as_query(which), "pageSize": page_size, "pageToken": page_token}
    answer = yield from send(config, Request("GET", "/v1/jobs", query=query))
    return JobsPage.from_json(content_of(answer))


def iterate(config: Config, which: Mapping[str, Any], *, page_size: int | None) -> Flow[None]:
    """Emit every job, page by page."""
    yield from every(
        lambda token: list_page(config, which, page_size=page_size, page_token=token), lambda page: page.jobs
    )


def _given(**fields: object) -> dict[str, object]:
    """Build a body without the fields that are None."""
    return {name: value for name, value in fields.items() if value is not None}


def listed(values: Iterable[str] | None) -> list[str] | None:
    """Return the values as a list. Raises TypeError for a single text, which would be split into letters."""
    if isinstance(values, str):
        raise TypeError(f"expected a list, such as [{values!r}]")
    return None if values is None else list(values)


def key_header(given: str | None) -> Mapping[str, str]:
    """Return the header with one key for all retries of a call, so that they create one job."""
    key = str(uuid.uuid4()) if given is None else given
    if not re.fullmatch(r"[!-~]{1,255}", key):
        raise ValueError("an idempotency key is 1 to 255 visible ASCII characters")
    return {"Idempotency-Key": key}


def matching(etag: str | None) -> Mapping[str, str]:
    """Return the header that makes a change conditional on a state."""
    return {} if etag is None else {"If-Match": etag}


def _wanted(
    report_type: str | None,
    parameters: Mapping[str, Any] | None,
    formats: Sequence[str] | None,
    reuse_seconds: int | None,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Build the body of a request for a report."""
    given = _given(reportType=report_type, parameters=parameters, formats=listed(formats), reuse=_reuse(reuse_seconds))
    return given | on_the_wire(options)


def _reuse(seconds: int | None) -> Mapping[str, int] | None:
    return None if seconds is None else {"maxAgeSeconds": seconds}


def replayed_by(headers: Mapping[str, str]) -> bool:
    """True if the response repeats that of an earlier request with the same key."""
    return headers.get("idempotent-replayed") == "true"
