"""The name of a request that creates something, so that a second request of that name creates nothing."""

from typing import NamedTuple


class Request(NamedTuple):
    """The name of a request, within one tenant and one kind of object."""

    text: str
    digest: str
    """The digest of the request's content."""
