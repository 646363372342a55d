"""A visit to a page: who looks, in which language and theme; and what a form brings."""

import hmac
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypedDict
from urllib.parse import parse_qsl, urlsplit

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from services.api.actions.parts import Parts
from services.api.auth.principal import ANONYMOUS, Origin, Principal
from services.api.auth.sessions import form_token
from services.api.console.texts import Texts, chosen, texts
from services.api.http.client_address import client_address
from services.api.http.dependencies import parts_of
from services.api.http.problems import Problem
from services.api.networks import is_loopback

THEMES = ("auto", "light", "dark")
LANGUAGE, THEME = "todoke-language", "todoke-theme"
"""Cookies with what the visitor chose. They hold no secret."""
SESSION, PLAIN_SESSION = "__Host-todoke", "todoke-session"
"""The session's cookie; and its name on plain HTTP, where browsers refuse the first one."""
NOBODY = Principal("", None, frozenset())
"""Whoever is not signed in: it may do nothing."""
_MAX_FORM_BYTES = 256 * 1024
_MAX_FIELDS = 2_000
_FORM = "application/x-www-form-urlencoded"


class CookieOptions(TypedDict):
    """What is said of a cookie besides its value."""

    key: str
    path: str
    httponly: bool
    samesite: Literal["lax"]
    secure: bool


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a page. Its principal is nobody's until `signed_in`."""

    request: Request
    principal: Principal
    language: str
    theme: str
    signed_in: bool
    token: str | None
    """Of the session; None where no keys are asked for, and for whoever is not signed in."""

    @property
    def parts(self) -> Parts:
        """The API's parts."""
        return parts_of(self.request)

    @property
    def texts(self) -> Texts:
        """The texts of the reader's language."""
        return texts(self.language)

    @property
    def console(self) -> str:
        """The path of the console, behind the proxy's own."""
        return f"{self.parts.settings.root_path}/console"

    @property
    def proof(self) -> str:
        """What the forms of this session carry; empty where there are no sessions."""
        return form_token(self.token) if self.token else ""

    @property
    def cookie(self) -> CookieOptions:
        """How the session's cookie is set."""
        plain = _is_plain(self.request)
        name = PLAIN_SESSION if plain else SESSION
        return {"key": name, "path": "/", "httponly": True, "samesite": "lax", "secure": not plain}

    def name(self, field: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[field])

    def to(self, path: str) -> Response:
        """See another page of the console now."""
        return RedirectResponse(f"{self.console}{path}", 303)


class Form(NamedTuple):
    """The fields of a form that was sent, in their order."""

    fields: list[tuple[str, str]]

    def one(self, name: str) -> str:
        """The field's value; empty if there is none."""
        return next((value for key, value in self.fields if key == name), "")

    def many(self, name: str) -> list[str]:
        """Every value of the field."""
        return [value for key, value in self.fields if key == name]

    def has(self, name: str) -> bool:
        """True if the form has the field, be it empty."""
        return any(key == name for key, _ in self.fields)


async def visit_of(request: Request) -> Visit:
    """The visit, in the language and the theme that cookies or the browser ask for."""
    theme, sessions = request.cookies.get(THEME), parts_of(request).sessions
    token = request.cookies.get(PLAIN_SESSION if _is_plain(request) else SESSION)
    principal: Principal | None = ANONYMOUS
    if sessions is not None:
        principal = await sessions.principal_of(token) if token else None
    address = client_address(request, request.app.state.trusted_proxies)
    return Visit(
        request,
        (principal or NOBODY).asking(Origin(request.scope.get("request_id"), address or None)),
        chosen(request.cookies.get(LANGUAGE), request.headers.get("accept-language", "")),
        theme if theme in THEMES else THEMES[0],
        signed_in=principal is not None,
        token=token if sessions is not None and principal is not None else None,
    )


def _is_plain(request: Request) -> bool:
    """True for plain HTTP to this very machine, where a browser keeps no secure cookie.

    Everywhere else the cookie is for HTTPS alone, wherever that ends: a proxy speaks plain HTTP to us.
    """
    return request.url.scheme == "http" and is_loopback(request.url.hostname or "")


async def read_form(visit: Visit) -> Form:
    """The form that a page of this session sent. Raises Problem 403, 413, 415 or 422."""
    request = visit.request
    refuse_other_sites(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM:
        raise Problem(415, "unsupported_media_type", f"Forms are sent as {_FORM}.", headers={"Accept-Post": _FORM})
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > _MAX_FORM_BYTES:
            raise Problem(413, "body_too_large", f"The form has more than {_MAX_FORM_BYTES} bytes.")
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise Problem(422, "invalid_request", "The form cannot be read: it is not UTF-8, or too long.") from None
    form = Form(pairs)
    if visit.proof and not hmac.compare_digest(form.one("proof").encode(), visit.proof.encode()):
        raise Problem(403, "other_site", "This form is not of this session. Open the page again, and send it anew.")
    return form


def refuse_other_sites(request: Request) -> None:
    """Raise Problem 403 if a page of another site made the browser send this.

    Browsers say so in Sec-Fetch-Site; older ones name the page's origin. What is no browser sends neither, and nobody
    else's cookies.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    same = site == "same-origin" if site is not None else origin is None or _host(origin) == request.headers.get("host")
    if not same:
        raise Problem(403, "other_site", "This form was sent by a page of another site. Open the console itself.")


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def within(path: str, default: str) -> str:
    """The path to go to next, if it stays on this site; else the default."""
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if plain else default
