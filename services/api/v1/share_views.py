"""Views of links to files."""

from uuid import UUID

from pydantic import Field

from services.api.actions.shares import MadeShare
from services.api.v1.base_view import Time, View
from shared.access.shares import Share, State


class ShareView(View):
    """A link to a file, without its secret part."""

    share_id: UUID
    job_id: UUID
    name: str
    """The name of the file."""
    state: State
    """`used_up`: it was downloaded as often as allowed; `revoked`: the link, or the key that created it, was
    revoked."""
    expires_at: Time
    max_downloads: int | None
    """Null: any number."""
    downloads: int
    last_download_at: Time | None
    created_at: Time
    created_by: str | None
    revoked_at: Time | None
    revoked_by: str | None
    links: dict[str, str]


class MadeShareView(ShareView):
    """A new link. `url` is shown once."""

    url: str | None = Field(examples=["/shared/…"])
    """Where anyone can download the file without a key; null if the request is repeated."""
    url_shown: bool
    """False if the request is repeated with its Idempotency-Key: the link was shown the first time."""


class SharesView(View):
    """One page of links, newest first."""

    shares: list[ShareView]
    next_page_token: str | None


def share_view(share: Share, root: str) -> ShareView:
    """The view of a link."""
    return ShareView(**_fields(share, root))


def made_view(made: MadeShare, root: str) -> MadeShareView:
    """The view of a new link."""
    url = None if made.token is None else shared_url(made.token, root)
    return MadeShareView(**_fields(made.share, root), url=url, url_shown=url is not None)


def shared_url(token: str, root: str) -> str:
    """Return where a visitor without a key finds the file; `root` is the path under which a proxy publishes the API."""
    return f"{root}/shared/{token}"


def _fields(share: Share, root: str) -> dict[str, object]:
    told = {name: value for name, value in share._asdict().items() if name not in ("id", "tenant", "digest")}
    own = f"{root}/v1/shares/{share.id}"
    return {**told, "share_id": share.id, "links": {"self": own, "job": f"{root}/v1/jobs/{share.job_id}"}}
