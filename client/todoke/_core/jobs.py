"""The requests about jobs, and how their answers are read."""

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
    """Ask for a report."""
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
    """Ask again for what an ended job was asked for."""
    body = _given(parameters=parameters, formats=listed(formats)) | on_the_wire(options)
    headers = {**key_header(idempotency_key), **matching(if_match)}
    request = Request("POST", job_path(job, ":retry"), body=body, headers=headers, fine=frozenset({202}))
    answer = yield from send(config, request)
    return Retried.from_json(content_of(answer), replayed=replayed_by(answer.headers))


def get(config: Config, job: object) -> Flow[Job]:
    """A job as it is now."""
    answer = yield from send(config, Request("GET", job_path(job)))
    return Job.from_json(content_of(answer), etag=answer.headers.get("etag"))


def cancel(config: Config, job: object, *, if_match: str | None) -> Flow[Job]:
    """Cancel a job, or have its worker told."""
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
    """Why the job is where it is."""
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
    """Say what a report would be."""
    body = _wanted(report_type, parameters, formats, reuse_seconds, options)
    answer = yield from send(config, Request("POST", "/v1/jobs:estimate", body=body))
    return Estimate.from_json(content_of(answer))


def keep(
    config: Config, job: object, *, expires_at: Moment | None, kept_until: Moment | None, if_match: str | None
) -> Flow[Job]:
    """Keep a job and its files for longer."""
    body = _given(expiresAt=expires_at, keptUntil=kept_until)
    request = Request("POST", job_path(job, ":keep"), body=body or None, headers=matching(if_match))
    answer = yield from send(config, request)
    return Job.from_json(content_of(answer), etag=answer.headers.get("etag"))


def create_many(config: Config, submissions: Iterable[Submission]) -> Flow[Sequence[Submitted]]:
    """Ask for many reports, a request for each thousand. Each has a key of its own, so that a try repeats none."""
    wanted = [_one_of_many(one) for one in submissions]
    done: list[Submitted] = []
    for at in range(0, len(wanted), MOST_AT_ONCE):
        part = wanted[at : at + MOST_AT_ONCE]
        answer = yield from send(config, Request("POST", "/v1/jobs:batch", body={"jobs": part}))
        results = Fields(content_of(answer), "the answers to a batch").each("results")
        if len(results) != len(part):
            raise UnexpectedAnswer(f"{len(part)} submissions have {len(results)} answers")
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
    """Every job, page by page."""
    yield from every(
        lambda token: list_page(config, which, page_size=page_size, page_token=token), lambda page: page.jobs
    )


def _given(**fields: object) -> dict[str, object]:
    """A body without what is left out."""
    return {name: value for name, value in fields.items() if value is not None}


def listed(values: Iterable[str] | None) -> list[str] | None:
    """The values as a list. Raises TypeError for a single text, which would be taken apart."""
    if isinstance(values, str):
        raise TypeError(f"write a list, such as [{values!r}]")
    return None if values is None else list(values)


def key_header(given: str | None) -> Mapping[str, str]:
    """One key for all tries of a call, so that they make one job."""
    key = str(uuid.uuid4()) if given is None else given
    if not re.fullmatch(r"[!-~]{1,255}", key):
        raise ValueError("an idempotency key is 1 to 255 visible ASCII characters")
    return {"Idempotency-Key": key}


def matching(etag: str | None) -> Mapping[str, str]:
    """The header by which a change insists on a state."""
    return {} if etag is None else {"If-Match": etag}


def _wanted(
    report_type: str | None,
    parameters: Mapping[str, Any] | None,
    formats: Sequence[str] | None,
    reuse_seconds: int | None,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """The body of a request for a report."""
    given = _given(reportType=report_type, parameters=parameters, formats=listed(formats), reuse=_reuse(reuse_seconds))
    return given | on_the_wire(options)


def _reuse(seconds: int | None) -> Mapping[str, int] | None:
    return None if seconds is None else {"maxAgeSeconds": seconds}


def replayed_by(headers: Mapping[str, str]) -> bool:
    """True if an earlier request with the same key is answered again."""
    return headers.get("idempotent-replayed") == "true"
