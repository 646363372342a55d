"""Requests about links to files."""

from todoke._core.config import Config
from todoke._core.jobs import key_header
from todoke._core.paging import every
from todoke._core.requests import Request, content_of, id_segment, job_path, segment, send
from todoke._core.steps import Flow
from todoke.share_values import MadeShare, Share, SharesPage

_ALL = "/v1/shares"


def create(
    config: Config,
    job: object,
    name: str,
    *,
    expires_seconds: int | None,
    max_downloads: int | None,
    idempotency_key: str | None,
) -> Flow[MadeShare]:
    """Create a link to a file of a job."""
    given = {"expiresSeconds": expires_seconds, "maxDownloads": max_downloads}
    body = {field: value for field, value in given.items() if value is not None}
    path = job_path(job, f"/artifacts/{segment(name, 'file')}:share")
    request = Request("POST", path, body=body, headers=key_header(idempotency_key), fine=frozenset({201}))
    return MadeShare.from_json(content_of((yield from send(config, request))), config.url)


def get(config: Config, share: object) -> Flow[Share]:
    """One link."""
    return Share.from_json(content_of((yield from send(config, Request("GET", _path(share))))))


def list_page(config: Config, *, job: object, page_size: int | None, page_token: str | None) -> Flow[SharesPage]:
    """One page of links."""
    query = {"job": None if job is None else id_segment(job, "job"), "pageSize": page_size, "pageToken": page_token}
    return SharesPage.from_json(content_of((yield from send(config, Request("GET", _ALL, query=query)))))


def iterate(config: Config, *, job: object, page_size: int | None) -> Flow[None]:
    """Emit every link, page by page."""
    yield from every(
        lambda token: list_page(config, job=job, page_size=page_size, page_token=token), lambda page: page.shares
    )


def revoke(config: Config, share: object) -> Flow[None]:
    """Revoke a link."""
    yield from send(config, Request("DELETE", _path(share), fine=frozenset({204})))


def _path(share: object) -> str:
    return f"{_ALL}/{id_segment(share, 'link')}"
