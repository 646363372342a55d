"""Signs people in with an issuer of tokens: the redirect to the issuer, and the answer that the browser brings back.

Authorization code with PKCE, state and nonce (RFC 6749, 7636, 9207; OpenID Connect Core 3.1). What must be remembered
in between is in a cookie of the browser that began, so a code is worth nothing in another browser.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from anyio import to_thread

from services.api.auth.fetching import CannotFetch, Document, fetch, post_form
from services.api.auth.issuer_keys import IssuerAway
from services.api.auth.issuers import Issuer, Login, url_problem
from services.api.auth.principal import Principal
from services.api.auth.tokens import Tokens, WrongToken

_FRESH_S = 600.0
"""Seconds for which an issuer's discovery document is trusted."""
LASTS_S = 600
"""Seconds that a person may take to sign in with the issuer."""


class Begun(NamedTuple):
    """A sign-in that has begun, as the cookie stores it. Secret from everyone except the browser that began it."""

    issuer: str
    """The issuer's name."""
    state: str
    nonce: str
    verifier: str


class Endpoints(NamedTuple):
    """The endpoints of an issuer."""

    authorization: str
    token: str
    takes_basic: bool
    """True if the client's secret may be sent in the Authorization header, as is usual."""


class Logins:
    """The issuers with which people may sign in."""

    def __init__(
        self,
        issuers: Mapping[str, Issuer],
        tokens: Tokens,
        *,
        get: Callable[[str], Document] = fetch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuers = {one.name: one for one in issuers.values() if one.login is not None}
        self._tokens = tokens
        self._get = get
        self._clock = clock
        self._endpoints: dict[str, tuple[float, Endpoints]] = {}

    @property
    def offered(self) -> Mapping[str, str]:
        """Name → the label of the button."""
        return {name: one.login.title or name for name, one in self._issuers.items() if one.login is not None}

    async def begin(self, name: str) -> tuple[str, Begun]:
        """Return where to send the browser, and what it must bring back.

        Raises KeyError for a name that is not offered, and IssuerAway.
        """
        issuer, login = self._of(name)
        endpoints = await self._found(issuer)
        begun = Begun(name, *(secrets.token_urlsafe(32) for _ in range(3)))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(begun.verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code", "response_mode": "query", "client_id": login.client_id,
            "redirect_uri": login.redirect_url, "scope": " ".join(login.scopes), "state": begun.state,
            "nonce": begun.nonce, "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        return f"{endpoints.authorization}{'&' if '?' in endpoints.authorization else '?'}{urlencode(asked)}", begun

    async def finish(self, begun: Begun, answer: Mapping[str, str]) -> Principal:
        """Return who has signed in, from what the issuer sent along with the browser.

        Raises WrongToken, NoTenant and IssuerAway.
        """
        issuer, login = self._of(begun.issuer)
        if not secrets.compare_digest(answer.get("state", "").encode("utf-8", "replace"), begun.state.encode()):
            raise WrongToken("belongs to a sign-in that this browser has not begun, or that is over: begin again")
        if answer.get("iss", issuer.issuer) != issuer.issuer:
            raise WrongToken("comes from another issuer than was asked")
        if "error" in answer or not answer.get("code"):
            raise WrongToken(f"was not given: the issuer says {answer.get('error', 'nothing')[:60]!r}")
        said = await self._exchange(issuer, login, begun, answer["code"])
        id_token, access_token = said.get("id_token"), said.get("access_token")
        if not isinstance(id_token, str):
            raise WrongToken("is missing: the issuer has sent no ID token; ask it for the scope openid")
        return await self._tokens.signed_in(
            id_token,
            issuer.issuer,
            client_id=login.client_id,
            nonce=begun.nonce,
            access_token=access_token if isinstance(access_token, str) else "",
        )

    def _of(self, name: str) -> tuple[Issuer, Login]:
        issuer = self._issuers[name]
        if issuer.login is None:
            raise KeyError(name)
        return issuer, issuer.login

    async def _exchange(self, issuer: Issuer, login: Login, begun: Begun, code: str) -> Mapping[str, Any]:
        endpoints = await self._found(issuer)
        fields = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": login.redirect_url,
            "client_id": login.client_id, "code_verifier": begun.verifier,
        }  # fmt: skip
        headers: dict[str, str] = {}

        def ask() -> Document:
            if login.client_secret_path is not None:
                secret = login.client_secret_path.read_text("utf-8").strip()
                if endpoints.takes_basic:
                    pair = f"{quote(login.client_id, safe='')}:{quote(secret, safe='')}"
                    headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
                else:
                    fields["client_secret"] = secret
            return post_form(endpoints.token, fields, headers)

        try:
            return (await to_thread.run_sync(ask)).content
        except OSError:
            raise IssuerAway(issuer.name) from None
        except CannotFetch as error:
            # The issuer answers 400 for a code that was used before or belongs to another client.
            if "answers 4" in str(error):
                raise WrongToken("was not given: the issuer does not take this code; begin again") from None
            raise IssuerAway(issuer.name) from None

    async def _found(self, issuer: Issuer) -> Endpoints:
        """Return the endpoints, which are fetched again now and then. Raises IssuerAway."""
        fresh_until, known = self._endpoints.get(issuer.name, (0.0, None))
        if known is not None and self._clock() < fresh_until:
            return known
        try:
            found = await to_thread.run_sync(lambda: _read(self._get, issuer))
        except CannotFetch:
            if known is None:
                raise IssuerAway(issuer.name) from None
            found = known
        self._endpoints[issuer.name] = (self._clock() + _FRESH_S, found)
        return found


def _read(get: Callable[[str], Document], issuer: Issuer) -> Endpoints:
    content = get(f"{issuer.issuer.rstrip('/')}/.well-known/openid-configuration").content
    if content.get("issuer") != issuer.issuer:
        raise CannotFetch(f"the discovery document is about another issuer than {issuer.issuer}")
    places = [content.get(f"{name}_endpoint") for name in ("authorization", "token")]
    for place in places:
        if not isinstance(place, str) or url_problem(place):
            raise CannotFetch(f"the discovery document of {issuer.issuer} names no endpoints to sign in with")
    takes = content.get("token_endpoint_auth_methods_supported")
    return Endpoints(str(places[0]), str(places[1]), not isinstance(takes, list) or "client_secret_basic" in takes)
