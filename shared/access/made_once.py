"""What names a request that makes something, so that a second one of that name makes nothing."""

from typing import NamedTuple


class Request(NamedTuple):
    """Of one tenant and one kind of thing."""

    text: str
    digest: str
    """Of what it asks for."""
