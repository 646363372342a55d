"""Keeps pages of other sites away from an API that requires no key.

Anyone who reaches such an API may do everything, and a browser on the same machine reaches it for every page that it
shows. A page of another site can make the browser send a request, although it cannot read the answer. If the site's own
name resolves to the loopback, page and API count as one site, and the page can read everything ("DNS rebinding").
"""

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from services.api.http.client_address import comes_from
from services.api.http.problems import Problem, answer
from services.api.networks import Network

_HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing, and whose answer the page cannot read."""
_CODE = "other_site"


class OtherSites:
    """Refuses requests that another site's page made a browser send, and host names that others may point here."""

    def __init__(self, app: ASGIApp, *, own_names: bool, trusted: Sequence[Network], origins: Sequence[str]) -> None:
        """`own_names`: accept only host names that no other site can have, except from `trusted` proxies.

        Pages of `origins` may send requests.
        """
        self._app = app
        self._own_names = own_names
        self._trusted = trusted
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and (refused := self._refused(HTTPConnection(scope), scope["method"])):
            await answer(HTTPConnection(scope), refused)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refused(self, request: HTTPConnection, method: str) -> Problem | None:
        host = request.headers.get("host", "")
        if self._own_names and not _is_own(host) and not comes_from(request, self._trusted):
            return Problem(
                403,
                _CODE,
                f"An API without keys answers to localhost and to addresses, not to {host[:100]!r}: any site could "
                "point its own name here. Set API_AUTH=keys, or list the proxy in front in API_TRUSTED_PROXIES.",
            )
        if method not in _HARMLESS and not self._is_of_this_site(request, host):
            return Problem(
                403,
                _CODE,
                "A page of another site sent this request. To allow it, list its origin in API_CORS_ORIGINS.",
            )
        return None

    def _is_of_this_site(self, request: HTTPConnection, host: str) -> bool:
        """Return False if the browser says otherwise, in Sec-Fetch-Site or, if it is older, by the page's Origin.

        Programs send neither header.
        """
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
        if origin in self._origins:
            return True
        if site is not None:
            return site in {"same-origin", "none"}
        return origin is None or origin.partition("://")[2] == host


def _is_own(host: str) -> bool:
    """Return True for an address, for localhost, and for a name without a dot, which no other site has."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:
        return False
    if "." not in name or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
