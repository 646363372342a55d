"""A request for a page: who sends it, in which language and theme, and how its form is read."""

import hmac
from dataclasses import dataclass, replace
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
from services.api.http.quota import QUOTA
from services.api.networks import is_loopback

THEMES = ("auto", "light", "dark")
SWITCH = ("on", "off")
"""Whether single-key shortcuts are on."""
LANGUAGE, THEME, KEYS = "todoke-language", "todoke-theme", "todoke-keys"
"""Cookies with the visitor's settings. They hold no secret."""
SESSION, PLAIN_SESSION = "__Host-todoke", "todoke-session"
"""The session's cookie, and its name on plain HTTP, where browsers refuse the first name."""
NOBODY = Principal("", None, frozenset())
"""The principal of a visitor who is not signed in: it may do nothing."""
_MAX_FORM_BYTES = 256 * 1024
_MAX_FIELDS = 2_000
_FORM = "application/x-www-form-urlencoded"


class CookieOptions(TypedDict):
    """Everything about a cookie except its value."""

    key: str
    path: str
    httponly: bool
    samesite: Literal["lax"]
    secure: bool


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a page. Its principal is NOBODY until `identified` has found the session."""

    request: Request
    principal: Principal
    language: str
    theme: str
    keys: str
    """`off` if single-key shortcuts are switched off."""
    signed_in: bool
    token: str | None
    """The session's token; None where no keys are required, and for a visitor who is not signed in."""

    @property
    def parts(self) -> Parts:
        """The API's parts; for a page that only reads, those that cannot write and have a short time limit."""
        parts = parts_of(self.request)
        return parts.for_reading() if self.request.method in {"GET", "HEAD"} else parts

    @property
    def texts(self) -> Texts:
        """The texts of the reader's language."""
        return texts(self.language)

    @property
    def console(self) -> str:
        """The path of the console, including the proxy's own prefix."""
        return f"{self.parts.settings.root_path}/console"

    @property
    def proof(self) -> str:
        """The token that forms of this session carry; empty where there are no sessions."""
        return form_token(self.token) if self.token else ""

    @property
    def cookie(self) -> CookieOptions:
        """How the session's cookie is set."""
        plain = _is_plain(self.request)
        name = PLAIN_SESSION if plain else SESSION
        return {"key": name, "path": "/", "httponly": True, "samesite": "lax", "secure": not plain}

    def name(self, field: str) -> str:
        """Return the path parameter of that name."""
        return str(self.request.path_params[field])

    def to(self, path: str) -> Response:
        """Answer with a redirect (303) to another page of the console; `path` is below `/console`."""
        return RedirectResponse(f"{self.console}{path}", 303)


class Form(NamedTuple):
    """The fields of a submitted form, in their order."""

    fields: list[tuple[str, str]]

    def one(self, name: str) -> str:
        """Return the field's first value, or an empty string if the form has no such field."""
        return next((value for key, value in self.fields if key == name), "")

    def many(self, name: str) -> list[str]:
        """Return every value of the field."""
        return [value for key, value in self.fields if key == name]

    def has(self, name: str) -> bool:
        """Return True if the form has the field, even if it is empty."""
        return any(key == name for key, _ in self.fields)


def visit_of(request: Request) -> Visit:
    """Return the visit, in the language and theme that cookies or the browser ask for. Nobody is signed in yet."""
    theme = request.cookies.get(THEME)
    return Visit(
        request,
        NOBODY,
        chosen(request.cookies.get(LANGUAGE), request.headers.get("accept-language", "")),
        theme if theme in THEMES else THEMES[0],
        "off" if request.cookies.get(KEYS) == "off" else "on",
        signed_in=False,
        token=None,
    )


async def identified(visit: Visit) -> Visit:
    """Return the visit with its principal. A page counts against the rate limit like any request.

    Raises RateLimited, also for an address that has sent too many made-up cookies.
    """
    request, parts = visit.request, visit.parts
    address = client_address(request, request.app.state.trusted_proxies)
    token = request.cookies.get(PLAIN_SESSION if _is_plain(request) else SESSION)
    principal: Principal | None = ANONYMOUS
    if parts.sessions is not None:
        principal = await parts.access.of_session(parts.sessions, token, address) if token else None
    if principal is not None:
        request.scope[QUOTA] = await parts.access.count(principal)
    return replace(
        visit,
        principal=(principal or NOBODY).asking(Origin(request.scope.get("request_id"), address or None)),
        signed_in=principal is not None,
        token=token if parts.sessions is not None and principal is not None else None,
    )


def _is_plain(request: Request) -> bool:
    """True for plain HTTP to this very machine, where a browser refuses to store a secure cookie.

    Everywhere else the cookie is for HTTPS only, even if a proxy ends it and speaks plain HTTP to us.
    """
    return request.url.scheme == "http" and is_loopback(request.url.hostname or "")


async def read_form(visit: Visit) -> Form:
    """Read the form, which a page of this session must have sent. Raises Problem 403, 413, 415 or 422."""
    request = visit.request
    refuse_other_sites(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM:
        raise Problem(415, "unsupported_media_type", f"Forms are sent as {_FORM}.", headers={"Accept-Post": _FORM})
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > _MAX_FORM_BYTES:
            raise Problem(413, "body_too_large", f"The form is larger than {_MAX_FORM_BYTES} bytes.")
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise Problem(422, "invalid_request", "The form cannot be read: it is not UTF-8, or too long.") from None
    form = Form(pairs)
    if visit.proof and not hmac.compare_digest(form.one("proof").encode(), visit.proof.encode()):
        raise Problem(403, "other_site", "This form belongs to another session. Reload the page and submit it again.")
    return form


def refuse_other_sites(request: Request) -> None:
    """Raise Problem 403 if a page of another site made the browser send this request.

    Browsers report that in Sec-Fetch-Site; older ones send the page's origin. Other clients send neither header, and
    cannot have another person's cookies.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    same = site == "same-origin" if site is not None else origin is None or _host(origin) == request.headers.get("host")
    if not same:
        raise Problem(403, "other_site", "This form was submitted from another site. Open the console and try there.")


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def within(path: str, default: str) -> str:
    """Return `path` if it stays on this site, and `default` otherwise."""
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if plain else default
