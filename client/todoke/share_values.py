"""Links to files, as values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from urllib.parse import urljoin

from todoke.reading import Fields
from todoke.results import Raw


@dataclass(frozen=True, slots=True)
class Share:
    """A link to a file, without its address."""

    id: str
    job_id: str
    name: str
    """The file's name."""
    state: str
    """`active`, `expired`, `used_up` or `revoked`."""
    expires_at: datetime | None
    max_downloads: int | None
    """None means any number."""
    downloads: int
    last_download_at: datetime | None
    created_at: datetime | None
    created_by: str | None
    revoked_at: datetime | None
    revoked_by: str | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a link to a file")
        return cls(**_told(read), raw=read.raw)


@dataclass(frozen=True, slots=True)
class MadeShare:
    """A new link. Its address is returned only once."""

    share: Share
    url: str | None = field(repr=False)
    """The address that downloads the file; None for a repeated request: the first response had it."""
    url_shown: bool
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object, base: str = "") -> Self:
        """Build the value from the API's JSON; `base` is the address of the API. Raises UnexpectedAnswer."""
        read = Fields(raw, "a new link to a file")
        path = read.maybe_text("url")
        return cls(
            share=Share.from_json(read.raw),
            url=None if path is None else urljoin(base, path),
            url_shown=read.flag("urlShown"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class SharesPage:
    """One page of links, newest first. `shares.iter` yields the links of all pages."""

    shares: Sequence[Share]
    next_page_token: str | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a page of links to files")
        return cls(
            shares=tuple(Share.from_json(one.raw) for one in read.each("shares")),
            next_page_token=read.maybe_text("nextPageToken"),
            raw=read.raw,
        )


def _told(read: Fields) -> dict[str, Any]:
    return {
        "id": read.text("shareId"),
        "job_id": read.text("jobId"),
        "name": read.text("name"),
        "state": read.text("state"),
        "expires_at": read.time("expiresAt"),
        "max_downloads": read.maybe_integer("maxDownloads"),
        "downloads": read.integer("downloads"),
        "last_download_at": read.time("lastDownloadAt"),
        "created_at": read.time("createdAt"),
        "created_by": read.maybe_text("createdBy"),
        "revoked_at": read.time("revokedAt"),
        "revoked_by": read.maybe_text("revokedBy"),
    }
